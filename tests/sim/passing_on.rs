//! Calls that operators place, hold and pass on, by hand-written phones; their charts are kept beside
//! the others in `tests/ladders/`.

use serde_json::Value;
use strowger::media::command::MediaCommand;

use crate::exchange::{Exchange, sdp};
use crate::ladders::compare;

pub const PLAN: &str = r#"
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
  odesa: { operators: [iryna], number: "300", ring: 10s, wrap_up: 5s, max_wait: 60s }
  second: { operators: [serhii], number: "301", ring: 10s, max_wait: 20s }
outbound:
  via: [kyivstar]
  allow: ["+380*"]
  deny: ["+380900*"]
  emergency: ["112"]
  show: { number: "0800 301 231" }
recording: { keep: 90d }
operators:
  iryna: { name: Ирина, number: "201", password: iryna }
  olena: { name: Олена, number: "202", password: olena }
  serhii: { name: Сергій, number: "203", password: serhii }
"#;

const PHONES: [&str; 3] = ["iryna", "olena", "serhii"];

/// Ирина talks with the caller of 0800 301 231: the exchange, the caller's call and hers.
pub fn talking() -> (Exchange, String, String) {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    let caller = exchange.dial("carrier", "0800301231");
    exchange.respond("iryna", 200);
    exchange.after(5_000);
    let iryna = exchange.talk_of("iryna").unwrap();
    assert!(exchange.talks("carrier", &caller));
    assert_eq!(state(&exchange, "iryna"), "Talking");
    (exchange, caller, iryna)
}

pub fn state(exchange: &Exchange, operator: &str) -> String {
    let state = exchange.engine.desk().state(&operator.into());
    format!("{:?}", state.unwrap())
}

fn ended(exchange: &Exchange) -> (&Value, &Value, &Value) {
    let data = &exchange.event("call.ended").data;
    (&data["direction"], &data["outcome"], &data["result"])
}

pub fn transfer(exchange: &Exchange) -> [String; 4] {
    let data = &exchange.event("call.transferred").data["transfer"];
    ["kind", "from", "to", "result"].map(|key| data[key].as_str().unwrap().to_owned())
}

#[test]
fn an_operator_dials_a_colleague() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    let call = exchange.dial("iryna", "202");
    assert_eq!(state(&exchange, "iryna"), "Talking");
    exchange.respond("olena", 180);
    exchange.respond("olena", 200);
    assert_eq!(state(&exchange, "olena"), "Talking");
    exchange.after(10_000);
    exchange.bye("iryna", &call);
    exchange.finish();
    assert_eq!(state(&exchange, "olena"), "Available");
    assert_eq!(
        ended(&exchange),
        (&"internal".into(), &Value::Null, &"answered".into())
    );
    assert_eq!(exchange.engine.view().offered, 0);
    compare("internal", &exchange.chart());
}

#[test]
fn a_colleague_who_talks_is_busy_and_one_who_gives_up_cancels() {
    let (mut exchange, _, _) = talking();
    exchange.dial("olena", "iryna");
    assert_eq!(exchange.answered("olena", "INVITE"), [486]);
    assert_eq!(ended(&exchange).2, "busy");
    let call = exchange.dial("olena", "203");
    exchange.respond("serhii", 180);
    let cancel = exchange.cancel("olena", &call);
    assert_eq!(exchange.answered("olena", "INVITE"), [486, 487], "{cancel}");
    assert_eq!(ended(&exchange).2, "cancelled");
    assert_eq!(state(&exchange, "serhii"), "Available");
    for stranger in ["nobody", "101", "0900123456", "+48221234567"] {
        exchange.answers.clear();
        exchange.dial("olena", stranger);
        assert_eq!(exchange.answered("olena", "INVITE"), [403], "{stranger}");
    }
}

#[test]
fn an_operator_dials_outside_and_hears_the_carrier_before_the_answer() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    let call = exchange.dial("iryna", "0671234567");
    exchange.respond("carrier", 183);
    exchange.after(3_000);
    exchange.respond("carrier", 200);
    exchange.after(10_000);
    exchange.dial("olena", "0671234567");
    exchange.respond("carrier", 404);
    assert_eq!(exchange.answered("olena", "INVITE"), [404]);
    assert_eq!(ended(&exchange).2, "failed");
    exchange.bye("iryna", &call);
    exchange.finish();
    assert_eq!(
        ended(&exchange),
        (&"outbound".into(), &Value::Null, &"answered".into())
    );
    compare("outbound", &exchange.chart());
}

#[test]
fn one_call_out_at_once_but_help_is_always_called() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    exchange.dial("iryna", "0671234567");
    exchange.respond("carrier", 180);
    exchange.dial("iryna", "0671234568");
    assert_eq!(exchange.answered("iryna", "INVITE"), [503]);
    assert_eq!(
        exchange.event("audit.action").data["bound"],
        "outbound.max_calls"
    );
    exchange.dial("iryna", "112");
    exchange.respond("carrier", 200);
    assert_eq!(exchange.answered("iryna", "INVITE"), [503, 200]);
}

#[test]
fn whoever_is_kept_on_hold_hears_music() {
    let (mut exchange, _, iryna) = talking();
    for mode in ["sendonly", "inactive"] {
        exchange.hold("iryna", &iryna, mode);
        assert_eq!(exchange.event("call.held").data["by"], "operator");
        exchange.hold("iryna", &iryna, "sendrecv");
        assert_eq!(exchange.event("call.resumed").data["by"], "operator");
    }
    exchange.bye("iryna", &iryna);
    exchange.finish();
    compare("hold", &exchange.chart());
}

/// Whether the left and the right party of the last bridge hear music.
fn music(exchange: &Exchange) -> [bool; 2] {
    let bridged = exchange
        .media
        .iter()
        .rposition(|it| matches!(it, MediaCommand::Bridge { .. }));
    let (bridge, later) = exchange.media[bridged.unwrap()..].split_first().unwrap();
    let MediaCommand::Bridge {
        caller, operator, ..
    } = bridge
    else {
        unreachable!();
    };
    [*caller, *operator].map(|party| {
        let mut plays = later.iter().rev().filter_map(|it| {
            let MediaCommand::Play { leg, looped, .. } = it else {
                return None;
            };
            (*leg == party).then_some(*looped)
        });
        plays.next() == Some(true)
    })
}

/// Who held and resumed, in order.
fn holds(exchange: &Exchange) -> Vec<String> {
    let events = exchange.events.iter();
    let holds = events.filter(|it| matches!(it.kind, "call.held" | "call.resumed"));
    let word = |by: &Value| by.as_str().unwrap().to_owned();
    holds
        .map(|it| format!("{} {}", &it.kind[5..], word(&it.data["by"])))
        .collect()
}

#[test]
fn both_sides_hold_and_each_is_taken_back_alone() {
    for operator_first in [true, false] {
        let (mut exchange, caller, iryna) = talking();
        exchange.hold("iryna", &iryna, "sendonly");
        assert_eq!(music(&exchange), [true, false]);
        exchange.hold("carrier", &caller, "inactive");
        assert_eq!(music(&exchange), [true, true]);
        if operator_first {
            exchange.hold("iryna", &iryna, "sendrecv");
            assert_eq!(music(&exchange), [false, true]);
            exchange.hold("carrier", &caller, "sendrecv");
        } else {
            exchange.hold("carrier", &caller, "sendrecv");
            assert_eq!(music(&exchange), [true, false]);
            exchange.hold("iryna", &iryna, "sendrecv");
        }
        assert_eq!(music(&exchange), [false, false]);
        let mut expected = [
            "held operator",
            "held caller",
            "resumed operator",
            "resumed caller",
        ];
        if !operator_first {
            expected.swap(2, 3);
        }
        assert_eq!(holds(&exchange), expected);
        exchange.bye("iryna", &iryna);
        exchange.finish();
    }
}

#[test]
fn a_caller_on_hold_is_sent_on() {
    for (code, taken) in [(200, true), (486, false)] {
        let (mut exchange, caller, iryna) = talking();
        exchange.hold("iryna", &iryna, "sendonly");
        exchange.refer("iryna", &iryna, "202");
        assert_eq!(music(&exchange), [true, false]);
        exchange.respond("olena", code);
        assert_eq!(music(&exchange), [!taken, false], "{}", exchange.chart());
        if !taken {
            exchange.hold("iryna", &iryna, "sendrecv");
            assert_eq!(music(&exchange), [false, false]);
            assert_eq!(holds(&exchange), ["held operator", "resumed operator"]);
        }
        exchange.bye("carrier", &caller);
        exchange.finish();
        assert_eq!(ended(&exchange).1, "answered");
    }
}

#[test]
fn hold_begins_and_ends_while_a_caller_is_sent_on() {
    let (mut exchange, caller, iryna) = talking();
    exchange.hold("iryna", &iryna, "sendonly");
    exchange.refer("iryna", &iryna, "202");
    exchange.respond("olena", 180);
    // The transferor takes the hold back, and the caller holds instead.
    exchange.hold("iryna", &iryna, "sendrecv");
    exchange.hold("carrier", &caller, "sendonly");
    let answers = exchange.answered("iryna", "INVITE");
    assert_eq!(answers, [200, 200], "{}", exchange.chart());
    assert_eq!(exchange.answered("carrier", "INVITE"), [200, 200]);
    exchange.respond("olena", 200);
    assert_eq!(music(&exchange), [false, true], "{}", exchange.chart());
    exchange.hold("carrier", &caller, "sendrecv");
    assert_eq!(music(&exchange), [false, false]);
    assert_eq!(
        holds(&exchange),
        [
            "held operator",
            "resumed operator",
            "held caller",
            "resumed caller"
        ]
    );
    exchange.hang_up_all();
    exchange.finish();
}

#[test]
fn a_caller_is_sent_to_a_colleague() {
    let (mut exchange, caller, iryna) = talking();
    exchange.refer("iryna", &iryna, "202");
    assert_eq!(exchange.answered("iryna", "REFER"), [202]);
    exchange.refer("iryna", &iryna, "203");
    assert_eq!(exchange.answered("iryna", "REFER"), [202, 491]);
    exchange.respond("olena", 180);
    exchange.respond("olena", 200);
    assert_eq!(state(&exchange, "iryna"), "WrapUp");
    exchange.after(10_000);
    assert_eq!(state(&exchange, "iryna"), "Available");
    exchange.bye("carrier", &caller);
    assert_eq!(state(&exchange, "olena"), "WrapUp");
    exchange.finish();
    let codes = exchange.notified.iter().map(|(_, body)| &body[8..11]);
    assert_eq!(codes.collect::<Vec<_>>(), ["100", "180", "200"]);
    assert_eq!(transfer(&exchange), ["blind", "iryna", "202", "answered"]);
    assert_eq!(ended(&exchange).1, "answered");
    compare("transfer_blind", &exchange.chart());
}

#[test]
fn a_transferor_who_hung_up_hears_how_it_ended() {
    // RFC 3515 2.4.4: the last NOTIFY comes after the transferor's BYE too.
    for (code, told) in [(200, "200"), (486, "486")] {
        let (mut exchange, caller, iryna) = talking();
        exchange.refer("iryna", &iryna, "202");
        exchange.respond("olena", 180);
        exchange.bye("iryna", &iryna);
        exchange.after(5_000);
        exchange.respond("olena", code);
        let codes = exchange.notified.iter().map(|(_, body)| &body[8..11]);
        assert_eq!(codes.collect::<Vec<_>>(), ["100", "180", told]);
        exchange.bye("carrier", &caller);
        exchange.finish();
    }
}

#[test]
fn a_caller_nobody_takes_goes_back_to_the_transferor() {
    let (mut exchange, caller, iryna) = talking();
    exchange.refer("iryna", &iryna, "olena");
    exchange.respond("olena", 486);
    assert_eq!(transfer(&exchange), ["blind", "iryna", "olena", "busy"]);
    assert_eq!(state(&exchange, "iryna"), "Talking");
    // Once more, and this time the transferor hangs up at once.
    exchange.refer("iryna", &iryna, "olena");
    exchange.bye("iryna", &iryna);
    exchange.after(6_000);
    exchange.respond("olena", 603);
    exchange.respond("iryna", 200);
    assert_eq!(state(&exchange, "iryna"), "Talking");
    exchange.bye("carrier", &caller);
    exchange.finish();
    compare("transfer_returns", &exchange.chart());
}

#[test]
fn a_caller_whom_nobody_takes_is_to_be_called_back() {
    // The transferor is gone: the phone is not there any more, or nobody wants the caller back.
    for code in [480, 486, 603] {
        let (mut exchange, caller, iryna) = talking();
        exchange.refer("iryna", &iryna, "olena");
        exchange.bye("iryna", &iryna);
        exchange.after(6_000);
        exchange.respond("olena", 603);
        exchange.respond("iryna", code);
        assert!(!exchange.talks("carrier", &caller));
        exchange.finish();
        let end = &exchange.event("call.ended").data;
        assert_eq!(end["outcome"], "answered");
        assert_eq!(end["stranded"], "no_operators", "{code}");
        let opened = &exchange.event("callback.opened").data;
        assert_eq!(end["callback"], opened["id"]);
        assert_eq!(opened["reason"], "no_operators");
    }
}

#[test]
fn a_caller_is_sent_to_a_queue_and_comes_back_from_it() {
    let (mut exchange, caller, iryna) = talking();
    exchange.refer("iryna", &iryna, "301");
    exchange.bye("iryna", &iryna);
    exchange.respond("serhii", 180);
    exchange.after(30_000);
    exchange.respond("iryna", 200);
    exchange.after(1_000);
    assert_eq!(transfer(&exchange)[3], "no_answer");
    assert_eq!(state(&exchange, "iryna"), "Talking");
    let iryna = exchange.rung("iryna");
    exchange.refer("iryna", &iryna, "301");
    exchange.respond("serhii", 200);
    assert_eq!(state(&exchange, "serhii"), "Talking");
    exchange.bye("carrier", &caller);
    exchange.finish();
    assert_eq!(transfer(&exchange), ["blind", "iryna", "301", "answered"]);
    assert_eq!(ended(&exchange).1, "answered");
}

#[test]
fn a_queue_that_takes_nobody_leaves_the_caller_with_the_transferor() {
    // Nobody serves `second`: Сергій is not there.
    let mut exchange = Exchange::new(PLAN, &["iryna", "olena"]);
    let caller = exchange.dial("carrier", "0800301231");
    exchange.respond("iryna", 200);
    exchange.after(5_000);
    let iryna = exchange.talk_of("iryna").unwrap();
    exchange.refer("iryna", &iryna, "301");
    exchange.after(5_000);
    let codes = exchange.notified.iter().map(|(_, body)| &body[8..11]);
    assert_eq!(codes.collect::<Vec<_>>(), ["100", "480"]);
    assert_eq!(transfer(&exchange), ["blind", "iryna", "301", "no_answer"]);
    assert!(exchange.talks("carrier", &caller), "{}", exchange.chart());
    assert!(exchange.talks("iryna", &iryna), "{}", exchange.chart());
    assert_eq!(state(&exchange, "iryna"), "Talking");
    assert_eq!(music(&exchange), [false, false]);
    exchange.bye("iryna", &iryna);
    let end = exchange.event("call.ended");
    assert_eq!(end.data["outcome"], "answered");
    assert_eq!(end.data["queue"], "odesa");
    exchange.hang_up_all();
    exchange.finish();
}

/// Holds the caller and talks with Олена; the REFER goes out in one of the two calls.
pub fn consults(exchange: &mut Exchange, iryna: &str, in_second: bool) {
    exchange.hold("iryna", iryna, "sendonly");
    let second = exchange.dial("iryna", "202");
    exchange.respond("olena", 200);
    exchange.after(3_000);
    let (in_call, about) = if in_second {
        (second.as_str(), iryna)
    } else {
        (iryna, second.as_str())
    };
    let replaces = exchange.replaces("iryna", about);
    let replaces = replaces.replace(';', "%3B").replace('=', "%3D");
    let to = format!("Refer-To: <sip:202@pbx.test?Replaces={replaces}>\r\n");
    exchange.request("iryna", in_call, "REFER", &to, "");
    assert_eq!(exchange.answered("iryna", "REFER"), [202]);
}

#[test]
fn two_talks_of_an_operator_become_one_call() {
    for in_second in [false, true] {
        let (mut exchange, caller, iryna) = talking();
        let first = exchange.event("call.bridged").subject;
        consults(&mut exchange, &iryna, in_second);
        exchange.after(3_000);
        assert_eq!(state(&exchange, "olena"), "Talking");
        assert_ne!(state(&exchange, "iryna"), "Talking");
        let second = exchange.event("call.ended");
        assert_ne!(second.subject, first);
        assert_eq!(second.data["result"], "answered");
        exchange.bye("carrier", &caller);
        exchange.finish();
        let last = exchange.event("call.ended");
        assert_eq!(last.subject, first);
        let legs = last.data["legs"].as_array().unwrap().iter();
        let operators: Vec<_> = legs.filter_map(|leg| leg["operator"].as_str()).collect();
        assert_eq!(operators, ["iryna", "olena"]);
        assert_eq!(
            transfer(&exchange),
            ["attended", "iryna", "olena", "answered"]
        );
        if !in_second {
            compare("transfer_attended", &exchange.chart());
        }
    }
}

#[test]
fn another_phone_of_the_operator_takes_the_talk_over() {
    let mut exchange = Exchange::new(PLAN, &["iryna", "iryna2", "olena"]);
    let call = exchange.dial("olena", "201");
    exchange.respond("iryna", 200);
    let iryna = exchange.rung("iryna");
    let replaces = format!("Replaces: {}\r\n", exchange.replaces("iryna", &iryna));
    let body = sdp("10.0.0.2:5060".parse().unwrap(), "sendrecv");
    let target = "sip:olena@pbx.test";
    exchange.begin(
        "iryna2",
        "INVITE",
        target,
        "<sip:olena@pbx.test>",
        &replaces,
        &body,
    );
    assert_eq!(exchange.answered("iryna2", "INVITE"), [200]);
    exchange.after(1_000);
    assert_eq!(state(&exchange, "iryna"), "Talking");
    exchange.bye("olena", &call);
    exchange.finish();
    compare("replaced", &exchange.chart());
}

#[test]
fn strangers_to_a_talk_refer_nobody() {
    let (mut exchange, caller, iryna) = talking();
    exchange.refer("carrier", &caller, "202");
    assert_eq!(exchange.answered("carrier", "REFER"), [403]);
    for stranger in ["nobody", "+48221234567", "0900123456"] {
        exchange.answers.clear();
        exchange.refer("iryna", &iryna, stranger);
        assert_eq!(exchange.answered("iryna", "REFER"), [403], "{stranger}");
    }
    exchange.bye("carrier", &caller);
    exchange.finish();
}

#[test]
fn a_redirection_leads_only_where_the_plan_lets_operators_dial() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    exchange.dial("iryna", "202");
    exchange.redirect("olena", "sip:+48221234567@evil.example");
    assert_eq!(exchange.answered("iryna", "INVITE"), [480]);
    let call = exchange.dial("iryna", "202");
    exchange.redirect("olena", "sip:203@pbx.test");
    exchange.respond("serhii", 200);
    assert_eq!(exchange.answered("iryna", "INVITE"), [480, 200]);
    exchange.bye("iryna", &call);
    // Nor does a redirection make a call for help of an ordinary one.
    for contact in ["sip:112@pbx.test", "tel:112"] {
        exchange.answers.clear();
        let heard = exchange.heard_by("carrier", "INVITE");
        exchange.dial("iryna", "202");
        exchange.redirect("olena", contact);
        assert_eq!(exchange.answered("iryna", "INVITE"), [480], "{contact}");
        assert_eq!(exchange.heard_by("carrier", "INVITE"), heard, "{contact}");
    }
    exchange.finish();
}

#[test]
fn what_the_live_plan_forbids_is_not_dialled_from_an_older_call() {
    let (mut exchange, caller, iryna) = talking();
    exchange.reload(&PLAN.replace("+380900*", "+38067*"));
    exchange.refer("iryna", &iryna, "0671234567");
    assert_eq!(exchange.answered("iryna", "REFER"), [202]);
    let [kind, from, _, result] = transfer(&exchange);
    assert_eq!([kind, from, result], ["blind", "iryna", "failed"]);
    assert_eq!(state(&exchange, "iryna"), "Talking");
    exchange.bye("carrier", &caller);
    exchange.finish();
}

#[test]
fn a_redirection_outside_is_a_call_out_of_whoever_dialled() {
    let mut exchange = Exchange::new(PLAN, &PHONES);
    let first = exchange.dial("iryna", "0671234567");
    exchange.respond("carrier", 200);
    exchange.dial("iryna", "202");
    exchange.redirect("olena", "sip:+380671234568@pbx.test");
    assert_eq!(exchange.answered("iryna", "INVITE"), [200, 503]);
    let bound = &exchange.event("audit.action").data["bound"];
    assert_eq!(bound, "outbound.max_calls");
    exchange.bye("iryna", &first);

    let call = exchange.dial("iryna", "202");
    exchange.redirect("olena", "tel:7053201;phone-context=+38048");
    exchange.respond("carrier", 200);
    assert_eq!(exchange.answered("iryna", "INVITE"), [200, 503, 200]);
    exchange.dial("iryna", "0671234567");
    assert_eq!(exchange.answered("iryna", "INVITE"), [200, 503, 200, 503]);
    exchange.bye("iryna", &call);
    exchange.finish();
}

#[test]
fn a_caller_who_hangs_up_in_a_transfer_leaves_nobody_behind() {
    for in_queue in [false, true] {
        let (mut exchange, caller, iryna) = talking();
        exchange.refer("iryna", &iryna, if in_queue { "301" } else { "203" });
        exchange.respond("serhii", 180);
        exchange.bye("carrier", &caller);
        exchange.finish();
        assert_eq!(ended(&exchange).1, "answered");
    }
}
