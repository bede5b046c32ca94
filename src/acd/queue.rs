//! One queue: who stands in it, in order, and who is there to serve it. An index, no machine: the
//! desk keeps it in step with tickets and operators.

use std::collections::BTreeSet;

use super::message::QueueRules;
use super::ticket::Turn;
use crate::id::OperatorName;
use crate::limits;
use crate::time::Instant;
use crate::words::OperatorState;

/// The order in which free operators are asked: level, then the longest idle, then the name.
pub(super) type FreeKey = (u8, Instant, OperatorName);

/// One queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) rules: QueueRules,
    /// Every caller in the queue, those included for whom a phone rings or whispers.
    standing: BTreeSet<Turn>,
    /// Those of them who could be offered to one more operator.
    wanting: BTreeSet<Turn>,
    free: BTreeSet<FreeKey>,
    /// Operators that are not logged out.
    present: usize,
}

impl Queue {
    pub(super) fn new(rules: QueueRules) -> Self {
        Self {
            rules,
            standing: BTreeSet::new(),
            wanting: BTreeSet::new(),
            free: BTreeSet::new(),
            present: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.standing.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.standing.len() >= limits::QUEUE_WAITING
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.present == 0
    }

    /// The place, from one, that `turn` has or would have. A caller of no special priority stands
    /// last, which is known without counting.
    pub(super) fn position(&self, turn: Turn) -> u32 {
        let before = if self.standing.last().is_none_or(|&last| last < turn) {
            self.standing.len()
        } else {
            self.standing.range(..turn).count()
        };
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    pub(super) fn admit(&mut self, turn: Turn) {
        self.standing.insert(turn);
    }

    pub(super) fn dismiss(&mut self, turn: Turn) {
        self.standing.remove(&turn);
        self.wanting.remove(&turn);
    }

    pub(super) fn set_wanting(&mut self, turn: Turn, wanting: bool) {
        if wanting {
            self.wanting.insert(turn);
        } else {
            self.wanting.remove(&turn);
        }
    }

    pub(super) fn standing(&self) -> impl Iterator<Item = Turn> + '_ {
        self.standing.iter().copied()
    }

    pub(super) fn wanting(&self) -> impl Iterator<Item = Turn> + '_ {
        self.wanting.iter().copied()
    }

    pub(super) fn free(&self) -> impl Iterator<Item = &FreeKey> + '_ {
        self.free.iter()
    }

    /// Follows an operator out of a state; `key` is the place among the free.
    pub(super) fn leaves(&mut self, from: OperatorState, key: &FreeKey) {
        if from == OperatorState::Available {
            self.free.remove(key);
        }
        if from != OperatorState::LoggedOut {
            self.present = self.present.saturating_sub(1);
        }
    }

    /// Follows an operator into a state.
    pub(super) fn enters(&mut self, to: OperatorState, key: FreeKey) {
        if to == OperatorState::Available {
            self.free.insert(key);
        }
        if to != OperatorState::LoggedOut {
            self.present += 1;
        }
    }
}
