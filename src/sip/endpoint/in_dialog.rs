//! A peer's requests inside a dialog: BYE, re-INVITE, UPDATE, INFO, OPTIONS.

use bytes::Bytes;

use super::egress::{ALLOW, SDP};
use super::stateless::{Extra, RETRY_AFTER, SUPPORTED, abilities};
use super::{Endpoint, SessionEvent};
use crate::id::LegId;
use crate::sip::flow::Flow;
use crate::sip::header::Name;
use crate::sip::message::{Message, Method};
use crate::sip::session::interval::Interval;
use crate::sip::session::state::{Party, Phase, Reoffer};
use crate::sip::transaction::table::{Key, Owner, TransactionId};
use crate::words::Rel100;

impl Endpoint {
    /// Takes a request with a To tag that is no repetition.
    pub(super) fn handle_in_dialog(
        &mut self,
        flow: Flow,
        party: &Party,
        key: Key,
        request: Message,
    ) {
        let Some(leg) = self.find_dialog(party, &request) else {
            return self.refuse(&flow, &request, 481, &[]);
        };
        // A BYE frees more than it takes.
        if self.transactions.is_full() && request.method() != Some(&Method::Bye) {
            self.counters.refused.full += 1;
            let extra = [(Name::RetryAfter, RETRY_AFTER.into())];
            return self.refuse(&flow, &request, 503, &extra);
        }
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        if matches!(session.phase, Phase::Inviting { .. }) {
            return self.handle_early(flow, key, leg, request);
        }
        if session.dialog.remote_seq.is_some_and(|last| number <= last) {
            // RFC 3261 12.2.2: out of order.
            return self.refuse(&flow, &request, 500, &[]);
        }
        session.dialog.remote_seq = Some(number);
        // A phone behind NAT may come back by another flow; what follows goes there. A carrier that
        // speaks from several addresses listens where it did.
        let moved = session.flow.peer != flow.peer;
        if session.party.trunk.is_none() || session.party.address == party.address {
            session.flow = flow;
        }
        match request.method() {
            Some(Method::Bye) => self.handle_bye(flow, key, leg, request),
            Some(Method::Invite | Method::Update) => {
                self.handle_reoffer(flow, key, leg, request, moved);
            }
            Some(Method::Prack) => self.handle_prack(flow, key, leg, request),
            Some(Method::Options) => self.answer(flow, key, leg, &request, 200, &abilities()),
            Some(Method::Info) => self.handle_info(flow, key, leg, &request),
            Some(Method::Refer) => self.handle_refer(flow, key, leg, request),
            Some(_) | None => {
                let allow = [(Name::Allow, ALLOW.into())];
                self.answer(flow, key, leg, &request, 405, &allow);
            }
        }
    }

    /// Opens a server transaction of a session; `first` is sent at once.
    pub(super) fn open_server(
        &mut self,
        flow: Flow,
        key: Key,
        leg: LegId,
        first: Bytes,
        invite: bool,
    ) -> TransactionId {
        let id =
            self.transactions
                .open_server(self.now.mono, key, flow, Owner::Leg(leg), first, invite);
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.open.insert(id);
        }
        id
    }

    /// Answers a request at once.
    pub(super) fn answer(
        &mut self,
        flow: Flow,
        key: Key,
        leg: LegId,
        request: &Message,
        status: u16,
        extra: &[Extra],
    ) {
        let invite = request.method() == Some(&Method::Invite);
        let id = self.open_server(flow, key, leg, Bytes::new(), invite);
        let mut response = self.response(leg, request, status);
        for (name, value) in extra {
            response.headers.push(name.clone(), value.clone());
        }
        self.respond(id, &response);
    }

    fn handle_bye(&mut self, flow: Flow, key: Key, leg: LegId, request: Message) {
        self.drop_reoffer(leg);
        self.stop_waiting_for_ack(leg);
        self.stop_keeping(leg);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        match &mut session.phase {
            Phase::Talking if session.hung_up.is_some() => {
                // Ours waited for an ACK; now there is nothing left to say.
                session.phase = Phase::Over;
                self.answer(flow, key, leg, &request, 200, &[]);
            }
            Phase::Talking => {
                let bye = self.open_server(flow, key, leg, Bytes::new(), false);
                if let Some(session) = self.sessions.get_mut(&leg) {
                    session.phase = Phase::Leaving {
                        bye,
                        request: Box::new(request),
                    };
                }
                self.tell(SessionEvent::Bye { leg });
            }
            // A caller may end an early dialog this way (RFC 3261 15): to the call it is a CANCEL.
            Phase::Offered { cancelled, .. } => {
                let first = !std::mem::replace(cancelled, true);
                if self.end_while_accepting(leg) {
                    return self.answer(flow, key, leg, &request, 200, &[]);
                }
                self.answer(flow, key, leg, &request, 200, &[]);
                if first {
                    let elsewhere = false;
                    self.tell_unless_hung_up(leg, SessionEvent::Cancelled { leg, elsewhere });
                }
            }
            Phase::Leaving { .. } | Phase::Over | Phase::Inviting { .. } => {
                self.answer(flow, key, leg, &request, 200, &[]);
            }
        }
    }

    /// A re-INVITE or an UPDATE; `moved` when it comes from another address than the last request.
    fn handle_reoffer(&mut self, flow: Flow, key: Key, leg: LegId, request: Message, moved: bool) {
        let invite = request.method() == Some(&Method::Invite);
        let offer = request.sdp();
        if let Some((status, extra)) = self.object_to_reoffer(leg, &request) {
            return self.answer(flow, key, leg, &request, status, &extra);
        }
        if !invite && offer.is_none() {
            return self.accept_refresh(flow, key, leg, &request);
        }
        let first = if invite {
            Message::response_to(&request, 100).to_bytes()
        } else {
            Bytes::new()
        };
        let transaction = self.open_server(flow, key, leg, first, invite);
        let reoffer = Reoffer {
            transaction,
            request: Box::new(request),
        };
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        // The same again only keeps the session alive (RFC 4028 7.4): nothing changes.
        let same = !moved && session.stands() && offer.is_some() && offer == session.remote;
        if let Some(local) = session.local.clone().filter(|_| same) {
            return self.accept_reoffer(leg, &reoffer, local);
        }
        session.reoffer = Some(reoffer);
        self.tell_unless_hung_up(leg, SessionEvent::Reoffer { leg, offer });
    }

    /// Why a re-INVITE or an UPDATE cannot be taken now, or not as it is.
    fn object_to_reoffer(&mut self, leg: LegId, request: &Message) -> Option<(u16, Vec<Extra>)> {
        let invite = request.method() == Some(&Method::Invite);
        let wait = self.rng.below(10).to_string();
        let session = self.sessions.get(&leg)?;
        let open = session.reoffer.as_ref();
        let update_open = open.is_some_and(|it| it.request.method() == Some(&Method::Update));
        // An UPDATE without an offer only refreshes, and meets nothing but another UPDATE.
        let bare = !invite && request.sdp().is_none() && !update_open;
        let status = match &session.phase {
            Phase::Talking if session.hung_up.is_some() => Some(481),
            Phase::Talking if bare => None,
            // RFC 3261 14.2, RFC 3311 5.2: one is still being answered.
            Phase::Talking if open.is_some() => Some(500),
            // Our 2xx may hold an offer of ours that waits for its answer, or a request does.
            Phase::Talking if session.unacked.is_some() || session.offers() => Some(491),
            Phase::Talking => None,
            Phase::Offered { .. } if bare => None,
            Phase::Offered { .. } if !invite && self.early_offer_fits(leg) => None,
            Phase::Offered { .. } | Phase::Inviting { .. } => Some(500),
            Phase::Leaving { .. } | Phase::Over => Some(481),
        };
        match status {
            Some(500) => return Some((500, vec![(Name::RetryAfter, wait.into())])),
            Some(status) => return Some((status, Vec::new())),
            None => {}
        }
        if session.rules.rel100 == Rel100::Off
            && let Some((status, extra)) = self.object_to_rel100(Rel100::Off, request)
        {
            return Some((status, vec![extra]));
        }
        let least = Interval::objection(&request.headers)?;
        Some((422, vec![(Name::MinSe, least.into())]))
    }

    /// An UPDATE without an offer refreshes the target and the interval.
    fn accept_refresh(&mut self, flow: Flow, key: Key, leg: LegId, request: &Message) {
        let id = self.open_server(flow, key, leg, Bytes::new(), false);
        let mut response = self.response(leg, request, 200);
        response.headers.push(Name::Contact, self.contact(&flow));
        response.headers.push(Name::Allow, ALLOW);
        self.take_reoffer(leg, request, &mut response);
        self.respond(id, &response);
    }

    /// What a peer's re-INVITE or UPDATE says besides its offer.
    fn take_reoffer(&mut self, leg: LegId, request: &Message, response: &mut Message) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        session.dialog.refresh(request);
        session.peer.note(request);
        let supported = SUPPORTED.join(", ");
        response.headers.push(Name::Supported, supported);
        if session.stands() {
            self.agree_interval(leg, request, response, false);
        }
    }

    /// A reoffer, or a REFER, that nobody will answer any more (RFC 3261 15.1.2).
    pub(super) fn drop_reoffer(&mut self, leg: LegId) {
        self.drop_referral(leg);
        let reoffer = self
            .sessions
            .get_mut(&leg)
            .and_then(|session| session.reoffer.take());
        if let Some(reoffer) = reoffer {
            let response = self.response(leg, &reoffer.request, 487);
            self.respond(reoffer.transaction, &response);
        }
    }

    /// Answers a reoffer with SDP.
    pub(super) fn accept_reoffer(&mut self, leg: LegId, reoffer: &Reoffer, answer: Bytes) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let flow = session.flow;
        let method = reoffer.request.method();
        session.local = Some(answer.clone());
        if let Some(offer) = reoffer.request.sdp() {
            session.remote = Some(offer);
        }
        self.renew_early(leg, &reoffer.request);
        let mut response = self.response(leg, &reoffer.request, 200);
        response.headers.push(Name::Contact, self.contact(&flow));
        response.headers.push(Name::Allow, ALLOW);
        if method != Some(&Method::Prack) {
            self.take_reoffer(leg, &reoffer.request, &mut response);
        }
        response.set_body(SDP, answer);
        self.respond(reoffer.transaction, &response);
        if method == Some(&Method::Invite) {
            self.await_ack(leg, &reoffer.request, &response, false);
        }
        self.take_turn(leg);
    }
}
