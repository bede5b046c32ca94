//! What a queue takes in and keeps, and how well it serves.

use super::*;
use crate::acd::message::Need;

fn hall(change: impl Fn(&mut QueueRules)) -> Hall {
    let mut q = rules(&[("a", 1), ("b", 1)], Strategy::LongestIdle);
    q.wrap_up = Duration::ZERO;
    change(&mut q);
    Hall::new(floor(&[("q", q)]))
}

const NOTHING: Need = Need {
    logged_in: 0,
    working: 0,
    available: 0,
    wait: None,
};

#[test]
fn a_queue_takes_nobody_in_for_whom_too_few_are_there() {
    let cases = [
        (
            Need {
                logged_in: 2,
                ..NOTHING
            },
            1,
            0,
        ),
        (
            Need {
                working: 2,
                ..NOTHING
            },
            2,
            1,
        ),
        (
            Need {
                available: 2,
                ..NOTHING
            },
            2,
            0,
        ),
    ];
    for (need, present, paused) in cases {
        let mut hall = hall(|q| q.join = need);
        hall.up(&["a", "b"][..present]);
        if paused > 0 {
            hall.pauses("b", "обід");
        }
        if need.available > 0 {
            hall.join(1, &["q"], 0);
            assert_eq!(hall.exhausted(), []);
        }
        hall.join(2, &["q"], 0);
        assert_eq!(hall.exhausted(), [(2, LeftReason::NoOperators)], "{need:?}");
    }
    let mut open = hall(|q| (q.join, q.leave) = (NOTHING, NOTHING));
    open.join(1, &["q"], 0);
    assert_eq!(open.exhausted(), [], "nothing is asked for");
    assert_eq!(open.desk.waiting(&"q".into()), 1);
}

#[test]
fn a_queue_lets_go_whom_it_cannot_keep_but_not_one_whose_phone_rings() {
    let mut hall = hall(|q| {
        q.leave = Need {
            working: 1,
            ..NOTHING
        }
    });
    hall.up(&["a", "b"]);
    for ticket in 1..=4 {
        hall.join(ticket, &["q"], 0);
    }
    hall.pauses("a", "обід");
    hall.pauses("b", "обід");
    assert_eq!(hall.lefts(), [], "both still ring");
    hall.missed("a", 1, MissReason::Declined);
    assert_eq!(hall.lefts(), []);
    hall.missed("b", 2, MissReason::Declined);
    let lefts = hall.lefts();
    assert_eq!(lefts.len(), 4, "nobody works any more: {lefts:?}");
}

#[test]
fn the_last_operator_who_leaves_takes_the_hope_along() {
    let mut hall = hall(|_| {});
    hall.up(&["a"]);
    hall.join(1, &["q"], 0);
    hall.answered("a", 1);
    hall.bridged("a", 1);
    hall.join(2, &["q"], 0);
    hall.tell(AcdInput::SetState {
        operator: "a".into(),
        state: Wanted::LoggedOut,
    });
    assert_eq!(hall.lefts(), [], "a talk goes on");
    hall.released("a", 1);
    assert_eq!(hall.state("a"), OperatorState::LoggedOut);
    assert_eq!(hall.lefts(), [(2, "q", LeftReason::NoOperators)]);
}

#[test]
fn a_queue_has_the_size_that_the_plan_gives_it() {
    let mut hall = hall(|q| q.max_size = Some(2));
    hall.up(&["a"]);
    for ticket in 1..=3 {
        hall.join(ticket, &["q"], 0);
    }
    assert_eq!(hall.exhausted(), [(3, LeftReason::QueueFull)]);
}

#[test]
fn whoever_would_wait_too_long_is_sent_on() {
    let mut hall = hall(|q| {
        q.join = Need {
            wait: Some(ms(100_000)),
            ..Need::default()
        };
        q.max_wait = None;
    });
    hall.up(&["a"]);
    hall.join(1, &["q"], 0);
    let wait = |hall: &Hall, ticket| hall.desk.place(hall.now, TicketId(ticket)).unwrap().wait;
    assert_eq!(wait(&hall, 1), None, "nothing is known yet");
    hall.answered("a", 1);
    hall.bridged("a", 1);
    hall.pass(ms(40_000));
    hall.released("a", 1);
    hall.join(2, &["q"], 0);
    hall.join(3, &["q"], 0);
    assert_eq!(wait(&hall, 3), Some(ms(80_000)), "twice 40 s");
    hall.join(4, &["q"], 0);
    assert_eq!(hall.exhausted(), [(4, LeftReason::EstimatedWait)]);
    hall.up(&["b"]);
    hall.join(5, &["q"], 0);
    assert_eq!(hall.exhausted(), [], "two work now");
    let said = hall.said.iter().find_map(|effect| match effect {
        AcdEffect::Joined { wait, position, .. } => Some((*position, *wait)),
        _ => None,
    });
    assert_eq!(said, Some((3, Some(ms(60_000)))));
}

#[test]
fn a_queue_that_grew_too_slow_lets_the_last_ones_go() {
    let mut hall = hall(|q| {
        q.leave = Need {
            wait: Some(ms(100_000)),
            ..Need::default()
        };
        q.max_wait = None;
    });
    hall.up(&["a", "b"]);
    hall.join(1, &["q"], 0);
    hall.answered("a", 1);
    hall.bridged("a", 1);
    hall.pass(ms(80_000));
    hall.released("a", 1);
    for ticket in 2..=4 {
        hall.join(ticket, &["q"], 0);
    }
    assert_eq!(
        hall.lefts(),
        [(4, "q", LeftReason::EstimatedWait)],
        "3 · 80 s / 2"
    );
    hall.tell(AcdInput::PhoneDown {
        operator: "a".into(),
    });
    assert_eq!(
        hall.lefts(),
        [(3, "q", LeftReason::EstimatedWait)],
        "2 · 80 s / 1"
    );
}

#[test]
fn the_service_level_is_counted_by_both_formulas() {
    let mut hall = hall(|q| q.service_level = Some(ms(10_000)));
    hall.up(&["a", "b"]);
    let breaches = |hall: &Hall| {
        let breaches = hall.said.iter().filter_map(|effect| match effect {
            AcdEffect::Breached { ticket, .. } => Some(ticket.0),
            _ => None,
        });
        breaches.collect::<Vec<_>>()
    };
    hall.join(1, &["q"], 0);
    hall.answered("a", 1);
    hall.bridged("a", 1);
    hall.join(2, &["q"], 0);
    hall.answered("b", 2);
    hall.pass(ms(10_001));
    assert_eq!(breaches(&hall), [2], "the whisper counts");
    hall.bridged("b", 2);
    hall.join(3, &["q"], 0);
    hall.join(4, &["q"], 0);
    hall.pass(ms(10_001));
    assert_eq!(breaches(&hall), [3, 4]);
    hall.abandons(3);
    hall.join(5, &["q"], 0);
    hall.abandons(5);
    let standing = hall.desk.standing(hall.now, &"q".into()).unwrap();
    assert_eq!((standing.answered, standing.answered_in_time), (2, 1));
    assert_eq!((standing.abandoned, standing.abandoned_in_time), (2, 1));
    assert_eq!(standing.of_answered(), Some(0.5));
    assert_eq!(standing.of_all(), Some(0.5));
    assert_eq!((standing.waiting, standing.longest_wait), (1, ms(10_001)));
    hall.pass(ms(60_000));
    assert!(breaches(&hall).is_empty(), "told once");
}
