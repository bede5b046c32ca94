//! Any bytes as a script for an endpoint: packets, time, a call machine of many minds. Whatever was
//! said, it still answers, every session closes once, and nothing is left at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use strowger::id::{FlowId, LegId, OperatorName, Origin, TrunkName};
use strowger::net::Net;
use strowger::rng::Rng;
use strowger::sip::auth::digest::{self, Protection};
use strowger::sip::endpoint::{
    Algorithm, Credentials, DigestAccount, Directory, Endpoint, EndpointConfig, EndpointEvent,
    Live, TrunkEntry,
};
use strowger::sip::flow::{Flow, Transport};
use strowger::sip::session::{Cause, OutgoingInvite, SessionCommand, SessionEvent};
use strowger::sip::uri::Uri;
use strowger::time::{Duration, Instant, Now, Wall};

/// What divides the steps of a script.
pub const MARK: &[u8] = b"\n%%\n";
/// Stands in a packet for the tag the endpoint gave last.
const TAG: &[u8] = b"@TAG@";

/// Stands in a packet for the credentials of the one operator, right for its first line.
const DIGEST: &[u8] = b"@DIGEST@";

/// Stands in a response for the fields that make it one to the last request the trunk got; To has a
/// tag.
const HEAD: &[u8] = b"@HEAD@";

/// Stands in a packet for the RSeq the endpoint gave last.
const RSEQ: &[u8] = b"@RSEQ@";

/// A step that begins so lets the endpoint call the trunk.
const DIAL: &[u8] = b"DIAL";

const TRUNK: &str = "203.0.113.5:5060";
const STRANGER: &str = "192.0.2.66:5060";

struct World {
    endpoint: Endpoint,
    now: Now,
    tag: Vec<u8>,
    /// The nonce of the last challenge, and how often it was used.
    nonce: (String, u32),
    /// The fields of the last request to the trunk.
    head: Vec<u8>,
    rseq: Vec<u8>,
    dialled: u64,
    open: BTreeSet<LegId>,
    whim: u8,
}

/// Checks one input. The first byte of a step says who sends it, how long it waits, and what the
/// call machine thinks; the rest is the packet.
pub fn run(data: &[u8]) {
    let mut world = World::new();
    world.send(STRANGER, REGISTER);
    for step in split(data) {
        let Some((&whim, packet)) = step.split_first() else {
            continue;
        };
        world.whim = whim;
        let from = if whim & 1 == 0 { TRUNK } else { STRANGER };
        if packet.starts_with(DIAL) {
            world.dial();
            continue;
        }
        let packet = replace(packet, TAG, &world.tag.clone());
        let packet = replace(&packet, HEAD, &world.head.clone());
        let packet = replace(&packet, RSEQ, &world.rseq.clone());
        let credentials = world.credentials(&packet);
        world.send(from, &replace(&packet, DIGEST, credentials.as_bytes()));
        world.wait(Duration::from_millis(u64::from(whim >> 4) * 300));
        if whim & 2 != 0 {
            world.hang_up_all();
        }
        if whim & 12 == 12 {
            world.reoffer_all();
        }
    }
    world.send(TRUNK, OPTIONS);
    world.wait(Duration::from_secs(1));
    world.whim = 0;
    world.hang_up_all();
    // Nobody works here any more: phones are not asked whether they are there, nor told anything.
    world.endpoint.set_directory(directory(BTreeMap::new()));
    world.wait(Duration::from_secs(200));
    assert_eq!(world.endpoint.live(), Live::default());
    assert_eq!(world.endpoint.registrations(), 0);
    assert_eq!(world.endpoint.subscriptions(), 0);
    assert!(world.open.is_empty(), "{:?} did not close", world.open);
}

const OPTIONS: &[u8] = b"OPTIONS sip:clinic.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKping\r\n\
    From: <sip:a@203.0.113.5>;tag=1\r\nTo: <sip:clinic.example>\r\n\
    Call-ID: ping\r\nCSeq: 1 OPTIONS\r\n\r\n";

const REGISTER: &[u8] = b"REGISTER sip:clinic.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKreg\r\n\
    From: <sip:olena@clinic.example>;tag=1\r\nTo: <sip:olena@clinic.example>\r\n\
    Call-ID: reg\r\nCSeq: 1 REGISTER\r\n\r\n";

fn directory(users: BTreeMap<OperatorName, Credentials>) -> Directory {
    let trunk: SocketAddr = TRUNK.parse().unwrap();
    let peers = vec![(Net::single(trunk.ip()), None)];
    let mut carrier = TrunkEntry::at(TrunkName::from("carrier"), peers);
    carrier.account = Some(DigestAccount {
        user: "clinic".to_owned(),
        password: "secret".to_owned(),
    });
    let trunks = vec![carrier];
    Directory {
        trunks,
        users,
        ..Directory::default()
    }
}

impl World {
    fn new() -> Self {
        let now = Now {
            mono: Instant::START,
            wall: Wall::from_millis(1_700_000_000_000),
        };
        let config = EndpointConfig {
            domain: "clinic.example".to_owned(),
            advertise: None,
            local_nets: Vec::new(),
            digest: vec![Algorithm::Md5, Algorithm::Sha256],
            strangers_rate: 50,
            strangers_burst: 200,
            strangers_trusted: Vec::new(),
            registrations: 100,
            expires: (Duration::from_secs(60), Duration::from_secs(3600)),
        };
        let olena = Credentials::from_password("olena", "clinic.example", "secret");
        let mut endpoint = Endpoint::new(config, Rng::new([9; 32]), now);
        let users = BTreeMap::from([(OperatorName::from("olena"), olena)]);
        endpoint.set_directory(directory(users));
        Self {
            endpoint,
            now,
            tag: b"none".to_vec(),
            nonce: (String::new(), 0),
            head: Vec::new(),
            rseq: b"1".to_vec(),
            dialled: 0,
            open: BTreeSet::new(),
            whim: 0,
        }
    }

    fn send(&mut self, from: &str, bytes: &[u8]) {
        self.endpoint.handle_packet(self.now, flow(from), bytes);
        let sent = self.drain();
        assert!(bytes != OPTIONS || sent == 1, "OPTIONS got no answer");
    }

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

    fn drain(&mut self) -> usize {
        let mut commands = Vec::new();
        while let Some(event) = self.endpoint.poll_event() {
            if let EndpointEvent::Session(event) = event {
                self.think(event, &mut commands);
            }
        }
        for command in commands {
            self.endpoint.handle_command(self.now, command);
        }
        let mut sent = 0;
        while let Some(transmit) = self.endpoint.poll_transmit() {
            sent += 1;
            let text = String::from_utf8_lossy(&transmit.bytes);
            let ours = text.starts_with("SIP/2.0 ");
            if !ours && !text.starts_with("ACK ") && transmit.flow.peer.to_string() == TRUNK {
                self.head = head_of(&text).into_bytes();
            }
            let rseq = text.split_once("\r\nRSeq: ").map(|(_, rest)| rest);
            if let Some((rseq, _)) = rseq.and_then(|rest| rest.split_once('\r')) {
                self.rseq = rseq.as_bytes().to_vec();
            }
            let to = text
                .split("\r\n")
                .find(|line| ours && line.starts_with("To:"));
            if let Some((_, nonce)) = text.split_once("nonce=\"") {
                let nonce = nonce.split('"').next().unwrap_or_default();
                self.nonce = (nonce.to_owned(), 0);
            }
            if let Some((_, tag)) = to.and_then(|to| to.rsplit_once(";tag=")) {
                self.tag = tag.as_bytes().to_vec();
            }
        }
        sent
    }

    fn think(&mut self, event: SessionEvent, commands: &mut Vec<SessionCommand>) {
        let answer = bytes::Bytes::from_static(b"v=0\r\n");
        match event {
            SessionEvent::Incoming { leg, .. } => {
                assert!(self.open.insert(leg));
                commands.push(match self.whim & 12 {
                    0 => SessionCommand::Accept { leg, answer },
                    4 => SessionCommand::Progress {
                        leg,
                        code: 183,
                        answer: Some(answer),
                    },
                    _ => SessionCommand::Reject {
                        leg,
                        code: 486,
                        retry_after: Some(5),
                    },
                });
            }
            SessionEvent::Cancelled { leg, .. } => commands.push(SessionCommand::Reject {
                leg,
                code: 487,
                retry_after: None,
            }),
            SessionEvent::Reoffer { leg, .. } => commands.push(SessionCommand::AnswerReoffer {
                leg,
                answer: if self.whim & 4 == 0 {
                    Ok(answer)
                } else {
                    Err(488)
                },
            }),
            SessionEvent::Bye { leg } if self.whim & 8 == 0 => {
                commands.push(SessionCommand::ConfirmBye { leg });
            }
            SessionEvent::Closed { leg } => assert!(self.open.remove(&leg), "{leg} closed twice"),
            SessionEvent::Refer { leg, .. } => {
                let answer = if self.whim & 4 == 0 { Ok(()) } else { Err(403) };
                commands.push(SessionCommand::AnswerRefer { leg, answer });
                for code in [100, 180, 200] {
                    commands.push(SessionCommand::ReferProgress { leg, code });
                }
            }
            SessionEvent::Progress { .. }
            | SessionEvent::ReofferAnswered { .. }
            | SessionEvent::Digit { .. }
            | SessionEvent::Answered { .. }
            | SessionEvent::Rejected { .. }
            | SessionEvent::Confirmed { .. }
            | SessionEvent::Bye { .. }
            | SessionEvent::Failed { .. } => {}
        }
    }

    /// The credentials of olena for the request in a packet.
    fn credentials(&mut self, packet: &[u8]) -> String {
        let line = packet.split(|&byte| byte == b'\r').next();
        let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
        let mut words = line.split(' ');
        let (method, uri) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let (nonce, used) = &mut self.nonce;
        *used += 1;
        let nc = format!("{used:08x}");
        let protection = Protection {
            nc: &nc,
            cnonce: "c",
            qop: "auth",
        };
        let ha1 = Credentials::from_password("olena", "clinic.example", "secret").md5;
        let response = digest::response(Algorithm::Md5, &ha1, nonce, Some(protection), method, uri);
        format!(
            "Digest username=\"olena\", realm=\"clinic.example\", nonce=\"{nonce}\", uri=\"{uri}\", \
             qop=auth, nc={nc}, cnonce=\"c\", response=\"{response}\""
        )
    }

    fn dial(&mut self) {
        self.dialled += 1;
        let leg = LegId {
            origin: Origin::Outbound,
            number: self.dialled,
        };
        let flow = flow(TRUNK);
        let target = Uri::parse("sip:380671112233@carrier.example").unwrap();
        let offer = bytes::Bytes::from_static(b"v=0\r\n");
        let invite = OutgoingInvite {
            trunk: Some(TrunkName::from("carrier")),
            asserted: Some("380800100200".to_owned()),
            ..OutgoingInvite::new(target, flow, "380800100200", offer)
        };
        assert!(self.open.insert(leg));
        let invite = Box::new(invite);
        let command = SessionCommand::Invite { leg, invite };
        self.endpoint.handle_command(self.now, command);
        self.drain();
    }

    fn reoffer_all(&mut self) {
        for leg in self.open.clone() {
            let offer = bytes::Bytes::from_static(b"v=0\r\n");
            let command = SessionCommand::Reoffer { leg, offer };
            self.endpoint.handle_command(self.now, command);
        }
        self.drain();
    }

    fn hang_up_all(&mut self) {
        for leg in self.open.clone() {
            let cause = Cause {
                sip: 480,
                q850: Some(16),
                text: "the end",
            };
            let command = SessionCommand::HangUp { leg, cause };
            self.endpoint.handle_command(self.now, command);
        }
        self.drain();
    }
}

fn flow(peer: &str) -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: "198.51.100.1:5060".parse().unwrap(),
        peer: peer.parse().unwrap(),
    }
}

fn head_of(request: &str) -> String {
    let mut head = String::new();
    for name in ["Via:", "From:", "To:", "Call-ID:", "CSeq:"] {
        let line = request.split("\r\n").find(|line| line.starts_with(name));
        head += line.unwrap_or_default();
        if name == "To:" && !line.is_some_and(|line| line.contains(";tag=")) {
            head += ";tag=theirs";
        }
        head += "\r\n";
    }
    head
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    let mut steps = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(MARK.len()).position(|word| word == MARK) {
        steps.push(&rest[..at]);
        rest = &rest[at + MARK.len()..];
    }
    steps.push(rest);
    steps
}

fn replace(packet: &[u8], word: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(packet.len());
    let mut rest = packet;
    while let Some(at) = rest.windows(word.len()).position(|found| found == word) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(with);
        rest = &rest[at + word.len()..];
    }
    out.extend_from_slice(rest);
    out
}
