//! One ticket: a caller's place on the way through the queues.
//!
//! ```text
//!            offer              Answered             Bridged
//! Waiting ◀────────▶ Waiting ─────────────▶ Whisper ─────────▶ Bridged ──▶ gone
//! (no offers) missed (offers)  ◀──────────    │
//!    │                         hung up in it  │ Leave
//!    └── Leave, or the way is at its end ─────┴──▶ gone
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

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
    way: Vec<QueueName>,
    step: usize,
    /// When the caller came into the queue of this step.
    pub(super) joined: Instant,
    pub(super) stage: Stage,
    /// `max_wait` was over during a whisper: the caller moves on if the whisper fails.
    pub(super) overdue: bool,
    /// Who is not offered this caller, and until when.
    excluded: BTreeMap<OperatorName, Instant>,
}

impl Ticket {
    pub(super) fn new(
        id: TicketId,
        call: CallId,
        way: Vec<QueueName>,
        priority: i32,
        now: Instant,
    ) -> Self {
        Self {
            call,
            turn: Turn {
                priority: Reverse(priority),
                entered: now,
                ticket: id,
            },
            way,
            step: 0,
            joined: now,
            stage: Stage::Waiting(BTreeSet::new()),
            overdue: false,
            excluded: BTreeMap::new(),
        }
    }

    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    /// The queue of this step; none when the way is at its end.
    pub(super) fn queue(&self) -> Option<&QueueName> {
        self.way.get(self.step)
    }

    /// Goes on to the next queue of the way.
    pub(super) fn advance(&mut self) {
        self.step += 1;
        self.overdue = false;
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
