//! Who has missed a caller and is not offered the same one again for a while; kept for those who
//! left a queue and may join the next. No machine; memories with a bound.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::{OperatorName, TicketId};
use crate::limits;
use crate::time::Instant;

/// Operators who are not offered a caller, and until when.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Excluded {
    until: BTreeMap<OperatorName, Instant>,
    ends: BTreeSet<(Instant, OperatorName)>,
}

impl Excluded {
    pub(super) fn insert(&mut self, operator: OperatorName, until: Instant) {
        if let Some(before) = self.until.insert(operator.clone(), until) {
            self.ends.remove(&(before, operator.clone()));
        }
        self.ends.insert((until, operator));
    }

    pub(super) fn has(&self, operator: &OperatorName, now: Instant) -> bool {
        self.until.get(operator).is_some_and(|until| *until > now)
    }

    /// Forgets what is over and says when the next one ends.
    pub(super) fn next_end(&mut self, now: Instant) -> Option<Instant> {
        while let Some((until, operator)) = self.ends.first() {
            if *until > now {
                return Some(*until);
            }
            self.until.remove(operator);
            self.ends.pop_first();
        }
        None
    }
}

/// Who missed whom, by the ticket of callers who have left their queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Former {
    by_ticket: BTreeMap<TicketId, Excluded>,
    order: VecDeque<TicketId>,
}

impl Former {
    /// A caller leaves; past the bound the one who left first is forgotten.
    pub(super) fn leaves(&mut self, ticket: TicketId, excluded: Excluded) {
        if excluded.until.is_empty() {
            return;
        }
        self.by_ticket.insert(ticket, excluded);
        self.order.push_back(ticket);
        if self.order.len() > limits::FORMER_TICKETS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_ticket.remove(&oldest);
        }
    }

    /// A caller joins: who missed the same one before.
    pub(super) fn returns(&mut self, ticket: TicketId) -> Excluded {
        self.by_ticket.remove(&ticket).unwrap_or_default()
    }
}
