//! F3: `kill -9` at random points of set-up, queue, ring, answer and hang-up, again and again on the same
//! data. What a carrier was told more than 100 about has one outcome afterwards, and who was missed is
//! called back.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use strowger::rng::Rng;

use crate::crowd::{Caller, Crowd, Phone};
use crate::killed::{MANY, known_as, number, operator, plan};
use crate::report::{pass, size};
use crate::rig::{House, Rig, now};

const OPERATORS: usize = 3;
/// Calls before each kill.
const CALLS: usize = 6;
/// The kill falls within this time.
const WITHIN: u32 = 1500;

#[test]
fn a_kill_at_any_point_leaves_each_call_one_outcome_and_each_missed_one_its_callback() {
    let kills = size(20, 200);
    let house = House::next();
    // Short enough that every way to end comes up: two rings, then the caller is sent away.
    let queue = ", after: { no_answer: 1s }";
    let text = plan(&house, OPERATORS, queue)
        .replace("ring: 20s", "ring: 1s")
        .replace("max_wait: 60s", "max_wait: 1s");
    let mut rig = Rig::with(&house, &text, MANY, |_| Vec::new());
    let crowd = Crowd::of(&house);
    let mut rng = Rng::new([3; 32]);
    for at in 0..OPERATORS {
        crowd.register(&operator(at), Phone::Takes(Duration::ZERO));
    }
    let mut told = Vec::new();
    let mut untold = 0;
    for round in 0..kills {
        for at in 0..OPERATORS {
            let phone = match rng.next_u32() % 4 {
                0 | 1 => Phone::Takes(millis(&mut rng, 400)),
                2 => Phone::Declines,
                _ => Phone::Rings,
            };
            crowd.behave(&operator(at), phone);
        }
        let dead = now() + millis(&mut rng, WITHIN);
        let mut calls: Vec<_> = (0..CALLS)
            .map(|at| (now() + millis(&mut rng, WITHIN / 2), round * CALLS + at))
            .collect();
        calls.sort_unstable();
        for (due, call) in calls.into_iter().filter(|call| call.0 < dead) {
            until(due);
            let caller = match rng.next_u32() % 3 {
                0 => Caller::Stays,
                _ => Caller::Leaves(millis(&mut rng, WITHIN)),
            };
            crowd.dial(&number(call), "0800301231", caller);
        }
        until(dead);
        rig.kill();
        for leg in crowd.forget().into_iter().filter(|leg| leg.calls) {
            if leg.told() {
                told.push(leg.name);
            } else {
                untold += 1;
            }
        }
        rig.restart();
        if round % 10 == 9 {
            rig.keeps_its_promises();
        }
    }
    let sum = outcomes(&rig, &told);
    assert_eq!(rig.stop(), Some(0));
    rig.keeps_its_promises();
    pass(
        "F3",
        &format!(
            "{kills} kills, {} calls that were told more than 100 each with one outcome ({sum}), {untold} that were told nothing",
            told.len()
        ),
    );
}

fn millis(rng: &mut Rng, most: u32) -> Duration {
    Duration::from_millis(u64::from(rng.next_u32() % most))
}

fn until(moment: std::time::Instant) {
    crate::rig::wait("a moment", Duration::from_secs(60), || now() >= moment);
}

/// Every call of these numbers has one end, and every missed one what must follow; the counts.
fn outcomes(rig: &Rig, told: &[String]) -> String {
    let mut ends: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in rig.events("call.ended") {
        let from = event["data"]["from"].as_str().unwrap_or_default();
        ends.entry(from.to_owned())
            .or_default()
            .push(event["data"].clone());
    }
    let db = rig.database();
    let kept = |id: &str| -> i64 {
        let query = "SELECT count(*) FROM callbacks WHERE id = ?1";
        db.query_row(query, [id], |row| row.get(0)).unwrap()
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in told {
        let ends = ends.get(&known_as(name));
        let ends = ends.unwrap_or_else(|| panic!("{name} was rung and has no end"));
        assert_eq!(ends.len(), 1, "{name}: {ends:?}");
        let end = &ends[0];
        let outcome = end["outcome"].as_str().unwrap();
        if outcome == "missed" {
            let callback = end["callback"].as_str().map(kept);
            let excused = end["no_callback"].is_string();
            assert!(callback == Some(1) || excused, "{name}: {end}");
        }
        let cut = if end["interrupted"] == true {
            " interrupted"
        } else {
            ""
        };
        *counts.entry(format!("{outcome}{cut}")).or_default() += 1;
    }
    for event in rig.events("") {
        let id = event["subject"]
            .as_str()
            .filter(|_| event["type"] == "call.started");
        if let Some(id) = id {
            let query = "SELECT count(*) FROM events WHERE kind = 'call.ended' AND subject = ?1";
            let count: i64 = db.query_row(query, [id], |row| row.get(0)).unwrap();
            assert_eq!(count, 1, "{id} has one end");
        }
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    counts.join(", ")
}
