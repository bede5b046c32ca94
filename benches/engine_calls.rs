//! Ten thousand calls of a bad day, every SIP message through the lossy network: the same bytes twice,
//! in under five seconds of CPU each.
//!
//! `cargo bench --bench engine_calls`
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/sim/day.rs"]
mod day;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/sim/hall.rs"]
mod hall;

const CALLS: u32 = 10_000;

fn main() {
    let mut digests = Vec::new();
    for _ in 0..2 {
        let before = cpu();
        let world = day::run(CALLS, 1, 1_000);
        let took = cpu() - before;
        let trace = world.trace();
        let per_message = took / u32::try_from(trace.datagrams).unwrap();
        println!(
            "{CALLS} calls, {} messages, {} MB, {:?} of virtual time: {took:.2?} of CPU, {per_message:.1?} a message",
            trace.datagrams,
            trace.bytes / 1_000_000,
            world.now().mono,
        );
        println!("{:?} {:?}", world.watch.outcomes(), world.watch.reasons());
        println!("fingerprint {}", trace.digest());
        digests.push(trace.digest());
    }
    assert!(
        digests.iter().all(|digest| *digest == digests[0]),
        "{digests:?}"
    );
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}
