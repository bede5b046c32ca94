//! What only the inside of the world can do: break one step of a call on purpose.

mod broken;

use super::*;
use crate::dialplan::compile::{Options, Source, compile};
use crate::dialplan::diagnose::Severity;
use crate::dialplan::secrets::Secrets;
use crate::engine::sabotage::{Sabotage, When};
use crate::sim::load::account;
use crate::sim::phone::{Manner, Temper};
use crate::words::OperatorState;

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
  odesa: { operators: { all: true }, strategy: ring_all, ring: 10s, wrap_up: 5s, max_wait: 60s }
whisper: { uk: "Дзвінок", max: 4s }
recording: { announce: { say: Розмова записується. }, keep: 90d }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

struct Nothing;

impl Secrets for Nothing {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }
    fn file(&self, _path: &str) -> Option<String> {
        None
    }
}

const fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

/// Two phones; one regrets its first call, so that a story has every turn.
fn world() -> (World, usize) {
    let sources = [Source {
        name: "plan.yaml",
        text: PLAN,
    }];
    let options = Options {
        unset: Severity::Error,
        whole: true,
    };
    let plan = compile(&sources, &Nothing, options).plan.unwrap();
    let mut world = World::new(WorldSettings {
        engine: engine_settings(Arc::new(plan.clone())),
        seed: 7,
        start: Wall::from_millis(1_791_183_600_000),
        network: Quality::PERFECT,
        disk: DiskQuality::PERFECT,
        ports: 10_000,
        inspect_every: 1,
        chart: false,
        keep_events: true,
    });
    let carrier = world.carrier("carrier", "203.0.113.10:5060".parse().unwrap());
    let regret = Manner::Regret {
        after: Duration::from_millis(500),
        listen: Duration::from_millis(300),
    };
    let answer = Manner::Answer {
        after: Duration::from_secs(2),
        talk: Duration::from_secs(3),
    };
    for (n, operator) in plan.operators.values().enumerate() {
        let address = format!("10.0.0.{}:5060", n + 1).parse().unwrap();
        let script = [regret, answer].into_iter().skip(n);
        let phone = Phone::new(Temper::CALM, script, Rng::new([9; 32]));
        let account = account(operator.name.as_str(), operator.password.as_ref());
        world.phone(address, account, phone);
    }
    world.run_until(at(5_000));
    for (n, when) in [10_000, 60_000].into_iter().enumerate() {
        let plan = CallPlan {
            to: "0800301231".to_owned(),
            from: Some(format!("38067111223{n}")),
            patience: Duration::from_secs(40),
            talk: Duration::from_secs(40),
        };
        world.call(carrier, at(when), plan);
    }
    (world, carrier)
}

/// Runs the story with one broken step; says whether there was such a step.
fn broken_at(step: u64, when: When) -> bool {
    let (mut world, carrier) = world();
    world.engine.sabotage = Sabotage::after(step, when);
    assert!(
        world.run_out(at(3_600_000)),
        "{when:?} step {step}: no rest"
    );
    world.finish();
    let faults = world.engine.view().faults;
    let expected = vec![format!("{faults} faults"); usize::try_from(faults).unwrap()];
    assert_eq!(world.watch.broken, expected, "{when:?} step {step}");
    let busy = |state: OperatorState| world.engine.desk().count(state);
    for state in [
        OperatorState::Reserved,
        OperatorState::Ringing,
        OperatorState::Talking,
    ] {
        assert_eq!(busy(state), 0, "{when:?} step {step}: {state:?}");
    }
    assert_eq!(world.engine.view().calls_active, 0);
    let stories = world.call_stories(carrier);
    assert!(stories.iter().all(|story| story.over));
    let unhurt = stories.iter().filter(|story| story.talked).count();
    assert!(unhurt >= 1, "{when:?} step {step}: {stories:?}");
    faults == 1
}

#[test]
fn a_fault_in_any_step_of_a_call_costs_that_call_alone() {
    for when in [When::Before, When::After] {
        let steps = (0..1_000).take_while(|step| broken_at(*step, when)).count();
        assert!(steps > 40, "only {steps} steps were broken");
    }
}

#[test]
fn whoever_has_not_heard_of_a_caller_in_a_queue_objects() {
    let (mut world, _) = world();
    world.run_until(at(10_500));
    assert_eq!(world.watch.broken, Vec::<String>::new());
    let mut deaf = Watch::default();
    deaf.inspect(world.now, &world.engine, true);
    let sums = "odesa: 0 joined, 0 left, 1 wait".to_owned();
    assert!(deaf.broken.contains(&sums), "{:?}", deaf.broken);
}
