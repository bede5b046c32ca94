//! The free operators of one queue, in the order in which its strategy asks them. An index, no
//! machine: the desk keeps it in step with the operators.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::OperatorName;
use crate::rng::Rng;

/// The order in which free operators are asked: level, two figures of the strategy, the name.
pub(super) type FreeKey = (u8, u64, u64, OperatorName);

/// The free operators.
#[derive(Clone, Debug, Default)]
pub(super) struct Free {
    sorted: BTreeSet<FreeKey>,
    /// With draws, the first figure is a number from zero without gaps in each level; here is whose
    /// it is.
    slots: Option<BTreeMap<OperatorName, u64>>,
}

impl Free {
    /// In order of the keys, or to be drawn from.
    pub(super) fn new(drawn: bool) -> Self {
        Self {
            sorted: BTreeSet::new(),
            slots: drawn.then(BTreeMap::new),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(super) fn insert(&mut self, key: FreeKey) {
        let (level, _, _, name) = &key;
        let Some(slot) = self.slots.is_some().then(|| self.count(*level)) else {
            self.sorted.insert(key);
            return;
        };
        let (level, name) = (*level, name.clone());
        if let Some(slots) = &mut self.slots {
            slots.insert(name.clone(), slot);
        }
        self.sorted.insert((level, slot, 0, name));
    }

    /// Takes out whoever was inserted with this key.
    pub(super) fn remove(&mut self, key: &FreeKey) {
        let (level, _, _, name) = key;
        let Some(slots) = &mut self.slots else {
            self.sorted.remove(key);
            return;
        };
        let Some(slot) = slots.remove(name) else {
            return;
        };
        self.sorted.remove(&(*level, slot, 0, name.clone()));
        // The last of the level takes the number that is free now.
        if let Some(last) = self.last_of(*level).filter(|last| last.1 > slot) {
            self.sorted.remove(&last);
            if let Some(slots) = &mut self.slots {
                slots.insert(last.3.clone(), slot);
            }
            self.sorted.insert((*level, slot, 0, last.3));
        }
    }

    /// The first of level `ceiling` or better whom `refused` does not refuse; drawn among those of
    /// the best level where the queue draws.
    pub(super) fn choose(
        &self,
        ceiling: u8,
        refused: impl Fn(&OperatorName) -> bool,
        rng: &mut Rng,
    ) -> Option<&FreeKey> {
        let asked = self.sorted.iter().take_while(|key| key.0 <= ceiling);
        let first = asked.into_iter().find(|key| !refused(&key.3))?;
        if self.slots.is_none() {
            return Some(first);
        }
        let level = first.0;
        let drawn = rng.below(self.count(level));
        let from = self.sorted.range((level, drawn, 0, nobody())..);
        let mut from = from.take_while(|key| key.0 == level);
        from.find(|key| !refused(&key.3)).or(Some(first))
    }

    /// How many of a level are free, where the queue draws.
    fn count(&self, level: u8) -> u64 {
        self.last_of(level).map_or(0, |last| last.1 + 1)
    }

    fn last_of(&self, level: u8) -> Option<FreeKey> {
        let beyond = match level.checked_add(1) {
            Some(next) => self.sorted.range(..(next, 0, 0, nobody())).next_back(),
            None => self.sorted.last(),
        };
        beyond.filter(|last| last.0 == level).cloned()
    }
}

/// A name before every other.
fn nobody() -> OperatorName {
    OperatorName::from("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_drawn_from_has_the_same_chance() {
        let mut rng = Rng::new([1; 32]);
        let mut free = Free::new(true);
        let names = ["a", "b", "c", "d", "e"].map(OperatorName::from);
        for name in &names {
            free.insert((2, 0, 0, name.clone()));
        }
        free.insert((3, 0, 0, "worse".into()));
        free.remove(&(2, 0, 0, "b".into()));
        let mut drawn = BTreeMap::new();
        for _ in 0..4_000 {
            let (level, _, _, name) = free.choose(9, |_| false, &mut rng).unwrap().clone();
            *drawn.entry(name.clone()).or_insert(0_u32) += 1;
            // Whoever was drawn comes back as the newest.
            free.remove(&(level, 0, 0, name.clone()));
            free.insert((level, 0, 0, name));
        }
        assert_eq!(drawn.len(), 4);
        assert!(
            drawn.values().all(|times| (850..1_150).contains(times)),
            "{drawn:?}"
        );
        for name in ["a", "c", "d", "e"] {
            free.remove(&(2, 0, 0, name.into()));
        }
        assert_eq!(free.choose(2, |_| false, &mut rng), None);
        assert_eq!(
            free.choose(3, |_| false, &mut rng).unwrap().3,
            "worse".into()
        );
        assert_eq!(free.len(), 1);
    }
}
