//! One number is rung by at most one call of ours at a time, whatever it is for, and by none while its
//! own call is up; and each callback and lead is closed once, or open.

use std::collections::BTreeMap;

use strowger::engine::command::{Actor, Command, LeadAsked, LeadsAsked, Reply, Rows};
use strowger::engine::event::Event;
use strowger::rng::Rng;
use strowger::sim::caller::CallPlan;
use strowger::sim::phone::Manner;
use strowger::time::Duration;
use strowger::words::{Direction, Role};

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
queues:
  odesa: { operators: [iryna, olena], strategy: longest_idle, ring: 10s, wrap_up: 5s, max_wait: 20s }
whisper: { uk: "Дзвінок[ {from}]", max: 4s }
callbacks: { attempts: [{ after: 0s }, { after: 30s }, { after: 60s }] }
outbound: { via: [kyivstar], allow: ["+380*"], show: { site: odesa, number: "0800 301 231" } }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

const FIRST: &str = "+380671112201";

const fn answer(after: u64, talk: u64) -> Manner {
    Manner::Answer {
        after: ms(after),
        talk: ms(talk),
    }
}

fn hall(scripts: &[&[Manner]], seed: u64) -> Hall {
    let plan = plan(PLAN);
    let mut settings = settings(plan.clone(), seed);
    settings.engine.prompts = std::sync::Arc::new(strowger::sim::sound::prompts(&plan));
    Hall::with(settings, &plan, scripts)
}

fn wants(hall: &mut Hall, command: Command) -> Reply {
    let actor = Actor {
        name: "crm".to_owned(),
        role: Role::Integration,
        operator: None,
    };
    hall.world.command(actor, command).remove(0)
}

fn asks(hall: &mut Hall) -> Reply {
    let lead = LeadAsked {
        phone: FIRST.to_owned(),
        site: Some("odesa".into()),
        ..LeadAsked::default()
    };
    let rows = Rows::One(Box::new(lead));
    wants(
        hall,
        Command::Leads(Box::new(LeadsAsked { once: None, rows })),
    )
}

fn told(hall: &Hall, kind: &str) -> Vec<Event> {
    let events = hall.world.events().iter();
    events.filter(|it| it.kind == kind).cloned().collect()
}

fn calls(hall: &mut Hall, when: u64, patience: u64) {
    let plan = CallPlan {
        to: "0800301231".to_owned(),
        from: Some(FIRST.to_owned()),
        patience: ms(patience),
        talk: ms(8_000),
    };
    hall.world.call(hall.carrier, at(when), plan);
}

fn rest(hall: &mut Hall, until: u64) {
    hall.world.run_until(at(until));
    assert_eq!(hall.world.engine().calls().count(), 0, "calls are left");
    hall.world.finish();
    assert_eq!(hall.world.watch.broken, Vec::<String>::new());
}

#[test]
fn a_lead_that_comes_while_the_patient_is_on_the_line_waits_and_a_talk_closes_it() {
    for answered in [true, false] {
        let takes = if answered {
            answer(8_000, 30_000)
        } else {
            Manner::Silent
        };
        let script = [takes, answer(500, 9_000)];
        let mut hall = hall(&[&script, &script], 1);
        hall.world.patients(hall.carrier, [answer(2_000, 4_000)]);
        calls(&mut hall, 10_000, 60_000);
        hall.world.run_until(at(12_000));
        asks(&mut hall).unwrap();
        hall.world.run_until(at(17_000));
        assert_eq!(
            hall.world.engine().calls().count(),
            1,
            "nobody is rung for it"
        );
        rest(&mut hall, 200_000);
        let closed = told(&hall, "lead.closed");
        assert_eq!(closed.len(), 1);
        let reached = hall.world.reached(hall.carrier);
        let (end, rang) = if answered {
            ("elsewhere", 0)
        } else {
            ("connected", 1)
        };
        assert_eq!(
            (closed[0].data["result"].as_str(), reached.rang),
            (Some(end), rang)
        );
        if !answered {
            let ended = told(&hall, "call.ended")[0].time.as_millis();
            let began = told(&hall, "call.started")[1].time.as_millis();
            assert!(
                (0..1_000).contains(&(began - ended)),
                "at once: {began} {ended}"
            );
        }
        // The talk for the lead closes the callback of the missed call as well.
        let callbacks = (
            told(&hall, "callback.opened").len(),
            told(&hall, "callback.closed").len(),
        );
        let missed = usize::from(!answered);
        assert_eq!(callbacks, (missed, missed));
        assert_eq!(hall.world.engine().view().callbacks, 0);
    }
}

#[test]
fn a_callback_is_not_called_by_hand_while_a_lead_rings_the_same_patient() {
    let script = [Manner::Silent, answer(500, 9_000)];
    let mut hall = hall(&[&script, &script], 1);
    hall.world.patients(hall.carrier, [Manner::Silent]);
    calls(&mut hall, 10_000, 15_000);
    hall.world.run_until(at(40_000));
    let callback = told(&hall, "callback.opened")[0].data["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    asks(&mut hall).unwrap();
    for when in [40_200, 50_000] {
        hall.world.run_until(at(when));
        let order = Command::CallBack {
            callback,
            operator: None,
        };
        let refused = wants(&mut hall, order).unwrap_err();
        assert_eq!(refused.status, 409, "{}", refused.why);
    }
}

/// Nobody is about to be rung by two calls, or by one while the patient's own call is up.
fn one_at_most(hall: &Hall, seed: u64) {
    let calls = hall.world.engine().calls().filter(|call| !call.ended());
    let (mut ours, mut own) = (0, 0);
    for call in calls {
        ours += usize::from(call.facts().direction == Direction::Outbound);
        own += usize::from(call.facts().direction == Direction::Inbound && !call.rings_back());
    }
    let rings = hall
        .world
        .engine()
        .calls()
        .filter(|call| !call.ended() && call.rings_back())
        .count();
    assert!(
        rings <= 1 && ours <= 1,
        "{seed}: {ours} calls of ours, {rings} ring"
    );
    assert!(rings == 0 || own == 0, "{seed}: rung while on the line");
}

fn manner(rng: &mut Rng) -> Manner {
    let after = ms(200 + rng.below(6_000));
    match rng.below(6) {
        0 => Manner::Silent,
        1 => Manner::Decline { after, code: 486 },
        2 => Manner::Regret {
            after,
            listen: ms(rng.below(3_000)),
        },
        _ => Manner::Answer {
            after,
            talk: ms(1_000 + rng.below(9_000)),
        },
    }
}

#[test]
fn one_number_is_rung_once_at_a_time_and_each_wish_ends_once_whatever_happens() {
    let (mut talks, mut kills) = (0, 0);
    for seed in 0..30 {
        let mut rng = Rng::new([u8::try_from(seed).unwrap(); 32]);
        let scripts = [(); 2].map(|()| [(); 60].map(|()| manner(&mut rng)));
        let mut hall = hall(&[&scripts[0], &scripts[1]], seed);
        let patients = [(); 40].map(|()| manner(&mut rng));
        hall.world.patients(hall.carrier, patients);
        let mut now = 10_000;
        let until = 400_000;
        while now < until {
            match rng.below(12) {
                0..=2 => calls(&mut hall, now + 1, 2_000 + rng.below(40_000)),
                3..=5 => drop(asks(&mut hall)),
                6 | 7 => {
                    let opened = told(&hall, "callback.opened");
                    if let Some(opened) = opened.last() {
                        let callback = opened.data["id"].as_str().unwrap().parse().unwrap();
                        drop(wants(
                            &mut hall,
                            Command::CallBack {
                                callback,
                                operator: None,
                            },
                        ));
                    }
                }
                8 => {
                    kills += 1;
                    hall.world.restart();
                }
                _ => {}
            }
            let next = now + 500 + rng.below(20_000);
            while now < next {
                now += 250;
                hall.world.run_until(at(now));
                one_at_most(&hall, seed);
            }
        }
        hall.world.run_until(at(until + 1_500_000));
        talks += hall.world.reached(hall.carrier).talks;
        for noun in ["callback", "lead"] {
            let begins = if noun == "lead" {
                "lead.received"
            } else {
                "callback.opened"
            };
            let mut open = BTreeMap::<String, i32>::new();
            for event in hall.world.events() {
                let Some(id) = event.data.get("id").and_then(|id| id.as_str()) else {
                    continue;
                };
                let count = open.entry(id.to_owned()).or_default();
                if event.kind == begins {
                    *count += 1;
                } else if event.kind == format!("{noun}.closed") {
                    *count -= 1;
                }
                assert!((0..=1).contains(count), "{seed}: {noun} {id}");
            }
            let open = open.values().filter(|open| **open == 1).count();
            if noun == "callback" {
                assert_eq!(open, hall.world.engine().view().callbacks, "{seed}");
            }
            assert!(open <= 1, "{seed}: {open} of one number are open");
        }
    }
    assert!(talks > 20 && kills > 30, "{talks} talks, {kills} kills");
}

#[test]
fn an_attempt_that_the_process_died_in_is_told_at_the_next_start() {
    for noun in ["callback", "lead"] {
        let script = [answer(500, 30_000); 3];
        let silent = [[Manner::Silent].as_slice(), &script].concat();
        let mut hall = hall(&[&silent, &silent], 1);
        hall.world
            .patients(hall.carrier, [Manner::Silent, answer(1_000, 3_000)]);
        calls(&mut hall, 10_000, 15_000);
        hall.world.run_until(at(40_000));
        if noun == "lead" {
            asks(&mut hall).unwrap();
        } else {
            let opened = told(&hall, "callback.opened");
            let callback = opened[0].data["id"].as_str().unwrap().parse().unwrap();
            wants(
                &mut hall,
                Command::CallBack {
                    callback,
                    operator: None,
                },
            )
            .unwrap();
        }
        hall.world.run_until(at(60_000));
        let dialled = told(&hall, &format!("{noun}.dialled"));
        assert_eq!(dialled.len(), 1);
        assert_eq!(told(&hall, &format!("{noun}.attempted")).len(), 0);
        hall.world.restart();
        let attempted = told(&hall, &format!("{noun}.attempted"));
        assert_eq!(attempted.len(), 1, "{noun}");
        let attempt = &attempted[0].data["attempt"];
        assert_eq!(attempt["result"], "interrupted");
        assert_eq!(attempt["at"], dialled[0].data["ringing"]["at"]);
        assert!(attempt["operator"].is_string(), "{attempt}");
        hall.world.restart();
        assert_eq!(told(&hall, &format!("{noun}.attempted")).len(), 1, "once");
        hall.world.run_until(at(60_000) + Duration::from_secs(300));
        let closed = told(&hall, &format!("{noun}.closed"));
        assert_eq!(closed.len(), 1);
        let attempts = closed[0].data["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 2, "{attempts:?}");
    }
}
