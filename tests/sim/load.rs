//! Hundreds of calls on a bad day: twice the same bytes, and every promise kept.
//! `cargo bench --bench engine_calls` does it with ten thousand and the clock in hand.

use strowger::time::{Duration, Instant};

use crate::day::{begin, calm, end, run};

#[test]
fn a_bad_day_breaks_no_promise_and_is_the_same_each_time() {
    let first = run(1_000, 1, 1);
    let watch = &first.watch;
    assert!(watch.offered() >= 950, "{} offered", watch.offered());
    for outcome in ["answered", "missed"] {
        let count = watch.outcomes().get(outcome).copied().unwrap_or(0);
        assert!(count > 50, "{count} {outcome}: {:?}", watch.outcomes());
    }
    for reason in ["abandoned", "timeout", "unrouted"] {
        let count = watch.reasons().get(reason).copied().unwrap_or(0);
        assert!(count > 2, "{count} {reason}: {:?}", watch.reasons());
    }
    let second = run(1_000, 1, 64);
    assert_eq!(first.trace().digest(), second.trace().digest());
    assert_ne!(first.trace().digest(), run(200, 2, 1).trace().digest());
}

#[test]
fn other_days_break_no_promise_either() {
    for seed in 10..16 {
        println!("seed {seed}");
        run(200, seed, 1);
    }
}

#[test]
fn a_server_short_of_ports_refuses_and_forgets_nobody() {
    let (mut world, last) = begin(200, 3, 1, 12);
    end(&mut world, last);
    let watch = &world.watch;
    assert!(watch.outcomes().get("answered").is_some_and(|n| *n > 5));
    assert_eq!(watch.outcomes().values().sum::<u64>(), watch.offered());
}

#[test]
fn a_killed_server_begins_again_with_its_phones_and_holds_nobody() {
    let (mut world, last) = begin(300, 4, 1, 10_000);
    for second in [60, 61, 90, 150] {
        world.run_until(Instant::START + Duration::from_secs(second));
        let registered = world.engine().view().registrations;
        world.restart();
        assert_eq!(world.engine().view().registrations, registered);
        let desk = world.engine().desk();
        assert!(desk.operators().all(|operator| operator.call().is_none()));
    }
    end(&mut world, last);
    assert!(
        world
            .watch
            .outcomes()
            .get("answered")
            .is_some_and(|n| *n > 20)
    );
}

#[test]
fn a_rush_is_refused_in_part_and_every_call_has_its_end() {
    let world = calm(400, Duration::from_millis(2));
    let watch = &world.watch;
    assert!(
        watch.reasons().get("refused").is_some_and(|n| *n > 50),
        "{:?}",
        watch.reasons()
    );
    assert!(watch.outcomes().get("answered").is_some_and(|n| *n > 50));
    let stories = world.call_stories(0).iter();
    let refused = stories.filter(|story| story.refused == Some(503)).count();
    assert!(refused > 50, "{refused} were told 503");
}
