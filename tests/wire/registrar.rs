//! A carrier's registrar over TLS: we connect, verify it, register, and come back when the connection is
//! gone.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::{Authority, Files};
use crate::hook::Hook;
use crate::rig::Rig;

const SOON: Duration = Duration::from_secs(30);

/// A registrar that takes whoever comes, and lets each connection fall after its first registration.
struct Registrar {
    at: SocketAddr,
    /// The request of each connection; none where its handshake failed.
    heard: Receiver<Option<String>>,
}

impl Registrar {
    fn start(files: &Files) -> Self {
        let chain = CertificateDer::from_pem_file(&files.certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (say, heard) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if say.send(take_one(stream, &config)).is_err() {
                    return;
                }
            }
        });
        Self { at, heard }
    }
}

/// Answers the first REGISTER of a connection with 200; none when its handshake fails.
fn take_one(stream: TcpStream, config: &Arc<ServerConfig>) -> Option<String> {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let server = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = StreamOwned::new(server, stream);
    let mut request = String::new();
    let mut buffer = [0; 4096];
    while !request.contains("\r\n\r\n") {
        let length = stream.read(&mut buffer).ok()?;
        request.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        if length == 0 {
            return None;
        }
    }
    let mut answer = "SIP/2.0 200 OK\r\n".to_owned();
    for line in request.lines() {
        let same = ["Via:", "From:", "Call-ID:", "CSeq:"];
        if same.iter().any(|name| line.starts_with(name)) {
            answer.push_str(&format!("{line}\r\n"));
        } else if line.starts_with("To:") {
            answer.push_str(&format!("{line};tag=r\r\n"));
        } else if line.starts_with("Contact:") {
            answer.push_str(&format!("{line};expires=3600\r\n"));
        }
    }
    answer.push_str("Content-Length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).ok()?;
    stream.flush().ok()?;
    Some(request)
}

fn server(hook: &Hook, registrar: &Registrar, ca: &Path) -> Rig {
    let at = registrar.at;
    let plan = format!(
        "version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks: {{ carrier: {{ register: {{ servers: [\"{at}\"], user: \"100200\", password: sesame }}, transport: tls }} }}
numbers: {{ \"0800 301 231\": {{ to: queue.odesa }} }}
operators: {{ olena: {{ password: secret-olena }} }}
queues: {{ odesa: {{ operators: {{ all: true }}, max_wait: 60s }} }}
"
    );
    let carrier = UdpSocket::bind("127.0.0.1:0").unwrap();
    let carrier = carrier.local_addr().unwrap();
    Rig::with_settings(hook, carrier, &plan, |settings| {
        let ca = format!("domain: strowger.test\n  tls: {{ ca: {} }}", ca.display());
        settings.replace("domain: strowger.test", &ca)
    })
}

/// RFC 3261 26.3.2.1, RFC 5923: what a carrier's server proves is checked, and what dies is made anew.
#[test]
fn a_trunk_registers_over_tls_and_again_when_its_connection_is_gone() {
    let mut hook = Hook::start();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let registrar = Registrar::start(&authority.certify(folder.path(), "carrier.test"));
    let _rig = server(&hook, &registrar, &authority.file);
    let first = registrar.heard.recv_timeout(SOON).unwrap().unwrap();
    assert!(first.starts_with("REGISTER sip:"), "{first}");
    assert!(first.contains("Via: SIP/2.0/TLS "), "{first}");
    assert!(first.contains("transport=tls"), "{first}");
    hook.wait_for("trunk.up", 1, SOON);
    let again = registrar.heard.recv_timeout(SOON).unwrap().unwrap();
    assert!(again.starts_with("REGISTER sip:"), "{again}");
}

/// A server that proves itself by an authority we do not trust never sees a word of ours.
#[test]
fn a_registrar_that_cannot_prove_itself_hears_nothing() {
    let hook = Hook::start();
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let trusted = Authority::new(own.path());
    let stranger = Authority::new(other.path());
    let registrar = Registrar::start(&stranger.certify(other.path(), "carrier.test"));
    let _rig = server(&hook, &registrar, &trusted.file);
    for _ in 0..2 {
        let heard = registrar.heard.recv_timeout(SOON).unwrap();
        assert_eq!(heard, None, "tried, and tried again, and nothing said");
    }
}
