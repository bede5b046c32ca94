//! Any bytes as one SIP message: a verdict without a panic, and what is written says what was read.

use bytes::Bytes;
use strowger::limits;
use strowger::sip::header::{Field, Name};
use strowger::sip::identity::Identity;
use strowger::sip::message::Message;
use strowger::sip::parse::{Reject, parse};
use strowger::sip::refer::{ReferTo, wants_silence};
use strowger::sip::replaces::Replaces;

/// Checks one input.
pub fn run(data: &[u8]) {
    match parse(&Bytes::copy_from_slice(data)) {
        Ok(message) => {
            read_all(&message);
            survives_writing(&message);
            if message.is_request() {
                let mut response = Message::response_to(&message, 200);
                response.set_to_tag("t");
                let written = response.to_bytes();
                assert!(parse(&written).is_ok(), "{written:?}");
            }
        }
        Err(Reject::Answer(refusal)) => {
            assert!((400..600).contains(&refusal.status));
            let response = refusal.response("t");
            let lines = response.to_bytes();
            let lines = lines.iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(
                lines,
                response.headers.len() + 3,
                "a line came out of a value"
            );
        }
        Err(Reject::Silence(_)) => {}
    }
}

fn read_all(message: &Message) {
    let headers = &message.headers;
    assert!(headers.vias().is_ok() && headers.from().is_ok() && headers.to().is_ok());
    assert!(headers.cseq().is_ok() && headers.call_id().is_ok());
    let _ = (
        headers.expires(),
        headers.retry_after(),
        headers.content_type(),
    );
    let _ = (
        headers.contacts(),
        headers.contact_is_star(),
        headers.routes(),
    );
    let _ = headers.credentials(&Name::Authorization).count();
    for reason in headers.reasons() {
        let _ = reason.to_value();
    }
    read_dialogs(message);
    let _ = (message.sdp(), Identity::of(message));
    if let Some(uri) = message.uri() {
        assert!(uri.equivalent(uri));
        let _ = (uri.user_decoded(), uri.host(), uri.params().count());
        let _ = uri.with_param("lr", None).without_headers().equivalent(uri);
    }
    let mut stamped = message.clone();
    stamped.stamp_via("192.0.2.1:5060".parse().unwrap());
    assert_eq!(
        stamped.headers.vias().unwrap().len(),
        headers.vias().unwrap().len()
    );
}

/// What names another dialog, or sends somebody elsewhere.
fn read_dialogs(message: &Message) {
    let headers = &message.headers;
    for value in headers.all(&Name::Replaces) {
        if let Ok(named) = Replaces::parse(value) {
            assert!(!named.call_id.is_empty() && !named.to_tag.is_empty());
            assert!(!named.is_from(Some("")));
        }
    }
    match ReferTo::of(headers) {
        Ok(refer) => assert!(refer.target.headers().is_empty()),
        Err(status) => assert!(status == 400 || status == 416),
    }
    let _ = wants_silence(headers);
    if let Some(uri) = message.uri() {
        let _ = Replaces::of_uri(uri);
    }
}

fn survives_writing(message: &Message) {
    let written = message.to_bytes();
    // Compact names grow when they are written; past the bounds nothing is promised.
    if written.len() > limits::SIP_HEAD_BYTES {
        return;
    }
    let again = parse(&written).unwrap_or_else(|reject| panic!("{reject:?} of {written:?}"));
    assert_eq!(again.start, message.start);
    assert_eq!(again.body, message.body);
    let fields = |message: &Message| -> Vec<Field> {
        let kept = |field: &&Field| field.name != Name::ContentLength;
        message.headers.iter().filter(kept).cloned().collect()
    };
    assert_eq!(fields(&again), fields(message));
    assert_eq!(again.to_bytes(), written);
}
