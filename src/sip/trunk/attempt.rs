//! One attempt of a call out at one server of a carrier: does its answer end the call, or does the
//! call go to the next server?
//!
//! ```text
//!                     nothing heard   100             18x
//!  silent for 4 s     next            wait            wait
//!  408, no answer     next            next            final
//!  503, broken way    next            next            final
//!  500 502 504        next            next            final
//!  any other refusal  final           final           final
//! ```
//!
//! Whoever moves on hangs up the attempt first: the endpoint sends CANCEL once a late 1xx comes, and
//! ACK and BYE to a late 2xx (RFC 3261 9.1, 15), so two servers are never bridged. Decides only; the
//! call machine keeps the time.

use crate::time::Duration;

/// A server that has said nothing for this long is given up for the next one.
pub const SILENCE: Duration = Duration::from_secs(4);

/// How far an attempt got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Heard {
    /// Nothing.
    #[default]
    Nothing,
    /// The server is there, but nobody is rung yet.
    Trying,
    /// Somebody is rung, or is told something in early media: whatever comes now is about the person
    /// called, not about the way.
    Ringing,
}

impl Heard {
    /// What is heard once a provisional response came too; its code is 100 to 199.
    #[must_use]
    pub fn and(self, code: u16) -> Self {
        self.max(match code {
            180..190 => Self::Ringing,
            _ => Self::Trying,
        })
    }
}

/// What happened to an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sign {
    /// [`SILENCE`] is over since the INVITE left.
    Silent,
    /// It was refused; 408 stands for a request that timed out, 503 for a broken way.
    Refused(u16),
}

/// What the call does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Goes on waiting for this server.
    Wait,
    /// Hangs this attempt up and tries the next server; without one, it has failed.
    Next,
    /// Ends: this is the answer.
    Final,
}

/// What a sign means for an attempt that got so far.
#[must_use]
pub const fn verdict(heard: Heard, sign: Sign) -> Verdict {
    match (heard, sign) {
        (Heard::Nothing, Sign::Silent) => Verdict::Next,
        (Heard::Trying | Heard::Ringing, Sign::Silent) => Verdict::Wait,
        // RFC 3263 4.3: a failure of the server, not of the one called.
        (Heard::Nothing | Heard::Trying, Sign::Refused(408 | 500 | 502 | 503 | 504)) => {
            Verdict::Next
        }
        (Heard::Nothing | Heard::Trying | Heard::Ringing, Sign::Refused(_)) => Verdict::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_ringing_a_failing_server_is_left_for_the_next() {
        for heard in [Heard::Nothing, Heard::Nothing.and(100)] {
            for code in [408, 500, 502, 503, 504] {
                assert_eq!(verdict(heard, Sign::Refused(code)), Verdict::Next, "{code}");
            }
        }
        assert_eq!(verdict(Heard::Nothing, Sign::Silent), Verdict::Next);
        assert_eq!(verdict(Heard::Trying, Sign::Silent), Verdict::Wait);
    }

    #[test]
    fn what_the_person_called_says_is_final() {
        for code in [
            302, 403, 404, 480, 484, 486, 487, 488, 501, 505, 600, 603, 604, 606,
        ] {
            for heard in [Heard::Nothing, Heard::Trying, Heard::Ringing] {
                assert_eq!(
                    verdict(heard, Sign::Refused(code)),
                    Verdict::Final,
                    "{code}"
                );
            }
        }
        // Once it rings, no code of a server starts the ringing anew.
        let ringing = Heard::Nothing.and(183).and(100);
        for code in [408, 500, 503, 504] {
            assert_eq!(
                verdict(ringing, Sign::Refused(code)),
                Verdict::Final,
                "{code}"
            );
        }
        assert_eq!(verdict(ringing, Sign::Silent), Verdict::Wait);
    }
}
