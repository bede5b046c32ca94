//! TCP and TLS against the whole server: phones that register and take calls over them, a certificate
//! renewed in the middle of a talk, and peers that waste connections.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::authority::Authority;
use crate::baresip::Baresip;
use crate::hook::{Hook, now};
use crate::rig::{CALLER, Rig, WHISPER};
use crate::sound;

const OLENA: f64 = 660.0;
const SOON: Duration = Duration::from_secs(30);

/// A call of the carrier's to the one phone there is: it is whispered to, and then hears the caller.
fn takes_a_call(rig: &Rig, hook: &mut Hook, phone: Baresip, meanwhile: impl FnOnce()) {
    let caller = Baresip::carrier(rig.folder.path(), rig.carrier, CALLER, rig.sip);
    hook.wait_for("call.bridged", 1, SOON);
    meanwhile();
    hook.wait_for("call.ended", 1, SOON);
    let ended = hook.of("call.ended").next().unwrap();
    assert_eq!(ended["data"]["outcome"], "answered");
    let heard = phone.heard().remove(0);
    assert!(sound::heard(&heard, WHISPER) > 0.4, "the whisper first");
    assert!(sound::heard(&heard, CALLER) > 1.0, "then the caller");
    drop(caller);
}

#[test]
fn a_phone_on_tcp_takes_a_call() {
    let mut hook = Hook::start();
    let rig = Rig::start(&hook);
    let folder = rig.folder.path();
    let phone = Baresip::phone_on_stream(folder, "olena", OLENA, rig.tcp, None);
    hook.wait_for("operator.registered", 1, SOON);
    takes_a_call(&rig, &mut hook, phone, || {});
}

/// RFC 3261 26.2: a phone that verifies us by our certificate; RFC 5630's `transport=tls`.
#[test]
fn a_phone_on_tls_takes_a_call_and_keeps_it_through_a_new_certificate() {
    let mut hook = Hook::start();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let files = authority.certify(folder.path(), "first.test");
    let rig = Rig::with_tls(&hook, &files);
    assert!(shakes_hands(&authority, rig.tls, "first.test"));
    assert!(!shakes_hands(&authority, rig.tls, "second.test"));
    let ca = Some(authority.file.as_path());
    let phone = Baresip::phone_on_stream(rig.folder.path(), "olena", OLENA, rig.tls, ca);
    hook.wait_for("operator.registered", 1, SOON);
    takes_a_call(&rig, &mut hook, phone, || {
        authority.certify(folder.path(), "second.test");
        rig.signal("-HUP");
        rig.wait_for_log("the certificate was read anew");
        assert!(shakes_hands(&authority, rig.tls, "second.test"));
    });
}

#[test]
fn a_certificate_that_cannot_be_used_leaves_the_old_one_and_files_are_watched() {
    let hook = Hook::start();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let files = authority.certify(folder.path(), "first.test");
    let rig = Rig::with_tls(&hook, &files);
    std::fs::write(&files.certificate, "no certificate").unwrap();
    rig.wait_for_log("the old certificate is still shown");
    assert!(shakes_hands(&authority, rig.tls, "first.test"));
    authority.certify(folder.path(), "second.test");
    rig.wait_for_log("the certificate was read anew");
    assert!(shakes_hands(&authority, rig.tls, "second.test"));
}

fn shakes_hands(authority: &Authority, at: SocketAddr, name: &str) -> bool {
    tls(authority, at, name).is_some()
}

/// A TLS connection whose peer proved that it is `name`.
fn tls(
    authority: &Authority,
    at: SocketAddr,
    name: &str,
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let tcp = connect(at);
    let mut stream = StreamOwned::new(client, tcp);
    stream.write_all(b"\r\n\r\n").ok()?;
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).ok()?;
    assert_eq!(&pong, b"\r\n");
    Some(stream)
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn options(number: usize, by: &str, length: &str) -> String {
    format!(
        "OPTIONS sip:strowger.test SIP/2.0\r\nVia: SIP/2.0/{by} 192.0.2.1:9;branch=z9hG4bKw{number};rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:strowger.test>\r\nCall-ID: wire-{number}\r\nCSeq: {number} OPTIONS\r\n{length}\r\n"
    )
}

/// Reads so many answers without a body.
fn answers(stream: &mut impl std::io::Read, count: usize) -> Vec<String> {
    let mut text = String::new();
    let mut byte = [0; 512];
    while text.matches("\r\n\r\n").count() < count {
        let length = stream.read(&mut byte).expect("an answer comes soon");
        assert!(length > 0, "the connection ended after {text}");
        text.push_str(std::str::from_utf8(&byte[..length]).unwrap());
    }
    let answers = text.split_terminator("\r\n\r\n");
    answers.map(str::to_owned).collect()
}

/// RFC 3261 18.2.1, RFC 3581 4: over each transport the answer says where the request came from and
/// goes back there.
#[test]
fn answers_go_back_where_the_request_came_from_over_every_transport() {
    let hook = Hook::start();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let files = authority.certify(folder.path(), "first.test");
    let rig = Rig::with_tls(&hook, &files);
    let says = |answer: &str, port: u16| {
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        for part in [format!("rport={port}"), "received=127.0.0.1".to_owned()] {
            assert!(answer.contains(&part), "{part}: {answer}");
        }
    };
    let length = "Content-Length: 0\r\n";
    let mut tcp = connect(rig.tcp);
    // Pipelined: each gets its answer, in order.
    let burst: String = (1..=20).map(|it| options(it, "TCP", length)).collect();
    tcp.write_all(burst.as_bytes()).unwrap();
    for (at, answer) in answers(&mut tcp, 20).iter().enumerate() {
        says(answer, tcp.local_addr().unwrap().port());
        assert!(
            answer.contains(&format!("CSeq: {} OPTIONS", at + 1)),
            "{answer}"
        );
    }
    let mut stream = tls(&authority, rig.tls, "strowger.test").unwrap();
    stream
        .write_all(options(21, "TLS", length).as_bytes())
        .unwrap();
    let port = stream.get_ref().local_addr().unwrap().port();
    says(&answers(&mut stream, 1)[0], port);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(SOON)).unwrap();
    udp.send_to(options(22, "UDP", "").as_bytes(), rig.sip)
        .unwrap();
    let mut buffer = [0; 2048];
    let (got, _) = udp.recv_from(&mut buffer).unwrap();
    let answer = std::str::from_utf8(&buffer[..got]).unwrap();
    says(answer, udp.local_addr().unwrap().port());
}

/// A length that cannot be true, a message that drips and a peer that says nothing lose their
/// connections; whoever behaves notices none of it.
#[test]
fn who_wastes_connections_loses_them_and_nobody_else_does() {
    let hook = Hook::start();
    let rig = Rig::start(&hook);
    let begun = now();
    let mut silent = connect(rig.tcp);
    let mut dripping = connect(rig.tcp);
    let mut good = connect(rig.tcp);
    good.write_all(options(1, "TCP", "Content-Length: 0\r\n").as_bytes())
        .unwrap();
    answers(&mut good, 1);
    for (at, length, status) in [
        (2, "", "400"),
        (3, "Content-Length: -5\r\n", "400"),
        (4, "Content-Length: 99999999\r\n", "413"),
        (5, "Content-Length: 0\r\nContent-Length: 7\r\n", "400"),
    ] {
        let mut bad = connect(rig.tcp);
        bad.write_all(options(at, "TCP", length).as_bytes())
            .unwrap();
        let mut answer = String::new();
        bad.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with(&format!("SIP/2.0 {status} ")),
            "{length}: {answer}"
        );
    }
    // One byte every half second: it is over after ten seconds all the same.
    dripping
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let text = options(6, "TCP", "Content-Length: 0\r\n");
    let mut bytes = text.bytes();
    loop {
        let dropped = match bytes.next() {
            Some(byte) => dripping.write_all(&[byte]).is_err(),
            None => panic!("it dripped to its end"),
        };
        // A look that waits is the pause between two bytes.
        let ended = match dripping.read(&mut [0; 64]) {
            Ok(read) => read == 0,
            Err(error) => !matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
        };
        if dropped || ended {
            break;
        }
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(
        silent.read(&mut [0; 64]).unwrap_or(0),
        0,
        "nothing was said to it"
    );
    good.write_all(options(7, "TCP", "Content-Length: 0\r\n").as_bytes())
        .unwrap();
    assert!(answers(&mut good, 1)[0].starts_with("SIP/2.0 200 "));
}

/// RFC 3261 18.4: a phone whose connection is gone is not registered any more, at once.
#[test]
fn a_phone_whose_connection_dies_is_gone_at_once() {
    let mut hook = Hook::start();
    let rig = Rig::start(&hook);
    let folder = rig.folder.path();
    let phone = Baresip::phone_on_stream(folder, "olena", OLENA, rig.tcp, None);
    hook.wait_for("operator.registered", 1, SOON);
    // Dropped, it is killed: nothing is unregistered, the kernel alone says that it is gone.
    drop(phone);
    hook.wait_for("operator.unregistered", 1, Duration::from_secs(5));
    let gone = hook.of("operator.unregistered").next().unwrap();
    assert_eq!(gone["data"]["why"], "flow_closed");
}

/// IPv6: the addresses in Via, Contact and SDP are those this peer reaches.
#[test]
fn ipv6_is_spoken_on_loopback() {
    let hook = Hook::start();
    let carrier: SocketAddr = {
        let socket = UdpSocket::bind("[::1]:0").unwrap();
        socket.local_addr().unwrap()
    };
    let plan = "version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks: { carrier: { peers: [\"::1\"] } }
numbers: { \"0800 301 231\": { to: queue.odesa } }
operators: { olena: { password: secret-olena } }
queues: { odesa: { operators: { all: true }, max_wait: 60s } }
";
    let rig = Rig::with_settings(&hook, carrier, plan, |settings| {
        settings
            .replace("udp://127.0.0.1:0", "udp://[::1]:0")
            .replace("tcp://127.0.0.1:0", "tcp://[::1]:0")
            .replace("media: {", "media: { listen: \"::1\",")
    });
    let sdp =
        "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n";
    let body = format!(
        "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let invite = |by: &str, at: SocketAddr| {
        format!(
            "INVITE sip:0800301231@{at} SIP/2.0\r\nVia: SIP/2.0/{by} {at};branch=z9hG4bK{by};rport\r\nMax-Forwards: 70\r\nFrom: <sip:+380671112233@[::1]>;tag=1\r\nTo: <sip:0800301231@[::1]>\r\nCall-ID: six-{by}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@{at}>\r\n{body}"
        )
    };
    let check = |answer: &str, contact: SocketAddr| {
        assert!(answer.contains(&format!("@{contact}")), "{answer}");
        assert!(answer.contains("c=IN IP6 ::1"), "{answer}");
        assert!(
            answer.contains("received=::1") || answer.contains("rport="),
            "{answer}"
        );
    };
    let udp = UdpSocket::bind("[::1]:0").unwrap();
    udp.set_read_timeout(Some(SOON)).unwrap();
    let own = udp.local_addr().unwrap();
    udp.send_to(invite("UDP", own).as_bytes(), rig.sip).unwrap();
    let mut buffer = [0; 4096];
    loop {
        let (length, _) = udp.recv_from(&mut buffer).expect("a 200 comes");
        let answer = std::str::from_utf8(&buffer[..length]).unwrap();
        if answer.starts_with("SIP/2.0 200 ") {
            break check(answer, rig.sip);
        }
        assert!(answer.starts_with("SIP/2.0 1"), "{answer}");
    }
    let mut tcp = connect(rig.tcp);
    let own = tcp.local_addr().unwrap();
    tcp.write_all(invite("TCP", own).as_bytes()).unwrap();
    let mut text = String::new();
    while !text.contains("m=audio") {
        let length = tcp.read(&mut buffer).expect("a 200 comes");
        assert!(length > 0, "the connection ended after {text}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    check(&text, rig.tcp);
}
