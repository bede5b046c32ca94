//! Operators being rung: one INVITE to each phone, the first answer wins.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::call::{Call, Effects};
use super::cause;
use super::facts::{Attempt, AttemptResult, Tried};
use super::leg::{Leg, Sip};
use super::message::{CallEffect, CallTimer, Contact, Measured, News, World};
use super::offer::{Offer, Phone};
use super::phase::Phase;
use super::screen::Shown;
use super::seat::Seat;
use crate::acd::message::AcdInput;
use crate::dialplan::plan::Accept;
use crate::id::{LegId, OperatorName, QueueName};
use crate::limits;
use crate::media::command::MediaCommand;
use crate::sip::session::{Cause, SessionCommand};
use crate::words::{Codec, MissReason, Srtp};

impl Call {
    /// Rings an operator on every phone.
    pub(super) fn ring(
        &mut self,
        world: &mut World<'_>,
        operator: OperatorName,
        queue: QueueName,
        contacts: Vec<Contact>,
        fx: &mut Effects,
    ) {
        if self.phase != Phase::Waiting || self.offers.contains_key(&operator) {
            return;
        }
        self.tell(
            News::Assigned {
                operator: operator.clone(),
                queue: queue.clone(),
            },
            fx,
        );
        let phones = contacts
            .into_iter()
            .map(|contact| self.phone(world, &operator, &queue, contact, fx))
            .collect::<BTreeMap<_, _>>();
        let unreachable = phones.is_empty();
        let spoken = self.spoken(world);
        if !unreachable {
            self.ask_for_whisper(world, &spoken, fx);
        }
        self.offers.insert(
            operator.clone(),
            Offer {
                queue,
                spoken,
                since: world.now.mono,
                ringing: false,
                phones,
                failed: None,
            },
        );
        if unreachable {
            self.operator_missed(world, &operator, MissReason::Failed, fx);
        }
    }

    /// A leg to a phone, which rings as soon as its port is open.
    fn phone(
        &mut self,
        world: &mut World<'_>,
        operator: &OperatorName,
        queue: &QueueName,
        contact: Contact,
        fx: &mut Effects,
    ) -> (LegId, Phone) {
        let tried = Tried::Operator {
            operator: operator.clone(),
            queue: Some(queue.clone()),
        };
        let leg = self.outbound_leg(world, &contact, tried, fx);
        (leg.id, Phone { leg, contact })
    }

    /// A new leg to an operator's phone, with its port asked for.
    pub(super) fn outbound_leg(
        &mut self,
        world: &mut World<'_>,
        contact: &Contact,
        tried: Tried,
        fx: &mut Effects,
    ) -> Leg {
        let id = world.minted.leg();
        let leg = Leg::new(
            id,
            Sip::Unsent,
            &contact.flow,
            Self::phone_media(contact.flow.peer.ip()),
            self.phone_codecs(),
            id.number,
            world.settings,
        );
        let leg = leg.encrypted(self.operator_srtp(&tried), world.rng);
        self.begin_attempt(world, id, tried, fx);
        leg
    }

    /// Whether the phones of an operator encrypt.
    fn operator_srtp(&self, tried: &Tried) -> Srtp {
        match tried {
            Tried::Operator { operator, .. } => self.plan.operators.get(operator),
            Tried::Trunk(_) => None,
        }
        .map_or(Srtp::Off, |operator| operator.srtp)
    }

    /// A leg of ours comes into the call: its attempt is noted and its port asked for.
    pub(super) fn begin_attempt(
        &mut self,
        world: &World<'_>,
        leg: LegId,
        tried: Tried,
        fx: &mut Effects,
    ) {
        self.facts.attempt(Attempt {
            leg,
            tried,
            at: world.now.wall,
            result: None,
        });
        fx.push_back(CallEffect::Adopt(leg));
        self.adopted.push(leg);
        self.open_port(leg, world, fx);
    }

    /// A phone of somebody who is being rung has just come up: it rings too.
    pub(super) fn phone_up(
        &mut self,
        world: &mut World<'_>,
        operator: &OperatorName,
        contact: Contact,
        fx: &mut Effects,
    ) {
        if self.dial_phone_up(world, operator, &contact, fx) {
            return;
        }
        let Some(offer) = self.offers.get(operator) else {
            return;
        };
        let known = offer.phones.values().any(|phone| phone.contact == contact);
        if known || offer.phones.len() >= limits::PHONES_OF_AN_OPERATOR {
            return;
        }
        let queue = offer.queue.clone();
        let (leg, phone) = self.phone(world, operator, &queue, contact, fx);
        if let Some(offer) = self.offers.get_mut(operator) {
            offer.phones.insert(leg, phone);
        }
    }

    /// The caller's codec first, so that nothing is converted when the phone has it too.
    pub(super) fn phone_codecs(&self) -> Vec<Codec> {
        match self.caller.codec() {
            Some(Codec::Pcmu) => vec![Codec::Pcmu, Codec::Pcma],
            Some(Codec::Pcma) | None => vec![Codec::Pcma, Codec::Pcmu],
        }
    }

    /// A phone's port is open: its INVITE goes.
    pub(super) fn phone_port_open(
        &mut self,
        world: &World<'_>,
        leg: LegId,
        port: u16,
        fx: &mut Effects,
    ) {
        let operator = self.rung(leg);
        let shown = operator.map_or_else(Shown::default, |operator| self.shown_to(&operator));
        let from_user = self.patient().unwrap_or("anonymous").to_owned();
        let Some(offer) = self
            .offers
            .values_mut()
            .find(|offer| offer.phones.contains_key(&leg))
        else {
            Self::media(MediaCommand::Close { leg }, fx);
            return;
        };
        let since = offer.since;
        let Some(phone) = offer.phones.get_mut(&leg) else {
            return;
        };
        let Some(invite) = phone.rings(port, &from_user, shown) else {
            return;
        };
        self.open.insert(leg);
        let invite = Box::new(invite);
        Self::session(SessionCommand::Invite { leg, invite }, fx);
        fx.push_back(CallEffect::Measured(Measured::Dispatch(
            world.now.mono.since(since),
        )));
    }

    /// A phone without a port cannot be rung; one that comes too late is given back.
    pub(super) fn phone_lost_port(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        let phone = self
            .offers
            .values()
            .find_map(|offer| offer.phones.get(&leg));
        if let Some(sip) = phone.map(|phone| phone.leg.sip) {
            self.end_leg(leg, sip, cause::MEDIA, fx);
            self.phone_failed(world, leg, MissReason::Failed, fx);
        }
    }

    /// Whose phone a leg is, while it rings.
    pub(super) fn rung(&self, leg: LegId) -> Option<OperatorName> {
        self.offers
            .iter()
            .find(|(_, offer)| offer.phones.contains_key(&leg))
            .map(|(operator, _)| operator.clone())
    }

    /// A phone rings.
    pub(super) fn phone_rings(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        let Some(operator) = self.rung(leg) else {
            return;
        };
        let first = self
            .offers
            .get_mut(&operator)
            .is_some_and(|offer| !std::mem::replace(&mut offer.ringing, true));
        if first {
            Self::acd(
                AcdInput::Ringing {
                    operator,
                    ticket: self.ticket,
                },
                fx,
            );
            self.play_notice(world, fx);
        }
    }

    /// A phone was answered. The first one in a waiting call wins.
    pub(super) fn phone_answered(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        answer: Option<&[u8]>,
        peer: IpAddr,
        fx: &mut Effects,
    ) {
        if self.leg_mut(leg).is_some() {
            return;
        }
        let Some(operator) = self.rung(leg) else {
            let cause = self.why_withdrawn();
            Self::session(SessionCommand::HangUp { leg, cause }, fx);
            return;
        };
        if self.phase != Phase::Waiting {
            self.end_leg(leg, Sip::Answered, cause::ELSEWHERE, fx);
            self.phone_failed(world, leg, MissReason::Withdrawn, fx);
            return;
        }
        let Some(phone) = self
            .offers
            .get_mut(&operator)
            .and_then(|offer| offer.phones.get_mut(&leg))
        else {
            return;
        };
        phone.leg.sip = Sip::Answered;
        phone.leg.learn_phone(peer);
        if !answer.is_some_and(|answer| phone.leg.accept(answer)) {
            fx.push_back(CallEffect::Note(format!(
                "{operator}'s phone answered without a codec we speak"
            )));
            self.end_leg(leg, Sip::Answered, cause::MEDIA, fx);
            self.phone_failed(world, leg, MissReason::Failed, fx);
            return;
        }
        let Some(mut offer) = self.offers.remove(&operator) else {
            return;
        };
        let Some(winner) = offer.phones.remove(&leg) else {
            return;
        };
        for (other, phone) in offer.phones {
            self.end_leg(other, phone.leg.sip, cause::ELSEWHERE, fx);
            self.facts
                .attempt_over(other, AttemptResult::Missed(MissReason::Withdrawn));
        }
        self.facts.attempt_over(leg, AttemptResult::Answered);
        // One who talked already stays until somebody else does.
        if self.bridged.is_none() {
            self.facts.operator = Some(operator.clone());
        }
        self.tell(
            News::OperatorAnswered {
                operator: operator.clone(),
                ring: world.now.mono.since(offer.since),
            },
            fx,
        );
        Self::acd(
            AcdInput::Answered {
                operator: operator.clone(),
                ticket: self.ticket,
                // A patient is rung for one operator alone.
                keep_others: self.plan.whisper_accept == Accept::Key && !self.rings_back(),
            },
            fx,
        );
        let seat = Seat {
            operator: operator.clone(),
            ticket: self.ticket,
        };
        self.seats.insert(leg, seat);
        self.operator = Some(winner.leg);
        self.begin_whisper(world, operator, offer.spoken, fx);
    }

    /// A phone's final response of 300 or above.
    pub(super) fn phone_rejected(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        code: u16,
        fx: &mut Effects,
    ) {
        let Some(operator) = self.rung(leg) else {
            return;
        };
        let reason = cause::miss_reason(code);
        if cause::is_global(code)
            && let Some(offer) = self.offers.get_mut(&operator)
        {
            let others: Vec<_> = offer
                .phones
                .iter()
                .filter(|(id, _)| **id != leg)
                .map(|(id, phone)| (*id, phone.leg.sip))
                .collect();
            offer.phones.retain(|id, _| *id == leg);
            for (other, sip) in others {
                self.end_leg(other, sip, cause::NORMAL, fx);
                self.facts
                    .attempt_over(other, AttemptResult::Missed(MissReason::Withdrawn));
            }
        }
        Self::media(MediaCommand::Close { leg }, fx);
        self.phone_failed(world, leg, reason, fx);
    }

    /// A phone is out of play; its session needs no more from us. The operator is out with the last.
    pub(super) fn phone_failed(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        reason: MissReason,
        fx: &mut Effects,
    ) {
        let Some(operator) = self.rung(leg) else {
            return;
        };
        self.facts.attempt_over(leg, AttemptResult::Missed(reason));
        let verdict = self
            .offers
            .get_mut(&operator)
            .and_then(|offer| offer.phone_failed(leg, reason));
        if let Some(reason) = verdict {
            self.operator_missed(world, &operator, reason, fx);
        }
    }

    fn operator_missed(
        &mut self,
        world: &World<'_>,
        operator: &OperatorName,
        reason: MissReason,
        fx: &mut Effects,
    ) {
        let Some(offer) = self.offers.remove(operator) else {
            return;
        };
        self.tell(
            News::OperatorMissed {
                operator: operator.clone(),
                reason,
                ring: world.now.mono.since(offer.since),
            },
            fx,
        );
        Self::acd(
            AcdInput::Missed {
                operator: operator.clone(),
                ticket: self.ticket,
                reason,
            },
            fx,
        );
        self.operator_let_down(world, fx);
    }

    /// What a phone is told that need not ring any more. A call counts as completed elsewhere only when
    /// somebody has it (RFC 3326): a phone shows every other one as missed, which it is.
    const fn why_withdrawn(&self) -> Cause {
        match self.phase {
            Phase::Whispering(_) | Phase::Dialling | Phase::Talking => cause::ELSEWHERE,
            Phase::Ended if self.bridged.is_some() => cause::ELSEWHERE,
            Phase::Ended | Phase::Confirming(_) => cause::CALLER_LEFT,
            Phase::Opening { .. } | Phase::Waiting | Phase::Voicemail(_) => cause::NO_LONGER,
        }
    }

    /// The distributor takes an offer back.
    pub(super) fn withdraw(
        &mut self,
        world: &World<'_>,
        operator: &OperatorName,
        reason: MissReason,
        fx: &mut Effects,
    ) {
        let Some(offer) = self.offers.remove(operator) else {
            return;
        };
        let cause = match reason {
            MissReason::NoAnswer => cause::NO_ANSWER,
            MissReason::Declined
            | MissReason::Busy
            | MissReason::Failed
            | MissReason::Withdrawn => self.why_withdrawn(),
        };
        for (leg, phone) in &offer.phones {
            self.end_leg(*leg, phone.leg.sip, cause.clone(), fx);
            self.facts.attempt_over(*leg, AttemptResult::Missed(reason));
        }
        if reason != MissReason::Withdrawn {
            self.tell(
                News::OperatorMissed {
                    operator: operator.clone(),
                    reason,
                    ring: world.now.mono.since(offer.since),
                },
                fx,
            );
        }
        self.operator_let_down(world, fx);
    }

    /// Ends a phone's leg: its session, if SIP knows it, and its port.
    pub(super) fn end_leg(&mut self, leg: LegId, sip: Sip, cause: Cause, fx: &mut Effects) {
        fx.push_back(CallEffect::StopTimer(CallTimer::MediaOpen(leg)));
        match sip {
            Sip::Unsent | Sip::Over => {}
            Sip::Open | Sip::Answered => Self::session(SessionCommand::HangUp { leg, cause }, fx),
        }
        Self::media(MediaCommand::Close { leg }, fx);
    }
}
