//! Our requests: the responses to them, and what follows of those.

use super::answer_challenge::prove_as;
use super::egress::add_reason;
use super::{Alarm, Endpoint, EndpointEvent, SessionEvent};
use crate::id::LegId;
use crate::limits;
use crate::sip::flow::Flow;
use crate::sip::header::{CSeq, Name};
use crate::sip::message::{Message, Method};
use crate::sip::session::Cause;
use crate::sip::session::sent::Errand;
use crate::sip::session::state::{Phase, SessionTimer};
use crate::sip::transaction::table::{Key, Owner, TransactionId};
use crate::sip::transaction::timer::T1_64;
use crate::sip::uri::Uri;

impl Endpoint {
    /// Takes a response. One that answers nothing of ours is dropped (RFC 3261 18.1.2).
    pub(super) fn handle_response(&mut self, flow: Flow, response: &Message) {
        let headers = &response.headers;
        let (Ok(via), Ok(cseq), Some(status)) =
            (headers.top_via(), headers.cseq(), response.status())
        else {
            return;
        };
        let key = Key::Client {
            branch: via.branch().unwrap_or_default().to_owned(),
            method: cseq.method.as_str().to_owned(),
        };
        let Some((id, owner)) = self.transactions.find(&key) else {
            return;
        };
        let invite = cseq.method == Method::Invite;
        let ack = match owner {
            Owner::Leg(leg) if invite && status >= 300 => self
                .invite_of(leg, id)
                .map(|invite| ack_to_refusal(invite, response).to_bytes()),
            Owner::Leg(_)
            | Owner::Registration(_)
            | Owner::Subscription(_)
            | Owner::Probe(_)
            | Owner::Binding(_) => None,
        };
        let now = self.now.mono;
        if !self.transactions.handle_response(now, id, status, ack) {
            return;
        }
        match owner {
            Owner::Leg(leg) if self.is_errand(leg, id) => self.handle_errand(leg, id, response),
            Owner::Leg(leg) if invite => match status {
                0..200 => self.handle_provisional(leg, id, response, status),
                200..300 => self.handle_success(leg, flow, response),
                300.. if self.invite_again(leg, id, response) => {}
                300.. => self.handle_refusal(leg, status, redirections(response)),
            },
            Owner::Leg(leg) if status >= 300 => self.handle_notify_failure(leg, id),
            Owner::Leg(_) => {}
            Owner::Registration(id) => self.handle_registration_response(id, response),
            Owner::Subscription(one) => self.handle_notified(one, id, status),
            Owner::Binding(_) if status < 200 => {}
            Owner::Binding(id) => self.handle_echo(id, true),
            Owner::Probe(_) if status < 200 => {}
            Owner::Probe(id) => self.events.push_back(EndpointEvent::Probed {
                id,
                status: Some(status),
            }),
        }
    }

    fn handle_success(&mut self, leg: LegId, flow: Flow, response: &Message) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        if !matches!(session.phase, Phase::Inviting { .. }) {
            return self.handle_more_success(leg, response);
        }
        session.dialog = session.dialog.confirmed_by(response);
        session.phase = Phase::Talking;
        session.peer.note(response);
        session.interval.take_answer(&response.headers);
        // The answer of a provisional response that we acknowledged is the one that counts
        // (RFC 3262 5).
        let tag = session.dialog.remote_tag.clone().unwrap_or_default();
        let early = std::mem::take(&mut session.early).remove(&tag);
        let answer = early.and_then(|early| {
            session.dialog.remote_seq = early.dialog.remote_seq;
            early.answer
        });
        let answer = answer.or_else(|| response.sdp());
        session.remote.clone_from(&answer);
        self.timers
            .cancel(&Alarm::Session(leg, SessionTimer::GiveUp));
        self.acknowledge(leg, response);
        self.restart_interval(leg);
        let hung_up = self
            .sessions
            .get(&leg)
            .and_then(|session| session.hung_up.clone());
        if hung_up.is_some() {
            // It crossed our CANCEL: take it, then end it.
            return self.end_dialog(leg, hung_up.as_ref());
        }
        self.tell(SessionEvent::Answered {
            leg,
            answer,
            peer: flow.peer.ip(),
        });
        self.take_turn(leg);
    }

    /// The INVITE of a transaction: the one that is open, or a later one.
    fn invite_of(&self, leg: LegId, id: TransactionId) -> Option<&Message> {
        let session = self.sessions.get(&leg)?;
        if let Some(sent) = session.sent.get(&id) {
            return Some(&sent.request);
        }
        let open = matches!(session.phase, Phase::Inviting { invite, .. } if invite == id);
        session.invite.as_deref().filter(|_| open)
    }

    /// Sends the first ACK to the 2xx that made the dialog.
    fn acknowledge(&mut self, leg: LegId, response: &Message) {
        let number = response.headers.cseq().map_or(0, |cseq| cseq.number);
        let Some(session) = self.sessions.get(&leg) else {
            return;
        };
        let flow = session.flow;
        let mut ack = session.dialog.ack(number);
        if let Some(invite) = &session.invite {
            prove_as(&mut ack, invite);
        }
        self.sign(&flow, &mut ack);
        let bytes = ack.to_bytes();
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.ack = Some(bytes.clone());
        }
        self.flush();
        self.transmit(flow, bytes, None);
    }

    /// A 2xx after the first: a repetition wants its ACK again; another fork wants an ACK and a
    /// BYE (RFC 3261 13.2.2.4).
    fn handle_more_success(&mut self, leg: LegId, response: &Message) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let flow = session.flow;
        let tag = response.headers.to().ok();
        let tag = tag.as_ref().and_then(|to| to.tag());
        if session.dialog.remote_tag.as_deref() == tag {
            if let Some(ack) = session.ack.clone() {
                self.transmit(flow, ack, None);
            }
            return;
        }
        let number = response.headers.cseq().map_or(0, |cseq| cseq.number);
        let mut fork = session.dialog.confirmed_by(response);
        let known = session.forks.contains(tag.unwrap_or_default());
        if !known && session.forks.len() >= limits::SIP_FORKS {
            return;
        }
        session.forks.insert(tag.unwrap_or_default().to_owned());
        let mut ack = fork.ack(number);
        if let Some(invite) = &session.invite {
            prove_as(&mut ack, invite);
        }
        self.sign(&flow, &mut ack);
        self.transmit(flow, ack.to_bytes(), None);
        if !known {
            let bye = fork.request(Method::Bye);
            self.errand(leg, Errand::Bye { again: true }, bye);
        }
    }

    fn handle_refusal(&mut self, leg: LegId, status: u16, contacts: Vec<Uri>) {
        self.drop_early_reoffer(leg);
        self.timers
            .cancel(&Alarm::Session(leg, SessionTimer::GiveUp));
        self.tell_unless_hung_up(
            leg,
            SessionEvent::Rejected {
                leg,
                code: status,
                contacts,
            },
        );
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.phase = Phase::Over;
        }
    }

    /// Our INVITE ended without a final response.
    pub(super) fn handle_no_response(&mut self, leg: LegId, status: u16) {
        let is_open = self
            .sessions
            .get(&leg)
            .is_some_and(|session| matches!(session.phase, Phase::Inviting { .. }));
        if is_open {
            self.handle_refusal(leg, status, Vec::new());
        }
    }

    /// Takes our INVITE back, once (RFC 3261 9.1).
    pub(super) fn send_cancel(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let Phase::Inviting { cancelled, .. } = &mut session.phase else {
            return;
        };
        let (false, Some(invite)) = (std::mem::replace(cancelled, true), &session.invite) else {
            return;
        };
        let invite = invite.clone();
        let cause = session.hung_up.clone();
        self.send_cancel_of(leg, &invite, cause.as_ref());
        let give_up = Alarm::Session(leg, SessionTimer::GiveUp);
        self.timers.set(give_up, self.now.mono + T1_64);
    }

    /// Sends the CANCEL of an INVITE, by the way that one went.
    pub(super) fn send_cancel_of(&mut self, leg: LegId, invite: &Message, cause: Option<&Cause>) {
        let Some(session) = self.sessions.get(&leg) else {
            return;
        };
        let flow = session.flow;
        let cancel = cancel_of(invite, cause);
        let key = Key::Client {
            branch: cancel
                .headers
                .top_via()
                .ok()
                .and_then(|via| via.branch().map(str::to_owned))
                .unwrap_or_default(),
            method: Method::Cancel.as_str().to_owned(),
        };
        let now = self.now.mono;
        let owner = Owner::Leg(leg);
        let bytes = cancel.to_bytes();
        let id = self
            .transactions
            .open_client(now, key, flow, owner, bytes, false);
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.open.insert(id);
        }
    }
}

/// Where a redirection leads (RFC 3261 8.1.3.4).
fn redirections(response: &Message) -> Vec<Uri> {
    if !matches!(response.status(), Some(300..400)) {
        return Vec::new();
    }
    let contacts = response.headers.contacts().unwrap_or_default();
    let contacts = contacts.into_iter().take(limits::REDIRECTION_CONTACTS);
    contacts.map(|contact| contact.uri).collect()
}

/// The ACK to a refusal: the INVITE's own Via and route, the To of the refusal (RFC 3261 17.1.1.3).
fn ack_to_refusal(invite: &Message, response: &Message) -> Message {
    let mut ack = same_hop(invite, Method::Ack);
    if let Some(to) = response.headers.get(&Name::To) {
        ack.headers.set(Name::To, to.clone());
    }
    ack
}

fn cancel_of(invite: &Message, cause: Option<&Cause>) -> Message {
    let mut cancel = same_hop(invite, Method::Cancel);
    add_reason(&mut cancel, cause);
    cancel
}

/// A request that goes the way of the INVITE: its URI, topmost Via, route, and identity.
fn same_hop(invite: &Message, method: Method) -> Message {
    let mut request = match invite.uri() {
        Some(uri) => Message::request(method.clone(), uri.clone()),
        None => return invite.clone(),
    };
    for field in invite.headers.iter() {
        let kept = [
            Name::Via,
            Name::MaxForwards,
            Name::Route,
            Name::From,
            Name::To,
            Name::CallId,
        ];
        if kept.contains(&field.name) {
            request
                .headers
                .push(field.name.clone(), field.value.clone());
        }
    }
    let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
    let cseq = CSeq { number, method };
    request.headers.push(Name::CSeq, cseq.to_value());
    request
}
