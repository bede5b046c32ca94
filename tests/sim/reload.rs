//! A new dialplan under calls that wait, ring and talk; and a store that never answers.

use std::sync::Arc;

use strowger::engine::input::Input;
use strowger::sim::disk::DiskQuality;
use strowger::sim::phone::Manner;
use strowger::sim::sound::prompts;
use strowger::time::Duration;

use crate::hall::{Hall, at, ms, plan, settings};

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { to: queue.odesa }
queues:
  odesa: { operators: { all: true }, strategy: longest_idle, ring: 10s, wrap_up: 5s, max_wait: 60s, overflow: queue.all, answer: operator }
  all: { operators: { all: true }, strategy: ring_all, ring: 10s, max_wait: 60s }
whisper: { uk: "Дзвінок", max: 4s }
recording: { keep: 90d }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

const NUMBER: &str = "0800301231";
const LONG: Duration = Duration::from_secs(300);
const IRYNA: &str = "  iryna: { name: Ирина, password: a }\n";

const fn answer(after: u64, talk: u64) -> Manner {
    Manner::Answer {
        after: ms(after),
        talk: ms(talk),
    }
}

fn reload(hall: &mut Hall, when: u64, text: &str) {
    hall.world.run_until(at(when));
    let plan = plan(text);
    let prompts = Arc::new(prompts(&plan));
    let plan = Arc::new(plan);
    hall.world.tell(Input::Plan { plan, prompts });
}

#[test]
fn a_queue_that_is_removed_sends_its_callers_on() {
    let mut hall = Hall::new(
        PLAN,
        &[&[answer(9_000, 5_000)], &[answer(2_000, 5_000)]],
        1,
        false,
    );
    hall.call(10_000, NUMBER, LONG, LONG);
    let queue = PLAN.lines().find(|line| line.starts_with("  odesa:"));
    let without = PLAN
        .replace(&format!("{}\n", queue.unwrap()), "")
        .replace("queue.odesa", "queue.all");
    reload(&mut hall, 11_000, &without);
    hall.finish();
    assert_eq!(hall.outcome().0, "answered");
    let joined = hall.world.events().iter();
    let joined = joined.filter(|event| event.kind == "queue.joined");
    let queues: Vec<_> = joined.filter_map(|it| it.data["queue"].as_str()).collect();
    assert_eq!(queues, ["odesa", "all"]);
}

#[test]
fn an_operator_who_is_removed_stops_ringing_and_the_caller_waits_for_the_next() {
    let mut hall = Hall::new(
        PLAN,
        &[&[answer(9_000, 5_000)], &[answer(2_000, 5_000)]],
        1,
        false,
    );
    hall.call(10_000, NUMBER, LONG, LONG);
    reload(&mut hall, 11_000, &PLAN.replace(IRYNA, ""));
    hall.finish();
    assert_eq!(hall.outcome().0, "answered");
    let talks = |n: usize| hall.world.phone_story(hall.phones[n]).unwrap().talks;
    assert_eq!((talks(0), talks(1)), (0, 1));
}

#[test]
fn an_operator_who_is_removed_in_a_talk_finishes_it() {
    let mut hall = Hall::new(PLAN, &[&[answer(500, 20_000)]], 1, false);
    hall.call(10_000, NUMBER, LONG, LONG);
    reload(&mut hall, 20_000, &PLAN.replace(IRYNA, ""));
    assert_eq!(hall.world.engine().view().calls_active, 1);
    hall.finish();
    assert_eq!(hall.outcome().0, "answered");
    assert_eq!(hall.world.phone_story(hall.phones[0]).unwrap().talks, 1);
    assert_eq!(hall.world.engine().desk().operators().count(), 1);
}

#[test]
fn a_trunk_that_is_removed_keeps_its_calls_to_their_end() {
    for patience in [ms(3_000), LONG] {
        let mut hall = Hall::new(PLAN, &[&[answer(8_000, 60_000)]], 1, true);
        hall.call(10_000, NUMBER, patience, ms(5_000));
        let moved = PLAN.replace("203.0.113.10:5060", "203.0.113.99");
        reload(&mut hall, 11_000, &moved);
        hall.finish();
        let outcome = if patience == LONG {
            "answered"
        } else {
            "missed"
        };
        assert_eq!(hall.outcome().0, outcome, "{}", hall.world.chart());
    }
}

#[test]
fn a_queue_that_answers_at_the_operator_overflows_into_one_that_answers_at_once() {
    let mut hall = Hall::new(
        PLAN,
        &[&[Manner::Silent; 20], &[Manner::Silent; 20]],
        1,
        true,
    );
    hall.call(10_000, NUMBER, ms(80_000), LONG);
    hall.finish();
    assert_eq!(hall.outcome().0, "missed");
    let chart = hall.world.chart();
    let to_carrier: Vec<_> = chart
        .lines()
        .filter(|line| line.contains("◀── 183 INVITE") || line.contains("◀── 200 INVITE (SDP) ───"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(to_carrier.first().copied(), Some("10.001"), "{chart}");
    assert!(to_carrier.contains(&"70.001"), "{chart}");
}

#[test]
fn a_store_that_never_answers_delays_a_registration_by_half_a_second_and_no_more() {
    let plan = plan(PLAN);
    let mut settings = settings(plan.clone(), 1);
    settings.disk = DiskQuality {
        slowest: ms(1),
        silent: 1_000,
    };
    settings.chart = true;
    let mut hall = Hall::with(settings, &plan, &[&[answer(1_000, 5_000)]]);
    hall.world.begin_chart();
    hall.call(10_000, NUMBER, LONG, LONG);
    hall.finish();
    assert_eq!(hall.outcome().0, "answered");
    assert_eq!(hall.world.engine().view().registrations, 2);
    assert_eq!(hall.world.engine().view().held, 0);
}

#[test]
fn a_caller_who_waited_through_a_reload_is_announced_as_the_old_plan_said() {
    let mut hall = Hall::new(PLAN, &[&[answer(8_000, 5_000)]], 1, false);
    hall.call(10_000, NUMBER, LONG, LONG);
    reload(&mut hall, 11_000, &PLAN.replace("Дзвінок", "Новий дзвінок"));
    hall.call(40_000, NUMBER, LONG, LONG);
    hall.finish();
    let said = hall.world.events().iter();
    let said = said.filter(|event| event.kind == "whisper.played");
    let said: Vec<_> = said.map(|event| event.data["text"].as_str()).collect();
    assert_eq!(said, [Some("Дзвінок"), Some("Новий дзвінок")]);
}
