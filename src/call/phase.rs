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
//! A call that no queue takes may come from Waiting, or from Opening, to Voicemail (see
//! [`super::voicemail`]). Whoever asks to be called back goes from Waiting by Confirming to Ended (see
//! [`super::callback`]); whoever is called back begins in Waiting (see [`super::recall`]). From
//! everywhere the way leads to Ended: the outcome is known, legs are being closed.

use super::voicemail::Message;
use crate::dialplan::plan::Spoken;
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
    /// The caller is to be called back, has left the queue and hears so.
    Confirming(PlayId),
    /// An operator answered and hears the whisper; the caller hears music, or the notice.
    Whispering(Whispering),
    /// Somebody is rung outside any queue (see [`super::dial`]).
    Dialling,
    /// At a voicemail box.
    Voicemail(Message),
    /// Bridged.
    Talking,
    /// The outcome is known; legs are being closed.
    Ended,
}

impl Phase {
    /// Whether somebody is being looked for who speaks with the caller, or was and is no more.
    #[must_use]
    pub const fn seeks_somebody(&self) -> bool {
        match self {
            Self::Waiting | Self::Whispering(_) | Self::Dialling | Self::Voicemail(_) => true,
            Self::Opening { .. } | Self::Confirming(_) | Self::Talking | Self::Ended => false,
        }
    }
}

/// The whisper under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Whispering {
    /// Who hears it.
    pub operator: OperatorName,
    /// What is known of the caller.
    pub spoken: Spoken,
    /// When the phone was answered.
    pub since: Instant,
    /// How far it is.
    pub stage: Stage,
    /// What was heard has been told.
    pub told: bool,
}

/// How far a whisper is (see [`super::whispering`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// This form is being rendered; it is not waited for long.
    Awaited(Phrase),
    /// Something is said.
    Said {
        /// Which playout it is.
        play: PlayId,
        /// What is heard.
        phrase: Phrase,
        /// When it began.
        since: Instant,
    },
    /// It was said, and the key that accepts the call has not been pressed.
    Unaccepted,
    /// It is over, and the bridge waits for the recording notice alone.
    Over,
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
