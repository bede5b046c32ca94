//! What somebody outside wants done with a call: a supervisor by the API, or a program.
//!
//! Whether they may, and whether it makes sense now, has been judged by the engine; here it is done, and
//! an order that crossed the end of what it was about changes nothing.

use super::call::{Call, Effects};
use super::facts::{AttemptResult, Description, Tried};
use super::message::World;
use super::phase::Phase;
use super::supervise::Oversight;
use crate::acd::message::AcdInput;
use crate::dialplan::dial::Dialled;
use crate::dialplan::plan::Target;
use crate::id::{LegId, OperatorName};
use crate::media::command::Silence;
use crate::sip::session::Cause;
use crate::words::{LeftReason, MissedReason};

/// One order.
#[derive(Clone, Debug)]
pub enum Order {
    /// The call ends; a caller whom nobody has spoken with gets a callback like any other.
    HangUp(Cause),
    /// A waiting caller goes there, and keeps the time of entry; comes back where nobody takes them.
    Move(Target),
    /// A waiting caller's priority is this one now, in the queues that follow too.
    Priority(i32),
    /// The party that talks with the operator of this leg goes to somebody else.
    Transfer {
        /// The operator's leg.
        leg: LegId,
        /// To whom.
        dialled: Dialled,
        /// The same as it was dialled.
        to: String,
    },
    /// The caller hears music in place of the operator, or the operator again.
    Hold(bool),
    /// The recording holds silence, or sound again.
    Silence(Option<Silence>),
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
                // Where nobody takes the caller, the queue that had them does.
                let back = self.stands_in.clone().map(Target::Queue);
                let targets: Vec<_> = std::iter::once(target).chain(back).collect();
                self.turn(&targets, LeftReason::Moved, fx);
            }
            Order::Priority(priority) => {
                self.decision.priority = priority;
                if self.queued {
                    let ticket = self.ticket;
                    Self::acd(AcdInput::Prioritise { ticket, priority }, fx);
                }
            }
            Order::Transfer { leg, dialled, to } => {
                self.send_on(world, leg, dialled, to, None, fx);
            }
            Order::Hold(held) => self.hold(world, held, fx),
            Order::Silence(silence) => self.silence_for(silence, fx),
            Order::Describe(said) => self.facts.said.add(said),
            Order::Supervise(oversight) => self.supervise(world, *oversight, fx),
        }
    }

    /// The leg of the one operator who talks with a party that is none.
    #[must_use]
    pub fn talker(&self) -> Option<LegId> {
        let (left, right) = self.sides().filter(|_| *self.phase() == Phase::Talking)?;
        match (self.operator_on(left), self.operator_on(right)) {
            (Some(_), None) => Some(left),
            (None, Some(_)) => Some(right),
            (Some(_), Some(_)) | (None, None) => None,
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

    /// The operators who spoke in the call, whoever has it now: who talks, who placed it, who answered.
    pub fn operators_heard(&self) -> impl Iterator<Item = &OperatorName> {
        let facts = self.facts();
        let answered = facts
            .attempts
            .iter()
            .filter(|it| it.result == Some(AttemptResult::Answered));
        let answered = answered.filter_map(|it| match &it.tried {
            Tried::Operator { operator, .. } => Some(operator),
            Tried::Trunk(_) => None,
        });
        let named = facts.operator.iter().chain(&facts.placed_by);
        named.chain(answered)
    }
}
