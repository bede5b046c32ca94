//! What becomes of callers whom nobody spoke with: messages they leave, and calls back to them.

use crate::id::{CalendarName, VoicemailName};
use crate::limits;
use crate::time::Duration;
use crate::words::Phrase;

/// A box where callers leave messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voicemail {
    /// Its key.
    pub name: VoicemailName,
    /// What is said before the beep.
    pub say: Option<Phrase>,
    /// The longest message.
    pub max: Duration,
}

/// What a missed call becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callbacks {
    /// How soon it is due.
    pub due: Duration,
    /// A caller who left sooner gets none.
    pub ignore_shorter_than: Duration,
    /// The ladder.
    pub attempts: Vec<Rung>,
    /// When this closes, what is still open is told of.
    pub shift_end: Option<CalendarName>,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            due: limits::CALLBACK_DUE,
            ignore_shorter_than: limits::CALLBACK_IGNORES,
            attempts: Vec::new(),
            shift_end: None,
        }
    }
}

/// One rung of the ladder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rung {
    /// Ring the patient.
    Call {
        /// The number shown, in E.164; none leaves it to `outbound.show`.
        show: Option<String>,
        /// After the attempt before, or after the start.
        after: Duration,
    },
    /// Tell the outside world that a message should be sent.
    Message {
        /// After the attempt before.
        after: Duration,
    },
}
