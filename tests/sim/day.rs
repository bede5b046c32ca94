//! A bad day at the clinic: impatient callers, moody operators, a network that loses and doubles.

use strowger::rng::Rng;
use strowger::sim::disk::DiskQuality;
use strowger::sim::load::{Load, fill};
use strowger::sim::network::Quality;
use strowger::sim::phone::Temper;
use strowger::sim::world::World;
use strowger::time::{Duration, Instant};

use crate::hall::{carrier, clinic, settings};

fn bad_day(calls: u32) -> Load {
    Load {
        calls,
        gap: Duration::from_millis(700),
        patience: (Duration::from_secs(5), Duration::from_secs(180)),
        hasty: 80,
        talk: Duration::from_secs(60),
        temper: Temper {
            declines: 80,
            silent: 60,
            regrets: 50,
            vanishes: 20,
            answer_within: Duration::from_secs(12),
            talk_within: Duration::from_secs(60),
        },
        twins: 200,
        dialled: [
            "0800301231",
            "0800301232",
            "0800301233",
            "0800301231",
            "0800999999",
        ]
        .map(str::to_owned)
        .to_vec(),
    }
}

/// A whole day with so many calls, every promise looked at after each so many inputs.
pub fn run(calls: u32, seed: u64, inspect_every: u64) -> World {
    let (mut world, last) = begin(calls, seed, inspect_every, 10_000);
    end(&mut world, last);
    world
}

/// A day on which everybody is patient and willing, and no packet is lost.
pub fn calm(calls: u32, gap: Duration) -> World {
    let plan = clinic(40);
    let mut settings = settings(plan.clone(), 5);
    settings.network = Quality {
        lost: 0,
        ..Quality::LOSSY
    };
    settings.inspect_every = 8;
    settings.keep_events = false;
    let mut world = World::new(settings);
    let load = Load {
        calls,
        gap,
        patience: (Duration::from_secs(170), Duration::from_secs(180)),
        hasty: 0,
        talk: Duration::from_secs(5),
        temper: Temper::CALM,
        twins: 0,
        dialled: ["0800301231", "0800301232"].map(str::to_owned).to_vec(),
    };
    let rng = &mut Rng::new([5; 32]);
    let (trunk, last) = fill(&mut world, &plan, carrier(), &load, rng);
    end(&mut world, last);
    let stories = world.call_stories(trunk).iter();
    let talked = stories.filter(|story| story.talked);
    let answered = world.watch.outcomes().get("answered").copied();
    assert_eq!(talked.count() as u64, answered.unwrap_or(0));
    world
}

/// The morning of such a day, and when its last call comes.
pub fn begin(calls: u32, seed: u64, inspect_every: u64, ports: usize) -> (World, Instant) {
    let plan = clinic(24);
    let mut settings = settings(plan.clone(), seed);
    settings.network = Quality::LOSSY;
    settings.disk = DiskQuality::TIRED;
    settings.ports = ports;
    settings.inspect_every = inspect_every;
    settings.keep_events = false;
    let mut world = World::new(settings);
    let mut rng = Rng::new([u8::try_from(seed & 0xff).unwrap(); 32]);
    let (_, last) = fill(&mut world, &plan, carrier(), &bad_day(calls), &mut rng);
    (world, last)
}

/// Everybody goes home, and every promise was kept.
pub fn end(world: &mut World, last: Instant) {
    let rest = world.run_out(last + Duration::from_secs(3_600));
    world.finish();
    assert_eq!(world.watch.broken, Vec::<String>::new());
    assert!(rest, "the world does not come to rest");
}
