//! Inputs that broke other products, each named by its advisory. The promise is the same for all:
//! a verdict, in time, and nothing that travels further than it should.

use bytes::Bytes;
use strowger::sdp::description::Refusal;
use strowger::sdp::offer_answer::{Local, answer};
use strowger::sip::header::Name;
use strowger::sip::message::Message;
use strowger::sip::parse::{Reject, parse};
use strowger::sip::uri::Uri;
use strowger::words::Codec;

fn request(method: &str, replaced: &str, with: &str) -> Result<Message, Reject> {
    let text = format!(
        "{method} sip:odesa@clinic.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:a@192.0.2.1>;tag=1\r\n\
         To: <sip:odesa@clinic.example>\r\n\
         Call-ID: a@192.0.2.1\r\n\
         CSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    assert!(text.contains(replaced), "{replaced}");
    parse(&Bytes::from(text.replace(replaced, with)))
}

fn status(result: Result<Message, Reject>) -> u16 {
    match result {
        Err(Reject::Answer(refusal)) => refusal.status,
        other => panic!("no refusal but {other:?}"),
    }
}

/// CVE-2017-9372: a method of 4 kB in CSeq.
#[test]
fn a_long_method_in_cseq() {
    let long = "M".repeat(4096);
    assert_eq!(
        status(request("INVITE", "1 INVITE", &format!("1 {long}"))),
        400
    );
    assert!(request(&long, "", "").is_ok());
}

/// CVE-2018-7284: more Accept headers than an array holds.
#[test]
fn many_accept_headers() {
    let accepts = "Accept: application/sdp\r\n".repeat(50);
    let message = request("SUBSCRIBE", "Max-Forwards: 70\r\n", &accepts).unwrap();
    assert_eq!(message.headers.list(&Name::Accept).count(), 50);
    let crowd = "Accept: a/b\r\n".repeat(1000);
    assert_eq!(
        status(request("SUBSCRIBE", "Max-Forwards: 70\r\n", &crowd)),
        400
    );
}

/// CVE-2018-8828: odd branches and tags.
#[test]
fn odd_branches_and_tags() {
    for branch in ["z9hG4bK", "", "z9hG4bK\u{1}", "z9hG4bKя"] {
        let message = request("OPTIONS", "z9hG4bKa", branch).unwrap();
        let via = message.headers.top_via().unwrap();
        assert_eq!(via.unique_branch().is_some(), branch.len() > 7);
    }
    assert!(
        request("OPTIONS", "tag=1", "tag=")
            .unwrap()
            .headers
            .from()
            .unwrap()
            .tag()
            .is_none()
    );
}

/// CVE-2020-28361: white space before the colon hid a field from the code that removes it.
#[test]
fn white_space_before_the_colon_hides_nothing() {
    let message = request(
        "OPTIONS",
        "Max-Forwards: 70",
        "P-Asserted-Identity \t: <sip:x@y>",
    )
    .unwrap();
    assert!(message.headers.has(&Name::PAssertedIdentity));
}

/// CVE-2023-28098, GHSA-c6j5, GHSA-wxfg, GHSA-qvj2: malformed credentials, lengths, Via, To.
#[test]
fn malformed_fields_are_refused_or_count_as_absent() {
    for digest in [
        "Digest",
        "Digest username=\"",
        "Digest =,=,",
        "Digest ,,,,a",
        "",
    ] {
        let field = format!("Authorization: {digest}");
        let message = request("REGISTER", "Max-Forwards: 70", &field).unwrap();
        let read: Vec<_> = message.headers.credentials(&Name::Authorization).collect();
        assert!(read.iter().all(|read| read.get("username").is_none()));
    }
    for length in [
        "-1",
        "4294967328",
        "18446744073709551648",
        "0x10",
        "1 1",
        "",
        "+0",
    ] {
        let field = format!("Content-Length: {length}\r\n");
        assert_eq!(
            status(request("OPTIONS", "Content-Length: 0\r\n", &field)),
            400,
            "{length}"
        );
    }
    for via in [
        "",
        "SIP",
        "SIP/2.0/UDP",
        ";branch=x",
        "SIP/2.0/UDP :5060",
        "SIP/2.0/UDP [::1",
    ] {
        let result = request("OPTIONS", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa", via);
        assert_eq!(status(result), 400, "{via}");
    }
    for to in [
        "<sip:odesa@clinic.example>;",
        "<sip:odesa@clinic.example>;;tag",
    ] {
        assert!(request("OPTIONS", "<sip:odesa@clinic.example>", to).is_ok());
    }
    assert_eq!(
        status(request(
            "OPTIONS",
            "<sip:odesa@clinic.example>",
            "<sip:a@b>;\"=x"
        )),
        400
    );
}

/// CVE-2021-33056: a From of one slash.
#[test]
fn a_single_slash() {
    for slash in ["</>", "/", "<>", "\"\"", "<sip:>", "*"] {
        assert_eq!(
            status(request("INVITE", "<sip:a@192.0.2.1>", slash)),
            400,
            "{slash}"
        );
    }
    assert!(Uri::parse("/").is_err());
}

/// CVE-2026-57191: a long Message-Account; GHSA PJSIP: a hundred Service-Route.
#[test]
fn long_and_many_values_are_carried() {
    let field = format!("Message-Account: sip:{}@x", "a".repeat(600));
    assert!(request("NOTIFY", "Max-Forwards: 70", &field).is_ok());
    let routes = "Service-Route: <sip:a;lr>, <sip:b;lr>\r\n".repeat(50);
    let message = request("OPTIONS", "Max-Forwards: 70\r\n", &routes).unwrap();
    assert_eq!(
        message
            .headers
            .addresses(&Name::ServiceRoute)
            .unwrap()
            .len(),
        100
    );
}

/// A line of its own must not be made by any value, in either direction.
#[test]
fn no_value_begins_a_line() {
    let mut message = request("OPTIONS", "", "").unwrap();
    message
        .headers
        .push(Name::Subject, "x\r\nVia: SIP/2.0/UDP evil\r\n\r\nbody");
    message.headers.push("X-Odd\r\nY".into(), "x");
    let written = message.to_bytes();
    let read = parse(&written).unwrap();
    assert_eq!(read.headers.vias().unwrap().len(), 1);
    assert!(read.body.is_empty());
    assert_eq!(status(request("OPTIONS", "tag=1", "tag=1\rVia: x")), 400);
}

fn offered(lines: &str) -> Result<(), Refusal> {
    let offer = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n{lines}");
    let mut local = Local::new("198.51.100.1:4000".parse().unwrap(), 1);
    answer(offer.as_bytes(), &mut local, &[Codec::Pcma, Codec::Pcmu]).map(|_| ())
}

/// CVE-2018-1000098, -1000099 (AST-2018-002, -003): odd payload types, an empty fmtp; PJSIP 2026:
/// 200 crypto tags, payload type 999; CVE-2026-41416: a ptime that overflows.
#[test]
fn odd_descriptions() {
    let crypto: String = (0..200)
        .map(|tag| format!("a=crypto:{tag} X inline:y\r\n"))
        .collect();
    for lines in [
        "m=audio 4000 RTP/AVP 0 999 4294967296 -1 x\r\n",
        "m=audio 4000 RTP/AVP 0\r\na=fmtp\r\na=fmtp:\r\na=fmtp:0\r\na=rtpmap\r\n",
        "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 red/8000\r\na=fmtp:101 999/999\r\n",
        "m=audio 4000 RTP/AVP 0\r\na=ptime:2147483648\r\na=maxptime:0\r\n",
        &format!("m=audio 4000 RTP/AVP 8\r\n{crypto}"),
    ] {
        assert_eq!(offered(lines), Ok(()), "{lines}");
    }
    assert_eq!(
        offered("m=audio 4000 RTP/AVP 999\r\n"),
        Err(Refusal::NoCodec)
    );
    assert_eq!(
        offered("m=audio 4000 RTP/AVP\r\n"),
        Err(Refusal::Unreadable)
    );
}

/// CVE-2022-39269: secure sound that was asked for must not become sound in clear.
#[test]
fn secure_sound_is_not_answered_in_clear() {
    assert_eq!(
        offered("m=audio 4000 RTP/SAVP 0\r\n"),
        Err(Refusal::Profile)
    );
}
