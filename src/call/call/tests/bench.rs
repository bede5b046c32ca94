//! A call on the bench, and as much of the world as answers it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::call::entry::Arrival;
use crate::call::message::{CallSettings, Contact, Minted, Way};
use crate::dialplan::compile::{Options, Source, compile};
use crate::dialplan::decide::Facts;
use crate::dialplan::diagnose::Severity;
use crate::dialplan::secrets::Secrets;
use crate::id::{FlowId, Origin, Ulid};
use crate::ledger::history::History;
use crate::limits;
use crate::rng::Rng;
use crate::sip::flow::{Flow, Transport};
use crate::sip::identity::Identity;
use crate::sip::session::{IncomingInvite, Source as Sender};
use crate::sip::uri::Uri;
use crate::time::{Duration, Now, Wall};
use crate::words::{LeftReason, MissReason, Prompt};

pub(super) const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { to: queue.odesa }
queues:
  odesa: { operators: { all: true }, strategy: ring_all, ring: 10s, wrap_up: 5s, max_wait: 60s, answer: ANSWER }
whisper: { uk: "Дзвінок", max: 4s }
recording: { announce: { say: Розмова записується. }, keep: 90d }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

pub(super) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
pub(super) const HOLD: &str = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
                    m=audio 4000 RTP/AVP 8\r\na=inactive\r\n";

struct Nothing;

impl Secrets for Nothing {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }
    fn file(&self, _path: &str) -> Option<String> {
        None
    }
}

pub(super) fn plan(answer: &str) -> Arc<Dialplan> {
    compiled(&PLAN.replace("ANSWER", answer))
}

pub(super) fn compiled(text: &str) -> Arc<Dialplan> {
    let sources = [Source {
        name: "plan.yaml",
        text,
    }];
    let options = Options {
        unset: Severity::Error,
        whole: true,
    };
    let compiled = compile(&sources, &Nothing, options);
    Arc::new(compiled.plan.expect("the plan compiles"))
}

pub(super) fn flow(peer: &str) -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        peer: peer.parse().unwrap(),
    }
}

pub(super) fn operator(name: &str) -> OperatorName {
    OperatorName::from(name)
}

pub(super) fn contact() -> Contact {
    Contact {
        uri: Uri::parse("sip:iryna@10.0.0.1").unwrap(),
        flow: flow("10.0.0.1:5060"),
        routes: Vec::new(),
    }
}

/// A call, and as much of the world as answers it at once.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) call: Option<Call>,
    pub(super) now: Now,
    pub(super) settings: CallSettings,
    pub(super) prompts: BTreeMap<Phrase, Prompt>,
    pub(super) history: History,
    pub(super) minted: Minted,
    pub(super) ports: BTreeSet<LegId>,
    /// Sessions, and whether they were told to end or have ended by themselves.
    pub(super) sessions: BTreeMap<LegId, bool>,
    pub(super) timers: BTreeMap<CallTimer, Instant>,
    /// Whom the distributor holds for the call.
    pub(super) held: BTreeSet<OperatorName>,
    pub(super) answered: Option<OperatorName>,
    pub(super) queue: Option<QueueName>,
    /// What the distributor says of the caller's place.
    pub(super) place: (u32, Option<Duration>),
    /// Operators on the line outside any queue.
    pub(super) engaged: BTreeMap<TicketId, OperatorName>,
    pub(super) heard: Vec<News>,
    /// Phrases that are to be rendered.
    pub(super) asked: Vec<Phrase>,
    pub(super) done: bool,
}

impl Bench {
    pub(super) fn new(plan: &Arc<Dialplan>, offer: Option<&str>) -> Self {
        Self::of(plan, offer, Sender::Trunk("kyivstar".into()), None)
    }

    /// A call that Ирина places.
    pub(super) fn placed(plan: &Arc<Dialplan>, offer: Option<&str>, dialled: Dialled) -> Self {
        let iryna = Sender::Operator(operator("iryna"));
        Self::of(plan, offer, iryna, Some(dialled))
    }

    pub(super) fn of(
        plan: &Arc<Dialplan>,
        offer: Option<&str>,
        source: Sender,
        dials: Option<Dialled>,
    ) -> Self {
        let mut prompts = BTreeMap::new();
        for (phrase, key) in plan.phrases().into_iter().zip(1_u128..) {
            let duration = Duration::from_secs(2);
            prompts.insert(phrase, Prompt { key, duration });
        }
        let now = Now {
            mono: Instant::from_nanos(1_000_000_000),
            wall: Wall::from_millis(1_800_000_000_000),
        };
        let mut bench = Self {
            call: None,
            now,
            settings: CallSettings {
                media_address: "192.0.2.1".parse().unwrap(),
                media_advertise: None,
                media_local_nets: Vec::new(),
                call_length: limits::CALL_LENGTH,
            },
            prompts,
            history: History::default(),
            minted: Minted::default(),
            ports: BTreeSet::new(),
            sessions: BTreeMap::new(),
            timers: BTreeMap::new(),
            held: BTreeSet::new(),
            answered: None,
            queue: None,
            place: (1, None),
            engaged: BTreeMap::new(),
            heard: Vec::new(),
            asked: Vec::new(),
            done: false,
        };
        let uri = Uri::parse("sip:0800301231@192.0.2.1").unwrap();
        let invite = IncomingInvite {
            source,
            flow: flow("203.0.113.10:5060"),
            request_uri: uri.clone(),
            to: uri.clone(),
            from: uri,
            from_display: String::new(),
            call_id: "x".to_owned(),
            offer: offer.map(|offer| bytes::Bytes::copy_from_slice(offer.as_bytes())),
            identity: Identity::default(),
            replaces: None,
        };
        let facts = Facts {
            trunk: "kyivstar".into(),
            to: "0800301231".to_owned(),
            from: Some("380671112233".to_owned()),
        };
        let decision = plan.decide(&facts, now.wall);
        let arrival = Arrival {
            id: CallId(Ulid::new(now.wall, &mut Rng::new([1; 32]))),
            ticket: bench.minted.ticket(),
            leg: CALLER,
            invite: &invite,
            plan: Arc::clone(plan),
            decision,
            dials,
        };
        bench.sessions.insert(CALLER, false);
        let mut effects = Effects::new();
        let mut world = World {
            now,
            settings: &bench.settings,
            prompts: &bench.prompts,
            history: &bench.history,
            takes_recalls: true,
            minted: &mut bench.minted,
            rng: &mut Rng::new([2; 32]),
        };
        bench.call = Some(Call::arrive(arrival, false, &mut world, &mut effects));
        bench.apply(effects);
        bench
    }

    pub(super) fn call(&self) -> &Call {
        self.call.as_ref().unwrap()
    }

    pub(super) fn feed(&mut self, input: CallInput) {
        if self.done {
            return;
        }
        match &input {
            CallInput::Session(
                SessionEvent::Failed { leg, .. }
                | SessionEvent::Rejected { leg, .. }
                | SessionEvent::Closed { leg },
            ) => {
                self.sessions.insert(*leg, true);
            }
            CallInput::Timer(timer) => {
                self.timers.remove(timer);
            }
            _ => {}
        }
        let mut effects = Effects::new();
        let mut world = World {
            now: self.now,
            settings: &self.settings,
            prompts: &self.prompts,
            history: &self.history,
            takes_recalls: true,
            minted: &mut self.minted,
            rng: &mut Rng::new([2; 32]),
        };
        let call = self.call.as_mut().unwrap();
        call.handle(&mut world, input, &mut effects);
        self.apply(effects);
    }

    pub(super) fn apply(&mut self, effects: Effects) {
        for effect in effects {
            match effect {
                CallEffect::Session(command) => self.session(command),
                CallEffect::Media(MediaCommand::Open { leg, .. }) => {
                    assert!(self.ports.insert(leg), "{leg} opened twice");
                }
                CallEffect::Media(MediaCommand::Close { leg }) => {
                    self.ports.remove(&leg);
                }
                CallEffect::Media(_) | CallEffect::Overseen(_) => {}
                CallEffect::Acd(input) => self.desk(input),
                CallEffect::Tell(told) => {
                    let ended = self.heard.contains(&News::Ended);
                    let late = matches!(
                        told.news,
                        News::RecordingFinished(_)
                            | News::RecordingFailed(_)
                            | News::VoicemailRecorded { .. }
                    );
                    assert!(!ended || late, "{:?} after the end", told.news);
                    self.heard.push(told.news);
                }
                CallEffect::SetTimer(timer, at) => {
                    self.timers.insert(timer, at);
                }
                CallEffect::StopTimer(timer) => {
                    self.timers.remove(&timer);
                }
                CallEffect::Done => self.done = true,
                CallEffect::Give { party, .. } => {
                    let leg = party.leg.id;
                    assert!(self.ports.remove(&leg), "{leg} has no port");
                    assert_eq!(self.sessions.remove(&leg), Some(false), "{leg}");
                    if let Some(seat) = party.seat {
                        let engaged = self.engaged.remove(&seat.ticket).is_some();
                        let answered = self.answered.take_if(|it| *it == seat.operator);
                        assert!(engaged || answered.is_some());
                        self.held.remove(&seat.operator);
                    }
                }
                CallEffect::Reach { operator } => {
                    let contacts = vec![contact(); 2];
                    let busy = false;
                    self.feed(CallInput::Reached {
                        operator,
                        contacts,
                        busy,
                    });
                }
                CallEffect::Ways { .. } => {
                    let way = Way {
                        trunk: "kyivstar".into(),
                        uri: contact().uri,
                        flow: flow("203.0.113.10:5060"),
                    };
                    self.feed(CallInput::Ways(vec![way; 2]));
                }
                CallEffect::Render { phrases } => self.asked.extend(phrases),
                CallEffect::Place => {
                    if self.queue.is_some() {
                        let (position, wait) = self.place;
                        self.feed(CallInput::Place { position, wait });
                    }
                }
                CallEffect::Commit(_)
                | CallEffect::Adopt(_)
                | CallEffect::Disown(_)
                | CallEffect::Measured(_)
                | CallEffect::Note(_) => {}
            }
        }
    }

    pub(super) fn session(&mut self, command: SessionCommand) {
        match command {
            SessionCommand::Invite { leg, .. } => {
                let fresh = self.sessions.insert(leg, false).is_none();
                assert!(fresh, "{leg} invited twice");
            }
            SessionCommand::HangUp { leg, .. }
            | SessionCommand::Reject { leg, .. }
            | SessionCommand::RejectOffer { leg, .. }
            | SessionCommand::ConfirmBye { leg } => {
                self.sessions.insert(leg, true);
            }
            SessionCommand::Progress { .. }
            | SessionCommand::Accept { .. }
            | SessionCommand::AnswerReoffer { .. }
            | SessionCommand::Reoffer { .. }
            | SessionCommand::AnswerRefer { .. }
            | SessionCommand::ReferProgress { .. } => {}
        }
    }

    /// The distributor, in as few words as a call hears of it.
    pub(super) fn desk(&mut self, input: AcdInput) {
        match input {
            AcdInput::Join { queue, .. } => {
                self.queue = Some(queue.clone());
                self.feed(CallInput::Joined {
                    queue,
                    position: 1,
                    wait: None,
                    stays: true,
                });
            }
            AcdInput::Leave { reason, .. } => {
                self.held.retain(|who| self.answered.as_ref() == Some(who));
                self.leave_queue(reason);
            }
            AcdInput::Answered {
                operator,
                keep_others,
                ..
            } => {
                self.answered = Some(operator);
                if !keep_others {
                    self.withdraw_others();
                }
            }
            AcdInput::Released { ticket, .. } if self.engaged.remove(&ticket).is_some() => {}
            AcdInput::Missed { operator, .. } | AcdInput::Released { operator, .. } => {
                self.held.remove(&operator);
                self.answered = self.answered.take().filter(|who| *who != operator);
            }
            AcdInput::Bridged { .. } => {
                self.leave_queue(LeftReason::Answered);
                self.withdraw_others();
            }
            AcdInput::Engage {
                operator, ticket, ..
            } => {
                self.engaged.insert(ticket, operator);
            }
            AcdInput::Spoke { .. }
            | AcdInput::PassedOn { .. }
            | AcdInput::Ringing { .. }
            | AcdInput::Floor(_)
            | AcdInput::PhoneUp { .. }
            | AcdInput::PhoneDown { .. }
            | AcdInput::SetState { .. }
            | AcdInput::Assign { .. }
            | AcdInput::Prioritise { .. }
            | AcdInput::Described { .. } => {}
        }
    }

    pub(super) fn withdraw_others(&mut self) {
        let others = self.held.iter();
        let others = others.filter(|it| self.answered.as_ref() != Some(it));
        for operator in others.cloned().collect::<Vec<_>>() {
            self.held.remove(&operator);
            let reason = MissReason::Withdrawn;
            self.feed(CallInput::Withdraw { operator, reason });
        }
    }

    pub(super) fn leave_queue(&mut self, reason: LeftReason) {
        if let Some(queue) = self.queue.take() {
            let wait = Duration::from_secs(1);
            self.feed(CallInput::Left {
                queue,
                reason,
                wait,
            });
        }
    }

    /// Rings somebody on so many phones, unless the distributor would not.
    pub(super) fn ring(&mut self, who: &str, phones: usize) {
        let phone = contact();
        if *self.call().phase() == Phase::Waiting && self.queue.is_some() {
            self.held.insert(operator(who));
            self.feed(CallInput::Offer {
                operator: operator(who),
                queue: "odesa".into(),
                contacts: vec![phone; phones],
            });
        }
    }

    /// Another phone of the same operator takes over.
    pub(super) fn replaces(&mut self, old: LegId) {
        let leg = TABLET;
        if self.sessions.insert(leg, false).is_some() {
            return;
        }
        let uri = contact().uri;
        let invite = Box::new(IncomingInvite {
            source: Sender::Operator(operator("iryna")),
            flow: contact().flow,
            request_uri: uri.clone(),
            to: uri.clone(),
            from: uri,
            from_display: String::new(),
            call_id: "y".to_owned(),
            offer: Some(SDP.as_bytes().to_vec().into()),
            identity: Identity::default(),
            replaces: Some(old),
        });
        self.feed(CallInput::Replace { leg, old, invite });
    }

    pub(super) fn open(&mut self, leg: LegId) {
        self.feed(CallInput::Media(MediaEvent::Opened { leg, port: 4_000 }));
    }

    /// The caller presses a key.
    pub(super) fn press(&mut self, digit: char) {
        let leg = CALLER;
        self.feed(CallInput::Media(MediaEvent::Digit { leg, digit }));
    }

    pub(super) fn answers(&mut self, leg: LegId) {
        self.feed(CallInput::Session(SessionEvent::Answered {
            leg,
            answer: Some(SDP.as_bytes().to_vec().into()),
            peer: "10.0.0.1".parse().unwrap(),
        }));
    }

    /// What nobody does is done by time alone: every timer fires, SIP closes what was told to end.
    pub(super) fn run_out(&mut self, trail: &str) {
        for _ in 0..200 {
            if self.done {
                break;
            }
            let over = self.sessions.iter().filter(|(_, over)| **over);
            let over: Vec<_> = over.map(|(leg, _)| *leg).collect();
            for leg in over {
                self.sessions.remove(&leg);
                self.feed(CallInput::Session(SessionEvent::Closed { leg }));
            }
            let next = self.timers.iter().min_by_key(|(_, at)| **at);
            if let Some((timer, at)) = next.map(|(timer, at)| (*timer, *at)) {
                self.now.mono = self.now.mono.max(at);
                self.feed(CallInput::Timer(timer));
            }
        }
        assert!(self.done, "never done: {trail}; {:?}", self.call().phase());
        assert_eq!(self.ports, BTreeSet::new(), "ports are left: {trail}");
        assert!(
            self.sessions.values().all(|over| *over),
            "sessions are left: {trail}; {:?}",
            self.sessions
        );
        assert_eq!(self.held, BTreeSet::new(), "operators are held: {trail}");
        assert_eq!(self.engaged, BTreeMap::new(), "engaged: {trail}");
        assert_eq!(self.queue, None, "still in the queue: {trail}");
        let count = |wanted: fn(&News) -> bool| self.heard.iter().filter(|it| wanted(it)).count();
        assert_eq!(count(|news| *news == News::Ended), 1, "{trail}");
        assert!(count(|news| *news == News::Bridged) <= 1, "{trail}");
        let joined = count(|news| matches!(news, News::QueueJoined { .. }));
        let left = count(|news| matches!(news, News::QueueLeft { .. }));
        assert_eq!(joined, left, "{trail}: {:?}", self.heard);
        let call = self.call();
        for timer in self.timers.keys() {
            let known = CallTimer::OF_A_CALL.contains(timer)
                || matches!(timer, CallTimer::MediaOpen(leg) | CallTimer::TrunkSilent(leg)
                    if call.adopted.contains(leg));
            assert!(known, "{timer:?} is left: {trail}");
        }
    }
}

pub(super) const CALLER: LegId = LegId {
    origin: Origin::Inbound,
    number: 1,
};

/// The phone that takes over.
pub(super) const TABLET: LegId = LegId {
    origin: Origin::Inbound,
    number: 2,
};

pub(super) const fn phone(number: u64) -> LegId {
    LegId {
        origin: Origin::Outbound,
        number,
    }
}
