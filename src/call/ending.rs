//! How a call ends: one outcome, told and on disk before the caller's leg hears of it.

use super::call::{Call, Effects};
use super::cause;
use super::facts::Party;
use super::leg::Sip;
use super::message::{CallEffect, CallTimer, Gate, News, World};
use super::phase::Phase;
use super::seat::Seat;
use super::supervise::Part;
use crate::acd::message::AcdInput;
use crate::id::LegId;
use crate::limits;
use crate::media::command::MediaCommand;
use crate::sdp::description::Refusal;
use crate::sip::session::{Cause, SessionCommand};
use crate::words::{CallResult, Direction, LeftReason, MissedReason, Outcome};

/// The last message of the caller's leg; it waits for the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Farewell {
    /// A final response to the INVITE.
    Reject {
        /// The status code.
        code: u16,
        /// Seconds for Retry-After.
        retry_after: Option<u32>,
    },
    /// 488 to an offer that cannot be answered.
    RejectOffer(Refusal),
    /// BYE, or whatever the leg's state asks for.
    HangUp(Cause),
    /// 200 to the caller's BYE.
    ConfirmBye,
    /// The leg is gone already.
    Nothing,
}

impl Call {
    /// The last message for an end that is not the caller's doing.
    pub(super) fn farewell_for(&self, cause: Cause) -> Farewell {
        match self.caller.sip {
            Sip::Unsent | Sip::Open => Farewell::Reject {
                code: cause.sip.max(400),
                retry_after: (cause.sip == 503).then_some(limits::RETRY_AFTER_SECONDS),
            },
            Sip::Answered => Farewell::HangUp(cause),
            Sip::Over => Farewell::Nothing,
        }
    }

    /// Ends the call: frees everything but the caller's session, tells the outcome, and lets the
    /// last message wait for the disk.
    pub(super) fn end(
        &mut self,
        world: &World<'_>,
        outcome: Outcome,
        reason: Option<MissedReason>,
        farewell: Farewell,
        fx: &mut Effects,
    ) {
        if self.ended() {
            return;
        }
        self.tell_whispered(world, false, fx);
        self.measure_message(world);
        self.end_of_ringing(world, reason);
        let before = std::mem::replace(&mut self.phase, Phase::Ended);
        if self.bridged.is_some() && before.seeks_somebody() {
            self.facts.stranded = Some(reason.unwrap_or(MissedReason::Abandoned));
        }
        for timer in [
            CallTimer::Gate(Gate::Offered),
            CallTimer::Gate(Gate::RingsPatient),
            CallTimer::MediaOpen(self.caller.id),
            CallTimer::Whisper,
            CallTimer::Accept,
            CallTimer::Notice,
            CallTimer::Announce,
            CallTimer::Voicemail,
            CallTimer::Dial,
            CallTimer::Length,
        ] {
            fx.push_back(CallEffect::StopTimer(timer));
        }
        self.facts.ended_at = Some(world.now.wall);
        self.judge(outcome, reason);
        self.facts.talk = self.bridged.map(|at| world.now.mono.since(at));
        self.facts
            .wait
            .get_or_insert(world.now.mono.since(self.since));
        let gone = if self.bridged.is_some() {
            cause::NORMAL
        } else {
            cause::CALLER_LEFT
        };
        for (_, offer) in std::mem::take(&mut self.offers) {
            for (leg, phone) in offer.phones {
                self.end_leg(leg, phone.leg.sip, gone.clone(), fx);
                self.facts.attempt_over(
                    leg,
                    super::facts::AttemptResult::Missed(crate::words::MissReason::Withdrawn),
                );
            }
        }
        self.drop_dial(&gone, fx);
        self.drop_transfer(fx);
        self.drop_replacement(481, fx);
        self.drop_supervisor(Part::Ended, &gone, world.now.mono, fx);
        if let Some(leg) = self.operator.take() {
            self.end_leg(leg.id, leg.sip, gone, fx);
        }
        if !self.caller.is_nobody() || self.recall.is_none() {
            Self::media(
                MediaCommand::Close {
                    leg: self.caller.id,
                },
                fx,
            );
        }
        self.leave_floor(fx);
        self.farewell = Some(farewell);
        self.tell(News::Ended, fx);
        fx.push_back(CallEffect::Commit(Gate::Ended));
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Gate(Gate::Ended),
            world.now.mono + limits::COMMIT_BEFORE_END,
        ));
        if self.recording {
            fx.push_back(CallEffect::SetTimer(
                CallTimer::Recording,
                world.now.mono + limits::RECORDING_LAST_WORD,
            ));
        }
    }

    /// Gives ticket and operator back to the distributor, whose own news go out before the end does.
    fn leave_floor(&mut self, fx: &mut Effects) {
        if std::mem::take(&mut self.queued) {
            Self::acd(
                AcdInput::Leave {
                    ticket: self.ticket,
                    reason: match self.recall {
                        // Nobody gave up: the callback stays what it was.
                        Some(_) if self.bridged.is_none() => LeftReason::Callback,
                        Some(_) | None => LeftReason::Abandoned,
                    },
                },
                fx,
            );
        }
        for (_, Seat { operator, ticket }) in std::mem::take(&mut self.seats) {
            Self::acd(AcdInput::Released { operator, ticket }, fx);
        }
    }

    /// Writes down how it ended. Whoever has been bridged is answered, whatever came after; a call
    /// that an operator placed has a result, and never enters the sum of outcomes.
    fn judge(&mut self, outcome: Outcome, reason: Option<MissedReason>) {
        let answered = self.bridged.is_some();
        if self.facts.direction == Direction::Inbound {
            self.facts.outcome = Some(if answered { Outcome::Answered } else { outcome });
            self.facts.reason = reason.filter(|_| !answered);
            return;
        }
        let unanswered = match reason {
            Some(MissedReason::Abandoned) | None => CallResult::Cancelled,
            Some(MissedReason::QueueFull) => CallResult::Busy,
            Some(MissedReason::Timeout | MissedReason::NoOperators | MissedReason::OffHours) => {
                CallResult::NoAnswer
            }
            Some(MissedReason::Interrupted | MissedReason::Refused | MissedReason::Unrouted) => {
                CallResult::Failed
            }
        };
        if answered {
            self.facts.result = Some(CallResult::Answered);
        } else {
            self.facts.result.get_or_insert(unanswered);
        }
    }

    /// Sends the last message.
    pub(super) fn bid_farewell(&mut self, fx: &mut Effects) {
        let Some(farewell) = self.farewell.take() else {
            return;
        };
        let leg = self.caller.id;
        self.caller.sip = Sip::Over;
        match farewell {
            Farewell::Reject { code, retry_after } => Self::session(
                SessionCommand::Reject {
                    leg,
                    code,
                    retry_after,
                },
                fx,
            ),
            Farewell::RejectOffer(why) => {
                let warning = why.warning();
                Self::session(SessionCommand::RejectOffer { leg, warning }, fx);
            }
            Farewell::HangUp(cause) => Self::session(SessionCommand::HangUp { leg, cause }, fx),
            Farewell::ConfirmBye => Self::session(SessionCommand::ConfirmBye { leg }, fx),
            Farewell::Nothing => {}
        }
    }

    /// The caller cancelled.
    pub(super) fn caller_cancelled(&mut self, world: &World<'_>, leg: LegId, fx: &mut Effects) {
        if self.replaces_with(leg) {
            return self.drop_replacement(487, fx);
        }
        if leg != self.caller.id {
            return self.crossed_cancel(leg, fx);
        }
        let farewell = match self.caller.sip {
            Sip::Unsent | Sip::Open => Farewell::Reject {
                code: 487,
                retry_after: None,
            },
            // Our 200 crossed it.
            Sip::Answered => Farewell::HangUp(cause::CALLER_LEFT),
            Sip::Over => Farewell::Nothing,
        };
        if self.ended() {
            self.farewell = self.farewell.take().map(|_| farewell);
        } else {
            self.caller_left(world, farewell, fx);
        }
    }

    /// A phone cancels what we have answered already, or an INVITE that nobody here waits for.
    fn crossed_cancel(&self, leg: LegId, fx: &mut Effects) {
        let known = self.operator.as_ref().is_some_and(|it| it.id == leg);
        if !known {
            let cause = cause::CALLER_LEFT;
            Self::session(SessionCommand::HangUp { leg, cause }, fx);
        }
    }

    /// A BYE.
    pub(super) fn bye(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        if leg == self.caller.id {
            if self.ended() && self.farewell.is_none() {
                Self::session(SessionCommand::ConfirmBye { leg }, fx);
            } else if self.ended() {
                self.farewell = Some(Farewell::ConfirmBye);
            } else {
                self.caller_left(world, Farewell::ConfirmBye, fx);
            }
            return;
        }
        Self::session(SessionCommand::ConfirmBye { leg }, fx);
        self.operator_gone(world, leg, fx);
    }

    /// A leg broke: its session needs nothing more from us.
    pub(super) fn leg_gone(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        if leg == self.caller.id {
            if self.ended() {
                self.farewell = self.farewell.take().map(|_| Farewell::Nothing);
            } else {
                self.caller_left(world, Farewell::Nothing, fx);
            }
        } else {
            self.operator_gone(world, leg, fx);
        }
    }

    fn caller_left(&mut self, world: &World<'_>, farewell: Farewell, fx: &mut Effects) {
        match self.phase {
            Phase::Talking => {
                self.facts.ended_by = Some(Party::Caller);
                self.end(world, Outcome::Answered, None, farewell, fx);
            }
            Phase::Opening { .. }
            | Phase::Waiting
            | Phase::Confirming(_)
            | Phase::Whispering(_)
            | Phase::Dialling => {
                self.end(
                    world,
                    Outcome::Missed,
                    Some(MissedReason::Abandoned),
                    farewell,
                    fx,
                );
            }
            Phase::Voicemail(_) => {
                let reason = Some(self.path.reason());
                self.end(world, Outcome::Missed, reason, farewell, fx);
            }
            Phase::Ended => {}
        }
    }

    fn operator_gone(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        if self.transferor_gone(leg, fx) || self.supervisor_gone(world.now.mono, leg, fx) {
            return;
        }
        if self.replaces_with(leg) {
            return self.drop_replacement(487, fx);
        }
        if self.dials_on(leg) {
            Self::media(MediaCommand::Close { leg }, fx);
            self.try_failed(world, leg, 500, fx);
            return;
        }
        let answered = self.operator.as_mut().filter(|of| of.id == leg);
        let Some(of) = answered else {
            Self::media(MediaCommand::Close { leg }, fx);
            self.phone_failed(world, leg, crate::words::MissReason::Failed, fx);
            return;
        };
        of.sip = Sip::Over;
        match self.phase {
            Phase::Whispering(_) => self.operator_left_whisper(world, fx),
            Phase::Talking => {
                self.facts.ended_by = Some(Party::Called);
                let farewell = self.farewell_for(cause::NORMAL);
                self.end(world, Outcome::Answered, None, farewell, fx);
            }
            Phase::Dialling if self.rings_back() => {
                self.give_up_patient(world, false, fx);
            }
            Phase::Opening { .. }
            | Phase::Waiting
            | Phase::Confirming(_)
            | Phase::Voicemail(_)
            | Phase::Dialling
            | Phase::Ended => {}
        }
    }

    /// The server ends the call; `reason` is why nobody was reached, when nobody was.
    pub(super) fn hang_up(
        &mut self,
        world: &World<'_>,
        cause: Cause,
        reason: MissedReason,
        fx: &mut Effects,
    ) {
        let farewell = self.farewell_for(cause);
        match self.phase {
            // By neither of the two.
            Phase::Talking => self.end(world, Outcome::Answered, None, farewell, fx),
            // Asked for, and promised: the callback is what became of this caller.
            Phase::Confirming(_) => {
                let reason = Some(MissedReason::Abandoned);
                self.end(world, Outcome::Missed, reason, farewell, fx);
            }
            Phase::Opening { .. } | Phase::Waiting | Phase::Whispering(_) | Phase::Dialling => {
                self.end(world, Outcome::Missed, Some(reason), farewell, fx);
            }
            Phase::Voicemail(_) => {
                let reason = Some(self.path.reason());
                self.end(world, Outcome::Missed, reason, farewell, fx);
            }
            Phase::Ended => {}
        }
    }
}
