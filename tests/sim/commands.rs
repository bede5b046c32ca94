//! What people outside order, in every phase of a call, and what operators dial for themselves: each is
//! answered once, and none loses a caller.

use serde_json::{Value, json};
use strowger::acd::message::Wish;
use strowger::engine::command::{Command, Past, Reply, Wanted, WantedState};
use strowger::id::{CallId, OperatorName, Ulid};
use strowger::media::command::{MediaCommand, MediaEvent, Silence};
use strowger::rng::Rng;
use strowger::time::Wall;
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
  "0800 301 232": { to: queue.strict }
queues:
  odesa: { operators: [iryna], ring: 10s, wrap_up: 5s, max_wait: 60s, disposition: { codes: { booked: "1" } } }
  strict: { operators: [olena], number: "302", wrap_up: 5s, disposition: { require: true, codes: { booked: "1", refused: "2" } } }
  second: { operators: [serhii], number: "301", ring: 10s, max_wait: 20s }
whisper: { uk: Дзвінок, max: 2s }
recording: { keep: 90d }
feature_codes: { reasons: { "1": lunch } }
operators:
  iryna: { name: Ирина, number: "201", password: iryna }
  olena: { name: Олена, number: "202", password: olena }
  serhii: { name: Сергій, number: "203", password: serhii }
"#;

const PHONES: [&str; 3] = ["iryna", "olena", "serhii"];

fn state(exchange: &Exchange, operator: &str) -> String {
    let state = exchange.engine.desk().state(&operator.into());
    format!("{:?}", state.unwrap())
}

fn status(reply: &Reply) -> u16 {
    match reply {
        Ok(_) => 200,
        Err(refused) => refused.status,
    }
}

/// The phases of a call that a command may meet.
const PHASES: [&str; 7] = [
    "waiting",
    "ringing",
    "whispering",
    "talking",
    "held",
    "sent on",
    "ended",
];

/// A call in a phase: the exchange, the caller's dialog, the call.
fn in_phase(phase: &str) -> (Exchange, String, CallId) {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    if phase == "waiting" {
        let pause = WantedState::Paused("lunch".to_owned());
        set(&mut exchange, "iryna", pause).unwrap();
    }
    let caller = exchange.dial("carrier", "0800301231");
    let id = exchange.event("call.started").subject.unwrap();
    if !["waiting", "ringing"].contains(&phase) {
        exchange.respond("iryna", 200);
    }
    if ["talking", "held", "sent on", "ended"].contains(&phase) {
        exchange.after(5_000);
        assert_eq!(state(&exchange, "iryna"), "Talking", "{phase}");
    }
    match phase {
        "held" => {
            let call = id;
            let held = exchange.order(Command::Hold { call, held: true });
            assert_eq!(status(&held), 200, "{held:?}");
        }
        "sent on" => {
            let to = "202".to_owned();
            let sent = exchange.order(Command::Transfer { call: id, to });
            assert_eq!(status(&sent), 200, "{sent:?}");
            assert!(exchange.rings("olena"));
        }
        "ended" => exchange.bye("carrier", &caller),
        _ => {}
    }
    (exchange, caller, id)
}

fn set(exchange: &mut Exchange, operator: &str, state: WantedState) -> Reply {
    let command = Command::SetState {
        operator: operator.into(),
        state,
        reason: None,
    };
    exchange.order(command)
}

/// Every command about a call, with the phases in which it makes sense.
fn commands(call: CallId) -> Vec<(Command, Vec<&'static str>)> {
    let described = Command::Describe {
        call,
        past: None,
        disposition: None,
        comment: Some("передзвонити".to_owned()),
        tags: Some(vec!["vip".to_owned()]),
    };
    let live = PHASES[..6].to_vec();
    let talks = vec!["talking", "held"];
    vec![
        (Command::HangUp(call), live),
        (Command::Hold { call, held: true }, talks.clone()),
        (Command::Hold { call, held: false }, talks.clone()),
        (
            Command::Silence {
                call,
                silence: Some(Silence::Paused),
            },
            vec!["talking", "held", "sent on"],
        ),
        (
            Command::Transfer {
                call,
                to: "202".to_owned(),
            },
            talks.clone(),
        ),
        (
            Command::Transfer {
                call,
                to: "301".to_owned(),
            },
            talks.clone(),
        ),
        (
            Command::Transfer {
                call,
                to: "999999".to_owned(),
            },
            vec![],
        ),
        (
            Command::Move {
                call,
                queue: "second".into(),
            },
            vec!["waiting", "ringing"],
        ),
        (
            Command::Move {
                call,
                queue: "nowhere".into(),
            },
            vec![],
        ),
        (
            Command::Pull {
                call,
                operator: "olena".into(),
            },
            vec!["waiting", "ringing"],
        ),
        (
            Command::Pull {
                call,
                operator: "nobody".into(),
            },
            vec![],
        ),
        (
            Command::Priority { call, priority: 10 },
            vec!["waiting", "ringing"],
        ),
        (described, PHASES.to_vec()),
        (Command::LiveCall(call), PHASES.to_vec()),
    ]
}

#[test]
fn no_command_in_no_phase_loses_a_caller() {
    for phase in PHASES {
        let (_, _, id) = in_phase(phase);
        for (command, fits) in commands(id) {
            let (mut exchange, caller, id) = in_phase(phase);
            let ends = command == Command::HangUp(id);
            let done = exchange.order(command.clone());
            let line = format!("{phase}: {command:?}: {done:?}");
            assert_eq!(done.is_ok(), fits.contains(&phase), "{line}");
            let journalled = exchange
                .events
                .iter()
                .rev()
                .find(|it| it.kind == "audit.action");
            if !matches!(command, Command::LiveCall(_)) {
                let word = if done.is_ok() { "done" } else { "refused" };
                assert_eq!(journalled.unwrap().data["result"], word, "{line}");
            }
            let goes_on = !ends && phase != "ended";
            assert_eq!(exchange.talks("carrier", &caller), goes_on, "{line}");
            if ends && done.is_ok() {
                let ended = exchange.event("call.ended");
                assert!(ended.data.get("ended_by").is_none(), "{line}");
            }
            // Whoever rings now answers, and everybody hangs up at last.
            for phone in PHONES {
                if exchange.rings(phone) {
                    exchange.respond(phone, 200);
                    exchange.after(5_000);
                }
            }
            if exchange.talks("carrier", &caller) {
                exchange.bye("carrier", &caller);
            }
            exchange.finish();
        }
    }
}

#[test]
fn a_caller_on_hold_hears_music_and_the_operator_again() {
    let (mut exchange, caller, call) = in_phase("talking");
    exchange.media.clear();
    exchange.order(Command::Hold { call, held: true }).unwrap();
    let music = |it: &MediaCommand| matches!(it, MediaCommand::Play { looped: true, .. });
    assert!(exchange.media.iter().any(music), "{}", exchange.chart());
    assert_eq!(exchange.event("call.held").data["by"], "operator");
    exchange.after(60_000);
    assert!(exchange.talks("carrier", &caller));
    exchange.media.clear();
    exchange.order(Command::Hold { call, held: false }).unwrap();
    let bridged = |it: &MediaCommand| matches!(it, MediaCommand::Bridge { .. });
    assert!(exchange.media.iter().any(bridged), "{}", exchange.chart());
    assert_eq!(exchange.event("call.resumed").subject, Some(call));
    exchange.bye("carrier", &caller);
    exchange.finish();
}

#[test]
fn a_caller_is_moved_and_given_to_somebody() {
    let (mut exchange, caller, call) = in_phase("waiting");
    let queue = "second".into();
    exchange.order(Command::Move { call, queue }).unwrap();
    assert_eq!(exchange.event("queue.left").data["left_reason"], "moved");
    assert_eq!(exchange.event("queue.joined").data["queue"], "second");
    assert!(exchange.rings("serhii"), "{}", exchange.chart());
    exchange.respond("serhii", 486);
    // Олена serves no queue, and rings all the same.
    let operator = OperatorName::from("olena");
    exchange
        .order(Command::Pull {
            call,
            operator: operator.clone(),
        })
        .unwrap();
    assert!(exchange.rings("olena"), "{}", exchange.chart());
    let again = exchange.order(Command::Pull { call, operator });
    assert_eq!(status(&again), 409, "her phone rings already");
    exchange.respond("olena", 200);
    exchange.after(5_000);
    exchange.bye("carrier", &caller);
    exchange.finish();
    let ended = &exchange.event("call.ended").data;
    assert_eq!(
        (&ended["outcome"], &ended["operator"]),
        (&json!("answered"), &json!("olena"))
    );
}

#[test]
fn what_is_said_of_a_call_is_in_its_end() {
    let (mut exchange, caller, call) = in_phase("talking");
    let say = |comment: &str, tags: &[&str]| Command::Describe {
        call,
        past: None,
        disposition: None,
        comment: Some(comment.to_owned()),
        tags: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
    };
    exchange
        .order_as(Role::Integration, say("перший", &["vip"]))
        .unwrap();
    exchange
        .order_as(Role::Integration, say("другий", &[]))
        .unwrap();
    let unknown = Command::Describe {
        call,
        past: None,
        disposition: Some("bought".to_owned()),
        comment: None,
        tags: None,
    };
    assert_eq!(status(&exchange.order_as(Role::Integration, unknown)), 422);
    exchange.bye("carrier", &caller);
    exchange.finish();
    let ended = &exchange.event("call.ended").data;
    assert_eq!(
        (&ended["comment"], &ended["tags"]),
        (&json!("другий"), &json!([]))
    );
}

/// An operator dials a code; whether the phone heard that it was done.
fn code(exchange: &mut Exchange, operator: &'static str, keys: &str) -> Value {
    let before = exchange.answers.len();
    exchange.dial(operator, keys);
    let answers: Vec<_> = exchange.answers[before..].iter().map(|it| it.2).collect();
    assert_eq!(answers.last(), Some(&200), "{keys}: {}", exchange.chart());
    exchange.after(6_000);
    assert_eq!(exchange.talk_of(operator), None, "hung up by us");
    let journal = exchange
        .events
        .iter()
        .rev()
        .find(|it| it.kind == "audit.action");
    journal.map_or(Value::Null, |it| it.data["result"].clone())
}

#[test]
fn operators_log_in_and_pause_by_their_phones() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    assert_eq!(code(&mut exchange, "iryna", "*45"), "done");
    assert_eq!(state(&exchange, "iryna"), "LoggedOut");
    assert_eq!(code(&mut exchange, "iryna", "*45"), "done");
    assert_eq!(state(&exchange, "iryna"), "Available");
    assert_eq!(code(&mut exchange, "iryna", "*461"), "done");
    assert_eq!(state(&exchange, "iryna"), "Paused");
    assert_eq!(exchange.event("operator.state").data["reason"], "lunch");
    assert_eq!(code(&mut exchange, "iryna", "*46"), "done");
    assert_eq!(state(&exchange, "iryna"), "Available");
    // No call was made of any of them, and nobody was busy for one.
    assert!(exchange.events.iter().all(|it| it.kind != "call.started"));
    assert!(
        exchange
            .events
            .iter()
            .all(|it| it.data.get("to") != Some(&json!("talking")))
    );
    exchange.finish();
}

#[test]
fn a_number_that_begins_like_a_code_is_a_number() {
    let plan = PLAN.replace("feature_codes: { ", "feature_codes: { pause: \"04\", ");
    let mut exchange = Exchange::new(&plan, &PHONES);
    exchange.dial("iryna", "0441112233");
    let last = exchange.answers.last().map(|it| it.2);
    assert_eq!(last, Some(403), "no outbound: {}", exchange.chart());
    assert_eq!(code(&mut exchange, "iryna", "041"), "done");
    assert_eq!(state(&exchange, "iryna"), "Paused");
    exchange.finish();
}

#[test]
fn paperwork_ends_by_a_code_and_once() {
    let (mut exchange, caller, _) = in_phase("talking");
    exchange.bye("carrier", &caller);
    assert_eq!(state(&exchange, "iryna"), "WrapUp");
    exchange.dial("iryna", "*47");
    assert_eq!(state(&exchange, "iryna"), "Available");
    exchange.after(6_000);
    let before = exchange.events.len();
    exchange.dial("iryna", "*47");
    exchange.dial("iryna", "*4899");
    exchange.dial("iryna", "*469");
    assert!(
        exchange.events[before..]
            .iter()
            .all(|it| it.kind != "operator.state")
    );
    assert_eq!(state(&exchange, "iryna"), "Available");
    exchange.finish();
}

#[test]
fn a_caller_comes_through_while_a_code_is_heard() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    exchange.dial("iryna", "*46");
    exchange.dial("iryna", "*46");
    let caller = exchange.dial("carrier", "0800301231");
    assert!(exchange.rings("iryna"), "{}", exchange.chart());
    exchange.respond("iryna", 200);
    exchange.after(10_000);
    assert!(exchange.talks("carrier", &caller), "{}", exchange.chart());
    exchange.bye("carrier", &caller);
    exchange.finish();
}

#[test]
fn whoever_owes_a_disposition_is_paused_until_it_is_dialled() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    let caller = exchange.dial("carrier", "0800301232");
    exchange.respond("olena", 200);
    exchange.after(5_000);
    exchange.bye("carrier", &caller);
    exchange.after(10_000);
    assert_eq!(state(&exchange, "olena"), "Paused");
    assert_eq!(
        exchange.event("operator.state").data["reason"],
        "disposition"
    );
    assert_eq!(
        code(&mut exchange, "olena", "*489"),
        Value::Null,
        "no such code"
    );
    assert_eq!(state(&exchange, "olena"), "Paused");
    assert_eq!(code(&mut exchange, "olena", "*482"), "done");
    assert_eq!(state(&exchange, "olena"), "Available");
    let said = &exchange.event("audit.action").data;
    assert_eq!(
        (&said["disposition"], &said["actor"]),
        (&json!("refused"), &json!("olena"))
    );
    exchange.finish();
}

#[test]
fn each_says_how_their_own_part_of_a_call_went() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    let caller = exchange.dial("carrier", "0800301232");
    exchange.respond("olena", 200);
    exchange.after(5_000);
    let call = exchange.event("call.bridged").subject.unwrap();
    let to = "201".to_owned();
    exchange.order(Command::Transfer { call, to }).unwrap();
    exchange.respond("iryna", 200);
    exchange.after(10_000);
    assert_eq!(state(&exchange, "olena"), "Paused");
    // The caller talks on with Ирина, who owes a word of her own.
    assert_eq!(code(&mut exchange, "olena", "*482"), "done");
    assert_eq!(state(&exchange, "olena"), "Available");
    exchange.bye("carrier", &caller);
    exchange.after(10_000);
    assert_eq!(state(&exchange, "iryna"), "Paused");
    assert_eq!(code(&mut exchange, "iryna", "*481"), "done");
    assert_eq!(state(&exchange, "iryna"), "Available");
    exchange.finish();
}

#[test]
fn a_word_that_somebody_else_says_of_a_call_is_owed_by_nobody_any_more() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    let caller = exchange.dial("carrier", "0800301232");
    exchange.respond("olena", 200);
    exchange.after(5_000);
    let call = exchange.event("call.bridged").subject.unwrap();
    let to = "201".to_owned();
    exchange.order(Command::Transfer { call, to }).unwrap();
    exchange.respond("iryna", 200);
    exchange.after(10_000);
    let said = Command::Describe {
        call,
        past: None,
        disposition: Some("booked".to_owned()),
        comment: None,
        tags: None,
    };
    // A supervisor with a phone of their own speaks for others all the same.
    let head = Some("serhii".into());
    exchange.order_of(Role::Supervisor, head, said).unwrap();
    assert_eq!(state(&exchange, "olena"), "Available");
    exchange.bye("carrier", &caller);
    exchange.after(10_000);
    assert_eq!(state(&exchange, "iryna"), "Available");
    exchange.finish();
}

#[test]
fn what_is_owed_can_be_said_after_another_talk_and_after_a_restart() {
    // Олена talks with a colleague before she thinks of it.
    let mut exchange = Exchange::new(PLAN, &PHONES);
    let caller = exchange.dial("carrier", "0800301232");
    exchange.respond("olena", 200);
    exchange.after(5_000);
    exchange.bye("carrier", &caller);
    exchange.after(10_000);
    let talk = exchange.dial("olena", "203");
    exchange.respond("serhii", 200);
    exchange.after(5_000);
    exchange.bye("olena", &talk);
    exchange.after(5_000);
    assert_eq!(state(&exchange, "olena"), "Paused");
    assert_eq!(code(&mut exchange, "olena", "*482"), "done");
    assert_eq!(state(&exchange, "olena"), "Available");
    exchange.finish();
    let owed = || {
        let call = CallId(Ulid::new(Wall::default(), &mut Rng::new([1; 32])));
        let wish = Wish {
            logged_out: false,
            pause: None,
            owes: Some(call),
        };
        vec![("olena".into(), wish)]
    };
    let mut exchange = Exchange::after_a_restart(PLAN, &PHONES, owed());
    assert_eq!(state(&exchange, "olena"), "Paused");
    assert_eq!(code(&mut exchange, "olena", "*482"), "done");
    assert_eq!(state(&exchange, "olena"), "Available");
    // Where no queue asks for a word any more, nobody owes one.
    let lenient = PLAN.replace("require: true", "require: false");
    let mut exchange = Exchange::after_a_restart(PLAN, &PHONES, owed());
    assert_eq!(state(&exchange, "olena"), "Paused");
    exchange.reload(&lenient);
    assert_eq!(state(&exchange, "olena"), "Available");
    let exchange = Exchange::after_a_restart(&lenient, &PHONES, owed());
    assert_eq!(state(&exchange, "olena"), "Available");
}

#[test]
fn a_caller_who_is_moved_where_nobody_works_comes_back_to_the_same_place() {
    let (mut exchange, caller, call) = in_phase("waiting");
    set(&mut exchange, "serhii", WantedState::LoggedOut).unwrap();
    let queue = "second".into();
    exchange.order(Command::Move { call, queue }).unwrap();
    let joined: Vec<_> = exchange
        .events
        .iter()
        .filter(|it| it.kind == "queue.joined")
        .map(|it| it.data["queue"].clone())
        .collect();
    assert_eq!(joined, ["odesa", "second", "odesa"]);
    assert!(exchange.talks("carrier", &caller), "{}", exchange.chart());
    set(&mut exchange, "iryna", WantedState::Available).unwrap();
    exchange.respond("iryna", 200);
    exchange.after(5_000);
    assert_eq!(state(&exchange, "iryna"), "Talking");
    exchange.bye("carrier", &caller);
    exchange.finish();
}

#[test]
fn a_caller_whose_key_does_nothing_hears_music_again_though_the_phone_is_answered() {
    let key = r#"max_wait: 60s, callback: { key: "1", offer_after: 50s }"#;
    let out =
        "outbound: { via: [kyivstar], allow: [\"+48*\"], show: { number: \"0800 301 231\" } }\n";
    let text = PLAN.replace("max_wait: 60s", key) + out;
    let mut exchange = Exchange::new(&text, &PHONES);
    exchange.reload(&text);
    exchange.dial("carrier", "0800301231");
    let calls = exchange.engine.calls().next();
    let leg = calls.and_then(|call| call.legs().next()).unwrap();
    exchange.media.clear();
    exchange.sounds(MediaEvent::Digit { leg, digit: '1' });
    let play = exchange.media.iter().find_map(|it| {
        let MediaCommand::Play { play, looped, .. } = it else {
            return None;
        };
        (!looped).then_some(*play)
    });
    let play = play.expect("a tone says that nobody can be rung back");
    exchange.respond("iryna", 200);
    exchange.media.clear();
    exchange.sounds(MediaEvent::Played { leg, play });
    let music = exchange
        .media
        .iter()
        .any(|it| matches!(it, MediaCommand::Play { leg: of, looped: true, .. } if *of == leg));
    assert!(music, "{:?}", exchange.media);
    exchange.hang_up_all();
    exchange.finish();
}

/// What somebody says of a call, with what the store knows of it.
fn booked(call: CallId, past: Option<Past>) -> Command {
    Command::Describe {
        call,
        past,
        disposition: Some("booked".to_owned()),
        comment: None,
        tags: None,
    }
}

#[test]
fn operators_describe_their_own_talks_alone() {
    let (mut exchange, caller, call) = in_phase("waiting");
    let operator = OperatorName::from("olena");
    exchange.order(Command::Pull { call, operator }).unwrap();
    exchange.respond("olena", 486);
    set(&mut exchange, "iryna", WantedState::Available).unwrap();
    assert!(exchange.rings("iryna"), "{}", exchange.chart());
    exchange.respond("iryna", 200);
    exchange.after(5_000);
    let theirs = exchange.order_by("olena", booked(call, None));
    assert_eq!(status(&theirs), 403, "her phone rang, and no more");
    let seen = exchange.order_by("olena", Command::LiveCall(call));
    assert_eq!(status(&seen), 200);
    let own = exchange.order_by("iryna", booked(call, None));
    assert_eq!(status(&own), 200, "{own:?}");
    exchange.bye("carrier", &caller);
    exchange.finish();
    // Of a call that is forgotten the store knows who talked: nobody, when it was missed.
    let old: CallId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    for (talked, status_of) in [(None, 403), (Some("iryna"), 403), (Some("olena"), 200)] {
        let past = Past {
            queue: Some("strict".into()),
            operator: talked.map(OperatorName::from),
        };
        let said = exchange.order_by("olena", booked(old, Some(past)));
        assert_eq!(status(&said), status_of, "{talked:?}: {said:?}");
    }
}

#[test]
fn calls_that_have_ended_take_no_place_of_those_under_way() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    let first = exchange.dial("carrier", "0800301231");
    let second = exchange.dial("carrier", "0800301232");
    exchange.respond("olena", 200);
    exchange.after(5_000);
    exchange.bye("carrier", &second);
    let ask = |live_only: bool| {
        Command::LiveCalls(Wanted {
            latest_first: true,
            limit: 1,
            live_only,
            ..Wanted::default()
        })
    };
    let states = |reply: Reply| reply.unwrap()["calls"][0]["state"].clone();
    assert_eq!(states(exchange.order(ask(false))), "ended");
    assert_eq!(states(exchange.order(ask(true))), "waiting");
    exchange.bye("carrier", &first);
    exchange.finish();
}
