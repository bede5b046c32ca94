//! Calls to numbers outside over two carriers, or two servers of one: who is asked, when, and what
//! becomes of a carrier that answers after it was given up.

use serde_json::Value;
use strowger::media::command::MediaCommand;

use crate::exchange::Exchange;

const TRUNKS: [&str; 2] = [
    r#"
  kyivstar: { peers: ["203.0.113.10:5060"] }
  vodafone: { peers: ["203.0.113.20:5060"] }
"#,
    r#"
  kyivstar: { peers: ["203.0.113.10:5060"], servers: ["203.0.113.10:5060", "203.0.113.20:5060"] }
"#,
];

const REST: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
numbers:
  "0800 301 231": { to: queue.odesa }
queues:
  odesa: { operators: [iryna], number: "300", ring: 10s, wrap_up: 5s, max_wait: 20s }
operators:
  iryna: { name: Ирина, password: iryna }
"#;

/// An exchange for each way to have a second server.
fn exchanges() -> impl Iterator<Item = Exchange> {
    let via = ["[kyivstar, vodafone]", "[kyivstar]"];
    TRUNKS.iter().zip(via).map(|(trunks, via)| {
        let out = format!("outbound: {{ via: {via}, allow: [\"+380*\"], deny: [\"+380900*\"] }}");
        let plan = format!("{REST}trunks:{trunks}{out}\n");
        Exchange::new(&plan, &["iryna"])
    })
}

/// One call, which ended once, and what the operator heard last.
fn over(exchange: &mut Exchange, result: &str, heard: &[u16]) {
    exchange.finish();
    let chart = exchange.chart();
    let ended = exchange.events.iter().filter(|it| it.kind == "call.ended");
    assert_eq!(ended.count(), 1, "{chart}");
    let data = &exchange.event("call.ended").data;
    assert_eq!(data["result"], result, "{chart}");
    assert_eq!(data.get("outcome").unwrap_or(&Value::Null), &Value::Null);
    assert_eq!(exchange.answered("iryna", "INVITE"), heard, "{chart}");
}

fn bridges(exchange: &Exchange) -> usize {
    let bridges = exchange.media.iter();
    let bridges = bridges.filter(|it| matches!(it, MediaCommand::Bridge { .. }));
    bridges.count()
}

#[test]
fn a_carrier_that_fails_is_left_for_the_next_at_once() {
    for mut exchange in exchanges() {
        let call = exchange.dial("iryna", "0671234567");
        assert_eq!(exchange.heard_by("backup", "INVITE"), 0);
        exchange.respond("carrier", 100);
        exchange.respond("carrier", 503);
        assert_eq!(exchange.heard_by("backup", "INVITE"), 1, "no time passed");
        assert!(exchange.rings("backup") && !exchange.rings("carrier"));
        exchange.respond("backup", 180);
        exchange.respond("backup", 200);
        exchange.after(10_000);
        assert_eq!(bridges(&exchange), 1);
        exchange.bye("iryna", &call);
        over(&mut exchange, "answered", &[200]);
    }
}

#[test]
fn two_carriers_that_fail_are_one_failed_call() {
    for mut exchange in exchanges() {
        exchange.dial("iryna", "0671234567");
        exchange.respond("carrier", 503);
        exchange.respond("backup", 503);
        over(&mut exchange, "failed", &[503]);
    }
}

#[test]
fn a_silent_carrier_is_left_after_four_seconds_and_its_late_answer_hung_up() {
    // RFC 3261 9.1 and 15: no CANCEL before a response, ACK and BYE to a 200 that crosses.
    for second_answers_first in [false, true] {
        for mut exchange in exchanges() {
            let call = exchange.dial("iryna", "0671234567");
            exchange.after(3_900);
            assert_eq!(exchange.heard_by("backup", "INVITE"), 0);
            exchange.after(200);
            assert_eq!(exchange.heard_by("backup", "INVITE"), 1);
            assert_eq!(exchange.heard_by("carrier", "CANCEL"), 0);
            exchange.respond("backup", 180);
            if second_answers_first {
                exchange.respond("backup", 200);
            }
            exchange.respond("carrier", 200);
            exchange.after(1_000);
            assert_eq!(exchange.heard_by("carrier", "ACK"), 1);
            assert_eq!(exchange.heard_by("carrier", "BYE"), 1);
            if !second_answers_first {
                assert_eq!(bridges(&exchange), 0);
                exchange.respond("backup", 200);
            }
            exchange.after(10_000);
            assert_eq!(bridges(&exchange), 1, "{}", exchange.chart());
            assert_eq!(exchange.heard_by("backup", "BYE"), 0);
            exchange.bye("iryna", &call);
            over(&mut exchange, "answered", &[200]);
        }
    }
}

#[test]
fn a_silent_carrier_that_rings_late_is_cancelled() {
    for mut exchange in exchanges() {
        let call = exchange.dial("iryna", "0671234567");
        exchange.after(4_100);
        exchange.respond("backup", 200);
        assert_eq!(exchange.heard_by("carrier", "CANCEL"), 0);
        exchange.respond("carrier", 180);
        assert_eq!(exchange.heard_by("carrier", "CANCEL"), 1);
        assert_eq!(exchange.heard_by("carrier", "ACK"), 1, "to the 487");
        exchange.after(10_000);
        assert_eq!(bridges(&exchange), 1, "{}", exchange.chart());
        exchange.bye("iryna", &call);
        over(&mut exchange, "answered", &[200]);
    }
}

#[test]
fn what_is_said_about_the_number_is_final() {
    for (code, result) in [(404, "failed"), (486, "busy"), (603, "busy")] {
        for mut exchange in exchanges() {
            exchange.dial("iryna", "0671234567");
            exchange.respond("carrier", code);
            exchange.after(10_000);
            assert_eq!(exchange.heard_by("backup", "INVITE"), 0, "{code}");
            over(&mut exchange, result, &[code]);
        }
    }
}

#[test]
fn a_carrier_redirects_to_no_number_that_operators_may_not_dial() {
    for target in ["+48221234567", "+380900123456", "112", "nobody"] {
        for mut exchange in exchanges() {
            exchange.dial("iryna", "0671234567");
            exchange.redirect("carrier", &format!("sip:{target}@203.0.113.10"));
            exchange.after(10_000);
            assert_eq!(exchange.heard_by("carrier", "INVITE"), 1, "{target}");
            assert_eq!(exchange.heard_by("backup", "INVITE"), 0, "{target}");
            over(&mut exchange, "failed", &[480]);
        }
    }
}

#[test]
fn a_callback_is_closed_by_a_call_to_its_number_that_is_answered() {
    for answered in [false, true] {
        let mut exchange = exchanges().next().unwrap();
        exchange.dial("carrier", "0800301231");
        exchange.after(60_000);
        assert_eq!(exchange.event("call.ended").data["outcome"], "missed");
        let opened = exchange.event("callback.opened").data["id"].clone();
        let call = exchange.dial("iryna", "0671112233");
        exchange.respond("carrier", if answered { 200 } else { 486 });
        exchange.after(5_000);
        if answered {
            exchange.bye("iryna", &call);
        }
        exchange.finish();
        let closed = exchange.events.iter();
        let closed = closed.filter(|it| it.kind == "callback.closed");
        assert_eq!(closed.count(), usize::from(answered));
        assert_eq!(exchange.engine.view().callbacks, usize::from(!answered));
        if answered {
            let closed = &exchange.event("callback.closed");
            assert_eq!(closed.data["id"], opened);
            let ended = exchange.event("call.ended").subject.unwrap();
            assert_eq!(closed.data["closed_by"], ended.to_string());
        }
    }
}

#[test]
fn a_caller_who_never_says_where_to_send_the_sound_is_abandoned() {
    let mut exchange = exchanges().next().unwrap();
    let target = "sip:0800301231@pbx.test";
    let to = "<sip:0800301231@pbx.test>";
    exchange.begin("carrier", "INVITE", target, to, "", "");
    assert_eq!(exchange.answered("carrier", "INVITE"), [200]);
    exchange.finish();
    assert_eq!(exchange.heard_by("carrier", "BYE"), 1);
    let data = &exchange.event("call.ended").data;
    assert_eq!(
        (&data["outcome"], &data["reason"]),
        (&"missed".into(), &"abandoned".into())
    );
    assert_eq!(data["no_callback"], "short");
}

#[test]
fn an_operator_who_never_says_where_to_send_the_sound_has_failed() {
    let mut exchange = exchanges().next().unwrap();
    let (target, to) = ("sip:300@pbx.test", "<sip:300@pbx.test>");
    exchange.begin("iryna", "INVITE", target, to, "", "");
    over(&mut exchange, "failed", &[200]);
    assert_eq!(exchange.heard_by("iryna", "BYE"), 1);
}
