//! The one door: `(now, input)` in, outputs out.
//!
//! The engine owns the SIP endpoint, the distributor, the ledger and every call, and is alone in
//! carrying messages between them. It reads no clock, does no IO and draws no randomness but from
//! its seed, so the same inputs give the same bytes.

mod arrival;
pub mod attempts;
pub mod callback_event;
mod calling_back;
mod carrying;
mod clock;
mod codes;
pub mod command;
mod commanding;
mod engaging;
#[expect(
    clippy::module_inception,
    reason = "the noun of this room is the engine itself"
)]
pub mod engine;
mod erasing;
pub mod event;
mod fault;
pub mod floor;
mod glance;
pub mod input;
mod intake;
pub mod lead_event;
mod leads;
pub mod output;
mod overload;
mod placing;
mod reaching;
mod recalling;
#[cfg(test)]
pub(crate) mod sabotage;
pub mod settings;
mod signalling;
mod story;
mod supervising;
mod toll;
mod transfers;
mod trunks;
pub mod view;
mod watched;
mod who;

pub use engine::Engine;
pub use settings::{EngineSettings, Restored};
