//! Our requests inside a dialog: sent by the newest way, remembered until they are answered.

use super::{Endpoint, SessionEvent};
use crate::id::LegId;
use crate::sip::header::Name;
use crate::sip::message::{Message, Method};
use crate::sip::session::Cause;
use crate::sip::session::sent::{Errand, Sent};
use crate::sip::session::state::Phase;
use crate::sip::transaction::table::{Owner, TransactionId};

/// The fields that answer a challenge.
pub(super) const PROOFS: [Name; 2] = [Name::Authorization, Name::ProxyAuthorization];

impl Endpoint {
    /// Sends a request of ours inside a dialog; none when the session is gone.
    pub(super) fn errand(
        &mut self,
        leg: LegId,
        errand: Errand,
        request: Message,
    ) -> Option<TransactionId> {
        self.send_errand(leg, errand, request, 0)
    }

    /// Sends one for which `answers` challenges were answered.
    pub(super) fn send_errand(
        &mut self,
        leg: LegId,
        errand: Errand,
        mut request: Message,
        answers: u8,
    ) -> Option<TransactionId> {
        self.reroute(leg);
        let flow = self.sessions.get(&leg)?.flow;
        self.prove(leg, &mut request);
        let id = self.send_request(Owner::Leg(leg), flow, &mut request);
        let session = self.sessions.get_mut(&leg)?;
        session.sent.insert(id, Sent::new(errand, request, answers));
        Some(id)
    }

    /// Whether a transaction is that of a request inside a dialog.
    pub(super) fn is_errand(&self, leg: LegId, id: TransactionId) -> bool {
        self.sessions
            .get(&leg)
            .is_some_and(|session| session.sent.contains_key(&id))
    }

    /// Takes a response to a request of ours inside a dialog.
    pub(super) fn handle_errand(&mut self, leg: LegId, id: TransactionId, response: &Message) {
        let status = response.status().unwrap_or(500);
        if status < 200 {
            return self.errand_proceeds(leg, id);
        }
        let challenged = matches!(status, 401 | 407);
        if challenged && self.answer_challenge(leg, id, response) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let Some(sent) = session.sent.get_mut(&id) else {
            return;
        };
        let flow = session.flow;
        match sent.errand.clone() {
            Errand::Turn(_) if sent.ack.is_some() => {
                if let Some(ack) = sent.ack.clone() {
                    self.transmit(flow, ack, None);
                }
            }
            Errand::Turn(turn) => self.turn_answered(leg, id, turn, status, response),
            Errand::Bye { .. } | Errand::Prack | Errand::Other => {
                session.sent.remove(&id);
            }
        }
    }

    /// A request of ours inside a dialog got no final response: 408, or 503 when its way broke.
    pub(super) fn errand_failed(&mut self, leg: LegId, id: TransactionId, status: u16) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let Some(sent) = session.sent.remove(&id) else {
            return;
        };
        match sent.errand {
            Errand::Turn(turn) => self.turn_failed(leg, id, turn, status),
            // The stream it went by closed; the phone may be back on another one.
            Errand::Bye { again: false } if status == 503 => {
                let mut bye = session.dialog.request(Method::Bye);
                for reason in sent.request.headers.all(&Name::Reason) {
                    bye.headers.push(Name::Reason, reason.clone());
                }
                self.errand(leg, Errand::Bye { again: true }, bye);
            }
            Errand::Bye { .. } | Errand::Prack | Errand::Other => {}
        }
    }

    /// Our side finds that the dialog is no more (RFC 3261 12.2.1.2): both sides hear of it.
    pub(super) fn lose(&mut self, leg: LegId, cause: &Cause) {
        let Some(session) = self.sessions.get(&leg) else {
            return;
        };
        if !matches!(session.phase, Phase::Talking) {
            return;
        }
        let hung_up = session.hung_up.clone();
        if hung_up.is_none() {
            let cause = cause.clone();
            self.tell(SessionEvent::Failed { leg, cause });
        }
        self.end_dialog(leg, Some(hung_up.as_ref().unwrap_or(cause)));
    }
}
