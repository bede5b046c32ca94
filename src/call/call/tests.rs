//! Every input in every phase: nothing panics, nothing hangs, nothing is left, one end is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::call::entry::Arrival;
use crate::call::message::{CallSettings, Contact, Minted, Way};
use crate::call::phase::Stage;
use crate::dialplan::compile::{Options, Source, compile};
use crate::dialplan::decide::Facts;
use crate::dialplan::diagnose::Severity;
use crate::dialplan::plan::Target;
use crate::dialplan::secrets::Secrets;
use crate::id::{FlowId, Origin, PlayId, Ulid};
use crate::ledger::history::History;
use crate::limits;
use crate::media::command::Recorded;
use crate::rng::Rng;
use crate::sip::flow::{Flow, Transport};
use crate::sip::identity::Identity;
use crate::sip::session::{Cause, IncomingInvite, Source as Sender};
use crate::sip::uri::Uri;
use crate::time::{Duration, Now, Wall};
use crate::words::{LeftReason, MissReason, Prompt};

const PLAN: &str = r#"
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

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
const HOLD: &str = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
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

fn plan(answer: &str) -> Arc<Dialplan> {
    compiled(&PLAN.replace("ANSWER", answer))
}

fn compiled(text: &str) -> Arc<Dialplan> {
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

fn flow(peer: &str) -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        peer: peer.parse().unwrap(),
    }
}

fn operator(name: &str) -> OperatorName {
    OperatorName::from(name)
}

fn contact() -> Contact {
    Contact {
        uri: Uri::parse("sip:iryna@10.0.0.1").unwrap(),
        flow: flow("10.0.0.1:5060"),
        routes: Vec::new(),
    }
}

/// A call, and as much of the world as answers it at once.
#[derive(Clone)]
struct Bench {
    call: Option<Call>,
    now: Now,
    settings: CallSettings,
    prompts: BTreeMap<Phrase, Prompt>,
    history: History,
    minted: Minted,
    ports: BTreeSet<LegId>,
    /// Sessions, and whether they were told to end or have ended by themselves.
    sessions: BTreeMap<LegId, bool>,
    timers: BTreeMap<CallTimer, Instant>,
    /// Whom the distributor holds for the call.
    held: BTreeSet<OperatorName>,
    answered: Option<OperatorName>,
    queue: Option<QueueName>,
    /// What the distributor says of the caller's place.
    place: (u32, Option<Duration>),
    /// Operators on the line outside any queue.
    engaged: BTreeMap<TicketId, OperatorName>,
    heard: Vec<News>,
    /// Phrases that are to be rendered.
    asked: Vec<Phrase>,
    done: bool,
}

impl Bench {
    fn new(plan: &Arc<Dialplan>, offer: Option<&str>) -> Self {
        Self::of(plan, offer, Sender::Trunk("kyivstar".into()), None)
    }

    /// A call that Ирина places.
    fn placed(plan: &Arc<Dialplan>, offer: Option<&str>, dialled: Dialled) -> Self {
        let iryna = Sender::Operator(operator("iryna"));
        Self::of(plan, offer, iryna, Some(dialled))
    }

    fn of(
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

    fn call(&self) -> &Call {
        self.call.as_ref().unwrap()
    }

    fn feed(&mut self, input: CallInput) {
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

    fn apply(&mut self, effects: Effects) {
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
                        News::RecordingFinished(_) | News::RecordingFailed(_)
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

    fn session(&mut self, command: SessionCommand) {
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
    fn desk(&mut self, input: AcdInput) {
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

    fn withdraw_others(&mut self) {
        let others = self.held.iter();
        let others = others.filter(|it| self.answered.as_ref() != Some(it));
        for operator in others.cloned().collect::<Vec<_>>() {
            self.held.remove(&operator);
            let reason = MissReason::Withdrawn;
            self.feed(CallInput::Withdraw { operator, reason });
        }
    }

    fn leave_queue(&mut self, reason: LeftReason) {
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
    fn ring(&mut self, who: &str, phones: usize) {
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
    fn replaces(&mut self, old: LegId) {
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

    fn open(&mut self, leg: LegId) {
        self.feed(CallInput::Media(MediaEvent::Opened { leg, port: 4_000 }));
    }

    fn answers(&mut self, leg: LegId) {
        self.feed(CallInput::Session(SessionEvent::Answered {
            leg,
            answer: Some(SDP.as_bytes().to_vec().into()),
            peer: "10.0.0.1".parse().unwrap(),
        }));
    }

    /// What nobody does is done by time alone: every timer fires, SIP closes what was told to end.
    fn run_out(&mut self, trail: &str) {
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

const CALLER: LegId = LegId {
    origin: Origin::Inbound,
    number: 1,
};

/// The phone that takes over.
const TABLET: LegId = LegId {
    origin: Origin::Inbound,
    number: 2,
};

const fn phone(number: u64) -> LegId {
    LegId {
        origin: Origin::Outbound,
        number,
    }
}

/// The stations of a call, each with the way there.
fn stations(plan: &Arc<Dialplan>, offer: Option<&str>) -> Vec<(&'static str, Bench)> {
    let mut all = Vec::new();
    let mut bench = Bench::new(plan, offer);
    all.push(("opening", bench.clone()));
    let mut early = bench.clone();
    early.open(CALLER);
    all.push(("opening, port open", early));
    bench.feed(CallInput::Committed(Gate::Offered));
    all.push(("opening, committed", bench.clone()));
    bench.open(CALLER);
    all.push(("waiting", bench.clone()));
    if offer.is_none() {
        bench.feed(CallInput::Session(SessionEvent::Confirmed {
            leg: CALLER,
            answer: Some(SDP.as_bytes().to_vec().into()),
        }));
    }
    bench.ring("iryna", 2);
    all.push(("two phones without ports", bench.clone()));
    bench.open(phone(1));
    bench.open(phone(2));
    bench.ring("olena", 1);
    bench.open(phone(3));
    bench.feed(CallInput::Session(SessionEvent::Progress {
        leg: phone(1),
        code: 180,
        answer: None,
    }));
    all.push(("three phones ring", bench.clone()));
    bench.answers(phone(1));
    assert!(matches!(bench.call().phase(), Phase::Whispering(_)));
    all.push(("whispering", bench.clone()));
    let mut noticed = bench.clone();
    bench.feed(CallInput::Timer(CallTimer::Whisper));
    assert!(matches!(bench.call().phase(), Phase::Whispering(it) if it.stage == Stage::Over));
    all.push(("whisper over, notice plays", bench.clone()));
    noticed.feed(CallInput::Timer(CallTimer::Notice));
    assert!(matches!(noticed.call().phase(), Phase::Whispering(it) if it.stage != Stage::Over));
    all.push(("notice over, whisper plays", noticed));
    bench.feed(CallInput::Timer(CallTimer::Notice));
    assert!(matches!(bench.call().phase(), Phase::Talking));
    all.push(("talking", bench.clone()));
    bench.feed(CallInput::Session(SessionEvent::Bye { leg: phone(1) }));
    all.push(("ended, outcome not committed", bench.clone()));
    bench.feed(CallInput::Committed(Gate::Ended));
    all.push(("ended, legs closing", bench));
    all
}

/// The stations of a call that a key accepts, and whose whisper is rendered while the phones ring.
fn accepted() -> Vec<(&'static str, Bench)> {
    let plan = compiled(
        &PLAN
            .replace("ANSWER", "queue")
            .replace("max: 4s", "accept: key"),
    );
    let mut all = Vec::new();
    let mut bench = Bench::new(&plan, Some(SDP));
    bench.prompts.retain(|phrase, _| {
        let whisper = matches!(phrase, Phrase::Spoken { text, .. } if text == "Дзвінок");
        !whisper
    });
    bench.feed(CallInput::Committed(Gate::Offered));
    bench.open(CALLER);
    bench.ring("iryna", 1);
    bench.ring("olena", 1);
    bench.open(phone(1));
    bench.open(phone(2));
    assert_eq!(bench.asked.len(), 1, "what both are told is rendered once");
    bench.answers(phone(1));
    let stage = |bench: &Bench| match bench.call().phase() {
        Phase::Whispering(it) => it.stage.clone(),
        phase => panic!("{phase:?}"),
    };
    assert!(matches!(stage(&bench), Stage::Awaited(_)));
    let late = bench.timers[&CallTimer::Whisper].since(bench.now.mono);
    assert_eq!(late, limits::WHISPER_LATE);
    all.push(("a whisper is awaited", bench.clone()));
    bench.feed(CallInput::Timer(CallTimer::Whisper));
    assert!(matches!(stage(&bench), Stage::Said { .. }));
    all.push(("a tone is heard", bench.clone()));
    bench.feed(CallInput::Timer(CallTimer::Whisper));
    assert_eq!(stage(&bench), Stage::Unaccepted);
    all.push(("a key is awaited", bench.clone()));
    bench.answers(phone(2));
    assert!(!bench.held.contains(&operator("olena")));
    all.push(("another one answered", bench.clone()));
    let (leg, digit) = (phone(1), '1');
    bench.feed(CallInput::Media(MediaEvent::Digit { leg, digit }));
    assert_eq!(stage(&bench), Stage::Over);
    all.push(("accepted, the notice plays", bench));
    all
}

/// The stations of a call that an operator places, each with the way there.
fn placed(
    plan: &Arc<Dialplan>,
    offer: Option<&str>,
    dialled: &Dialled,
) -> Vec<(&'static str, Bench)> {
    let mut all = Vec::new();
    let mut bench = Bench::placed(plan, offer, dialled.clone());
    all.push(("placed", bench.clone()));
    bench.feed(CallInput::Committed(Gate::Offered));
    bench.open(CALLER);
    assert_eq!(*bench.call().phase(), Phase::Dialling);
    all.push(("dialling without ports", bench.clone()));
    bench.open(phone(1));
    all.push(("dialling", bench.clone()));
    let sdp = Some(SDP.as_bytes().to_vec().into());
    for (station, code, answer) in [("it rings", 180, None), ("early media", 183, sdp)] {
        bench.feed(CallInput::Session(SessionEvent::Progress {
            leg: phone(1),
            code,
            answer,
        }));
        all.push((station, bench.clone()));
    }
    bench.answers(phone(1));
    assert_eq!(*bench.call().phase(), Phase::Talking);
    all.push(("talking", bench.clone()));
    if offer.is_none() {
        bench.feed(CallInput::Session(SessionEvent::Confirmed {
            leg: CALLER,
            answer: Some(SDP.as_bytes().to_vec().into()),
        }));
        all.push(("talking, late answer came", bench.clone()));
    }
    bench.feed(CallInput::Session(SessionEvent::Bye { leg: phone(1) }));
    all.push(("ended, not committed", bench));
    all
}

/// The stations of transfers: to a colleague, back to the transferor, to a queue; and a phone that is
/// about to take over.
fn transferred(plan: &Arc<Dialplan>) -> Vec<(&'static str, Bench)> {
    let mut all = Vec::new();
    let (_, talking) = stations(plan, Some(SDP)).swap_remove(9);
    assert_eq!(*talking.call().phase(), Phase::Talking);
    let refers = |bench: &mut Bench, leg, dialled| {
        let to = "202".to_owned();
        bench.feed(CallInput::Transfer { leg, dialled, to });
    };
    let mut bench = talking.clone();
    refers(&mut bench, phone(1), Dialled::Operator(operator("olena")));
    assert_eq!(*bench.call().phase(), Phase::Dialling);
    all.push(("transfer, no ports", bench.clone()));
    bench.open(phone(4));
    bench.feed(CallInput::Session(SessionEvent::Progress {
        leg: phone(4),
        code: 180,
        answer: None,
    }));
    all.push(("transfer, it rings", bench.clone()));
    let mut back = bench.clone();
    bench.answers(phone(4));
    assert!(bench.call().parting.is_some());
    all.push(("transferred, transferor still there", bench));
    back.feed(CallInput::Session(SessionEvent::Bye { leg: phone(1) }));
    all.push(("transfer, transferor gone", back.clone()));
    back.feed(CallInput::Timer(CallTimer::Dial));
    assert_eq!(*back.call().phase(), Phase::Dialling);
    assert!(back.call().transfer.as_ref().unwrap().returning);
    back.open(phone(6));
    all.push(("back to the transferor", back.clone()));
    back.answers(phone(6));
    assert_eq!(*back.call().phase(), Phase::Talking);
    all.push(("talking with the transferor again", back));

    let mut bench = talking.clone();
    refers(
        &mut bench,
        phone(1),
        Dialled::Queues(vec![Target::Queue("odesa".into())]),
    );
    assert_eq!(*bench.call().phase(), Phase::Waiting);
    all.push(("sent to a queue", bench.clone()));
    bench.feed(CallInput::Timer(CallTimer::Transferor));
    bench.ring("olena", 1);
    bench.open(phone(4));
    bench.answers(phone(4));
    assert!(matches!(bench.call().phase(), Phase::Whispering(_)));
    all.push(("sent to a queue, whisper", bench));

    let mut bench = talking;
    bench.replaces(phone(1));
    all.push(("a phone takes over", bench.clone()));
    bench.open(TABLET);
    assert_eq!(bench.call().operator.as_ref().unwrap().id, TABLET);
    all.push(("a phone took over", bench));
    all
}

/// Everything a call can be told about one of its legs. What SIP promises never to say is left out:
/// an answer of a leg it did not ring, a second end of a session.
fn about(leg: LegId, bench: &Bench) -> Vec<CallInput> {
    let mut all: Vec<_> = vec![
        CallInput::Media(MediaEvent::Opened { leg, port: 4_000 }),
        CallInput::Media(MediaEvent::OpenFailed { leg }),
        CallInput::Media(MediaEvent::Digit { leg, digit: '1' }),
        CallInput::Media(MediaEvent::Silent { leg }),
        CallInput::Timer(CallTimer::MediaOpen(leg)),
        CallInput::Timer(CallTimer::TrunkSilent(leg)),
    ];
    for play in 0..=bench.minted.play {
        let play = PlayId(play);
        all.push(CallInput::Media(MediaEvent::Played { leg, play }));
    }
    if bench.sessions.get(&leg) != Some(&false) {
        return all;
    }
    let sdp = |text: &str| Some(bytes::Bytes::copy_from_slice(text.as_bytes()));
    let cause = Cause {
        sip: 408,
        q850: None,
        text: "test",
    };
    let mut session = vec![
        SessionEvent::Failed { leg, cause },
        SessionEvent::Closed { leg },
        SessionEvent::Bye { leg },
        SessionEvent::Confirmed { leg, answer: None },
        SessionEvent::Confirmed {
            leg,
            answer: sdp(SDP),
        },
        SessionEvent::Reoffer { leg, offer: None },
        SessionEvent::Reoffer {
            leg,
            offer: sdp(HOLD),
        },
        SessionEvent::Reoffer {
            leg,
            offer: sdp("v=1"),
        },
        SessionEvent::Progress {
            leg,
            code: 183,
            answer: None,
        },
    ];
    if leg == CALLER || leg == TABLET {
        let elsewhere = false;
        session.push(SessionEvent::Cancelled { leg, elsewhere });
    } else {
        let peer = "10.0.0.1".parse().unwrap();
        for answer in [sdp(SDP), None] {
            session.push(SessionEvent::Answered { leg, answer, peer });
        }
        let rung = bench.call().rung(leg).is_some() || bench.call().dials_on(leg);
        for code in [302, 408, 480, 486, 503, 603] {
            session.extend(rung.then_some(SessionEvent::Rejected {
                leg,
                code,
                contacts: Vec::new(),
            }));
        }
    }
    all.extend(session.into_iter().map(CallInput::Session));
    all
}

/// Everything a call can be told at a station.
fn inputs(bench: &Bench) -> Vec<CallInput> {
    let mut all = Vec::new();
    let legs = [
        CALLER,
        TABLET,
        phone(1),
        phone(2),
        phone(3),
        phone(4),
        phone(6),
    ];
    for leg in legs.into_iter().chain([phone(99)]) {
        all.extend(about(leg, bench));
    }
    for leg in [CALLER, phone(1), phone(4)] {
        if bench.sessions.get(&leg) != Some(&false) {
            continue;
        }
        let outside = Dialled::Outside {
            number: "+380671112233".to_owned(),
            emergency: false,
        };
        let olena = Dialled::Operator(operator("olena"));
        for dialled in [
            olena,
            outside,
            Dialled::Queues(vec![Target::Queue("odesa".into())]),
        ] {
            let to = "somebody".to_owned();
            all.push(CallInput::Transfer { leg, dialled, to });
        }
        let (to, instead) = (bench.call().id(), phone(98));
        all.push(CallInput::Give { leg, to, instead });
    }
    let call = bench.call().id();
    all.push(CallInput::Media(MediaEvent::Recorded {
        call,
        recorded: Box::new(Recorded {
            file: "x.wav".to_owned(),
            bytes: 1,
            duration: Duration::from_secs(1),
            sha256: String::new(),
        }),
    }));
    let why = "disk".to_owned();
    all.push(CallInput::Media(MediaEvent::RecordFailed { call, why }));
    all.extend([Gate::Offered, Gate::Ended].map(CallInput::Committed));
    all.extend(CallTimer::OF_A_CALL.map(CallInput::Timer));
    all.push(CallInput::HangUp(crate::call::cause::STOPPING));
    let (operator, contact) = (operator("olena"), contact());
    all.push(CallInput::PhoneUp { operator, contact });
    all.push(CallInput::Ways(Vec::new()));
    if let Some(phrase) = bench.asked.first() {
        let (key, duration) = (99, Duration::from_secs(2));
        let ready = BTreeMap::from([(phrase.clone(), Prompt { key, duration })]);
        for prompts in [ready, BTreeMap::new()] {
            let asked = bench.asked.clone();
            all.push(CallInput::Rendered { asked, prompts });
        }
    }
    for who in &bench.held {
        if bench.answered.as_ref() != Some(who) {
            for reason in [
                MissReason::NoAnswer,
                MissReason::Failed,
                MissReason::Withdrawn,
            ] {
                let operator = who.clone();
                all.push(CallInput::Withdraw { operator, reason });
            }
        }
    }
    all
}

/// What the distributor does of itself when it says something.
fn tell(bench: &mut Bench, input: CallInput) {
    if let CallInput::Withdraw { operator, .. } = &input {
        bench.held.remove(operator);
    }
    if let CallInput::Session(SessionEvent::Bye { leg }) = &input {
        // A BYE that nobody confirms keeps its session.
        bench.sessions.insert(*leg, false);
    }
    bench.feed(input);
}

fn every_input(stations: Vec<(&'static str, Bench)>, twice: bool) {
    for (station, bench) in stations {
        bench.clone().run_out(station);
        for first in inputs(&bench) {
            let mut once = bench.clone();
            tell(&mut once, first.clone());
            once.clone().run_out(&format!("{station}, {first:?}"));
            if !twice || once.done {
                continue;
            }
            for second in inputs(&once) {
                let mut both = once.clone();
                tell(&mut both, second.clone());
                both.run_out(&format!("{station}, {first:?}, {second:?}"));
            }
        }
    }
}

#[test]
fn every_input_in_every_phase_leaves_nothing_behind() {
    every_input(stations(&plan("queue"), Some(SDP)), true);
    every_input(stations(&plan("operator"), Some(SDP)), false);
    every_input(stations(&plan("queue"), None), false);
    every_input(stations(&plan("operator"), None), false);
}

#[test]
fn every_input_in_a_call_that_a_key_accepts_leaves_nothing_behind() {
    every_input(accepted(), true);
}

#[test]
fn every_input_in_a_call_that_an_operator_places_leaves_nothing_behind() {
    let outside = Dialled::Outside {
        number: "+380671112233".to_owned(),
        emergency: false,
    };
    let olena = Dialled::Operator(operator("olena"));
    every_input(placed(&plan("queue"), Some(SDP), &olena), true);
    every_input(placed(&plan("queue"), None, &olena), false);
    every_input(placed(&plan("queue"), Some(SDP), &outside), false);
}

#[test]
fn every_input_in_a_transfer_leaves_nothing_behind() {
    every_input(transferred(&plan("queue")), true);
}

#[test]
fn a_notice_that_cannot_be_played_does_not_hold_the_bridge_for_ever() {
    let mut bench = Bench::new(&plan("queue"), Some(SDP));
    bench.feed(CallInput::Committed(Gate::Offered));
    bench.open(CALLER);
    bench.ring("iryna", 1);
    bench.open(phone(1));
    bench.answers(phone(1));
    bench.feed(CallInput::Timer(CallTimer::Whisper));
    assert!(matches!(bench.call().phase(), Phase::Whispering(it) if it.stage == Stage::Over));
    let at = bench.timers[&CallTimer::Notice];
    assert_eq!(
        at.since(bench.now.mono),
        Duration::from_secs(2) + limits::NOTICE_LATE
    );
    bench.feed(CallInput::Timer(CallTimer::Notice));
    assert!(matches!(bench.call().phase(), Phase::Talking));
}

#[test]
fn a_call_that_ends_names_its_outcome_before_the_last_message_leaves() {
    for (station, mut bench) in stations(&plan("queue"), Some(SDP)) {
        if bench.call().ended() {
            continue;
        }
        bench.feed(CallInput::Session(SessionEvent::Bye { leg: CALLER }));
        assert!(bench.heard.contains(&News::Ended), "{station}");
        assert!(!bench.sessions[&CALLER], "{station}");
        bench.feed(CallInput::Committed(Gate::Ended));
        assert!(bench.sessions[&CALLER], "{station}");
    }
}

/// RFC 3311 5.2: a callee may offer anew before it answers; what is heard follows, and its 2xx brings
/// no other answer.
#[test]
fn an_update_of_whoever_is_dialled_is_answered_and_heard() {
    let dialled = Dialled::Operator(operator("olena"));
    let stations = placed(&plan("queue"), Some(SDP), &dialled);
    let moved = SDP.replace("m=audio ", "m=audio 1");
    let remote = |call: &Call| call.operator.as_ref().unwrap().remote().unwrap();
    for (station, mut bench) in stations {
        if station != "early media" && station != "it rings" {
            continue;
        }
        let mut update = |offer: &str| {
            let mut effects = Effects::new();
            let mut world = World {
                now: bench.now,
                settings: &bench.settings,
                prompts: &bench.prompts,
                history: &bench.history,
                takes_recalls: true,
                minted: &mut bench.minted,
                rng: &mut Rng::new([2; 32]),
            };
            let input = CallInput::Session(SessionEvent::Reoffer {
                leg: phone(1),
                offer: Some(offer.as_bytes().to_vec().into()),
            });
            let call = bench.call.as_mut().unwrap();
            call.handle(&mut world, input, &mut effects);
            let mut told = (None, None);
            for effect in effects {
                match effect {
                    CallEffect::Session(SessionCommand::AnswerReoffer { answer, .. }) => {
                        told.0 = Some(answer.map(|sdp| String::from_utf8(sdp.to_vec()).unwrap()));
                    }
                    CallEffect::Media(MediaCommand::Connect { leg, remote }) => {
                        told.1 = Some((leg, remote.address.port()));
                    }
                    _ => {}
                }
            }
            told
        };
        let (answer, heard) = update(&moved);
        let answer = answer.unwrap().unwrap();
        assert!(answer.contains("m=audio 4000 "), "{answer}");
        let early = (station == "early media").then(|| (phone(1), port_of(&moved)));
        assert_eq!(heard, early, "{station}");
        assert_eq!(update("v=0"), (Some(Err(488)), None), "{station}");
        // The same fork answers, or another one.
        for answer in [moved.as_str(), SDP] {
            let mut bench = bench.clone();
            bench.feed(CallInput::Session(SessionEvent::Answered {
                leg: phone(1),
                answer: Some(answer.as_bytes().to_vec().into()),
                peer: "10.0.0.1".parse().unwrap(),
            }));
            assert_eq!(*bench.call().phase(), Phase::Talking, "{station}");
            let port = remote(bench.call()).address.port();
            if answer == moved {
                assert_eq!(port, port_of(&moved), "{station}");
            } else {
                assert_eq!(port, port_of(SDP), "{station}");
            }
        }
    }
}

/// The port of the sound in an SDP.
fn port_of(sdp: &str) -> u16 {
    let port = sdp.split("m=audio ").nth(1).unwrap();
    port.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_phone_that_takes_over_encrypts_as_its_operator_must() {
    for (srtp, taken) in [("off", true), ("optional", true), ("required", false)] {
        let text = PLAN.replace("ANSWER", "queue");
        let encrypted = format!("password: b, srtp: {srtp} }}");
        let plan = compiled(&text.replace("password: b }", &encrypted));
        let mut bench = Bench::new(&plan, Some(SDP));
        bench.feed(CallInput::Committed(Gate::Offered));
        bench.open(CALLER);
        // Whose phones must encrypt is on the line however that came about.
        let mut call = bench.call.take().unwrap();
        call.phase = Phase::Talking;
        call.caller.sip = Sip::Answered;
        let leg = Leg::new(
            phone(1),
            Sip::Answered,
            &contact().flow,
            Call::phone_media(contact().flow.peer.ip()),
            vec![crate::words::Codec::Pcma],
            1,
            &bench.settings,
        );
        call.operator = Some(leg);
        let (operator, ticket) = (operator("olena"), bench.minted.ticket());
        call.seats.insert(phone(1), Seat { operator, ticket });
        bench.call = Some(call);
        bench.replaces(phone(1));
        bench.open(TABLET);
        let on_line = bench.call().operator.as_ref().unwrap().id;
        assert_eq!(on_line == TABLET, taken, "{srtp}");
    }
}

#[test]
fn who_talked_is_not_forgotten_when_a_whisper_in_the_next_queue_is_declined() {
    let all = transferred(&plan("queue"));
    let sent_on = |(station, _): &(&str, Bench)| *station == "sent to a queue, whisper";
    let (_, mut bench) = all.into_iter().find(sent_on).unwrap();
    bench.feed(CallInput::Session(SessionEvent::Bye { leg: phone(4) }));
    assert_eq!(*bench.call().phase(), Phase::Waiting);
    assert_eq!(bench.call().facts().operator, Some(operator("iryna")));
}
