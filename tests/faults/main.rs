//! What must hold when something breaks: the process is killed, the disk refuses, a sink is dead, the
//! clock jumps. The whole server as a process, with faults made on purpose.
//!
//! Each promise is one test and prints one line with its figure (`report`). `./test` plays them short;
//! `just faults` plays them whole (`STROWGER_FAULTS=full`). Nothing waits a fixed time: a test waits for
//! a condition, with a deadline.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test says by a panic that it failed"
)]

mod broken;
mod broker;
mod buses;
mod clock_steps;
mod counter;
mod crowd;
mod database;
mod disk;
mod every_nth;
mod failing;
mod full_disk;
mod killed;
mod message;
mod points;
mod report;
mod retention;
#[allow(dead_code, reason = "a rig has what any theme may need")]
mod rig;
mod sinks;
mod slow_disk;
mod webhook;
