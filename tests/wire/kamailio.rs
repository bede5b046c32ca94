//! Kamailio as the edge of a carrier: a proxy that record-routes, between the carrier's switch and us.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::hook::{deadline, now};

/// A running Kamailio.
pub struct Kamailio {
    pub address: SocketAddr,
    child: Child,
}

impl Kamailio {
    /// Starts one at `address` that hands calls to `server`, an address with or without a transport.
    pub fn edge(folder: &Path, address: SocketAddr, server: &str) -> Self {
        let text = include_str!("kamailio/edge.cfg")
            .replace("SERVER", &format!("sip:{server}"))
            .replace("LISTEN", &address.to_string())
            .replace("ADDRESS", &address.ip().to_string());
        let folder = folder.join("kamailio");
        fs::create_dir_all(&folder).unwrap();
        let config = folder.join("edge.cfg");
        fs::write(&config, text).unwrap();
        let child = Command::new("kamailio")
            .arg("-f")
            .arg(&config)
            .args(["-DD", "-E", "-m", "16", "-M", "4"])
            .arg("-Y")
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .expect("kamailio is missing: run ./test, or install Debian's package kamailio");
        let it = Self { address, child };
        it.wait(&folder.join("log"));
        it
    }

    /// Waits until it answers: to a request that may go no further it says 483.
    fn wait(&self, log: &Path) {
        let socket = UdpSocket::bind((self.address.ip(), 0)).unwrap();
        let me = socket.local_addr().unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let ping = format!(
            "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKready\r\nFrom: <sip:{me}>;tag=1\r\nTo: <sip:{0}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\nContent-Length: 0\r\n\r\n",
            self.address
        );
        let until = deadline(Duration::from_secs(20));
        let mut answer = [0; 2048];
        while now() < until {
            let _sent = socket.send_to(ping.as_bytes(), self.address);
            if socket.recv(&mut answer).is_ok() {
                return;
            }
        }
        panic!(
            "kamailio did not come up: {}",
            fs::read_to_string(log).unwrap()
        );
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // It ends its own processes when it is asked, and not when it is killed.
        let pid = self.child.id().to_string();
        let _sent = Command::new("kill").args(["-TERM", &pid]).status();
        let _reaped = self.child.wait();
    }
}
