//! What one queue remembers of its service: counts for the service level, and what a waiting time is
//! estimated from. It changes nothing.
//!
//! **The estimate.** Whoever finds as many operators free as their place waits for nothing. Else it is
//! the place times the mean gap between answers, over the last [`limits::GAPS`] gaps in which somebody
//! waited without a phone ringing for them; the gap that is still open counts too once it is longer
//! than that mean. Where fewer than [`limits::GAPS_FEWEST`] gaps are known it is the place times the
//! mean time that the last callers kept an operator, paperwork included, shared by the operators who
//! work; and where that is unknown too, or nobody works, nothing is said.

use std::collections::VecDeque;

use crate::limits;
use crate::time::{Duration, Instant};

/// What a queue remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Statistics {
    pub(super) answered: u64,
    pub(super) answered_in_time: u64,
    pub(super) abandoned: u64,
    pub(super) abandoned_in_time: u64,
    gaps: Mean,
    handling: Mean,
    /// Since when somebody waits and nobody was answered.
    open: Option<Instant>,
}

/// The mean of the last few durations.
#[derive(Clone, Debug, Default)]
struct Mean {
    last: VecDeque<Duration>,
    sum: Duration,
}

impl Mean {
    fn add(&mut self, one: Duration) {
        self.last.push_back(one);
        self.sum += one;
        if self.last.len() > limits::GAPS {
            self.sum -= self.last.pop_front().unwrap_or_default();
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.last.len()).unwrap_or(u32::MAX)
    }
}

impl Statistics {
    /// A caller was answered; `wait` counts from joining.
    pub(super) fn answered(&mut self, now: Instant, wait: Duration, within: Option<Duration>) {
        self.answered += 1;
        if within.is_some_and(|within| wait <= within) {
            self.answered_in_time += 1;
        }
        if let Some(since) = self.open.replace(now) {
            self.gaps.add(now.since(since).min(limits::ESTIMATED_WAIT));
        } else {
            self.open = None;
        }
    }

    /// A caller gave up.
    pub(super) fn abandoned(&mut self, wait: Duration, within: Option<Duration>) {
        self.abandoned += 1;
        if within.is_some_and(|within| wait <= within) {
            self.abandoned_in_time += 1;
        }
    }

    /// A caller kept an operator so long.
    pub(super) fn handled(&mut self, time: Duration) {
        self.handling.add(time.min(limits::ESTIMATED_WAIT));
    }

    /// Whether somebody waits without a phone ringing for them.
    pub(super) fn backlog(&mut self, now: Instant, any: bool) {
        self.open = any.then(|| self.open.unwrap_or(now));
    }

    /// How long the caller in this place will wait.
    pub(super) fn estimate(
        &self,
        now: Instant,
        place: u32,
        working: usize,
        free: usize,
    ) -> Option<Duration> {
        if usize::try_from(place).is_ok_and(|place| place <= free) {
            return Some(Duration::ZERO);
        }
        let gap = if self.gaps.last.len() >= limits::GAPS_FEWEST {
            let mean = self.gaps.sum / self.gaps.count();
            let open = self.open.map_or(Duration::ZERO, |since| now.since(since));
            match open > mean {
                true => (self.gaps.sum + open) / (self.gaps.count() + 1),
                false => mean,
            }
        } else {
            let mean = self.handling.sum.checked_div(self.handling.count())?;
            mean.checked_div(u32::try_from(working).unwrap_or(u32::MAX))?
        };
        Some(gap.saturating_mul(place).min(limits::ESTIMATED_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_estimate_is_the_place_times_the_mean_gap_of_those_who_waited() {
        let at = |seconds| Instant::START + s(seconds);
        let mut of = Statistics::default();
        assert_eq!(of.estimate(at(0), 1, 4, 0), None, "nothing is known");
        assert_eq!(of.estimate(at(0), 1, 4, 1), Some(s(0)), "somebody is free");
        of.handled(s(100));
        of.handled(s(140));
        assert_eq!(of.estimate(at(0), 2, 4, 0), Some(s(60)), "2 · 120 s / 4");
        assert_eq!(of.estimate(at(0), 2, 0, 0), None, "nobody works");
        of.answered(at(10), s(3), None);
        assert_eq!(of.gaps.count(), 0, "nobody waited");
        of.backlog(at(10), true);
        for (answer, now) in [(20, 20), (40, 40), (70, 75)] {
            of.answered(at(answer), s(30), None);
            of.backlog(at(now), true);
        }
        assert_eq!(of.estimate(at(80), 3, 4, 0), Some(s(60)), "3 · 20 s");
        assert_eq!(
            of.estimate(at(170), 3, 4, 0),
            Some(s(120)),
            "3 · (60 + 100) s / 4"
        );
        of.backlog(at(170), false);
        assert_eq!(of.estimate(at(900), 3, 4, 0), Some(s(60)), "no gap is open");
        for answer in 0..100 {
            of.backlog(at(1_000 + 10 * answer), true);
            of.answered(at(1_005 + 10 * answer), s(5), None);
            of.backlog(at(1_005 + 10 * answer), false);
        }
        assert_eq!(
            of.estimate(at(3_000), 3, 4, 0),
            Some(s(15)),
            "the last ones count"
        );
        assert!(of.gaps.last.len() <= limits::GAPS);
        let most = of.estimate(at(3_000), u32::MAX, 4, 0);
        assert_eq!(most, Some(limits::ESTIMATED_WAIT));
    }
}
