//! For the benches that need the whole server: a real one in this process, phones behind real sockets,
//! and what the process holds. Peers have loopback addresses of their own, so that each is somebody else.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use strowger::id::FlowId;
use strowger::rng::Rng;
use strowger::server::clock::Clock;
use strowger::server::handed::Handed;
use strowger::server::prompts::Engine;
use strowger::server::server::Server;
use strowger::server::settings::{Listener, Settings};
use strowger::sim::party::{Account, Party, Role};
use strowger::sim::phone::{Phone, Temper};
use strowger::sip::flow::{Flow, Transport};
use tokio::runtime::Runtime;

/// The domain of the phones.
const DOMAIN: &str = "bench.test";
/// Where the carrier speaks from; the phones come behind it.
pub const CARRIER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A running server with phones.
pub struct Exchange {
    pub sip: SocketAddr,
    pub clock: Clock,
    runtime: Runtime,
    server: Option<Server>,
    stop: Arc<AtomicBool>,
    phones: Vec<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Exchange {
    /// A server, and so many phones of this temper.
    pub fn start(phones: u32, temper: Temper) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plan = folder.path().join("plan.yaml");
        fs::write(&plan, plan_text(phones)).unwrap();
        let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let mut settings = Settings {
            node: "bench".to_owned(),
            data: folder.path().join("data"),
            dialplans: plan,
            http: any,
            tts: vec![Engine::Embedded],
            ..Settings::default()
        };
        settings.sip.domain = DOMAIN.to_owned();
        settings.sip.listen = vec![Listener {
            transport: Transport::Udp,
            address: any,
        }];
        settings.media.rtp_timeout = Duration::from_secs(2);
        let runtime = Runtime::new().unwrap();
        let server = runtime
            .block_on(Server::start(settings, Handed::default(), |_, _| {}))
            .unwrap();
        let (clock, stop) = (Clock::start(), Arc::new(AtomicBool::new(false)));
        let mut exchange = Self {
            sip: server.addresses()[0].1,
            clock,
            runtime,
            server: Some(server),
            stop,
            phones: Vec::new(),
            _folder: folder,
        };
        for number in 0..phones {
            exchange.add_phone(number, temper);
        }
        exchange.until(|page| value(page, "strowger_registrations") >= f64::from(phones));
        exchange
    }

    fn add_phone(&mut self, number: u32, temper: Temper) {
        let account = Account {
            user: format!("op{number:03}"),
            password: format!("secret {number}"),
            domain: DOMAIN.to_owned(),
            expires: Duration::from_secs(600),
        };
        let mut rng = Rng::new([u8::try_from(number).unwrap(); 32]);
        let phone = Role::Phone(Box::new(Phone::new(temper, [], rng.fork())));
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 0)) + number);
        let mut line = Line::open(ip.into(), self.sip, self.clock, phone, Some(account), rng);
        let stop = Arc::clone(&self.stop);
        self.phones.push(std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                line.turn();
            }
        }));
    }

    /// Looks at `/metrics` again and again until it is as wanted.
    pub fn until(&self, mut wanted: impl FnMut(&str) -> bool) {
        loop {
            if wanted(&self.metrics()) {
                return;
            }
            pause(Duration::from_millis(20));
        }
    }

    /// The page of `/metrics`.
    pub fn metrics(&self) -> String {
        use std::io::{Read as _, Write as _};
        let http = self.server.as_ref().unwrap().http();
        let mut stream = std::net::TcpStream::connect(http).unwrap();
        let ask = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(ask).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for phone in self.phones.drain(..) {
            let _over = phone.join();
        }
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

/// A party of the virtual world behind a real socket.
pub struct Line {
    pub party: Party,
    pub clock: Clock,
    socket: UdpSocket,
    server: SocketAddr,
    buffer: Vec<u8>,
}

impl Line {
    pub fn open(
        ip: IpAddr,
        server: SocketAddr,
        clock: Clock,
        role: Role,
        account: Option<Account>,
        rng: Rng,
    ) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: socket.local_addr().unwrap(),
            peer: server,
        };
        let party = Party::new("line".to_owned(), flow, role, account, rng, clock.now());
        Self {
            party,
            clock,
            socket,
            server,
            buffer: vec![0; 65_536],
        }
    }

    /// Sends what is to be sent, and waits for a packet or the next timer, but not for long.
    pub fn turn(&mut self) {
        while self.party.poll_listening().is_some() {}
        while let Some(bytes) = self.party.poll_transmit() {
            // What a full socket refuses is sent again by its transaction.
            let _lost = self.socket.send_to(&bytes, self.server);
        }
        let now = self.clock.now();
        let due = self.party.poll_timeout().map(|at| at.since(now.mono));
        let wait = due.unwrap_or(Duration::MAX);
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(50));
        self.socket.set_read_timeout(Some(wait)).unwrap();
        if let Ok((length, _)) = self.socket.recv_from(&mut self.buffer) {
            let now = self.clock.now();
            self.party.handle_packet(now, &self.buffer[..length]);
        }
        self.party.handle_timeout(self.clock.now());
    }
}

/// The sum of all series of a metric.
pub fn value(page: &str, metric: &str) -> f64 {
    let lines = page.lines().filter(|line| {
        let rest = line.strip_prefix(metric);
        rest.is_some_and(|rest| rest.starts_with([' ', '{']))
    });
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

/// What this process holds in memory, in kB: the second number of `/proc/self/statm`, in pages of 4 kB.
pub fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages = text.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
    pages * 4
}

/// What this process holds open: sockets by their kind alone, files by their name.
pub fn open_files() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    let names = targets.map(|target| target.to_string_lossy().into_owned());
    let mut kinds: Vec<_> = names
        .filter(|name| !name.starts_with("/proc/"))
        .map(|name| name.split(":[").next().unwrap_or_default().to_owned())
        .collect();
    kinds.sort();
    kinds
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench of real time has to wait"
)]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn plan_text(phones: u32) -> String {
    let operators = (0..phones).map(|number| {
        format!("  op{number:03}: {{ name: Оператор {number}, password: secret {number} }}\n")
    });
    let operators = operators.collect::<String>();
    format!(
        "version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks:
  carrier: {{ peers: [\"{CARRIER}\"], media: [127.0.0.0/8] }}
numbers:
  \"0800 301 231\": {{ to: queue.odesa }}
  \"0800 301 232\": {{ to: queue.kharkiv }}
queues:
  odesa: {{ operators: {{ all: true }}, ring: 5s, wrap_up: 0s, max_wait: 5s }}
  kharkiv: {{ operators: {{ all: true }}, ring: 5s, wrap_up: 0s, max_wait: 10s, answer: operator }}
recording: {{ keep: 90d }}
operators:
{operators}"
    )
}
