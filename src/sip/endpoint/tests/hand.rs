//! A carrier whose messages are written by hand, so that it may be as odd as carriers are.

use bytes::Bytes;

use super::network::*;
use crate::id::LegId;
use crate::sip::header::{Name, NameAddr};
use crate::sip::message::Message;
use crate::sip::parse::parse;
use crate::sip::session::SessionCommand;
use crate::sip::uri::Uri;

pub const SDP: &str = "Content-Type: application/sdp\nContent-Length: 3\n\nv=0";

/// A request with the usual header fields; `more` replaces none of them.
pub fn request(method: &str, seq: u32, more: &str) -> String {
    format!(
        "{method} sip:0800100200@198.51.100.1 SIP/2.0
Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK{method}{seq}
From: <sip:380671234567@carrier.example>;tag=theirs
To: <sip:0800100200@198.51.100.1>
Contact: <sip:380671234567@203.0.113.5>
Call-ID: hand
CSeq: {seq} {method}
{more}
"
    )
}

/// The same inside the only dialog of the exchange.
pub fn inside(net: &Net, method: &str, seq: u32, more: &str) -> String {
    let key = net.ends[PBX].dialogs.keys().next().unwrap();
    let to = format!(
        "To: <sip:0800100200@198.51.100.1>;tag={}\nContact",
        key.local_tag
    );
    request(method, seq, more).replace("To: <sip:0800100200@198.51.100.1>\nContact", &to)
}

/// A call from the hand that stands: what its INVITE says besides, and the leg.
pub fn standing(net: &mut Net, more: &str) -> LegId {
    net.send_text(CARRIER, &request("INVITE", 1, more));
    let leg = inbound(1);
    let answer = sdp("ours");
    net.command(PBX, SessionCommand::Accept { leg, answer });
    let ack = inside(net, "ACK", 1, "");
    net.send_text(CARRIER, &ack);
    assert_eq!(net.story(PBX), ["incoming v=0", "confirmed"]);
    leg
}

/// The last request of this method from the exchange to the hand.
pub fn asked(net: &Net, method: &str) -> Message {
    let text = net.text(&format!("{PBX}→{CARRIER} {method} "));
    let (_, text) = text.split_once(' ').unwrap();
    parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// The hand answers the last request of this method.
pub fn reply(
    net: &mut Net,
    method: &str,
    status: u16,
    fields: &[(&'static str, &str)],
    body: Option<&'static str>,
) {
    reply_as(net, method, status, "hand", fields, body);
}

/// The same as one of several forks.
pub fn reply_as(
    net: &mut Net,
    method: &str,
    status: u16,
    tag: &str,
    fields: &[(&'static str, &str)],
    body: Option<&'static str>,
) {
    let mut response = Message::response_to(&asked(net, method), status);
    response.set_to_tag(tag);
    let contact = Uri::parse(&format!("sip:{tag}@203.0.113.5")).unwrap();
    response
        .headers
        .push(Name::Contact, NameAddr::new(contact).to_value());
    for (name, value) in fields {
        response.headers.push(Name::from(*name), value.to_string());
    }
    if let Some(body) = body {
        response.set_body("application/sdp", Bytes::from_static(body.as_bytes()));
    }
    net.inject(CARRIER, PBX, &response.to_bytes());
}

/// A call of the exchange to the hand that stands.
pub fn placed(net: &mut Net, fields: &[(&'static str, &str)]) -> LegId {
    net.deaf = vec![CARRIER];
    let leg = net.call(PBX, CARRIER, 1);
    reply(net, "INVITE", 200, fields, Some("theirs"));
    assert_eq!(net.story(PBX), ["answered theirs"]);
    leg
}
