//! Any bytes as a day at a clinic: calls, waiting, phones that vanish, another plan, garbage from the
//! carrier, lies from the media threads, a shutdown. Two bytes are one thing that happens.
//!
//! Whatever the script says, every promise of the virtual world's watch must be kept and nothing may
//! be left when everybody has gone home.

use std::net::SocketAddr;
use std::sync::Arc;

use strowger::dialplan::compile::{Options, Source, compile};
use strowger::dialplan::diagnose::Severity;
use strowger::dialplan::plan::Dialplan;
use strowger::dialplan::secrets::Secrets;
use strowger::engine::input::{Answer, Input};
use strowger::id::{AskId, FlowId, LegId, Origin, PlayId};
use strowger::media::command::MediaEvent;
use strowger::rng::Rng;
use strowger::sim::caller::CallPlan;
use strowger::sim::disk::DiskQuality;
use strowger::sim::load::account;
use strowger::sim::network::Quality;
use strowger::sim::party::Cue;
use strowger::sim::phone::{Phone, Temper};
use strowger::sim::world::{SERVER, World, WorldSettings, engine_settings};
use strowger::sip::flow::{Flow, Transport};
use strowger::time::{Duration, Wall};
use strowger::words::Phrase;

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: { city: Одеса, from: з Одеси }
trunks:
  carrier: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { site: odesa, to: [queue.odesa, queue.all] }
  "0800 301 232": { to: queue.all }
queues:
  odesa: { operators: { skills: [odesa] }, strategy: longest_idle, ring: 8s, wrap_up: 3s, max_wait: 20s }
  all: { operators: { all: true }, strategy: ring_all, ring: 9s, max_wait: 30s, answer: operator }
whisper: { uk: "Дзвінок[ {from}]", max: 4s }
recording: { announce: { say: Розмова записується. }, keep: 90d }
operators:
  iryna: { name: Ирина, password: a, skills: { odesa: 1 } }
  olena: { name: Олена, password: b, skills: { odesa: 2 } }
  serhii: { name: Сергій, password: c }
"#;

const MOODY: Temper = Temper {
    declines: 200,
    silent: 100,
    regrets: 100,
    vanishes: 50,
    answer_within: Duration::from_secs(4),
    talk_within: Duration::from_secs(10),
};

/// Checks one input.
pub fn run(data: &[u8]) {
    let first = plan(PLAN);
    let olena = "  olena: { name: Олена, password: b, skills: { odesa: 2 } }\n";
    let second = PLAN.replace(olena, "");
    let second = plan(&second.replace("max: 4s", "max: 4s, accept: key"));
    let mut world = world(&first);
    let trunk = world.carrier("carrier", "203.0.113.10:5060".parse().unwrap());
    let mut phones = Vec::new();
    let mut rng = Rng::new([5; 32]);
    for (n, operator) in first.operators.values().enumerate() {
        let address = SocketAddr::new([10, 0, 0, u8::try_from(n + 1).unwrap()].into(), 5060);
        let account = account(operator.name.as_str(), operator.password.as_ref());
        let phone = Phone::new(MOODY, [], rng.fork());
        phones.push(world.phone(address, account, phone));
    }
    world.run_until(world.now().mono + Duration::from_secs(5));
    let mut rest = data;
    for _ in 0..500 {
        let [what, how, after @ ..] = rest else { break };
        rest = after;
        happen(
            &mut world,
            trunk,
            &phones,
            [&first, &second],
            *what,
            *how,
            &mut rest,
        );
    }
    let end = world.now().mono + Duration::from_secs(6 * 3_600);
    assert!(world.run_out(end), "the world does not come to rest");
    world.finish();
    assert_eq!(world.watch.broken, Vec::<String>::new());
}

fn happen(
    world: &mut World,
    trunk: usize,
    phones: &[usize],
    plans: [&Dialplan; 2],
    what: u8,
    how: u8,
    rest: &mut &[u8],
) {
    let now = world.now().mono;
    let number = u64::from(how >> 1);
    let origin = match how & 1 {
        0 => Origin::Inbound,
        _ => Origin::Outbound,
    };
    let leg = LegId { origin, number };
    match what % 16 {
        0..=3 => {
            let dialled = ["0800301231", "0800301232", "0800301231", "0800999999"];
            let plan = CallPlan {
                to: dialled[usize::from(how % 4)].to_owned(),
                from: (!how.is_multiple_of(8)).then(|| format!("3806711122{how:02}")),
                patience: Duration::from_millis(u64::from(how) * 150),
                talk: Duration::from_millis(u64::from(how) * 40),
            };
            world.call(trunk, now, plan);
        }
        4..=7 => world.run_until(now + Duration::from_millis(u64::from(how) * 30)),
        8 => world.tell(Input::Media(MediaEvent::Silent { leg })),
        9 => {
            let play = PlayId(number);
            world.tell(Input::Media(MediaEvent::Played { leg, play }));
        }
        10 => world.tell(Input::Answer {
            id: AskId(number),
            answer: Answer::Committed,
        }),
        11 => world.tell(Input::Timeout),
        12 => {
            let plan = Arc::new(plans[usize::from(how % 2)].clone());
            let mut prompts = strowger::sim::sound::prompts(&plan);
            if how & 2 != 0 {
                // Whispers are rendered while phones ring.
                prompts.retain(|phrase, _| !matches!(phrase, Phrase::Spoken { .. }));
            }
            let prompts = Arc::new(prompts);
            world.tell(Input::Plan { plan, prompts });
        }
        13 => {
            let phone = phones[usize::from(how) % phones.len()];
            world.cue(phone, now, Cue::Vanish);
            world.cue(
                phone,
                now + Duration::from_secs(u64::from(how)),
                Cue::Return,
            );
        }
        14 => {
            let length = usize::from(how).min(rest.len());
            let (bytes, after) = rest.split_at(length);
            *rest = after;
            let flow = Flow {
                id: FlowId(1),
                transport: Transport::Udp,
                local: SERVER,
                peer: "203.0.113.10:5060".parse().unwrap(),
            };
            world.tell(Input::Sip { flow, bytes });
        }
        _ => match how % 8 {
            0 => world.tell(Input::HangUpAll),
            1 => world.tell(Input::Drain),
            2 => world.tell(Input::FlowDown { flow: FlowId(1) }),
            3 => world.tell(Input::PlanRejected {
                problems: 1,
                first: String::new(),
            }),
            4 => world.press(phones[usize::from(how >> 3) % phones.len()], '1'),
            5 => world.render_within(None),
            6 => world.render_within(Some(Duration::from_millis(10 * u64::from(how)))),
            _ => world.tell(Input::Media(MediaEvent::Digit { leg, digit: '1' })),
        },
    }
}

fn world(plan: &Dialplan) -> World {
    World::new(WorldSettings {
        engine: engine_settings(Arc::new(plan.clone())),
        seed: 7,
        start: Wall::from_millis(1_791_183_600_000),
        network: Quality::LOSSY,
        disk: DiskQuality::TIRED,
        ports: 10_000,
        inspect_every: 1,
        chart: false,
        keep_events: false,
    })
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

fn plan(text: &str) -> Dialplan {
    let sources = [Source {
        name: "plan.yaml",
        text,
    }];
    let options = Options {
        unset: Severity::Error,
        whole: true,
    };
    let compiled = compile(&sources, &Nothing, options);
    assert!(compiled.plan.is_some(), "{:?}", compiled.problems);
    compiled.plan.unwrap()
}
