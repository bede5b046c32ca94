//! A breaker: whether a server of a carrier is worth a call.
//!
//! ```text
//!            3 failures in a row
//!  Closed ───────────────────────► Open 10 s, 20 s, 40 s, then 60 s
//!    ▲                              │ its time is over: half open
//!    │ any answer but 503           │
//!    └──────────────────────────────┤ a failure: open again, for longer
//! ```
//!
//! A failure is a broken way, no answer in time, or 503 (RFC 3261 21.5.4). Half open, a server that is
//! asked by OPTIONS gets that alone, any other one the next call.

use crate::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 3;
/// How long it stays open at first, and at most.
const OPEN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// The breaker of one server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Breaker {
    failures: u32,
    /// Half open from here on.
    until: Option<Instant>,
}

impl Breaker {
    /// The server answered. True when that closed it.
    pub const fn alive(&mut self) -> bool {
        self.failures = 0;
        self.until.take().is_some()
    }

    /// The server failed. True when that opened it.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return false;
        }
        let was_open = self.until.is_some();
        // What failed before it was half open began while the server was believed to be there.
        if self.until.is_none_or(|until| until <= now) {
            let times = (self.failures - FAILURES).min(8);
            let open = OPEN.0.saturating_mul(1 << times).min(OPEN.1);
            self.until = Some(now + open);
        }
        !was_open
    }

    /// Whether it is open, half open included.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.until.is_some()
    }

    /// When it is half open, if it is open.
    #[must_use]
    pub const fn half_open_at(&self) -> Option<Instant> {
        self.until
    }

    /// Whether a call may try the server; `probed` says that OPTIONS finds out.
    #[must_use]
    pub fn admits(&self, now: Instant, probed: bool) -> bool {
        self.until.is_none_or(|until| !probed && until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn three_failures_in_a_row_open_it_and_any_answer_closes_it() {
        let now = Instant::START;
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(now) && !breaker.failed(now));
        breaker.alive();
        assert!(!breaker.failed(now) && !breaker.failed(now));
        assert!(breaker.admits(now, true) && !breaker.is_open());
        assert!(breaker.failed(now), "the third in a row");
        assert!(!breaker.admits(now, true) && !breaker.admits(now, false));
        assert!(breaker.alive() && breaker.admits(now, true));
    }

    #[test]
    fn without_options_time_lets_one_try_and_a_failure_makes_it_longer() {
        let mut now = Instant::START;
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.failed(now);
        }
        for open in [10, 20, 40, 60, 60] {
            assert!(!breaker.admits(now + (open - 1) * SECOND, false));
            now = now + open * SECOND;
            assert!(breaker.admits(now, false));
            assert!(!breaker.admits(now, true), "OPTIONS has the first word");
            assert!(!breaker.failed(now), "it was open already");
        }
    }
}
