//! One run of the server after another on sockets that neither of them owns, as systemd's socket units
//! hand them over: what arrives while none listens waits and is answered.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::baresip::Baresip;
use crate::hook::{Hook, deadline, now};
use crate::rig::{CALLER, Rig, plan_text};

const SOON: Duration = Duration::from_secs(30);

/// What a service manager keeps over restarts.
struct Manager {
    folder: tempfile::TempDir,
    sip: UdpSocket,
    http: TcpListener,
    notify: UnixDatagram,
}

impl Manager {
    fn new(carrier: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sip = UdpSocket::bind("127.0.0.1:0").unwrap();
        let http = TcpListener::bind("127.0.0.1:0").unwrap();
        let notify = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(SOON * 2)).unwrap();
        let manager = Self {
            folder,
            sip,
            http,
            notify,
        };
        manager.write("plan.yaml", &plan_text(carrier));
        manager.write("strowger.yaml", &manager.settings(manager.sip_address()));
        manager
    }

    fn sip_address(&self) -> SocketAddr {
        self.sip.local_addr().unwrap()
    }

    fn settings(&self, sip: SocketAddr) -> String {
        let folder = self.folder.path().display();
        let http = self.http.local_addr().unwrap();
        format!(
            "version: 1
data: {folder}/data
dialplans: {folder}/plan.yaml
sip: {{ domain: strowger.test, listen: [\"udp://{sip}\"] }}
media: {{ ports: 25000-25099 }}
http: {{ listen: \"{http}\" }}
sinks: {{ log: {{ jsonl: {folder}/events.jsonl }} }}
"
        )
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Starts the server with the sockets as descriptors 3 and 4.
    fn start(&self) -> Child {
        let sip: OwnedFd = self.sip.try_clone().unwrap().into();
        let http: OwnedFd = self.http.try_clone().unwrap().into();
        let hand_over = "exec 3<&0 4>&1 </dev/null >&2; LISTEN_FDS=2 LISTEN_PID=$$ exec \"$@\"";
        Command::new("sh")
            .args(["-c", hand_over, "sh", env!("CARGO_BIN_EXE_strowger")])
            .args(["serve", "--config"])
            .arg(self.folder.path().join("strowger.yaml"))
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"))
            .stdin(Stdio::from(sip))
            .stdout(Stdio::from(http))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits until it was told so.
    fn told(&self, state: &str) {
        let mut buffer = [0; 200];
        loop {
            let length = self.notify.recv(&mut buffer).unwrap();
            let said = String::from_utf8_lossy(&buffer[..length]);
            if said.lines().any(|line| line == state) {
                return;
            }
        }
    }
}

fn terminate(server: &Child) {
    let pid = server.id().to_string();
    let status = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(status.unwrap().success());
}

/// Asks once and never again.
struct Prober {
    socket: UdpSocket,
    server: SocketAddr,
    answers: BTreeMap<String, u16>,
}

impl Prober {
    fn ask(&self, method: &str, id: &str, body: &str) {
        let (us, server) = (self.socket.local_addr().unwrap(), self.server);
        let length = body.len();
        let request = format!(
            "{method} sip:+380800301231@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {us};branch=z9hG4bK{id}\r\n\
             From: <sip:+380671112233@{us}>;tag=f{id}\r\n\
             To: <sip:+380800301231@{server}>\r\n\
             Call-ID: {id}\r\nCSeq: 1 {method}\r\nContact: <sip:{us}>\r\n\
             Max-Forwards: 70\r\nContent-Type: application/sdp\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.socket.send_to(request.as_bytes(), server).unwrap();
    }

    /// Notes the answers that are there, and the highest status of each.
    fn listen(&mut self, patience: Duration) {
        let mut buffer = [0; 4_000];
        self.socket.set_read_timeout(Some(patience)).unwrap();
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let status = text
                .strip_prefix("SIP/2.0 ")
                .map(|rest| rest[..3].parse::<u16>());
            let id = text.lines().find_map(|line| line.strip_prefix("Call-ID: "));
            if let (Some(Ok(status)), Some(id)) = (status, id) {
                let known = self.answers.entry(id.to_owned()).or_default();
                *known = status.max(*known);
            }
        }
    }
}

/// Requests are sent without a pause, each once, before, while and after one run ends and the next one
/// begins: every one is answered, a call among them.
#[test]
fn what_arrives_between_two_runs_is_answered_by_the_second() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let manager = Manager::new(socket.local_addr().unwrap());
    let mut prober = Prober {
        socket,
        server: manager.sip_address(),
        answers: BTreeMap::new(),
    };
    let beat = Duration::from_millis(10);
    let mut asked = 0;
    let mut ask = |prober: &mut Prober| {
        asked += 1;
        prober.ask("OPTIONS", &format!("options-{asked}"), "");
        prober.listen(beat);
    };

    let mut first = manager.start();
    manager.told("READY=1");
    for _ in 0..20 {
        ask(&mut prober);
    }
    terminate(&first);
    while first.try_wait().unwrap().is_none() {
        ask(&mut prober);
    }
    assert_eq!(first.wait().unwrap().code(), Some(0));
    manager.told("STOPPING=1");

    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
               m=audio 30000 RTP/AVP 8\r\n";
    prober.ask("INVITE", "invite", sdp);
    for _ in 0..20 {
        ask(&mut prober);
    }
    let nobody = prober.answers.len();
    let mut second = manager.start();
    manager.told("READY=1");
    for _ in 0..20 {
        ask(&mut prober);
    }
    let until = deadline(SOON);
    let whole = |prober: &Prober| {
        prober.answers.len() > asked && prober.answers.get("invite").is_some_and(|it| *it > 100)
    };
    while !whole(&prober) && now() < until {
        prober.listen(beat);
    }
    second.kill().unwrap();
    second.wait().unwrap();

    assert!(nobody < asked, "some of them had to wait");
    for number in 1..=asked {
        let answer = prober.answers.get(&format!("options-{number}"));
        assert_eq!(answer, Some(&200), "OPTIONS {number} of {asked}");
    }
    assert!(prober.answers["invite"] > 100, "{:?}", prober.answers);
    let events = fs::read_to_string(manager.folder.path().join("events.jsonl")).unwrap();
    assert!(events.contains("\"call.started\""), "{events}");
}

/// A socket that nothing of the settings listens at would swallow what arrives.
#[test]
fn a_socket_that_no_listener_takes_keeps_the_server_from_starting() {
    let manager = Manager::new("127.0.0.1:9".parse().unwrap());
    manager.write("strowger.yaml", &manager.settings(crate::rig::free_port()));
    let mut server = manager.start();
    let mut said = String::new();
    server
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(1), "{said}");
    let named = format!("udp://{}", manager.sip_address());
    assert!(
        said.contains(&named) && said.contains("sip.listen"),
        "{said}"
    );
    assert!(Path::new(&manager.folder.path().join("data")).exists());
}

/// The settings say how long calls may go on after one signal.
#[test]
fn calls_that_outlast_the_drain_are_hung_up() {
    let mut hook = Hook::start();
    let carrier = crate::rig::free_port();
    let text = plan_text(carrier);
    let mut rig = Rig::with_settings(&hook, carrier, &text, |it| format!("{it}drain: 1s\n"));
    let _phone = Baresip::phone(rig.folder.path(), "olena", 660.0, rig.sip);
    hook.wait_for("operator.registered", 1, SOON);
    let _caller = Baresip::carrier(rig.folder.path(), rig.carrier, CALLER, rig.sip);
    hook.wait_for("call.bridged", 1, SOON);
    assert_eq!(rig.stop(), Some(0));
    rig.wait_for_log("calls are still up at the end of the drain");
    hook.wait_for("call.ended", 1, SOON);
}
