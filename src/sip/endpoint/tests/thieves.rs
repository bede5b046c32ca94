//! Who knows the ids of somebody else's dialog, and is not one of its parties.

use super::hand::*;
use super::network::*;
use crate::sip::session::SessionCommand;

const REQUESTS: [(&str, &str); 7] = [
    ("BYE", ""),
    (
        "INVITE",
        "Content-Type: application/sdp\nContent-Length: 5\n\nv=666",
    ),
    (
        "UPDATE",
        "Content-Type: application/sdp\nContent-Length: 5\n\nv=666",
    ),
    ("PRACK", "RAck: 1 1 INVITE\n"),
    (
        "INFO",
        "Content-Type: application/dtmf-relay\nContent-Length: 8\n\nSignal=1",
    ),
    ("REFER", "Refer-To: <sip:666@192.0.2.66>\n"),
    ("OPTIONS", ""),
];

/// RFC 3261 26.3.2.1 leaves it open; here the tags alone prove nothing: the sender must fit too.
#[test]
fn nobody_speaks_in_a_dialog_that_is_not_his() {
    for (method, more) in REQUESTS {
        let mut net = Net::new();
        let leg = standing(&mut net, SDP);
        let text = inside(&net, method, 2, more);
        net.send_text(STRANGER, &text);
        assert_eq!(net.status(STRANGER), Some(481), "{method}");
        let wrong = text.replace("tag=theirs", "tag=guess");
        net.send_text(CARRIER, &wrong);
        assert_eq!(net.status(CARRIER), Some(481), "{method}");
        assert_eq!(net.story(PBX), [""; 0], "{method}");
        let ours = net.ends[PBX].sessions[&leg].dialog.remote_seq;
        assert_eq!(ours, Some(1), "{method} moved the numbers of the dialog");
        assert_eq!(net.ends[PBX].sessions[&leg].flow.peer, address(CARRIER));
    }
}

/// The same before the call is answered.
#[test]
fn nobody_speaks_in_an_early_dialog_that_is_not_his() {
    for (method, more) in REQUESTS {
        let mut net = Net::new();
        let invite = request("INVITE", 1, &format!("Supported: 100rel\n{SDP}"));
        net.send_text(CARRIER, &invite);
        let (leg, code, answer) = (inbound(1), 183, Some(sdp("early")));
        net.command(PBX, SessionCommand::Progress { leg, code, answer });
        let text = net.text("0→1 SIP/2.0 183");
        let (_, rest) = text.split_once("RSeq: ").unwrap();
        let rack = format!("RAck: {} 1 INVITE\n", rest.split_once('\r').unwrap().0);
        let more = if method == "PRACK" { &rack } else { more };
        let theft = inside(&net, method, 2, more);
        net.send_text(STRANGER, &theft);
        assert_eq!(net.status(STRANGER), Some(481), "{method}");
        let cancel = request("CANCEL", 1, "").replace("z9hG4bKCANCEL1", "z9hG4bKINVITE1");
        net.send_text(STRANGER, &cancel);
        assert_eq!(net.status(STRANGER), Some(481));
        assert_eq!(net.story(PBX), ["incoming v=0"], "{method}");
        let session = &net.ends[PBX].sessions[&leg];
        assert!(session.reliable.as_ref().unwrap().unacked.is_some());
    }
}

/// RFC 3261 12.2.2 and 14.2: a request with a number that was used is 500, an INVITE too.
#[test]
fn a_stale_number_is_500() {
    let mut net = Net::new();
    let leg = standing(&mut net, SDP);
    let options = inside(&net, "OPTIONS", 5, "");
    net.send_text(CARRIER, &options);
    assert_eq!(net.status(CARRIER), Some(200));
    for (method, more) in REQUESTS {
        net.trace.clear();
        let text = inside(&net, method, 4, more);
        net.send_text(CARRIER, &text);
        assert_eq!(net.status(CARRIER), Some(500), "{method}");
    }
    assert_eq!(net.story(PBX), [""; 0]);
    let bye = inside(&net, "BYE", 9, "");
    net.send_text(CARRIER, &bye);
    net.command(PBX, SessionCommand::ConfirmBye { leg });
    net.finish();
}

/// RFC 3261 8.2.2.2 and 16.3: what we sent ourselves is not taken for a call.
#[test]
fn a_request_of_our_own_that_comes_back_is_482() {
    let mut net = Net::new();
    net.deaf = vec![CARRIER];
    let leg = net.call(PBX, CARRIER, 1);
    let text = net.text("0→1 INVITE").replace("\r\n", "\n");
    let (_, ours) = text.split_once(' ').unwrap();
    // A proxy sent it back, below a hop of its own.
    let hop = "SIP/2.0\nVia: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKproxy\n";
    let back = ours.replacen("SIP/2.0\n", hop, 1);
    net.send_text(CARRIER, &back);
    assert_eq!(net.status(CARRIER), Some(482));
    // A gateway gave it other ids, and kept the Via.
    let call_id = asked(&net, "INVITE").headers.call_id().unwrap().to_owned();
    net.trace.clear();
    net.send_text(CARRIER, &back.replace(&call_id, "another"));
    assert_eq!(net.status(CARRIER), Some(482));
    // It kept the ids, and gave it another Via.
    net.trace.clear();
    let (head, rest) = back.split_once("Via: SIP/2.0/UDP 198.51.100.1").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    net.send_text(CARRIER, &format!("{head}{rest}"));
    assert_eq!(net.status(CARRIER), Some(482));
    assert_eq!(net.story(PBX), [""; 0]);
    reply(&mut net, "INVITE", 486, &[], None);
    net.finish();
    assert!(!net.ends[PBX].sessions.contains_key(&leg));
}

/// RFC 3966: a `tel:` number may stand wherever a carrier puts it.
#[test]
fn tel_numbers_are_taken_in_the_request_line_from_and_to() {
    let mut net = Net::new();
    let text = request("INVITE", 1, SDP)
        .replace(
            "INVITE sip:0800100200@198.51.100.1",
            "INVITE tel:0800100200;phone-context=+380",
        )
        .replace("<sip:380671234567@carrier.example>", "<tel:+380671234567>")
        .replace(
            "To: <sip:0800100200@198.51.100.1>",
            "To: <tel:+380800100200>",
        );
    net.send_text(CARRIER, &text);
    let events = net.sessions(PBX);
    let [crate::sip::session::SessionEvent::Incoming { invite, .. }] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(invite.request_uri.user(), Some("0800100200"));
    assert_eq!(invite.from.user(), Some("+380671234567"));
    assert_eq!(invite.to.user(), Some("+380800100200"));
}
