//! What operators hear between the answer and the bridge, and what callers hear meanwhile.

use serde_json::{Value, json};
use strowger::sim::phone::Manner;
use strowger::time::{Duration, Instant};
use strowger::words::{OperatorState, Phrase};

use crate::hall::{Hall, at, ms, plan, settings};

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
  "0800 301 231": { site: odesa, campaign: імплантація, to: queue.odesa }
queues:
  odesa: { operators: { all: true }, strategy: ring_all, ring: 65s, wrap_up: 5s }
whisper: { uk: "Дзвінок {from}[, чекає {wait}][, {campaign}]", max: 6s }
operators:
  iryna: { name: Ирина, password: a }
"#;

const NUMBER: &str = "0800301231";
const LONG: Duration = Duration::from_secs(300);
/// Where the caller listens.
const CALLER: &str = "203.0.113.10:10002";

const fn answer(after: u64) -> Manner {
    Manner::Answer {
        after: ms(after),
        talk: ms(10_000),
    }
}

/// A caller who is answered in the second minute. Without `ready` no phrase is.
fn second_minute(after: u64, renders: Option<Duration>, ready: bool) -> Hall {
    let plan = plan(PLAN);
    let mut settings = settings(plan.clone(), 1);
    if !ready {
        let prompts = std::sync::Arc::make_mut(&mut settings.engine.prompts);
        prompts.retain(|phrase, _| !matches!(phrase, Phrase::Spoken { .. }));
    }
    let script = [Manner::Silent, answer(after)];
    let mut hall = Hall::with(settings, &plan, &[&script]);
    hall.world.render_within(renders);
    hall.call(10_000, NUMBER, LONG, LONG);
    hall
}

/// When something was told last, in milliseconds.
fn when(hall: &Hall, kind: &str) -> i64 {
    let mut events = hall.world.events().iter().rev();
    let event = events.find(|event| event.kind == kind);
    event.expect("it was told").time.as_millis()
}

fn whispered(hall: &Hall) -> Vec<Value> {
    let events = hall.world.events().iter();
    let whispers = events.filter(|event| event.kind == "whisper.played");
    let told = whispers.map(|event| {
        let data = &event.data;
        json!([data["text"], data["tone"], data["whole"]])
    });
    told.collect()
}

/// From the answer to the bridge.
fn delay(hall: &Hall) -> i64 {
    when(hall, "call.bridged") - when(hall, "operator.answered")
}

const FULL: &str = "Дзвінок з Одеси, чекає 1 хвилину, імплантація";
const PARTS: &str = "Дзвінок з Одеси, імплантація";

/// What a text takes to say here.
fn says(text: &str) -> i64 {
    70 * i64::try_from(text.chars().count()).unwrap()
}

#[test]
fn a_form_that_is_rendered_while_the_phone_rings_is_said_at_once() {
    for after in [0, 20, 5_000] {
        let mut hall = second_minute(after, Some(Duration::ZERO), true);
        hall.finish();
        assert_eq!(whispered(&hall), [json!([FULL, null, true])]);
        assert!(delay(&hall) <= says(FULL) + 1);
    }
}

#[test]
fn a_form_that_comes_later_than_300_ms_after_the_answer_is_not_waited_for() {
    let mut hall = second_minute(0, None, true);
    hall.finish();
    let rang = when(&hall, "operator.answered") - when(&hall, "operator.assigned");
    let late = |millis: i64| Some(ms(u64::try_from(rang + millis).unwrap()));
    for (renders, said, waited) in [
        (late(0), FULL, 0),
        (late(150), FULL, 150),
        (late(299), FULL, 299),
        (late(301), PARTS, 300),
        (late(5_000), PARTS, 300),
        (None, PARTS, 300),
    ] {
        let mut hall = second_minute(0, renders, true);
        hall.finish();
        assert_eq!(whispered(&hall), [json!([said, null, true])], "{renders:?}");
        // Parts are said one after the other, without what stands between them.
        let said = says(said) - if said == PARTS { says(", ") } else { 0 };
        let delay = delay(&hall) - waited - said;
        assert!((-2..=2).contains(&delay), "{renders:?}: {delay} ms off");
    }
}

#[test]
fn where_nothing_is_ready_there_is_a_tone() {
    for (renders, told, waited) in [
        (None, json!([null, "beep", true]), 300 + 400),
        (Some(ms(200)), json!([FULL, null, true]), 200 + says(FULL)),
    ] {
        let mut hall = second_minute(0, renders, false);
        hall.finish();
        assert_eq!(whispered(&hall), [told]);
        assert!((waited - 10..=waited + 2).contains(&delay(&hall)));
        let story = hall.world.phone_story(hall.phones[0]).unwrap();
        assert_eq!(story.talks, 1);
    }
}

#[test]
fn the_caller_hears_music_until_the_bridge() {
    let accept = PLAN.replace("max: 6s", "max: 6s, accept: key");
    for (text, until) in [(PLAN, "call.bridged"), (&accept, "operator.missed")] {
        let mut hall = Hall::new(text, &[&[answer(1_000)]], 1, false);
        hall.world.render_within(None);
        hall.call(10_000, NUMBER, LONG, LONG);
        let caller = CALLER.parse().unwrap();
        let mut now = 10_100;
        while !hall.kinds().contains(&until) {
            hall.world.run_until(at(now));
            assert!(hall.world.sound().hears(caller), "silence at {now} ms");
            now += 10;
        }
        hall.finish();
    }
}

fn state(hall: &Hall, name: &str) -> OperatorState {
    let desk = hall.world.engine().desk();
    let mut operators = desk.operators();
    let operator = operators.find(|it| it.name().as_str() == name);
    operator.unwrap().state()
}

fn accepting(scripts: &[&[Manner]]) -> Hall {
    let text = PLAN
        .replace("max: 6s", "max: 6s, accept: key")
        .replace("ring: 65s", "ring: 30s")
        + "  olena: { name: Олена, password: b }\n";
    let mut hall = Hall::new(&text, scripts, 1, false);
    hall.world.keep_sent();
    hall.call(10_000, NUMBER, LONG, LONG);
    hall
}

fn talks(hall: &Hall) -> Vec<usize> {
    let stories = hall.phones.iter().map(|it| hall.world.phone_story(*it));
    stories.map(|story| story.unwrap().talks).collect()
}

#[test]
fn the_key_bridges_whenever_it_is_pressed() {
    let said = says(PARTS);
    for (pressed, whole, again) in [
        (1, false, 1),
        (said - 50, false, 1),
        (said + 50, true, 1),
        (said + 3_000 + 50, true, 2),
    ] {
        let mut hall = accepting(&[&[answer(1_000)], &[Manner::Silent]]);
        hall.world.run_until(at(11_010));
        let answered = when(&hall, "operator.answered");
        let millis = 11_010 + u64::try_from(pressed).unwrap();
        hall.world.run_until(at(millis));
        for digit in ['2', '#'] {
            hall.world.press(hall.phones[0], digit);
        }
        assert!(!hall.kinds().contains(&"call.bridged"), "{pressed}");
        hall.world.press(hall.phones[0], '1');
        assert_eq!(whispered(&hall), [json!([PARTS, null, whole])], "{pressed}");
        let delay = when(&hall, "call.bridged") - answered;
        assert!(
            (pressed..pressed + 15).contains(&delay),
            "{pressed}: {delay}"
        );
        hall.finish();
        let story = hall.world.phone_story(hall.phones[0]).unwrap();
        assert_eq!(story.whispers.len(), again, "{pressed}");
        assert_eq!(talks(&hall), [1, 0]);
        assert_eq!(hall.outcome(), ("answered".to_owned(), None));
    }
}

#[test]
fn voicemail_of_a_mobile_phone_gets_no_caller() {
    let mut hall = accepting(&[&[answer(500)], &[Manner::Silent, answer(500)]]);
    hall.world
        .run_until(at(10_000 + 500 + 6_000 + 15_000 - 100));
    assert_eq!(state(&hall, "iryna"), OperatorState::Talking);
    hall.world
        .run_until(at(10_000 + 500 + 6_000 + 15_000 + 100));
    assert_ne!(state(&hall, "iryna"), OperatorState::Talking);
    let missed = hall.world.events().iter();
    let missed = missed.filter(|event| event.kind == "operator.missed");
    let missed = missed.map(|event| &event.data["missed_reason"]);
    assert_eq!(missed.collect::<Vec<_>>(), [&json!("no_answer")]);
    let said_bye = |(at, to, bytes): &(Instant, std::net::SocketAddr, bytes::Bytes)| {
        let text = String::from_utf8_lossy(bytes);
        let bye = text.starts_with("BYE ") && text.contains("No answer");
        (bye && to.ip().to_string() == "10.0.0.1").then_some(*at)
    };
    assert_eq!(hall.world.sent().iter().filter_map(said_bye).count(), 1);
    let joined = hall.kinds();
    let joined = joined.iter().filter(|kind| **kind == "queue.joined");
    assert_eq!(joined.count(), 1, "the place is kept");
    hall.finish();
    assert_eq!(talks(&hall), [0, 0]);
}
