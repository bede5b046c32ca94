//! A second reader: what we write is read by rsip, which we did not write, as we meant it.
//!
//! rsip reads too little of what others send to stand in our path (see ARCHITECTURE.md), but what we
//! send is plain, and whoever cannot read it even here would not read it in a phone.

use bytes::Bytes;
use rsip::headers::{ToTypedHeader as _, UntypedHeader as _};
use rsip::message::HasHeaders as _;
use rsip::prelude::HeadersExt as _;
use rsip::{Request, Response, SipMessage, StatusCode};
use strowger::sip::auth::digest::{self, Protection};
use strowger::sip::endpoint::{Algorithm, Credentials};
use strowger::sip::header::{CSeq, Name, NameAddr, Via};
use strowger::sip::message::{Message, Method};
use strowger::sip::uri::Uri;

/// An INVITE with what every request of ours carries.
fn invite() -> Message {
    let uri = Uri::parse("sip:olena@192.0.2.7:5062").unwrap();
    let mut invite = Message::request(Method::Invite, uri.clone());
    let via = Via::new("UDP", "192.0.2.1:5060".parse().unwrap(), "z9hG4bK77ef");
    invite.headers.push(Name::Via, via.to_value());
    let from = NameAddr::new(Uri::parse("sip:+380671112233@clinic.example").unwrap());
    let from = from.with_display("Одеса, імплантація");
    invite.headers.push(
        Name::From,
        from.with_param("tag", Some("a6c85cf")).to_value(),
    );
    invite.headers.push(Name::To, NameAddr::new(uri).to_value());
    invite
        .headers
        .push(Name::CallId, "a84b4c76e66710@192.0.2.1");
    let cseq = CSeq {
        number: 314_159,
        method: Method::Invite,
    };
    invite.headers.push(Name::CSeq, cseq.to_value());
    invite.set_body("application/sdp", Bytes::from_static(b"v=0\r\n"));
    invite
}

#[test]
fn a_request_is_read_as_it_was_meant() {
    let SipMessage::Request(read) = SipMessage::try_from(invite().to_bytes().to_vec()).unwrap()
    else {
        panic!("a request became a response");
    };
    let Request {
        method, uri, body, ..
    } = &read;
    assert_eq!(
        (method, uri.to_string().as_str()),
        (&rsip::Method::Invite, "sip:olena@192.0.2.7:5062")
    );
    assert_eq!(body.as_slice(), b"v=0\r\n");
    assert_eq!(
        read.call_id_header().unwrap().value(),
        "a84b4c76e66710@192.0.2.1"
    );
    let cseq = read.cseq_header().unwrap().typed().unwrap();
    assert_eq!((cseq.seq, cseq.method), (314_159, rsip::Method::Invite));
    let from = read.from_header().unwrap().typed().unwrap();
    assert_eq!(from.uri.user(), Some("+380671112233"));
    assert_eq!(
        from.tag().map(|tag| tag.value().to_owned()).as_deref(),
        Some("a6c85cf")
    );
    assert!(
        from.display_name
            .is_some_and(|name| name.contains("Одеса, імплантація"))
    );
    let via = read.via_header().unwrap().typed().unwrap();
    assert_eq!(
        via.branch()
            .map(|branch| branch.value().to_owned())
            .as_deref(),
        Some("z9hG4bK77ef")
    );
    // The seven that were written, Content-Length with them.
    assert_eq!(read.headers().iter().count(), 7);
}

#[test]
fn every_status_is_read_as_it_was_meant() {
    let known = |status: &u16| !matches!(StatusCode::from(*status), StatusCode::Other(..));
    for status in (100..700).filter(known) {
        let mut answer = Message::response_to(&invite(), status);
        answer.set_to_tag("8321234356");
        let SipMessage::Response(read) = SipMessage::try_from(answer.to_bytes().to_vec()).unwrap()
        else {
            panic!("{status}: a response became a request");
        };
        let Response { status_code, .. } = &read;
        assert_eq!(status_code.code(), status);
        assert_eq!(
            read.cseq_header().unwrap().typed().unwrap().seq,
            314_159,
            "{status}"
        );
        let to = read.to_header().unwrap().typed().unwrap();
        let tag = to.tag().map(|tag| tag.value().to_owned());
        assert_eq!(tag.as_deref(), Some("8321234356"), "{status}");
    }
}

#[test]
fn the_digests_agree() {
    let credentials = Credentials::from_password("olena", "clinic.example", "пароль");
    let uri: rsip::Uri = "sip:clinic.example".try_into().unwrap();
    let cnonce = "0a4f113b";
    for (algorithm, theirs) in [
        (Algorithm::Md5, rsip::headers::auth::Algorithm::Md5),
        (Algorithm::Sha256, rsip::headers::auth::Algorithm::Sha256),
    ] {
        // Its count is decimal where the RFC has hex, so only small counts can be compared.
        for nc in [None, Some(1_u8), Some(9)] {
            let qop = nc.map(|nc| rsip::headers::auth::AuthQop::Auth {
                cnonce: cnonce.into(),
                nc,
            });
            let generator = rsip::services::DigestGenerator {
                username: "olena",
                password: "пароль",
                nonce: "dcd98b71",
                uri: &uri,
                realm: "clinic.example",
                method: &rsip::Method::Register,
                qop: qop.as_ref(),
                algorithm: theirs,
            };
            let count = nc.map(|nc| format!("{nc:08x}"));
            let protection = count.as_deref().map(|nc| Protection {
                nc,
                cnonce,
                qop: "auth",
            });
            let ours = digest::response(
                algorithm,
                credentials.ha1(algorithm),
                "dcd98b71",
                protection,
                "REGISTER",
                "sip:clinic.example",
            );
            assert_eq!(ours, generator.compute(), "{algorithm:?} {nc:?}");
        }
    }
}
