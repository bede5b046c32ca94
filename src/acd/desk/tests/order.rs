//! Whose turn it is: weight, priority, places, and who may be rung for whom.

use super::*;
use crate::acd::message::Prefer;
use crate::acd::message::Widen;

fn two_queues(change: impl Fn(&mut QueueRules, &mut QueueRules)) -> Hall {
    let names = [("a", 1), ("b", 2), ("c", 3)];
    let (mut x, mut y) = (
        rules(&names, Strategy::LongestIdle),
        rules(&names, Strategy::LongestIdle),
    );
    change(&mut x, &mut y);
    Hall::new(floor(&[("x", x), ("y", y)]))
}

impl Hall {
    /// The only operator takes a call, so that whoever comes has to wait.
    fn busy(&mut self, name: &str) {
        self.up(&[name]);
        self.join(900, &["x"], 0);
        self.answered(name, 900);
        self.bridged(name, 900);
    }

    fn join_as(&mut self, ticket: u64, caller: &str, prefer: Option<Prefer>) {
        self.now = self.now + ms(1);
        let way = Way {
            call: CallId(Ulid::new(at(self.now).wall, &mut self.calls)),
            queues: [QueueName::from("x")].into(),
            entered: self.now,
            priority: 0,
        };
        let AcdInput::Join {
            ticket,
            call,
            queue,
            entered,
            priority,
            ..
        } = way.join(TicketId(ticket))
        else {
            unreachable!()
        };
        self.ways.insert(ticket, way);
        self.tell(AcdInput::Join {
            ticket,
            call,
            queue,
            entered,
            priority,
            caller: Some(caller.into()),
            prefer,
        });
    }

    fn position(&self, ticket: u64) -> u32 {
        self.desk
            .place(self.now, TicketId(ticket))
            .unwrap()
            .position
    }

    fn prefers(&self, name: &str, wait: u64) -> Option<Prefer> {
        let until = self.now + ms(wait);
        Some(Prefer {
            operator: name.into(),
            until,
            alone: false,
        })
    }

    fn assign(&mut self, ticket: u64, name: &str) {
        self.tell(AcdInput::Assign {
            ticket: TicketId(ticket),
            operator: name.into(),
        });
    }
}

#[test]
fn the_weight_of_a_queue_is_added_to_the_priority() {
    let mut hall = two_queues(|_, y| y.weight = 3);
    hall.busy("a");
    for (ticket, queue, priority) in [(1, "x", 2), (2, "y", 0), (3, "x", 4), (4, "y", 1)] {
        hall.now = hall.now + ms(10);
        hall.join(ticket, &[queue], priority);
    }
    hall.tell(AcdInput::SetState {
        operator: "a".into(),
        state: Wanted::Paused("x".into()),
    });
    hall.released("a", 900);
    for next in [3, 4, 2, 1] {
        hall.tell(AcdInput::SetState {
            operator: "a".into(),
            state: Wanted::Available,
        });
        let held = hall.desk.operator(&"a".into()).unwrap().ticket();
        assert_eq!(held, Some(TicketId(next)));
        hall.abandons(next);
    }
}

#[test]
fn a_caller_whose_priority_rises_goes_before_the_others_and_nobody_else_moves() {
    let mut hall = two_queues(|_, _| {});
    hall.busy("a");
    for ticket in 1..=4 {
        hall.now = hall.now + ms(10);
        hall.join(ticket, &["x"], 0);
    }
    let places = |hall: &Hall| [1, 2, 3, 4].map(|ticket| hall.position(ticket));
    assert_eq!(places(&hall), [1, 2, 3, 4]);
    hall.tell(AcdInput::Prioritise {
        ticket: TicketId(3),
        priority: 1,
    });
    assert_eq!(places(&hall), [2, 3, 1, 4]);
    hall.tell(AcdInput::Prioritise {
        ticket: TicketId(3),
        priority: -1,
    });
    assert_eq!(places(&hall), [1, 2, 4, 3]);
    hall.released("a", 900);
    hall.pass(ms(15_011));
    assert_eq!(hall.offers(), [(1, "a")]);
}

#[test]
fn levels_open_while_a_caller_waits_and_the_place_is_kept() {
    let steps = [(10_000, 2), (20_000, 3)];
    let mut hall = two_queues(|x, _| {
        x.widen = steps
            .map(|(after, level)| Widen {
                after: ms(after),
                level,
            })
            .to_vec();
    });
    hall.up(&["b", "c"]);
    hall.join(1, &["x"], 0);
    hall.now = hall.now + ms(1_000);
    hall.join(2, &["x"], 0);
    assert_eq!(hall.offers(), [], "nobody of level 1 is there");
    hall.pass(ms(8_999));
    assert_eq!(hall.offers(), []);
    hall.pass(ms(1));
    assert_eq!(hall.offers(), [(1, "b")]);
    hall.up(&["a"]);
    assert_eq!(
        hall.state("a"),
        OperatorState::Reserved,
        "level 1 is always asked"
    );
    assert_eq!(
        hall.desk.operator(&"a".into()).unwrap().ticket(),
        Some(TicketId(2))
    );
    hall.missed("b", 1, MissReason::Declined);
    assert_eq!(hall.offers(), []);
    assert_eq!(hall.position(1), 1);
    hall.pass(ms(9_999));
    assert_eq!(hall.offers(), [(1, "c")], "the third level is open");
}

#[test]
fn a_caller_rests_after_a_miss() {
    let mut hall = two_queues(|x, _| x.retry = ms(3_000));
    hall.up(&["a", "b"]);
    hall.join(1, &["x"], 0);
    hall.missed("a", 1, MissReason::Declined);
    assert_eq!(hall.offers(), []);
    hall.now = hall.now + ms(1);
    hall.join(2, &["x"], 0);
    assert_eq!(hall.offers(), [(2, "a")], "others do not rest");
    hall.pass(ms(2_999));
    assert_eq!(hall.offers(), [(1, "b")]);
}

#[test]
fn a_caller_is_kept_for_the_operator_of_the_last_time_and_not_for_ever() {
    let mut hall = two_queues(|_, _| {});
    hall.busy("b");
    hall.up(&["a"]);
    let prefer = hall.prefers("b", 20_000);
    hall.join_as(1, "+380", prefer.clone());
    assert_eq!(hall.offers(), [], "a is free, and not wanted");
    hall.join_as(2, "+381", None);
    assert_eq!(hall.offers(), [(2, "a")]);
    hall.abandons(2);
    hall.tell(AcdInput::SetState {
        operator: "b".into(),
        state: Wanted::Available,
    });
    hall.released("b", 900);
    hall.tell(AcdInput::SetState {
        operator: "b".into(),
        state: Wanted::Available,
    });
    assert_eq!(hall.offers(), [(1, "b")], "although a is of a better level");
    hall.missed("b", 1, MissReason::Declined);
    assert_eq!(hall.offers(), [], "still kept");
    hall.pass(ms(10_007));
    assert_eq!(hall.offers(), [(1, "b")]);
    hall.missed("b", 1, MissReason::Declined);
    hall.pass(ms(10_000));
    assert_eq!(hall.offers(), [(1, "a")], "the time is over");
}

#[test]
fn one_who_is_for_one_operator_alone_is_offered_to_nobody_else() {
    let mut hall = two_queues(|x, _| {
        x.operators.remove(&OperatorName::from("c"));
    });
    hall.up(&["a", "b", "c"]);
    let mut only = hall.prefers("c", 0);
    if let Some(only) = &mut only {
        only.alone = true;
    }
    hall.join_as(1, "+380", only);
    assert_eq!(hall.offers(), [(1, "c")], "who does not serve this queue");
    hall.missed("c", 1, MissReason::Declined);
    assert_eq!(hall.offers(), []);
    hall.pass(ms(600_000));
    let offers = hall.offers();
    assert!(!offers.is_empty());
    let to_c = offers.iter().all(|offer| *offer == (1, "c"));
    assert!(to_c, "a and b were free all the while: {offers:?}");
}

#[test]
fn whoever_pauses_or_goes_home_keeps_no_caller() {
    let paused = AcdInput::SetState {
        operator: "b".into(),
        state: Wanted::Paused("tea".into()),
    };
    let gone = AcdInput::PhoneDown {
        operator: "b".into(),
    };
    for leaves in [paused, gone] {
        let mut hall = two_queues(|x, _| x.wrap_up = ms(0));
        hall.busy("b");
        hall.up(&["a"]);
        let kept = hall.prefers("b", 100_000);
        hall.join_as(1, "1", kept);
        assert_eq!(hall.state("a"), OperatorState::Available, "1 is kept for b");
        hall.tell(leaves.clone());
        assert_eq!(hall.offers(), [], "b talks on");
        hall.released("b", 900);
        assert_eq!(hall.offers(), [(1, "a")], "{leaves:?}");
        hall.abandons(1);
        let kept = hall.prefers("b", 100_000);
        hall.join_as(2, "2", kept);
        assert_eq!(hall.offers(), [(2, "a")], "nor does one who is away");
    }
}

#[test]
fn an_assigned_caller_goes_to_that_operator_whatever_the_rules_say() {
    let names = [("a", 1), ("b", 2)];
    let mut x = rules(&names, Strategy::LongestIdle);
    x.widen = vec![Widen {
        after: ms(60_000),
        level: 2,
    }];
    let y = rules(&[("outsider", 1)], Strategy::LongestIdle);
    let mut hall = Hall::new(floor(&[("x", x), ("y", y)]));
    hall.up(&["b", "outsider"]);
    hall.join(1, &["x"], 0);
    hall.assign(1, "b");
    assert_eq!(hall.offers(), [(1, "b")], "level 2 is not open yet");
    hall.missed("b", 1, MissReason::Declined);
    assert_eq!(hall.offers(), []);
    hall.assign(1, "b");
    assert_eq!(hall.offers(), [(1, "b")], "who declined is asked again");
    hall.missed("b", 1, MissReason::Declined);
    hall.assign(1, "outsider");
    assert_eq!(hall.offers(), [(1, "outsider")], "serves another queue");
    hall.answered("outsider", 1);
    hall.bridged("outsider", 1);
    hall.now = hall.now + ms(1);
    hall.join(2, &["x"], 0);
    hall.assign(2, "outsider");
    hall.up(&["a"]);
    assert_eq!(
        hall.state("a"),
        OperatorState::Available,
        "the assigned one is next"
    );
    hall.tell(AcdInput::PhoneDown {
        operator: "outsider".into(),
    });
    assert_eq!(hall.state("a"), OperatorState::Available, "talks on");
    hall.released("outsider", 1);
    assert_eq!(
        hall.offers(),
        [(2, "a")],
        "whoever went home is waited for no more"
    );
    hall.assign(99, "a");
    hall.assign(2, "nobody");
    assert_eq!(hall.offers(), []);
}

/// A caller is picked whose phone rings elsewhere; the one who shall have them takes somebody else.
#[test]
fn nobody_waits_for_an_assigned_operator_who_talks_with_somebody_else() {
    let x = rules(&[("a", 1), ("b", 1)], Strategy::Linear);
    let y = rules(&[("boss", 1)], Strategy::LongestIdle);
    let mut hall = Hall::new(floor(&[("x", x), ("y", y)]));
    hall.up(&["a", "boss"]);
    for second in [false, true] {
        hall.join(1, &["x"], 0);
        assert_eq!(hall.offers(), [(1, "a")]);
        hall.assign(1, "boss");
        if second {
            hall.tell(AcdInput::Engage {
                operator: "boss".into(),
                ticket: TicketId(900),
                call: CallId("00000000000000000000000000".parse().unwrap()),
            });
        } else {
            hall.now = hall.now + ms(1);
            hall.join(2, &["x"], 0);
            hall.assign(2, "boss");
            assert_eq!(hall.offers(), [(2, "boss")]);
            hall.answered("boss", 2);
            hall.bridged("boss", 2);
        }
        hall.missed("a", 1, MissReason::Declined);
        assert_eq!(hall.offers(), []);
        hall.up(&["b"]);
        assert_eq!(hall.offers(), [(1, "b")], "{second}");
        hall.answered("b", 1);
        hall.bridged("b", 1);
        hall.released("b", 1);
        hall.tell(AcdInput::PhoneDown {
            operator: "b".into(),
        });
        hall.released("boss", 2);
    }
}

#[test]
fn who_gave_up_and_comes_back_soon_has_the_place_of_before() {
    let mut hall = two_queues(|x, _| x.resume_within = Some(ms(60_000)));
    hall.busy("a");
    hall.join_as(1, "+380671112233", None);
    hall.join_as(2, "+380672223344", None);
    hall.abandons(1);
    hall.pass(ms(59_000));
    hall.join_as(3, "+380673334455", None);
    hall.join_as(4, "+380671112233", None);
    assert_eq!([4, 2, 3].map(|ticket| hall.position(ticket)), [1, 2, 3]);
    hall.abandons(4);
    hall.pass(ms(60_002));
    hall.join_as(5, "+380671112233", None);
    assert_eq!(
        hall.position(5),
        2,
        "two are gone by max_wait; the memory too"
    );
}

#[test]
fn phones_that_lose_ring_on_until_the_key_is_pressed() {
    let mut x = rules(&[("a", 1), ("b", 1), ("c", 1)], Strategy::RingAll);
    x.wrap_up = Duration::ZERO;
    let mut hall = Hall::new(floor(&[("x", x)]));
    hall.up(&["a", "b", "c"]);
    let answers = |hall: &mut Hall, name: &str, ticket| {
        hall.tell(AcdInput::Answered {
            operator: name.into(),
            ticket: TicketId(ticket),
            keep_others: true,
        });
    };
    hall.join(1, &["x"], 0);
    answers(&mut hall, "b", 1);
    assert_eq!(hall.withdrawn(), []);
    answers(&mut hall, "c", 1);
    assert_eq!(
        hall.withdrawn(),
        [("c", MissReason::Withdrawn)],
        "one whisper at a time"
    );
    hall.missed("b", 1, MissReason::NoAnswer);
    assert_eq!(hall.state("a"), OperatorState::Reserved, "rings on");
    assert_eq!(hall.offers(), [(1, "c")]);
    answers(&mut hall, "a", 1);
    hall.bridged("a", 1);
    assert_eq!(hall.withdrawn(), [("c", MissReason::Withdrawn)]);
    assert_eq!(hall.lefts(), [(1, "x", LeftReason::Answered)]);
    hall.released("a", 1);
    hall.join(2, &["x"], 0);
    answers(&mut hall, "a", 2);
    hall.abandons(2);
    assert_eq!(hall.withdrawn().len(), 2, "the caller left in the whisper");
}

#[test]
fn a_phone_rings_no_longer_than_the_caller_may_wait() {
    let mut hall = two_queues(|x, _| x.max_wait = Some(ms(30_000)));
    hall.up(&["a", "b"]);
    hall.join(1, &["x"], 0);
    hall.pass(ms(20_003));
    let rings = hall.said.iter().filter_map(|effect| match effect {
        AcdEffect::Offer { ring, .. } => Some(*ring),
        _ => None,
    });
    assert_eq!(rings.collect::<Vec<_>>(), [ms(9_997)]);
    hall.pass(ms(9_997));
    assert_eq!(hall.withdrawn(), [("b", MissReason::Withdrawn)]);
    assert_eq!(hall.lefts(), [(1, "x", LeftReason::Timeout)]);
}
