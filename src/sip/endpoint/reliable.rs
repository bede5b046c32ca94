//! Provisional responses of ours that the caller acknowledges (RFC 3262 3), and its PRACKs.
//!
//! An INVITE without an offer gets none: its first reliable response would have to carry ours
//! (RFC 3262 5), and we offer in the 200 alone.

use bytes::Bytes;

use super::egress::{ALLOW, SDP};
use super::stateless::Extra;
use super::{Alarm, Endpoint, SessionEvent};
use crate::id::LegId;
use crate::limits;
use crate::sip::flow::Flow;
use crate::sip::header::Name;
use crate::sip::message::{Message, Method};
use crate::sip::session::Cause;
use crate::sip::session::reliable::{Provisional, Reliable};
use crate::sip::session::state::{Abilities, Phase, Reoffer, SessionTimer};
use crate::sip::transaction::table::Key;
use crate::sip::transaction::timer::{T1, T1_64};
use crate::words::Rel100;

/// The first RSeq is at most this (RFC 3262 3).
const FIRST_RSEQ: u64 = 1 << 31;

impl Endpoint {
    /// Why an INVITE cannot be taken, by what it and we say of RFC 3262.
    pub(super) fn object_to_rel100(&self, rule: Rel100, request: &Message) -> Option<(u16, Extra)> {
        let mut peer = Abilities::default();
        peer.note(request);
        let token = Bytes::from_static(b"100rel");
        match rule {
            Rel100::Off if peer.wants_rel100 => Some((420, (Name::Unsupported, token))),
            Rel100::Required if !peer.rel100 => Some((421, (Name::Require, token))),
            Rel100::Off | Rel100::Supported | Rel100::Required => None,
        }
    }

    /// What a new session of a caller does about provisional responses.
    pub(super) fn reliable_for(&mut self, rule: Rel100, request: &Message) -> Option<Reliable> {
        let mut peer = Abilities::default();
        peer.note(request);
        let wanted = match rule {
            Rel100::Off => false,
            Rel100::Supported | Rel100::Required => peer.rel100,
        };
        let first = u32::try_from(1 + self.rng.below(FIRST_RSEQ - 1)).unwrap_or(1);
        (wanted && request.sdp().is_some()).then(|| Reliable::new(first))
    }

    /// Whether a provisional response cannot be sent at all: the caller takes reliable ones alone,
    /// and there can be none.
    pub(super) fn must_be_silent(&self, leg: LegId) -> bool {
        self.sessions
            .get(&leg)
            .is_some_and(|session| session.peer.wants_rel100 && session.reliable.is_none())
    }

    /// Sends a provisional response, or lets it wait for the PRACK of the one before it.
    pub(super) fn progress_reliably(&mut self, leg: LegId, code: u16, answer: Option<Bytes>) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let Some(reliable) = &mut session.reliable else {
            return;
        };
        if reliable.unacked.is_some() {
            let next = (code, answer);
            let known = reliable.waiting.back() == Some(&next);
            if !known && reliable.waiting.len() < limits::PROVISIONALS_WAITING {
                reliable.waiting.push_back(next);
            }
            return;
        }
        self.send_reliably(leg, code, answer);
    }

    fn send_reliably(&mut self, leg: LegId, code: u16, answer: Option<Bytes>) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let (Phase::Offered { request, .. }, Some(reliable)) =
            (&session.phase, &mut session.reliable)
        else {
            return;
        };
        let request = request.clone();
        let rseq = reliable.next;
        reliable.next = rseq.wrapping_add(1).max(1);
        reliable.last = code;
        // One answer is all an offer gets (RFC 3264 4).
        let answer = answer.filter(|_| reliable.answered.is_none());
        if answer.is_some() {
            reliable.answered.clone_from(&answer);
            session.local.clone_from(&answer);
        }
        let (flow, described) = (session.flow, answer.is_some());
        let mut response = self.response(leg, &request, code);
        response.headers.push(Name::Require, "100rel");
        response.headers.push(Name::RSeq, rseq.to_string());
        response.headers.push(Name::Contact, self.contact(&flow));
        response.headers.push(Name::Allow, ALLOW);
        if let Some(answer) = answer {
            response.set_body(SDP, answer);
        }
        let provisional = Provisional {
            rseq,
            code,
            response: response.to_bytes(),
            gap: T1,
            described,
        };
        if let Some(session) = self.sessions.get_mut(&leg)
            && let Some(reliable) = &mut session.reliable
        {
            reliable.unacked = Some(provisional);
        }
        self.repeat_1xx(leg, false);
        let no_prack = Alarm::Session(leg, SessionTimer::NoPrack);
        self.timers.set(no_prack, self.now.mono + T1_64);
    }

    /// Sends the unacknowledged one; the gap doubles each time (RFC 3262 3).
    pub(super) fn repeat_1xx(&mut self, leg: LegId, again: bool) {
        let now = self.now.mono;
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let (
            Phase::Offered {
                invite,
                cancelled: false,
                ..
            },
            Some(Reliable {
                unacked: Some(unacked),
                ..
            }),
        ) = (&session.phase, &mut session.reliable)
        else {
            return;
        };
        if again {
            unacked.gap = unacked.gap.saturating_mul(2);
        }
        let repeat = Alarm::Session(leg, SessionTimer::Repeat1xx);
        self.timers.set(repeat, now + unacked.gap);
        let (invite, code, bytes) = (*invite, unacked.code, unacked.response.clone());
        self.respond_bytes(invite, code, bytes);
    }

    pub(super) fn stop_waiting_for_prack(&mut self, leg: LegId) {
        for timer in [SessionTimer::Repeat1xx, SessionTimer::NoPrack] {
            self.timers.cancel(&Alarm::Session(leg, timer));
        }
    }

    /// Whether a 200 has to wait: our answer in a provisional response is not acknowledged.
    pub(super) fn accept_waits(&mut self, leg: LegId, answer: &Bytes) -> bool {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return false;
        };
        let Some(reliable) = &mut session.reliable else {
            return false;
        };
        let waits = reliable.unacked.as_ref().is_some_and(|it| it.described);
        if waits {
            reliable.accept = Some(answer.clone());
        }
        waits
    }

    /// A PRACK (RFC 3262 3): it fits the one that waits, or nothing,
    /// or it cannot be read.
    pub(super) fn handle_prack(&mut self, flow: Flow, key: Key, leg: LegId, request: Message) {
        let Ok(rack) = request.headers.rack() else {
            // One that names no response fits none, nor could it ever (RFC 3261 21.4.1).
            return self.answer(flow, key, leg, &request, 400, &[]);
        };
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let of_invite = match &session.phase {
            Phase::Offered { request, .. } => request.headers.cseq().ok().map(|cseq| cseq.number),
            Phase::Talking => session.unacked.as_ref().map(|unacked| unacked.seq),
            Phase::Inviting { .. } | Phase::Leaving { .. } | Phase::Over => None,
        };
        let fits = |rseq: u32| {
            rack.rseq == rseq && Some(rack.cseq) == of_invite && rack.method == Method::Invite
        };
        let acked = session
            .reliable
            .as_mut()
            .and_then(|reliable| reliable.unacked.take_if(|unacked| fits(unacked.rseq)));
        if acked.is_none() {
            return self.answer(flow, key, leg, &request, 481, &[]);
        }
        self.stop_waiting_for_prack(leg);
        let early = self
            .sessions
            .get(&leg)
            .is_some_and(|session| matches!(session.phase, Phase::Offered { .. }));
        match request.sdp() {
            None => self.answer(flow, key, leg, &request, 200, &[]),
            // A new offer, which only a caller may make who has our answer (RFC 3262 5).
            Some(offer) if early && self.early_offer_fits(leg) => {
                let transaction = self.open_server(flow, key, leg, Bytes::new(), false);
                if let Some(session) = self.sessions.get_mut(&leg) {
                    session.reoffer = Some(Reoffer {
                        transaction,
                        request: Box::new(request),
                    });
                }
                let offer = Some(offer);
                self.tell_unless_hung_up(leg, SessionEvent::Reoffer { leg, offer });
            }
            Some(_) => self.answer(flow, key, leg, &request, 488, &[]),
        }
        self.after_prack(leg);
    }

    /// Whether the peer may offer again although its INVITE is open: it has our answer, and nothing
    /// of it waits for one.
    pub(super) fn early_offer_fits(&self, leg: LegId) -> bool {
        self.sessions.get(&leg).is_some_and(|session| {
            session.reoffer.is_none()
                && session.hung_up.is_none()
                && session.reliable.as_ref().is_some_and(|reliable| {
                    reliable.answered.is_some()
                        && reliable.accept.is_none()
                        && !reliable.unacked.as_ref().is_some_and(|it| it.described)
                })
        })
    }

    /// What waited for the PRACK: the 200, or the next provisional response.
    fn after_prack(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let cancelled = matches!(
            session.phase,
            Phase::Offered {
                cancelled: true,
                ..
            }
        );
        let Some(reliable) = session.reliable.as_mut().filter(|_| !cancelled) else {
            return;
        };
        if let Some(answer) = reliable.accept.take() {
            return self.accept(leg, answer);
        }
        if let Some((code, answer)) = reliable.waiting.pop_front() {
            self.send_reliably(leg, code, answer);
        }
    }

    /// No PRACK came (RFC 3262 3): the INVITE is refused, and both sides hear of it.
    pub(super) fn give_up_prack(&mut self, leg: LegId) {
        let offered = self
            .sessions
            .get(&leg)
            .is_some_and(|session| matches!(session.phase, Phase::Offered { .. }));
        if !offered {
            return;
        }
        let cause = Cause {
            sip: 504,
            q850: Some(102),
            text: "no PRACK",
        };
        let failed = cause.clone();
        self.tell_unless_hung_up(leg, SessionEvent::Failed { leg, cause: failed });
        self.reject(leg, 504, None, Some(&cause));
    }

    /// The caller takes an INVITE back that the call machine has answered already, while the 200
    /// waits: to the call it is a BYE. False when nothing waits.
    pub(super) fn end_while_accepting(&mut self, leg: LegId) -> bool {
        let waits = self
            .sessions
            .get_mut(&leg)
            .and_then(|session| session.reliable.as_mut())
            .is_some_and(|reliable| reliable.accept.take().is_some());
        if waits {
            self.tell_unless_hung_up(leg, SessionEvent::Bye { leg });
            self.reject(leg, 487, None, None);
        }
        waits
    }
}
