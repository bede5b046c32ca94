//! An operator in a call: who, and by which ticket the distributor holds them for it.

use super::call::{Call, Effects};
use crate::acd::message::AcdInput;
use crate::id::{LegId, OperatorName, TicketId};

/// One operator's place in a call, kept by leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Who.
    pub operator: OperatorName,
    /// The queue's ticket, or that of an engagement.
    pub ticket: TicketId,
}

impl Call {
    /// The legs of the operators it holds: those who talk, and the phones that ring outside any queue.
    pub fn lines(&self) -> impl Iterator<Item = (&OperatorName, LegId)> {
        let seated = self.seats.iter().map(|(leg, seat)| (&seat.operator, *leg));
        let dialled = self.dial.iter().flat_map(|dial| {
            let seat = dial.seat.iter();
            seat.flat_map(|seat| dial.tries.keys().map(|leg| (&seat.operator, *leg)))
        });
        let supervisor = self.supervisor.iter();
        let supervisor = supervisor.flat_map(|it| it.legs().map(|leg| (&it.seat.operator, leg)));
        seated.chain(dialled).chain(supervisor)
    }

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
