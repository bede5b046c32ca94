//! An INVITE of ours, written from nothing but what the call machine says and our own allow-list.

use super::egress::{ALLOW, SDP};
use super::stateless::SUPPORTED;
use super::{Endpoint, SessionRules, TrunkEntry};
use crate::sip::header::{CSeq, Name, NameAddr};
use crate::sip::message::{Message, Method};
use crate::sip::session::OutgoingInvite;
use crate::sip::session::interval::Interval;
use crate::sip::session::state::Party;
use crate::sip::uri::{Host, Uri};
use crate::words::Rel100;

impl Endpoint {
    /// How sessions with somebody are kept.
    pub(super) fn rules_of(&self, party: &Party) -> SessionRules {
        let mut trunks = self.directory.trunks.iter();
        let entry = trunks.find(|entry| Some(&entry.name) == party.trunk.as_ref());
        entry.map(|entry| entry.rules).unwrap_or_default()
    }

    pub(super) fn build_invite(&mut self, invite: &OutgoingInvite, rules: SessionRules) -> Message {
        let host = self.host_towards(invite);
        let from = self.shown_in_from(invite, &host);
        let cseq = CSeq {
            number: 1,
            method: Method::Invite,
        };
        let target = invite.target.without_headers();
        let mut request = Message::request(Method::Invite, target.clone());
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, "70");
        // The way a phone behind a proxy said it is reached by (RFC 3327 5.1).
        for route in &invite.routes {
            if let Ok(route) = NameAddr::parse(route) {
                headers.push(Name::Route, route.to_value());
            }
        }
        headers.push(Name::From, from.to_value());
        headers.push(Name::To, NameAddr::new(target).to_value());
        headers.push(Name::CallId, self.rng.token(24));
        headers.push(Name::CSeq, cseq.to_value());
        headers.push(Name::Contact, self.contact(&invite.flow));
        headers.push(Name::Allow, ALLOW);
        // Who calls is told to the carrier alone, which keeps it from others (RFC 3325 7).
        if let (Some(user), Some(_)) = (&invite.asserted, &invite.trunk) {
            let asserted = NameAddr::new(Uri::sip(Some(user), &host, None));
            headers.push(Name::PAssertedIdentity, asserted.to_value());
        }
        if invite.private {
            headers.push(Name::Privacy, "id");
        }
        // Without an offer of ours a reliable response would bring the peer's, which a PRACK would
        // have to answer (RFC 3262 5).
        let rel100 = match rules.rel100 {
            Rel100::Supported if !invite.offer.is_empty() => ", 100rel",
            Rel100::Required => {
                headers.push(Name::Require, "100rel");
                ""
            }
            Rel100::Off | Rel100::Supported => "",
        };
        headers.push(Name::Supported, format!("{}{rel100}", SUPPORTED.join(", ")));
        Interval::wished(rules.session_timer).ask(headers, true);
        for (name, value) in &invite.headers {
            headers.push(Name::from(*name), value.clone());
        }
        if !invite.offer.is_empty() {
            request.set_body(SDP, invite.offer.clone());
        }
        request
    }

    /// The host of our addresses: the carrier's own for us where there is one.
    fn host_towards(&self, invite: &OutgoingInvite) -> Host {
        let mut trunks = self.directory.trunks.iter();
        let entry = trunks.find(|entry| Some(&entry.name) == invite.trunk.as_ref());
        let domain = entry.and_then(|entry: &TrunkEntry| entry.domain.as_deref());
        Host::parse(domain.unwrap_or(&self.config.domain))
            .unwrap_or_else(|_| Host::Ip(self.visible(&invite.flow).ip()))
    }

    fn shown_in_from(&mut self, invite: &OutgoingInvite, host: &Host) -> NameAddr {
        let tag = self.rng.token(12);
        if invite.private {
            // RFC 3323 4.1.1.3
            let nobody = Host::Name("anonymous.invalid".to_owned());
            return NameAddr::new(Uri::sip(Some("anonymous"), &nobody, None))
                .with_display("Anonymous")
                .with_param("tag", Some(&tag));
        }
        let user = match invite.from_user.as_str() {
            "" => "anonymous",
            user => user,
        };
        NameAddr::new(Uri::sip(Some(user), host, None))
            .with_display(&invite.from_display)
            .with_param("tag", Some(&tag))
    }
}
