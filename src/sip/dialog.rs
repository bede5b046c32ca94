//! Dialogs (RFC 3261 12): what every later request between two parties repeats and counts up.
//!
//! The route set is written into what we send, but a packet goes to the flow the dialog lives on:
//! the peer is behind NAT more often than behind a proxy that is not the one who talks to us.

use bytes::Bytes;

use super::header::{CSeq, Name, NameAddr};
use super::message::{Message, Method};
use super::uri::Uri;

/// What finds a dialog: the Call-ID and our own tag, which nobody else can have chosen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DialogKey {
    /// The Call-ID.
    pub call_id: String,
    /// The tag we gave.
    pub local_tag: String,
}

/// One dialog, early or confirmed.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// What finds it.
    pub key: DialogKey,
    /// The peer's tag; none before the peer answered, or when it knows none (RFC 2543).
    pub remote_tag: Option<String>,
    /// The number of the peer's last request.
    pub remote_seq: Option<u32>,
    /// Our side of From and To, with its tag.
    local: Bytes,
    /// The peer's side of From and To, with its tag.
    remote: Bytes,
    target: Uri,
    routes: Vec<NameAddr>,
    local_seq: u32,
}

impl Dialog {
    /// The dialog that our response with `local_tag` makes of a peer's INVITE (RFC 3261 12.1.1).
    #[must_use]
    pub fn of_callee(invite: &Message, local_tag: &str) -> Option<Self> {
        let headers = &invite.headers;
        let from = headers.from().ok()?;
        let to = headers.to().ok()?.with_param("tag", Some(local_tag));
        let contact = headers
            .contacts()
            .ok()
            .and_then(|list| list.into_iter().next());
        Some(Self {
            key: DialogKey {
                call_id: headers.call_id().ok()?.to_owned(),
                local_tag: local_tag.to_owned(),
            },
            remote_tag: from.tag().map(str::to_owned),
            remote_seq: headers.cseq().ok().map(|cseq| cseq.number),
            local: to.to_value(),
            remote: from.to_value(),
            target: contact.map_or_else(|| from.uri.clone(), |contact| contact.uri),
            routes: headers.record_routes().unwrap_or_default(),
            local_seq: 0,
        })
    }

    /// What our INVITE may become a dialog of.
    #[must_use]
    pub fn of_caller(invite: &Message) -> Option<Self> {
        let headers = &invite.headers;
        let from = headers.from().ok()?;
        Some(Self {
            key: DialogKey {
                call_id: headers.call_id().ok()?.to_owned(),
                local_tag: from.tag()?.to_owned(),
            },
            remote_tag: None,
            remote_seq: None,
            local: from.to_value(),
            remote: headers.to().ok()?.to_value(),
            target: invite.uri()?.clone(),
            routes: Vec::new(),
            local_seq: headers.cseq().ok()?.number,
        })
    }

    /// The dialog that a 2xx of the peer makes of ours (RFC 3261 12.1.2).
    #[must_use]
    pub fn confirmed_by(&self, response: &Message) -> Self {
        let headers = &response.headers;
        let mut dialog = self.clone();
        if let Ok(to) = headers.to() {
            dialog.remote_tag = to.tag().map(str::to_owned);
            dialog.remote = to.to_value();
        }
        dialog.routes = headers.record_routes().unwrap_or_default();
        dialog.routes.reverse();
        dialog.refresh(response);
        dialog
    }

    /// Takes the peer's new Contact (RFC 3261 12.2).
    pub fn refresh(&mut self, message: &Message) {
        let contact = message.headers.contacts().ok();
        if let Some(contact) = contact.and_then(|list| list.into_iter().next()) {
            self.target = contact.uri;
        }
    }

    /// Whether the peer gave this address as its own.
    #[must_use]
    pub fn is_at(&self, contact: &Uri) -> bool {
        self.target.equivalent(contact)
    }

    /// The next request of ours, without Via.
    pub fn request(&mut self, method: Method) -> Message {
        let number = self.next_number();
        self.message(method, number)
    }

    /// The number of the next request of ours.
    pub const fn next_number(&mut self) -> u32 {
        self.local_seq = self.local_seq.saturating_add(1);
        self.local_seq
    }

    /// A request of ours with a number that was taken from another fork of the same INVITE: the
    /// forks count together, so that each dialog's numbers rise.
    #[must_use]
    pub fn numbered(&self, method: Method, number: u32) -> Message {
        self.message(method, number)
    }

    /// The ACK to a 2xx of an INVITE of ours, without Via.
    #[must_use]
    pub fn ack(&self, seq: u32) -> Message {
        self.message(Method::Ack, seq)
    }

    fn message(&self, method: Method, number: u32) -> Message {
        let target = self.target.without_headers();
        let strict = self
            .routes
            .split_first()
            .filter(|(first, _)| !first.uri.has_param("lr"));
        // A strict router wants its own URI in the first line (RFC 3261 12.2.1.1).
        let (uri, routes): (Uri, Vec<Bytes>) = match strict {
            None => (target, self.routes.iter().map(NameAddr::to_value).collect()),
            Some((first, rest)) => {
                let last = NameAddr::new(target).to_value();
                let routes = rest.iter().map(NameAddr::to_value).chain([last]).collect();
                (first.uri.without_headers(), routes)
            }
        };
        let cseq = CSeq {
            number,
            method: method.clone(),
        };
        let mut request = Message::request(method, uri);
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, "70");
        for route in routes {
            headers.push(Name::Route, route);
        }
        headers.push(Name::From, self.local.clone());
        headers.push(Name::To, self.remote.clone());
        headers.push(Name::CallId, self.key.call_id.clone());
        headers.push(Name::CSeq, cseq.to_value());
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::parse::parse;

    fn message(text: &str) -> Message {
        parse(&Bytes::from(text.replace('\n', "\r\n"))).unwrap()
    }

    const INVITE: &str = "INVITE sip:us@198.51.100.1 SIP/2.0
Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKa
Record-Route: <sip:p2.example;lr>
Record-Route: <sip:p1.example;lr>
From: \"Лікар\" <sip:380@carrier.example>;tag=theirs
To: <sip:us@198.51.100.1>
Contact: <sip:380@203.0.113.5:5070;transport=udp?Route=x>
Call-ID: one
CSeq: 7 INVITE

";

    #[test]
    fn a_callee_answers_along_the_record() {
        let mut dialog = Dialog::of_callee(&message(INVITE), "ours").unwrap();
        let bye = String::from_utf8(dialog.request(Method::Bye).to_bytes().to_vec()).unwrap();
        assert!(
            bye.starts_with("BYE sip:380@203.0.113.5:5070;transport=udp SIP/2.0\r\n"),
            "{bye}"
        );
        assert!(bye.contains("Route: <sip:p2.example;lr>\r\nRoute: <sip:p1.example;lr>\r\n"));
        assert!(bye.contains("From: <sip:us@198.51.100.1>;tag=ours\r\n"));
        assert!(bye.contains("To: \"Лікар\" <sip:380@carrier.example>;tag=theirs\r\n"));
        assert!(bye.contains("CSeq: 1 BYE\r\n"));
    }

    #[test]
    fn a_caller_turns_the_record_round_and_serves_a_strict_router() {
        let ours = message(&INVITE.replace("Record-Route: <sip:p2.example;lr>\n", ""));
        let early = Dialog::of_caller(&ours).unwrap();
        let mut ok = Message::response_to(&ours, 200);
        ok.set_to_tag("callee");
        ok.headers.set(
            Name::RecordRoute,
            "<sip:near.example;lr>, <sip:strict.example>",
        );
        ok.headers.push(Name::Contact, "<sip:phone@192.0.2.9>");
        let mut dialog = early.confirmed_by(&ok);
        assert_eq!(dialog.remote_tag.as_deref(), Some("callee"));
        let ack = String::from_utf8(dialog.ack(7).to_bytes().to_vec()).unwrap();
        assert!(
            ack.starts_with("ACK sip:strict.example SIP/2.0\r\n"),
            "{ack}"
        );
        assert!(ack.contains("Route: <sip:near.example;lr>\r\nRoute: <sip:phone@192.0.2.9>\r\n"));
        assert!(ack.contains("CSeq: 7 ACK\r\n"));
        let bye = String::from_utf8(dialog.request(Method::Bye).to_bytes().to_vec()).unwrap();
        assert!(bye.contains("CSeq: 8 BYE\r\n"));
    }
}
