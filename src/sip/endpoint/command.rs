//! What the call machine commands.

use bytes::Bytes;

use super::egress::{ALLOW, SDP, add_reason};
use super::stateless::SUPPORTED;
use super::{Alarm, Endpoint, SessionEvent};
use crate::id::LegId;
use crate::sip::dialog::Dialog;
use crate::sip::header::Name;
use crate::sip::message::Message;
use crate::sip::session::state::{Phase, Session, SessionTimer, Unacked};
use crate::sip::session::{Cause, OutgoingInvite, SessionCommand};
use crate::sip::transaction::table::{Owner, TransactionId};
use crate::sip::transaction::timer::{T1, T1_64};
use crate::time::{Duration, Now};

/// A provisional response is sent again after this (RFC 3261 13.3.1.1).
pub(super) const PROGRESS_AGAIN: Duration = Duration::from_secs(60);

impl Endpoint {
    /// Does what the call machine says. A command on a leg that is gone, or that makes no sense
    /// where it stands, is ignored: the two cross all the time.
    pub fn handle_command(&mut self, now: Now, command: SessionCommand) {
        self.now = now;
        match command {
            SessionCommand::Invite { leg, invite } => self.invite(leg, &invite),
            SessionCommand::Progress { leg, code, answer } => self.progress(leg, code, answer),
            SessionCommand::Accept { leg, answer } => self.accept(leg, answer),
            SessionCommand::Reject {
                leg,
                code,
                retry_after,
            } => self.reject(leg, code, retry_after, None),
            SessionCommand::RejectOffer { leg, warning } => self.reject_offer(leg, warning),
            SessionCommand::HangUp { leg, cause } => self.hang_up(leg, cause),
            SessionCommand::ConfirmBye { leg } => self.confirm_bye(leg),
            SessionCommand::AnswerReoffer { leg, answer } => self.answer_reoffer(leg, answer),
            SessionCommand::AnswerRefer { leg, answer } => self.answer_refer(leg, answer),
            SessionCommand::ReferProgress { leg, code } => self.refer_progress(leg, code),
            SessionCommand::Reoffer { leg, offer } => self.reoffer(leg, offer),
        }
        self.settle();
    }

    fn invite(&mut self, leg: LegId, invite: &OutgoingInvite) {
        if self.sessions.contains_key(&leg) {
            return;
        }
        let mut party = self.party(&invite.flow);
        party.trunk = invite.trunk.clone().or(party.trunk);
        let rules = self.rules_of(&party);
        let mut request = self.build_invite(invite, rules);
        let dialog = Dialog::of_caller(&request);
        let (Some(dialog), false) = (dialog, self.transactions.is_full()) else {
            self.counters.refused.full += 1;
            self.tell(SessionEvent::Rejected {
                leg,
                code: 503,
                contacts: Vec::new(),
            });
            self.tell(SessionEvent::Closed { leg });
            return;
        };
        // Behind a proxy many phones share a flow, so it takes the contact to know whose this is.
        let user = self.registrar.user_at(&invite.flow, &invite.target);
        party.operator = user.cloned();
        self.streams.note(&invite.flow, None);
        let id = self.send_request(Owner::Leg(leg), invite.flow, &mut request);
        let phase = Phase::Inviting {
            invite: id,
            proceeding: false,
            cancelled: false,
        };
        self.dialogs.insert(dialog.key.clone(), leg);
        let mut session = Session::new(phase, dialog, invite.flow, party, rules);
        session.open.insert(id);
        session.binding = self.binding_of_party(&session, &invite.flow);
        session.local = Some(invite.offer.clone()).filter(|offer| !offer.is_empty());
        session.trunk.clone_from(&invite.trunk);
        session.invite = Some(Box::new(request));
        self.sessions.insert(leg, session);
    }

    fn progress(&mut self, leg: LegId, code: u16, answer: Option<Bytes>) {
        let Some(Session {
            phase:
                Phase::Offered {
                    request,
                    cancelled: false,
                    ..
                },
            flow,
            reliable,
            ..
        }) = self.sessions.get(&leg)
        else {
            return;
        };
        if !(101..200).contains(&code) || self.must_be_silent(leg) {
            return;
        }
        if reliable.is_some() {
            self.progress_reliably(leg, code, answer);
            return self.progress_again(leg);
        }
        let mut response = self.response(leg, request, code);
        response.headers.push(Name::Contact, self.contact(flow));
        response.headers.push(Name::Allow, ALLOW);
        if let Some(answer) = answer {
            response.set_body(SDP, answer);
        }
        let bytes = response.to_bytes();
        if let Some(session) = self.sessions.get_mut(&leg)
            && let Phase::Offered { progress, .. } = &mut session.phase
        {
            *progress = Some((code, bytes));
        }
        self.repeat_progress(leg);
    }

    /// Says once more, a minute later, that the INVITE is being worked on.
    fn progress_again(&mut self, leg: LegId) {
        let alarm = Alarm::Session(leg, SessionTimer::Progress);
        self.timers.set(alarm, self.now.mono + PROGRESS_AGAIN);
    }

    /// Sends the last provisional response, now and a minute later. A reliable one has a number of
    /// its own each time.
    pub(super) fn repeat_progress(&mut self, leg: LegId) {
        let last = self.sessions.get(&leg).and_then(|session| {
            let open = matches!(
                session.phase,
                Phase::Offered {
                    cancelled: false,
                    ..
                }
            );
            let reliable = session.reliable.as_ref().filter(|_| open)?;
            Some(reliable.last)
        });
        if let Some(code) = last {
            self.progress_reliably(leg, code, None);
            return self.progress_again(leg);
        }
        if let Some(session) = self.sessions.get(&leg)
            && let Phase::Offered {
                invite,
                cancelled: false,
                progress: Some((code, bytes)),
                ..
            } = &session.phase
        {
            let (invite, code, bytes) = (*invite, *code, bytes.clone());
            self.respond_bytes(invite, code, bytes);
            self.progress_again(leg);
        }
    }

    pub(super) fn accept(&mut self, leg: LegId, answer: Bytes) {
        let Some(session) = self.sessions.get(&leg) else {
            return;
        };
        let Phase::Offered {
            invite,
            request,
            cancelled: false,
            ..
        } = &session.phase
        else {
            return;
        };
        let (invite, request) = (*invite, request.clone());
        if self.accept_waits(leg, &answer) {
            return;
        }
        self.timers
            .cancel(&Alarm::Session(leg, SessionTimer::Progress));
        self.stop_waiting_for_prack(leg);
        self.reroute(leg);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        session.phase = Phase::Talking;
        let flow = session.flow;
        // An answer that was acknowledged already is not given twice (RFC 3264 4, RFC 6337 2.2).
        let given = session
            .reliable
            .as_ref()
            .is_some_and(|reliable| reliable.answered.is_some());
        if !given {
            session.local = Some(answer.clone());
        }
        let mut response = self.response(leg, &request, 200);
        response.headers.push(Name::Contact, self.contact(&flow));
        response.headers.push(Name::Allow, ALLOW);
        response.headers.push(Name::Supported, SUPPORTED.join(", "));
        self.agree_interval(leg, &request, &mut response, true);
        if !given {
            response.set_body(SDP, answer);
        }
        self.respond(invite, &response);
        self.await_ack(leg, &request, &response, true);
    }

    /// Repeats a 2xx to an INVITE until its ACK comes (RFC 3261 13.3.1.4).
    pub(super) fn await_ack(
        &mut self,
        leg: LegId,
        request: &Message,
        response: &Message,
        initial: bool,
    ) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        session.unacked = Some(Unacked {
            seq: request.headers.cseq().map_or(0, |cseq| cseq.number),
            response: response.to_bytes(),
            gap: T1,
            offered: request.sdp().is_none(),
            initial,
        });
        let now = self.now.mono;
        self.timers
            .set(Alarm::Session(leg, SessionTimer::Repeat2xx), now + T1);
        self.timers
            .set(Alarm::Session(leg, SessionTimer::NoAck), now + T1_64);
    }

    pub(super) fn stop_waiting_for_ack(&mut self, leg: LegId) {
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.unacked = None;
        }
        for timer in [SessionTimer::Repeat2xx, SessionTimer::NoAck] {
            self.timers.cancel(&Alarm::Session(leg, timer));
        }
    }

    fn reject_offer(&mut self, leg: LegId, (code, text): (u16, &str)) {
        if let Some((invite, mut response)) = self.rejection(leg, 488) {
            // The agent is a pseudonym, as RFC 3261 20.43 allows.
            let warning = format!("{code} strowger \"{text}\"");
            response.headers.push(Name::Warning, warning);
            self.respond(invite, &response);
        }
    }

    pub(super) fn reject(
        &mut self,
        leg: LegId,
        code: u16,
        retry_after: Option<u32>,
        cause: Option<&Cause>,
    ) {
        let Some((invite, mut response)) = self.rejection(leg, code) else {
            return;
        };
        if let Some(seconds) = retry_after {
            response.headers.push(Name::RetryAfter, seconds.to_string());
        }
        add_reason(&mut response, cause);
        self.respond(invite, &response);
    }

    /// The final response to an INVITE that still waits for one, and its transaction.
    fn rejection(&mut self, leg: LegId, code: u16) -> Option<(TransactionId, Message)> {
        self.drop_early_reoffer(leg);
        let session = self.sessions.get_mut(&leg)?;
        let Phase::Offered {
            invite, request, ..
        } = &session.phase
        else {
            return None;
        };
        let (invite, request) = (*invite, request.clone());
        session.phase = Phase::Over;
        self.timers
            .cancel(&Alarm::Session(leg, SessionTimer::Progress));
        self.stop_waiting_for_prack(leg);
        let code = if (300..700).contains(&code) {
            code
        } else {
            500
        };
        Some((invite, self.response(leg, &request, code)))
    }

    fn hang_up(&mut self, leg: LegId, cause: Cause) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        if session.hung_up.is_some() {
            return;
        }
        session.hung_up = Some(cause.clone());
        match &session.phase {
            Phase::Offered { cancelled, .. } => {
                let code = match cause.sip {
                    _ if *cancelled => 487,
                    code @ 300..700 => code,
                    _ => 480,
                };
                self.reject(leg, code, None, Some(&cause));
            }
            Phase::Inviting {
                proceeding: true, ..
            } => self.send_cancel(leg),
            // The CANCEL waits for a 1xx (RFC 3261 9.1), Timer B for nobody.
            Phase::Inviting { .. } => {}
            // A callee's BYE waits for the ACK (RFC 3261 15).
            Phase::Talking if session.unacked.as_ref().is_some_and(|it| it.initial) => {
                self.drop_reoffer(leg);
            }
            Phase::Talking => self.end_dialog(leg, Some(&cause)),
            Phase::Leaving { .. } => self.confirm_bye(leg),
            Phase::Over => {}
        }
    }

    /// Sends a BYE; the session is over.
    pub(super) fn end_dialog(&mut self, leg: LegId, cause: Option<&Cause>) {
        self.drop_reoffer(leg);
        self.forget_referral(leg);
        self.stop_waiting_for_ack(leg);
        self.send_bye(leg, cause);
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.phase = Phase::Over;
        }
        self.stop_keeping(leg);
    }

    /// The session is over, and nobody has to keep it alive.
    pub(super) fn stop_keeping(&mut self, leg: LegId) {
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.pending = None;
        }
        for timer in [
            SessionTimer::Refresh,
            SessionTimer::Expire,
            SessionTimer::Again,
        ] {
            self.timers.cancel(&Alarm::Session(leg, timer));
        }
    }

    fn confirm_bye(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let Phase::Leaving { bye, request } = &session.phase else {
            return;
        };
        let (bye, request) = (*bye, request.clone());
        session.phase = Phase::Over;
        let response = self.response(leg, &request, 200);
        self.respond(bye, &response);
    }

    fn answer_reoffer(&mut self, leg: LegId, answer: Result<Bytes, u16>) {
        let reoffer = self
            .sessions
            .get_mut(&leg)
            .and_then(|session| session.reoffer.take());
        let Some(reoffer) = reoffer else {
            return;
        };
        match answer {
            Ok(answer) => self.accept_reoffer(leg, &reoffer, answer),
            Err(code) => {
                let code = if (300..700).contains(&code) {
                    code
                } else {
                    500
                };
                let response = self.response(leg, &reoffer.request, code);
                self.respond(reoffer.transaction, &response);
                self.take_turn(leg);
            }
        }
    }
}
