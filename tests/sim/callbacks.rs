//! Callbacks as people work them off: rung on order, dialled by hand, written about, told of when they
//! are late; and nothing of it is lost by a restart.

use serde_json::Value;
use strowger::dialplan::plan::{Dialplan, Rung};
use strowger::engine::command::{Actor, Command, Reply, WantedState};
use strowger::engine::event::Event;
use strowger::id::CallbackId;
use strowger::ledger::callbacks::Remark;
use strowger::sim::caller::{CallPlan, Reached};
use strowger::sim::phone::Manner;
use strowger::time::Duration;
use strowger::words::Role;

use crate::exchange::Exchange;
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
  "0800 301 231": { site: odesa, to: queue.odesa }
calendars:
  day: { open: { mon-sun: "08:00-20:00" } }
queues:
  odesa: { operators: [iryna, olena], strategy: linear, ring: 10s, max_wait: 20s, wrap_up: 5s }
whisper: { uk: "Дзвінок[ {from}][, {callback}]", max: 4s }
outbound: { via: [kyivstar], allow: ["+380*"], deny: ["+380900*"], show: { site: odesa, number: "0800 301 231" } }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

const NUMBER: &str = "0800301231";
const FIRST: &str = "+380671112201";

const fn answer(after: u64, talk: u64) -> Manner {
    Manner::Answer {
        after: ms(after),
        talk: ms(talk),
    }
}

const fn rung(after: u64) -> Rung {
    let after = Duration::from_secs(after);
    Rung::Call { show: None, after }
}

/// A hall in which a first call has been missed by 40 s: nobody took it, and nobody asked for anything.
fn missed(change: impl Fn(&mut Dialplan), scripts: [&[Manner]; 2], patients: &[Manner]) -> Hall {
    let mut plan = plan(PLAN);
    change(&mut plan);
    let mut settings = settings(plan.clone(), 1);
    settings.engine.prompts = std::sync::Arc::new(strowger::sim::sound::prompts(&plan));
    let silent = [Manner::Silent];
    let scripts = scripts.map(|script| [&silent, script].concat());
    let mut hall = Hall::with(settings, &plan, &[&scripts[0], &scripts[1]]);
    hall.world.patients(hall.carrier, patients.to_vec());
    calls(&mut hall, 10_000, FIRST);
    hall.world.run_until(at(40_000));
    assert_eq!(told(&hall, "callback.opened").len(), 1);
    hall
}

fn calls(hall: &mut Hall, when: u64, from: &str) {
    let plan = CallPlan {
        to: NUMBER.to_owned(),
        from: Some(from.to_owned()),
        patience: Duration::from_secs(3_000),
        talk: ms(20_000),
    };
    hall.world.call(hall.carrier, at(when), plan);
}

fn told(hall: &Hall, kind: &str) -> Vec<Event> {
    let events = hall.world.events().iter();
    events.filter(|it| it.kind == kind).cloned().collect()
}

fn results(hall: &Hall) -> Vec<Value> {
    let tried = told(hall, "callback.attempted");
    let results = tried.iter().map(|it| it.data["attempt"]["result"].clone());
    results.collect()
}

fn id(hall: &Hall) -> CallbackId {
    let opened = told(hall, "callback.opened");
    opened[0].data["id"].as_str().unwrap().parse().unwrap()
}

fn command(hall: &mut Hall, command: Command) -> Reply {
    let actor = Actor {
        name: "crm".to_owned(),
        role: Role::Integration,
        operator: None,
    };
    let mut replies = hall.world.command(actor, command);
    assert_eq!(replies.len(), 1);
    replies.remove(0)
}

fn call_back(hall: &mut Hall, operator: Option<&str>) -> Reply {
    let callback = id(hall);
    let operator = operator.map(Into::into);
    command(hall, Command::CallBack { callback, operator })
}

fn status(reply: &Reply) -> u16 {
    match reply {
        Ok(_) => 200,
        Err(refused) => refused.status,
    }
}

fn rest(hall: &mut Hall, until: u64) {
    hall.world.run_until(at(until));
    assert_eq!(hall.world.engine().calls().count(), 0, "calls are left");
    hall.world.finish();
    assert_eq!(hall.world.watch.broken, Vec::<String>::new());
}

#[test]
fn a_missed_call_is_rung_back_on_order_operator_first() {
    let mut hall = missed(
        |_| {},
        [&[answer(2_000, 30_000)], &[]],
        &[answer(3_000, 9_000)],
    );
    let reply = call_back(&mut hall, None).unwrap();
    assert_eq!(
        (&reply["state"], &reply["queue"]),
        (&"attempting".into(), &"odesa".into())
    );
    let again = call_back(&mut hall, None).unwrap_err();
    assert_eq!(again.status, 409);
    assert!(again.why.contains("already"), "{}", again.why);
    let attempting = command(&mut hall, Command::Attempting).unwrap();
    assert_eq!(attempting["attempting"][0], id(&hall).to_string());
    assert_eq!(hall.reached().rang, 0, "the operator comes first");
    rest(&mut hall, 120_000);
    assert_eq!(
        hall.reached(),
        Reached {
            rang: 1,
            twice: 0,
            talks: 1
        }
    );
    let closed = told(&hall, "callback.closed");
    let data = &closed[0].data;
    assert_eq!(data["state"], "closed");
    assert_eq!(data["attempts"].as_array().unwrap().len(), 1);
    let attempt = &data["attempts"][0];
    assert_eq!(
        (
            &attempt["operator"],
            &attempt["sip_code"],
            &attempt["result"]
        ),
        (&"iryna".into(), &200.into(), &"answered".into())
    );
    let heard = format!(
        "{:?}",
        hall.world.phone_story(hall.phones[0]).unwrap().whispers
    );
    assert!(heard.contains("зворотний дзвінок"), "{heard}");
    assert_eq!(status(&call_back(&mut hall, None)), 404, "it is closed");
    let deeds = told(&hall, "audit.action");
    let deeds: Vec<_> = deeds.iter().map(|it| &it.data["result"]).collect();
    assert_eq!(deeds, ["done", "refused", "refused"]);
}

trait Patients {
    fn reached(&self) -> Reached;
}

impl Patients for Hall {
    fn reached(&self) -> Reached {
        self.world.reached(self.carrier)
    }
}

#[test]
fn an_operator_who_is_named_is_rung_alone_and_the_patient_only_for_them() {
    let regret = Manner::Regret {
        after: ms(500),
        listen: ms(300),
    };
    for refuses in [
        Manner::Silent,
        regret,
        Manner::Decline {
            after: ms(500),
            code: 486,
        },
    ] {
        let mut hall = missed(
            |_| {},
            [&[answer(500, 9_000); 3], &[refuses, answer(500, 9_000)]],
            &[answer(1_000, 5_000)],
        );
        let reply = call_back(&mut hall, Some("olena")).unwrap();
        assert_eq!(reply["state"], "attempting");
        rest(&mut hall, 300_000);
        assert_eq!(hall.reached().rang, 0, "{refuses:?}");
        let assigned = told(&hall, "operator.assigned");
        let last = assigned.last().unwrap();
        assert_eq!(last.data["operator"], "olena", "and nobody after her");
        assert_eq!(results(&hall), Vec::<Value>::new());
        assert_eq!(hall.world.engine().view().callbacks, 1);
        // Nothing follows by itself, and she can be asked again.
        let again = call_back(&mut hall, Some("olena"));
        assert_eq!(status(&again), 200, "{again:?}");
        rest(&mut hall, 600_000);
        assert_eq!(hall.reached().talks, 1);
        assert_eq!(told(&hall, "callback.closed").len(), 1);
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let mut hall = missed(|_| {}, [&[], &[]], &[]);
    assert_eq!(status(&call_back(&mut hall, Some("nobody"))), 404);
    let lunch = Command::SetState {
        operator: "olena".into(),
        state: WantedState::Paused("lunch".to_owned()),
        reason: None,
    };
    let admin = Actor {
        name: "admin".to_owned(),
        role: Role::Admin,
        operator: None,
    };
    hall.world.command(admin, lunch);
    let paused = call_back(&mut hall, Some("olena")).unwrap_err();
    assert_eq!(paused.status, 409);
    assert!(paused.why.contains("olena is paused"), "{}", paused.why);
    // The patient calls in.
    calls(&mut hall, 41_000, FIRST);
    hall.world.run_until(at(42_000));
    let on_the_line = call_back(&mut hall, Some("iryna")).unwrap_err();
    assert_eq!(on_the_line.status, 409, "{}", on_the_line.why);
    rest(&mut hall, 200_000);

    let mut barred = missed(
        |plan| plan.outbound.as_mut().unwrap().allow.clear(),
        [&[], &[]],
        &[],
    );
    let refused = call_back(&mut barred, None).unwrap_err();
    assert_eq!(refused.status, 409);
    assert!(refused.why.contains("cannot be rung"), "{}", refused.why);
}

#[test]
fn the_ladder_goes_on_by_itself_once_it_was_begun_on_order() {
    let busy = Manner::Decline {
        after: ms(1_000),
        code: 486,
    };
    let ladder = [rung(0), rung(60), Rung::Message { after: ms(30_000) }];
    let script = [answer(500, 5_000); 4];
    for operator in [None, Some("olena")] {
        let mut hall = missed(
            |plan| plan.callbacks.attempts = ladder.to_vec(),
            [&script, &script],
            &[busy, Manner::Silent],
        );
        call_back(&mut hall, operator).unwrap();
        hall.world.run_until(at(70_000));
        assert_eq!(results(&hall), ["busy"]);
        hall.world.restart();
        rest(&mut hall, 600_000);
        assert_eq!(results(&hall), ["busy", "no_answer", "message"]);
        let last = told(&hall, "callback.attempted");
        let data = &last.last().unwrap().data;
        assert_eq!(
            data["attempts"].as_array().unwrap().len(),
            3,
            "all are kept"
        );
        assert_eq!((&data["recall"], hall.reached().rang), (&Value::Null, 2));
        assert_eq!(hall.world.engine().view().callbacks, 1, "it stays open");
    }
}

#[test]
fn a_call_that_was_ordered_is_made_after_a_restart() {
    let mut hall = missed(
        |_| {},
        [&[Manner::Silent, answer(500, 5_000)], &[answer(500, 5_000)]],
        &[answer(1_000, 5_000)],
    );
    call_back(&mut hall, None).unwrap();
    hall.world.run_until(at(41_000));
    hall.world.restart();
    hall.world.run_until(at(300_000));
    assert_eq!(
        hall.reached(),
        Reached {
            rang: 1,
            twice: 0,
            talks: 1
        }
    );
    assert_eq!(told(&hall, "callback.closed").len(), 1);
}

#[test]
fn a_callback_is_overdue_once_whatever_happens() {
    for killed in (40_000..1_100_000).step_by(130_000) {
        let mut hall = missed(|plan| plan.callbacks.due = ms(600_000), [&[], &[]], &[]);
        let callback = id(&hall);
        let remark = Remark {
            note: Some("дзвонити після обіду".to_owned()),
            assigned: Some("olena".into()),
        };
        let reply = command(&mut hall, Command::RemarkCallback { callback, remark }).unwrap();
        assert_eq!(reply["assigned"], "olena");
        hall.world.run_until(at(killed));
        hall.world.restart();
        hall.world.run_until(at(4_000_000));
        let overdue = told(&hall, "callback.overdue");
        assert_eq!(overdue.len(), 1, "killed at {killed}");
        let data = &overdue[0].data;
        assert_eq!(
            (&data["state"], &data["note"], &data["assigned"]),
            (
                &"overdue".into(),
                &"дзвонити після обіду".into(),
                &"olena".into()
            )
        );
        assert_eq!(data.get("shift_end"), None);
    }
}

#[test]
fn the_end_of_each_shift_tells_what_it_leaves_over() {
    const HOUR: u64 = 3_600_000;
    // It is ten in the morning; the day ends at eight in the evening, ten hours from now.
    for killed in [
        None,
        Some(9 * HOUR),
        Some(10 * HOUR - 1_000),
        Some(12 * HOUR),
    ] {
        let by_shift = |plan: &mut Dialplan| plan.callbacks.shift_end = Some("day".into());
        let silent: [Manner; 4] = [Manner::Silent; 4];
        let mut hall = missed(by_shift, [&silent, &silent], &[]);
        let ends = |hall: &Hall| {
            let overdue = told(hall, "callback.overdue");
            let ends = overdue
                .into_iter()
                .filter(|it| it.data.get("shift_end") == Some(&Value::Bool(true)));
            ends.count()
        };
        let before = 10 * HOUR - 60_000;
        let restart = |hall: &mut Hall, killed: Option<u64>| {
            if let Some(killed) = killed {
                hall.world.run_until(at(killed));
                hall.world.restart();
            }
        };
        restart(&mut hall, killed.filter(|killed| *killed < before));
        hall.world.run_until(at(before));
        assert_eq!(ends(&hall), 0);
        restart(&mut hall, killed.filter(|killed| *killed >= before));
        hall.world.run_until(at(13 * HOUR));
        assert_eq!(ends(&hall), 1, "killed at {killed:?}");
        calls(&mut hall, 13 * HOUR + 1_000, "+380671112202");
        hall.world.run_until(at(33 * HOUR));
        assert_eq!(ends(&hall), 1, "opened at night, in no shift");
        hall.world.run_until(at(35 * HOUR));
        assert_eq!(ends(&hall), 3, "both, at the end of the next day");
    }
}

const EXCHANGE: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { to: queue.odesa }
queues:
  odesa: { operators: [iryna], number: "300", ring: 10s, wrap_up: 5s, max_wait: 20s }
operators:
  iryna: { name: Ирина, password: iryna }
outbound: { via: [kyivstar], allow: ["+380*"] }
"#;

#[test]
fn a_call_that_an_operator_dials_is_an_attempt_and_counts_by_what_the_far_end_says() {
    for (code, rings, result, in_vain) in [
        (486, 0, "busy", true),
        (503, 0, "failed", false),
        (480, 20_000, "no_answer", true),
        (0, 3_000, "cancelled", false),
        (0, 16_000, "cancelled", true),
    ] {
        let mut exchange = Exchange::new(EXCHANGE, &["iryna"]);
        exchange.dial("carrier", "0800301231");
        exchange.after(40_000);
        assert_eq!(exchange.engine.view().callbacks, 1);
        let call = exchange.dial("iryna", "0671112233");
        let attempting = exchange.order(Command::Attempting).unwrap();
        assert_eq!(attempting["attempting"].as_array().unwrap().len(), 1);
        if rings > 0 {
            exchange.respond("carrier", 180);
            exchange.after(rings);
        }
        if code > 0 {
            exchange.respond("carrier", code);
        } else {
            exchange.cancel("iryna", &call);
        }
        exchange.after(1_000);
        let chart = exchange.chart();
        let tried = &exchange.event("callback.attempted").data;
        let attempt = strowger::engine::attempts::attempt_of(&tried["attempt"]).unwrap();
        assert_eq!(attempt.result.as_str(), result, "{chart}");
        assert_eq!(attempt.in_vain(), in_vain, "{attempt:?}");
        assert_eq!(attempt.operator, Some("iryna".into()));
        assert_eq!(attempt.ring.as_millis() / 1_000, u128::from(rings) / 1_000);
        assert_eq!(tried["state"], "open");
        assert_eq!(exchange.engine.view().callbacks, 1, "it stays open");
    }
}
