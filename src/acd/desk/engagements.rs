//! Calls of operators outside any queue: they bind like a talk, and end without paperwork unless the
//! other party came by a queue.

use std::collections::VecDeque;

use super::{Desk, Timer};
use crate::acd::message::AcdEffect;
use crate::acd::operator::Engagement;
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::limits;
use crate::time::{Duration, Now};
use crate::words::{MissReason, OperatorState};

impl Desk {
    pub(super) fn engage(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        call: CallId,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        if let Some(hold) = operator.hold.as_mut().filter(|hold| hold.ticket == id) {
            hold.call = call;
            if let Some(ticket) = self.tickets.get_mut(&id) {
                ticket.call = call;
            }
            return;
        }
        let known = operator.engaged.contains_key(&id);
        if known || operator.engaged.len() < limits::CALLS_OF_AN_OPERATOR {
            let wrap_up = operator.engaged.get(&id).and_then(|known| known.wrap_up);
            operator.engaged.insert(id, Engagement { call, wrap_up });
        }
        if known || operator.engaged.is_empty() {
            return;
        }
        let offered = operator.ticket().filter(|_| operator.is_offered());
        match operator.state() {
            OperatorState::Talking => {}
            OperatorState::Reserved | OperatorState::Ringing => {
                if let Some(offered) = offered {
                    self.exclude(now, name, offered, MissReason::Busy);
                    self.withdraw(now, name, offered, MissReason::Busy, effects);
                    self.wait_again(now, offered, effects);
                }
            }
            OperatorState::LoggedOut
            | OperatorState::Paused
            | OperatorState::Available
            | OperatorState::WrapUp => {
                self.timers.cancel(&Timer::WrapUp(name.clone()));
                self.shift(now, name, OperatorState::Talking, "engaged", effects);
            }
        }
    }

    pub(super) fn spoke(&mut self, name: &OperatorName, id: TicketId, queue: &QueueName) {
        let wrap_up = self.queues.get(queue).map(|queue| queue.rules.wrap_up);
        let operator = self.operators.get_mut(name);
        if let Some(engagement) = operator.and_then(|operator| operator.engaged.get_mut(&id)) {
            engagement.wrap_up = wrap_up;
        }
    }

    /// An engagement is over.
    pub(super) fn disengage(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        let Some(over) = operator.engaged.remove(&id) else {
            return;
        };
        operator.hung_up(now.mono);
        self.hang_up(now, name, id, over.wrap_up, effects);
    }

    /// A talk is over: paperwork and rest follow the last one.
    pub(super) fn hang_up(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        wrap_up: Option<Duration>,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        operator.paperwork = operator.paperwork.max(wrap_up);
        if operator.tickets().any(|(other, _)| other != id) {
            operator.hold = operator.hold.take().filter(|hold| hold.ticket != id);
            return;
        }
        let paperwork = operator.paperwork.take().unwrap_or(Duration::ZERO);
        if operator.at_rest() == OperatorState::Available && paperwork > Duration::ZERO {
            self.shift(now, name, OperatorState::WrapUp, "released", effects);
            self.timers
                .set(Timer::WrapUp(name.clone()), now.mono + paperwork);
        } else {
            self.rest(now, name, "released", effects);
        }
    }
}
