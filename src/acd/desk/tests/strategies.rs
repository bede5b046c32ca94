//! Who is rung, by each strategy.

use super::*;

fn hall(strategy: Strategy, names: &[(&str, u8)]) -> Hall {
    let mut q = rules(names, strategy);
    q.wrap_up = Duration::ZERO;
    Hall::new(floor(&[("q", q)]))
}

impl Hall {
    /// One caller comes, is answered and talks so long; who took the call.
    fn serves(&mut self, ticket: u64, talk: Duration) -> String {
        self.join(ticket, &["q"], 0);
        let offers = self.offers();
        assert_eq!(offers.len(), 1, "one phone at a time");
        let name = offers[0].1.to_owned();
        self.answered(&name, ticket);
        self.bridged(&name, ticket);
        self.pass(talk);
        self.released(&name, ticket);
        name
    }
}

#[test]
fn round_robin_asks_whom_this_queue_asked_longest_ago() {
    let names = [("a", 1), ("b", 1), ("c", 1)];
    let q = rules(&names, Strategy::RoundRobin);
    let other = rules(&[("b", 1)], Strategy::RoundRobin);
    let mut hall = Hall::new(floor(&[("other", other), ("q", q)]));
    hall.up(&["c", "b", "a"]);
    let mut asked = Vec::new();
    for ticket in 1..=7 {
        hall.now = hall.now + ms(10);
        hall.join(ticket, &["q"], 0);
        let name = hall.offers()[0].1.to_owned();
        // A decline is a turn all the same.
        hall.now = hall.now + ms(10);
        hall.missed(&name, ticket, MissReason::Declined);
        asked.push(name);
        asked.push(hall.offers()[0].1.to_owned());
        hall.abandons(ticket);
        if ticket == 2 {
            hall.join(100, &["other"], 0);
            assert_eq!(hall.offers(), [(100, "b")], "asked by another queue");
            hall.abandons(100);
        }
    }
    let names = asked.concat();
    assert!("abcabcabcabcabc".starts_with(&names), "{names}");
}

#[test]
fn fewest_calls_counts_talks_since_the_login() {
    let mut hall = hall(Strategy::FewestCalls, &[("a", 1), ("b", 1)]);
    hall.up(&["b", "a"]);
    assert_eq!(hall.serves(1, ms(50)), "b", "the longer idle of equals");
    assert_eq!(hall.serves(2, ms(10)), "a");
    assert_eq!(hall.serves(3, ms(10)), "b");
    assert_eq!(hall.serves(4, ms(10)), "a");
    hall.join(5, &["q"], 0);
    hall.missed("b", 5, MissReason::Declined);
    assert_eq!(hall.offers(), [(5, "a")]);
    hall.abandons(5);
    assert_eq!(
        hall.serves(6, ms(10)),
        "b",
        "what was not talked is no talk"
    );
    hall.tell(AcdInput::PhoneDown {
        operator: "b".into(),
    });
    hall.up(&["b"]);
    assert_eq!(hall.serves(7, ms(10)), "b", "a login begins anew");
    assert_eq!(hall.serves(8, ms(10)), "b");
    assert_eq!(hall.serves(9, ms(10)), "a");
}

#[test]
fn least_talk_time_counts_minutes_since_the_login() {
    let mut hall = hall(Strategy::LeastTalkTime, &[("a", 1), ("b", 1)]);
    hall.up(&["a", "b"]);
    assert_eq!(hall.serves(1, ms(9_000)), "a");
    for ticket in 2..=4 {
        assert_eq!(hall.serves(ticket, ms(4_000)), "b");
    }
    assert_eq!(hall.serves(5, ms(5_000)), "a", "9 s are less than 12 s");
    assert_eq!(hall.serves(6, ms(1_000)), "b");
}

#[test]
fn linear_begins_at_the_top_each_time() {
    // The plan lists them in this order, which is not that of the names.
    let mut hall = hall(Strategy::Linear, &[("c", 1), ("a", 1), ("b", 2), ("d", 1)]);
    hall.up(&["a", "b", "d"]);
    assert_eq!(hall.serves(1, ms(10)), "a");
    assert_eq!(hall.serves(2, ms(10)), "a");
    hall.up(&["c"]);
    assert_eq!(hall.serves(3, ms(10)), "c");
    hall.join(4, &["q"], 0);
    hall.join(5, &["q"], 0);
    assert_eq!(hall.offers(), [(5, "a")]);
    hall.join(6, &["q"], 0);
    assert_eq!(hall.offers(), [(6, "d")], "levels come first");
}

#[test]
fn random_asks_everybody_about_as_often_and_the_better_level_first() {
    let mut hall = hall(Strategy::Random, &[("a", 1), ("b", 1), ("c", 1), ("d", 2)]);
    hall.up(&["a", "b", "c", "d"]);
    let mut taken = BTreeMap::new();
    for ticket in 0..600 {
        *taken.entry(hall.serves(ticket, ms(10))).or_insert(0) += 1;
    }
    assert_eq!(taken.len(), 3, "{taken:?}");
    assert!(
        taken.values().all(|times| (150..250).contains(times)),
        "{taken:?}"
    );
    hall.join(1_000, &["q"], 0);
    let first = hall.offers()[0].1.to_owned();
    hall.missed(&first, 1_000, MissReason::Declined);
    let second = hall.offers()[0].1.to_owned();
    hall.missed(&second, 1_000, MissReason::Declined);
    let third = hall.offers()[0].1.to_owned();
    hall.missed(&third, 1_000, MissReason::Declined);
    assert_eq!(
        hall.offers(),
        [(1_000, "d")],
        "whoever declined is not drawn again"
    );
}

#[test]
fn progressive_rings_one_phone_more_every_step() {
    let names = [("a", 1), ("b", 1), ("c", 1), ("d", 1)];
    let mut q = rules(&names, Strategy::Progressive);
    q.step = ms(5_000);
    let mut hall = Hall::new(floor(&[("q", q)]));
    hall.up(&["a", "b"]);
    hall.join(1, &["q"], 0);
    assert_eq!(hall.offers(), [(1, "a")], "the longest idle at once");
    hall.pass(ms(4_999));
    assert_eq!(hall.offers(), []);
    hall.pass(ms(1));
    assert_eq!(hall.offers(), [(1, "b")]);
    assert_eq!(hall.withdrawn(), [], "none is stopped by it");
    hall.pass(ms(6_000));
    assert_eq!(hall.offers(), [], "nobody is free");
    hall.up(&["c"]);
    hall.up(&["d"]);
    assert_eq!(
        hall.state("c"),
        OperatorState::Reserved,
        "the step was over"
    );
    assert_eq!(hall.state("d"), OperatorState::Available);
    hall.missed("b", 1, MissReason::Declined);
    assert_eq!(
        hall.offers(),
        [],
        "others ring: the next step is waited for"
    );
    hall.answered("c", 1);
    assert_eq!(hall.withdrawn(), [("a", MissReason::Withdrawn)]);
    hall.pass(ms(20_000));
    assert_eq!(hall.offers(), [], "somebody has answered");
}

#[test]
fn ring_all_takes_in_who_comes_later_and_a_worse_level_only_when_none_rings() {
    let mut hall = hall(Strategy::RingAll, &[("a", 2), ("b", 2), ("c", 1), ("d", 3)]);
    hall.up(&["a"]);
    hall.join(1, &["q"], 0);
    assert_eq!(hall.offers(), [(1, "a")]);
    hall.up(&["d"]);
    assert_eq!(
        hall.state("d"),
        OperatorState::Available,
        "a better one rings"
    );
    hall.up(&["b", "c"]);
    assert_eq!(hall.state("b"), OperatorState::Reserved);
    assert_eq!(hall.state("c"), OperatorState::Reserved);
    hall.missed("a", 1, MissReason::Busy);
    hall.missed("b", 1, MissReason::Busy);
    assert_eq!(hall.offers(), []);
    hall.missed("c", 1, MissReason::Busy);
    assert_eq!(hall.offers(), [(1, "d")]);
    hall.pass(ms(8_009));
    assert_eq!(
        hall.offers(),
        [(1, "c")],
        "whose rest is over, and who is best"
    );
}
