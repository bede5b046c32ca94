//! Connections with real sockets on loopback and short patience.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::census::{Bounds, Census};
use super::certificate::{Certificate, Shown, provider};
use super::connect::{Destination, Dialler};
use super::stream::{Heard, Patience};
use super::tcp::{FlowIds, Hall, bind, listen};
use super::*;
use crate::server::settings::CertificateFiles;

const OPTIONS: &[u8] =
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nContent-Length: 0\r\n\r\n";
const SOON: Duration = Duration::from_secs(20);
const BRIEF: Patience = Patience {
    first: Duration::from_millis(400),
    message: Duration::from_millis(300),
    write: Duration::from_millis(300),
    linger: Duration::from_millis(300),
    connect: Duration::from_millis(700),
};

/// A listener, and what is heard on it.
struct Rig {
    hall: Hall,
    at: SocketAddr,
    heard: UnboundedReceiver<Heard>,
}

impl Rig {
    async fn start(patience: Patience, bounds: Bounds, shown: Option<&Arc<Shown>>) -> Self {
        let (say, heard) = unbounded_channel();
        let board = Switchboard::new(Clock::start());
        let closer = board.clone();
        let deliver = move |word: Heard| {
            // Nobody answers here: what is down is closed at once, as the driver does.
            if let Heard::Down(id) = word {
                closer.close(id);
            }
            let _test_is_over = say.send(word);
            true
        };
        let hall = Hall {
            ids: Arc::new(FlowIds::default()),
            board,
            census: Arc::new(Census::new(bounds)),
            deliver: Arc::new(deliver),
            patience,
        };
        let socket = bind(Transport::Tcp, "127.0.0.1:0".parse().unwrap());
        let socket = socket.await.unwrap();
        let at = socket.local_addr().unwrap();
        let acceptor = shown.map(|shown| TlsAcceptor::from(shown.listener().unwrap()));
        tokio::spawn(listen(socket, acceptor, hall.clone()));
        Self { hall, at, heard }
    }

    async fn tcp(patience: Patience) -> Self {
        Self::start(patience, Bounds::default(), None).await
    }

    async fn next(&mut self) -> Heard {
        let heard = timeout(SOON, self.heard.recv()).await;
        heard.expect("something is heard soon").unwrap()
    }

    async fn up(&mut self) -> Flow {
        let Heard::Up(flow) = self.next().await else {
            panic!("the connection stands first");
        };
        flow
    }

    async fn message(&mut self) -> Bytes {
        let Heard::Message(_, bytes) = self.next().await else {
            panic!("a message is heard");
        };
        bytes
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }
}

async fn rest(peer: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(SOON, peer.read_to_end(&mut rest)).await;
    // A peer that closes with bytes of ours unread resets: that is an end too.
    let _reset = read.expect("the connection is closed soon");
    rest
}

#[test]
fn a_peer_sees_the_address_it_can_reach() {
    let near = |listen: &str, peer: &str| {
        reachable(listen.parse().unwrap(), peer.parse().unwrap()).to_string()
    };
    assert_eq!(near("192.0.2.1:5060", "203.0.113.1"), "192.0.2.1:5060");
    assert_eq!(near("0.0.0.0:5060", "127.0.0.1"), "127.0.0.1:5060");
    assert_eq!(near("[::]:5060", "::ffff:127.0.0.1"), "127.0.0.1:5060");
}

/// A listener at all addresses of IPv6 hears IPv4 too; its peers are known by their own addresses, and
/// told ours in theirs.
#[tokio::test]
async fn ipv4_on_a_listener_of_ipv6_is_ipv4() {
    let mut rig = Rig::tcp(Patience::default()).await;
    let both = bind(Transport::Tcp, "[::]:0".parse().unwrap())
        .await
        .unwrap();
    let port = both.local_addr().unwrap().port();
    tokio::spawn(listen(both, None, rig.hall.clone()));
    let peer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let flow = rig.up().await;
    assert_eq!(flow.peer, peer.local_addr().unwrap());
    assert_eq!(flow.local, SocketAddr::from(([127, 0, 0, 1], port)));

    let (say, mut heard) = unbounded_channel();
    let socket = udp::bind("[::]:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let stop = Arc::default();
    let deliver = move |flow, _| say.send(flow).unwrap();
    let thread = udp::listen(FlowId(7), Arc::clone(&socket), Arc::clone(&stop), deliver).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(OPTIONS, ("127.0.0.1", port)).unwrap();
    let flow = timeout(SOON, heard.recv()).await.unwrap().unwrap();
    assert_eq!(flow.peer, peer.local_addr().unwrap());
    assert_eq!(flow.local, SocketAddr::from(([127, 0, 0, 1], port)));
    let mut board = Switchboard::new(Clock::start());
    board.add_udp(FlowId(7), socket);
    assert!(board.send(&flow, Bytes::from_static(b"hello")));
    peer.set_read_timeout(Some(SOON)).unwrap();
    let mut hello = [0; 9];
    assert_eq!(peer.recv(&mut hello).unwrap(), 5);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    thread.join().unwrap();
}

#[tokio::test]
async fn a_stream_that_is_closed_here_is_closed_there() {
    let mut rig = Rig::tcp(Patience::default()).await;
    let mut peer = rig.connect().await;
    let flow = rig.up().await;
    assert_eq!((flow.transport, flow.local), (Transport::Tcp, rig.at));
    let board = &rig.hall.board;
    assert!(board.send(&flow, Bytes::from_static(b"bye")));
    board.close(flow.id);
    assert!(!board.send(&flow, Bytes::from_static(b"late")));
    assert_eq!(rest(&mut peer).await, b"bye");
    assert_eq!(rig.next().await, Heard::Down(flow.id));
}

/// RFC 3261 18.3, and pipelining: neither the cuts nor the joins of a stream mean anything.
#[tokio::test]
async fn messages_of_a_connection_are_cut_by_their_length_alone() {
    let mut rig = Rig::tcp(Patience::default()).await;
    let mut peer = rig.connect().await;
    rig.up().await;
    for cut in 1..OPTIONS.len() {
        let (head, tail) = OPTIONS.split_at(cut);
        peer.write_all(head).await.unwrap();
        peer.flush().await.unwrap();
        tokio::task::yield_now().await;
        peer.write_all(tail).await.unwrap();
        assert_eq!(rig.message().await, OPTIONS, "cut at {cut}");
    }
    peer.write_all(&OPTIONS.repeat(50)).await.unwrap();
    for _ in 0..50 {
        assert_eq!(rig.message().await, OPTIONS);
    }
}

/// RFC 5626 3.5.1: two line breaks get one back, and they are no message.
#[tokio::test]
async fn two_line_breaks_are_answered_with_one() {
    let mut rig = Rig::tcp(Patience::default()).await;
    let mut peer = rig.connect().await;
    rig.up().await;
    let mut pong = [0; 2];
    for _ in 0..3 {
        peer.write_all(b"\r\n\r\n").await.unwrap();
        timeout(SOON, peer.read_exact(&mut pong))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&pong, b"\r\n");
    }
    peer.write_all(OPTIONS).await.unwrap();
    assert_eq!(rig.message().await, OPTIONS);
}

/// RFC 3261 18.3 and 20.14: on a stream the length is there, once, and can be true.
#[tokio::test]
async fn a_length_that_cannot_be_true_ends_the_connection() {
    let mut rig = Rig::tcp(Patience::default()).await;
    for (length, status) in [
        ("", "400"),
        ("Content-Length: -1\r\n", "400"),
        ("Content-Length: 4294967297\r\n", "413"),
        ("Content-Length: 1\r\nl: 2\r\n", "400"),
        ("Content-Length: many\r\n", "400"),
    ] {
        let mut peer = rig.connect().await;
        let flow = rig.up().await;
        let request = format!(
            "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n{length}\r\nand more"
        );
        peer.write_all(request.as_bytes()).await.unwrap();
        let answer = String::from_utf8(rest(&mut peer).await).unwrap();
        assert!(
            answer.starts_with(&format!("SIP/2.0 {status} ")),
            "{length:?}: {answer}"
        );
        assert_eq!(rig.next().await, Heard::Down(flow.id));
    }
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_renew_the_time_of_the_first_message() {
    let mut rig = Rig::tcp(BRIEF).await;
    let begun = tokio::time::Instant::now();
    let peer = rig.connect().await;
    let flow = rig.up().await;
    let (mut reader, mut writer) = peer.into_split();
    let drip = tokio::spawn(async move {
        // Keep-alives are no message either, and the head never ends.
        let head = b"\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\nX: ";
        for byte in head.iter().chain(std::iter::repeat(&b'x')) {
            if writer.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(rig.next().await, Heard::Down(flow.id));
    let took = begun.elapsed();
    assert!(took >= BRIEF.first && took < BRIEF.first * 4, "{took:?}");
    let mut end = Vec::new();
    let _reset = timeout(SOON, reader.read_to_end(&mut end)).await.unwrap();
    drip.abort();
}

#[tokio::test]
async fn a_later_message_that_never_ends_ends_the_connection() {
    let mut rig = Rig::tcp(BRIEF).await;
    let mut peer = rig.connect().await;
    let flow = rig.up().await;
    peer.write_all(OPTIONS).await.unwrap();
    assert_eq!(rig.message().await, OPTIONS);
    // A connection that is only quiet stays, past the bound of its first message.
    let quiet = timeout(BRIEF.first * 2, rig.heard.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    peer.write_all(b"OPTIONS sip:a@b SI").await.unwrap();
    assert_eq!(rig.next().await, Heard::Down(flow.id));
}

/// A peer that has said all it wants to say may shut its side and still gets its answer.
#[tokio::test]
async fn a_half_closed_connection_still_gets_its_answers() {
    let (say, mut heard) = unbounded_channel();
    let board = Switchboard::new(Clock::start());
    let hall = Hall {
        ids: Arc::default(),
        board: board.clone(),
        census: Arc::default(),
        deliver: Arc::new(move |word| say.send(word).is_ok()),
        patience: Patience::default(),
    };
    let socket = bind(Transport::Tcp, "127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(listen(socket, None, hall));
    let mut peer = TcpStream::connect(at).await.unwrap();
    peer.write_all(OPTIONS).await.unwrap();
    peer.shutdown().await.unwrap();
    let Some(Heard::Up(flow)) = heard.recv().await else {
        panic!("it stands");
    };
    assert!(matches!(heard.recv().await, Some(Heard::Message(..))));
    assert_eq!(heard.recv().await, Some(Heard::Down(flow.id)));
    // Here the engine has seen the end; what it answers to what came before still leaves.
    assert!(board.send(&flow, Bytes::from_static(b"answer")));
    board.close(flow.id);
    assert_eq!(rest(&mut peer).await, b"answer");
}

#[tokio::test]
async fn a_peer_that_does_not_read_loses_its_connection_and_nobody_waits() {
    let mut rig = Rig::tcp(BRIEF).await;
    let deaf = rig.connect().await;
    let flow = rig.up().await;
    let packet = Bytes::from(vec![b'x'; 60_000]);
    let begun = tokio::time::Instant::now();
    let mut sent = 0;
    while rig.hall.board.send(&flow, packet.clone()) {
        sent += 1;
        assert!(sent < 10_000, "the queue is bounded");
        if sent % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "sending never waits"
    );
    rig.hall.board.close(flow.id);
    assert_eq!(rig.next().await, Heard::Down(flow.id));
    let mut other = rig.connect().await;
    rig.up().await;
    other.write_all(OPTIONS).await.unwrap();
    assert_eq!(rig.message().await, OPTIONS);
    drop(other);
    drop(deaf);
    let empty = async {
        while rig.hall.census.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, empty)
        .await
        .expect("both seats are free again");
}

#[tokio::test]
async fn connections_over_the_bound_of_an_address_are_closed_and_room_comes_back() {
    let bounds = Bounds {
        all: 10,
        per_address: 2,
        fresh: 10,
    };
    let mut rig = Rig::start(Patience::default(), bounds, None).await;
    let first = rig.connect().await;
    let gone = rig.up().await;
    let _second = rig.connect().await;
    rig.up().await;
    assert_eq!(rest(&mut rig.connect().await).await, b"");
    assert_eq!(rig.hall.census.refused(), 1);
    drop(first);
    assert_eq!(rig.next().await, Heard::Down(gone.id));
    let back = async {
        while rig.hall.census.open() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, back).await.unwrap();
    let mut third = rig.connect().await;
    rig.up().await;
    third.write_all(OPTIONS).await.unwrap();
    assert_eq!(rig.message().await, OPTIONS);
}

#[tokio::test]
async fn a_quiet_connection_is_closed_unless_something_lives_on_it() {
    let mut rig = Rig::tcp(BRIEF).await;
    let mut flows = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = rig.connect().await;
        flows.push(rig.up().await);
        peer.write_all(OPTIONS).await.unwrap();
        rig.message().await;
        peers.push(peer);
    }
    let board = rig.hall.board.clone();
    board.close_idle(Duration::from_secs(60), || panic!("none is quiet yet"));
    tokio::time::sleep(Duration::from_millis(120)).await;
    // A keep-alive is use too (RFC 5626 4.4.1).
    peers[2].write_all(b"\r\n\r\n").await.unwrap();
    peers[2].read_exact(&mut [0; 2]).await.unwrap();
    let used = BTreeSet::from([flows[1].id]);
    board.close_idle(Duration::from_millis(100), || used);
    assert_eq!(rig.next().await, Heard::Down(flows[0].id));
    assert!(board.stands(flows[1].id) && board.stands(flows[2].id));
}

#[tokio::test]
async fn while_the_engine_has_no_room_a_stream_waits_and_loses_nothing() {
    let (say, mut heard) = unbounded_channel();
    let room = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let has_room = Arc::clone(&room);
    let deliver = move |word: Heard| {
        use std::sync::atomic::Ordering::SeqCst;
        let take = |left: usize| left.checked_sub(1);
        let full = matches!(word, Heard::Message(..))
            && has_room.fetch_update(SeqCst, SeqCst, take).is_err();
        !full && say.send(word).is_ok()
    };
    let hall = Hall {
        ids: Arc::default(),
        board: Switchboard::new(Clock::start()),
        census: Arc::default(),
        deliver: Arc::new(deliver),
        patience: BRIEF,
    };
    let socket = bind(Transport::Tcp, "127.0.0.1:0".parse().unwrap());
    let socket = socket.await.unwrap();
    let mut peer = TcpStream::connect(socket.local_addr().unwrap())
        .await
        .unwrap();
    tokio::spawn(listen(socket, None, hall));
    peer.write_all(&OPTIONS.repeat(5)).await.unwrap();
    assert!(matches!(heard.recv().await, Some(Heard::Up(_))));
    let none = timeout(BRIEF.first, heard.recv()).await;
    assert!(none.is_err(), "{none:?}");
    room.store(5, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..5 {
        let next = timeout(SOON, heard.recv()).await.unwrap();
        assert!(matches!(next, Some(Heard::Message(..))), "{next:?}");
    }
}

/// An authority of our own, and certificates by it.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn certificate(&self, name: &str) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.0).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        };
        std::fs::write(&files.certificate, signed.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        Certificate::load(&files, Clock::start().now().wall).unwrap()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(self.0.der().to_vec()))
            .unwrap();
        roots
    }

    async fn dial(&self, at: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let tcp = TcpStream::connect(at).await?;
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let authority = Authority::new();
    let shown = Arc::new(Shown::new(&authority.certificate("old.test")));
    let mut rig = Rig::start(Patience::default(), Bounds::default(), Some(&shown)).await;
    let mut old = authority.dial(rig.at, "old.test").await.unwrap();
    assert_eq!(rig.up().await.transport, Transport::Tls);
    shown.replace(&authority.certificate("new.test"));
    assert!(authority.dial(rig.at, "old.test").await.is_err());
    let mut new = authority.dial(rig.at, "new.test").await.unwrap();
    let flow = rig.up().await;
    for peer in [&mut old, &mut new] {
        peer.write_all(OPTIONS).await.unwrap();
        assert_eq!(rig.message().await, OPTIONS);
    }
    assert!(rig.hall.board.send(&flow, Bytes::from_static(b"hello")));
    let mut hello = [0; 5];
    timeout(SOON, new.read_exact(&mut hello))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&hello, b"hello");
}

#[tokio::test]
async fn a_handshake_that_never_ends_holds_its_seat_no_longer_than_a_first_message() {
    let authority = Authority::new();
    let shown = Arc::new(Shown::new(&authority.certificate("old.test")));
    let rig = Rig::start(BRIEF, Bounds::default(), Some(&shown)).await;
    let mut silent = rig.connect().await;
    // The beginning of a handshake record, and no more.
    silent.write_all(&[22, 3, 1, 0]).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(rest(&mut silent).await, b"");
    assert!(begun.elapsed() < BRIEF.first * 4);
    let empty = async {
        while rig.hall.census.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, empty).await.unwrap();
}

async fn connect(
    dialler: &Dialler,
    by: Transport,
    peer: SocketAddr,
    name: &str,
) -> Result<Flow, String> {
    let (say, hear) = tokio::sync::oneshot::channel();
    let to = Destination {
        transport: by,
        peer,
        server_name: name.to_owned(),
    };
    dialler.connect(to, move |answer| say.send(answer).unwrap());
    timeout(SOON, hear).await.unwrap().unwrap()
}

/// RFC 3261 18.1.1: a connection that stands is used again.
#[tokio::test]
async fn one_connection_to_a_peer_is_shared_and_opened_anew_when_it_is_gone() {
    let mut rig = Rig::tcp(BRIEF).await;
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = server.local_addr().unwrap();
    let listeners = vec![(FlowId(900), Transport::Tcp, rig.at)];
    let dialler = Dialler::new(rig.hall.clone(), listeners, None, Handle::current());
    let (one, two) = tokio::join!(
        connect(&dialler, Transport::Tcp, peer, "a.test"),
        connect(&dialler, Transport::Tcp, peer, "a.test"),
    );
    let flow = one.unwrap();
    assert_eq!(two, Ok(flow));
    assert_eq!(
        flow.local, rig.at,
        "a peer that connects to us finds the listener"
    );
    assert_eq!(rig.up().await, flow);
    let (mut far, _) = server.accept().await.unwrap();
    far.write_all(OPTIONS).await.unwrap();
    assert_eq!(rig.message().await, OPTIONS);
    drop(far);
    assert_eq!(rig.next().await, Heard::Down(flow.id));
    let again = connect(&dialler, Transport::Tcp, peer, "a.test")
        .await
        .unwrap();
    assert_ne!(again.id, flow.id);
    assert_eq!(rig.up().await, again);
    drop(server);
    rig.hall.board.close(again.id);
    assert_eq!(rig.next().await, Heard::Down(again.id));
    let refused = connect(&dialler, Transport::Tcp, peer, "")
        .await
        .unwrap_err();
    assert!(refused.contains("cannot be reached"), "{refused}");
    // So many and no more are open at once.
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let live = server.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = server.accept().await {
            held.push(stream);
        }
    });
    let mut last = None;
    for number in 0..crate::limits::CONNECTIONS_OUT {
        let name = format!("{number}.live.test");
        let opened = connect(&dialler, Transport::Tcp, live, &name).await;
        last = Some(opened.expect("there is room"));
        rig.up().await;
    }
    let full = connect(&dialler, Transport::Tcp, live, "full.test").await;
    assert!(
        full.unwrap_err()
            .contains("connections of ours are open already")
    );
    let last = last.unwrap();
    rig.hall.board.close(last.id);
    assert_eq!(rig.next().await, Heard::Down(last.id));
    let room = async {
        while connect(&dialler, Transport::Tcp, live, "full.test")
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, room).await.expect("what is gone makes room");
    rig.hall.board.close_all();
    accepting.abort();
    let dialler = Dialler::new(rig.hall.clone(), Vec::new(), None, Handle::current());
    // What failed is forgotten, so that no number of dead servers uses up the bound.
    for dead in 0..=crate::limits::CONNECTIONS_OUT {
        let name = format!("{dead}.test");
        let refused = connect(&dialler, Transport::Tcp, peer, &name).await;
        assert!(refused.unwrap_err().contains("cannot be reached"));
    }
}

/// RFC 5922 7.2: the certificate must be of the name we wanted, by an authority we trust.
#[tokio::test]
async fn a_tls_peer_must_prove_the_name_we_wanted() {
    let authority = Authority::new();
    let shown = Arc::new(Shown::new(&authority.certificate("sip.carrier.test")));
    let far = Rig::start(Patience::default(), Bounds::default(), Some(&shown)).await;
    let mut near = Rig::tcp(Patience::default()).await;
    let handle = Handle::current;
    let trusting = Dialler::new(
        near.hall.clone(),
        Vec::new(),
        Some(authority.roots()),
        handle(),
    );
    let flow = connect(&trusting, Transport::Tls, far.at, "sip.carrier.test.")
        .await
        .unwrap();
    assert_eq!(near.up().await, flow);
    let wrong = connect(&trusting, Transport::Tls, far.at, "sip.other.test")
        .await
        .unwrap_err();
    assert!(wrong.contains("refused in its TLS handshake"), "{wrong}");
    let stranger = Authority::new().roots();
    let doubting = Dialler::new(near.hall.clone(), Vec::new(), Some(stranger), handle());
    let unknown = connect(&doubting, Transport::Tls, far.at, "sip.carrier.test")
        .await
        .unwrap_err();
    assert!(unknown.contains("invalid peer certificate"), "{unknown}");
}

#[tokio::test]
async fn a_peer_that_is_silent_in_its_handshake_is_given_up() {
    let rig = Rig::tcp(BRIEF).await;
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let roots = Some(Authority::new().roots());
    let dialler = Dialler::new(rig.hall.clone(), Vec::new(), roots, Handle::current());
    let peer = server.local_addr().unwrap();
    let late = connect(&dialler, Transport::Tls, peer, "a.test")
        .await
        .unwrap_err();
    assert!(late.ends_with("did not answer in 700 ms"), "{late}");
}

#[tokio::test]
async fn over_udp_the_answer_is_the_listener_that_speaks_to_the_peer() {
    let rig = Rig::tcp(BRIEF).await;
    let listeners = vec![
        (FlowId(7), Transport::Udp, "127.0.0.1:5060".parse().unwrap()),
        (FlowId(8), Transport::Udp, "192.0.2.1:5060".parse().unwrap()),
        (
            FlowId(9),
            Transport::Udp,
            "[2001:db8::1]:5060".parse().unwrap(),
        ),
    ];
    let dialler = Dialler::new(rig.hall.clone(), listeners, None, Handle::current());
    for (peer, id) in [
        ("127.0.0.1:5070", 7),
        ("203.0.113.1:5060", 8),
        ("[2001:db8::2]:5060", 9),
    ] {
        let flow = connect(&dialler, Transport::Udp, peer.parse().unwrap(), "")
            .await
            .unwrap();
        assert_eq!(
            (flow.id, flow.peer.to_string()),
            (FlowId(id), peer.to_owned())
        );
    }
    let none = connect(&dialler, Transport::Udp, "[::1]:5060".parse().unwrap(), "").await;
    assert!(none.unwrap_err().contains("add a udp:// address"));
}
