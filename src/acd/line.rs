//! A line of callers in order, which can tell the place of each without counting through it: short
//! blocks, each sorted, one behind the other. An index, no machine.

/// How long a block may grow before it is halved.
const BLOCK: usize = 64;

/// The line.
#[derive(Clone, Debug)]
pub(super) struct Line<T> {
    blocks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            len: 0,
        }
    }
}

impl<T: Ord + Copy> Line<T> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.blocks.iter().flatten().copied()
    }

    /// How many stand before `item`, whether it stands there itself or not.
    pub(super) fn before(&self, item: T) -> usize {
        let index = self.block_of(item);
        let whole = self.blocks.iter().take(index).map(Vec::len).sum::<usize>();
        let part = self.blocks.get(index);
        whole + part.map_or(0, |block| block.partition_point(|other| *other < item))
    }

    pub(super) fn insert(&mut self, item: T) {
        let index = self.block_of(item).min(self.blocks.len().saturating_sub(1));
        let Some(block) = self.blocks.get_mut(index) else {
            self.blocks.push(vec![item]);
            self.len = 1;
            return;
        };
        if let Err(place) = block.binary_search(&item) {
            block.insert(place, item);
            self.len += 1;
        }
        if block.len() > BLOCK {
            let rest = block.split_off(BLOCK / 2);
            self.blocks.insert(index + 1, rest);
        }
    }

    pub(super) fn remove(&mut self, item: T) {
        let index = self.block_of(item);
        let Some(block) = self.blocks.get_mut(index) else {
            return;
        };
        let Ok(place) = block.binary_search(&item) else {
            return;
        };
        block.remove(place);
        self.len -= 1;
        let left = block.len();
        let next = self.blocks.get(index + 1).map(Vec::len);
        if left == 0 {
            self.blocks.remove(index);
        } else if next.is_some_and(|next| left + next <= BLOCK / 2) {
            let mut next = self.blocks.remove(index + 1);
            if let Some(block) = self.blocks.get_mut(index) {
                block.append(&mut next);
            }
        }
    }

    /// The first block whose last item is not before `item`.
    fn block_of(&self, item: T) -> usize {
        let ends_before = |block: &Vec<T>| block.last().is_some_and(|last| *last < item);
        self.blocks.partition_point(ends_before)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn every_place_is_what_counting_gives() {
        let mut rng = Rng::new([9; 32]);
        let (mut line, mut plain) = (Line::default(), BTreeSet::new());
        for step in 0..20_000 {
            let item = rng.below(1_500);
            // First the line grows, then it shrinks.
            if rng.chance(if step < 10_000 { 700 } else { 300 }) {
                line.insert(item);
                plain.insert(item);
            } else {
                line.remove(item);
                plain.remove(&item);
            }
            assert_eq!(line.len(), plain.len());
            let asked = rng.below(1_500);
            assert_eq!(line.before(asked), plain.range(..asked).count());
        }
        assert!(line.iter().eq(plain.iter().copied()));
        let blocks = line.blocks.len();
        assert!(
            blocks <= 2 + 4 * line.len() / BLOCK,
            "{blocks} blocks for {}",
            line.len()
        );
    }
}
