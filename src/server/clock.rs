//! The only place that reads the machine's clocks.
//!
//! Not a timer: who waits, waits on a channel with a deadline. Everything else in the program is
//! told the time.

use crate::time::{Instant, Now, Wall};

/// The two clocks of the process. Copies read the same start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock whose monotonic side begins now; made once, when the process starts.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one file that reads the clocks"
    )]
    pub fn start() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }

    /// Both clocks, read together.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one file that reads the clocks"
    )]
    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let wall = match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis())
                .unwrap_or(i64::MAX)
                .saturating_neg(),
        };
        Now {
            mono: Instant::from_nanos(mono),
            wall: Wall::from_millis(wall),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_side_never_steps_back_and_copies_agree() {
        let clock = Clock::start();
        let copy = clock;
        let first = clock.now().mono;
        let second = copy.now().mono;
        assert!(second >= first);
        assert!(clock.now().wall > Wall::from_millis(1_700_000_000_000));
    }
}
