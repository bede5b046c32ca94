//! What the carrier and the phones tell the narrator, and what they are told: words only.

use tokio::sync::watch;

use super::handset::Hearing;
use crate::time::Duration;

/// How far the demo is, for everybody who plays a part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Shift {
    /// Calls are placed and answered.
    On,
    /// No new calls; the live ones are hung up.
    Closing,
    /// Everybody goes home.
    Over,
}

impl Shift {
    /// Waits until it has come this far; one that nobody directs any more is over.
    pub(super) async fn reach(self, shift: &mut watch::Receiver<Self>) {
        let _undirected = shift.wait_for(|now| *now >= self).await.is_err();
    }
}

/// News from a party.
#[derive(Debug)]
pub(super) enum Report {
    /// A softphone is registered.
    Registered,
    /// A softphone's registration was refused.
    NotRegistered(String, u16),
    /// A call was placed.
    Dialled,
    /// An operator hears the caller, after this much of a whisper.
    Whispered {
        /// The operator.
        operator: String,
        /// The caller's number.
        from: String,
        /// How much was heard before the caller's voice.
        whisper: Duration,
    },
    /// An operator's leg with sound is over.
    OperatorHeard {
        /// The caller's number.
        from: String,
        /// What was heard on it.
        hearing: Hearing,
    },
    /// A caller's leg is over.
    CallerHeard {
        /// The caller's number.
        from: String,
        /// What was heard on it; nothing where no sound was agreed upon.
        hearing: Hearing,
    },
    /// Every caller has called and every call is over.
    AllCalled,
}
