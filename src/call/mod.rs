//! One call from INVITE to its terminal event. Pure, and alone in changing a call.
//!
//! A [`call::Call`] is told [`message::CallInput`]s and answers with [`message::CallEffect`]s; it
//! holds no reference to the distributor, the endpoint or the media threads, only the ids of what is
//! its own there.

pub mod announce;
pub mod bridge;
#[expect(
    clippy::module_inception,
    reason = "the noun of this room is the call itself"
)]
pub mod call;
pub mod callback;
pub mod cause;
pub mod comeback;
pub mod dial;
pub mod dialling;
pub mod ending;
pub mod entry;
pub mod facts;
pub mod hold;
pub mod keys;
pub mod latin;
pub mod leg;
pub mod merge;
pub mod message;
pub mod offer;
pub mod orders;
pub mod path;
pub mod phase;
pub mod recall;
pub mod replace;
pub mod ringing;
pub mod screen;
pub mod seat;
pub mod silence;
pub mod supervise;
pub mod talking;
pub mod transfer;
pub mod voicemail;
pub mod whisper;
pub mod whispering;
