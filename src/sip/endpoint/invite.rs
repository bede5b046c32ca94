//! A peer's INVITE outside a dialog, its CANCEL and the ACKs.

use subtle::ConstantTimeEq as _;

use super::{Alarm, Endpoint, SessionEvent};
use crate::id::{LegId, Origin, TrunkName};
use crate::sip::auth::Verdict;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::endpoint::stateless::RETRY_AFTER;
use crate::sip::flow::Flow;
use crate::sip::header::Name;
use crate::sip::identity::Identity;
use crate::sip::message::Message;
use crate::sip::session::interval::Interval;
use crate::sip::session::state::{Abilities, MergeKey, Party, Phase, Session, SessionTimer};
use crate::sip::session::{IncomingInvite, Source};
use crate::sip::transaction::table::{Key, Owner};

impl Endpoint {
    /// A new INVITE: from a trunk, or from an operator who proves it. Anybody else is challenged
    /// and never gets further.
    pub(super) fn handle_invite(&mut self, flow: Flow, party: &Party, key: Key, request: Message) {
        let Some(merge) = merge_key(&request) else {
            return;
        };
        if self.merges.contains_key(&merge) {
            return self.refuse(&flow, &request, 482, &[]);
        }
        let called = self.trunk_that_calls(&request);
        let (source, party) = match called.or(party.trunk.as_ref()).cloned() {
            Some(trunk) => {
                let party = Party {
                    trunk: Some(trunk.clone()),
                    ..party.clone()
                };
                (Source::Trunk(trunk), party)
            }
            None => match self.authenticate(&flow, &request, &Name::ProxyAuthorization) {
                Verdict::Silenced => return,
                Verdict::Challenged { stale, .. } => {
                    return self.challenge(&flow, &request, 407, stale);
                }
                Verdict::Accepted(operator) => {
                    let from = request.headers.from().ok();
                    let user = from.as_ref().and_then(|from| from.uri.user_decoded());
                    if user.as_deref() != Some(operator.as_str()) {
                        return self.refuse(&flow, &request, 403, &[]);
                    }
                    let party = Party {
                        operator: Some(operator.clone()),
                        ..party.clone()
                    };
                    (Source::Operator(operator), party)
                }
            },
        };
        let rules = self.rules_of(&party);
        if let Some((status, extra)) = self.object_to_rel100(rules.rel100, &request) {
            return self.refuse(&flow, &request, status, &[extra]);
        }
        if let Some(least) = Interval::objection(&request.headers) {
            return self.refuse(&flow, &request, 422, &[(Name::MinSe, least.into())]);
        }
        if self.transactions.is_full() {
            self.counters.refused.full += 1;
            let extra = [(Name::RetryAfter, RETRY_AFTER.into())];
            return self.refuse(&flow, &request, 503, &extra);
        }
        let replaces = match self.replaced_by(&source, &request) {
            Ok(replaces) => replaces,
            Err(status) => return self.refuse(&flow, &request, status, &[]),
        };
        let Some(mut invite) = read_invite(&request, flow, source) else {
            return self.refuse(&flow, &request, 400, &[]);
        };
        invite.replaces = replaces;
        self.open_inbound(flow, party, key, request, invite, merge);
    }

    /// The carrier that calls us by the Contact we registered with: nobody else was told its user.
    fn trunk_that_calls(&self, request: &Message) -> Option<&TrunkName> {
        let user = request.uri()?.user()?.as_bytes();
        let mut trunks = self.directory.trunks.iter();
        let found = trunks.find(|trunk| {
            let contact = trunk.contact_user.as_deref();
            contact.is_some_and(|contact| bool::from(contact.as_bytes().ct_eq(user)))
        });
        found.map(|trunk| &trunk.name)
    }

    fn open_inbound(
        &mut self,
        flow: Flow,
        party: Party,
        key: Key,
        request: Message,
        invite: IncomingInvite,
        merge: MergeKey,
    ) {
        let tag = self.rng.token(12);
        let Some(dialog) = Dialog::of_callee(&request, &tag) else {
            return self.refuse(&flow, &request, 400, &[]);
        };
        self.next_leg += 1;
        let leg = LegId {
            origin: Origin::Inbound,
            number: self.next_leg,
        };
        let rules = self.rules_of(&party);
        let reliable = self.reliable_for(rules.rel100, &request);
        let mut peer = Abilities::default();
        peer.note(&request);
        let trying = Message::response_to(&request, 100).to_bytes();
        let id =
            self.transactions
                .open_server(self.now.mono, key, flow, Owner::Leg(leg), trying, true);
        let phase = Phase::Offered {
            invite: id,
            request: Box::new(request),
            cancelled: false,
            progress: None,
        };
        self.dialogs.insert(dialog.key.clone(), leg);
        self.merges.insert(merge.clone(), leg);
        let mut session = Session::new(phase, dialog, flow, party, rules);
        session.binding = self.binding_of_party(&session, &flow);
        session.peer = peer;
        session.reliable = reliable;
        session.remote.clone_from(&invite.offer);
        session.merge = Some(merge);
        session.open.insert(id);
        self.sessions.insert(leg, session);
        self.tell(SessionEvent::Incoming {
            leg,
            invite: Box::new(invite),
        });
    }

    /// CANCEL is answered for itself (RFC 3261 9.2). It matches by branch and sender, so nobody
    /// cancels another's INVITE.
    pub(super) fn handle_cancel(&mut self, flow: Flow, key: &Key, request: &Message) {
        let Some((id, Owner::Leg(leg))) = self.transactions.find(key) else {
            return self.refuse(&flow, request, 481, &[]);
        };
        let response = self.response(leg, request, 200);
        self.transmit(flow, response.to_bytes(), None);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let elsewhere = request
            .headers
            .reasons()
            .any(|reason| reason.protocol.eq_ignore_ascii_case("SIP") && reason.cause == Some(200));
        match &mut session.phase {
            Phase::Offered {
                invite, cancelled, ..
            } if *invite == id && !*cancelled => {
                *cancelled = true;
                if self.end_while_accepting(leg) {
                    return;
                }
                self.timers
                    .cancel(&Alarm::Session(leg, SessionTimer::Progress));
                self.tell_unless_hung_up(leg, SessionEvent::Cancelled { leg, elsewhere });
            }
            // A reoffer that its sender takes back.
            Phase::Talking => {
                let reoffer = session.reoffer.take_if(|reoffer| reoffer.transaction == id);
                if let Some(reoffer) = reoffer {
                    let response = self.response(leg, &reoffer.request, 487);
                    self.respond(id, &response);
                    self.take_turn(leg);
                }
            }
            Phase::Offered { .. }
            | Phase::Inviting { .. }
            | Phase::Leaving { .. }
            | Phase::Over => {}
        }
    }

    /// An ACK belongs to a transaction when it follows a refusal, and to a dialog when it follows a
    /// 2xx. One that belongs to nothing is dropped.
    pub(super) fn handle_ack(&mut self, party: &Party, key: &Key, request: &Message) {
        if let Some((id, _)) = self.transactions.find(key)
            && !self.transactions.handle_ack(self.now.mono, id)
        {
            return;
        }
        let Some(leg) = self.find_dialog(party, request) else {
            return;
        };
        let number = request.headers.cseq().map(|cseq| cseq.number);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let unacked = session.unacked.take_if(|unacked| number == Ok(unacked.seq));
        let Some(unacked) = unacked else {
            return;
        };
        let hung_up = session.hung_up.clone();
        for timer in [SessionTimer::Repeat2xx, SessionTimer::NoAck] {
            self.timers.cancel(&Alarm::Session(leg, timer));
        }
        if hung_up.is_some() {
            return self.end_dialog(leg, hung_up.as_ref());
        }
        let answer = request.sdp().filter(|_| unacked.offered);
        if answer.is_some() {
            session.remote.clone_from(&answer);
        }
        if unacked.initial || answer.is_some() {
            self.tell(SessionEvent::Confirmed { leg, answer });
        }
        self.take_turn(leg);
    }

    /// The session of a request inside a dialog: Call-ID, both tags and the sender must fit.
    pub(super) fn find_dialog(&self, party: &Party, request: &Message) -> Option<LegId> {
        let headers = &request.headers;
        let key = DialogKey {
            call_id: headers.call_id().ok()?.to_owned(),
            local_tag: headers.to().ok()?.tag()?.to_owned(),
        };
        let leg = *self.dialogs.get(&key)?;
        let session = self.sessions.get(&leg)?;
        let from = headers.from().ok()?;
        let fits = match &session.phase {
            // The peer's tag is not known before its 2xx.
            Phase::Inviting { .. } => true,
            Phase::Offered { .. } | Phase::Talking | Phase::Leaving { .. } | Phase::Over => {
                session.dialog.remote_tag.as_deref() == from.tag()
            }
        };
        (fits && session.party.admits(party)).then_some(leg)
    }
}

fn merge_key(request: &Message) -> Option<MergeKey> {
    let headers = &request.headers;
    Some((
        headers.call_id().ok()?.to_owned(),
        headers.from().ok()?.tag().unwrap_or_default().to_owned(),
        headers.cseq().ok()?.number,
    ))
}

fn read_invite(request: &Message, flow: Flow, source: Source) -> Option<IncomingInvite> {
    let headers = &request.headers;
    let from = headers.from().ok()?;
    Some(IncomingInvite {
        source,
        flow,
        request_uri: request.uri()?.clone(),
        to: headers.to().ok()?.uri,
        from_display: from.display_name(),
        from: from.uri,
        call_id: headers.call_id().ok()?.to_owned(),
        offer: request.sdp(),
        identity: Identity::of(request),
        replaces: None,
    })
}
