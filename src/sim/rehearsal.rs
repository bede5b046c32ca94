//! One test of a dialplan, on the real engine in virtual time.
//!
//! Operators register, are brought into the states the test gives (whoever talks does talk, with a
//! caller of our own in a queue of our own), those who wait already come into their queues, then the
//! call comes, its caller presses the keys of the test, and what the outside world is told of it is
//! compared with what the test expects.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::caller::CallPlan;
use super::disk::DiskQuality;
use super::load::account;
use super::network::Quality;
use super::phone::{Manner, Phone, Temper};
use super::world::{World, WorldSettings, engine_settings};
use crate::acd::message::Wish;
use crate::dialplan::numbers::Pattern;
use crate::dialplan::plan::{
    After, Answer, Dialplan, Member, Need, Number, Peer, Position, Queue, Secret, Target, Trunk,
    Whisper,
};
use crate::dialplan::schema::{Expect, PlanTest};
use crate::engine::event::Event;
use crate::id::{CallId, OperatorName, QueueName, TrunkName};
use crate::net::Net;
use crate::time::{Duration, Instant, Wall};
use crate::words::{OperatorState, Phrase, Strategy};

const CARRIER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)), 5060);
/// Phones register and operators get busy in this time before the call.
const BEFORE: Duration = Duration::from_secs(60);
/// Those who wait already have come in this long before the call.
const WAITING_SINCE: Duration = Duration::from_secs(20);
/// A talk lasts this long.
const TALK: Duration = Duration::from_secs(30);
/// Longer than any test lasts.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);
/// A caller without a patience of their own waits this long.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);
/// When a test does not say: Monday, 5 October 2026, 10:00 in Kyiv.
const MONDAY: Wall = Wall::from_millis(1_791_183_600_000);

/// What came of a test.
#[derive(Clone, PartialEq, Debug)]
pub struct Rehearsed {
    /// Everything expected came true.
    pub ok: bool,
    /// What was expected, by the words of the plan.
    pub expected: Map<String, Value>,
    /// What happened, for the same words.
    pub got: Map<String, Value>,
}

/// Runs one test of a plan.
#[must_use]
pub fn rehearse(plan: &Dialplan, test: &PlanTest) -> Rehearsed {
    let stage = Stage::build(plan, test);
    let at = test.call.at.unwrap_or(MONDAY);
    let before = i64::try_from(BEFORE.as_millis()).unwrap_or(0);
    let mut settings = WorldSettings {
        engine: engine_settings(Arc::new(stage.plan.clone())),
        seed: 0,
        start: Wall::from_millis(at.as_millis().saturating_sub(before)),
        network: Quality::PERFECT,
        disk: DiskQuality::PERFECT,
        ports: 10_000,
        inspect_every: 1,
        chart: false,
        keep_events: true,
    };
    settings.engine.restored.wishes = stage.paused.clone();
    let mut world = World::new(settings);
    world.accept_calls();
    let caller = stage.enter(&mut world, test);
    let end = Instant::START + BEFORE + FOR_EVER;
    world.run_until(Instant::START + BEFORE);
    let earlier = world.events().len();
    while world.now().mono < end
        && !world
            .call_stories(stage.carrier_index())
            .get(caller)
            .is_some_and(|story| story.over)
    {
        world.run_until(world.now().mono + Duration::from_secs(1));
    }
    let later = world.events().get(earlier..).unwrap_or_default();
    judge(&test.expect, later)
}

/// The plan with everything a rehearsal adds to it.
struct Stage {
    plan: Dialplan,
    paused: Vec<(OperatorName, Wish)>,
    /// Whose phone is registered, and what the operator does with the first call.
    phones: Vec<(OperatorName, Vec<Manner>)>,
    /// Numbers that keep somebody busy.
    busy: Vec<String>,
    /// Numbers that lead into a queue, one for each caller who waits there.
    waiting: Vec<String>,
}

impl Stage {
    fn build(plan: &Dialplan, test: &PlanTest) -> Self {
        let mut stage = Self {
            plan: plan.clone(),
            paused: Vec::new(),
            phones: Vec::new(),
            busy: Vec::new(),
            waiting: Vec::new(),
        };
        stage.connect(test.call.trunk.as_ref());
        for operator in stage.plan.operators.values_mut() {
            operator
                .password
                .get_or_insert_with(|| Secret::new("rehearsal".to_owned()));
        }
        for name in plan.operators.keys() {
            let given = test.given.get(name).copied();
            stage.place(name, given.unwrap_or(OperatorState::Available));
        }
        for (index, (queue, count)) in test.waiting.iter().enumerate() {
            let digits = format!("+88854321{index:03}");
            if stage.number(&digits, queue) {
                let callers = std::iter::repeat_n(digits, usize::try_from(*count).unwrap_or(0));
                stage.waiting.extend(callers);
            }
        }
        stage
    }

    /// The carrier of the test is the one at our address.
    fn connect(&mut self, named: Option<&TrunkName>) {
        let first = || self.plan.trunks.keys().next();
        let name = named.or_else(first).cloned();
        let name = name.unwrap_or_else(|| TrunkName::from("carrier"));
        for trunk in self.plan.trunks.values_mut() {
            trunk.peers.clear();
        }
        let country = self.plan.country;
        let trunk = self.plan.trunks.entry(name.clone());
        let trunk = trunk.or_insert_with(|| Trunk::new(name, country));
        trunk.peers = vec![Peer {
            net: Net::single(CARRIER.ip()),
            port: Some(CARRIER.port()),
        }];
    }

    /// Brings an operator into the state that is given; whoever is busy in any way talks.
    fn place(&mut self, name: &OperatorName, state: OperatorState) {
        let script = match state {
            OperatorState::LoggedOut => return,
            OperatorState::Available => Vec::new(),
            OperatorState::Paused => {
                let wish = Wish {
                    pause: Some("test".to_owned()),
                    ..Wish::default()
                };
                self.paused.push((name.clone(), wish));
                Vec::new()
            }
            OperatorState::Reserved
            | OperatorState::Ringing
            | OperatorState::Talking
            | OperatorState::WrapUp => {
                self.keep_busy(name);
                vec![Manner::Answer {
                    after: Duration::ZERO,
                    talk: FOR_EVER,
                }]
            }
        };
        self.phones.push((name.clone(), script));
    }

    /// A queue that this operator alone serves, and a number that leads there.
    fn keep_busy(&mut self, name: &OperatorName) {
        let digits = format!("+88812345{:03}", self.busy.len());
        let queue_name = QueueName::from(digits.as_str());
        let queue = Queue {
            name: queue_name.clone(),
            number: None,
            operators: BTreeMap::from([(name.clone(), Member { level: 1, order: 0 })]),
            calendar: None,
            closed: Vec::new(),
            widen: Vec::new(),
            strategy: Strategy::LongestIdle,
            step: FOR_EVER,
            weight: 0,
            ring: FOR_EVER,
            retry: Duration::ZERO,
            wrap_up: Duration::ZERO,
            max_wait: None,
            overflow: Vec::new(),
            max_size: None,
            join_empty: Need::default(),
            leave_empty: Need::default(),
            announce: None,
            callback: None,
            exit: None,
            sticky: None,
            service_level: None,
            resume_within: None,
            disposition: None,
            keep: None,
            music: Phrase::File(String::new()),
            answer: Answer::Queue,
            after: After {
                decline: FOR_EVER,
                busy: FOR_EVER,
                no_answer: FOR_EVER,
            },
        };
        if self.number(&digits, &queue_name) {
            self.plan.queues.insert(queue_name, queue);
            self.busy.push(digits);
        }
    }

    /// A number of our own that leads into a queue.
    fn number(&mut self, digits: &str, queue: &QueueName) -> bool {
        let number = Number {
            written: digits.to_owned(),
            name: None,
            site: None,
            city: None,
            source: None,
            campaign: None,
            to: vec![Target::Queue(queue.clone())],
            language: self.plan.language,
            whisper: Whisper::default(),
            keep: None,
            position: Position {
                file: "".into(),
                line: 0,
                column: 0,
            },
        };
        let pattern = Pattern::read(digits, self.plan.country).ok();
        pattern.is_some_and(|pattern| self.plan.numbers.add(&pattern, number).is_ok())
    }

    const fn carrier_index(&self) -> usize {
        0
    }

    /// Brings everybody into the world; gives the number of the test's call.
    fn enter(&self, world: &mut World, test: &PlanTest) -> usize {
        let carrier = world.carrier("carrier", CARRIER);
        let desks = (1_u32..).map(|n| Ipv4Addr::from(0x0a00_0000 + n));
        let calm = Temper::CALM;
        for ((name, script), ip) in self.phones.iter().zip(desks) {
            let address = SocketAddr::new(IpAddr::V4(ip), 5060);
            let operator = self.plan.operators.get(name);
            let secret = operator.and_then(|operator| operator.password.as_ref());
            let rng = crate::rng::Rng::new([7; 32]);
            let phone = Phone::new(calm, script.iter().copied(), rng);
            world.phone(address, account(name.as_str(), secret), phone);
            world.run_until(world.now().mono + Duration::from_millis(100));
        }
        let mut at = world.now().mono + Duration::from_secs(5);
        for number in &self.busy {
            let plan = CallPlan {
                to: number.clone(),
                from: Some("+380670000000".to_owned()),
                patience: FOR_EVER,
                talk: FOR_EVER,
            };
            world.call(carrier, at, plan);
            at = at + Duration::from_millis(100);
        }
        let mut at = Instant::START + BEFORE - WAITING_SINCE;
        for (number, caller) in self.waiting.iter().zip(1_u32..) {
            let plan = CallPlan {
                to: number.clone(),
                from: Some(format!("+380671000{caller:03}")),
                patience: FOR_EVER,
                talk: TALK,
            };
            world.call(carrier, at, plan);
            at = at + Duration::from_millis(100);
        }
        let plan = CallPlan {
            to: test.call.to.clone(),
            from: test.call.from.clone(),
            patience: test.call.patience.unwrap_or(PATIENCE),
            talk: TALK,
        };
        let index = self.busy.len() + self.waiting.len();
        let begins = Instant::START + BEFORE;
        world.call(carrier, begins, plan);
        for (after, key) in &test.call.keys {
            world.press_at(carrier, index, begins + *after, *key);
        }
        index
    }
}

/// Compares what the outside world was told with what the test expects.
fn judge(expect: &Expect, events: &[Event]) -> Rehearsed {
    let call = events.iter().find(|event| event.kind == "call.started");
    let call = call.and_then(|event| event.subject);
    let told = told(call, events);
    let mut expected = Map::new();
    let mut want = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            expected.insert(key.to_owned(), value);
        }
    };
    want(
        "voicemail",
        expect.voicemail.as_ref().map(|name| json!(name)),
    );
    want("queue", expect.queue.as_ref().map(|queue| json!(queue)));
    want(
        "path",
        expect.path.as_ref().map(|path| written(path.iter())),
    );
    want("operator", expect.operator.as_ref().map(|name| json!(name)));
    want("whisper", expect.whisper.as_ref().map(|text| json!(text)));
    want("outcome", expect.outcome.map(|outcome| json!(outcome)));
    want("reason", expect.reason.map(|reason| json!(reason)));
    want("callback", expect.callback.map(Value::Bool));
    want("to", expect.to.as_ref().map(|to| json!(to)));
    want("site", expect.site.as_ref().map(|site| json!(site)));
    want("source", expect.source.as_ref().map(|text| json!(text)));
    want("campaign", expect.campaign.as_ref().map(|text| json!(text)));
    want("priority", expect.priority.map(|priority| json!(priority)));
    let got = expected.keys().map(|key| {
        let value = told.get(key).cloned().unwrap_or(Value::Null);
        (key.clone(), value)
    });
    let got = got.collect::<Map<_, _>>();
    Rehearsed {
        ok: expected == got,
        expected,
        got,
    }
}

/// The words of [`Expect`] as the events of the call give them.
fn told(call: Option<CallId>, events: &[Event]) -> Map<String, Value> {
    let mut told = Map::new();
    let mut path = Vec::new();
    let of_call = events.iter().filter(|event| event.subject == call);
    for event in of_call.filter(|_| call.is_some()) {
        let field = |key: &str| event.data.get(key).cloned().unwrap_or(Value::Null);
        match event.kind {
            "queue.joined" => {
                told.insert("queue".to_owned(), field("queue"));
                let queue = field("queue");
                path.extend(queue.as_str().map(|queue| format!("queue.{queue}")));
            }
            "call.routed" => {
                told.insert("priority".to_owned(), field("priority"));
            }
            "whisper.played" => {
                told.insert("whisper".to_owned(), field("text"));
            }
            "call.bridged" => {
                told.insert("operator".to_owned(), field("operator"));
            }
            "call.ended" => {
                if let Some(name) = field("voicemail").as_str() {
                    path.push(format!("voicemail.{name}"));
                }
                for key in [
                    "outcome",
                    "reason",
                    "to",
                    "site",
                    "source",
                    "campaign",
                    "voicemail",
                ] {
                    told.insert(key.to_owned(), field(key));
                }
                told.insert("callback".to_owned(), json!(!field("callback").is_null()));
            }
            _ => {}
        }
    }
    told.insert("path".to_owned(), written(path.iter()));
    told
}

/// A path as a plan writes it.
fn written<T: Display>(path: impl Iterator<Item = T>) -> Value {
    path.map(|target| json!(target.to_string())).collect()
}
