//! Strowger: a SIP back-to-back user agent and call distributor. No caller is lost.
//!
//! ```text
//! main, cli → { server, sim } → engine → call → { media, dialplan, acd, ledger }
//!           → { sip, sdp, rtp } → { id, net, number, words, time, rng, limits }
//! ```
//!
//! The laws, held by `tests/tidy.rs`: imports point right only and siblings in braces do not import
//! each other; outside `server` and `cli` there is no IO, clock, global randomness, async, thread,
//! lock or `Rc`; whatever grows has its bound in [`limits`].

#![cfg_attr(
    test,
    allow(
        clippy::wildcard_enum_match_arm,
        reason = "a test looks for one variant among many"
    )
)]

#[cfg(test)]
extern crate self as strowger;

pub mod acd;
pub mod call;
pub mod cli;
pub mod dialplan;
pub mod engine;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod media;
pub mod net;
pub mod number;
pub mod rng;
pub mod rtp;
pub mod sdp;
pub mod server;
pub mod sim;
pub mod sip;
pub mod time;
pub mod words;
