//! Calls over UDP through a network that loses one packet in twenty, and one in five.
//!
//! A call is set up when both sides know it: the caller had the 200 and hears the operator, and the
//! call is counted as answered. Who only heard the operator, and left before the 200 came, is not.

use std::net::{Ipv4Addr, SocketAddr};

use strowger::dialplan::plan::Dialplan;
use strowger::rng::Rng;
use strowger::sim::caller::CallPlan;
use strowger::sim::load::account;
use strowger::sim::network::Quality;
use strowger::sim::phone::{Phone, Temper};
use strowger::sim::world::World;
use strowger::time::{Duration, Instant};

use crate::day::end;
use crate::hall::{carrier, clinic, settings};

const CALLS: u32 = 600;
/// Both talk longer than any 200 is repeated (RFC 3261 13.3.1.4: 64·T1).
const TALK: Duration = Duration::from_secs(40);

/// What a run came to.
#[derive(PartialEq, Eq, Debug)]
struct Run {
    set_up: u32,
    talked: u32,
    answered: u32,
}

fn run(lost: u32, seed: u64) -> Run {
    let plan: Dialplan = clinic(64);
    let mut settings = settings(plan.clone(), seed);
    settings.network = Quality {
        lost,
        ..Quality::LOSSY
    };
    settings.inspect_every = 64;
    settings.keep_events = false;
    let mut world = World::new(settings);
    let trunk = world.carrier("carrier", carrier());
    let mut rng = Rng::new([u8::try_from(seed).unwrap(); 32]);
    let temper = Temper {
        talk_within: Duration::from_secs(1_000_000),
        ..Temper::CALM
    };
    for (operator, n) in plan.operators.values().zip(1_u32..) {
        let account = account(operator.name.as_str(), operator.password.as_ref());
        let address = SocketAddr::new(Ipv4Addr::from(0x0a00_0000 + n).into(), 5060);
        world.phone(address, account, Phone::new(temper, [], rng.fork()));
    }
    let mut last = Instant::START;
    for number in 0..CALLS {
        last = Instant::START + Duration::from_millis(30_000 + 1_500 * u64::from(number));
        let to = ["0800301231", "0800301232"][number as usize % 2].to_owned();
        let from = Some(format!("38067{number:07}"));
        let (patience, talk) = (Duration::from_secs(170), TALK);
        let call = CallPlan {
            to,
            from,
            patience,
            talk,
        };
        world.call(trunk, last, call);
    }
    end(&mut world, last);
    let stories = world.call_stories(trunk);
    let count = |set_up: fn(&strowger::sim::caller::CallStory) -> bool| {
        u32::try_from(stories.iter().filter(|story| set_up(story)).count()).unwrap()
    };
    let answered = world.watch.outcomes().get("answered").copied();
    Run {
        set_up: count(|story| story.connected && story.talked),
        talked: count(|story| story.talked),
        answered: u32::try_from(answered.unwrap_or(0)).unwrap(),
    }
}

#[test]
fn of_a_hundred_packets_five_lost_cost_no_call() {
    for seed in 1..=4 {
        let run = run(50, seed);
        let all = Run {
            set_up: CALLS,
            talked: CALLS,
            answered: CALLS,
        };
        assert_eq!(run, all, "seed {seed}");
    }
}

#[test]
fn of_a_hundred_packets_twenty_lost_cost_hardly_a_call() {
    for seed in 1..=4 {
        let run = run(200, seed);
        assert!(run.set_up * 100 >= CALLS * 99, "seed {seed}: {run:?}");
    }
}
