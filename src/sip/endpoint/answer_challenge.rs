//! Our answers to a carrier's 401 and 407 (RFC 3261 22.2, 22.3).
//!
//! Only a trunk with an account is answered, only in the realm it named first, and no request more
//! than twice. A phone that challenges us is refused: it has no business with our passwords.

use bytes::Bytes;

use super::errand::PROOFS;
use super::{DigestAccount, Endpoint};
use crate::id::LegId;
use crate::limits;
use crate::sip::auth::answer::{Challenge, Subject};
use crate::sip::header::{CSeq, Name};
use crate::sip::message::{Message, Method};
use crate::sip::session::sent::Errand;
use crate::sip::session::state::Phase;
use crate::sip::transaction::table::{Owner, TransactionId};

impl Endpoint {
    /// Sends a challenged request inside a dialog again; false when the challenge is a refusal.
    pub(super) fn answer_challenge(
        &mut self,
        leg: LegId,
        id: TransactionId,
        response: &Message,
    ) -> bool {
        let answers = self
            .sessions
            .get(&leg)
            .and_then(|session| session.sent.get(&id))
            .map_or(u8::MAX, |sent| sent.answers);
        if !self.take_challenge(leg, answers, response) {
            return false;
        }
        let Some(session) = self.sessions.get_mut(&leg) else {
            return false;
        };
        let Some(sent) = session.sent.remove(&id) else {
            return false;
        };
        let ours = session.ours == Some(id);
        let number = session.dialog.next_number();
        let request = anew(&sent.request, number);
        if session.hung_up.is_some() && !matches!(sent.errand, Errand::Bye { .. }) {
            return true;
        }
        let again = self.send_errand(leg, sent.errand, request, answers + 1);
        if let Some(session) = self.sessions.get_mut(&leg)
            && ours
        {
            session.ours = again;
        }
        true
    }

    /// Sends our INVITE again where its refusal says how (RFC 3261 22.2, RFC 4028 7.3); false when
    /// it is final.
    pub(super) fn invite_again(
        &mut self,
        leg: LegId,
        id: TransactionId,
        response: &Message,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return false;
        };
        let current = matches!(session.phase, Phase::Inviting { invite, .. } if invite == id);
        if !current || session.hung_up.is_some() {
            return false;
        }
        let answers = session.answers;
        let again = match response.status() {
            Some(401 | 407) => self.take_challenge(leg, answers, response),
            Some(422) => session.interval.widen(&response.headers),
            Some(_) | None => false,
        };
        let Some(session) = self.sessions.get_mut(&leg) else {
            return false;
        };
        let (true, Some(invite)) = (again, session.invite.take()) else {
            return false;
        };
        session.answers = session.answers.saturating_add(1);
        let number = session.dialog.next_number();
        let mut request = anew(&invite, number);
        session.interval.ask(&mut request.headers, true);
        session.early.clear();
        let flow = session.flow;
        self.prove(leg, &mut request);
        let invite = self.send_request(Owner::Leg(leg), flow, &mut request);
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.invite = Some(Box::new(request));
            session.phase = Phase::Inviting {
                invite,
                proceeding: false,
                cancelled: false,
            };
        }
        true
    }

    /// Takes the challenge of a response to a request for which `answers` were answered before.
    fn take_challenge(&mut self, leg: LegId, answers: u8, response: &Message) -> bool {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return false;
        };
        let Some(trunk) = session.party.trunk.clone() else {
            return false;
        };
        let mut trunks = self.directory.trunks.iter();
        let known = trunks.any(|entry| entry.name == trunk && entry.account.is_some());
        if !known || answers >= limits::DIGEST_ANSWERS {
            return false;
        }
        let (asks, proves) = if response.status() == Some(401) {
            (Name::WwwAuthenticate, Name::Authorization)
        } else {
            (Name::ProxyAuthenticate, Name::ProxyAuthorization)
        };
        let realm = self.realms.get(&trunk);
        let given = response.headers.credentials(&asks);
        let given = given
            .filter(|given| realm.is_none_or(|realm| given.get("realm") == Some(realm.as_str())));
        let Some((challenge, stale)) = Challenge::choose(given) else {
            return false;
        };
        // With stale=true the password was right and only the nonce too old.
        if answers > 0 && !stale {
            return false;
        }
        self.realms
            .entry(trunk)
            .or_insert_with(|| challenge.realm().to_owned());
        session.challenges.retain(|(field, _)| *field != proves);
        session.challenges.push((proves, challenge));
        true
    }

    /// Proves who we are where the peer of a session asked for it before.
    pub(super) fn prove(&mut self, leg: LegId, request: &mut Message) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        if session.challenges.is_empty() {
            return;
        }
        let trunk = session.party.trunk.as_ref();
        let mut trunks = self.directory.trunks.iter();
        let entry = trunks.find(|entry| Some(&entry.name) == trunk);
        let Some(DigestAccount { user, password }) = entry.and_then(|it| it.account.as_ref())
        else {
            return;
        };
        let (Some(method), Some(uri)) = (request.method().cloned(), request.uri().cloned()) else {
            return;
        };
        for (field, challenge) in &mut session.challenges {
            let subject = Subject {
                method: method.as_str(),
                uri: uri.as_str(),
                body: &request.body,
            };
            let value = challenge.answer(user, password, subject, &mut self.rng);
            request.headers.set(field.clone(), Bytes::from(value));
        }
    }
}

/// The same request once more: another CSeq, no Via and no proof yet.
fn anew(request: &Message, number: u32) -> Message {
    let mut again = request.clone();
    again.headers.remove(&Name::Via);
    for proof in &PROOFS {
        again.headers.remove(proof);
    }
    let method = request.method().cloned().unwrap_or(Method::Options);
    again
        .headers
        .set(Name::CSeq, CSeq { number, method }.to_value());
    again
}

/// Gives an ACK the proofs of its INVITE: nobody can challenge it (RFC 3261 22.1).
pub(super) fn prove_as(ack: &mut Message, invite: &Message) {
    for proof in &PROOFS {
        for value in invite.headers.all(proof) {
            ack.headers.push(proof.clone(), value.clone());
        }
    }
}
