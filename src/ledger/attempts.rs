//! Attempts to reach a patient: what was tried, and whether it shows that the patient could not be
//! reached. Nothing is dialled here.
//!
//! An attempt that was not answered counts when the far end said so, or when its phone rang for long
//! enough that somebody could have come to it. A call that we ended sooner shows nothing of the patient,
//! nor does a carrier that failed.

use crate::id::OperatorName;
use crate::limits;
use crate::time::{Duration, Wall};
use crate::words::CallResult;

/// One attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// When the patient's phone was first asked to ring.
    pub at: Wall,
    /// Who would have talked.
    pub operator: Option<OperatorName>,
    /// The final response of the far end, or 487 where we gave up; none where nobody was rung.
    pub sip_code: Option<u16>,
    /// How long the phone was heard ringing.
    pub ring: Duration,
    /// How it went.
    pub result: Upshot,
}

/// An attempt that has been begun and has not been told of: a phone rings, or is about to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ringing {
    /// Since when.
    pub at: Wall,
    /// Who would talk.
    pub operator: Option<OperatorName>,
}

impl Ringing {
    /// What is told of it when the process died meanwhile: nobody knows how it went.
    #[must_use]
    pub fn interrupted(self) -> Attempt {
        Attempt {
            at: self.at,
            operator: self.operator,
            sip_code: None,
            ring: Duration::ZERO,
            result: Upshot::Interrupted,
        }
    }
}

/// How an attempt went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upshot {
    /// As a call does.
    Call(CallResult),
    /// Another program was asked to send a message.
    Message,
    /// The process died while the phone rang.
    Interrupted,
}

impl Upshot {
    /// Every word, by its value.
    const WORDS: [(Self, &'static str); 7] = [
        (Self::Call(CallResult::Answered), "answered"),
        (Self::Call(CallResult::Busy), "busy"),
        (Self::Call(CallResult::NoAnswer), "no_answer"),
        (Self::Call(CallResult::Failed), "failed"),
        (Self::Call(CallResult::Cancelled), "cancelled"),
        (Self::Message, "message"),
        (Self::Interrupted, "interrupted"),
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(upshot, _)| *upshot == self);
        known.map_or("failed", |(_, word)| word)
    }

    /// What a word stands for.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let known = Self::WORDS.iter().find(|(_, known)| *known == word);
        known.map(|(upshot, _)| *upshot)
    }
}

impl Attempt {
    /// Whether somebody spoke with the patient.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.result == Upshot::Call(CallResult::Answered)
    }

    /// Whether it shows that the patient could not be reached.
    #[must_use]
    pub fn in_vain(&self) -> bool {
        match self.result {
            Upshot::Call(CallResult::Answered) | Upshot::Interrupted => false,
            Upshot::Message => true,
            Upshot::Call(
                CallResult::Busy
                | CallResult::NoAnswer
                | CallResult::Failed
                | CallResult::Cancelled,
            ) => self.ring >= limits::RINGS_IN_VAIN || self.sip_code.is_some_and(speaks_of_patient),
        }
    }
}

/// Whether a final response says something of the patient, and not of a carrier or of us (RFC 3261 21.4
/// and 21.6): busy, away, no such number, declined.
const fn speaks_of_patient(code: u16) -> bool {
    matches!(code, 404 | 410 | 480 | 484..=486 | 600 | 603..=608)
}

/// How many attempts at the end of these showed nothing of the patient.
#[must_use]
pub fn without_proof<'a>(attempts: impl DoubleEndedIterator<Item = &'a Attempt>) -> usize {
    attempts.rev().take_while(|it| !it.in_vain()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(sip_code: u16, ring: u64, result: CallResult) -> Attempt {
        Attempt {
            at: Wall::default(),
            operator: Some("olena".into()),
            sip_code: Some(sip_code),
            ring: Duration::from_secs(ring),
            result: Upshot::Call(result),
        }
    }

    #[test]
    fn only_the_far_end_or_a_long_ring_shows_that_nobody_could_be_reached() {
        let counts = [
            attempt(486, 0, CallResult::Busy),
            attempt(480, 3, CallResult::NoAnswer),
            attempt(404, 0, CallResult::Failed),
            attempt(603, 1, CallResult::Busy),
            // We gave up, but not early.
            attempt(487, 15, CallResult::Cancelled),
            attempt(408, 40, CallResult::NoAnswer),
        ];
        assert!(counts.iter().all(Attempt::in_vain));
        let shows_nothing = [
            attempt(487, 14, CallResult::Cancelled),
            attempt(487, 0, CallResult::Cancelled),
            attempt(408, 0, CallResult::NoAnswer),
            attempt(403, 0, CallResult::Failed),
            attempt(503, 0, CallResult::Failed),
            attempt(500, 5, CallResult::Failed),
            attempt(200, 30, CallResult::Answered),
        ];
        assert!(!shows_nothing.iter().any(Attempt::in_vain));
        let all: Vec<_> = counts.into_iter().chain(shows_nothing).collect();
        assert_eq!(without_proof(all.iter()), 7);
        assert_eq!(without_proof(all[..6].iter()), 0);
    }

    #[test]
    fn a_word_is_read_as_it_is_written() {
        for (upshot, word) in Upshot::WORDS {
            assert_eq!((upshot.as_str(), Upshot::of(word)), (word, Some(upshot)));
        }
        assert_eq!(Upshot::of("reached"), None);
    }
}
