//! The network: delays, and where asked loses, doubles and reorders packets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::id::{FlowId, LegId, OperatorName, Origin, SiteName, TrunkName};
use crate::net::Net as Range;
use crate::rng::Rng;
use crate::sip::auth::digest;
use crate::sip::endpoint::{
    Algorithm, Credentials, Directory, Endpoint, EndpointConfig, EndpointEvent, HoldId, TrunkEntry,
};
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::Message;
use crate::sip::parse::parse;
use crate::sip::session::{Cause, OutgoingInvite, SessionCommand, SessionEvent};
use crate::sip::uri::Uri;
use crate::time::{Duration, Instant, Now, Wall};

/// The exchange under test.
pub const PBX: usize = 0;
/// A trunk.
pub const CARRIER: usize = 1;
/// A phone of the operator olena.
pub const PHONE: usize = 2;
/// Nobody's.
pub const STRANGER: usize = 3;

const ADDRESSES: [&str; 4] = [
    "198.51.100.1:5060",
    "203.0.113.5:5060",
    "192.0.2.10:40000",
    "192.0.2.66:5060",
];

pub fn address(of: usize) -> SocketAddr {
    ADDRESSES[of].parse().unwrap()
}

pub fn config() -> EndpointConfig {
    EndpointConfig {
        domain: "clinic.example".to_owned(),
        advertise: None,
        local_nets: Vec::new(),
        digest: vec![Algorithm::Md5],
        strangers_rate: 50,
        strangers_burst: 200,
        strangers_trusted: Vec::new(),
        registrations: 100,
        expires: (Duration::from_secs(60), Duration::from_secs(3600)),
    }
}

pub struct Net {
    pub now: Instant,
    pub ends: Vec<Endpoint>,
    pub events: Vec<Vec<EndpointEvent>>,
    /// First lines that were sent, `from→to line`.
    pub trace: Vec<String>,
    /// The same in full.
    pub texts: Vec<String>,
    /// Whole messages that were sent, and to whom.
    pub wire: Vec<(usize, Bytes)>,
    pub holds: Vec<HoldId>,
    /// Per mille.
    pub loss: u32,
    pub doubling: u32,
    pub jitter: Duration,
    /// Drops packets whose trace line begins so, so many times.
    pub blocked: Vec<(&'static str, u32)>,
    /// Endpoints that hear nothing: a hand speaks for them.
    pub deaf: Vec<usize>,
    flying: BTreeMap<(Instant, u64), (usize, Flow, Bytes)>,
    sent: u64,
    rng: Rng,
    pub transport: Transport,
}

impl Net {
    pub fn new() -> Self {
        Self::with(config(), 1)
    }

    pub fn with(config: EndpointConfig, seed: u8) -> Self {
        let mut rng = Rng::new([seed; 32]);
        let now = Now {
            mono: Instant::START,
            wall: Wall::from_millis(1_700_000_000_000),
        };
        let trunk = |name: &str, of: usize| {
            let peers = vec![(Range::single(address(of).ip()), None)];
            TrunkEntry::at(TrunkName::from(name), peers)
        };
        let olena = Credentials::from_password("olena", "clinic.example", "correct horse");
        let taras = Credentials::from_password("taras", "clinic.example", "battery staple");
        let ends = (0..4)
            .map(|of| {
                let mut end = Endpoint::new(config.clone(), rng.fork(), now);
                let directory = if of == PBX {
                    Directory {
                        trunks: vec![trunk("carrier", CARRIER)],
                        users: [
                            (OperatorName::from("olena"), olena.clone()),
                            (OperatorName::from("taras"), taras.clone()),
                        ]
                        .into(),
                        numbers: [("202".to_owned(), OperatorName::from("taras"))].into(),
                        sites: [(OperatorName::from("olena"), SiteName::from("odesa"))].into(),
                    }
                } else {
                    Directory {
                        trunks: vec![trunk("pbx", PBX)],
                        ..Directory::default()
                    }
                };
                end.set_directory(directory);
                end
            })
            .collect();
        Self {
            now: Instant::START,
            ends,
            events: vec![Vec::new(); 4],
            trace: Vec::new(),
            texts: Vec::new(),
            wire: Vec::new(),
            holds: Vec::new(),
            loss: 0,
            doubling: 0,
            jitter: Duration::ZERO,
            blocked: Vec::new(),
            deaf: Vec::new(),
            flying: BTreeMap::new(),
            sent: 0,
            rng,
            transport: Transport::Udp,
        }
    }

    /// Changes what an endpoint knows of its first trunk.
    pub fn know(&mut self, of: usize, change: impl FnOnce(&mut TrunkEntry)) {
        let mut directory = self.ends[of].directory.clone();
        change(&mut directory.trunks[0]);
        self.ends[of].set_directory(directory);
    }

    /// The last message whose trace line begins so, in full.
    pub fn text(&self, start: &str) -> &str {
        let text = self.texts.iter().rev().find(|text| text.starts_with(start));
        text.unwrap_or_else(|| panic!("no {start} in {:#?}", self.trace))
    }

    pub fn now(&self) -> Now {
        Now {
            mono: self.now,
            wall: Wall::from_millis(1_700_000_000_000) + self.now.since(Instant::START),
        }
    }

    pub fn flow(&self, from: usize, to: usize) -> Flow {
        Flow {
            id: FlowId(if self.transport == Transport::Udp {
                1
            } else {
                10
            }),
            transport: self.transport,
            local: address(from),
            peer: address(to),
        }
    }

    pub fn command(&mut self, of: usize, command: SessionCommand) {
        let now = self.now();
        self.ends[of].handle_command(now, command);
        self.collect(of);
    }

    /// Hands bytes to an endpoint as if they came from another.
    pub fn inject(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let (now, flow) = (self.now(), self.flow(to, from));
        self.ends[to].handle_packet(now, flow, bytes);
        self.collect(to);
    }

    /// A first line and header lines, from `from` to the exchange.
    pub fn send_text(&mut self, from: usize, text: &str) {
        self.inject(from, PBX, text.replace('\n', "\r\n").as_bytes());
    }

    pub fn collect(&mut self, of: usize) {
        while let Some(transmit) = self.ends[of].poll_transmit() {
            self.holds.extend(transmit.hold);
            let to = (0..4).find(|&to| address(to) == transmit.flow.peer);
            let line = transmit.bytes.split(|&byte| byte == b'\r').next();
            let line = String::from_utf8_lossy(line.unwrap()).into_owned();
            let Some(to) = to else {
                continue;
            };
            let text = format!("{of}→{to} {line}");
            let whole = String::from_utf8_lossy(&transmit.bytes);
            self.texts.push(format!("{of}→{to} {whole}"));
            self.wire.push((to, transmit.bytes.clone()));
            let block = self
                .blocked
                .iter_mut()
                .find(|(start, times)| text.starts_with(start) && *times > 0);
            if let Some((_, times)) = block {
                *times -= 1;
                self.trace.push(format!("{text} (lost)"));
                continue;
            }
            self.trace.push(text);
            let copies = match (self.rng.chance(self.loss), self.rng.chance(self.doubling)) {
                (true, _) => 0,
                (false, true) => 2,
                (false, false) => 1,
            };
            for _ in 0..copies {
                let jitter = self.rng.below(self.jitter.as_nanos() as u64 + 1);
                let at = self.now + Duration::from_millis(5) + Duration::from_nanos(jitter);
                self.sent += 1;
                let flow = self.flow(to, of);
                self.flying
                    .insert((at, self.sent), (to, flow, transmit.bytes.clone()));
            }
        }
        while let Some(event) = self.ends[of].poll_event() {
            self.events[of].push(event);
        }
    }

    /// Lets the next thing happen, if it happens until `end`; false when nothing does.
    fn step(&mut self, end: Instant) -> bool {
        let packet = self.flying.first_key_value().map(|((at, _), _)| *at);
        let timer = (0..self.ends.len())
            .filter_map(|of| Some((self.ends[of].poll_timeout()?.at, of)))
            .min();
        match (packet, timer) {
            (Some(at), timer) if at <= end && timer.is_none_or(|(due, _)| at <= due) => {
                let (_, (to, flow, bytes)) = self.flying.pop_first().unwrap();
                self.now = self.now.max(at);
                if self.deaf.contains(&to) {
                    return true;
                }
                let now = self.now();
                self.ends[to].handle_packet(now, flow, &bytes);
                self.collect(to);
                true
            }
            (_, Some((at, of))) if at <= end => {
                self.now = self.now.max(at);
                let now = self.now();
                self.ends[of].handle_timeout(now);
                self.collect(of);
                true
            }
            _ => false,
        }
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// A round trip or two.
    pub fn pause(&mut self) {
        self.run(Duration::from_millis(100));
    }

    /// Until every timer is over; then nothing may live.
    pub fn finish(&mut self) {
        self.run(Duration::from_secs(200));
        for end in &self.ends {
            assert_eq!(
                end.live(),
                super::super::Live::default(),
                "{:#?}",
                self.trace
            );
            assert!(end.sessions.is_empty() && end.merges.is_empty());
        }
    }

    pub fn sessions(&mut self, of: usize) -> Vec<SessionEvent> {
        std::mem::take(&mut self.events[of])
            .into_iter()
            .filter_map(|event| match event {
                EndpointEvent::Session(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    /// Session events of an endpoint as short words.
    pub fn story(&mut self, of: usize) -> Vec<String> {
        self.sessions(of).iter().map(word).collect()
    }

    /// The last request of a method that went to `to`.
    pub fn request_to(&self, to: usize, method: &str) -> Message {
        let start = format!("{method} ");
        let mut sent = self.wire.iter().rev();
        let found = sent.find(|(at, bytes)| *at == to && bytes.starts_with(start.as_bytes()));
        parse(&found.unwrap().1).unwrap()
    }

    /// Answers the last request of a method that went to `from`.
    pub fn answer_last(&mut self, from: usize, method: &str, status: u16) {
        let request = self.request_to(from, method);
        let response = Message::response_to(&request, status);
        self.inject(from, PBX, &response.to_bytes());
    }

    /// The last response that went from the exchange to `to`: its status.
    pub fn status(&self, to: usize) -> Option<u16> {
        let start = format!("{PBX}→{to} SIP/2.0 ");
        self.trace
            .iter()
            .rev()
            .find_map(|line| line.strip_prefix(&start)?.get(..3)?.parse().ok())
    }

    pub fn count(&self, start: &str) -> usize {
        self.trace
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    }

    /// The value of Authorization with which a user of the exchange sends a request.
    pub fn digest(&mut self, user: &str, method: &str, uri: &str) -> String {
        let mut rng = self.rng.fork();
        let challenges = self.ends[PBX]
            .authority
            .challenges(self.now, &mut rng, false);
        let nonce = challenges[0].split('"').nth(3).unwrap().to_owned();
        let password = match user {
            "olena" => "correct horse",
            _ => "battery staple",
        };
        let known = Credentials::from_password(user, "clinic.example", password);
        let algorithm = Algorithm::Md5;
        let response = digest::response(algorithm, &known.md5, &nonce, None, method, uri);
        format!(
            "Digest username=\"{user}\", realm=\"clinic.example\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\""
        )
    }

    /// A phone of a user registers from an address, with this Contact and more header lines.
    pub fn register(&mut self, from: usize, user: &str, seq: u32, contact: &str, more: &str) {
        let uri = "sip:clinic.example";
        let digest = self.digest(user, "REGISTER", uri);
        let text = format!(
            "REGISTER {uri} SIP/2.0
Via: SIP/2.0/{} 10.0.0.7:5060;rport;branch=z9hG4bKr{user}{seq}
From: <sip:{user}@clinic.example>;tag=t
To: <sip:{user}@clinic.example>
Call-ID: reg{user}
CSeq: {seq} REGISTER
Contact: {contact}
Authorization: {digest}
{more}Content-Length: 0

",
            self.transport.as_str()
        );
        self.send_text(from, &text);
    }

    /// `from` calls `to`.
    pub fn call(&mut self, from: usize, to: usize, number: u64) -> LegId {
        let leg = LegId {
            origin: Origin::Outbound,
            number,
        };
        let target = Uri::parse(&format!("sip:0800100200@{}", address(to))).unwrap();
        let offer = Bytes::from_static(b"offer");
        let invite = OutgoingInvite {
            from_display: "Олена".to_owned(),
            headers: vec![("X-Queue", "odesa".to_owned())],
            ..OutgoingInvite::new(target, self.flow(from, to), "380671234567", offer)
        };
        let invite = Box::new(invite);
        self.command(from, SessionCommand::Invite { leg, invite });
        leg
    }
}

pub fn word(event: &SessionEvent) -> String {
    let sdp = |body: &Option<Bytes>| match body {
        Some(body) => format!(" {}", String::from_utf8_lossy(body)),
        None => String::new(),
    };
    match event {
        SessionEvent::Incoming { invite, .. } => format!("incoming{}", sdp(&invite.offer)),
        SessionEvent::Cancelled { elsewhere, .. } => format!("cancelled {elsewhere}"),
        SessionEvent::Progress { code, answer, .. } => format!("progress {code}{}", sdp(answer)),
        SessionEvent::Answered { answer, .. } => format!("answered{}", sdp(answer)),
        SessionEvent::Rejected { code, .. } => format!("rejected {code}"),
        SessionEvent::Confirmed { answer, .. } => format!("confirmed{}", sdp(answer)),
        SessionEvent::Reoffer { offer, .. } => format!("reoffer{}", sdp(offer)),
        SessionEvent::ReofferAnswered { answer, .. } => match answer {
            Ok(answer) => format!("reoffer answered{}", sdp(answer)),
            Err(code) => format!("reoffer refused {code}"),
        },
        SessionEvent::Refer { refer, .. } => format!("refer {}", refer.target.as_str()),
        SessionEvent::Digit { digit, .. } => format!("digit {digit}"),
        SessionEvent::Bye { .. } => "bye".to_owned(),
        SessionEvent::Failed { cause, .. } => format!("failed {}", cause.text),
        SessionEvent::Closed { .. } => "closed".to_owned(),
    }
}

pub fn inbound(number: u64) -> LegId {
    LegId {
        origin: Origin::Inbound,
        number,
    }
}

pub fn cause(sip: u16) -> Cause {
    Cause {
        sip,
        q850: Some(16),
        text: "test",
    }
}

pub fn sdp(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}
