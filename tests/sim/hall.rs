//! Plans and worlds for the tests.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use strowger::dialplan::compile::{Options, Source, compile};
use strowger::dialplan::diagnose::Severity;
use strowger::dialplan::plan::Dialplan;
use strowger::dialplan::secrets::Secrets;
use strowger::rng::Rng;
use strowger::sim::caller::CallPlan;
use strowger::sim::disk::DiskQuality;
use strowger::sim::load::account;
use strowger::sim::network::Quality;
use strowger::sim::phone::{Manner, Phone, Temper};
use strowger::sim::world::{World, WorldSettings, engine_settings};
use strowger::time::{Duration, Instant, Wall};

/// The carrier's address in every plan here.
pub fn carrier() -> SocketAddr {
    "203.0.113.10:5060".parse().unwrap()
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn at(millis: u64) -> Instant {
    Instant::START + ms(millis)
}

struct Nothing;

impl Secrets for Nothing {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }
    fn file(&self, _path: &str) -> Option<String> {
        None
    }
}

pub fn plan(text: &str) -> Dialplan {
    let sources = [Source {
        name: "plan.yaml",
        text,
    }];
    let options = Options {
        unset: Severity::Error,
        whole: true,
    };
    let compiled = compile(&sources, &Nothing, options);
    let problems = compiled.problems.iter().map(ToString::to_string);
    let problems = problems.collect::<Vec<_>>().join("\n");
    compiled.plan.expect(&problems)
}

/// A clinic with as many operators as asked for, a queue for each of two cities, and one in which
/// all phones of the reception ring.
pub fn clinic(operators: usize) -> Dialplan {
    let mut text = String::from(
        r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: { city: Одеса, from: з Одеси }
  kharkiv: { city: Харків, from: із Харкова }
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { site: odesa, to: queue.odesa }
  "0800 301 232": { site: kharkiv, campaign: імплантація, to: [queue.kharkiv, queue.all] }
  "0800 301 233": { to: queue.all }
queues:
  odesa: { operators: { skills: [odesa] }, strategy: longest_idle, ring: 15s, wrap_up: 5s, max_wait: 90s, overflow: queue.all }
  kharkiv: { operators: { skills: [kharkiv] }, strategy: longest_idle, ring: 12s, wrap_up: 3s, max_wait: 60s, answer: operator }
  all: { operators: { skills: [reception] }, strategy: ring_all, ring: 20s, wrap_up: 4s, max_wait: 2m }
whisper:
  uk: "Дзвінок[ {from}][, {campaign}]"
  max: 4s
recording:
  announce: { say: Розмова записується. }
  keep: 90d
operators:
"#,
    );
    for n in 0..operators {
        let (odesa, kharkiv) = (1 + n % 3, 1 + n % 2);
        let skills = match n % 8 {
            0..=2 => format!("odesa: {odesa}"),
            3 | 4 => format!("kharkiv: {kharkiv}"),
            5 => "reception: 1".to_owned(),
            _ => format!("odesa: {odesa}, kharkiv: {kharkiv}"),
        };
        writeln!(
            text,
            "  op{n:03}: {{ name: Оператор {n}, number: \"{}\", password: pw{n}, skills: {{ {skills} }} }}",
            200 + n
        )
        .unwrap();
    }
    plan(&text)
}

pub fn settings(plan: Dialplan, seed: u64) -> WorldSettings {
    WorldSettings {
        engine: engine_settings(Arc::new(plan)),
        seed,
        start: Wall::from_millis(1_791_183_600_000),
        network: Quality::PERFECT,
        disk: DiskQuality::PERFECT,
        ports: 10_000,
        inspect_every: 1,
        chart: false,
        keep_events: true,
    }
}

/// A small clinic, its phones registered, ready for a call at 10 s.
pub struct Hall {
    pub world: World,
    pub carrier: usize,
    pub phones: Vec<usize>,
}

impl Hall {
    pub fn new(text: &str, scripts: &[&[Manner]], seed: u64, chart: bool) -> Self {
        let plan = plan(text);
        let mut settings = settings(plan.clone(), seed);
        settings.chart = chart;
        Self::with(settings, &plan, scripts)
    }

    pub fn with(settings: WorldSettings, plan: &Dialplan, scripts: &[&[Manner]]) -> Self {
        let mut world = World::new(settings);
        let carrier = world.carrier("carrier", carrier());
        let mut phones = Vec::new();
        let mut rng = Rng::new([9; 32]);
        for (n, operator) in plan.operators.values().enumerate() {
            let address = format!("10.0.0.{}:5060", n + 1).parse().unwrap();
            let script = scripts.get(n).copied().unwrap_or_default();
            let phone = Phone::new(Temper::CALM, script.iter().copied(), rng.fork());
            let account = account(operator.name.as_str(), operator.password.as_ref());
            phones.push(world.phone(address, account, phone));
            world.run_until(at(1_000 * (n as u64 + 1)));
        }
        world.begin_chart();
        Self {
            world,
            carrier,
            phones,
        }
    }

    pub fn call(&mut self, when: u64, to: &str, patience: Duration, talk: Duration) {
        let plan = CallPlan {
            to: to.to_owned(),
            from: Some("380671112233".to_owned()),
            patience,
            talk,
        };
        self.world.call(self.carrier, at(when), plan);
    }

    /// Runs to the end of everything and looks at what is left.
    pub fn finish(&mut self) {
        let end = self.world.now().mono + Duration::from_secs(3_600);
        assert!(self.world.run_out(end), "the world does not come to rest");
        self.world.finish();
        assert_eq!(self.world.watch.broken, Vec::<String>::new());
    }

    pub fn kinds(&self) -> Vec<&'static str> {
        let events = self.world.events().iter();
        events
            .filter(|event| event.subject.is_some())
            .map(|event| event.kind)
            .collect()
    }

    pub fn outcome(&self) -> (String, Option<String>) {
        let ended = self.world.events().iter().rev();
        let ended = ended.into_iter().find(|event| event.kind == "call.ended");
        let data = &ended.expect("the call ended").data;
        let text = |key: &str| data[key].as_str().map(str::to_owned);
        (text("outcome").unwrap_or_default(), text("reason"))
    }
}
