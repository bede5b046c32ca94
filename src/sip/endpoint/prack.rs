//! A peer's provisional responses to our INVITE, acknowledged where it asks for that (RFC 3262 4):
//! each fork in its own early dialog, each response once and in order.

use super::{Endpoint, SessionEvent};
use crate::id::LegId;
use crate::limits;
use crate::sip::header::{Name, RAck};
use crate::sip::message::{Message, Method};
use crate::sip::session::reliable::Early;
use crate::sip::session::sent::Errand;
use crate::sip::session::state::Phase;
use crate::sip::transaction::table::TransactionId;
use crate::words::Rel100;

/// What a provisional response is to us.
enum Kind {
    /// Nothing has to be acknowledged.
    Plain,
    /// It was acknowledged just now.
    Acknowledged,
    /// It came before, or before its turn.
    Ignored,
}

impl Endpoint {
    /// A 1xx to our INVITE.
    pub(super) fn handle_provisional(
        &mut self,
        leg: LegId,
        id: TransactionId,
        response: &Message,
        status: u16,
    ) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let Phase::Inviting {
            proceeding, invite, ..
        } = &mut session.phase
        else {
            return;
        };
        if *invite != id {
            return;
        }
        *proceeding = true;
        let hung_up = session.hung_up.is_some();
        let outward = session.trunk.is_some();
        if status > 100 {
            session.peer.note(response);
        }
        let kind = if status > 100 {
            self.acknowledge_1xx(leg, response)
        } else {
            Kind::Plain
        };
        if hung_up {
            return self.send_cancel(leg);
        }
        match kind {
            Kind::Ignored => {}
            // A call out moves on when a carrier stays silent, so it learns of the 100 too.
            Kind::Plain | Kind::Acknowledged if status > 100 || outward => {
                let answer = response.sdp();
                self.tell(SessionEvent::Progress {
                    leg,
                    code: status,
                    answer,
                });
            }
            Kind::Plain | Kind::Acknowledged => {}
        }
    }

    fn acknowledge_1xx(&mut self, leg: LegId, response: &Message) -> Kind {
        let headers = &response.headers;
        let Some(session) = self.sessions.get_mut(&leg) else {
            return Kind::Plain;
        };
        let to = headers.to().ok();
        let tag = to.as_ref().and_then(|to| to.tag());
        let (Some(tag), Some(rseq), true) =
            (tag, headers.rseq(), headers.lists(&Name::Require, "100rel"))
        else {
            return Kind::Plain;
        };
        if session.rules.rel100 == Rel100::Off {
            return Kind::Plain;
        }
        let Ok(cseq) = headers.cseq() else {
            return Kind::Plain;
        };
        let full = session.early.len() >= limits::SIP_FORKS;
        match session.early.get_mut(tag) {
            Some(early) if early.rseq.checked_add(1) == Some(rseq) => {
                early.rseq = rseq;
                early.dialog.refresh(response);
            }
            Some(_) => return Kind::Ignored,
            None if full => return Kind::Ignored,
            None => {
                let early = Early {
                    dialog: session.dialog.confirmed_by(response),
                    rseq,
                    answer: None,
                };
                session.early.insert(tag.to_owned(), early);
            }
        }
        let number = session.dialog.next_number();
        let Some(early) = session.early.get_mut(tag) else {
            return Kind::Plain;
        };
        if early.answer.is_none() {
            early.answer = response.sdp();
        }
        let mut prack = early.dialog.numbered(Method::Prack, number);
        let rack = RAck {
            rseq,
            cseq: cseq.number,
            method: Method::Invite,
        };
        prack.headers.push(Name::RAck, rack.to_value());
        self.errand(leg, Errand::Prack, prack);
        Kind::Acknowledged
    }
}
