//! A reference for the desk, as plain as can be: no index, everything is sorted anew each time. Both
//! take the same random walk and must agree on every operator and every caller after each step.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the reference stays as short as it can be"
)]

use std::collections::BTreeMap;

use super::tests::{Hall, floor, ms, rules};
use super::*;
use crate::acd::message::{QueueRules, Wanted};
use crate::rng::Rng;
use crate::time::{Duration, Instant};
use crate::words::{LeftReason, MissReason, Strategy};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Doing {
    Away,
    Paused,
    Free,
    Rings { ticket: u64, until: Instant },
    Whisper { ticket: u64 },
    Talks { ticket: u64, wrap_up: Duration },
    WrapUp { until: Instant },
}

#[derive(Clone, Debug)]
struct Person {
    doing: Doing,
    idle: Instant,
    phone: bool,
    paused: bool,
}

#[derive(Clone, Debug)]
struct Caller {
    ticket: u64,
    way: Vec<&'static str>,
    priority: i32,
    entered: Instant,
    leaves: Option<Instant>,
    excluded: BTreeMap<&'static str, Instant>,
}

/// What happens next: a caller with a way of queues, or a word to the desk.
enum Step {
    Arrives(u64, Vec<&'static str>, i32),
    Input(AcdInput),
}

struct Model {
    rules: BTreeMap<&'static str, QueueRules>,
    people: BTreeMap<&'static str, Person>,
    waiting: Vec<Caller>,
    now: Instant,
}

impl Model {
    fn rest(&mut self, name: &'static str) {
        let now = self.now;
        let person = self.people.get_mut(name).unwrap();
        let to = match (person.phone, person.paused) {
            (false, _) => Doing::Away,
            (true, true) => Doing::Paused,
            (true, false) => Doing::Free,
        };
        if to == Doing::Free && matches!(person.doing, Doing::Away | Doing::Paused) {
            person.idle = now;
        }
        person.doing = to;
    }

    fn caller_of(&self, name: &str) -> Option<u64> {
        match self.people[name].doing {
            Doing::Rings { ticket, .. } | Doing::Whisper { ticket } => Some(ticket),
            _ => None,
        }
    }

    fn busy_with(&self, ticket: u64) -> Option<&'static str> {
        let mut names = self.people.keys().copied();
        names.find(|name| self.caller_of(name) == Some(ticket))
    }

    fn free_from(&mut self, name: &'static str, ticket: u64, pause: Option<MissReason>) {
        let now = self.now;
        if let Some(caller) = self.waiting.iter_mut().find(|c| c.ticket == ticket)
            && let Some(reason) = pause
        {
            let rules = &self.rules[caller.way[0]];
            let pause = match reason {
                MissReason::Declined => rules.after_decline,
                MissReason::Busy => rules.after_busy,
                _ => rules.after_no_answer,
            };
            caller.excluded.insert(name, now + pause);
            if matches!(reason, MissReason::NoAnswer | MissReason::Failed) {
                self.people.get_mut(name).unwrap().idle = now;
            }
        }
        self.rest(name);
    }

    fn enter(&mut self, mut caller: Caller) {
        while let Some(queue) = caller.way.first() {
            let rules = &self.rules[queue];
            let served = rules.operators.keys();
            if served
                .into_iter()
                .any(|name| self.people[name.as_str()].doing != Doing::Away)
            {
                caller.leaves = rules.max_wait.map(|wait| self.now + wait);
                self.waiting.push(caller);
                return;
            }
            caller.way.remove(0);
        }
    }

    fn settle(&mut self) {
        let mut movers = Vec::new();
        loop {
            let deserted = self.waiting.iter().position(|caller| {
                let mut served = self.rules[caller.way[0]].operators.keys();
                served.all(|name| self.people[name.as_str()].doing == Doing::Away)
            });
            let overdue = self.waiting.iter().position(|caller| {
                let whispers = self
                    .busy_with(caller.ticket)
                    .is_some_and(|name| matches!(self.people[name].doing, Doing::Whisper { .. }));
                !whispers && caller.leaves.is_some_and(|leaves| leaves <= self.now)
            });
            let Some(index) = deserted.or(overdue) else {
                break;
            };
            let mut caller = self.waiting.remove(index);
            if let Some(name) = self.busy_with(caller.ticket) {
                self.rest(name);
            }
            let left = caller.way.remove(0);
            movers.push((left, caller));
        }
        self.pair();
        movers.sort_by_key(|(left, c)| (*left, -c.priority, c.entered, c.ticket));
        for (_, caller) in movers {
            self.enter(caller);
            self.pair();
        }
    }

    fn pair(&mut self) {
        self.waiting
            .sort_by_key(|c| (-c.priority, c.entered, c.ticket));
        for index in 0..self.waiting.len() {
            let caller = &self.waiting[index];
            if self.busy_with(caller.ticket).is_some() {
                continue;
            }
            let rules = &self.rules[caller.way[0]];
            let free = NAMES.into_iter().filter(|name| {
                self.people[name].doing == Doing::Free
                    && rules.operators.contains_key(&(*name).into())
                    && caller.excluded.get(name).is_none_or(|t| *t <= self.now)
            });
            let best = free.min_by_key(|name| {
                (
                    rules.operators[&(*name).into()].level,
                    self.people[name].idle,
                    *name,
                )
            });
            if let Some(name) = best {
                let until = self.now + rules.ring;
                let ticket = caller.ticket;
                self.people.get_mut(name).unwrap().doing = Doing::Rings { ticket, until };
            }
        }
    }

    fn timers(&mut self) {
        for name in NAMES {
            match self.people[name].doing {
                Doing::Rings { ticket, until } if until <= self.now => {
                    self.free_from(name, ticket, Some(MissReason::NoAnswer));
                }
                Doing::WrapUp { until } if until <= self.now => self.rest(name),
                _ => {}
            }
        }
        self.settle();
    }

    fn step(&mut self, rng: &mut Rng, next: &mut u64) -> Step {
        let name = NAMES[usize::try_from(rng.below(5)).unwrap()];
        let operator = OperatorName::from(name);
        let doing = self.people[name].doing;
        let input = match (rng.below(10), doing) {
            (0..3, _) => {
                let step = self.arrive(rng, next);
                self.settle();
                return step;
            }
            (3, _) if !self.waiting.is_empty() => {
                let index = rng.below(u64::try_from(self.waiting.len()).unwrap());
                let caller = self.waiting.remove(usize::try_from(index).unwrap());
                if let Some(name) = self.busy_with(caller.ticket)
                    && matches!(self.people[name].doing, Doing::Rings { .. })
                {
                    self.rest(name);
                }
                let ticket = TicketId(caller.ticket);
                let reason = LeftReason::Abandoned;
                AcdInput::Leave { ticket, reason }
            }
            (4, Doing::Rings { ticket, .. } | Doing::Whisper { ticket }) => {
                let reason = match rng.chance(500) {
                    true => MissReason::Declined,
                    false => MissReason::Busy,
                };
                self.free_from(name, ticket, Some(reason));
                let ticket = TicketId(ticket);
                AcdInput::Missed {
                    operator,
                    ticket,
                    reason,
                }
            }
            (5.., Doing::Rings { ticket, .. }) => {
                self.people.get_mut(name).unwrap().doing = Doing::Whisper { ticket };
                let ticket = TicketId(ticket);
                let keep_others = false;
                AcdInput::Answered {
                    operator,
                    ticket,
                    keep_others,
                }
            }
            (5.., Doing::Whisper { ticket }) => self.bridge_or_release(name, ticket),
            (5.., Doing::Talks { ticket, wrap_up }) => {
                let until = self.now + wrap_up;
                self.people.get_mut(name).unwrap().idle = self.now;
                self.rest(name);
                if self.people[name].doing == Doing::Free {
                    self.people.get_mut(name).unwrap().doing = Doing::WrapUp { until };
                }
                let ticket = TicketId(ticket);
                AcdInput::Released { operator, ticket }
            }
            (5..8, _) => self.phone(name, true),
            (8, _) => self.phone(name, false),
            (_, _) => {
                let pause = rng.chance(300);
                self.people.get_mut(name).unwrap().paused = pause;
                if matches!(doing, Doing::Free | Doing::Paused | Doing::WrapUp { .. }) {
                    self.rest(name);
                }
                let state = match pause {
                    true => Wanted::Paused("tea".to_owned()),
                    false => Wanted::Available,
                };
                AcdInput::SetState { operator, state }
            }
        };
        self.settle();
        Step::Input(input)
    }

    fn arrive(&mut self, rng: &mut Rng, next: &mut u64) -> Step {
        let way = match rng.below(3) {
            0 => vec!["x"],
            1 => vec!["y", "x"],
            _ => vec!["z", "y"],
        };
        let priority = i32::try_from(rng.below(2)).unwrap();
        *next += 1;
        self.enter(Caller {
            ticket: *next,
            way: way.clone(),
            priority,
            entered: self.now,
            leaves: None,
            excluded: BTreeMap::new(),
        });
        Step::Arrives(*next, way, priority)
    }

    fn bridge_or_release(&mut self, name: &'static str, ticket: u64) -> AcdInput {
        let operator = OperatorName::from(name);
        let Some(index) = self.waiting.iter().position(|c| c.ticket == ticket) else {
            self.rest(name);
            let ticket = TicketId(ticket);
            return AcdInput::Released { operator, ticket };
        };
        let caller = self.waiting.remove(index);
        let wrap_up = self.rules[caller.way[0]].wrap_up;
        self.people.get_mut(name).unwrap().doing = Doing::Talks { ticket, wrap_up };
        let ticket = TicketId(ticket);
        AcdInput::Bridged { operator, ticket }
    }

    fn phone(&mut self, name: &'static str, up: bool) -> AcdInput {
        let operator = OperatorName::from(name);
        let doing = self.people[name].doing;
        self.people.get_mut(name).unwrap().phone = up;
        match doing {
            Doing::Away => self.rest(name),
            Doing::Free | Doing::Paused | Doing::WrapUp { .. } if !up => self.rest(name),
            Doing::Rings { ticket, .. } if !up => {
                self.free_from(name, ticket, Some(MissReason::Failed));
            }
            _ => {}
        }
        match up {
            true => AcdInput::PhoneUp { operator },
            false => AcdInput::PhoneDown { operator },
        }
    }

    fn picture(&self) -> Vec<(OperatorState, Option<u64>)> {
        let states = self.people.values().map(|person| match person.doing {
            Doing::Away => (OperatorState::LoggedOut, None),
            Doing::Paused => (OperatorState::Paused, None),
            Doing::Free => (OperatorState::Available, None),
            Doing::Rings { ticket, .. } => (OperatorState::Reserved, Some(ticket)),
            Doing::Whisper { ticket } | Doing::Talks { ticket, .. } => {
                (OperatorState::Talking, Some(ticket))
            }
            Doing::WrapUp { .. } => (OperatorState::WrapUp, None),
        });
        states.collect()
    }
}

#[test]
fn the_desk_and_the_reference_agree_on_every_step() {
    for seed in 0..40 {
        let mut rng = Rng::new([seed; 32]);
        let idle = Strategy::LongestIdle;
        let mut x = rules(&[("a", 1), ("b", 1), ("c", 2), ("d", 2)], idle);
        x.ring = ms(6_101);
        let mut y = rules(&[("b", 1), ("d", 1), ("e", 1)], idle);
        y.max_wait = Some(ms(33_037));
        let z = rules(&[("e", 1)], idle);
        let plan = [("x", x), ("y", y), ("z", z)];
        let mut hall = Hall::new(floor(&plan));
        let person = Person {
            doing: Doing::Away,
            idle: Instant::START,
            phone: false,
            paused: false,
        };
        let mut model = Model {
            rules: plan.into_iter().collect(),
            people: NAMES.map(|name| (name, person.clone())).into(),
            waiting: Vec::new(),
            now: Instant::START,
        };
        let mut tickets = 0;
        for step in 0..500 {
            let next = hall.now + Duration::from_nanos(rng.below(4_000_000_000));
            while hall.desk.poll_timeout().is_some_and(|due| due.at <= next) {
                hall.tick();
                model.now = hall.now;
                model.timers();
                compare(&hall, &model, seed, step);
            }
            hall.now = next;
            model.now = next;
            let input = model.step(&mut rng, &mut tickets);
            match input {
                Step::Arrives(ticket, way, priority) => hall.join(ticket, &way, priority),
                Step::Input(input) => hall.tell(input),
            }
            compare(&hall, &model, seed, step);
        }
    }
}

fn compare(hall: &Hall, model: &Model, seed: u8, step: usize) {
    let states = hall.desk.operators().map(|operator| {
        let ticket = operator.ticket().map(|ticket| ticket.0);
        (operator.state(), ticket)
    });
    assert_eq!(
        states.collect::<Vec<_>>(),
        model.picture(),
        "seed {seed} step {step}: {:?}",
        hall.said
    );
    let mut callers = model
        .waiting
        .iter()
        .map(|c| (c.ticket, c.way[0].to_owned()));
    let mut callers = callers.by_ref().collect::<Vec<_>>();
    callers.sort();
    let tickets = hall
        .desk
        .tickets()
        .filter_map(|(id, _, queue)| queue.map(|queue| (id.0, queue.as_str().to_owned())));
    assert_eq!(
        tickets.collect::<Vec<_>>(),
        callers,
        "seed {seed} step {step}"
    );
}
