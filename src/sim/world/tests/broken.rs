//! Calls that operators place and pass on, with each step of them broken once: what breaks one call
//! leaves nothing behind, and the other call goes on or ends as it should.

#[expect(dead_code, reason = "the integration tests use what is not used here")]
#[path = "../../../../tests/sim/exchange.rs"]
mod exchange;

use self::exchange::Exchange;
use crate::engine::command::Command;
use crate::engine::sabotage::{Sabotage, When};
use crate::id::OperatorName;
use crate::words::Supervision;

/// What the phones need to know of the world around them.
mod hall {
    use std::net::SocketAddr;

    use super::super::Nothing;
    use crate::dialplan::compile::{Options, Source, compile};
    use crate::dialplan::diagnose::Severity;
    use crate::dialplan::plan::Dialplan;

    pub fn carrier() -> SocketAddr {
        "203.0.113.10:5060".parse().unwrap()
    }

    pub fn plan(text: &str) -> Dialplan {
        let name = "plan.yaml";
        let (unset, whole) = (Severity::Error, true);
        let options = Options { unset, whole };
        compile(&[Source { name, text }], &Nothing, options)
            .plan
            .unwrap()
    }
}

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
  vodafone: { peers: ["203.0.113.20:5060"] }
numbers:
  "0800 301 231": { to: queue.odesa }
queues:
  odesa: { operators: [iryna], number: "300", ring: 10s, wrap_up: 5s, max_wait: 60s }
outbound: { via: [kyivstar, vodafone], allow: ["+380*"] }
recording: { keep: 90d }
operators:
  iryna: { name: Ирина, number: "201", password: iryna }
  olena: { name: Олена, number: "202", password: olena }
  serhii: { name: Сергій, number: "203", password: serhii }
"#;

/// Answers, when anybody still rings.
fn respond(exchange: &mut Exchange, party: &'static str, code: u16) {
    if exchange.rings(party) {
        exchange.respond(party, code);
    }
    exchange.after(1_000);
}

/// One calls outside by the second carrier, and two colleagues talk.
fn out_and_inside(exchange: &mut Exchange) {
    exchange.dial("serhii", "0671234567");
    respond(exchange, "carrier", 503);
    respond(exchange, "backup", 183);
    exchange.dial("iryna", "202");
    respond(exchange, "olena", 180);
    respond(exchange, "olena", 200);
    respond(exchange, "backup", 200);
}

/// A caller whom one colleague does not take and the next one does.
fn sent_on(exchange: &mut Exchange) {
    exchange.dial("carrier", "0800301231");
    respond(exchange, "iryna", 200);
    exchange.after(5_000);
    for (to, party, code) in [("203", "serhii", 486), ("202", "olena", 200)] {
        if let Some(iryna) = exchange.talk_of("iryna") {
            exchange.refer("iryna", &iryna, to);
        }
        respond(exchange, party, 180);
        respond(exchange, party, code);
    }
}

/// A caller and a colleague, in two calls of one operator that become one.
fn merged(exchange: &mut Exchange) {
    exchange.dial("carrier", "0800301231");
    respond(exchange, "iryna", 200);
    exchange.after(5_000);
    let first = exchange.talk_of("iryna");
    if let Some(first) = &first {
        exchange.hold("iryna", first, "sendonly");
    }
    let second = exchange.dial("iryna", "202");
    respond(exchange, "olena", 200);
    let second = Some(second).filter(|call| exchange.talks("iryna", call));
    let first = first.filter(|call| exchange.talks("iryna", call));
    if let (Some(first), Some(second)) = (first, second) {
        let replaces = exchange.replaces("iryna", &second);
        let replaces = replaces.replace(';', "%3B").replace('=', "%3D");
        let to = format!("Refer-To: <sip:202@pbx.test?Replaces={replaces}>\r\n");
        exchange.request("iryna", &first, "REFER", &to, "");
    }
    exchange.after(1_000);
}

/// A caller whose talk is listened to, and who is taken over.
fn taken_over(exchange: &mut Exchange) {
    exchange.dial("carrier", "0800301231");
    respond(exchange, "iryna", 200);
    exchange.after(5_000);
    let bridged = exchange.events.iter().find(|it| it.kind == "call.bridged");
    let Some(call) = bridged.and_then(|it| it.subject) else {
        return;
    };
    let supervisor = OperatorName::from("serhii");
    let mode = Supervision::Coach;
    // Of a call that has just broken it is refused.
    let _ = exchange.order(Command::Supervise {
        call,
        supervisor: supervisor.clone(),
        mode,
    });
    respond(exchange, "serhii", 180);
    respond(exchange, "serhii", 200);
    let _ = exchange.order(Command::TakeOver { call, supervisor });
    respond(exchange, "serhii", 200);
}

/// Plays a story with one broken step; says whether there was such a step.
fn broken_at(story: fn(&mut Exchange), step: u64, when: When) -> bool {
    let mut exchange = Exchange::new(PLAN, &["iryna", "olena", "serhii"]);
    exchange.engine.sabotage = Sabotage::after(step, when);
    story(&mut exchange);
    exchange.after(10_000);
    exchange.hang_up_all();
    exchange.after(60_000);
    // Whoever did not hear of an end by then would keep a dead line.
    exchange.hang_up_all();
    exchange.rest();
    exchange.engine.sabotage = Sabotage::default();
    // The floor works: a caller is served as if nothing had been.
    exchange.answers.clear();
    let caller = exchange.dial("carrier", "0800301231");
    assert!(
        exchange.rings("iryna"),
        "{when:?} step {step}: {}",
        exchange.chart()
    );
    exchange.respond("iryna", 200);
    exchange.after(5_000);
    exchange.bye("carrier", &caller);
    exchange.rest();
    let last = &exchange.event("call.ended").data;
    assert_eq!(last["outcome"], "answered", "{when:?} step {step}");
    assert!(last["reason"].is_null());
    exchange.engine.view().faults == 1
}

fn each_step(story: fn(&mut Exchange), least: usize) {
    for when in [When::Before, When::After] {
        let steps = (0..1_000).take_while(|step| broken_at(story, *step, when));
        let steps = steps.count();
        assert!(steps > least, "only {steps} steps were broken");
    }
}

#[test]
fn a_fault_in_a_call_out_or_inside_leaves_nothing_behind() {
    each_step(out_and_inside, 20);
}

#[test]
fn a_fault_in_a_blind_transfer_leaves_nothing_behind() {
    each_step(sent_on, 20);
}

#[test]
fn a_fault_while_two_calls_become_one_leaves_nothing_behind() {
    each_step(merged, 20);
}

#[test]
fn a_fault_while_a_supervisor_comes_and_takes_over_leaves_nothing_behind() {
    each_step(taken_over, 15);
}
