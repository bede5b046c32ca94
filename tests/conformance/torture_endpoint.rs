//! The torture messages against a whole endpoint: each twice from a stranger and twice from a
//! trunk. It answers as the index says, without exception, and goes on answering.

use std::net::SocketAddr;
use std::path::PathBuf;

use strowger::id::{FlowId, TrunkName};
use strowger::net::Net;
use strowger::rng::Rng;
use strowger::sip::endpoint::{
    Algorithm, Directory, Endpoint, EndpointConfig, EndpointEvent, Live, TrunkEntry,
};
use strowger::sip::flow::{Flow, Transport};
use strowger::sip::session::{SessionCommand, SessionEvent};
use strowger::time::{Duration, Instant, Now, Wall};

const TRUNK: &str = "203.0.113.5:5060";
const STRANGER: &str = "192.0.2.66:5060";

struct Bench {
    endpoint: Endpoint,
    now: Now,
    pings: u32,
}

impl Bench {
    fn new() -> Self {
        let now = Now {
            mono: Instant::START,
            wall: Wall::from_millis(1_700_000_000_000),
        };
        let config = EndpointConfig {
            domain: "clinic.example".to_owned(),
            advertise: None,
            local_nets: Vec::new(),
            digest: vec![Algorithm::Sha256, Algorithm::Md5],
            strangers_rate: 50,
            strangers_burst: 200,
            strangers_trusted: Vec::new(),
            registrations: 100,
            expires: (Duration::from_secs(60), Duration::from_secs(3600)),
        };
        let trunk: SocketAddr = TRUNK.parse().unwrap();
        let mut endpoint = Endpoint::new(config, Rng::new([4; 32]), now);
        endpoint.set_directory(Directory {
            trunks: vec![TrunkEntry::at(
                TrunkName::from("carrier"),
                vec![(Net::single(trunk.ip()), None)],
            )],
            ..Directory::default()
        });
        Self {
            endpoint,
            now,
            pings: 0,
        }
    }

    /// Moves the clock on, timers and all.
    fn wait(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while let Some(wakeup) = self.endpoint.poll_timeout()
            && wakeup.at <= end
        {
            self.now.mono = wakeup.at.max(self.now.mono);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now.mono = end;
    }

    /// The statuses that leave; a call machine that knows no number answers INVITEs.
    fn drain(&mut self) -> Vec<u16> {
        let mut rejected = Vec::new();
        while let Some(event) = self.endpoint.poll_event() {
            if let EndpointEvent::Session(SessionEvent::Incoming { leg, .. }) = event {
                rejected.push(leg);
            }
        }
        for leg in rejected {
            let command = SessionCommand::Reject {
                leg,
                code: 404,
                retry_after: None,
            };
            self.endpoint.handle_command(self.now, command);
        }
        let mut statuses = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
            let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
            statuses.push(status.unwrap().parse().unwrap());
        }
        statuses
    }

    fn send(&mut self, from: &str, bytes: &[u8]) -> Vec<u16> {
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: "198.51.100.1:5060".parse().unwrap(),
            peer: from.parse().unwrap(),
        };
        self.endpoint.handle_packet(self.now, flow, bytes);
        self.drain()
    }

    fn answers_options(&mut self) -> bool {
        self.pings += 1;
        let ping = format!(
            "OPTIONS sip:clinic.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKping{}\r\n\
             From: <sip:a@203.0.113.5>;tag=1\r\nTo: <sip:clinic.example>\r\n\
             Call-ID: ping\r\nCSeq: {} OPTIONS\r\n\r\n",
            self.pings, self.pings
        );
        self.send(TRUNK, ping.as_bytes()) == [200]
    }
}

fn accepts(accepted: &str, status: u16) -> bool {
    accepted
        .split(',')
        .any(|code| match code.strip_suffix("xx") {
            Some(class) => class.parse() == Ok(status / 100),
            None => code == "any" || code.parse() == Ok(status),
        })
}

#[test]
fn every_torture_message_is_answered_as_the_index_says() {
    let folder = std::env::var_os("STROWGER_TORTURE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/torture"),
        PathBuf::from,
    );
    let Ok(index) = std::fs::read_to_string(folder.join("INDEX.tsv")) else {
        println!("skipped: no torture messages at {}", folder.display());
        return;
    };
    let mut bench = Bench::new();
    let mut wrong = Vec::new();
    let mut read = 0;
    for line in index.lines().filter(|line| !line.trim().is_empty()) {
        let mut columns = line.split('\t');
        let (file, validity) = (columns.next().unwrap(), columns.next().unwrap());
        let accepted = columns.next().unwrap();
        let bytes = std::fs::read(folder.join(file)).unwrap();
        read += 1;
        for from in [STRANGER, STRANGER, TRUNK, TRUNK] {
            let before = bench.endpoint.live();
            let statuses = bench.send(from, &bytes);
            assert!(bench.answers_options(), "{file} from {from}");
            if from == STRANGER {
                assert_eq!(bench.endpoint.live(), before, "{file}");
                continue;
            }
            let fits = match (statuses.first(), statuses.last()) {
                (Some(&first), Some(&last)) => accepts(accepted, first) || accepts(accepted, last),
                _ => accepted
                    .split(',')
                    .any(|code| code == "none" || code == "any"),
            };
            if !fits {
                wrong.push(format!("{file}: {statuses:?}"));
            }
            if validity == "valid" && statuses.contains(&400) {
                wrong.push(format!("{file}: valid, and 400"));
            }
        }
        bench.wait(Duration::from_secs(1));
    }
    assert_eq!(read, 61);
    assert_eq!(wrong, [""; 0]);
    bench.wait(Duration::from_secs(100));
    assert_eq!(bench.endpoint.live(), Live::default());
}
