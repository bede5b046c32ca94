//! Any bytes as a script for an endpoint: packets, time, a call machine of many minds. Whatever was
//! said, it still answers, every session closes once, and nothing is left at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use strowger::id::{FlowId, LegId, OperatorName, TrunkName};
use strowger::net::Net;
use strowger::rng::Rng;
use strowger::sip::endpoint::{
    Algorithm, Credentials, Directory, Endpoint, EndpointConfig, EndpointEvent, Live, TrunkEntry,
};
use strowger::sip::flow::{Flow, Transport};
use strowger::sip::session::{Cause, SessionCommand, SessionEvent};
use strowger::time::{Duration, Instant, Now, Wall};

/// What divides the steps of a script.
pub const MARK: &[u8] = b"\n%%\n";
/// Stands in a packet for the tag the endpoint gave last.
const TAG: &[u8] = b"@TAG@";

const TRUNK: &str = "203.0.113.5:5060";
const STRANGER: &str = "192.0.2.66:5060";

struct World {
    endpoint: Endpoint,
    now: Now,
    tag: Vec<u8>,
    open: BTreeSet<LegId>,
    whim: u8,
}

/// Checks one input. The first byte of a step says who sends it, how long it waits, and what the
/// call machine thinks; the rest is the packet.
pub fn run(data: &[u8]) {
    let mut world = World::new();
    for step in split(data) {
        let Some((&whim, packet)) = step.split_first() else {
            continue;
        };
        world.whim = whim;
        let from = if whim & 1 == 0 { TRUNK } else { STRANGER };
        world.send(from, &replace(packet, &world.tag.clone()));
        world.wait(Duration::from_millis(u64::from(whim >> 4) * 300));
        if whim & 2 != 0 {
            world.hang_up_all();
        }
    }
    world.send(TRUNK, OPTIONS);
    world.wait(Duration::from_secs(1));
    world.whim = 0;
    world.hang_up_all();
    world.wait(Duration::from_secs(200));
    assert_eq!(world.endpoint.live(), Live::default());
    assert!(world.open.is_empty(), "{:?} did not close", world.open);
}

const OPTIONS: &[u8] = b"OPTIONS sip:clinic.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKping\r\n\
    From: <sip:a@203.0.113.5>;tag=1\r\nTo: <sip:clinic.example>\r\n\
    Call-ID: ping\r\nCSeq: 1 OPTIONS\r\n\r\n";

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
        let trunk: SocketAddr = TRUNK.parse().unwrap();
        let olena = Credentials::from_password("olena", "clinic.example", "secret");
        let mut endpoint = Endpoint::new(config, Rng::new([9; 32]), now);
        endpoint.set_directory(Directory {
            trunks: vec![TrunkEntry::at(
                TrunkName::from("carrier"),
                vec![(Net::single(trunk.ip()), None)],
            )],
            users: BTreeMap::from([(OperatorName::from("olena"), olena)]),
            ..Directory::default()
        });
        Self {
            endpoint,
            now,
            tag: b"none".to_vec(),
            open: BTreeSet::new(),
            whim: 0,
        }
    }

    fn send(&mut self, from: &str, bytes: &[u8]) {
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: "198.51.100.1:5060".parse().unwrap(),
            peer: from.parse().unwrap(),
        };
        self.endpoint.handle_packet(self.now, flow, bytes);
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
            let to = text.split("\r\n").find(|line| line.starts_with("To:"));
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
            SessionEvent::Refer { leg, .. } => commands.push(SessionCommand::AnswerRefer {
                leg,
                answer: if self.whim & 1 == 0 { Ok(()) } else { Err(403) },
            }),
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

fn replace(packet: &[u8], tag: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(packet.len());
    let mut rest = packet;
    while let Some(at) = rest.windows(TAG.len()).position(|word| word == TAG) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(tag);
        rest = &rest[at + TAG.len()..];
    }
    out.extend_from_slice(rest);
    out
}
