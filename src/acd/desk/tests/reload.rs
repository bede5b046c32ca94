//! A new plan under a running floor: whoever stays keeps state, place and levels.

use super::*;
use crate::acd::message::Widen;

fn plan(change: impl Fn(&mut QueueRules)) -> Floor {
    let mut x = rules(&[("a", 1), ("b", 2)], Strategy::LongestIdle);
    x.wrap_up = Duration::ZERO;
    change(&mut x);
    let y = rules(&[("a", 1)], Strategy::LongestIdle);
    floor(&[("x", x), ("y", y)])
}

impl Hall {
    fn reloads(&mut self, floor: Floor) {
        self.tell(AcdInput::Floor(Box::new(floor)));
    }

    fn breaches(&self) -> usize {
        let breach = |effect: &&AcdEffect| matches!(effect, AcdEffect::Breached { .. });
        self.said.iter().filter(breach).count()
    }
}

#[test]
fn places_and_levels_outlive_a_reload() {
    let narrow = |x: &mut QueueRules| {
        let (after, level) = (ms(10_000), 2);
        x.widen = vec![Widen { after, level }];
    };
    let mut hall = Hall::new(plan(narrow));
    hall.up(&["b"]);
    hall.join(1, &["x"], 0);
    hall.join(2, &["x"], 3);
    hall.pass(ms(6_000));
    hall.reloads(plan(narrow));
    assert_eq!(hall.offers(), []);
    let place = |hall: &Hall, ticket| {
        hall.desk
            .place(hall.now, TicketId(ticket))
            .unwrap()
            .position
    };
    assert_eq!((place(&hall, 2), place(&hall, 1)), (1, 2));
    hall.pass(ms(3_999));
    assert_eq!(hall.offers(), []);
    hall.pass(ms(1));
    assert_eq!(
        hall.offers(),
        [(2, "b")],
        "counted from the joining, not from the reload"
    );
    hall.reloads(plan(|_| {}));
    assert_eq!(hall.state("b"), OperatorState::Reserved, "rings on");
    hall.answered("b", 2);
    hall.reloads(plan(narrow));
    hall.bridged("b", 2);
    assert_eq!(hall.lefts(), [(2, "x", LeftReason::Answered)]);
}

#[test]
fn a_new_longest_wait_counts_from_the_joining() {
    let mut hall = Hall::new(plan(|x| x.max_wait = None));
    hall.up(&["a"]);
    hall.join(9, &["x"], 0);
    hall.join(1, &["x"], 0);
    hall.answered("a", 9);
    hall.pass(ms(50_000));
    hall.reloads(plan(|x| x.max_wait = Some(ms(60_000))));
    hall.pass(ms(9_999));
    assert_eq!(hall.lefts(), []);
    hall.pass(ms(1));
    assert_eq!(
        hall.lefts(),
        [(1, "x", LeftReason::Timeout)],
        "not out of a whisper"
    );
    hall.reloads(plan(|x| x.max_wait = Some(ms(600_000))));
    hall.missed("a", 9, MissReason::Declined);
    assert_eq!(hall.lefts(), [], "it may wait longer now");
    hall.reloads(plan(|x| x.max_wait = Some(ms(1_000))));
    assert!(hall.tick());
    assert_eq!(hall.lefts(), [(9, "x", LeftReason::Timeout)]);
}

#[test]
fn a_breach_is_told_once_whatever_is_reloaded() {
    let level = |x: &mut QueueRules| x.service_level = Some(ms(5_000));
    let mut hall = Hall::new(plan(level));
    hall.up(&["a"]);
    hall.tell(AcdInput::SetState {
        operator: "a".into(),
        state: Wanted::Paused("обід".into()),
    });
    hall.join(1, &["x"], 0);
    hall.pass(ms(5_000));
    assert_eq!(hall.breaches(), 1);
    hall.reloads(plan(level));
    hall.pass(ms(10_000));
    assert_eq!(hall.breaches(), 0);
}

#[test]
fn who_leaves_the_plan_leaves_the_floor_when_the_talk_is_over() {
    let mut hall = Hall::new(plan(|_| {}));
    hall.up(&["b", "a"]);
    hall.join(1, &["x"], 0);
    hall.join(2, &["x"], 0);
    hall.answered("a", 1);
    hall.bridged("a", 1);
    let nobody = rules(&[], Strategy::LongestIdle);
    hall.reloads(floor(&[("y", nobody)]));
    assert_eq!(hall.withdrawn(), [("b", MissReason::Withdrawn)]);
    assert_eq!(hall.lefts(), [(2, "x", LeftReason::NoOperators)]);
    assert!(hall.desk.operator(&"b".into()).is_none());
    assert_eq!(hall.state("a"), OperatorState::Talking);
    hall.released("a", 1);
    assert!(hall.desk.operator(&"a".into()).is_none());
    assert_eq!(hall.desk.ticket_count(), 0);
}

#[test]
fn round_robin_and_the_service_level_go_on_where_they_were() {
    let turns = |x: &mut QueueRules| {
        x.strategy = Strategy::RoundRobin;
        x.operators = (0..).zip(&[("a", 1), ("b", 1)]).map(member).collect();
    };
    let mut hall = Hall::new(plan(turns));
    hall.up(&["a", "b"]);
    hall.join(1, &["x"], 0);
    hall.answered("a", 1);
    hall.bridged("a", 1);
    hall.released("a", 1);
    hall.reloads(plan(turns));
    hall.join(2, &["x"], 0);
    assert_eq!(hall.offers(), [(2, "b")]);
    let standing = hall.desk.standing(hall.now, &"x".into()).unwrap();
    assert_eq!(standing.answered, 1);
}
