//! Kamailio as the edge of a carrier: a proxy that record-routes, between the carrier's switch and us.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::authority::{Authority, Files};
use crate::hook::{deadline, now};
use crate::sipp::free;

/// A running Kamailio.
pub struct Kamailio {
    pub address: SocketAddr,
    log: PathBuf,
    child: Child,
}

impl Kamailio {
    /// Starts one at `address` that hands calls to `server`, an address with or without a transport;
    /// `tls` is what it shows and whom it trusts, where it speaks TLS.
    pub fn edge(
        folder: &Path,
        address: SocketAddr,
        server: &str,
        tls: Option<(&Files, &Authority)>,
    ) -> Self {
        let tls = tls.map_or_else(String::new, |(files, authority)| {
            let (certificate, key) = (files.certificate.display(), files.key.display());
            let (own, trusted) = (free(address.ip()), authority.file.display());
            format!(
                "enable_tls=yes
listen=tls:{own}
loadmodule \"tls.so\"
modparam(\"tls\", \"tls_method\", \"TLSv1.2+\")
modparam(\"tls\", \"certificate\", \"{certificate}\")
modparam(\"tls\", \"private_key\", \"{key}\")
modparam(\"tls\", \"ca_list\", \"{trusted}\")
modparam(\"tls\", \"verify_certificate\", 1)
modparam(\"tls\", \"require_certificate\", 1)"
            )
        });
        let text = include_str!("kamailio/edge.cfg")
            .replace("TLS\n", &format!("{tls}\n"))
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
        let log = folder.join("log");
        let it = Self {
            address,
            log,
            child,
        };
        it.wait();
        it
    }

    /// What it said.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it answers: to a request that may go no further it says 483.
    fn wait(&self) {
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
        panic!("kamailio did not come up: {}", self.log());
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
