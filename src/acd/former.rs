//! Callers who left a queue and may join the next: who had missed their call, so that the same phone
//! does not ring for them again at once. No machine; a memory with a bound.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{OperatorName, TicketId};
use crate::limits;
use crate::time::Instant;

/// Operators who are not offered a caller, and until when.
pub(super) type Excluded = BTreeMap<OperatorName, Instant>;

/// Who missed whom, by the ticket of those who have left.
#[derive(Clone, Debug, Default)]
pub(super) struct Former {
    by_ticket: BTreeMap<TicketId, Excluded>,
    order: VecDeque<TicketId>,
}

impl Former {
    /// A caller leaves; past the bound the one who left first is forgotten.
    pub(super) fn leaves(&mut self, ticket: TicketId, excluded: Excluded) {
        if excluded.is_empty() {
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
