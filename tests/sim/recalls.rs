//! Callbacks that are asked for in a queue: the place is kept, the operator is rung first, and nobody
//! is rung twice or forgotten.

use serde_json::Value;
use strowger::dialplan::plan::{Dialplan, QueueCallback, Rung, Sticky};
use strowger::engine::attempts::attempt_of;
use strowger::engine::command::{Actor, Command, WantedState};
use strowger::engine::event::Event;
use strowger::engine::input::Input;
use strowger::id::{CommandId, LegId};
use strowger::media::command::MediaEvent;
use strowger::rng::Rng;
use strowger::sim::caller::{CallPlan, Reached};
use strowger::sim::disk::DiskQuality;
use strowger::sim::network::Quality;
use strowger::sim::party::Cue;
use strowger::sim::phone::Manner;
use strowger::time::Duration;
use strowger::words::Role;

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
  "0800 301 232": { site: odesa, to: queue.reserve }
queues:
  odesa: { operators: [iryna, olena], strategy: longest_idle, ring: 10s, wrap_up: 5s }
  reserve: { operators: [iryna, olena], strategy: longest_idle, ring: 10s, wrap_up: 5s }
whisper: { uk: "Дзвінок[ {from}]", max: 4s }
recording: { announce: { say: Розмова записується. }, keep: 90d }
outbound: { via: [kyivstar], allow: ["+380*"], deny: ["+380900*"], show: { site: odesa, number: "0800 301 231" } }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

const NUMBER: &str = "0800301231";
const FIRST: &str = "+380671112201";
const SECOND: &str = "+380671112202";
const LONG: Duration = Duration::from_secs(3_000);

const fn answer(after: u64, talk: u64) -> Manner {
    Manner::Answer {
        after: ms(after),
        talk: ms(talk),
    }
}

const fn decline(code: u16) -> Manner {
    let after = ms(1_000);
    Manner::Decline { after, code }
}

/// The plan with the key in every queue, and this ladder.
fn with_key(attempts: &[Rung]) -> Dialplan {
    let mut plan = plan(PLAN);
    for queue in plan.queues.values_mut() {
        queue.callback = Some(QueueCallback {
            key: '1',
            offer_after: None,
            offer_over: None,
        });
    }
    plan.callbacks.attempts = attempts.to_vec();
    plan
}

const fn rung(after: u64) -> Rung {
    let after = Duration::from_secs(after);
    Rung::Call { show: None, after }
}

fn hall(ladder: &[Rung], scripts: &[&[Manner]]) -> Hall {
    of_plan(with_key(ladder), scripts, 1)
}

fn of_plan(plan: Dialplan, scripts: &[&[Manner]], seed: u64) -> Hall {
    let mut settings = settings(plan.clone(), seed);
    settings.engine.prompts = std::sync::Arc::new(strowger::sim::sound::prompts(&plan));
    Hall::with(settings, &plan, scripts)
}

trait Patients {
    fn calls(&mut self, when: u64, from: &str, patience: Duration);
    fn presses(&mut self, when: u64, from: &str, digit: char);
    fn leg_of(&self, from: &str) -> Option<LegId>;
    fn told(&self, kind: &str) -> Vec<Event>;
    fn reached(&self) -> Reached;
    fn rest(&mut self, until: u64);
}

impl Patients for Hall {
    fn calls(&mut self, when: u64, from: &str, patience: Duration) {
        let plan = CallPlan {
            to: NUMBER.to_owned(),
            from: Some(from.to_owned()),
            patience,
            talk: ms(20_000),
        };
        self.world.call(self.carrier, at(when), plan);
    }

    fn presses(&mut self, when: u64, from: &str, digit: char) {
        self.world.run_until(at(when));
        let leg = self.leg_of(from).expect("the caller is there");
        let event = MediaEvent::Digit { leg, digit };
        self.world.tell(Input::Media(event));
    }

    fn leg_of(&self, from: &str) -> Option<LegId> {
        let mut calls = self.world.engine().calls();
        let call = calls.find(|it| !it.ended() && it.facts().from.as_deref() == Some(from))?;
        call.legs().next()
    }

    fn told(&self, kind: &str) -> Vec<Event> {
        let events = self.world.events().iter();
        events.filter(|it| it.kind == kind).cloned().collect()
    }

    fn reached(&self) -> Reached {
        self.world.reached(self.carrier)
    }

    fn rest(&mut self, until: u64) {
        self.world.run_until(at(until));
        let left = self.world.engine().calls().count();
        assert_eq!(left, 0, "calls are left");
        self.world.finish();
        assert_eq!(self.world.watch.broken, Vec::<String>::new());
    }
}

fn field<'a>(event: &'a Event, key: &str) -> &'a Value {
    &event.data[key]
}

fn results(hall: &Hall) -> Vec<Value> {
    let tried = hall.told("callback.attempted");
    let results = tried.iter().map(|it| it.data["attempt"]["result"].clone());
    results.collect()
}

#[test]
fn the_operator_is_rung_first_then_the_patient_and_both_talk() {
    // Both are busy with nothing: the phones ring once the caller has hung up.
    let mut hall = hall(
        &[],
        &[&[Manner::Silent, answer(2_000, 30_000)], &[Manner::Silent]],
    );
    hall.world.patients(hall.carrier, [answer(3_000, 15_000)]);
    hall.calls(10_000, FIRST, LONG);
    hall.presses(14_000, FIRST, '1');
    hall.world.run_until(at(14_500));
    let opened = hall.told("callback.opened");
    assert_eq!(opened.len(), 1, "kept at the key, not at the end");
    assert_eq!(field(&opened[0], "phone"), FIRST);
    assert_eq!(opened[0].data["recall"]["queue"], "odesa");
    hall.rest(120_000);
    let ended = hall.told("call.ended");
    let inbound = &ended[0];
    assert_eq!(field(inbound, "outcome"), "missed");
    assert_eq!(field(inbound, "reason"), "abandoned");
    assert_eq!(field(inbound, "callback_requested"), true);
    assert_eq!(field(inbound, "callback"), field(&opened[0], "id"));
    let left = hall.told("queue.left");
    assert_eq!(field(&left[0], "left_reason"), "callback");
    let recall = &ended[1];
    assert_eq!(field(recall, "direction"), "outbound");
    assert_eq!(field(recall, "to"), FIRST);
    assert_eq!(field(recall, "result"), "answered");
    assert_eq!(field(&left[1], "left_reason"), "answered");
    let (rang, talks) = (1, 1);
    assert_eq!(
        hall.reached(),
        Reached {
            rang,
            twice: 0,
            talks
        }
    );
    assert_eq!(results(&hall), ["answered"]);
    let closed = hall.told("callback.closed");
    assert_eq!(field(&closed[0], "closed_by"), field(recall, "id"));
    let said = format!(
        "{:?}",
        hall.world.phone_story(hall.phones[0]).unwrap().whispers
    );
    assert!(said.contains("Дзвінок з Одеси"), "{said}");
    assert_eq!(hall.world.engine().view().callbacks, 0);
}

/// One operator, busy with a long talk until `free` seconds.
fn busy_until(free: u64) -> Vec<Manner> {
    vec![answer(100, free * 1_000)]
}

fn order_of_bridges(hall: &Hall) -> Vec<(String, String)> {
    let bridged = hall.told("call.bridged");
    let word = |event: &Event, key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
    let bridged = bridged.iter().map(|event| {
        let direction = word(event, "direction");
        let number = if direction == "inbound" { "from" } else { "to" };
        (direction, word(event, number))
    });
    bridged.collect()
}

#[test]
fn the_place_is_kept_between_two_waiting_callers() {
    let third = "+380671112203";
    let mut script = busy_until(60);
    script.extend([answer(1_000, 5_000); 3]);
    let mut plan = with_key(&[]);
    for queue in plan.queues.values_mut() {
        queue.operators.retain(|name, _| name.as_str() == "iryna");
    }
    let mut hall = of_plan(plan, &[&script, &[]], 1);
    hall.world.patients(hall.carrier, [answer(1_000, 5_000)]);
    hall.calls(9_000, "+380671110000", LONG);
    hall.world.run_until(at(12_000));
    for (when, from) in [(12_000, FIRST), (14_000, SECOND), (16_000, third)] {
        hall.calls(when, from, LONG);
    }
    hall.presses(25_000, SECOND, '1');
    hall.rest(300_000);
    let order = order_of_bridges(&hall);
    let order: Vec<_> = order
        .iter()
        .map(|(way, who)| (way.as_str(), who.as_str()))
        .collect();
    let expected = [
        ("inbound", "+380671110000"),
        ("inbound", FIRST),
        ("outbound", SECOND),
        ("inbound", third),
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_patient_who_is_busy_is_rung_again_by_the_ladder_and_then_left_to_people() {
    let ladder = [
        rung(0),
        Rung::Call {
            show: Some("+380670000000".to_owned()),
            after: Duration::from_secs(60),
        },
        Rung::Message {
            after: Duration::from_secs(30),
        },
    ];
    let scripts = [Manner::Silent, answer(500, 5_000), answer(500, 5_000)];
    let mut hall = hall(
        &ladder,
        &[
            &scripts,
            &[Manner::Silent, answer(500, 5_000), answer(500, 5_000)],
        ],
    );
    hall.world
        .patients(hall.carrier, [decline(486), Manner::Silent]);
    hall.calls(10_000, FIRST, LONG);
    hall.presses(14_000, FIRST, '1');
    hall.world.run_until(at(60_000));
    let states = hall.told("operator.state");
    let paperwork = states.iter().any(|it| field(it, "to") == "wrap_up");
    assert!(!paperwork, "nobody was spoken with");
    assert_eq!(results(&hall), ["busy"]);
    hall.rest(600_000);
    assert_eq!(results(&hall), ["busy", "no_answer", "message"]);
    let shown = hall.told("call.ended");
    let shown: Vec<_> = shown
        .iter()
        .map(|it| it.data["from"].as_str().unwrap())
        .collect();
    assert_eq!(shown, [FIRST, "+380800301231", "+380670000000"]);
    let tried = hall.told("callback.attempted");
    assert_eq!(tried[0].data["attempt"]["sip_code"], 486);
    assert!(tried[1].data["attempt"]["ring_s"].as_f64().unwrap() > 30.0);
    assert_eq!(tried[2].data["recall"], Value::Null, "the ladder is over");
    assert_eq!(hall.reached().rang, 2);
    assert_eq!(hall.world.engine().view().callbacks, 1, "it stays open");
}

#[test]
fn an_operator_who_hangs_up_in_the_whisper_leaves_the_patient_alone() {
    let regret = Manner::Regret {
        after: ms(500),
        listen: ms(300),
    };
    let mut hall = hall(
        &[],
        &[
            &[Manner::Silent, regret],
            &[Manner::Silent, answer(500, 9_000)],
        ],
    );
    hall.world.patients(hall.carrier, [answer(1_000, 3_000)]);
    hall.calls(10_000, FIRST, LONG);
    hall.presses(14_000, FIRST, '1');
    hall.rest(120_000);
    assert_eq!(
        hall.reached(),
        Reached {
            rang: 1,
            twice: 0,
            talks: 1
        }
    );
    assert_eq!(results(&hall), ["answered"]);
    let missed = hall.told("operator.missed");
    assert!(
        missed
            .iter()
            .any(|it| field(it, "missed_reason") == "declined")
    );
    assert_eq!(hall.told("callback.closed").len(), 1);
}

#[test]
fn a_patient_who_calls_in_gets_the_place_and_is_not_rung() {
    // At every moment of the recall: in the queue, in the whisper, while the phone rings.
    for calls_in in (20_000..34_000).step_by(250) {
        let scripts = [Manner::Silent, answer(4_000, 5_000), answer(500, 5_000)];
        let mut hall = hall(
            &[],
            &[&scripts, &[Manner::Silent, Manner::Silent, Manner::Silent]],
        );
        hall.world.patients(hall.carrier, [answer(8_000, 3_000)]);
        hall.calls(10_000, FIRST, LONG);
        hall.presses(14_000, FIRST, '1');
        hall.calls(calls_in, FIRST, LONG);
        hall.rest(400_000);
        let reached = hall.reached();
        assert_eq!(
            (reached.twice, hall.told("callback.closed").len()),
            (0, 1),
            "{calls_in}"
        );
        let talked = order_of_bridges(&hall);
        let inbound = talked.iter().filter(|(way, _)| way == "inbound").count();
        assert!(inbound == 1 || reached.talks == 1, "{calls_in}: {talked:?}");
        assert_eq!(hall.world.engine().view().callbacks, 0);
    }
}

#[test]
fn a_number_that_may_not_be_dialled_waits_on() {
    for from in ["+380900111222", "+48221234567"] {
        let mut hall = hall(
            &[],
            &[&[Manner::Silent], &[Manner::Silent, answer(500, 5_000)]],
        );
        hall.calls(10_000, from, LONG);
        hall.presses(14_000, from, '1');
        hall.rest(120_000);
        assert_eq!(hall.told("callback.opened").len(), 0);
        assert_eq!(
            order_of_bridges(&hall).len(),
            1,
            "the caller kept waiting, and was served"
        );
    }
}

#[test]
fn a_restart_brings_the_recall_back_once_and_in_its_place() {
    for killed in (14_050..40_000).step_by(900) {
        let scripts = [Manner::Silent, answer(3_000, 5_000), answer(1_000, 5_000)];
        let others = [Manner::Silent, Manner::Silent, answer(1_000, 5_000)];
        let mut hall = hall(&[rung(0), rung(30)], &[&scripts, &others]);
        hall.world
            .patients(hall.carrier, [answer(9_000, 3_000), answer(2_000, 3_000)]);
        hall.calls(10_000, FIRST, LONG);
        hall.presses(14_000, FIRST, '1');
        hall.world.run_until(at(killed));
        let closed = hall.told("callback.closed").len();
        hall.world.restart();
        hall.world.run_until(at(600_000));
        assert_eq!(
            hall.told("callback.closed").len(),
            1,
            "killed at {killed}: {closed}"
        );
        assert_eq!(hall.world.engine().view().callbacks, 0);
        assert_eq!(hall.reached().twice, 0, "killed at {killed}");
    }
}

#[test]
fn a_patient_whose_phone_rang_when_the_process_died_is_not_rung_again() {
    let mut died_ringing = 0;
    for killed in (14_050..60_000).step_by(1_300) {
        let script = [Manner::Silent, answer(1_000, 5_000), answer(1_000, 5_000)];
        let mut hall = hall(&[], &[&script, &script]);
        hall.world
            .patients(hall.carrier, [Manner::Silent, answer(1_000, 5_000)]);
        hall.calls(10_000, FIRST, LONG);
        hall.presses(14_000, FIRST, '1');
        hall.world.run_until(at(killed));
        let rang = hall.reached().rang;
        let told = hall.told("callback.attempted").len();
        died_ringing += usize::from(rang > told);
        assert!(rang <= hall.told("callback.dialled").len(), "{killed}");
        hall.world.restart();
        hall.world.run_until(at(900_000));
        assert_eq!(hall.reached().rang, 1, "killed at {killed}");
        assert_eq!(hall.world.engine().view().callbacks, 1, "{killed}");
    }
    assert!(died_ringing > 10, "{died_ringing}");
}

/// Patients of two queues, a network and a disk that fail, and a process that dies now and then.
fn troubled(seed: u64) -> (Hall, u64) {
    let ladder = [rung(0), rung(40), rung(90)];
    let plan = with_key(&ladder);
    let mut settings = settings(plan.clone(), seed);
    settings.engine.prompts = std::sync::Arc::new(strowger::sim::sound::prompts(&plan));
    settings.network = Quality::LOSSY;
    settings.disk = DiskQuality::TIRED;
    let mut luck = Rng::new([u8::try_from(seed % 251).unwrap(); 32]);
    let mut script = vec![Manner::Silent, Manner::Silent, Manner::Silent];
    for _ in 0..20 {
        script.push(match luck.below(4) {
            0 => Manner::Silent,
            1 => decline(603),
            _ => answer(500 + luck.below(3_000), 5_000),
        });
    }
    let mut hall = Hall::with(settings, &plan, &[&script, &script]);
    let manners = (0..20).map(|_| match luck.below(4) {
        0 => answer(2_000, 4_000),
        1 => decline(486),
        _ => Manner::Silent,
    });
    hall.world
        .patients(hall.carrier, manners.collect::<Vec<_>>());
    let patients = 3;
    for n in 0..patients {
        let plan = CallPlan {
            to: if n == 1 { "0800301232" } else { NUMBER }.to_owned(),
            from: Some(format!("+38067111220{n}")),
            patience: Duration::from_secs(60),
            talk: ms(20_000),
        };
        hall.world.call(hall.carrier, at(9_000 + 300 * n), plan);
    }
    hall.world.run_until(at(14_000));
    for n in 0..patients {
        let from = format!("+38067111220{n}");
        if let Some(leg) = hall.leg_of(&from) {
            let event = MediaEvent::Digit { leg, digit: '1' };
            hall.world.tell(Input::Media(event));
        }
    }
    let mut when = 14_000;
    for _ in 0..luck.below(4) {
        when += luck.below(60_000);
        hall.world.run_until(at(when));
        hall.world.restart();
    }
    (hall, patients)
}

/// Whether an attempt shows nothing of the patient.
fn unproven(attempt: &Value) -> bool {
    !attempt_of(attempt).is_some_and(|it| it.in_vain() || it.reached())
}

fn nobody_is_rung_twice(seeds: std::ops::Range<u64>) {
    let (mut dialled, mut rang) = (0, 0);
    for seed in seeds {
        let (mut hall, patients) = troubled(seed);
        hall.world.run_until(at(1_500_000));
        // A rung is tried again when it has been told that it showed nothing, and never besides.
        let (mut rungs, mut tries) = (std::collections::BTreeSet::new(), 0);
        for event in hall.world.events() {
            let rung = event.data.get("recall").map(|it| it["rung"].to_string());
            let phone = event.data.get("phone").map(Value::to_string);
            match event.kind {
                "callback.dialled" => {
                    tries += 1;
                    assert!(rungs.insert((phone, rung)), "seed {seed}: {event:?}");
                }
                "callback.attempted" if unproven(&event.data["attempt"]) => {
                    rungs.retain(|(known, _)| *known != phone);
                }
                _ => {}
            }
        }
        let reached = hall.reached();
        assert!(reached.rang <= tries, "seed {seed}: {reached:?}");
        let open = hall.world.engine().view().callbacks;
        let closed = hall.told("callback.closed").len();
        let opened = hall.told("callback.opened").len();
        assert_eq!(opened, open + closed, "seed {seed}: nobody is forgotten");
        assert!(opened <= usize::try_from(patients).unwrap(), "seed {seed}");
        dialled += tries;
        rang += reached.rang;
    }
    assert!(rang > 10 && dialled >= rang, "{dialled} {rang}");
}

#[test]
fn no_rung_rings_twice_whatever_fails_first_half() {
    nobody_is_rung_twice(0..25);
}

#[test]
fn no_rung_rings_twice_whatever_fails_second_half() {
    nobody_is_rung_twice(25..50);
}

#[test]
fn nobody_at_work_and_a_closed_queue_are_waited_for() {
    let mut hall = hall(
        &[],
        &[
            &[Manner::Silent, answer(500, 5_000)],
            &[Manner::Silent, answer(500, 5_000)],
        ],
    );
    hall.world.patients(hall.carrier, [answer(1_000, 3_000)]);
    hall.calls(10_000, FIRST, LONG);
    hall.presses(14_000, FIRST, '1');
    let phones = hall.phones.clone();
    for phone in &phones {
        hall.world.cue(*phone, at(14_100), Cue::Vanish);
        hall.world.cue(*phone, at(3_900_000), Cue::Return);
    }
    hall.world.run_until(at(3_800_000));
    assert_eq!(hall.reached().rang, 0);
    hall.rest(4_200_000);
    assert_eq!(
        hall.reached(),
        Reached {
            rang: 1,
            twice: 0,
            talks: 1
        }
    );
    assert_eq!(hall.told("callback.closed").len(), 1);
}

/// A queue that takes nobody is not asked again and again: each time would be a call, and be told of.
#[test]
fn a_queue_that_takes_nobody_is_waited_for_without_a_call() {
    let mut plan = with_key(&[]);
    for queue in plan.queues.values_mut() {
        queue.operators.retain(|name, _| name.as_str() == "iryna");
        queue.join_empty.working = 1;
    }
    let script: &[Manner] = &[Manner::Silent, answer(500, 5_000)];
    let mut hall = of_plan(plan, &[script, &[]], 1);
    hall.world.patients(hall.carrier, [answer(1_000, 3_000)]);
    hall.calls(10_000, FIRST, LONG);
    hall.world.run_until(at(13_000));
    iryna_is(&mut hall, WantedState::Paused("lunch".to_owned()));
    hall.presses(24_000, FIRST, '1');
    hall.world.run_until(at(3_600_000));
    let joined = hall.told("queue.joined").len();
    assert_eq!((joined, hall.reached().rang), (1, 0), "an hour at lunch");
    iryna_is(&mut hall, WantedState::Available);
    hall.rest(3_700_000);
    assert_eq!(hall.told("queue.joined").len(), 2);
    assert_eq!(hall.reached().talks, 1);
}

fn iryna_is(hall: &mut Hall, state: WantedState) {
    let admin = Actor {
        name: "admin".to_owned(),
        role: Role::Admin,
        operator: None,
    };
    let operator = "iryna".into();
    let command = Command::SetState {
        operator,
        state,
        reason: None,
    };
    hall.world.command(admin, command);
}

#[test]
fn a_caller_who_comes_back_waits_for_the_operator_who_knows_them() {
    let mut plan = with_key(&[]);
    for queue in plan.queues.values_mut() {
        queue.sticky = Some(Sticky {
            within: Duration::from_secs(86_400),
            wait: Duration::from_secs(20),
        });
    }
    let script = [answer(500, 5_000); 4];
    let mut hall = of_plan(plan, &[&script, &script], 1);
    hall.calls(10_000, FIRST, LONG);
    hall.calls(60_000, SECOND, LONG);
    hall.calls(120_000, FIRST, LONG);
    hall.calls(180_000, FIRST, LONG);
    hall.rest(300_000);
    let ended = hall.told("call.ended");
    let served: Vec<_> = ended
        .iter()
        .map(|it| (field(it, "from"), field(it, "operator")))
        .collect();
    let known = served[0].1;
    assert_ne!(served[1].1, known, "the longest idle one");
    assert_eq!((served[2].1, served[3].1), (known, known));
    let repeat: Vec<_> = ended.iter().map(|it| field(it, "repeat") == true).collect();
    assert_eq!(repeat, [false, false, true, true]);
}

#[test]
fn the_earlier_place_is_rung_back_first_when_several_are_due_at_once() {
    let mut plan = with_key(&[]);
    for queue in plan.queues.values_mut() {
        queue.operators.retain(|name, _| name.as_str() == "iryna");
    }
    let script = [answer(500, 5_000); 4];
    let mut hall = of_plan(plan, &[&script, &[]], 1);
    hall.world
        .patients(hall.carrier, [answer(1_000, 5_000), answer(1_000, 5_000)]);
    let phone = hall.phones[0];
    hall.world.cue(phone, at(14_000), Cue::Vanish);
    hall.world.cue(phone, at(100_000), Cue::Return);
    hall.calls(9_000, "+380671110000", LONG);
    hall.calls(10_000, FIRST, LONG);
    hall.calls(11_000, SECOND, LONG);
    hall.presses(13_000, SECOND, '1');
    hall.presses(13_100, FIRST, '1');
    hall.world.run_until(at(40_000));
    hall.world.restart();
    hall.world.run_until(at(300_000));
    let order = order_of_bridges(&hall);
    let rung: Vec<_> = order.iter().filter(|(way, _)| way == "outbound").collect();
    let rung: Vec<_> = rung.iter().map(|(_, who)| who.as_str()).collect();
    assert_eq!(rung, [FIRST, SECOND]);
}

#[test]
fn a_call_back_that_is_hung_up_at_once_is_an_attempt_that_is_made_again() {
    let mut hall = hall(
        &[],
        &[
            &[Manner::Silent, answer(500, 90_000), answer(500, 90_000)],
            &[Manner::Silent],
        ],
    );
    hall.world
        .patients(hall.carrier, [Manner::Silent, Manner::Silent]);
    hall.calls(10_000, FIRST, LONG);
    hall.presses(14_000, FIRST, '1');
    let mut now = 14_000;
    while hall.reached().rang == 0 {
        now += 500;
        hall.world.run_until(at(now));
        assert!(now < 100_000);
    }
    let mut calls = hall.world.engine().calls();
    let call = calls
        .find(|it| it.rings_back())
        .map(strowger::call::call::Call::id);
    let command = Command::HangUp(call.unwrap());
    drop(calls);
    let actor = Actor {
        name: "head".to_owned(),
        role: Role::Supervisor,
        operator: None,
    };
    let id = CommandId(1);
    hall.world.tell(Input::Command { id, actor, command });
    hall.rest(600_000);
    assert_eq!(results(&hall), ["failed", "no_answer"]);
    let tried = hall.told("callback.attempted");
    let [first, second] = [&tried[0], &tried[1]].map(|it| attempt_of(&it.data["attempt"]).unwrap());
    assert!(!first.in_vain() && second.in_vain());
    let between = second.at.as_millis() - first.at.as_millis();
    assert!(between > 60_000, "{between} ms");
    assert_eq!(hall.reached().rang, 2, "the ladder has one rung");
}
