//! REFER inside a dialog (RFC 3515), and Replaces (RFC 3891) in a REFER and in an INVITE.
//!
//! A dialog can be referred or replaced by its own operator alone. The ids of a Replaces are those
//! of a dialog with us, never of one behind us; what they mean is said as a leg.

use bytes::Bytes;

use super::{Alarm, Endpoint, SessionEvent};
use crate::id::{LegId, OperatorName};
use crate::limits;
use crate::sip::dialog::DialogKey;
use crate::sip::flow::Flow;
use crate::sip::header::Name;
use crate::sip::message::{Message, Method};
use crate::sip::refer::{ReferTo, Referral, SIPFRAG, Stage, wants_silence};
use crate::sip::replaces::Replaces;
use crate::sip::session::state::{Phase, Session, SessionTimer};
use crate::sip::session::{Refer, Replaced, Source};
use crate::sip::status;
use crate::sip::transaction::table::{Key, Owner, TransactionId};

impl Endpoint {
    /// Takes a REFER of a session.
    pub(super) fn handle_refer(&mut self, flow: Flow, key: Key, leg: LegId, request: Message) {
        let Some(session) = self.sessions.get(&leg) else {
            return;
        };
        let refusal = match &session.phase {
            Phase::Talking if session.hung_up.is_some() => Some(481),
            // A carrier has nobody of ours to send elsewhere.
            Phase::Talking if session.party.operator.is_none() => Some(403),
            // One at a time, as with offers.
            Phase::Talking if session.referral.is_some() => Some(491),
            Phase::Talking => None,
            Phase::Offered { .. } | Phase::Inviting { .. } => Some(491),
            Phase::Leaving { .. } | Phase::Over => Some(481),
        };
        let read = match refusal {
            Some(status) => Err(status),
            None => ReferTo::of(&request.headers),
        };
        let to = match read {
            Ok(to) => to,
            Err(status) => return self.answer(flow, key, leg, &request, status, &[]),
        };
        let operator = session.party.operator.clone();
        let replaces = to.replaces.map(|replaces| {
            let found = operator.and_then(|it| self.find_replaced(&it, &replaces));
            match found {
                Some((other, session)) if other != leg && stands(session) => Replaced::Leg(other),
                Some(_) | None => Replaced::Unknown,
            }
        });
        let transaction = self.open_server(flow, key, leg, Bytes::new(), false);
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.referral = Some(Referral {
                number: request.headers.cseq().map_or(0, |cseq| cseq.number),
                named: std::mem::replace(&mut session.referred, true),
                silent: wants_silence(&request.headers),
                stage: Stage::Asked {
                    transaction,
                    request: Box::new(request),
                },
            });
        }
        let until = self.now.mono + limits::REFER_LENGTH;
        self.timers
            .set(Alarm::Session(leg, SessionTimer::Referral), until);
        let refer = Box::new(Refer {
            target: to.target,
            replaces,
        });
        self.tell(SessionEvent::Refer { leg, refer });
    }

    /// Answers a REFER; after a 202 the first NOTIFY follows at once (RFC 3515 2.4.4).
    pub(super) fn answer_refer(&mut self, leg: LegId, answer: Result<(), u16>) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let flow = session.flow;
        let Some(Referral {
            silent,
            stage:
                Stage::Asked {
                    transaction,
                    request,
                },
            ..
        }) = &session.referral
        else {
            return;
        };
        let (silent, transaction, request) = (*silent, *transaction, request.clone());
        let code = match answer {
            Ok(()) => 202,
            Err(code @ 300..700) => code,
            Err(_) => 500,
        };
        let mut response = self.response(leg, &request, code);
        if code == 202 {
            response.headers.push(Name::Contact, self.contact(&flow));
            if silent {
                // RFC 4488 4: it is said, or the peer waits for what never comes.
                response.headers.push(Name::from("Refer-Sub"), "false");
            }
        }
        self.respond(transaction, &response);
        if code != 202 {
            return self.forget_referral(leg);
        }
        if let Some(session) = self.sessions.get_mut(&leg)
            && let Some(referral) = &mut session.referral
        {
            let (notify, code) = (None, 0);
            referral.stage = Stage::Told { notify, code };
        }
        self.refer_progress(leg, 100);
    }

    /// Says how far it is; a final code is the last word.
    pub(super) fn refer_progress(&mut self, leg: LegId, code: u16) {
        let state = if code >= 200 {
            Bytes::from_static(b"terminated;reason=noresource")
        } else {
            let alarm = Alarm::Session(leg, SessionTimer::Referral);
            let left = self.timers.due(&alarm).map(|at| at.since(self.now.mono));
            Bytes::from(format!(
                "active;expires={}",
                left.unwrap_or_default().as_secs()
            ))
        };
        self.notify_referral(leg, code, state);
        if code >= 200 {
            self.forget_referral(leg);
        }
    }

    fn notify_referral(&mut self, leg: LegId, code: u16, state: Bytes) {
        if !(100..700).contains(&code) {
            return;
        }
        self.reroute(leg);
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let flow = session.flow;
        let Some(referral) = &mut session.referral else {
            return;
        };
        let Stage::Told { code: last, .. } = &mut referral.stage else {
            return;
        };
        if referral.silent || std::mem::replace(last, code) == code {
            return;
        }
        let event = referral.event();
        let mut notify = session.dialog.request(Method::Notify);
        notify.headers.push(Name::Event, event);
        notify.headers.push(Name::SubscriptionState, state);
        notify.headers.push(Name::Contact, self.contact(&flow));
        let line = format!("SIP/2.0 {code} {}\r\n", status::phrase(code));
        notify.set_body(SIPFRAG, Bytes::from(line));
        let sent = self.send_request(Owner::Leg(leg), flow, &mut notify);
        if let Some(session) = self.sessions.get_mut(&leg)
            && let Some(referral) = &mut session.referral
            && let Stage::Told { notify, .. } = &mut referral.stage
        {
            *notify = Some(sent);
        }
    }

    /// A NOTIFY was refused or nobody answered it: whoever referred does not listen any more, and
    /// the transfer goes its way without a word (RFC 6665 4.2.2).
    pub(super) fn handle_notify_failure(&mut self, leg: LegId, id: TransactionId) {
        let ours = self.sessions.get(&leg).is_some_and(|session| {
            matches!(
                &session.referral,
                Some(Referral { stage: Stage::Told { notify, .. }, .. }) if *notify == Some(id)
            )
        });
        if ours
            && let Some(session) = self.sessions.get_mut(&leg)
            && let Some(referral) = &mut session.referral
        {
            referral.silent = true;
            if !matches!(session.phase, Phase::Talking) {
                self.forget_referral(leg);
            }
        }
    }

    /// Nothing more was said of a REFER for a long time.
    pub(super) fn referral_lapses(&mut self, leg: LegId) {
        let asked = self.sessions.get(&leg).is_some_and(|session| {
            matches!(
                &session.referral,
                Some(Referral {
                    stage: Stage::Asked { .. },
                    ..
                })
            )
        });
        if asked {
            self.answer_refer(leg, Err(500));
        } else {
            let state = Bytes::from_static(b"terminated;reason=timeout");
            self.notify_referral(leg, 408, state);
        }
        self.forget_referral(leg);
    }

    /// The session ends: a REFER that nobody will answer any more gets its refusal. The news of one
    /// that was accepted outlives the peer's BYE: the subscription uses the dialog until its last
    /// NOTIFY (RFC 5057 4.2), but for no longer than its own time.
    pub(super) fn drop_referral(&mut self, leg: LegId) {
        self.answer_refer(leg, Err(487));
        let listens = self.sessions.get(&leg).is_some_and(|session| {
            let referral = session.referral.as_ref();
            session.hung_up.is_none() && referral.is_some_and(|it| !it.silent)
        });
        if !listens {
            self.forget_referral(leg);
        }
    }

    /// Nothing more is said of a REFER; a session that was kept for it alone is closed.
    pub(super) fn forget_referral(&mut self, leg: LegId) {
        self.timers
            .cancel(&Alarm::Session(leg, SessionTimer::Referral));
        if let Some(session) = self.sessions.get_mut(&leg)
            && session.referral.take().is_some()
        {
            self.close_if_over(leg);
        }
    }

    /// The leg that a new INVITE takes the place of; the status of a refusal where it may not
    /// (RFC 3891 3).
    pub(super) fn replaced_by(
        &self,
        source: &Source,
        request: &Message,
    ) -> Result<Option<LegId>, u16> {
        let mut values = request.headers.all(&Name::Replaces);
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) => value,
            (Some(_), Some(_)) => return Err(400),
        };
        let replaces = Replaces::parse(value).map_err(|_| 400_u16)?;
        let operator = match source {
            Source::Operator(operator) => operator,
            Source::Trunk(_) => return Err(403),
        };
        let Some((leg, session)) = self.find_replaced(operator, &replaces) else {
            return Err(481);
        };
        match &session.phase {
            Phase::Talking if session.hung_up.is_some() => Err(603),
            Phase::Talking if replaces.early_only => Err(486),
            Phase::Talking => Ok(Some(leg)),
            // An early dialog that we did not begin cannot be replaced.
            Phase::Offered { .. } | Phase::Inviting { .. } => Err(481),
            Phase::Leaving { .. } | Phase::Over => Err(603),
        }
    }

    /// The dialog that a Replaces names, if it is one of this operator. Nobody learns whether
    /// another's exists.
    fn find_replaced(
        &self,
        operator: &OperatorName,
        replaces: &Replaces,
    ) -> Option<(LegId, &Session)> {
        let key = DialogKey {
            call_id: replaces.call_id.clone(),
            local_tag: replaces.to_tag.clone(),
        };
        let leg = *self.dialogs.get(&key)?;
        let session = self.sessions.get(&leg)?;
        let own = session.party.operator.as_ref() == Some(operator);
        let named = replaces.is_from(session.dialog.remote_tag.as_deref());
        (own && named).then_some((leg, session))
    }
}

fn stands(session: &Session) -> bool {
    matches!(session.phase, Phase::Talking) && session.hung_up.is_none()
}
