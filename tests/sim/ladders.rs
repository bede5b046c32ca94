//! Sequence charts of virtual runs, kept in `tests/ladders/` and compared letter by letter. A change
//! is reviewed as a change of the chart; `STROWGER_BLESS=1` writes them anew.

use std::path::Path;

use strowger::dialplan::plan::Secret;
use strowger::rng::Rng;
use strowger::sim::load::account;
use strowger::sim::phone::{Manner, Phone, Temper};
use strowger::sim::world::World;
use strowger::time::Duration;

use crate::hall::{Hall, at, ms};

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
queues:
  odesa: { operators: { all: true }, strategy: longest_idle, ring: 10s, wrap_up: 5s, max_wait: 60s }
whisper: { uk: "Дзвінок[ {from}]", max: 4s }
recording: { keep: 90d }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

const ANSWER: Manner = Manner::Answer {
    after: ms(2_000),
    talk: ms(20_000),
};

fn ladder(name: &str, plan: &str, scripts: &[&[Manner]], patience: Duration) {
    let mut hall = Hall::new(plan, scripts, 1, true);
    hall.call(10_000, "0800301231", patience, Duration::from_secs(60));
    hall.finish();
    compare(name, &hall.world.chart());
}

pub fn compare(name: &str, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/ladders/{name}.txt"));
    if std::env::var_os("STROWGER_BLESS").is_some() {
        std::fs::write(&path, drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == drawn,
        "{} is drawn differently now:\n{drawn}",
        path.display()
    );
}

#[test]
fn answered() {
    ladder("answered", PLAN, &[&[ANSWER]], Duration::from_secs(60));
}

#[test]
fn a_phone_registers() {
    let plan = PLAN.replace("  olena: { name: Олена, password: b }\n", "");
    let mut settings = crate::hall::settings(crate::hall::plan(&plan), 1);
    settings.chart = true;
    let mut world = World::new(settings);
    let phone = Phone::new(Temper::CALM, [], Rng::new([1; 32]));
    let secret = Secret::new("a".to_owned());
    let address = "10.0.0.1:5060".parse().unwrap();
    world.phone(address, account("iryna", Some(&secret)), phone);
    world.run_until(at(1_000));
    compare("registered", &world.chart());
}

#[test]
fn declined_then_answered() {
    let decline = Manner::Decline {
        after: ms(1_500),
        code: 603,
    };
    let scripts: [&[Manner]; 2] = [&[decline], &[ANSWER]];
    ladder("declined", PLAN, &scripts, Duration::from_secs(60));
}

#[test]
fn hung_up_in_the_whisper() {
    let regret = Manner::Regret {
        after: ms(1_500),
        listen: ms(600),
    };
    let scripts: [&[Manner]; 2] = [&[regret], &[ANSWER]];
    ladder("whisper", PLAN, &scripts, Duration::from_secs(60));
}

#[test]
fn the_caller_leaves_while_a_phone_rings() {
    ladder("abandoned", PLAN, &[&[ANSWER]], ms(1_200));
}

#[test]
fn two_phones_and_one_answer() {
    let plan = PLAN.replace("longest_idle", "ring_all");
    let slow = Manner::Answer {
        after: ms(2_001),
        talk: ms(20_000),
    };
    let scripts: [&[Manner]; 2] = [&[ANSWER], &[slow]];
    ladder("ring_all", &plan, &scripts, Duration::from_secs(60));
}
