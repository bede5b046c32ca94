//! Ringing somebody outside any queue: a colleague on all phones, or a number outside by one carrier
//! after another. The first answer wins; what the far side lets hear before is passed on.

use std::net::IpAddr;
use std::sync::Arc;

use super::call::{Call, Effects};
use super::cause;
use super::dial::{Dial, Line, Try};
use super::ending::Farewell;
use super::facts::{AttemptResult, Tried};
use super::leg::{Leg, Sip};
use super::message::{CallEffect, CallTimer, Contact, Measured, Way, World};
use super::phase::Phase;
use super::screen::Shown;
use super::seat::Seat;
use crate::acd::message::AcdInput;
use crate::dialplan::dial::Dialled;
use crate::id::{LegId, OperatorName};
use crate::limits;
use crate::media::command::{Learn, MediaCommand};
use crate::sip::identity::number_of;
use crate::sip::session::{Cause, OutgoingInvite, SessionCommand};
use crate::sip::trunk::attempt::{self, Heard, Sign, Verdict};
use crate::sip::uri::Uri;
use crate::words::{Codec, MissReason, MissedReason, Outcome, Srtp};

impl Call {
    /// Somebody shall be rung for the one who waits.
    pub(super) fn begin_dialling(
        &mut self,
        world: &mut World<'_>,
        dialled: Dialled,
        fx: &mut Effects,
    ) {
        self.phase = Phase::Dialling;
        let (effect, longest) = match &dialled {
            Dialled::Operator(operator) => {
                let operator = operator.clone();
                (CallEffect::Reach { operator }, limits::RING_DIRECT)
            }
            Dialled::Outside { number, .. } => {
                let number = number.clone();
                self.operator_dials_outside(world);
                (CallEffect::Ways { number }, limits::RING_OUTSIDE)
            }
            Dialled::Queues(queues) => {
                return self.set_out(world, queues, fx);
            }
        };
        self.dial = Some(Dial::new(dialled, world.now.mono));
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Dial,
            world.now.mono + longest,
        ));
        // The answer may come before anything behind the question is done.
        fx.push_back(effect);
    }

    /// Whether this leg is one of those being rung.
    pub(super) fn dials_on(&self, leg: LegId) -> bool {
        let dial = self.dial.as_ref();
        dial.is_some_and(|dial| dial.tries.contains_key(&leg))
    }

    /// Where the operator who was dialled is.
    pub(super) fn reached(
        &mut self,
        world: &mut World<'_>,
        operator: &OperatorName,
        contacts: Vec<Contact>,
        busy: bool,
        fx: &mut Effects,
    ) {
        let wanted = self.dial.as_ref().is_some_and(|dial| {
            dial.seat.is_none() && dial.dialled == Dialled::Operator(operator.clone())
        });
        if !wanted {
            return;
        }
        if busy || contacts.is_empty() {
            let code = if busy { 486 } else { 480 };
            return self.dial_failed(world, code, fx);
        }
        let seat = Seat {
            operator: operator.clone(),
            ticket: world.minted.ticket(),
        };
        self.engage(&seat, fx);
        if let Some(dial) = &mut self.dial {
            dial.seat = Some(seat);
        }
        for contact in contacts.into_iter().take(limits::PHONES_OF_AN_OPERATOR) {
            self.try_phone(world, operator, contact, fx);
        }
    }

    fn try_phone(
        &mut self,
        world: &mut World<'_>,
        operator: &OperatorName,
        contact: Contact,
        fx: &mut Effects,
    ) {
        let tried = Tried::Operator {
            operator: operator.clone(),
            queue: None,
        };
        let leg = self.outbound_leg(world, &contact, tried, fx);
        self.begin_try(leg, Line::Phone(contact));
    }

    fn begin_try(&mut self, leg: Leg, line: Line) {
        if let Some(dial) = &mut self.dial {
            let heard = Heard::Nothing;
            dial.tries.insert(leg.id, Try { leg, line, heard });
        }
    }

    /// A phone of the operator who is being rung came up. False when that is not this ringing.
    pub(super) fn dial_phone_up(
        &mut self,
        world: &mut World<'_>,
        operator: &OperatorName,
        contact: &Contact,
        fx: &mut Effects,
    ) -> bool {
        let Some(dial) = &self.dial else {
            return false;
        };
        let seat = dial.seat.as_ref();
        if seat.is_none_or(|seat| seat.operator != *operator) {
            return false;
        }
        let known = dial.tries.values().any(|it| match &it.line {
            Line::Phone(phone) => phone == contact,
            Line::Trunk(_) => false,
        });
        if !known && dial.tries.len() < limits::PHONES_OF_AN_OPERATOR {
            self.try_phone(world, operator, contact.clone(), fx);
        }
        true
    }

    /// The ways to the number outside that was dialled.
    pub(super) fn ways(&mut self, world: &mut World<'_>, ways: Vec<Way>, fx: &mut Effects) {
        let Some(dial) = &mut self.dial else {
            return;
        };
        if !dial.tries.is_empty() || !matches!(dial.dialled, Dialled::Outside { .. }) {
            return;
        }
        dial.ways = ways.into();
        self.next_way(world, fx);
    }

    /// Tries the next way; the ringing has failed when none is left.
    fn next_way(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let Some(dial) = &mut self.dial else {
            return;
        };
        let Some(way) = dial.ways.pop_front() else {
            let code = dial.failed.unwrap_or(503);
            return self.dial_failed(world, code, fx);
        };
        let rules = self.plan.trunks.get(&way.trunk);
        let media = rules.map_or_else(|| Arc::from([]), |rules| rules.media.clone());
        let codecs = rules.map_or_else(
            || vec![Codec::Pcma, Codec::Pcmu],
            |rules| rules.codecs.clone(),
        );
        let id = world.minted.leg();
        let leg = Leg::new(
            id,
            Sip::Unsent,
            &way.flow,
            Learn::Trunk(media),
            codecs,
            id.number,
            world.settings,
        );
        let srtp = rules.map_or(Srtp::Off, |rules| rules.srtp);
        let leg = leg.encrypted(srtp, world.rng);
        self.facts.trunk = Some(way.trunk.clone());
        self.begin_attempt(world, id, Tried::Trunk(way.trunk.clone()), fx);
        self.begin_try(leg, Line::Trunk(way));
    }

    /// A port is open: the INVITE goes.
    pub(super) fn try_port_open(
        &mut self,
        world: &World<'_>,
        leg: LegId,
        port: u16,
        fx: &mut Effects,
    ) {
        let caller = self.facts.from.as_deref().unwrap_or("anonymous").to_owned();
        let screen = self.screen_of_the_dialled();
        let shown = self.shown().map(str::to_owned);
        let Some(dial) = &mut self.dial else {
            return;
        };
        let since = dial.since;
        let Some(attempt) = dial.tries.get_mut(&leg).filter(|it| !it.leg.is_open()) else {
            return;
        };
        attempt.leg.open(port);
        let Some(sdp) = attempt.leg.offer() else {
            return;
        };
        attempt.leg.sip = Sip::Open;
        let invite = match attempt.line.clone() {
            Line::Phone(Contact { uri, flow, routes }) => OutgoingInvite {
                from_display: screen.display,
                headers: screen.headers,
                routes,
                ..OutgoingInvite::new(uri, flow, &caller, sdp)
            },
            Line::Trunk(Way { trunk, uri, flow }) => {
                fx.push_back(CallEffect::SetTimer(
                    CallTimer::TrunkSilent(leg),
                    world.now.mono + attempt::SILENCE,
                ));
                let from = shown.clone().unwrap_or_else(|| "anonymous".to_owned());
                OutgoingInvite {
                    trunk: Some(trunk),
                    asserted: shown,
                    ..OutgoingInvite::new(uri, flow, &from, sdp)
                }
            }
        };
        self.open.insert(leg);
        let invite = Box::new(invite);
        Self::session(SessionCommand::Invite { leg, invite }, fx);
        fx.push_back(CallEffect::Measured(Measured::Dispatch(
            world.now.mono.since(since),
        )));
    }

    /// What the phone of the colleague who is dialled shows: who calls, by name.
    fn screen_of_the_dialled(&self) -> Shown {
        let seat = self.dial.as_ref().and_then(|dial| dial.seat.as_ref());
        let Some(seat) = seat else {
            return Shown::default();
        };
        let mut shown = self.shown_to(&seat.operator);
        let caller = self.facts.placed_by.as_ref();
        if let Some(caller) = caller.and_then(|caller| self.plan.operators.get(caller)) {
            shown.display.clone_from(&caller.display);
        }
        shown
    }

    /// The number that a call out of this call shows: that of the operator's branch.
    fn shown(&self) -> Option<&str> {
        if self.rings_back() {
            return self.recall_shows();
        }
        let operator = self.payer();
        operator.and_then(|operator| self.plan.shown_for(operator))
    }

    /// Whose call out it is, when it dials outside.
    #[must_use]
    pub fn payer(&self) -> Option<&OperatorName> {
        let transferor = self.transfer.as_ref().map(|transfer| &transfer.by);
        transferor.or(self.facts.placed_by.as_ref())
    }

    /// No port could be had for a leg.
    pub(super) fn try_lost_port(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        let sip = self.dial.as_ref().and_then(|dial| dial.tries.get(&leg));
        if let Some(sip) = sip.map(|it| it.leg.sip) {
            self.end_leg(leg, sip, cause::MEDIA, fx);
            self.try_failed(world, leg, 500, fx);
        }
    }

    /// A provisional response.
    pub(super) fn try_heard(
        &mut self,
        world: &World<'_>,
        leg: LegId,
        code: u16,
        answer: Option<&[u8]>,
        fx: &mut Effects,
    ) {
        fx.push_back(CallEffect::StopTimer(CallTimer::TrunkSilent(leg)));
        self.patient_rings(world, code);
        let early = self.passes_early_media();
        let Some(dial) = &mut self.dial else {
            return;
        };
        let Some(attempt) = dial.tries.get_mut(&leg) else {
            return;
        };
        attempt.heard = attempt.heard.and(code);
        let rings = code == 180 && !dial.told;
        dial.told |= rings;
        let sound = answer.filter(|_| early && dial.early.is_none());
        if sound.is_some_and(|sound| attempt.leg.accept_early(sound)) {
            dial.early = Some(leg);
            dial.told = true;
            let remote = attempt.leg.remote();
            self.pass_early_media(leg, remote, fx);
        } else if rings {
            self.tell_ringing(fx);
        }
    }

    /// Sound before the answer is for whoever placed the call and offered to hear it. An INVITE
    /// without an offer hears it after the answer only.
    fn passes_early_media(&self) -> bool {
        self.rings_back() || self.caller.sip == Sip::Open && self.caller_offer.is_some()
    }

    fn pass_early_media(
        &self,
        leg: LegId,
        remote: Option<crate::media::command::Remote>,
        fx: &mut Effects,
    ) {
        let caller = self.caller.id;
        if let Some(remote) = remote {
            Self::media(MediaCommand::Connect { leg, remote }, fx);
        }
        let answer = self.caller_answer.clone();
        let (leg, code, record) = (leg, 183, None);
        let waits = self.operator.as_ref().filter(|_| self.rings_back());
        let (caller, operator) = if let Some(operator) = waits {
            (leg, operator.id)
        } else {
            Self::session(
                SessionCommand::Progress {
                    leg: caller,
                    code,
                    answer,
                },
                fx,
            );
            match self.facts.placed_by {
                Some(_) => (leg, caller),
                None => (caller, leg),
            }
        };
        Self::media(
            MediaCommand::Bridge {
                caller,
                operator,
                record,
            },
            fx,
        );
    }

    fn tell_ringing(&mut self, fx: &mut Effects) {
        self.tell_transferor(180, fx);
        if self.caller.sip == Sip::Open {
            let (leg, code, answer) = (self.caller.id, 180, None);
            Self::session(SessionCommand::Progress { leg, code, answer }, fx);
        }
    }

    /// Somebody answered: the first one wins.
    pub(super) fn try_answered(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        answer: Option<&[u8]>,
        peer: IpAddr,
        fx: &mut Effects,
    ) {
        let Some(attempt) = self.dial.as_mut().and_then(|it| it.tries.get_mut(&leg)) else {
            return;
        };
        attempt.leg.sip = Sip::Answered;
        if let Line::Phone(_) = attempt.line {
            attempt.leg.learn_phone(peer);
        }
        if !answer.is_some_and(|answer| attempt.leg.accept(answer)) {
            let note = "the far side answered without a codec we speak".to_owned();
            fx.push_back(CallEffect::Note(note));
            self.end_leg(leg, Sip::Answered, cause::MEDIA, fx);
            return self.try_failed(world, leg, 488, fx);
        }
        let Some(mut dial) = self.dial.take() else {
            return;
        };
        let Some(winner) = dial.tries.remove(&leg) else {
            return;
        };
        self.facts.attempt_over(leg, AttemptResult::Answered);
        if let Some(seat) = dial.seat.take() {
            self.seats.insert(leg, seat);
        }
        let heard_early = dial.early == Some(leg);
        self.end_tries(dial, &cause::ELSEWHERE, fx);
        if let Some(remote) = winner.leg.remote() {
            Self::media(MediaCommand::Connect { leg, remote }, fx);
        }
        if self.rings_back() {
            return self.patient_answered(world, winner.leg, heard_early, fx);
        }
        self.outside_tried(world, 200);
        self.operator = Some(winner.leg);
        self.answer_caller(fx);
        self.bridge(world, fx);
        self.connected(world, fx);
    }

    /// An attempt is over without an answer; its session needs no more from us.
    pub(super) fn try_failed(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        code: u16,
        fx: &mut Effects,
    ) {
        fx.push_back(CallEffect::StopTimer(CallTimer::TrunkSilent(leg)));
        let Some(dial) = &mut self.dial else {
            return;
        };
        dial.note(code);
        dial.early = dial.early.filter(|early| *early != leg);
        let Some(attempt) = dial.tries.remove(&leg) else {
            return;
        };
        let missed = AttemptResult::Missed(cause::miss_reason(code));
        self.facts.attempt_over(leg, missed);
        match attempt.line {
            Line::Trunk(_) => match attempt::verdict(attempt.heard, Sign::Refused(code)) {
                Verdict::Next => self.next_way(world, fx),
                Verdict::Wait | Verdict::Final => self.dial_failed(world, code, fx),
            },
            // A word of the person's holds for the other phones too (RFC 3261 21.6).
            Line::Phone(_) if cause::is_global(code) => self.dial_failed(world, code, fx),
            Line::Phone(_) => {
                let dial = self.dial.as_ref();
                let last = dial.filter(|dial| dial.tries.is_empty());
                if let Some(code) = last.map(|dial| dial.failed.unwrap_or(code)) {
                    self.dial_failed(world, code, fx);
                }
            }
        }
    }

    /// A redirection (RFC 3261 8.1.3.4) is followed to whom the plan lets operators dial, and to
    /// nobody else: a carrier or a phone must not send calls where they cost money, nor make a call
    /// for help of an ordinary one. False when it is not followed.
    pub(super) fn redirected(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        code: u16,
        contacts: &[Uri],
        fx: &mut Effects,
    ) -> bool {
        let followed = self.dial.as_ref().map_or(0, |dial| dial.redirections);
        let refused = followed >= limits::REDIRECTIONS || self.rings_back();
        if !(300..400).contains(&code) || refused {
            return false;
        }
        let target = contacts.iter().find_map(|contact| {
            let number = number_of(contact);
            let target = self.plan.dialled(&number, world.now.wall).ok();
            target.filter(|target| !target.is_emergency())
        });
        let same = |dial: &Dial| Some(&dial.dialled) == target.as_ref();
        let Some(target) = target
            .clone()
            .filter(|target| !matches!(target, Dialled::Queues(_)))
            .filter(|_| !self.dial.as_ref().is_some_and(same))
        else {
            return false;
        };
        if let Some(dial) = &mut self.dial {
            dial.tries.remove(&leg);
        }
        fx.push_back(CallEffect::StopTimer(CallTimer::TrunkSilent(leg)));
        let declined = AttemptResult::Missed(MissReason::Declined);
        self.facts.attempt_over(leg, declined);
        self.drop_dial(&cause::ELSEWHERE, fx);
        self.begin_dialling(world, target, fx);
        if let Some(dial) = &mut self.dial {
            dial.redirections = followed + 1;
        }
        true
    }

    /// A carrier has not said a word: the next one is tried. What it says later is cancelled, or
    /// hung up.
    pub(super) fn trunk_silent(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        let attempt = self.dial.as_ref().and_then(|dial| dial.tries.get(&leg));
        let given_up = attempt
            .filter(|it| attempt::verdict(it.heard, Sign::Silent) == Verdict::Next)
            .map(|it| it.leg.sip);
        if let Some(sip) = given_up {
            self.end_leg(leg, sip, cause::RANG_OUT, fx);
            self.try_failed(world, leg, 408, fx);
        }
    }

    /// It rang long enough.
    pub(super) fn rang_out(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        if self.dial.is_some() {
            self.dial_failed(world, 408, fx);
        }
    }

    /// Nobody is left to ring.
    fn dial_failed(&mut self, world: &mut World<'_>, code: u16, fx: &mut Effects) {
        self.drop_dial(&cause::RANG_OUT, fx);
        if self.rings_back() {
            return self.patient_missed(world, code, fx);
        }
        if self.transfer.is_some() {
            return self.transfer_failed(world, code, fx);
        }
        self.outside_tried(world, code);
        let cause = cause::of_response(code);
        self.facts.result.get_or_insert(cause::result_of(code));
        let farewell = Farewell::HangUp(cause);
        let (outcome, reason) = (Outcome::Missed, Some(MissedReason::Timeout));
        self.end(world, outcome, reason, farewell, fx);
    }

    /// Stops the ringing and lets everybody go.
    pub(super) fn drop_dial(&mut self, cause: &Cause, fx: &mut Effects) {
        fx.push_back(CallEffect::StopTimer(CallTimer::Dial));
        let Some(mut dial) = self.dial.take() else {
            return;
        };
        if let Some(Seat { operator, ticket }) = dial.seat.take() {
            Self::acd(AcdInput::Released { operator, ticket }, fx);
        }
        self.end_tries(dial, cause, fx);
    }

    fn end_tries(&mut self, dial: Dial, cause: &Cause, fx: &mut Effects) {
        fx.push_back(CallEffect::StopTimer(CallTimer::Dial));
        for (leg, attempt) in dial.tries {
            fx.push_back(CallEffect::StopTimer(CallTimer::TrunkSilent(leg)));
            self.end_leg(leg, attempt.leg.sip, cause.clone(), fx);
            let withdrawn = AttemptResult::Missed(MissReason::Withdrawn);
            self.facts.attempt_over(leg, withdrawn);
        }
    }
}
