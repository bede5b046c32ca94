//! The timers of RFC 3261 17 and RFC 6026. Timer C is a proxy's and has no place here.

use crate::time::Duration;

/// The round trip that retransmission starts from (RFC 3261 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest gap between two retransmissions, but for INVITE (RFC 3261 17.1.2.1).
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network (RFC 3261 17.1.2.2).
pub const T4: Duration = Duration::from_secs(5);
/// 64·T1: how long anybody waits for anything.
pub const T1_64: Duration = Duration::from_secs(32);

/// A timer of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// An INVITE is sent again, each gap twice the last.
    A,
    /// An INVITE client gives up after 64·T1 without any response.
    B,
    /// A refused INVITE's late repetitions are still acknowledged.
    D,
    /// Another request is sent again, the gap doubling up to T2.
    E,
    /// A client of another request gives up after 64·T1 without a final response.
    F,
    /// A refusal of an INVITE is sent again, the gap doubling up to T2.
    G,
    /// A server gives up waiting for the ACK to its refusal.
    H,
    /// Late ACKs to a refusal are absorbed.
    I,
    /// Late repetitions of another request are answered again.
    J,
    /// Late repetitions of a final response are absorbed.
    K,
    /// Late repetitions of an accepted INVITE are absorbed (RFC 6026 8.7).
    L,
    /// More 2xx to our INVITE, from forks or repeated, are taken (RFC 6026 8.4).
    M,
}

impl Timer {
    /// When it is due for the first time; `None` where a reliable transport does without it. Zero
    /// is due at once.
    #[must_use]
    pub const fn first(self, reliable: bool) -> Option<Duration> {
        match self {
            Self::A | Self::E | Self::G if reliable => None,
            Self::A | Self::E | Self::G => Some(T1),
            Self::B | Self::F | Self::H | Self::L | Self::M => Some(T1_64),
            Self::D | Self::I | Self::J | Self::K if reliable => Some(Duration::ZERO),
            Self::D | Self::J => Some(T1_64),
            Self::I | Self::K => Some(T4),
        }
    }

    /// The gap that follows `gap`, of a timer that repeats.
    #[must_use]
    pub fn next(self, gap: Duration) -> Duration {
        let doubled = gap.saturating_mul(2);
        match self {
            Self::A => doubled,
            Self::B
            | Self::D
            | Self::E
            | Self::F
            | Self::G
            | Self::H
            | Self::I
            | Self::J
            | Self::K
            | Self::L
            | Self::M => doubled.min(T2),
        }
    }

    /// Its name, for traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "timer A",
            Self::B => "timer B",
            Self::D => "timer D",
            Self::E => "timer E",
            Self::F => "timer F",
            Self::G => "timer G",
            Self::H => "timer H",
            Self::I => "timer I",
            Self::J => "timer J",
            Self::K => "timer K",
            Self::L => "timer L",
            Self::M => "timer M",
        }
    }
}
