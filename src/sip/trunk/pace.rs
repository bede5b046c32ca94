//! How much a carrier may bring and take: calls at once, and new calls a second.

use crate::time::{Duration, Instant};

/// What a carrier has of both.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    live: u32,
    /// GCRA: when the next call would be on time.
    next: Instant,
}

impl Pace {
    /// Whether one more call is within the limits; none is no limit.
    pub(super) fn admits(&self, now: Instant, most: Option<u32>, a_second: Option<u32>) -> bool {
        let fits = most.is_none_or(|most| self.live < most);
        let second = Duration::from_secs(1);
        let gap = a_second.map(|rate| second / rate.max(1));
        // A burst of one second is let through.
        fits && gap.is_none_or(|gap| self.next + gap <= now + second)
    }

    /// Counts one more call.
    pub(super) fn begin(&mut self, now: Instant, a_second: Option<u32>) {
        self.live = self.live.saturating_add(1);
        if let Some(rate) = a_second {
            self.next = self.next.max(now) + Duration::from_secs(1) / rate.max(1);
        }
    }

    /// A call is over.
    pub(super) const fn end(&mut self) {
        self.live = self.live.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_at_once_and_a_second_are_counted_apart() {
        let mut pace = Pace::default();
        let mut now = Instant::START + Duration::from_secs(5);
        let limits = (Some(4), Some(3));
        let mut taken = 0;
        while pace.admits(now, limits.0, limits.1) {
            pace.begin(now, limits.1);
            taken += 1;
        }
        assert_eq!(taken, 3, "a second's worth at once");
        now = now + Duration::from_millis(340);
        assert!(pace.admits(now, limits.0, limits.1));
        pace.begin(now, limits.1);
        now = now + Duration::from_secs(60);
        assert!(!pace.admits(now, limits.0, limits.1), "four are live");
        pace.end();
        assert!(pace.admits(now, limits.0, limits.1));
        assert!(pace.admits(now, None, None));
    }
}
