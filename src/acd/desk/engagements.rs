//! Calls of operators outside any queue: they bind like a talk, and end without paperwork unless the
//! other party came by a queue.

use std::collections::VecDeque;

use super::{Desk, Timer};
use crate::acd::message::AcdEffect;
use crate::acd::operator::{Engagement, Paperwork};
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
            let paperwork = operator.engaged.get(&id).and_then(|it| it.paperwork);
            operator.engaged.insert(id, Engagement { call, paperwork });
        }
        if known || operator.engaged.is_empty() {
            return;
        }
        let offered = operator.ticket().filter(|_| operator.is_offered());
        let assigned = std::mem::take(&mut operator.assigned);
        match operator.state() {
            OperatorState::Talking => {}
            OperatorState::Reserved | OperatorState::Ringing => {
                if let Some(offered) = offered {
                    self.miss_and_withdraw(now, name, offered, MissReason::Busy, effects);
                }
            }
            OperatorState::LoggedOut
            | OperatorState::Paused
            | OperatorState::Available
            | OperatorState::WrapUp => {
                self.timers.cancel(&Timer::WrapUp(name.clone()));
                let talking = OperatorState::Talking;
                self.shift(now, name, talking, "engaged", Some(call), effects);
            }
        }
        self.unassign(now, assigned);
    }

    pub(super) fn spoke(&mut self, name: &OperatorName, id: TicketId, queue: &QueueName) {
        let paperwork = Some(self.paperwork(name, Some(queue)));
        let operator = self.operators.get_mut(name);
        if let Some(engagement) = operator.and_then(|operator| operator.engaged.get_mut(&id)) {
            engagement.paperwork = paperwork;
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
        operator.idle_since = now.mono;
        self.hang_up(now, name, over.call, over.paperwork, effects);
    }

    /// A call is over: paperwork and rest follow the last one.
    pub(super) fn hang_up(
        &mut self,
        now: Now,
        name: &OperatorName,
        call: CallId,
        paperwork: Option<Paperwork>,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        operator.last = Some(call);
        operator.paperwork = operator.paperwork.max(paperwork.map(|it| it.wrap_up));
        if paperwork.is_some_and(|paperwork| paperwork.owed) {
            operator.owes = Some(call);
            self.remember(name, effects);
        }
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        if operator.tickets().next().is_some() {
            return;
        }
        let wrap_up = operator.paperwork.take().unwrap_or(Duration::ZERO);
        let about = Some(call);
        if operator.wished() == OperatorState::Available && wrap_up > Duration::ZERO {
            let to = OperatorState::WrapUp;
            self.shift(now, name, to, "released", about, effects);
            let over = now.mono + wrap_up;
            self.timers.set(Timer::WrapUp(name.clone()), over);
        } else {
            self.rest_after(now, name, "released", about, effects);
        }
    }
}
