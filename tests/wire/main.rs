//! The whole server against programs that we did not write: sipp as the carrier and as phones,
//! Kamailio as the carrier's edge, baresip and PJSIP as the operators' phones, baresip as a second kind
//! of carrier.
//! Real sockets, real sound, a few real seconds.
//!
//! Nothing here waits a fixed time: a test waits for an event of the webhook, or for a process to
//! end, with a deadline. `./test` installs these programs; without them the tests say so and fail.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says by a panic that it failed"
)]

mod authority;
mod backups;
mod baresip;
mod carrier;
mod clinic;
mod dialects;
mod encrypted;
mod handover;
mod hook;
mod intruder;
mod kamailio;
mod pjsua;
mod queue_calls;
mod registrar;
mod rig;
mod sipp;
mod softphone;
mod sound;
mod streams;
mod trace;
mod trunks;
mod watching;
