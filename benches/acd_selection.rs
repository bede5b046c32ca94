//! What finding an operator costs in a hall of 500 operators in fifty queues with 1,000 callers waiting:
//! CPU time of each decision, for every strategy, beside a place found in one sorted tree of as many.
//!
//! `cargo bench --bench acd_selection`
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use strowger_floor::decision::Hall;
use strowger_floor::rng::Rng;
use strowger_floor::words::Strategy;

const OPERATORS: u64 = 500;
const WAITING: usize = 1_000;
const DECISIONS: usize = 50_000;

fn main() {
    let clock = percentiles((0..DECISIONS).map(|_| measured(|| ())).collect());
    let tree = percentiles(tree());
    println!("the clock alone: p50 {:.2?}, p99 {:.2?}", clock.0, clock.1);
    println!(
        "one of {WAITING} taken out of a sorted tree and put back: p50 {:.2?}, p99 {:.2?}",
        tree.0, tree.1
    );
    for (word, strategy) in Strategy::ALL {
        let (freed, joined) = decisions(strategy);
        for (what, times) in [
            ("an operator becomes free", freed),
            ("a caller comes", joined),
        ] {
            let (p50, p99) = percentiles(times);
            println!(
                "{word}, {what}: p50 {p50:.2?}, p99 {p99:.2?}, {:.1} × the tree",
                p99.as_secs_f64() / tree.1.as_secs_f64()
            );
        }
    }
}

/// The callers wait; again and again an operator becomes free and another caller comes.
fn decisions(strategy: Strategy) -> (Vec<Duration>, Vec<Duration>) {
    let mut hall = Hall::new(OPERATORS, strategy);
    hall.fill(WAITING);
    let (mut freed, mut joined) = (Vec::new(), Vec::new());
    for _ in 0..DECISIONS {
        let input = hall.release().unwrap();
        freed.push(measured(|| hall.decide(input)));
        hall.listen();
        let input = hall.join();
        joined.push(measured(|| hall.decide(input)));
        hall.listen();
    }
    (freed, joined)
}

fn tree() -> Vec<Duration> {
    let mut rng = Rng::new([1; 32]);
    let mut tree = BTreeMap::new();
    while tree.len() < WAITING {
        tree.insert(rng.next_u64(), rng.next_u64());
    }
    let mut turn = || {
        let (key, value) = tree.pop_first().unwrap();
        tree.insert(rng.next_u64(), value);
        black_box(key);
    };
    (0..DECISIONS).map(|_| measured(&mut turn)).collect()
}

fn measured(work: impl FnOnce()) -> Duration {
    let before = cpu();
    work();
    cpu() - before
}

fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() / 100 * 99])
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}
