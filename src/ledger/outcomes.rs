//! The sum that is always true: offered = answered + missed + blocked + test.
//!
//! Counts of this run, for metrics; the calls themselves are in the store.

use crate::words::Outcome;

/// Counts of calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcomes {
    offered: u64,
    ended: [u64; 4],
}

impl Outcomes {
    /// A call of a trunk began.
    pub const fn offered(&mut self) {
        self.offered += 1;
    }

    /// It ended.
    pub fn ended(&mut self, outcome: Outcome) {
        for (slot, known) in self.ended.iter_mut().zip(Outcome::ALL) {
            if known == outcome {
                *slot += 1;
            }
        }
    }

    /// How many calls began.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.offered
    }

    /// How many ended, by outcome.
    pub fn by_outcome(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().zip(self.ended)
    }

    /// How many have begun and not ended; the sum is true when this is the number of live calls.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.offered.saturating_sub(self.ended.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offered_call_is_in_the_sum_once() {
        let mut outcomes = Outcomes::default();
        for outcome in Outcome::ALL {
            outcomes.offered();
            assert_eq!(outcomes.open(), 1);
            outcomes.ended(outcome);
            assert_eq!(outcomes.open(), 0);
        }
        assert!(outcomes.by_outcome().all(|(_, count)| count == 1));
    }
}
