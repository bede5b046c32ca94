//! Supervisors in a talk, by hand-written phones: who is rung, who stays, who is let go, and what the
//! journal says of it.

use std::collections::BTreeMap;

use serde_json::Value;
use strowger::engine::command::{Command, Refused};
use strowger::id::CallId;
use strowger::media::command::{MediaCommand, MediaEvent};
use strowger::sim::sound::Sound;
use strowger::time::Instant;
use strowger::words::Supervision;

use crate::exchange::{Exchange, header, sdp};
use crate::passing_on::{PLAN, consults, state, talking, transfer};

const SUPERVISOR: &str = "serhii";

fn call(exchange: &Exchange) -> CallId {
    exchange.event("call.bridged").subject.unwrap()
}

fn supervise(exchange: &mut Exchange, mode: Supervision) {
    let command = Command::Supervise {
        call: call(exchange),
        supervisor: SUPERVISOR.into(),
        mode,
    };
    exchange.order(command).unwrap();
}

fn take_over(exchange: &mut Exchange) {
    let (call, supervisor) = (call(exchange), SUPERVISOR.into());
    exchange
        .order(Command::TakeOver { call, supervisor })
        .unwrap();
}

/// Сергій listens to Ирина's talk with the caller: the calls of the three.
fn listening() -> (Exchange, String, String, String) {
    let (mut exchange, caller, iryna) = talking();
    supervise(&mut exchange, Supervision::Listen);
    assert!(exchange.rings(SUPERVISOR));
    let serhii = exchange.respond(SUPERVISOR, 200);
    assert_eq!(state(&exchange, SUPERVISOR), "Talking");
    (exchange, caller, iryna, serhii)
}

/// What the journal says: action and result, in order.
fn journal(exchange: &Exchange) -> Vec<(String, String)> {
    let deeds = exchange.events.iter();
    deeds
        .filter(|event| event.kind == "audit.action")
        .map(|event| {
            let word = |key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
            (word("action"), word("result"))
        })
        .collect()
}

fn deeds(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(action, result)| ((*action).to_owned(), (*result).to_owned()))
        .collect()
}

/// How the supervisor takes part, if the media threads have it so; whatever they were told made sense.
fn heard(exchange: &Exchange) -> Option<Supervision> {
    let mut sound = Sound::new(99, &BTreeMap::new());
    let mut out = Vec::new();
    for command in &exchange.media {
        sound.handle(Instant::START, command.clone(), &mut out);
    }
    assert_eq!(sound.broken, Vec::<String>::new());
    sound.supervision(call(exchange)).map(|(.., mode)| mode)
}

fn finish(exchange: &mut Exchange) {
    assert_eq!(heard(exchange), None);
    exchange.finish();
    assert_eq!(state(exchange, SUPERVISOR), "Available");
}

#[test]
fn a_supervisor_listens_coaches_barges_in_and_leaves() {
    let (mut exchange, caller, iryna, serhii) = listening();
    let asked = exchange.heard_by("carrier", "INVITE") + exchange.heard_by("iryna", "INVITE");
    assert_eq!(heard(&exchange), Some(Supervision::Listen));
    exchange.after(3_000);
    for mode in [Supervision::Coach, Supervision::Barge] {
        supervise(&mut exchange, mode);
        assert_eq!(heard(&exchange), Some(mode));
    }
    exchange.bye(SUPERVISOR, &serhii);
    assert_eq!(heard(&exchange), None);
    assert!(exchange.talks("carrier", &caller) && exchange.talks("iryna", &iryna));
    assert_eq!(exchange.heard_by(SUPERVISOR, "INVITE"), 1);
    let again = exchange.heard_by("carrier", "INVITE") + exchange.heard_by("iryna", "INVITE");
    assert_eq!(asked, again, "nobody else is asked anything");
    assert_eq!(
        journal(&exchange),
        deeds(&[
            ("listen", "done"),
            ("listen", "begun"),
            ("coach", "done"),
            ("listen", "ended"),
            ("coach", "begun"),
            ("barge", "done"),
            ("coach", "ended"),
            ("barge", "begun"),
            ("barge", "ended"),
        ])
    );
    let deed = exchange
        .events
        .iter()
        .find(|event| event.data.get("result") == Some(&Value::from("ended")));
    let deed = &deed.unwrap().data;
    assert_eq!(deed["actor"], "head");
    assert_eq!(deed["operator"], SUPERVISOR);
    assert_eq!(deed["supervised"], "iryna");
    assert_eq!(deed["duration_s"], 3.0);
    exchange.bye("carrier", &caller);
    // Who supervised is no part of what is told of the call.
    let legs = exchange.event("call.ended").data["legs"].to_string();
    assert!(!legs.contains(SUPERVISOR), "{legs}");
    assert_eq!(state(&exchange, "iryna"), "WrapUp");
    finish(&mut exchange);
}

#[test]
fn a_supervisors_phone_that_falls_silent_is_let_go_and_the_talk_goes_on() {
    let (mut exchange, caller, iryna, serhii) = listening();
    let supervises = exchange.media.iter().rev().find_map(|command| {
        if let MediaCommand::Supervise { leg, .. } = command {
            Some(*leg)
        } else {
            None
        }
    });
    let leg = supervises.unwrap();
    exchange.sounds(MediaEvent::Silent { leg });
    assert!(!exchange.talks(SUPERVISOR, &serhii));
    assert_eq!(state(&exchange, SUPERVISOR), "Available");
    assert!(exchange.talks("carrier", &caller) && exchange.talks("iryna", &iryna));
    let journal = journal(&exchange);
    assert_eq!(journal.last(), deeds(&[("listen", "ended")]).first());
    exchange.bye("carrier", &caller);
    finish(&mut exchange);
}

#[test]
fn whoever_hangs_up_at_whichever_moment_leaves_nobody_behind() {
    for who in ["carrier", "iryna"] {
        for answered in [false, true] {
            let (mut exchange, caller, iryna) = talking();
            supervise(&mut exchange, Supervision::Coach);
            exchange.respond(SUPERVISOR, 180);
            if answered {
                exchange.respond(SUPERVISOR, 200);
            }
            let mine = if who == "carrier" { &caller } else { &iryna };
            exchange.bye(who, mine);
            assert!(!exchange.rings(SUPERVISOR));
            let last = journal(&exchange).pop().unwrap().1;
            assert_eq!(last, if answered { "ended" } else { "cancelled" });
            assert_eq!(exchange.event("call.ended").data["outcome"], "answered");
            finish(&mut exchange);
        }
    }
}

#[test]
fn a_supervisor_who_is_not_there_changes_nothing() {
    for (code, result) in [
        (486, "busy"),
        (603, "failed"),
        (480, "no_answer"),
        (0, "no_answer"),
    ] {
        let (mut exchange, caller, iryna) = talking();
        take_over(&mut exchange);
        exchange.respond(SUPERVISOR, 180);
        if code == 0 {
            exchange.after(61_000);
        } else {
            exchange.respond(SUPERVISOR, code);
        }
        assert_eq!(state(&exchange, SUPERVISOR), "Available");
        let last = journal(&exchange).pop().unwrap();
        assert_eq!(last.0, "takeover");
        assert!(
            [result, "busy", "no_answer"].contains(&last.1.as_str()),
            "{last:?}"
        );
        assert!(exchange.talks("carrier", &caller) && exchange.talks("iryna", &iryna));
        exchange.bye("carrier", &caller);
        finish(&mut exchange);
    }
}

#[test]
fn a_supervisor_takes_the_caller_over() {
    for listens in [false, true] {
        let (mut exchange, caller, iryna) = talking();
        let id = call(&exchange);
        if listens {
            supervise(&mut exchange, Supervision::Listen);
            exchange.respond(SUPERVISOR, 200);
        }
        take_over(&mut exchange);
        if !listens {
            assert!(exchange.talks("iryna", &iryna));
            exchange.respond(SUPERVISOR, 200);
        }
        assert_eq!(exchange.heard_by(SUPERVISOR, "INVITE"), 1);
        assert!(!exchange.talks("iryna", &iryna));
        assert!(exchange.talks("carrier", &caller));
        assert_eq!(exchange.heard_by("carrier", "INVITE"), 0);
        assert_eq!(state(&exchange, "iryna"), "WrapUp");
        assert_eq!(state(&exchange, SUPERVISOR), "Talking");
        assert_eq!(
            transfer(&exchange),
            ["takeover", "iryna", SUPERVISOR, "answered"]
        );
        let reason = exchange.last_heard("iryna", "BYE");
        assert!(
            header(&reason, "Reason").contains("took the call over"),
            "{reason}"
        );
        let plan = exchange.media.iter().rev().find_map(|command| {
            if let MediaCommand::Bridge { record, .. } = command {
                record.clone()
            } else {
                None
            }
        });
        let plan = plan.unwrap();
        assert_eq!(plan.operator.as_ref().unwrap().as_str(), SUPERVISOR);
        exchange.after(3_000);
        exchange.bye("carrier", &caller);
        let ended = exchange.event("call.ended");
        assert_eq!(ended.subject, Some(id));
        assert_eq!(ended.data["operator"], SUPERVISOR);
        assert_eq!(state(&exchange, SUPERVISOR), "WrapUp");
        let takeover = journal(&exchange)
            .into_iter()
            .filter(|deed| deed.0 == "takeover");
        let mut results: Vec<_> = takeover.map(|deed| deed.1).collect();
        results.sort();
        assert_eq!(results, ["done", "taken_over"]);
        finish(&mut exchange);
    }
}

#[test]
fn a_supervisor_follows_a_caller_who_is_sent_on() {
    let (mut exchange, caller, iryna, _) = listening();
    supervise(&mut exchange, Supervision::Coach);
    exchange.refer("iryna", &iryna, "202");
    assert_eq!(heard(&exchange), None);
    let refused = exchange.order(Command::TakeOver {
        call: call(&exchange),
        supervisor: SUPERVISOR.into(),
    });
    assert_eq!(refused.unwrap_err().status, 409);
    exchange.respond("olena", 200);
    assert_eq!(heard(&exchange), Some(Supervision::Coach));
    assert_eq!(state(&exchange, SUPERVISOR), "Talking");
    // Nobody takes the caller, who goes back to who sent them.
    let olena = exchange.talk_of("olena").unwrap();
    exchange.refer("olena", &olena, "201");
    exchange.respond("iryna", 486);
    assert_eq!(heard(&exchange), Some(Supervision::Coach));
    exchange.bye("carrier", &caller);
    finish(&mut exchange);
}

#[test]
fn a_supervisor_stays_when_the_operator_changes_the_phone_and_leaves_with_the_last_operator() {
    let mut exchange = Exchange::new(PLAN, &["iryna", "iryna2", "olena", SUPERVISOR]);
    let placed = exchange.dial("olena", "201");
    exchange.respond("iryna", 200);
    supervise(&mut exchange, Supervision::Barge);
    exchange.respond(SUPERVISOR, 200);
    let iryna = exchange.rung("iryna");
    let replaces = format!("Replaces: {}\r\n", exchange.replaces("iryna", &iryna));
    let body = sdp("10.0.0.2:5060".parse().unwrap(), "sendrecv");
    let target = "sip:olena@pbx.test";
    let to = "<sip:olena@pbx.test>";
    exchange.begin("iryna2", "INVITE", target, to, &replaces, &body);
    assert_eq!(exchange.answered("iryna2", "INVITE"), [200]);
    assert_eq!(heard(&exchange), Some(Supervision::Barge));
    exchange.bye("olena", &placed);
    finish(&mut exchange);

    // Two calls become one: whoever supervises the older one hears the new party.
    let (mut exchange, caller, iryna, _) = listening();
    consults(&mut exchange, &iryna, false);
    assert_eq!(heard_in_first(&exchange), Some(Supervision::Listen));
    exchange.bye("carrier", &caller);
    exchange.finish();
}

/// The same of the first call that was bridged.
fn heard_in_first(exchange: &Exchange) -> Option<Supervision> {
    let first = exchange.events.iter().find(|it| it.kind == "call.bridged");
    let mut sound = Sound::new(99, &BTreeMap::new());
    for command in &exchange.media {
        sound.handle(Instant::START, command.clone(), &mut Vec::new());
    }
    let supervision = sound.supervision(first.unwrap().subject.unwrap());
    supervision.map(|(.., mode)| mode)
}

#[test]
fn the_supervisors_own_hold_is_theirs_alone() {
    let (mut exchange, caller, _, serhii) = listening();
    exchange.answers.clear();
    exchange.hold(SUPERVISOR, &serhii, "sendonly");
    exchange.hold(SUPERVISOR, &serhii, "sendrecv");
    assert_eq!(exchange.answered(SUPERVISOR, "INVITE"), [200, 200]);
    assert!(
        exchange
            .events
            .iter()
            .all(|event| event.kind != "call.held")
    );
    exchange.refer(SUPERVISOR, &serhii, "202");
    assert_eq!(exchange.answered(SUPERVISOR, "REFER"), [403]);
    assert_eq!(heard(&exchange), Some(Supervision::Listen));
    exchange.bye("carrier", &caller);
    finish(&mut exchange);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let mut exchange = Exchange::new(PLAN, &["iryna", "olena"]);
    let caller = exchange.dial("carrier", "0800301231");
    let id = exchange.event("call.started").subject.unwrap();
    let listen = |exchange: &mut Exchange, call, supervisor: &str| -> Refused {
        let refused = exchange.order(Command::Supervise {
            call,
            supervisor: supervisor.into(),
            mode: Supervision::Listen,
        });
        refused.unwrap_err()
    };
    // Nobody talks yet.
    assert_eq!(listen(&mut exchange, id, "olena").status, 409);
    exchange.respond("iryna", 200);
    exchange.after(5_000);
    assert_eq!(listen(&mut exchange, id, "nobody").status, 404);
    let party = listen(&mut exchange, id, "iryna");
    assert!(
        party.status == 409 && party.why.contains("party"),
        "{party:?}"
    );
    let phone = listen(&mut exchange, id, SUPERVISOR);
    assert!(
        phone.status == 409 && phone.why.contains("registered"),
        "{phone:?}"
    );
    let olena = exchange.dial("olena", "380501112233");
    exchange.respond("carrier", 200);
    let busy = listen(&mut exchange, id, "olena");
    assert!(
        busy.status == 409 && busy.why.contains("hang up first"),
        "{busy:?}"
    );
    exchange.bye("olena", &olena);
    exchange.bye("carrier", &caller);
    exchange.after(100);
    let over = listen(&mut exchange, id, "olena").status;
    assert!([404, 409].contains(&over), "{over}");
    exchange.hang_up_all();
    exchange.finish();

    // A second supervisor.
    let (mut exchange, caller, ..) = listening();
    let id = call(&exchange);
    let second = listen(&mut exchange, id, "olena");
    assert!(
        second.status == 409 && second.why.contains("one supervisor"),
        "{second:?}"
    );
    exchange.bye("carrier", &caller);
    finish(&mut exchange);
}
