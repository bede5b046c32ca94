//! `kill -9` while calls are up and recorded (F1, F2), and what the server is like after it (F4).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use std::{fs, path::Path};

use serde_json::Value;

use crate::counter;
use crate::crowd::{Caller, Crowd, Leg, Phone, carrier_of};
use crate::report::{full, pass, size};
use crate::rig::{House, Rig, SOON};

/// A plan with a queue of so many operators.
pub fn plan(house: &House, operators: usize, queue: &str) -> String {
    let mut names = String::new();
    for at in 0..operators {
        let name = operator(at);
        writeln!(
            names,
            "  {name}: {{ name: Олена, password: secret-{name} }}"
        )
        .unwrap();
    }
    format!(
        "version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: {{ city: Одеса, from: з Одеси }}
trunks:
  carrier: {{ peers: [\"{carrier}\"], media: [127.0.0.0/8] }}
numbers:
  \"0800 301 231\": {{ site: odesa, to: queue.odesa }}
operators:
{names}queues:
  odesa: {{ operators: {{ all: true }}, ring: 20s, wrap_up: 0s, max_wait: 60s{queue} }}
whisper: {{ uk: \"дзвінок\" }}
recording: {{ keep: 90d }}
",
        carrier = carrier_of(house)
    )
}

/// The name of an operator.
pub fn operator(at: usize) -> String {
    format!("op-{at}")
}

/// A caller's number that nobody else has.
pub fn number(at: usize) -> String {
    format!("067{at:07}")
}

/// The same as events say it.
pub fn known_as(number: &str) -> String {
    format!("+38{number}")
}

/// Settings for many parties behind one address.
pub const MANY: &str = "limits: { strangers: { rate: 5000, burst: 20000 } }\n";

const NUMBER: &str = "0800301231";
const CALLS: usize = 100;
/// Every caller and every phone hears so many packets of the other one before the kill: two seconds.
const TALK: u16 = 100;
/// Packets of 20 ms in a second.
const SECOND: u16 = 50;
/// 20 ms at 8,000 Hz.
const ALIGNED: i64 = 160;

/// What the recordings of one run lost, and how they lie.
#[derive(Default)]
struct Figures {
    opened: usize,
    lost: u16,
    askew: i64,
}

#[test]
fn a_kill_loses_a_second_of_sound_at_most_and_ends_each_call_once() {
    let house = House::next();
    let mut rig = Rig::with(&house, &plan(&house, CALLS, ""), MANY, |_| Vec::new());
    let crowd = Crowd::of(&house);
    for at in 0..CALLS {
        crowd.register(&operator(at), Phone::Takes(Duration::ZERO));
    }
    for at in 0..CALLS {
        crowd.dial(&number(at), NUMBER, Caller::Stays);
        // As many at once as a carrier sends, so that none is refused for its pace.
        rig.wait("the call is answered", SOON, || crowd.talking() > at);
    }
    rig.wait("everybody hears the other side", SOON, || {
        let legs = crowd.legs();
        let talks = |leg: &&Leg| leg.talks() && leg.heard.is_some();
        legs.iter().filter(talks).count() == 2 * CALLS
    });
    let began = crowd.ticks();
    rig.wait("a talk of two seconds", SOON, || {
        crowd.ticks().wrapping_sub(began) > TALK
    });
    rig.kill();
    let legs = crowd.forget();
    let ready = rig.restart();
    rig.wait_for("recording.finished", CALLS);

    let figures = recordings(&rig, &legs);
    assert_eq!(figures.opened, CALLS);
    // A machine that has other work writes later; the promise is for one that has not.
    let most = size(2 * SECOND, SECOND);
    assert!(figures.lost <= most, "{} packets are lost", figures.lost);
    assert!(figures.askew <= ALIGNED, "{} samples askew", figures.askew);
    pass(
        "F1",
        &format!(
            "{CALLS} of {CALLS} recordings open strictly after kill -9, at most {:.2} s lost, channels within {:.1} ms",
            f64::from(figures.lost) / f64::from(SECOND),
            figures.askew as f64 / 8.0
        ),
    );
    let ended = ends(&rig);
    pass(
        "F2",
        &format!(
            "{ended} of {CALLS} calls have exactly one terminal event, interrupted, with a callback"
        ),
    );
    afterwards(&mut rig, &crowd, ready);
}

/// Opens every recording and compares it with what was heard at the far ends.
fn recordings(rig: &Rig, legs: &[Leg]) -> Figures {
    let names = |leg: &Leg| (leg.number, leg.clone());
    let sides: BTreeMap<_, _> = legs.iter().map(names).collect();
    let mut figures = Figures::default();
    for path in rig.recordings() {
        let [left, right] = open(&path);
        let (caller, operator) = (counter::find(&left), counter::find(&right));
        let whose = |found: &[(usize, u8, u16)]| found.last().map(|it| it.1);
        let (Some(caller_leg), Some(operator_leg)) = (whose(&caller), whose(&operator)) else {
            panic!("{} has no sound", path.display());
        };
        let of = |leg: u8| sides.get(&leg).unwrap_or_else(|| panic!("no leg {leg}"));
        assert!(
            of(caller_leg).calls && !of(operator_leg).calls,
            "the caller is left"
        );
        for (found, leg) in [(&caller, caller_leg), (&operator, operator_leg)] {
            assert!(found.iter().all(|it| it.1 == leg), "somebody else's sound");
            // What the far end heard of this leg was forwarded, and so was to be recorded.
            let heard = legs.iter().filter_map(|it| it.heard);
            let last_heard = heard.filter(|it| it.0 == leg).map(|it| it.1).max();
            let last_heard = last_heard.expect("it was heard before the kill");
            let last = found.last().unwrap().2;
            figures.lost = figures.lost.max(last_heard.saturating_sub(last));
        }
        figures.askew = figures.askew.max(askew(&caller, &operator));
        figures.opened += 1;
    }
    figures
}

fn open(path: &Path) -> [Vec<i16>; 2] {
    let bytes = fs::read(path).unwrap();
    counter::strict(&bytes).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// How far apart packets that were said at the same time lie: the median of the whole recording, as a
/// single packet may come late.
fn askew(caller: &[(usize, u8, u16)], operator: &[(usize, u8, u16)]) -> i64 {
    let places: BTreeMap<_, _> = operator.iter().map(|it| (it.2, it.0)).collect();
    let mut apart: Vec<_> = caller
        .iter()
        .filter_map(|(at, _, number)| Some((*at as i64 - *places.get(number)? as i64).abs()))
        .collect();
    assert!(!apart.is_empty(), "the two sides never talked at once");
    apart.sort_unstable();
    apart[apart.len() / 2]
}

/// Each call has its one end, which says that it was cut; how many.
fn ends(rig: &Rig) -> usize {
    let ended = rig.events("call.ended");
    let mut by_number: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in &ended {
        let from = event["data"]["from"].as_str().unwrap().to_owned();
        by_number
            .entry(from)
            .or_default()
            .push(event["data"].clone());
    }
    for at in 0..CALLS {
        let ends = &by_number[&known_as(&number(at))];
        assert_eq!(ends.len(), 1, "{}: {ends:?}", number(at));
        let end = &ends[0];
        assert_eq!(end["interrupted"], true, "{end}");
        assert_eq!(end["outcome"], "answered", "they had talked: {end}");
        assert_eq!(end["recording"], end["id"], "{end}");
        assert!(
            end["ended_at"].is_string() && end["callback"].is_string(),
            "{end}"
        );
    }
    let recorded = rig.events("recording.finished");
    assert_eq!(recorded.len(), CALLS, "each recording is told once");
    by_number.len()
}

/// F4: it is there soon, knows none of the old dialogs, and its operators take calls.
fn afterwards(rig: &mut Rig, crowd: &Crowd, ready: Duration) {
    assert_eq!(crowd.ask("OPTIONS", "ping@faults"), 200);
    for method in ["BYE", "INFO", "UPDATE"] {
        assert_eq!(
            crowd.ask(method, "c1@faults"),
            481,
            "{method} in a dialog of before"
        );
    }
    let operators = rig.json("/v1/operators");
    let listed = operators["operators"].as_array().or(operators.as_array());
    let listed = listed.unwrap_or_else(|| panic!("{operators}"));
    let states: Vec<_> = listed.iter().map(|it| &it["state"]).collect();
    assert!(
        states.iter().all(|state| *state == "available"),
        "{states:?}"
    );
    crowd.dial(&number(CALLS), NUMBER, Caller::Stays);
    rig.wait("a talk after the restart", SOON, || {
        crowd
            .legs()
            .iter()
            .filter(|leg| leg.heard.is_some())
            .count()
            == 2
    });
    crowd.hang_up();
    let last = known_as(&number(CALLS));
    rig.wait("its end", SOON, || {
        let ended = rig.events("call.ended");
        let ended = ended.iter().find(|it| it["data"]["from"] == last.as_str());
        ended.is_some_and(|it| it["data"]["outcome"] == "answered")
    });
    rig.keeps_its_promises();
    if full() {
        assert!(ready < Duration::from_secs(3), "ready after {ready:?}");
    }
    pass(
        "F4",
        &format!(
            "ready {:.1} s after the start with {CALLS} calls to end, 481 for old dialogs, no operator stuck",
            ready.as_secs_f64()
        ),
    );
}
