#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one effect among all"
)]

mod order;
mod reload;
mod service;
mod states;
mod strategies;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::acd::message::{Floor, Member, OperatorRules, QueueRules, Wanted, Widen};
use crate::acd::ticket::Stage;
use crate::id::Ulid;
use crate::limits;
use crate::rng::Rng;
use crate::time::{Duration, Instant, Wall};
use crate::words::{LeftReason, MissReason, Strategy};

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn at(instant: Instant) -> Now {
    Now {
        mono: instant,
        wall: Wall::from_millis(1_790_000_000_000) + instant.since(Instant::START),
    }
}

pub(super) fn rules(operators: &[(&str, u8)], strategy: Strategy) -> QueueRules {
    QueueRules {
        operators: (0..).zip(operators).map(member).collect(),
        strategy,
        ring: ms(20_003),
        wrap_up: ms(15_011),
        max_wait: Some(ms(90_023)),
        after_decline: ms(10_007),
        after_busy: ms(8_009),
        after_no_answer: ms(5_051),
        ..QueueRules::default()
    }
}

fn member((order, (name, level)): (u32, &(&str, u8))) -> (OperatorName, Member) {
    let level = *level;
    ((*name).into(), Member { level, order })
}

pub(super) fn floor(queues: &[(&str, QueueRules)]) -> Floor {
    let queues = queues
        .iter()
        .map(|(name, rules)| (QueueName::from(*name), rules.clone()))
        .collect::<BTreeMap<_, _>>();
    let operators = queues
        .values()
        .flat_map(|rules| rules.operators.keys().cloned())
        .collect::<BTreeSet<_>>();
    Floor {
        operators: operators
            .into_iter()
            .map(|name| (name, OperatorRules::default()))
            .collect(),
        queues,
    }
}

impl Way {
    fn join(&self, ticket: TicketId) -> AcdInput {
        AcdInput::Join {
            ticket,
            call: self.call,
            queue: self.queues[0].clone(),
            entered: self.entered,
            priority: self.priority,
            caller: None,
            prefer: None,
        }
    }
}

/// A desk with its clock and everything it said.
pub(super) struct Hall {
    pub(super) desk: Desk,
    pub(super) now: Instant,
    calls: Rng,
    pub(super) said: VecDeque<AcdEffect>,
    joined: usize,
    left: BTreeMap<LeftReason, usize>,
    /// The queues ahead of each caller, as its call would know them.
    ways: BTreeMap<TicketId, Way>,
    exhausted: Vec<(u64, LeftReason)>,
}

#[derive(Clone)]
struct Way {
    call: CallId,
    queues: VecDeque<QueueName>,
    entered: Instant,
    priority: i32,
}

impl Hall {
    pub(super) fn new(floor: Floor) -> Self {
        let mut hall = Self {
            desk: Desk::new(Rng::new([5; 32])),
            now: Instant::START,
            calls: Rng::new([3; 32]),
            said: VecDeque::new(),
            joined: 0,
            left: BTreeMap::new(),
            ways: BTreeMap::new(),
            exhausted: Vec::new(),
        };
        hall.tell(AcdInput::Floor(Box::new(floor)));
        hall
    }

    pub(super) fn tell(&mut self, input: AcdInput) {
        self.said.clear();
        self.exhausted.clear();
        self.desk.handle(at(self.now), input, &mut self.said);
        self.walk();
        self.check();
    }

    /// Does what a call does whose queue lets it go: joins the next one.
    fn walk(&mut self) {
        let mut seen = 0;
        while seen < self.said.len() {
            let left = match &self.said[seen] {
                AcdEffect::Left { ticket, reason, .. } => Some((*ticket, *reason)),
                _ => None,
            };
            seen += 1;
            let Some((ticket, reason)) = left else {
                continue;
            };
            let moves_on = matches!(
                reason,
                LeftReason::Timeout
                    | LeftReason::NoOperators
                    | LeftReason::QueueFull
                    | LeftReason::EstimatedWait
            );
            let Some(mut way) = self.ways.remove(&ticket).filter(|_| moves_on) else {
                continue;
            };
            way.queues.pop_front();
            if way.queues.is_empty() {
                self.exhausted.push((ticket.0, reason));
                continue;
            }
            let input = way.join(ticket);
            self.ways.insert(ticket, way);
            self.desk.handle(at(self.now), input, &mut self.said);
        }
    }

    pub(super) fn tick(&mut self) -> bool {
        let Some(wakeup) = self.desk.poll_timeout() else {
            return false;
        };
        self.now = self.now.max(wakeup.at);
        self.said.clear();
        self.desk.handle_timeout(at(self.now), &mut self.said);
        self.walk();
        self.check();
        true
    }

    /// Lets time pass; everything said on the way is kept.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut said = VecDeque::new();
        self.exhausted.clear();
        while self.desk.poll_timeout().is_some_and(|due| due.at <= end) {
            self.tick();
            said.append(&mut self.said);
        }
        self.now = end;
        self.said = said;
    }

    fn up(&mut self, names: &[&str]) {
        for name in names {
            let operator = (*name).into();
            self.tell(AcdInput::PhoneUp { operator });
            self.now = self.now + ms(1);
        }
    }

    pub(super) fn join(&mut self, ticket: u64, way: &[&str], priority: i32) {
        let call = CallId(Ulid::new(at(self.now).wall, &mut self.calls));
        let way = Way {
            call,
            queues: way.iter().map(|name| (*name).into()).collect(),
            entered: self.now,
            priority,
        };
        let input = way.join(TicketId(ticket));
        self.ways.entry(TicketId(ticket)).or_insert(way);
        self.tell(input);
    }

    fn answered(&mut self, operator: &str, ticket: u64) {
        self.tell(AcdInput::Answered {
            operator: operator.into(),
            ticket: TicketId(ticket),
            keep_others: false,
        });
    }

    fn bridged(&mut self, operator: &str, ticket: u64) {
        self.tell(AcdInput::Bridged {
            operator: operator.into(),
            ticket: TicketId(ticket),
        });
    }

    fn released(&mut self, operator: &str, ticket: u64) {
        self.tell(AcdInput::Released {
            operator: operator.into(),
            ticket: TicketId(ticket),
        });
    }

    fn missed(&mut self, operator: &str, ticket: u64, reason: MissReason) {
        self.tell(AcdInput::Missed {
            operator: operator.into(),
            ticket: TicketId(ticket),
            reason,
        });
    }

    fn offers(&self) -> Vec<(u64, &str)> {
        let offers = self.said.iter().filter_map(|effect| match effect {
            AcdEffect::Offer {
                ticket, operator, ..
            } => Some((ticket.0, operator.as_str())),
            _ => None,
        });
        offers.collect()
    }

    fn withdrawn(&self) -> Vec<(&str, MissReason)> {
        let withdrawn = self.said.iter().filter_map(|effect| match effect {
            AcdEffect::Withdraw {
                operator, reason, ..
            } => Some((operator.as_str(), *reason)),
            _ => None,
        });
        withdrawn.collect()
    }

    fn lefts(&self) -> Vec<(u64, &str, LeftReason)> {
        let lefts = self.said.iter().filter_map(|effect| match effect {
            AcdEffect::Left {
                ticket,
                queue,
                reason,
                ..
            } => Some((ticket.0, queue.as_str(), *reason)),
            _ => None,
        });
        lefts.collect()
    }

    fn exhausted(&self) -> &[(u64, LeftReason)] {
        &self.exhausted
    }

    fn abandons(&mut self, ticket: u64) {
        self.tell(AcdInput::Leave {
            ticket: TicketId(ticket),
            reason: LeftReason::Abandoned,
        });
    }

    fn pauses(&mut self, operator: &str, reason: &str) {
        self.tell(AcdInput::SetState {
            operator: operator.into(),
            state: Wanted::Paused(reason.to_owned()),
        });
    }

    fn state(&self, operator: &str) -> OperatorState {
        self.desk.state(&operator.into()).unwrap()
    }

    /// What must hold after every input.
    fn check(&mut self) {
        for effect in &self.said {
            match effect {
                AcdEffect::Joined { position, .. } => {
                    assert!(*position >= 1);
                    self.joined += 1;
                }
                AcdEffect::Left { reason, .. } => *self.left.entry(*reason).or_default() += 1,
                _ => {}
            }
        }
        let desk = &self.desk;
        let standing = desk.queues.iter().map(Queue::len).sum::<usize>();
        let whispers_of_vanished = desk.tickets.values().filter(|ticket| {
            matches!(ticket.stage, Stage::Whisper(..)) && desk.queue(&ticket.queue).is_none()
        });
        let adrift = whispers_of_vanished.count();
        assert_eq!(
            self.joined,
            self.left.values().sum::<usize>() + standing + adrift,
            "who joined has left or stands in one queue"
        );
        for (id, ticket) in &desk.tickets {
            self.check_ticket(*id, ticket, adrift);
        }
        for operator in desk.operators.values() {
            let bound = matches!(
                operator.state(),
                OperatorState::Reserved | OperatorState::Ringing | OperatorState::Talking
            );
            assert_eq!(bound, operator.tickets().next().is_some(), "{operator:?}");
            if operator.is_offered() {
                let ticket = &desk.tickets[&operator.ticket().unwrap()];
                let mut offers = ticket.offers().unwrap().iter();
                assert!(offers.any(|(_, name)| name == operator.name()));
            }
            if operator.state() == OperatorState::WrapUp {
                let timer = Timer::WrapUp(operator.name().clone());
                assert!(desk.timers.due(&timer).is_some());
            }
            assert!(
                desk.first_for(at(self.now), operator.name()).is_none(),
                "nobody is free while a caller waits for them"
            );
        }
        for state in OperatorState::ALL {
            let counted = desk.operators.values().filter(|o| o.state() == state);
            assert_eq!(counted.count(), desk.count(state), "{state:?}");
        }
        assert!(desk.fresh.is_empty() && desk.freed.is_empty() && desk.touched.is_empty());
    }
}

impl Hall {
    fn check_ticket(&self, id: TicketId, ticket: &Ticket, adrift: usize) {
        let desk = &self.desk;
        let turn = ticket.turn;
        let places = desk.queues.iter().flat_map(Queue::standing);
        let places = places.filter(|place| *place == turn).count();
        if !ticket.stands() {
            assert_eq!(places, 0);
            return;
        }
        for (_, name) in ticket.offers().unwrap() {
            let operator = &desk.operators[name];
            assert!(operator.is_offered() && operator.holds(id));
            assert!(desk.timers.due(&Timer::Ring(name.clone())).is_some());
        }
        let held = desk.operators.values().filter(|it| it.holds(id));
        let rings = held.filter(|it| it.is_offered()).count();
        assert_eq!(rings, ticket.offers().unwrap().len());
        if let Stage::Whisper(name, _) = &ticket.stage {
            assert_eq!(places + adrift.min(1 - places), 1);
            assert_eq!(desk.operators[name].state(), OperatorState::Talking);
            assert!(desk.operators[name].holds(id));
        } else {
            assert_eq!(places, 1);
        }
        let queue = desk.queue(&ticket.queue);
        if let Some(queue) = queue.filter(|_| ticket.is_quiet()) {
            assert!(
                queue.is_staffed(&queue.rules.leave),
                "nobody is kept in vain"
            );
        }
    }
}

fn two_operators(strategy: Strategy) -> Hall {
    Hall::new(floor_of(strategy, false))
}

fn floor_of(strategy: Strategy, widens: bool) -> Floor {
    let mut odesa = rules(&[("iryna", 2), ("olena", 1), ("serhii", 1)], strategy);
    let all = rules(&[("iryna", 1), ("olena", 1), ("serhii", 1)], strategy);
    if widens {
        let (after, level) = (ms(7_000), 2);
        odesa.widen = vec![Widen { after, level }];
        odesa.retry = ms(1_500);
    }
    floor(&[("all", all), ("odesa", odesa)])
}

#[test]
fn the_longest_idle_of_the_best_level_rings_first() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["iryna", "serhii", "olena"]);
    hall.join(1, &["odesa"], 0);
    assert_eq!(hall.offers(), [(1, "serhii")]);
    hall.join(2, &["all"], 0);
    assert_eq!(hall.offers(), [(2, "iryna")]);
    hall.join(3, &["all"], 0);
    assert_eq!(hall.offers(), [(3, "olena")]);
    hall.join(4, &["all"], 0);
    assert_eq!(hall.offers(), []);
    hall.answered("iryna", 2);
    hall.bridged("iryna", 2);
    assert_eq!(hall.lefts(), [(2, "all", LeftReason::Answered)]);
    hall.released("iryna", 2);
    assert_eq!(hall.state("iryna"), OperatorState::WrapUp);
    hall.pass(ms(15_011));
    assert_eq!(hall.offers(), [(4, "iryna")]);
}

#[test]
fn priority_then_the_longest_wait_over_all_queues() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena"]);
    hall.join(1, &["all"], 0);
    for (ticket, queue, priority) in [(2, "odesa", 0), (3, "all", 0), (4, "all", 5)] {
        hall.now = hall.now + ms(10);
        hall.join(ticket, &[queue], priority);
    }
    for next in [4, 2, 3] {
        let before = hall.desk.operator(&"olena".into()).unwrap().ticket();
        hall.abandons(before.unwrap().0);
        assert_eq!(hall.offers(), [(next, "olena")]);
    }
}

#[test]
fn the_place_is_kept_across_overflow() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena"]);
    hall.join(1, &["all"], 0);
    hall.answered("olena", 1);
    hall.bridged("olena", 1);
    hall.join(2, &["odesa", "all"], 0);
    hall.now = hall.now + ms(60_000);
    hall.join(3, &["all"], 0);
    hall.pass(ms(31_000));
    assert_eq!(hall.lefts(), [(2, "odesa", LeftReason::Timeout)]);
    hall.released("olena", 1);
    hall.pass(ms(16_000));
    assert_eq!(hall.offers(), [(2, "olena")], "who came first is first");
}

#[test]
fn a_decline_busy_or_silent_phone_costs_the_caller_nothing() {
    for reason in [MissReason::Declined, MissReason::Busy, MissReason::Failed] {
        let mut hall = two_operators(Strategy::LongestIdle);
        hall.up(&["olena", "serhii"]);
        hall.join(1, &["odesa"], 0);
        hall.missed("olena", 1, reason);
        assert_eq!(hall.offers(), [(1, "serhii")]);
        assert_eq!(hall.lefts(), []);
        assert_eq!(hall.state("olena"), OperatorState::Available);
        hall.missed("serhii", 1, reason);
        assert_eq!(hall.offers(), [], "both were asked a moment ago");
        hall.join(2, &["odesa"], 0);
        assert_eq!(hall.offers(), [(2, "olena")], "another caller is welcome");
        hall.pass(ms(10_100));
        assert_eq!(hall.offers(), [(1, "serhii")]);
    }
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena", "serhii"]);
    hall.join(1, &["odesa"], 0);
    hall.pass(ms(20_003));
    assert_eq!(hall.withdrawn(), [("olena", MissReason::NoAnswer)]);
    assert_eq!(hall.offers(), [(1, "serhii")]);
}

#[test]
fn whoever_is_away_from_the_desk_is_not_everybodys_first_try() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena", "serhii", "iryna"]);
    hall.join(1, &["all"], 0);
    assert_eq!(hall.offers(), [(1, "olena")]);
    hall.pass(ms(20_003));
    assert_eq!(hall.offers(), [(1, "serhii")]);
    hall.answered("serhii", 1);
    hall.join(2, &["all"], 0);
    assert_eq!(hall.offers(), [(2, "iryna")], "olena let the phone ring");
    hall.missed("iryna", 2, MissReason::Declined);
    assert_eq!(hall.offers(), [(2, "olena")]);
    hall.join(3, &["all"], 0);
    assert_eq!(hall.offers(), [(3, "iryna")], "a decline costs no turn");
}

#[test]
fn a_hang_up_in_the_whisper_is_a_decline() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena"]);
    hall.join(1, &["odesa"], 0);
    hall.answered("olena", 1);
    hall.missed("olena", 1, MissReason::Declined);
    assert_eq!(hall.state("olena"), OperatorState::Available);
    assert_eq!(hall.desk.waiting(&"odesa".into()), 1);
    hall.pass(ms(10_000));
    assert_eq!(hall.offers(), []);
    hall.pass(ms(10));
    assert_eq!(hall.offers(), [(1, "olena")]);
}

#[test]
fn a_caller_who_leaves_in_the_whisper_leaves_the_operator_to_the_engine() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena"]);
    hall.join(1, &["odesa"], 0);
    hall.answered("olena", 1);
    hall.abandons(1);
    assert_eq!(hall.lefts(), [(1, "odesa", LeftReason::Abandoned)]);
    assert_eq!(hall.withdrawn(), []);
    assert_eq!(hall.state("olena"), OperatorState::Talking);
    hall.released("olena", 1);
    assert_eq!(
        hall.state("olena"),
        OperatorState::Available,
        "no paperwork"
    );
}

#[test]
fn of_two_answers_to_ring_all_the_first_wins_and_the_rest_are_free() {
    let mut hall = two_operators(Strategy::RingAll);
    hall.up(&["olena", "serhii", "iryna"]);
    hall.join(1, &["all"], 0);
    assert_eq!(hall.offers().len(), 3);
    hall.answered("serhii", 1);
    assert_eq!(
        hall.withdrawn(),
        [
            ("iryna", MissReason::Withdrawn),
            ("olena", MissReason::Withdrawn)
        ]
    );
    hall.answered("olena", 1);
    assert!(hall.said.is_empty(), "the second answer comes too late");
    hall.bridged("serhii", 1);
    hall.join(2, &["odesa"], 0);
    assert_eq!(hall.offers(), [(2, "olena")], "the better level alone");
    hall.released("serhii", 1);
    hall.pass(ms(15_011));
    assert_eq!(
        hall.offers(),
        [(2, "serhii")],
        "one who becomes free rings too"
    );
}

#[test]
fn the_longest_wait_ends_between_whispers_and_never_in_one() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena"]);
    hall.join(1, &["odesa", "all"], 0);
    hall.pass(ms(80_000));
    hall.answered("olena", 1);
    hall.pass(ms(20_000));
    assert_eq!(hall.lefts(), []);
    hall.missed("olena", 1, MissReason::Declined);
    assert_eq!(hall.lefts(), [(1, "odesa", LeftReason::Timeout)]);
    hall.pass(ms(10_007));
    assert_eq!(hall.offers(), [(1, "olena")]);
    hall.pass(ms(90_000));
    assert_eq!(hall.exhausted(), [(1, LeftReason::Timeout)]);
    assert_eq!(hall.state("olena"), OperatorState::Available);
    assert_eq!(hall.desk.ticket_count(), 0);
}

#[test]
fn nobody_waits_where_nobody_will_come() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.join(1, &["odesa", "all"], 0);
    assert_eq!(hall.exhausted(), [(1, LeftReason::NoOperators)]);
    hall.up(&["olena"]);
    hall.pauses("olena", "обід");
    hall.join(2, &["odesa", "all"], 0);
    assert_eq!(hall.exhausted(), [], "a pause ends some day");
    hall.tell(AcdInput::PhoneDown {
        operator: "olena".into(),
    });
    assert_eq!(
        hall.lefts(),
        [
            (2, "odesa", LeftReason::NoOperators),
            (2, "all", LeftReason::NoOperators)
        ]
    );
    hall.up(&["olena"]);
    assert_eq!(hall.state("olena"), OperatorState::Paused);
    assert_eq!(
        hall.desk.operator(&"olena".into()).unwrap().reason(),
        "обід"
    );
}

#[test]
fn a_phone_that_vanishes_while_ringing_hands_the_caller_on() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena", "serhii"]);
    hall.join(1, &["odesa"], 0);
    hall.tell(AcdInput::PhoneDown {
        operator: "olena".into(),
    });
    assert_eq!(hall.withdrawn(), [("olena", MissReason::Failed)]);
    assert_eq!(hall.offers(), [(1, "serhii")]);
    assert_eq!(hall.state("olena"), OperatorState::LoggedOut);
    hall.answered("serhii", 1);
    hall.bridged("serhii", 1);
    hall.tell(AcdInput::PhoneDown {
        operator: "serhii".into(),
    });
    assert_eq!(hall.state("serhii"), OperatorState::Talking);
    hall.released("serhii", 1);
    assert_eq!(hall.state("serhii"), OperatorState::LoggedOut);
}

#[test]
fn each_wrap_up_ends_by_its_own_timer() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let levels = names.map(|name| (name, 1));
    let mut hall = Hall::new(floor(&[("q", rules(&levels, Strategy::LongestIdle))]));
    hall.up(&names);
    for (ticket, name) in (1..).zip(names) {
        hall.join(ticket, &["q"], 0);
        hall.answered(name, ticket);
        hall.bridged(name, ticket);
    }
    for (ticket, name) in (1..).zip(names) {
        hall.released(name, ticket);
        hall.pass(ms(1_000));
    }
    hall.pass(ms(5_010));
    for name in names {
        assert_eq!(hall.state(name), OperatorState::WrapUp);
        hall.pass(ms(1));
        assert_eq!(hall.state(name), OperatorState::Available);
        hall.pass(ms(999));
    }
}

#[test]
fn a_full_queue_sends_the_caller_on() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena"]);
    let limit = u64::try_from(limits::QUEUE_WAITING).unwrap();
    for ticket in 0..limit {
        let call = CallId(Ulid::new(Wall::default(), &mut hall.calls));
        let way = Way {
            call,
            queues: [QueueName::from("odesa")].into(),
            entered: hall.now,
            priority: 0,
        };
        let input = way.join(TicketId(ticket));
        hall.desk.handle(at(hall.now), input, &mut hall.said);
    }
    hall.said.clear();
    hall.joined = limits::QUEUE_WAITING;
    hall.join(limit, &["odesa", "all"], 0);
    assert_eq!(hall.lefts(), [(limit, "odesa", LeftReason::QueueFull)]);
    assert_eq!(hall.desk.waiting(&"all".into()), 1);
}

#[test]
fn a_new_floor_keeps_whoever_stays() {
    let mut hall = two_operators(Strategy::LongestIdle);
    hall.up(&["olena", "serhii", "iryna"]);
    for ticket in 1..=4 {
        hall.join(ticket, &["odesa", "all"], 0);
    }
    hall.answered("olena", 1);
    hall.answered("serhii", 2);
    hall.bridged("serhii", 2);
    let all = rules(&[("iryna", 1), ("nadia", 1)], Strategy::LongestIdle);
    hall.tell(AcdInput::Floor(Box::new(floor(&[("all", all)]))));
    assert_eq!(hall.desk.waiting(&"all".into()), 2);
    assert_eq!(hall.state("olena"), OperatorState::Talking);
    hall.bridged("olena", 1);
    hall.released("olena", 1);
    hall.released("serhii", 2);
    assert_eq!(hall.desk.state(&"olena".into()), None);
    assert_eq!(hall.desk.state(&"serhii".into()), None);
    assert_eq!(hall.state("nadia"), OperatorState::LoggedOut);
    assert_eq!(
        hall.desk.operator(&"iryna".into()).unwrap().ticket(),
        Some(TicketId(3))
    );
}

#[test]
fn any_words_in_any_order_leave_the_house_in_order() {
    const NAMES: [&str; 4] = ["iryna", "olena", "serhii", "nobody"];
    for seed in 0..60 {
        let mut rng = Rng::new([seed; 32]);
        let (_, strategy) = Strategy::ALL[usize::from(seed) % Strategy::ALL.len()];
        let mut hall = two_operators(strategy);
        for _ in 0..400 {
            hall.now = hall.now + ms(rng.below(3_000));
            while hall
                .desk
                .poll_timeout()
                .is_some_and(|wakeup| wakeup.at <= hall.now)
            {
                hall.tick();
            }
            let operator: OperatorName = NAMES[usize::try_from(rng.below(4)).unwrap()].into();
            let ticket = TicketId(rng.below(12));
            let reasons = [
                MissReason::Declined,
                MissReason::Busy,
                MissReason::Withdrawn,
            ];
            let reason = reasons[usize::try_from(rng.below(3)).unwrap()];
            let floor = floor_of(strategy, seed % 3 == 0);
            match rng.below(18) {
                14 => hall.tell(AcdInput::Assign { ticket, operator }),
                15 => hall.tell(AcdInput::Prioritise {
                    ticket,
                    priority: i32::try_from(rng.below(3)).unwrap(),
                }),
                16 if rng.chance(100) => hall.tell(AcdInput::Floor(Box::new(floor))),
                17 => hall.tell(AcdInput::Engage {
                    operator,
                    ticket: TicketId(50 + ticket.0),
                    call: CallId(Ulid::new(Wall::default(), &mut rng)),
                }),
                16 => hall.released(operator.as_str(), 50 + ticket.0),
                0..3 => hall.join(ticket.0, &["odesa", "gone", "all"], 0),
                3 => hall.abandons(ticket.0),
                4 => hall.tell(AcdInput::Ringing { operator, ticket }),
                5 | 6 => hall.tell(AcdInput::Answered {
                    operator,
                    ticket,
                    keep_others: rng.chance(300),
                }),
                7 => hall.tell(AcdInput::Missed {
                    operator,
                    ticket,
                    reason,
                }),
                8 => hall.tell(AcdInput::Bridged { operator, ticket }),
                9 => hall.tell(AcdInput::Released { operator, ticket }),
                10 | 11 => hall.tell(AcdInput::PhoneUp { operator }),
                12 => hall.tell(AcdInput::PhoneDown { operator }),
                _ => {
                    let state = match rng.below(4) {
                        0 => Wanted::Paused("tea".to_owned()),
                        1 => Wanted::LoggedOut,
                        _ => Wanted::Available,
                    };
                    hall.tell(AcdInput::SetState { operator, state });
                }
            }
        }
        for name in NAMES {
            for ticket in (0..12).chain(50..62) {
                hall.released(name, ticket);
            }
        }
        while hall.desk.tickets().any(|(_, _, queue)| queue.is_some()) {
            let talking = hall.desk.operators().find_map(|operator| {
                let talks = operator.state() == OperatorState::Talking;
                talks.then(|| (operator.name().clone(), operator.ticket().unwrap()))
            });
            if let Some((operator, ticket)) = talking {
                hall.tell(AcdInput::Released { operator, ticket });
            } else {
                assert!(hall.tick(), "a waiting caller has a timer");
            }
        }
    }
}
