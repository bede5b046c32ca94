//! Calls that were refused for lack of capacity, when there are too many to tell of each.
//!
//! A call that is refused gets a row and a callback like any other missed one, up to so many a second.
//! Above that the 503 is all a caller gets, and one row a second and carrier counts them, so that the
//! sum of outcomes stays true and a flood does not fill the disk.

use std::collections::BTreeMap;

use crate::id::TrunkName;
use crate::limits;
use crate::time::{Duration, Instant, Now, Wall};

/// Refusals that have no row yet.
#[derive(Debug, Default)]
pub struct Refusals {
    second: Instant,
    told: u32,
    counted: BTreeMap<TrunkName, Batch>,
}

/// Those of one carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batch {
    /// How many.
    pub count: u64,
    /// The first.
    pub first: Wall,
    /// The last.
    pub last: Wall,
}

impl Refusals {
    /// Whether a refusal now is told by itself.
    pub fn is_told(&mut self, now: Instant) -> bool {
        if now.since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.told = 0;
        }
        self.told += 1;
        self.told <= limits::REFUSALS_TOLD
    }

    /// Counts one that is not; true for the first since they were taken last.
    pub fn count(&mut self, now: Now, trunk: &TrunkName) -> bool {
        let first = self.counted.is_empty();
        let batch = self.counted.entry(trunk.clone()).or_insert(Batch {
            count: 0,
            first: now.wall,
            last: now.wall,
        });
        batch.count += 1;
        batch.last = now.wall.max(batch.first);
        first
    }

    /// Gives what was counted, and begins anew.
    pub fn take(&mut self) -> BTreeMap<TrunkName, Batch> {
        std::mem::take(&mut self.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_are_told_and_the_others_counted_by_carrier() {
        let mut refusals = Refusals::default();
        let at = |millis: u64| Now {
            mono: Instant::START + Duration::from_millis(5_000 + millis),
            wall: Wall::from_millis(1_790_000_000_000) + Duration::from_millis(millis),
        };
        let mut told = 0;
        let mut armed = 0;
        for number in 0..500 {
            let now = at(number * 4);
            if refusals.is_told(now.mono) {
                told += 1;
                continue;
            }
            let trunk = if number % 5 == 0 { "b" } else { "a" };
            armed += u32::from(refusals.count(now, &trunk.into()));
        }
        assert_eq!(told, 2 * limits::REFUSALS_TOLD);
        let taken = refusals.take();
        let counted: u64 = taken.values().map(|batch| batch.count).sum();
        assert_eq!(counted + u64::from(told), 500);
        assert_eq!((taken.len(), armed), (2, 1));
        assert!(taken.values().all(|batch| batch.first < batch.last));
        assert!(refusals.take().is_empty());
    }
}
