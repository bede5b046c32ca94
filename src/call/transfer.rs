//! A transfer: an operator sends the other party to somebody else by REFER (RFC 3515, RFC 5589).
//!
//! ```text
//!              REFER         ┌──────────── answered ────────────► Talking, the transferor leaves
//!  Talking ───────────► the other party hears music,
//!     ▲      202, 100       │ whoever is wanted is rung, or a queue joined
//!     │                     └── failed ──┬── the transferor is still there ──► Talking as before
//!     │                                  └── gone: rung again ──┬── answered ─► Talking
//!     └─────────────────────────────────────────────────────────┘   failed ──► Ended
//! ```
//!
//! While it runs, the party that stays is the call's `caller` and the transferor's leg waits here. Who
//! may be wanted is judged before: here it is only done.

use super::call::{Call, Effects};
use super::cause;
use super::leg::{Leg, Sip};
use super::message::{CallEffect, CallTimer, News, World};
use super::phase::Phase;
use crate::acd::message::AcdInput;
use crate::dialplan::dial::Dialled;
use crate::id::{LegId, OperatorName};
use crate::limits;
use crate::media::command::MediaCommand;
use crate::sip::session::SessionCommand;
use crate::words::{CallResult, Direction, MissedReason, Outcome, TransferKind};

/// A transfer under way.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Who began it.
    pub by: OperatorName,
    /// The transferor's leg, while on the line.
    pub leg: Option<Leg>,
    /// The leg that asked for it and hears of it, hung up or not, until the last word.
    pub told: Option<LegId>,
    /// Where to, as it was dialled.
    pub to: String,
    /// It failed, and the transferor is rung again.
    pub returning: bool,
}

impl Call {
    /// An operator on the line wants the other party to talk to somebody else.
    pub(super) fn transfer(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        dialled: Dialled,
        to: String,
        fx: &mut Effects,
    ) {
        if self.sends_on(leg).is_none() {
            let answer = Err(if self.transfer.is_some() { 491 } else { 603 });
            Self::session(SessionCommand::AnswerRefer { leg, answer }, fx);
            return;
        }
        let answer = Ok(());
        Self::session(SessionCommand::AnswerRefer { leg, answer }, fx);
        Self::session(SessionCommand::ReferProgress { leg, code: 100 }, fx);
        self.send_on(world, leg, dialled, to, Some(leg), fx);
    }

    /// The operator of a leg who talks, and can send the other party on.
    fn sends_on(&self, leg: LegId) -> Option<(OperatorName, (LegId, LegId))> {
        let by = self.seats.get(&leg)?.operator.clone();
        let sides = self.sides().filter(|_| self.phase == Phase::Talking);
        let sides = sides.filter(|(left, right)| leg == *left || leg == *right)?;
        Some((by, sides))
    }

    /// Sends the party that talks with the operator of a leg to somebody else; `told` hears how it goes.
    pub(super) fn send_on(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        dialled: Dialled,
        to: String,
        told: Option<LegId>,
        fx: &mut Effects,
    ) {
        let Some((by, (caller, operator))) = self.sends_on(leg) else {
            return;
        };
        self.parked = false;
        Self::media(MediaCommand::Unbridge { caller, operator }, fx);
        self.bring_to_right(leg);
        self.transfer = Some(Transfer {
            by,
            leg: self.operator.take(),
            told,
            to,
            returning: false,
        });
        self.entertain(world, self.caller.id, fx);
        self.entertain_supervisor(world, fx);
        if let Dialled::Queues(queues) = &dialled {
            self.ticket = world.minted.ticket();
            self.music = None;
            self.set_out(world, queues, fx);
        } else {
            self.begin_dialling(world, dialled, fx);
        }
    }

    /// Whether a transferor is on the line and hears how it goes.
    pub(super) fn awaits_transferor(&self) -> bool {
        let transfer = self.transfer.as_ref();
        transfer.is_some_and(|transfer| transfer.leg.is_some())
    }

    /// The caller stands in the queue they were sent to, and nobody waits on the phone for that: the
    /// transferor is free, and the last whom the queue rings.
    pub(super) fn transferor_is_free(&mut self, world: &World<'_>, fx: &mut Effects) {
        if !self.awaits_transferor() {
            return;
        }
        let ticket = self.ticket;
        if let Some(operator) = self.transfer.as_ref().map(|it| it.by.clone()) {
            Self::acd(AcdInput::PassedOn { operator, ticket }, fx);
        }
        self.let_transferor_go(world, fx);
    }

    /// Puts the party of this leg where the operator stands; the one who stays becomes the caller.
    pub(super) fn bring_to_right(&mut self, leg: LegId) {
        if self.caller.id == leg
            && let Some(operator) = &mut self.operator
        {
            std::mem::swap(&mut self.caller, operator);
        }
    }

    /// Says how far it is, also to a transferor who hung up meanwhile (RFC 3515 2.4.4); a final code
    /// is the last word.
    pub(super) fn tell_transferor(&mut self, code: u16, fx: &mut Effects) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        if let Some(leg) = transfer.told {
            transfer.told = transfer.told.filter(|_| code < 200);
            Self::session(SessionCommand::ReferProgress { leg, code }, fx);
        }
    }

    /// The parties have just been bridged: for the first time, or because a transfer went well.
    pub(super) fn connected(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        self.entertain_the_held(world, fx);
        let Some(transfer) = &self.transfer else {
            return self.tell_bridged(fx);
        };
        if !transfer.returning {
            let result = CallResult::Answered;
            self.tell_transferred(transfer, TransferKind::Blind, result, fx);
        }
        self.let_transferor_go(world, fx);
        self.transfer = None;
        self.count_paperwork(fx);
    }

    /// Whoever talks with a caller of a queue has its paperwork afterwards.
    pub(super) fn count_paperwork(&self, fx: &mut Effects) {
        let queue = self.facts.queue.as_ref();
        let queue = queue.filter(|_| self.facts.direction == Direction::Inbound);
        let seat = self
            .operator
            .as_ref()
            .and_then(|leg| self.seats.get(&leg.id));
        if let (Some(queue), Some(seat)) = (queue, seat) {
            Self::acd(
                AcdInput::Spoke {
                    operator: seat.operator.clone(),
                    ticket: seat.ticket,
                    queue: queue.clone(),
                },
                fx,
            );
        }
    }

    fn tell_transferred(
        &self,
        transfer: &Transfer,
        kind: TransferKind,
        result: CallResult,
        fx: &mut Effects,
    ) {
        let (from, to) = (transfer.by.clone(), transfer.to.clone());
        self.tell(
            News::Transferred {
                kind,
                from,
                to,
                result,
            },
            fx,
        );
    }

    /// The transfer went well for the transferor, who hangs up now, or is hung up.
    fn let_transferor_go(&mut self, world: &World<'_>, fx: &mut Effects) {
        self.tell_transferor(200, fx);
        let leg = self.transfer.as_mut().and_then(|it| it.leg.take());
        if let Some(leg) = leg {
            self.see_off(world, leg, fx);
        }
    }

    /// A leg that has nobody to talk to any more: its phone hangs up by itself, or is hung up soon.
    pub(super) fn see_off(&mut self, world: &World<'_>, leg: Leg, fx: &mut Effects) {
        self.rise(leg.id, fx);
        if let Some(before) = self.parting.replace(leg) {
            self.end_leg(before.id, before.sip, cause::NORMAL, fx);
        }
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Transferor,
            world.now.mono + limits::TRANSFEROR_LEAVES,
        ));
    }

    /// The operator of a leg is in the call no more.
    pub(super) fn rise(&mut self, leg: LegId, fx: &mut Effects) {
        if let Some(seat) = self.seats.remove(&leg) {
            let (operator, ticket) = (seat.operator, seat.ticket);
            Self::acd(AcdInput::Released { operator, ticket }, fx);
        }
    }

    /// The transferor's phone has not hung up.
    pub(super) fn hang_up_transferor(&mut self, fx: &mut Effects) {
        fx.push_back(CallEffect::StopTimer(CallTimer::Transferor));
        if let Some(leg) = self.parting.take() {
            self.end_leg(leg.id, leg.sip, cause::NORMAL, fx);
        }
    }

    /// A leg of a transferor is over. False when it is none.
    pub(super) fn transferor_gone(&mut self, leg: LegId, fx: &mut Effects) -> bool {
        if self.parting.as_ref().is_some_and(|it| it.id == leg) {
            self.parting = None;
            fx.push_back(CallEffect::StopTimer(CallTimer::Transferor));
        } else if let Some(transfer) = &mut self.transfer
            && transfer.leg.as_ref().is_some_and(|it| it.id == leg)
        {
            transfer.leg = None;
            self.rise(leg, fx);
        } else {
            return false;
        }
        Self::media(MediaCommand::Close { leg }, fx);
        true
    }

    /// Nobody took the party that was sent on: it goes back to the transferor.
    pub(super) fn transfer_failed(&mut self, world: &mut World<'_>, code: u16, fx: &mut Effects) {
        self.tell_transferor(code, fx);
        let Some(mut transfer) = self.transfer.take() else {
            return;
        };
        if transfer.returning {
            let farewell = self.farewell_for(cause::NOBODY);
            let (outcome, reason) = (Outcome::Answered, Some(MissedReason::NoOperators));
            return self.end(world, outcome, reason, farewell, fx);
        }
        let result = cause::result_of(code);
        self.tell_transferred(&transfer, TransferKind::Blind, result, fx);
        if let Some(leg) = transfer.leg.take() {
            self.operator = Some(leg);
            self.bridge(world, fx);
            self.entertain_the_held(world, fx);
            return;
        }
        let by = Dialled::Operator(transfer.by.clone());
        transfer.returning = true;
        self.transfer = Some(transfer);
        self.begin_dialling(world, by, fx);
    }

    /// The party that was sent on comes to a voicemail box: nobody is asked any more.
    pub(super) fn leave_transferor_behind(&mut self, fx: &mut Effects) {
        if let Some(transfer) = self.transfer.take() {
            let result = CallResult::NoAnswer;
            self.tell_transferred(&transfer, TransferKind::Blind, result, fx);
        }
    }

    /// The call ends: nothing is sent on any more.
    pub(super) fn drop_transfer(&mut self, fx: &mut Effects) {
        self.tell_transferor(487, fx);
        if let Some(leg) = self.transfer.take().and_then(|transfer| transfer.leg) {
            self.end_leg(leg.id, leg.sip, cause::NORMAL, fx);
        }
        self.hang_up_transferor(fx);
    }

    /// Whether a leg stands in a talk that could be given to another call, or could take one in its
    /// place.
    #[must_use]
    pub fn is_mergeable(&self, leg: LegId) -> bool {
        let sides = self.sides().filter(|_| self.phase == Phase::Talking);
        let on_line = sides.is_some_and(|(left, right)| leg == left || leg == right);
        on_line && self.seats.contains_key(&leg) && self.all_answered()
    }

    fn all_answered(&self) -> bool {
        let operator = self.operator.as_ref();
        self.caller.sip == Sip::Answered && operator.is_some_and(|it| it.sip == Sip::Answered)
    }

    /// Tells of an attended transfer.
    pub(super) fn tell_attended(&self, by: OperatorName, to: String, fx: &mut Effects) {
        let transfer = Transfer {
            by,
            leg: None,
            told: None,
            to,
            returning: false,
        };
        let result = CallResult::Answered;
        self.tell_transferred(&transfer, TransferKind::Attended, result, fx);
    }
}
