//! Who stands where, told to whoever watches the whole house: the simulator's watch. Each answer walks
//! through callers or rules, so nothing asks for it on the way of a call. No machine.

use std::cmp::Reverse;

use super::{Desk, Timer};
use crate::acd::ticket::{Offers, Seeks, Stage};
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::time::Instant;
use crate::words::OperatorState;

/// One caller who stands in a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The place's number.
    pub ticket: TicketId,
    /// The call.
    pub call: CallId,
    /// The queue.
    pub queue: QueueName,
    /// The caller's priority and the queue's weight.
    pub priority: i64,
    /// Since when the caller waits, over all queues.
    pub entered: Instant,
    /// The place, from one.
    pub position: u32,
    /// Whose phones ring for the caller, and who hears the whisper.
    pub phones: Vec<OperatorName>,
    /// Who is offered this caller next, by order.
    pub assigned: Option<OperatorName>,
}

impl Caller {
    /// Callers in the order of this are in the order in which they are served.
    #[must_use]
    pub const fn turn(&self) -> (Reverse<i64>, Instant, TicketId) {
        (Reverse(self.priority), self.entered, self.ticket)
    }
}

impl Desk {
    /// Every caller who stands in a queue.
    pub fn callers(&self) -> impl Iterator<Item = Caller> + '_ {
        let standing = self.tickets.iter().filter(|(_, ticket)| ticket.stands());
        standing.filter_map(|(id, ticket)| {
            let position = self.queue(&ticket.queue)?.position(ticket.turn);
            let whisper = match &ticket.stage {
                Stage::Whisper(operator, _) => Some(operator),
                Stage::Waiting(_) | Stage::Bridged => None,
            };
            let rung = ticket.offers().into_iter().flat_map(Offers::iter);
            let phones = rung.map(|(_, operator)| operator).chain(whisper);
            Some(Caller {
                ticket: *id,
                call: ticket.call,
                queue: ticket.queue.clone(),
                priority: ticket.turn.priority(),
                entered: ticket.turn.entered,
                position,
                phones: phones.cloned().collect(),
                assigned: ticket.assigned.clone(),
            })
        })
    }

    /// When the state that an operator is in ends by itself, if it does.
    #[must_use]
    pub fn ends(&self, operator: &OperatorName) -> Option<Instant> {
        let timer = match self.state(operator)? {
            OperatorState::Reserved | OperatorState::Ringing => Timer::Ring(operator.clone()),
            OperatorState::WrapUp => Timer::WrapUp(operator.clone()),
            OperatorState::LoggedOut
            | OperatorState::Paused
            | OperatorState::Available
            | OperatorState::Talking => return None,
        };
        self.timers.due(&timer)
    }

    /// Whether a caller would be offered to this operator now, were the operator free: by the rules of
    /// the queue, not by what the indexes say.
    #[must_use]
    pub fn takes(&self, now: Instant, ticket: TicketId, operator: &OperatorName) -> bool {
        let Some(ticket) = self.tickets.get(&ticket) else {
            return false;
        };
        let Some(rules) = self.rules_of(&ticket.queue) else {
            return false;
        };
        match ticket.sought(rules, now) {
            Seeks::Nobody => false,
            Seeks::One(name) => name == *operator,
            Seeks::UpTo(ceiling) => {
                let member = rules.operators.get(operator);
                member.is_some_and(|member| member.level <= ceiling)
                    && !ticket.excluded.has(operator, now)
            }
        }
    }
}
