//! The ends that a call can come to, one by one, and the moments at which two things happen at once.

use strowger::sim::party::Cue;
use strowger::sim::phone::Manner;
use strowger::time::Duration;
use strowger::words::OperatorState;

use crate::hall::{Hall, at, ms};

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: { city: Одеса, from: з Одеси }
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { site: odesa, to: queue.odesa }
queues:
  odesa: { operators: { all: true }, strategy: longest_idle, ring: 10s, wrap_up: 5s, max_wait: 60s }
whisper: { uk: "Дзвінок[ {from}]", max: 4s }
recording: { keep: 90d }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

const NUMBER: &str = "0800301231";
const LONG: Duration = Duration::from_secs(300);

const fn answer(after: u64, talk: u64) -> Manner {
    Manner::Answer {
        after: ms(after),
        talk: ms(talk),
    }
}

fn hall(scripts: &[&[Manner]]) -> Hall {
    Hall::new(PLAN, scripts, 1, false)
}

fn free(hall: &Hall) {
    for operator in hall.world.engine().desk().operators() {
        assert!(
            matches!(
                operator.state(),
                OperatorState::Available | OperatorState::WrapUp
            ),
            "{} is {:?}",
            operator.name(),
            operator.state()
        );
    }
}

#[test]
fn the_operator_hears_the_whisper_then_the_caller() {
    let mut hall = hall(&[&[answer(2_000, 20_000)]]);
    hall.call(10_000, NUMBER, LONG, LONG);
    hall.finish();
    let story = hall.world.phone_story(hall.phones[0]).unwrap();
    assert_eq!(story.talks, 1);
    let said = format!("{:?}", story.whispers);
    assert!(said.contains("Дзвінок з Одеси"), "{said}");
    assert_eq!(hall.outcome(), ("answered".to_owned(), None));
    let kinds = hall.kinds();
    let place = |kind: &str| kinds.iter().position(|known| *known == kind).unwrap();
    for pair in [
        ["call.started", "call.routed"],
        ["call.routed", "queue.joined"],
        ["queue.joined", "operator.assigned"],
        ["operator.assigned", "operator.answered"],
        ["operator.answered", "whisper.played"],
        ["whisper.played", "call.bridged"],
        ["call.bridged", "call.ended"],
    ] {
        assert!(place(pair[0]) < place(pair[1]), "{pair:?} in {kinds:?}");
    }
    free(&hall);
}

#[test]
fn a_decline_a_busy_and_a_silent_phone_pass_the_caller_on() {
    for manner in [
        Manner::Decline {
            after: ms(1_000),
            code: 603,
        },
        Manner::Decline {
            after: ms(0),
            code: 486,
        },
        Manner::Silent,
        Manner::Regret {
            after: ms(500),
            listen: ms(700),
        },
        Manner::Vanish {
            after: ms(100),
            away: ms(100_000),
        },
    ] {
        let mut hall = hall(&[&[manner], &[answer(1_000, 5_000)]]);
        hall.call(10_000, NUMBER, LONG, LONG);
        hall.finish();
        assert_eq!(hall.outcome().0, "answered", "{manner:?}");
        let story = hall.world.phone_story(hall.phones[1]).unwrap();
        assert_eq!((story.rang, story.talks), (1, 1), "{manner:?}");
        let joined = hall.kinds();
        let joined = joined.iter().filter(|kind| **kind == "queue.joined");
        assert_eq!(joined.count(), 1, "the place is kept");
    }
}

#[test]
fn the_caller_may_leave_at_any_instant() {
    for patience in (0..9_000).step_by(35) {
        let mut hall = hall(&[&[answer(2_000, 60_000)]]);
        hall.call(10_000, NUMBER, ms(patience), LONG);
        hall.finish();
        let (outcome, reason) = hall.outcome();
        if outcome == "missed" {
            assert_eq!(
                reason.as_deref(),
                Some("abandoned"),
                "left after {patience} ms"
            );
        }
        free(&hall);
    }
}

#[test]
fn an_answer_that_crosses_the_cancel_leaves_nobody_on_the_line() {
    for answers in (9_980..10_030).step_by(1) {
        let mut hall = hall(&[&[answer(answers, 5_000)], &[answer(500, 5_000)]]);
        hall.call(10_000, NUMBER, LONG, LONG);
        hall.finish();
        assert_eq!(hall.outcome().0, "answered");
        let talks = hall
            .phones
            .iter()
            .map(|phone| hall.world.phone_story(*phone).unwrap().talks);
        assert_eq!(talks.sum::<usize>(), 1, "answered after {answers} ms");
        free(&hall);
    }
}

#[test]
fn caller_and_operator_hang_up_in_the_same_millisecond() {
    for talk in 4_990..5_010 {
        let mut hall = hall(&[&[answer(100, talk)]]);
        hall.call(10_000, NUMBER, LONG, ms(5_000));
        hall.finish();
        assert_eq!(hall.outcome().0, "answered");
        free(&hall);
    }
}

#[test]
fn a_phone_that_vanishes_in_a_talk_does_not_hold_the_operator_for_ever() {
    let mut hall = hall(&[&[answer(100, 500_000)]]);
    hall.call(10_000, NUMBER, LONG, ms(200_000));
    hall.world.cue(hall.phones[0], at(30_000), Cue::Vanish);
    hall.finish();
    assert_eq!(hall.outcome().0, "answered");
    let desk = hall.world.engine().desk();
    assert!(desk.operators().all(|operator| operator.call().is_none()));
}

#[test]
fn nobody_there_is_no_operators_and_a_call_back() {
    let mut hall = Hall::new(
        &PLAN.replace("  iryna: { name: Ирина, password: a }\n", ""),
        &[],
        1,
        false,
    );
    hall.world.cue(hall.phones[0], at(2_000), Cue::Vanish);
    hall.world.run_until(at(700_000));
    hall.call(700_000, NUMBER, LONG, LONG);
    hall.finish();
    assert_eq!(
        hall.outcome(),
        ("missed".to_owned(), Some("no_operators".to_owned()))
    );
    assert!(hall.kinds().contains(&"callback.opened"));
}

#[test]
fn two_answers_in_the_same_millisecond_make_one_talk() {
    let plan = PLAN.replace("longest_idle", "ring_all");
    for seed in 0..1_000 {
        let first = 900 + seed % 3;
        let mut hall = Hall::new(
            &plan,
            &[&[answer(first, 3_000)], &[answer(901, 3_000)]],
            seed,
            false,
        );
        hall.call(10_000, NUMBER, LONG, LONG);
        hall.finish();
        assert_eq!(hall.outcome().0, "answered");
        let talks = hall
            .phones
            .iter()
            .map(|phone| hall.world.phone_story(*phone).unwrap().talks);
        assert_eq!(talks.sum::<usize>(), 1, "seed {seed}");
        free(&hall);
    }
}

#[test]
fn the_phone_shows_where_the_call_comes_from() {
    let pool = "pools: { ads: { site: odesa, source: google_ads } }\n";
    let plan = PLAN.replace("{ site: odesa, to:", "{ pool: ads, to:") + pool;
    for (screen, shown) in [
        ("", "Одеса · Google Ads"),
        ("screen: { transliterate: true }", "Odesa - Google Ads"),
        (
            "screen: { display: \"{campaign}, {city}: {from}\" }",
            "Одеса: +380671112233",
        ),
    ] {
        let plan = format!("{plan}{screen}\n");
        let mut hall = Hall::new(&plan, &[&[answer(2_000, 20_000)]], 1, false);
        hall.call(10_000, NUMBER, LONG, LONG);
        hall.finish();
        let story = hall.world.phone_story(hall.phones[0]).unwrap();
        assert_eq!(story.displays, [shown]);
    }
}
