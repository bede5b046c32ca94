//! Operators: wishes, pauses that come by themselves, paperwork, and what outlives the process.

use super::*;
use crate::acd::message::Wish;

fn hall(change: impl Fn(&mut Floor)) -> Hall {
    let q = rules(&[("a", 1), ("b", 1)], Strategy::LongestIdle);
    let mut floor = floor(&[("q", q)]);
    change(&mut floor);
    Hall::new(floor)
}

impl Hall {
    fn wants(&mut self, name: &str, state: Wanted) {
        let operator = name.into();
        self.tell(AcdInput::SetState { operator, state });
    }

    fn down(&mut self, name: &str) {
        self.tell(AcdInput::PhoneDown {
            operator: name.into(),
        });
    }

    fn reason(&self, name: &str) -> &str {
        self.desk.operator(&name.into()).unwrap().reason()
    }

    fn talks(&mut self, ticket: u64, name: &str) {
        self.join(ticket, &["q"], 0);
        self.answered(name, ticket);
        self.bridged(name, ticket);
        assert_eq!(self.state(name), OperatorState::Talking);
    }

    fn call_of(&self, name: &str) -> CallId {
        self.desk.operator(&name.into()).unwrap().call().unwrap()
    }

    fn described(&mut self, name: &str, call: CallId) {
        let operator = name.into();
        self.tell(AcdInput::Described { operator, call });
    }

    /// From, to and reason of each change, and whether a call had to do with it.
    fn changes(&self) -> Vec<(OperatorState, OperatorState, &str, bool)> {
        let changes = self.said.iter().filter_map(|effect| match effect {
            AcdEffect::State {
                from,
                to,
                reason,
                call,
                ..
            } => Some((*from, *to, reason.as_str(), call.is_some())),
            _ => None,
        });
        changes.collect()
    }

    fn wishes(&self) -> Vec<Wish> {
        let wishes = self.said.iter().filter_map(|effect| match effect {
            AcdEffect::Wished { wish, .. } => Some(wish.clone()),
            _ => None,
        });
        wishes.collect()
    }
}

#[test]
fn an_explicit_logout_lasts_over_registrations_and_restarts() {
    let mut first = hall(|_| {});
    first.up(&["a"]);
    first.wants("a", Wanted::LoggedOut);
    assert_eq!(first.state("a"), OperatorState::LoggedOut);
    let wishes = first.wishes();
    assert!(wishes[0].logged_out);
    first.down("a");
    first.up(&["a"]);
    assert_eq!(first.state("a"), OperatorState::LoggedOut);
    let mut next = hall(|_| {});
    next.desk.restore([("a".into(), wishes[0].clone())]);
    next.up(&["a", "b"]);
    assert_eq!(next.state("a"), OperatorState::LoggedOut);
    assert_eq!(next.state("b"), OperatorState::Available);
    next.wants("a", Wanted::Available);
    assert_eq!(next.state("a"), OperatorState::Available);
    assert_eq!(next.reason("a"), "logged_in");
    assert_eq!(next.wishes(), [Wish::default()]);
    next.wants("a", Wanted::Available);
    assert!(next.said.is_empty(), "nothing changed");
}

#[test]
fn whoever_logs_in_without_a_phone_is_there_when_the_phone_is() {
    let mut hall = hall(|_| {});
    hall.wants("a", Wanted::Paused("обід".into()));
    assert_eq!(hall.state("a"), OperatorState::LoggedOut);
    hall.up(&["a"]);
    assert_eq!(
        (hall.state("a"), hall.reason("a")),
        (OperatorState::Paused, "обід")
    );
    hall.wants("a", Wanted::Paused("tea".into()));
    assert_eq!(hall.reason("a"), "tea", "a new reason is a change");
    hall.wants("a", Wanted::Available);
    assert_eq!(hall.state("a"), OperatorState::Available);
}

#[test]
fn a_wish_in_a_talk_is_kept_over_a_restart_and_done_after_the_talk() {
    let mut hall = hall(|_| {});
    hall.up(&["a"]);
    hall.talks(1, "a");
    hall.wants("a", Wanted::Paused("обід".into()));
    assert_eq!(hall.wishes()[0].pause.as_deref(), Some("обід"));
    assert_eq!(hall.state("a"), OperatorState::Talking);
    hall.released("a", 1);
    assert_eq!(
        hall.changes(),
        [(OperatorState::Talking, OperatorState::Paused, "обід", true)]
    );
}

#[test]
fn too_many_phones_rung_in_vain_are_a_pause() {
    let mut hall = hall(|floor| {
        let a = floor.operators.get_mut(&"a".into()).unwrap();
        a.max_no_answer = Some(2);
    });
    hall.up(&["a"]);
    hall.join(1, &["q"], 0);
    hall.pass(ms(20_003));
    assert_eq!(hall.state("a"), OperatorState::Available, "once is nothing");
    hall.pass(ms(5_051));
    hall.missed("a", 1, MissReason::Declined);
    hall.pass(ms(10_007));
    hall.pass(ms(20_003));
    assert_eq!(
        hall.state("a"),
        OperatorState::Available,
        "a decline is a sign of life"
    );
    hall.pass(ms(5_051));
    hall.pass(ms(20_003));
    assert_eq!(
        (hall.state("a"), hall.reason("a")),
        (OperatorState::Paused, "no_answer")
    );
    assert_eq!(hall.wishes()[0].pause.as_deref(), Some("no_answer"));
    hall.wants("a", Wanted::Available);
    hall.pass(ms(5_051));
    assert_eq!(hall.state("a"), OperatorState::Reserved, "and counts anew");
    hall.pass(ms(20_003));
    assert_eq!(hall.state("a"), OperatorState::Available);
}

#[test]
fn paperwork_is_the_operators_own_or_the_queues_and_extended_by_none() {
    let mut hall = hall(|floor| {
        let a = floor.operators.get_mut(&"a".into()).unwrap();
        a.wrap_up = Some(ms(40_000));
    });
    hall.up(&["a", "b"]);
    hall.talks(1, "a");
    hall.talks(2, "b");
    hall.released("a", 1);
    hall.released("b", 2);
    hall.wants("a", Wanted::LoggedOut);
    assert_eq!(hall.state("a"), OperatorState::LoggedOut, "a wish ends it");
    hall.wants("a", Wanted::Available);
    hall.talks(3, "a");
    hall.released("a", 3);
    hall.pass(ms(15_010));
    assert_eq!(hall.state("b"), OperatorState::WrapUp);
    hall.described("b", CallId("00000000000000000000000000".parse().unwrap()));
    hall.pass(ms(1));
    assert_eq!(hall.state("b"), OperatorState::Available);
    assert_eq!(
        hall.changes(),
        [(
            OperatorState::WrapUp,
            OperatorState::Available,
            "wrap_up_over",
            true
        )]
    );
    hall.pass(ms(24_988));
    assert_eq!(hall.state("a"), OperatorState::WrapUp);
    hall.wants("a", Wanted::Available);
    assert_eq!(hall.state("a"), OperatorState::Available, "ended early");
    assert!(hall.desk.poll_timeout().is_none(), "and its timer with it");
}

#[test]
fn whoever_owes_a_disposition_is_paused_until_it_is_said() {
    let owing = |floor: &mut Floor| {
        floor.queues.get_mut(&"q".into()).unwrap().disposition = true;
    };
    let mut hall = hall(owing);
    hall.up(&["a"]);
    hall.talks(1, "a");
    let call = hall.call_of("a");
    hall.released("a", 1);
    assert_eq!(hall.state("a"), OperatorState::WrapUp);
    let owes = hall.wishes()[0].clone();
    assert_eq!(owes.owes, Some(call));
    hall.wants("a", Wanted::Available);
    assert_eq!(
        (hall.state("a"), hall.reason("a")),
        (OperatorState::Paused, "disposition")
    );
    hall.wants("a", Wanted::Available);
    assert_eq!(
        hall.state("a"),
        OperatorState::Paused,
        "mandatory is mandatory"
    );
    hall.described("a", CallId("00000000000000000000000000".parse().unwrap()));
    assert_eq!(
        hall.state("a"),
        OperatorState::Paused,
        "that was another talk"
    );
    hall.described("a", call);
    assert_eq!(
        (hall.state("a"), hall.reason("a")),
        (OperatorState::Available, "described")
    );
    assert_eq!(hall.wishes(), [Wish::default()]);
    hall.talks(2, "a");
    let call = hall.call_of("a");
    hall.described("a", call);
    hall.released("a", 2);
    hall.pass(ms(15_011));
    assert_eq!(
        hall.state("a"),
        OperatorState::Available,
        "said during the talk"
    );
    hall.talks(3, "a");
    hall.released("a", 3);
    hall.pass(ms(15_011));
    assert_eq!(hall.reason("a"), "disposition");
    hall.down("a");
    hall.up(&["a"]);
    assert_eq!(hall.reason("a"), "disposition");
    let mut next = self::hall(owing);
    next.desk.restore([("a".into(), owes.clone())]);
    next.up(&["a"]);
    assert_eq!(
        (next.state("a"), next.reason("a")),
        (OperatorState::Paused, "disposition")
    );
    next.described("a", owes.owes.unwrap());
    assert_eq!(next.state("a"), OperatorState::Available);
}

#[test]
fn a_call_outside_any_queue_is_told_at_both_ends() {
    let mut hall = hall(|_| {});
    hall.up(&["a"]);
    let call = CallId(Ulid::new(Wall::default(), &mut hall.calls));
    let (operator, ticket) = (OperatorName::from("a"), TicketId(50));
    hall.tell(AcdInput::Engage {
        operator: operator.clone(),
        ticket,
        call,
    });
    hall.join(1, &["q"], 0);
    assert_eq!(hall.offers(), [], "any other call makes the operator busy");
    hall.tell(AcdInput::Released { operator, ticket });
    assert_eq!(
        hall.changes(),
        [
            (
                OperatorState::Talking,
                OperatorState::Available,
                "released",
                true
            ),
            (
                OperatorState::Available,
                OperatorState::Reserved,
                "assigned",
                true
            )
        ]
    );
    assert_eq!(
        hall.desk.operator(&"a".into()).unwrap().last_call(),
        Some(call)
    );
}

#[test]
fn a_restart_brings_nobody_back_in_a_call() {
    let mut before = hall(|_| {});
    before.up(&["a", "b"]);
    before.talks(1, "a");
    before.released("a", 1);
    before.join(2, &["q"], 0);
    assert_eq!(before.state("a"), OperatorState::WrapUp);
    assert_eq!(before.state("b"), OperatorState::Reserved);
    let mut after = hall(|_| {});
    let wishes = before
        .desk
        .operators()
        .map(|it| (it.name().clone(), it.wish()));
    after.desk.restore(wishes.collect::<Vec<_>>());
    after.up(&["a", "b"]);
    assert_eq!(after.state("a"), OperatorState::Available);
    assert_eq!(after.state("b"), OperatorState::Available);
}
