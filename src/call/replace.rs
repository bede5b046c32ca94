//! Another phone of an operator takes a talk over (RFC 3891): an INVITE with Replaces.

use super::call::{Call, Effects};
use super::cause;
use super::leg::{Leg, Sip};
use super::message::{CallEffect, CallTimer, World};
use super::phase::Phase;
use crate::id::LegId;
use crate::limits;
use crate::media::command::MediaCommand;
use crate::sip::session::{IncomingInvite, SessionCommand};
use crate::words::Codec;

/// A phone that waits for its port.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// Its leg.
    pub leg: Leg,
    /// Whose place it takes.
    pub old: LegId,
    /// What it offered.
    pub offer: Option<bytes::Bytes>,
}

impl Call {
    /// A phone wants the place of another one of the same operator.
    pub(super) fn replace(
        &mut self,
        world: &mut World<'_>,
        new: LegId,
        old: LegId,
        invite: &IncomingInvite,
        fx: &mut Effects,
    ) {
        fx.push_back(CallEffect::Adopt(new));
        self.adopted.push(new);
        self.open.insert(new);
        if self.phase != Phase::Talking || self.replacement.is_some() || !self.is_mergeable(old) {
            return Self::refuse_phone(new, 481, fx);
        }
        let operator = self.operator_on(old);
        let rules = operator.and_then(|operator| self.plan.operators.get(operator));
        let srtp = rules.map(|rules| rules.srtp).unwrap_or_default();
        let leg = Leg::new(
            new,
            Sip::Open,
            &invite.flow,
            Self::phone_media(invite.flow.peer.ip()),
            vec![Codec::Pcma, Codec::Pcmu],
            new.number,
            world.settings,
        )
        .encrypted(srtp, world.rng);
        let offer = invite.offer.clone();
        self.replacement = Some(Replacement { leg, old, offer });
        self.open_port(new, world, fx);
    }

    fn refuse_phone(leg: LegId, code: u16, fx: &mut Effects) {
        fx.push_back(CallEffect::StopTimer(CallTimer::MediaOpen(leg)));
        let retry_after = (code == 503).then_some(limits::RETRY_AFTER_SECONDS);
        Self::session(
            SessionCommand::Reject {
                leg,
                code,
                retry_after,
            },
            fx,
        );
        Self::media(MediaCommand::Close { leg }, fx);
    }

    /// Whether this leg waits to take another one's place.
    pub(super) fn replaces_with(&self, leg: LegId) -> bool {
        let replacement = self.replacement.as_ref();
        replacement.is_some_and(|replacement| replacement.leg.id == leg)
    }

    /// The phone has its port: it takes the place, if that is still there.
    pub(super) fn replacement_ready(&mut self, world: &mut World<'_>, port: u16, fx: &mut Effects) {
        let Some(Replacement {
            mut leg,
            old,
            offer,
        }) = self.replacement.take()
        else {
            return;
        };
        let new = leg.id;
        leg.open(port);
        let answer = match &offer {
            Some(offer) => leg.answer(offer).and_then(Result::ok),
            None => leg.offer(),
        };
        let sides = self.sides().filter(|_| self.is_mergeable(old));
        let (Some(answer), Some((caller, operator))) = (answer, sides) else {
            let code = if sides.is_some() { 488 } else { 481 };
            return Self::refuse_phone(new, code, fx);
        };
        leg.sip = Sip::Answered;
        Self::session(SessionCommand::Accept { leg: new, answer }, fx);
        if let Some(remote) = leg.remote() {
            Self::media(MediaCommand::Connect { leg: new, remote }, fx);
        }
        Self::media(MediaCommand::Unbridge { caller, operator }, fx);
        if let Some(seat) = self.seats.remove(&old) {
            self.seats.insert(new, seat);
        }
        self.bring_to_right(old);
        if let Some(before) = self.operator.replace(leg) {
            self.end_leg(before.id, before.sip, cause::ELSEWHERE, fx);
        }
        self.bridge(world, fx);
        self.entertain_the_held(world, fx);
    }

    /// The phone that wanted to take over is gone, or has no port, or the call is over.
    pub(super) fn drop_replacement(&mut self, code: u16, fx: &mut Effects) {
        if let Some(replacement) = self.replacement.take() {
            Self::refuse_phone(replacement.leg.id, code, fx);
        }
    }
}
