//! Calls that last: refreshed for hours by one side and by the other (RFC 4028), and ended when the
//! peer is no more.

use strowger::sim::caller::CallPlan;
use strowger::sim::party::Cue;
use strowger::sim::phone::Manner;
use strowger::sip::endpoint::Live;
use strowger::time::Duration;

use crate::hall::{Hall, at, ms};

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: { city: Одеса, from: з Одеси }
trunks:
  kyivstar: { peers: ["203.0.113.10:5060", "203.0.113.11:5060"] }
numbers:
  "0800 301 231": { site: odesa, to: queue.odesa }
queues:
  odesa: { operators: { all: true }, strategy: longest_idle, ring: 10s, wrap_up: 5s, max_wait: 3h }
whisper: { uk: "Дзвінок[ {from}]", max: 4s }
recording: { keep: 90d }
operators:
  iryna: { name: Ирина, password: a }
"#;

const NUMBER: &str = "0800301231";
const HOURS: u64 = 3 * 3_600_000;
const LONG: Duration = Duration::from_secs(4 * 3_600);

fn hall() -> Hall {
    let manner = Manner::Answer {
        after: ms(1_000),
        talk: ms(HOURS),
    };
    Hall::new(PLAN, &[&[manner]], 1, true)
}

/// RFC 4028 10: the engine refreshes the caller's session, the phone its own.
#[test]
fn a_call_of_three_hours_is_refreshed_by_us_and_by_the_phone() {
    let mut hall = hall();
    hall.call(10_000, NUMBER, LONG, LONG);
    hall.world.run_until(at(10_000 + HOURS));
    assert!(!hall.kinds().contains(&"call.ended"));
    hall.finish();
    assert_eq!(hall.outcome(), ("answered".to_owned(), None));
    let chart = hall.world.chart();
    let updates = chart.lines().filter(|line| line.contains("── UPDATE"));
    let (ours, theirs): (Vec<_>, Vec<_>) = updates
        .partition(|line| line.chars().skip_while(|letter| *letter != '│').nth(1) != Some(' '));
    // One each quarter of an hour; the last one falls on the end.
    assert!((11..=12).contains(&ours.len()), "{ours:#?}");
    assert!((11..=12).contains(&theirs.len()), "{theirs:#?}");
    let kinds = hall.kinds();
    for quiet in ["call.held", "call.resumed"] {
        assert!(!kinds.contains(&quiet), "a refresh is no hold");
    }
    let bridged = kinds.iter().filter(|kind| **kind == "call.bridged");
    assert_eq!(bridged.count(), 1);
}

/// A caller in the queue whose carrier vanished: nothing but the session timer can find out.
#[test]
fn a_call_whose_peer_vanished_ends_within_its_interval_with_one_event() {
    let mut hall = hall();
    hall.call(10_000, NUMBER, LONG, LONG);
    let other = hall
        .world
        .carrier("other", "203.0.113.11:5060".parse().unwrap());
    let plan = CallPlan {
        to: NUMBER.to_owned(),
        from: Some("380672223344".to_owned()),
        patience: LONG,
        talk: LONG,
    };
    hall.world.call(other, at(20_000), plan);
    hall.world.cue(other, at(60_000), Cue::Vanish);
    hall.world.run_until(at(20_000 + 890_000));
    let ended = |hall: &Hall| {
        let kinds = hall.kinds();
        kinds.iter().filter(|kind| **kind == "call.ended").count()
    };
    assert_eq!(ended(&hall), 0);
    hall.world.run_until(at(20_000 + 1_800_000));
    assert_eq!(ended(&hall), 1);
    assert_eq!(
        hall.outcome(),
        ("missed".to_owned(), Some("abandoned".to_owned()))
    );
    // The other carrier never comes to rest, as it hears nothing; everything else does.
    hall.world.run_until(at(300_000 + HOURS));
    let engine = hall.world.engine();
    assert!(engine.calls().next().is_none());
    assert_eq!(engine.view().live, Live::default());
    assert_eq!(hall.world.watch.broken, Vec::<String>::new());
    assert_eq!(ended(&hall), 2, "the other call had its own end");
    assert_eq!(hall.outcome().0, "answered");
}
