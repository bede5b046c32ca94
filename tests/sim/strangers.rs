//! Strangers and thieves at the door of the whole engine: no call, no port, no row, nothing to send to
//! anybody else.

use std::net::SocketAddr;

use strowger::engine::Engine;
use strowger::engine::input::Input;
use strowger::engine::output::Output;
use strowger::engine::view::View;
use strowger::id::FlowId;
use strowger::media::command::MediaCommand;
use strowger::sim::world::{SERVER, engine_settings};
use strowger::sip::auth::digest;
use strowger::sip::endpoint::{Algorithm, Credentials};
use strowger::sip::flow::{Flow, Transport};
use strowger::time::{Duration, Instant, Now, Wall};

use crate::hall::clinic;

const DOMAIN: &str = "pbx.test";

/// The engine of a clinic with operators and a trunk, and whatever it gave out.
struct Door {
    engine: Engine,
    now: Now,
    sent: Vec<(SocketAddr, String)>,
    /// Everything but packets and log lines.
    deeds: Vec<Output>,
    seq: u32,
    /// Between two requests.
    gap: Duration,
}

impl Door {
    fn new() -> Self {
        let now = Now {
            mono: Instant::START,
            wall: Wall::from_millis(1_791_183_600_000),
        };
        let settings = engine_settings(std::sync::Arc::new(clinic(8)));
        let mut door = Self {
            engine: Engine::new(settings, [7; 32], now),
            now,
            sent: Vec::new(),
            deeds: Vec::new(),
            seq: 0,
            gap: Duration::from_millis(100),
        };
        door.drain();
        door.deeds.clear();
        door
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    self.sent.push((flow.peer, text));
                }
                Output::Log(_) => {}
                deed @ (Output::Media(_)
                | Output::Record(_)
                | Output::Ask { .. }
                | Output::Leg { .. }
                | Output::Reply { .. }
                | Output::Observe(_)) => self.deeds.push(deed),
            }
        }
    }

    /// Sends a request and gives the status of the last answer.
    fn send(&mut self, from: &str, method: &str, target: &str, more: &str) -> Option<u16> {
        self.seq += 1;
        self.wait(self.gap);
        let seq = self.seq;
        let text = format!(
            "{method} {target} SIP/2.0
Via: SIP/2.0/UDP {from};rport;branch=z9hG4bK{seq}
From: <sip:op000@{DOMAIN}>;tag=t
To: <{target}>
Contact: <sip:op000@{from}>
Call-ID: c{seq}
CSeq: {seq} {method}
{more}"
        );
        let text = if more.contains("\n\n") {
            text
        } else {
            text + "\n"
        };
        let peer = from.parse().unwrap();
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: SERVER,
            peer,
        };
        self.sent.clear();
        let bytes = text.replace('\n', "\r\n").into_bytes();
        let bytes = &bytes;
        self.engine
            .handle_input(self.now, Input::Sip { flow, bytes });
        self.drain();
        assert!(
            self.sent
                .iter()
                .all(|(to, text)| *to == peer && text.starts_with("SIP/2.0 ")),
            "{:?}",
            self.sent
        );
        self.sent.last()?.1.get(8..11)?.parse().ok()
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while let Some(wakeup) = self.engine.poll_timeout()
            && wakeup.at <= end
        {
            self.now.mono = wakeup.at.max(self.now.mono);
            self.engine.handle_input(self.now, Input::Timeout);
            self.drain();
        }
        self.now.mono = end;
    }

    /// The digest of an operator, for the challenge that came last.
    fn digest(&self, field: &str, user: &str, password: &str, method: &str, uri: &str) -> String {
        let challenge = &self.sent.last().unwrap().1;
        let (_, nonce) = challenge.split_once("nonce=\"").unwrap();
        let nonce = nonce.split('"').next().unwrap();
        let secret = Credentials::from_password(user, DOMAIN, password);
        let ha1 = secret.ha1(Algorithm::Md5);
        let response = digest::response(Algorithm::Md5, ha1, nonce, None, method, uri);
        format!(
            "{field}: Digest username=\"{user}\", realm=\"{DOMAIN}\", nonce=\"{nonce}\", \
             uri=\"{uri}\", response=\"{response}\"\n"
        )
    }
}

/// A view without the count of messages, as text.
fn without_messages(view: View) -> String {
    let messages = Vec::new();
    format!("{:?}", View { messages, ..view })
}

const SDP: &str = "Content-Type: application/sdp\nContent-Length: 130\n\nv=0\no=- 1 1 IN IP4 192.0.2.66\ns=-\nc=IN IP4 192.0.2.66\nt=0 0\nm=audio 4000 RTP/AVP 8 0 101\na=rtpmap:101 telephone-event/8000\n";

/// Numbers that cost money, the clinic's own, its people, and somebody else's domain.
const TARGETS: [&str; 8] = [
    "sip:0900111222@pbx.test",
    "sip:+80012345678@pbx.test",
    "sip:00423663000000@192.0.2.1",
    "tel:+380671112233",
    "sip:0800301231@pbx.test",
    "sip:op001@pbx.test",
    "sip:201@pbx.test",
    "sip:9@evil.example",
];

#[test]
fn no_request_of_a_stranger_makes_a_call_a_port_or_a_row() {
    let mut door = Door::new();
    let before = without_messages(door.engine.view());
    for target in TARGETS {
        for (method, code) in [
            ("INVITE", Some(407)),
            ("REGISTER", Some(401)),
            ("OPTIONS", Some(200)),
            ("BYE", Some(481)),
            ("CANCEL", Some(481)),
            ("ACK", None),
        ] {
            for more in [
                "",
                SDP,
                "Replaces: c1;to-tag=a;from-tag=t\n",
                "Authorization: Digest username=\"op000\", realm=\"pbx.test\", nonce=\"x\", uri=\"y\", response=\"z\"\n",
                "Proxy-Authorization: Digest username=\"op000\", realm=\"pbx.test\", nonce=\"x\", uri=\"y\", response=\"z\"\n",
                "P-Asserted-Identity: <sip:op000@pbx.test>\nDiversion: <sip:op000@pbx.test>\n",
                "X-Strowger-Call-Id: 1\nRoute: <sip:203.0.113.10;lr>\n",
            ] {
                let said = door.send("192.0.2.66:5060", method, target, more);
                assert_eq!(said, code, "{method} {target} {more}");
                assert!(
                    door.deeds.is_empty(),
                    "{method} {target} {more}: {:?}",
                    door.deeds
                );
            }
        }
        for method in [
            "SUBSCRIBE",
            "NOTIFY",
            "REFER",
            "MESSAGE",
            "PUBLISH",
            "INFO",
            "UPDATE",
            "PRACK",
            "DANCE",
        ] {
            for more in [
                "",
                "Event: dialog\nExpires: 60\n",
                "Refer-To: <sip:0900111222@pbx.test>\n",
                "Event: message-summary\nAuthorization: Digest username=\"op000\", realm=\"pbx.test\", nonce=\"x\", uri=\"y\", response=\"z\"\n",
            ] {
                let said = door.send("192.0.2.66:5060", method, target, more);
                assert!(
                    said.is_some_and(|code| code >= 400),
                    "{method} {target}: {said:?}"
                );
                assert!(
                    door.deeds.is_empty(),
                    "{method} {target} {more}: {:?}",
                    door.deeds
                );
            }
        }
    }
    assert_eq!(without_messages(door.engine.view()), before);
    assert_eq!(door.engine.calls().count(), 0);
    door.wait(Duration::from_secs(3_600));
    assert!(door.deeds.is_empty(), "{:?}", door.deeds);
    assert_eq!(without_messages(door.engine.view()), before);
}

/// The plan has no `outbound`: an operator's stolen password dials nothing that costs money.
#[test]
fn a_stolen_password_dials_no_paid_number() {
    let mut door = Door::new();
    let from = "192.0.2.66:5060";
    for target in TARGETS.iter().filter(|target| {
        !target.contains("op001") && !target.contains("201") && !target.contains("0800301231")
    }) {
        assert_eq!(door.send(from, "INVITE", target, SDP), Some(407));
        let field = "Proxy-Authorization";
        let more = door.digest(field, "op000", "pw0", "INVITE", target) + SDP;
        assert_eq!(
            door.send(from, "INVITE", target, &more),
            Some(403),
            "{target}"
        );
        let media = door
            .deeds
            .iter()
            .any(|deed| matches!(deed, Output::Media(_)));
        assert!(!media, "{target}: {:?}", door.deeds);
        // Another's name in From is refused whoever signs it.
        assert_eq!(door.send(from, "INVITE", target, SDP), Some(407));
        let more = door.digest(field, "op001", "pw1", "INVITE", target) + SDP;
        assert_eq!(
            door.send(from, "INVITE", target, &more),
            Some(403),
            "{target}"
        );
    }
    door.wait(Duration::from_secs(200));
    let view = door.engine.view();
    assert_eq!((view.calls_kept, view.legs, view.offered), (0, 0, 0));
    assert_eq!(view.live, strowger::sip::endpoint::Live::default());
}

/// A carrier brings calls in; what it brings for a number that is not ours goes nowhere.
#[test]
fn a_trunk_is_no_way_out_for_its_own_calls() {
    let mut door = Door::new();
    for target in TARGETS {
        let ours = target.contains("0800301231");
        door.send("203.0.113.10:5060", "INVITE", target, SDP);
        door.wait(Duration::from_secs(1));
        let own = format!("Call-ID: c{}\r\n", door.seq);
        let mut own = door.sent.iter().filter(|(_, text)| text.contains(&own));
        let refused = own.any(|(_, text)| text.starts_with("SIP/2.0 404"));
        let opened = door
            .deeds
            .iter()
            .any(|deed| matches!(deed, Output::Media(MediaCommand::Open { .. })));
        assert_eq!(
            (opened, refused),
            (ours, !ours),
            "{target}: {:?}",
            door.deeds
        );
        door.deeds.clear();
    }
}

/// Two thousand a second, as fast as they come: a clock set for each would be memory for each.
#[test]
fn a_flood_of_strangers_sets_no_clock_and_makes_no_call() {
    let mut door = Door::new();
    door.gap = Duration::from_micros(500);
    let before = without_messages(door.engine.view());
    let answered = (0..10_000).filter(|_| {
        let said = door.send("192.0.2.66:5060", "INVITE", "sip:0800301231@pbx.test", SDP);
        assert!(door.engine.poll_timeout().is_none());
        said.is_some()
    });
    let answered = answered.count();
    // A burst of 200, and 50 in each of five seconds.
    assert!((440..=451).contains(&answered), "{answered}");
    assert!(door.deeds.is_empty());
    assert_eq!(without_messages(door.engine.view()), before);
}
