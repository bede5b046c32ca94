//! What somebody outside wants done with a call: a supervisor by the API, or a program.
//!
//! Whether they may, and whether it makes sense now, has been judged by the engine; here it is done, and
//! an order that crossed the end of what it was about changes nothing.

use super::call::{Call, Effects};
use super::facts::{Description, Tried};
use super::message::World;
use super::supervise::Oversight;
use crate::acd::message::AcdInput;
use crate::dialplan::plan::Target;
use crate::id::OperatorName;
use crate::sip::session::Cause;
use crate::words::{LeftReason, MissedReason};

/// One order.
#[derive(Clone, Debug)]
pub enum Order {
    /// The call ends; a caller whom nobody has spoken with gets a callback like any other.
    HangUp(Cause),
    /// A waiting caller goes there, and keeps the time of entry.
    Move(Target),
    /// A waiting caller's priority is this one now, in the queues that follow too.
    Priority(i32),
    /// Somebody says how it went.
    Describe(Description),
    /// A supervisor takes part in the talk, or takes the caller over.
    Supervise(Box<Oversight>),
}

impl Call {
    /// Does what was ordered.
    pub(super) fn ordered(&mut self, world: &mut World<'_>, order: Order, fx: &mut Effects) {
        match order {
            Order::HangUp(cause) => self.hang_up(world, cause, MissedReason::Refused, fx),
            Order::Move(target) => {
                self.turn(&[target], LeftReason::Moved, fx);
            }
            Order::Priority(priority) => {
                self.decision.priority = priority;
                if self.queued {
                    let ticket = self.ticket;
                    Self::acd(AcdInput::Prioritise { ticket, priority }, fx);
                }
            }
            Order::Describe(said) => self.facts.said.add(said),
            Order::Supervise(oversight) => self.supervise(world, *oversight, fx),
        }
    }

    /// The operators who have to do with the call: who talks, who was rung, who placed it.
    pub fn operators_told(&self) -> impl Iterator<Item = &OperatorName> {
        let facts = self.facts();
        let rung = facts.attempts.iter().filter_map(|it| match &it.tried {
            Tried::Operator { operator, .. } => Some(operator),
            Tried::Trunk(_) => None,
        });
        let named = facts.operator.iter().chain(&facts.placed_by);
        named.chain(rung)
    }
}
