//! Where a call stands in its business. The SIP side of each leg is in [`super::leg`].
//!
//! ```text
//!            in, to a queue                             whisper over
//! Opening ───────────────────► Waiting ──► Whispering ────────────────► Talking
//!    │                          ▲   ▲  answered  │                       │  ▲
//!    │                          │   └────────────┘ operator hangs up     │  │
//!    │                          └──────────────────── sent to a queue ───┤  │
//!    │ an operator dials a colleague or a number      sent to somebody   │  │
//!    └───────────────────────────────────────► Dialling ◄────────────────┘  │
//!                                                  └───────── answered ─────┘
//! ```
//!
//! From everywhere the way leads to Ended: the outcome is known, legs are being closed.

use crate::id::{OperatorName, PlayId};
use crate::time::Instant;
use crate::words::Phrase;

/// The phase of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Not yet let in: the offer is on its way to the disk, the port is being opened.
    Opening {
        /// The disk has it, or we gave up waiting.
        committed: bool,
    },
    /// In a queue; phones may be ringing.
    Waiting,
    /// An operator answered and hears the whisper; the caller hears music, or the notice.
    Whispering(Whispering),
    /// Somebody is rung outside any queue (see [`super::dial`]).
    Dialling,
    /// Bridged.
    Talking,
    /// The outcome is known; legs are being closed.
    Ended,
}

/// The whisper under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Whispering {
    /// Who hears it.
    pub operator: OperatorName,
    /// What is said; none when no form was ready.
    pub phrase: Option<Phrase>,
    /// Which playout it is.
    pub play: PlayId,
    /// When it began.
    pub since: Instant,
    /// It is over, and the bridge waits for the recording notice alone.
    pub over: bool,
}

/// The notice "this call is recorded", heard by the caller once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The plan wants one and no phone rings yet.
    Due,
    /// It plays.
    Playing(PlayId),
    /// Nothing to wait for.
    Over,
}
