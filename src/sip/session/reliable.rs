//! Provisional responses that are acknowledged (RFC 3262), on both sides of an INVITE.
//!
//! ```text
//!              sent, and sent again: gaps of T1, doubling
//!           ┌──────────┐
//!  1xx ───► │ unacked  │──PRACK──► the next that waits, or the 200 that waits
//!           └────┬─────┘
//!                │ 64·T1
//!                ▼
//!            504, failed
//! ```

use std::collections::VecDeque;

use bytes::Bytes;

use crate::sip::dialog::Dialog;
use crate::time::Duration;

/// A provisional response of ours that waits for its PRACK.
#[derive(Clone, Debug)]
pub struct Provisional {
    /// Its RSeq.
    pub rseq: u32,
    /// Its status.
    pub code: u16,
    /// The bytes.
    pub response: Bytes,
    /// The gap before it was sent last.
    pub gap: Duration,
    /// It carries our answer, so a 200 has to wait for the PRACK (RFC 3262 3).
    pub described: bool,
}

/// The callee's side.
#[derive(Clone, Debug)]
pub struct Reliable {
    /// The RSeq of the next one.
    pub next: u32,
    /// The status of the last one, which is said again each minute.
    pub last: u16,
    /// The one that is not acknowledged.
    pub unacked: Option<Provisional>,
    /// Those that wait until it is.
    pub waiting: VecDeque<(u16, Option<Bytes>)>,
    /// The answer that was given in one of them; no other message repeats it.
    pub answered: Option<Bytes>,
    /// The 200 that waits.
    pub accept: Option<Bytes>,
}

impl Reliable {
    /// Nothing was sent; the first RSeq is chosen at random below 2^31 (RFC 3262 3).
    #[must_use]
    pub const fn new(first: u32) -> Self {
        Self {
            next: first,
            last: 183,
            unacked: None,
            waiting: VecDeque::new(),
            answered: None,
            accept: None,
        }
    }
}

/// The caller's side: what one fork has said so far.
#[derive(Clone, Debug)]
pub struct Early {
    /// The early dialog.
    pub dialog: Dialog,
    /// The RSeq that was acknowledged last.
    pub rseq: u32,
    /// The answer it gave, which is the only one it gives.
    pub answer: Option<Bytes>,
}
