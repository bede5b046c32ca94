//! Hundreds of calls on a bad day: twice the same bytes, and every promise kept.
//! `cargo bench --bench engine_calls` does it with ten thousand and the clock in hand.

use crate::day::run;

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
        run(200, seed, 1);
    }
}
