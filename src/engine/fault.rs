//! A fault of ours in a call's step, and its radius: that call and nothing else.
//!
//! The step's effects are dropped with it. What the call had said before is still told; then the
//! engine gives back everything that is indexed by the call, going by its own indexes and the
//! distributor's, never by the half-changed call.

use std::collections::VecDeque;

use super::engine::{Engine, EngineTimer, Work};
use super::output::{Level, Output};
use crate::acd::message::{AcdEffect, AcdInput};
use crate::call::call::Call;
use crate::call::cause;
use crate::call::message::{CallEffect, CallInput, CallTimer, News, Told};
use crate::id::{CallId, LegId, QueueName};
use crate::media::command::{MediaCommand, MediaEvent};
use crate::sip::session::SessionCommand;
use crate::time::{Duration, Now};
use crate::words::{CallResult, Direction, LeftReason, MissedReason, Outcome};

/// What was true of a call before the step that failed.
pub(super) struct Before {
    /// Its outcome was known.
    pub(super) ended: bool,
    /// It had been bridged.
    answered: bool,
    /// The queue it stood in.
    queue: Option<QueueName>,
    /// The last word of its recording, which is told whatever becomes of the call.
    recording: Option<MediaEvent>,
}

impl Before {
    pub(super) fn of(call: &Call, input: &CallInput) -> Self {
        let recording = match input {
            CallInput::Media(
                event @ (MediaEvent::Recorded { .. } | MediaEvent::RecordFailed { .. }),
            ) => Some(event.clone()),
            CallInput::Media(
                MediaEvent::Opened { .. }
                | MediaEvent::OpenFailed { .. }
                | MediaEvent::Played { .. }
                | MediaEvent::Digit { .. }
                | MediaEvent::RecordTroubled { .. }
                | MediaEvent::Silent { .. },
            )
            | CallInput::Session(_)
            | CallInput::Joined { .. }
            | CallInput::Offer { .. }
            | CallInput::Withdraw { .. }
            | CallInput::Left { .. }
            | CallInput::Reached { .. }
            | CallInput::Ways(_)
            | CallInput::Place { .. }
            | CallInput::PhoneUp { .. }
            | CallInput::Transfer { .. }
            | CallInput::Give { .. }
            | CallInput::Take { .. }
            | CallInput::Replace { .. }
            | CallInput::Ordered(_)
            | CallInput::Committed(_)
            | CallInput::Rendered { .. }
            | CallInput::Timer(_)
            | CallInput::Recede
            | CallInput::HangUp(_) => None,
        };
        Self {
            recording,
            ended: call.ended(),
            answered: call.facts().answered_at.is_some(),
            queue: call.stands_in().cloned(),
        }
    }
}

impl Engine {
    /// Gives back everything a call holds, and tells its one terminal event.
    pub(super) fn release_call(&mut self, now: Now, id: CallId, before: Before) {
        self.faults += 1;
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        self.log(
            Level::Error,
            Some(id),
            "a fault of ours ended this call; please report the panic above it",
        );
        self.release_legs(now, id);
        for timer in CallTimer::OF_A_CALL {
            self.timers.cancel(&EngineTimer::Call(id, timer));
        }
        let (said, mut floor) = self.take_work_of(id);
        self.release_floor(now, &call, &mut floor);
        if let Some(queue) = before.queue {
            self.tell_left(now, &call, queue, &floor);
        }
        for effect in said {
            self.apply(now, id, effect);
        }
        // Behind what the distributor said before, so that its states follow each other.
        self.work.extend(floor.into_iter().map(Work::Desk));
        if !before.ended {
            self.active = self.active.saturating_sub(1);
            self.tell_fault(now, &call, before.answered);
        }
        if let Some(event) = before.recording {
            self.tell_late_recording(now, id, event);
        }
    }

    fn release_legs(&mut self, now: Now, id: CallId) {
        let legs = self.legs.iter().filter(|(_, call)| **call == id);
        for leg in legs.map(|(leg, _)| *leg).collect::<Vec<LegId>>() {
            self.legs.remove(&leg);
            let cause = cause::FAULT;
            self.endpoint
                .handle_command(now, SessionCommand::HangUp { leg, cause });
            self.outputs
                .push_back(Output::Media(MediaCommand::Close { leg }));
            for timer in [CallTimer::MediaOpen(leg), CallTimer::TrunkSilent(leg)] {
                self.timers.cancel(&EngineTimer::Call(id, timer));
            }
        }
    }

    /// What the call said before and nobody has heard yet, and what the distributor said to it. What
    /// it wanted done besides is void: nothing of it is left to do it for.
    fn take_work_of(&mut self, id: CallId) -> (Vec<CallEffect>, VecDeque<AcdEffect>) {
        let (mut said, mut floor) = (Vec::new(), VecDeque::new());
        for work in std::mem::take(&mut self.work) {
            match work {
                Work::Call(call, effect) if call == id => {
                    if matches!(
                        effect,
                        CallEffect::Tell(_) | CallEffect::Measured(_) | CallEffect::Overseen(_)
                    ) {
                        said.push(effect);
                    }
                }
                Work::Desk(effect @ AcdEffect::Left { call, .. }) if call == id => {
                    floor.push_back(effect);
                }
                Work::Call(..) | Work::Desk(_) | Work::Sip(_) => self.work.push_back(work),
            }
        }
        (said, floor)
    }

    fn release_floor(&mut self, now: Now, call: &Call, floor: &mut VecDeque<AcdEffect>) {
        let ticket = call.ticket();
        let reason = LeftReason::Abandoned;
        let leave = AcdInput::Leave { ticket, reason };
        self.desk.handle(now, leave, floor);
        let operators = self.desk.operators();
        let held = operators.flat_map(|operator| {
            let tickets = operator.tickets();
            let held = tickets.filter(|(_, of)| *of == call.id());
            held.map(|(ticket, _)| (operator.name().clone(), ticket))
        });
        for (operator, ticket) in held.collect::<Vec<_>>() {
            let released = AcdInput::Released { operator, ticket };
            self.desk.handle(now, released, floor);
        }
    }

    fn tell_left(
        &mut self,
        now: Now,
        call: &Call,
        stood_in: QueueName,
        floor: &VecDeque<AcdEffect>,
    ) {
        let known = floor.iter().find_map(|effect| match effect {
            AcdEffect::Left {
                queue,
                reason,
                wait,
                ..
            } if *queue == stood_in => Some((*reason, *wait)),
            AcdEffect::Left { .. }
            | AcdEffect::Joined { .. }
            | AcdEffect::Offer { .. }
            | AcdEffect::Withdraw { .. }
            | AcdEffect::Breached { .. }
            | AcdEffect::Wished { .. }
            | AcdEffect::State { .. } => None,
        });
        let (reason, wait) = known.unwrap_or((LeftReason::Abandoned, Duration::ZERO));
        let news = News::QueueLeft {
            queue: stood_in,
            reason,
            wait,
        };
        let facts = call.facts().clone();
        self.tell(now, &Told { news, facts });
    }

    fn tell_fault(&mut self, now: Now, call: &Call, answered: bool) {
        let mut facts = call.facts().clone();
        facts.ended_at = Some(now.wall);
        if facts.direction == Direction::Inbound {
            facts.outcome = Some(if answered {
                Outcome::Answered
            } else {
                Outcome::Missed
            });
            facts.reason = (!answered).then_some(MissedReason::Interrupted);
        } else {
            facts.result = Some(if answered {
                CallResult::Answered
            } else {
                CallResult::Failed
            });
        }
        facts.recorded &= answered;
        let news = News::Ended;
        self.tell(now, &Told { news, facts });
    }
}
