//! An operator in a call: who, and by which ticket the distributor holds them for it.

use crate::id::{OperatorName, TicketId};

/// One operator's place in a call, kept by leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Who.
    pub operator: OperatorName,
    /// The queue's ticket, or that of an engagement.
    pub ticket: TicketId,
}
