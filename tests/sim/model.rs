//! The distributor against a reference that was written from its rules alone: 200 days of 1,000 calls.
//! `just sim-full` walks 10,000.

use std::collections::BTreeMap;

use strowger_floor::walk::Walk;

/// The calls of a day.
const CALLS: u64 = 1_000;

/// How many days each of the four parts walks.
fn days() -> u64 {
    let asked = std::env::var("STROWGER_SEEDS").ok();
    asked.and_then(|it| it.parse::<u64>().ok()).unwrap_or(200) / 4
}

#[expect(clippy::print_stdout, reason = "a long run shows its progress")]
fn agree(part: u64) {
    let mut tally = BTreeMap::<String, u64>::new();
    let days = days();
    for day in 0..days {
        let mut walk = Walk::new(4 * day + part, CALLS);
        walk.run();
        for (word, times) in walk.tally {
            *tally.entry(word).or_default() += times;
        }
        if day % 100 == 99 {
            println!("part {part}: {} of {days} days agree", day + 1);
        }
    }
    // A walk on which a word is never said proves nothing about it.
    for word in [
        "breached",
        "joined",
        "left Abandoned",
        "left Answered",
        "left ExitKey",
        "left Moved",
        "left NoOperators",
        "left QueueFull",
        "left Timeout",
        "offer",
        "withdraw Busy",
        "withdraw Failed",
        "withdraw NoAnswer",
        "withdraw Withdrawn",
    ] {
        let times = tally.get(word).copied().unwrap_or(0);
        assert!(
            times >= days,
            "{word} was said {times} times in {days} days"
        );
    }
}

#[test]
fn the_desk_and_its_reference_agree_first_part() {
    agree(0);
}

#[test]
fn the_desk_and_its_reference_agree_second_part() {
    agree(1);
}

#[test]
fn the_desk_and_its_reference_agree_third_part() {
    agree(2);
}

#[test]
fn the_desk_and_its_reference_agree_fourth_part() {
    agree(3);
}
