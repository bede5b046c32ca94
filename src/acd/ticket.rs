//! One ticket: a caller's place in a queue.
//!
//! ```text
//!            offer              Answered             Bridged
//! Waiting ◀────────▶ Waiting ─────────────▶ Whisper ─────────▶ Bridged ──▶ gone
//! (no offers) missed (offers)  ◀──────────    │
//!    │                         hung up in it  │ Leave
//!    └── Leave, or the queue lets go ─────────┴──▶ gone
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::former::Excluded;
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::time::Instant;

/// The one order in which callers are served: priority, then the time of entry, then the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Turn {
    priority: Reverse<i32>,
    entered: Instant,
    pub(super) ticket: TicketId,
}

/// How far the caller has come in the queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Waits; these phones are asked to ring.
    Waiting(BTreeSet<OperatorName>),
    /// This operator answered and hears the whisper.
    Whisper(OperatorName),
    /// The caller speaks with an operator and stands in no queue.
    Bridged,
}

/// One caller's place.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) call: CallId,
    turn: Turn,
    queue: QueueName,
    /// When the caller came into the queue.
    pub(super) joined: Instant,
    pub(super) stage: Stage,
    /// `max_wait` was over during a whisper: the caller moves on if the whisper fails.
    pub(super) overdue: bool,
    /// Who is not offered this caller, and until when.
    excluded: Excluded,
}

impl Ticket {
    pub(super) fn new(
        id: TicketId,
        call: CallId,
        queue: QueueName,
        (priority, entered): (i32, Instant),
        now: Instant,
    ) -> Self {
        Self {
            call,
            turn: Turn {
                priority: Reverse(priority),
                entered,
                ticket: id,
            },
            queue,
            joined: now,
            stage: Stage::Waiting(BTreeSet::new()),
            overdue: false,
            excluded: BTreeMap::new(),
        }
    }

    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    /// The queue it stands in, or was answered from.
    pub(super) fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// Another priority, from now on.
    pub(super) fn prioritise(&mut self, priority: i32) {
        self.turn.priority = Reverse(priority);
    }

    /// The phones that are asked to ring for this caller.
    pub(super) fn offers(&self) -> Option<&BTreeSet<OperatorName>> {
        match &self.stage {
            Stage::Waiting(offers) => Some(offers),
            Stage::Whisper(_) | Stage::Bridged => None,
        }
    }

    pub(super) fn offers_mut(&mut self) -> Option<&mut BTreeSet<OperatorName>> {
        match &mut self.stage {
            Stage::Waiting(offers) => Some(offers),
            Stage::Whisper(_) | Stage::Bridged => None,
        }
    }

    pub(super) fn whispers_to(&self, operator: &OperatorName) -> bool {
        matches!(&self.stage, Stage::Whisper(who) if who == operator)
    }

    pub(super) fn exclude(&mut self, operator: OperatorName, until: Instant) {
        self.excluded.insert(operator, until);
    }

    pub(super) fn set_excluded(&mut self, excluded: Excluded) {
        self.excluded = excluded;
    }

    pub(super) fn take_excluded(&mut self) -> Excluded {
        std::mem::take(&mut self.excluded)
    }

    pub(super) fn excludes(&self, operator: &OperatorName, now: Instant) -> bool {
        self.excluded
            .get(operator)
            .is_some_and(|&until| until > now)
    }

    /// Forgets the exclusions that are over and says when the next one ends.
    pub(super) fn next_exclusion_end(&mut self, now: Instant) -> Option<Instant> {
        self.excluded.retain(|_, until| *until > now);
        self.excluded.values().min().copied()
    }
}
