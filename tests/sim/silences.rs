//! What is left out of a recording: by whom, until when, and what the events say of it.

use strowger::engine::command::{Command, Reply};
use strowger::id::{CallId, LegId};
use strowger::media::command::{MediaCommand, MediaEvent, SegmentKind, Silence};
use strowger::words::Role;

use crate::exchange::Exchange;

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
  odesa: { operators: [iryna], number: "301" }
outbound: { via: [kyivstar], allow: ["+380*"], show: { number: "0800 301 231" } }
recording: { keep: 90d }
operators:
  iryna: { name: Ирина, number: "201", password: iryna }
  olena: { name: Олена, number: "202", password: olena }
"#;

/// Iryna talks with a caller: the exchange, the caller's dialog, the call, the legs.
fn talking(plan: &str) -> (Exchange, String, CallId, LegId, LegId) {
    let mut exchange = Exchange::new(plan, &["iryna", "olena"]);
    let caller = exchange.dial("carrier", "0800301231");
    exchange.respond("iryna", 200);
    exchange.after(5_000);
    let call = exchange.event("call.bridged").subject.unwrap();
    let bridged = exchange.media.iter().find_map(|it| {
        let MediaCommand::Bridge {
            caller, operator, ..
        } = it
        else {
            return None;
        };
        Some((*caller, *operator))
    });
    let (left, right) = bridged.unwrap();
    exchange.media.clear();
    (exchange, caller, call, left, right)
}

fn asked(exchange: &Exchange) -> Vec<Option<Silence>> {
    let commands = exchange.media.iter();
    commands
        .filter_map(|it| {
            let MediaCommand::Silence { silence, .. } = it else {
                return None;
            };
            Some(*silence)
        })
        .collect()
}

fn told(exchange: &Exchange) -> Vec<&'static str> {
    let kinds = exchange.events.iter().map(|event| event.kind);
    kinds
        .filter(|kind| ["recording.paused", "recording.resumed"].contains(kind))
        .collect()
}

fn press(exchange: &mut Exchange, leg: LegId, keys: &str) {
    for digit in keys.chars() {
        exchange.sounds(MediaEvent::Digit { leg, digit });
        exchange.after(200);
    }
}

fn silence(exchange: &mut Exchange, call: CallId, silence: Option<Silence>) -> Reply {
    exchange.order(Command::Silence { call, silence })
}

#[test]
fn a_recording_is_paused_and_goes_on_by_order_once_each() {
    let (mut exchange, caller, call, ..) = talking(PLAN);
    let paused = Some(Silence::Paused);
    let shown = silence(&mut exchange, call, None).unwrap();
    assert_eq!(shown["recording"], "on");
    for _ in 0..2 {
        let shown = silence(&mut exchange, call, paused).unwrap();
        assert_eq!(shown["recording"], "paused");
    }
    // What is paused for all is not unmasked by a mask.
    silence(&mut exchange, call, Some(Silence::Masked)).unwrap();
    assert_eq!(asked(&exchange), [paused]);
    let event = exchange.event("recording.paused");
    assert_eq!(
        (event.subject, &event.data["silence"]),
        (Some(call), &"paused".into())
    );
    silence(&mut exchange, call, None).unwrap();
    assert_eq!(asked(&exchange), [paused, None]);
    assert_eq!(told(&exchange), ["recording.paused", "recording.resumed"]);
    exchange.bye("carrier", &caller);
    let late = silence(&mut exchange, call, paused);
    assert_eq!(late.unwrap_err().status, 409);
    exchange.finish();
}

#[test]
fn whose_talk_it_is_and_a_program_may_and_nobody_else() {
    let (mut exchange, _, call, ..) = talking(PLAN);
    let pause = || Command::Silence {
        call,
        silence: Some(Silence::Paused),
    };
    let refused = |reply: Reply| reply.err().map(|refused| refused.status);
    assert_eq!(refused(exchange.order_by("olena", pause())), Some(403));
    assert_eq!(
        refused(exchange.order_as(Role::Auditor, pause())),
        Some(403)
    );
    assert_eq!(refused(exchange.order_by("iryna", pause())), None);
    assert_eq!(refused(exchange.order_as(Role::Integration, pause())), None);
}

#[test]
fn a_call_that_nobody_records_is_not_paused() {
    let plan = PLAN.replace("recording: { keep: 90d }\n", "");
    let (mut exchange, _, call, ..) = talking(&plan);
    let refused = silence(&mut exchange, call, Some(Silence::Paused)).unwrap_err();
    assert_eq!(refused.status, 409);
    assert!(told(&exchange).is_empty());
}

#[test]
fn an_operator_masks_by_a_code_that_the_caller_cannot_press() {
    let (mut exchange, caller, call, left, right) = talking(PLAN);
    press(&mut exchange, left, "*49");
    press(&mut exchange, right, "*4");
    exchange.after(5_000);
    press(&mut exchange, right, "9");
    assert!(asked(&exchange).is_empty());
    press(&mut exchange, right, "1**49");
    assert_eq!(asked(&exchange), [Some(Silence::Masked)]);
    assert_eq!(exchange.event("recording.paused").data["silence"], "masked");
    // The operator alone hears that it was done.
    let beeps = exchange.media.iter().filter_map(|it| {
        let MediaCommand::Play { leg, .. } = it else {
            return None;
        };
        Some(*leg)
    });
    assert_eq!(beeps.collect::<Vec<_>>(), [right]);
    press(&mut exchange, right, "*49");
    assert_eq!(told(&exchange), ["recording.paused", "recording.resumed"]);
    // What a supervisor paused is not let go on by a code.
    silence(&mut exchange, call, Some(Silence::Paused)).unwrap();
    press(&mut exchange, right, "*49");
    assert_eq!(told(&exchange).len(), 3);
    exchange.bye("carrier", &caller);
    exchange.finish();
}

#[test]
fn a_mask_ends_with_the_talk_of_its_operator_and_a_pause_does_not() {
    for (kind, ends) in [(Silence::Masked, true), (Silence::Paused, false)] {
        let (mut exchange, caller, call, ..) = talking(PLAN);
        silence(&mut exchange, call, Some(kind)).unwrap();
        // A hold is no other talk.
        for held in [true, false] {
            exchange.order(Command::Hold { call, held }).unwrap();
        }
        assert_eq!(told(&exchange), ["recording.paused"]);
        let to = "202".to_owned();
        exchange.order(Command::Transfer { call, to }).unwrap();
        exchange.respond("olena", 200);
        exchange.after(1_000);
        let resumed = told(&exchange).contains(&"recording.resumed");
        assert_eq!(resumed, ends, "{kind:?}");
        let orders: Vec<_> = exchange
            .media
            .iter()
            .filter_map(|it| {
                if matches!(it, MediaCommand::Silence { silence: None, .. }) {
                    return Some("sound");
                }
                matches!(it, MediaCommand::Bridge { .. }).then_some("bridge")
            })
            .collect();
        let last = if ends { "sound" } else { "bridge" };
        assert!(orders.ends_with(&[last, "bridge"]), "{orders:?}");
        exchange.bye("carrier", &caller);
        exchange.finish();
    }
}

#[test]
fn a_call_sent_outside_is_recorded_on_as_a_segment_without_an_operator() {
    let (mut exchange, _, call, ..) = talking(PLAN);
    let to = "0671112233".to_owned();
    exchange.order(Command::Transfer { call, to }).unwrap();
    exchange.respond("carrier", 200);
    exchange.after(1_000);
    let record = exchange.media.iter().find_map(|it| {
        let MediaCommand::Bridge { record, .. } = it else {
            return None;
        };
        record.clone()
    });
    let record = record.unwrap_or_else(|| panic!("{}", exchange.chart()));
    assert_eq!((record.call, record.kind), (call, SegmentKind::Outside));
    assert_eq!(record.operator, None);
}

#[test]
fn the_notice_has_ended_before_the_recording_begins() {
    let plan = PLAN.replace(
        "recording: {",
        "recording: { announce: { say: Розмова записується. },",
    );
    let mut exchange = Exchange::new(&plan, &["iryna", "olena"]);
    exchange.dial("carrier", "0800301231");
    exchange.respond("iryna", 200);
    let notice = exchange.media.iter().find_map(|it| {
        let MediaCommand::Play {
            leg,
            play,
            looped: false,
            prompts,
        } = it
        else {
            return None;
        };
        (!prompts.is_empty()).then_some((*leg, *play))
    });
    let (leg, play) = notice.unwrap();
    let bridged = |exchange: &Exchange| {
        let mut media = exchange.media.iter();
        media.any(|it| matches!(it, MediaCommand::Bridge { .. }))
    };
    assert!(!bridged(&exchange), "{}", exchange.chart());
    exchange.sounds(MediaEvent::Played { leg, play });
    assert!(bridged(&exchange), "{}", exchange.chart());
    assert_eq!(
        exchange.event("recording.started").data["keep_s"],
        7_776_000
    );
}
