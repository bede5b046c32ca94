//! Our re-INVITEs and UPDATEs in a session that stands (RFC 3261 14.1, RFC 3311 5).
//!
//! ```text
//!  an offer, a refresh due
//!           │
//!      ┌────▼───┐ nothing else is open   ┌──────┐ 2xx, a refusal
//!  ┌──►│ pending├───────────────────────►│ ours ├────────────────► told
//!  │   └────▲───┘                        └──┬─┬─┘
//!  │        │ 491, 500 or 503 with Retry-After│ 408, 481, nobody answers
//!  │        └───────────────────────────────┘ └────────► BYE, failed
//! ```
//!
//! One at a time: an offer that is not sent yet gives way to a newer one.

use bytes::Bytes;

use super::answer_challenge::prove_as;
use super::egress::{ALLOW, SDP};
use super::stateless::SUPPORTED;
use super::{Alarm, Endpoint, SessionEvent};
use crate::id::{LegId, Origin};
use crate::limits;
use crate::sip::header::Name;
use crate::sip::message::{Message, Method};
use crate::sip::session::Cause;
use crate::sip::session::sent::{Errand, Turn, Want};
use crate::sip::session::state::SessionTimer;
use crate::sip::transaction::table::TransactionId;
use crate::sip::transaction::timer::{T1_64, T2};
use crate::time::Duration;

/// The peer does not know the dialog, or says nothing.
const GONE: Cause = Cause {
    sip: 408,
    q850: Some(102),
    text: "no answer in the session",
};

impl Endpoint {
    /// Offers a new description.
    pub(super) fn reoffer(&mut self, leg: LegId, offer: Bytes) {
        if offer.is_empty() {
            return;
        }
        self.want(leg, Want::Offer(offer));
    }

    /// Lets a want wait for its turn, which may be now. An offer refreshes too.
    pub(super) fn want(&mut self, leg: LegId, want: Want) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let keeps = want == Want::Refresh && session.pending.is_some();
        if session.hung_up.is_some() || keeps {
            return;
        }
        session.pending = Some(Turn { want, tries: 0 });
        self.take_turn(leg);
    }

    /// Sends what waits, if nothing else of either side is open.
    pub(super) fn take_turn(&mut self, leg: LegId) {
        let later = Alarm::Session(leg, SessionTimer::Again);
        let put_off = self.timers.due(&later).is_some();
        let cut_off = self.is_cut_off(leg);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let busy = session.ours.is_some() || session.reoffer.is_some() || session.unacked.is_some();
        if put_off || busy || !session.stands() {
            return;
        }
        if cut_off && session.pending.is_some() {
            // The peer may be back on another connection soon; until then there is no way to it.
            return self.timers.set(later, self.now.mono + T2);
        }
        let Some(turn) = session.pending.take() else {
            return;
        };
        let (method, body) = match &turn.want {
            Want::Offer(offer) => (Method::Invite, Some(offer.clone())),
            Want::Refresh if session.peer.update => (Method::Update, None),
            // The same description again: its version stays, so nothing changes (RFC 4028 7.4).
            Want::Refresh => (Method::Invite, session.local.clone()),
        };
        let invite = method == Method::Invite;
        let mut request = session.dialog.request(method);
        session.interval.ask(&mut request.headers, false);
        let flow = session.flow;
        request.headers.push(Name::Contact, self.contact(&flow));
        request.headers.push(Name::Allow, ALLOW);
        request.headers.push(Name::Supported, SUPPORTED.join(", "));
        if let Some(body) = body {
            request.set_body(SDP, body);
        }
        let id = self.errand(leg, Errand::Turn(turn), request);
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.ours = id;
        }
        if invite {
            let stuck = Alarm::Session(leg, SessionTimer::Stuck);
            self.timers.set(stuck, self.now.mono + T1_64);
        }
    }

    /// The final response to an offer or a refresh of ours.
    pub(super) fn turn_answered(
        &mut self,
        leg: LegId,
        id: TransactionId,
        turn: Turn,
        status: u16,
        response: &Message,
    ) {
        if status < 300 {
            return self.turn_accepted(leg, id, turn, response);
        }
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let update = session
            .sent
            .remove(&id)
            .is_some_and(|sent| sent.request.method() == Some(&Method::Update));
        let wait = response.headers.retry_after();
        let wait = wait.map(|wait| Duration::from_secs(u64::from(wait)));
        let soon = wait.filter(|wait| *wait <= limits::REOFFER_LATER);
        let after = match (status, soon) {
            (491, _) => Some(self.glare_wait(leg)),
            (500 | 503, Some(wait)) => Some(wait),
            (405 | 501, _) if update => {
                session.peer.update = false;
                Some(Duration::ZERO)
            }
            (422, _) if session.interval.widen(&response.headers) => Some(Duration::ZERO),
            _ => None,
        };
        match after {
            Some(after) if turn.tries < limits::REOFFER_TRIES => self.put_off(leg, id, turn, after),
            Some(_) | None => self.turn_failed(leg, id, turn, status),
        }
    }

    fn turn_accepted(&mut self, leg: LegId, id: TransactionId, turn: Turn, response: &Message) {
        let number = response.headers.cseq().map_or(0, |cseq| cseq.number);
        self.clear_turn(leg, id);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        session.dialog.refresh(response);
        session.peer.note(response);
        session.interval.take_answer(&response.headers);
        let flow = session.flow;
        let mut ack = session.dialog.ack(number);
        let invite = session
            .sent
            .get(&id)
            .filter(|sent| sent.request.method() == Some(&Method::Invite));
        if let Some(sent) = invite {
            prove_as(&mut ack, &sent.request);
            self.sign(&flow, &mut ack);
            let bytes = ack.to_bytes();
            self.transmit(flow, bytes.clone(), None);
            if let Some(session) = self.sessions.get_mut(&leg)
                && let Some(sent) = session.sent.get_mut(&id)
            {
                sent.ack = Some(bytes);
            }
        } else {
            session.sent.remove(&id);
        }
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        if !session.stands() {
            return;
        }
        let answer = response.sdp();
        let news = match turn.want {
            Want::Offer(offer) => {
                session.local = Some(offer);
                true
            }
            // A refresh that met another description is news all the same.
            Want::Refresh => answer.is_some() && answer != session.remote,
        };
        if answer.is_some() {
            session.remote.clone_from(&answer);
        }
        self.restart_interval(leg);
        if news {
            let answer = Ok(answer);
            self.tell(SessionEvent::ReofferAnswered { leg, answer });
        }
        self.take_turn(leg);
    }

    /// An offer or a refresh of ours that is refused for good, or that nobody answers.
    pub(super) fn turn_failed(&mut self, leg: LegId, id: TransactionId, turn: Turn, status: u16) {
        self.clear_turn(leg, id);
        let Some(session) = self.sessions.get(&leg) else {
            return;
        };
        if !session.stands() {
            return;
        }
        match (turn.want, status) {
            (_, 408 | 481) => self.lose(leg, &GONE),
            // The stream broke: the peer may come back before the interval is over.
            (want, 503) if turn.tries < limits::REOFFER_TRIES => {
                let tries = turn.tries;
                let wait = self.glare_wait(leg);
                self.put_off(leg, id, Turn { want, tries }, wait);
            }
            (Want::Offer(_), status) => {
                let answer = Err(status);
                self.tell(SessionEvent::ReofferAnswered { leg, answer });
                self.take_turn(leg);
            }
            (Want::Refresh, _) => self.refresh_refused(leg),
        }
    }

    /// Tries again after a while.
    fn put_off(&mut self, leg: LegId, id: TransactionId, turn: Turn, after: Duration) {
        self.clear_turn(leg, id);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        if !session.stands() {
            return;
        }
        let turn = Turn {
            tries: turn.tries.saturating_add(1),
            want: turn.want,
        };
        // An offer that was asked for meanwhile is the newer one; a refresh is part of any offer.
        if !matches!(&session.pending, Some(newer) if matches!(newer.want, Want::Offer(_))) {
            session.pending = Some(turn);
        }
        let later = Alarm::Session(leg, SessionTimer::Again);
        self.timers.set(later, self.now.mono + after);
    }

    /// RFC 3261 14.1: who owns the Call-ID waits longer, so that the two do not meet again.
    fn glare_wait(&mut self, leg: LegId) -> Duration {
        let millis = match leg.origin {
            Origin::Outbound => 2_100 + 10 * self.rng.below(191),
            Origin::Inbound => 10 * self.rng.below(201),
        };
        Duration::from_millis(millis)
    }

    fn clear_turn(&mut self, leg: LegId, id: TransactionId) {
        if let Some(session) = self.sessions.get_mut(&leg)
            && session.ours == Some(id)
        {
            session.ours = None;
            self.timers
                .cancel(&Alarm::Session(leg, SessionTimer::Stuck));
        }
    }

    /// A provisional response to a request of ours inside a dialog.
    pub(super) fn errand_proceeds(&mut self, leg: LegId, id: TransactionId) {
        if let Some(session) = self.sessions.get_mut(&leg)
            && let Some(sent) = session.sent.get_mut(&id)
        {
            sent.proceeding = true;
        }
    }

    /// A re-INVITE of ours has waited too long: it is taken back, and given up if that is not
    /// answered either.
    pub(super) fn handle_stuck(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let Some(id) = session.ours else {
            return;
        };
        let Some(sent) = session.sent.get_mut(&id) else {
            return;
        };
        if !sent.proceeding {
            // Timer B is about to say so.
            return;
        }
        if std::mem::replace(&mut sent.cancelled, true) {
            return self.transactions.abandon(self.now.mono, id);
        }
        let invite = sent.request.clone();
        self.send_cancel_of(leg, &invite, None);
        let stuck = Alarm::Session(leg, SessionTimer::Stuck);
        self.timers.set(stuck, self.now.mono + T1_64);
    }
}
