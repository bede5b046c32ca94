//! An operator in a call: who, and by which ticket the distributor holds them for it.

use super::call::{Call, Effects};
use crate::acd::message::AcdInput;
use crate::id::{OperatorName, TicketId};

/// One operator's place in a call, kept by leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Who.
    pub operator: OperatorName,
    /// The queue's ticket, or that of an engagement.
    pub ticket: TicketId,
}

impl Call {
    /// Keeps an operator busy with this call, outside any queue.
    pub(super) fn engage(&self, seat: &Seat, fx: &mut Effects) {
        Self::acd(
            AcdInput::Engage {
                operator: seat.operator.clone(),
                ticket: seat.ticket,
                call: self.id(),
            },
            fx,
        );
    }
}
