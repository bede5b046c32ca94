//! A callee's requests while our INVITE is still open (RFC 3311 5.2).

use bytes::Bytes;

use super::stateless::Extra;
use super::{Endpoint, SessionEvent};
use crate::id::LegId;
use crate::sip::flow::Flow;
use crate::sip::header::Name;
use crate::sip::message::{Message, Method};
use crate::sip::session::state::{Phase, Reoffer};
use crate::sip::transaction::table::Key;

impl Endpoint {
    /// Takes a request of a fork of our INVITE. There is nothing to end yet (RFC 3261 15), and an
    /// offer is glare until that fork has answered ours for good.
    pub(super) fn handle_early(&mut self, flow: Flow, key: Key, leg: LegId, request: Message) {
        match request.method() {
            Some(Method::Invite) => return self.refuse(&flow, &request, 491, &[]),
            Some(Method::Update) => {}
            Some(_) | None => return self.refuse(&flow, &request, 481, &[]),
        }
        let contact = [(Name::Contact, self.contact(&flow))];
        let wait = self.rng.below(10).to_string();
        let later: [Extra; 1] = [(Name::RetryAfter, wait.into())];
        let from = request.headers.from().ok();
        let tag = from.as_ref().and_then(|from| from.tag());
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let early = tag.and_then(|tag| session.early.get_mut(tag));
        let Some(early) = early.filter(|_| session.hung_up.is_none()) else {
            return self.refuse(&flow, &request, 481, &[]);
        };
        if early.dialog.remote_seq.is_some_and(|last| number <= last) {
            return self.refuse(&flow, &request, 500, &later);
        }
        early.dialog.remote_seq = Some(number);
        if session.reoffer.is_some() {
            return self.refuse(&flow, &request, 500, &later);
        }
        let Some(offer) = request.sdp() else {
            early.dialog.refresh(&request);
            return self.answer(flow, key, leg, &request, 200, &contact);
        };
        if early.answer.is_none() {
            return self.refuse(&flow, &request, 491, &[]);
        }
        let transaction = self.open_server(flow, key, leg, Bytes::new(), false);
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.reoffer = Some(Reoffer {
                transaction,
                request: Box::new(request),
            });
        }
        let offer = Some(offer);
        self.tell(SessionEvent::Reoffer { leg, offer });
    }

    /// Our answer to an UPDATE of a fork is the newest word of that fork.
    pub(super) fn renew_early(&mut self, leg: LegId, request: &Message) {
        let from = request.headers.from().ok();
        let tag = from.as_ref().and_then(|from| from.tag());
        if let Some(session) = self.sessions.get_mut(&leg)
            && let Some(early) = tag.and_then(|tag| session.early.get_mut(tag))
        {
            early.dialog.refresh(request);
            early.answer = request.sdp();
        }
    }

    /// The INVITE is over, and with it what was offered while it was open.
    pub(super) fn drop_early_reoffer(&mut self, leg: LegId) {
        let early = self.sessions.get(&leg).is_some_and(|session| {
            matches!(
                session.phase,
                Phase::Offered { .. } | Phase::Inviting { .. }
            ) && session.reoffer.is_some()
        });
        if early {
            self.drop_reoffer(leg);
        }
    }
}
