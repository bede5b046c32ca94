//! Requests written by hand: what strangers, trunks and thieves get.

use bytes::Bytes;

use super::network::*;
use crate::id::{LegId, Origin, TrunkName};
use crate::sip::endpoint::EndpointEvent;
use crate::sip::session::{OutgoingInvite, SessionCommand};
use crate::sip::uri::Uri;

/// A request with the usual header fields; `more` replaces none of them.
fn request(method: &str, seq: u32, more: &str) -> String {
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

const SDP: &str = "Content-Type: application/sdp\nContent-Length: 3\n\nv=0";

#[test]
fn a_stranger_is_challenged_and_never_routed() {
    let mut net = Net::new();
    net.send_text(STRANGER, &request("INVITE", 1, SDP));
    assert_eq!(net.status(STRANGER), Some(407));
    net.send_text(STRANGER, &request("REGISTER", 2, ""));
    assert_eq!(net.status(STRANGER), Some(401));
    net.send_text(STRANGER, &request("OPTIONS", 3, ""));
    assert_eq!(net.status(STRANGER), Some(200));
    assert_eq!(net.story(PBX), [""; 0]);
    assert_eq!(net.ends[PBX].live(), super::super::Live::default());
}

#[test]
fn refusals_are_those_of_the_rfc() {
    let mut net = Net::new();
    for (text, status) in [
        (request("MESSAGE", 1, ""), 405),
        (request("REFER", 2, ""), 403),
        (request("DANCE", 3, ""), 501),
        (request("PRACK", 4, ""), 481),
        (request("BYE", 5, ""), 481),
        (request("CANCEL", 6, ""), 481),
        (request("OPTIONS", 7, "Require: nothingSupportsThis\n"), 420),
        (request("INVITE", 8, "Max-Forwards: 0\n"), 483),
        (request("OPTIONS", 9, "Max-Forwards: 0\n"), 200),
        (
            request(
                "INVITE",
                10,
                "Content-Type: text/plain\nContent-Length: 1\n\nx",
            ),
            415,
        ),
        (request("INVITE", 11, "Accept: text/plain\n"), 406),
        (
            request("INVITE", 12, "").replace("sip:0800100200@198.51.100.1 ", "soap.beep://x "),
            416,
        ),
        (
            request("INVITE", 13, "").replace("SIP/2.0\nVia", "SIP/7.0\nVia"),
            505,
        ),
        (request("INVITE", 14, "Content-Length: 99\n"), 400),
    ] {
        net.trace.clear();
        net.send_text(CARRIER, &text);
        assert_eq!(net.status(CARRIER), Some(status), "{text}");
    }
    assert_eq!(net.ends[PBX].live(), super::super::Live::default());
}

#[test]
fn what_needs_no_answer_gets_none() {
    let mut net = Net::new();
    net.send_text(CARRIER, &request("ACK", 1, ""));
    net.send_text(CARRIER, "\n\n");
    net.send_text(CARRIER, "hello");
    net.send_text(
        CARRIER,
        "SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKnobody
From: <sip:a@b>;tag=x
To: <sip:a@b>;tag=y
Call-ID: z
CSeq: 1 INVITE

",
    );
    assert_eq!(net.trace, [""; 0]);
}

#[test]
fn the_same_invite_by_two_ways_is_one_call() {
    let mut net = Net::new();
    net.send_text(CARRIER, &request("INVITE", 1, SDP));
    net.send_text(CARRIER, &request("INVITE", 1, SDP));
    net.send_text(
        CARRIER,
        &request("INVITE", 1, SDP).replace("z9hG4bKINVITE1", "z9hG4bKother"),
    );
    assert_eq!(net.status(CARRIER), Some(482));
    assert_eq!(net.story(PBX), ["incoming v=0"]);
}

#[test]
fn nobody_ends_anothers_call() {
    let mut net = Net::new();
    net.send_text(CARRIER, &request("INVITE", 1, SDP));
    net.send_text(
        STRANGER,
        &request("CANCEL", 1, "").replace("z9hG4bKCANCEL1", "z9hG4bKINVITE1"),
    );
    assert_eq!(net.status(STRANGER), Some(481));
    net.command(
        PBX,
        SessionCommand::Accept {
            leg: inbound(1),
            answer: sdp("answer"),
        },
    );
    let tag = net.ends[PBX]
        .dialogs
        .keys()
        .next()
        .unwrap()
        .local_tag
        .clone();
    let to = format!("To: <sip:0800100200@198.51.100.1>;tag={tag}\nContact");
    let inside = |text: String| text.replace("To: <sip:0800100200@198.51.100.1>\nContact", &to);
    net.send_text(STRANGER, &inside(request("BYE", 2, "")));
    assert_eq!(net.status(STRANGER), Some(481));
    net.send_text(
        CARRIER,
        &inside(request("BYE", 2, "")).replace("tag=theirs", "tag=guess"),
    );
    assert_eq!(net.status(CARRIER), Some(481));
    assert_eq!(net.story(PBX), ["incoming v=0"]);

    net.send_text(CARRIER, &inside(request("ACK", 1, "")));
    assert_eq!(net.story(PBX), ["confirmed"]);
    net.send_text(CARRIER, &inside(request("OPTIONS", 7, "")));
    assert_eq!(net.status(CARRIER), Some(200));
    net.send_text(CARRIER, &inside(request("INFO", 8, "")));
    assert_eq!(net.status(CARRIER), Some(200));
    net.send_text(
        CARRIER,
        &inside(request(
            "INFO",
            9,
            "Content-Type: application/dtmf-relay\nContent-Length: 1\n\nx",
        )),
    );
    assert_eq!(net.status(CARRIER), Some(400));
    net.send_text(CARRIER, &inside(request("BYE", 6, "")));
    assert_eq!(net.status(CARRIER), Some(500));
    net.send_text(CARRIER, &inside(request("BYE", 10, "")));
    assert_eq!(net.story(PBX), ["bye"]);
    net.command(PBX, SessionCommand::ConfirmBye { leg: inbound(1) });
    net.finish();
    assert_eq!(net.story(PBX), ["closed"]);
}

#[test]
fn a_reoffer_is_answered_and_a_second_one_waits() {
    let mut net = Net::new();
    net.send_text(CARRIER, &request("INVITE", 1, SDP));
    net.command(
        PBX,
        SessionCommand::Accept {
            leg: inbound(1),
            answer: sdp("answer"),
        },
    );
    let tag = net.ends[PBX]
        .dialogs
        .keys()
        .next()
        .unwrap()
        .local_tag
        .clone();
    let to = format!("To: <sip:0800100200@198.51.100.1>;tag={tag}\nContact");
    let inside = |text: String| text.replace("To: <sip:0800100200@198.51.100.1>\nContact", &to);
    net.send_text(CARRIER, &inside(request("UPDATE", 2, SDP)));
    assert_eq!(net.status(CARRIER), Some(491));
    net.send_text(CARRIER, &inside(request("ACK", 1, "")));
    net.send_text(CARRIER, &inside(request("INVITE", 3, "")));
    net.send_text(CARRIER, &inside(request("INVITE", 4, SDP)));
    assert_eq!(net.status(CARRIER), Some(500));
    let answer = SessionCommand::AnswerReoffer {
        leg: inbound(1),
        answer: Ok(sdp("ours")),
    };
    net.command(PBX, answer);
    assert_eq!(net.status(CARRIER), Some(200));
    net.send_text(CARRIER, &inside(request("ACK", 3, SDP)));
    net.send_text(CARRIER, &inside(request("UPDATE", 5, "")));
    assert_eq!(net.status(CARRIER), Some(200));
    net.send_text(
        CARRIER,
        &inside(request("UPDATE", 6, &SDP.replace("v=0", "v=6"))),
    );
    let refusal = SessionCommand::AnswerReoffer {
        leg: inbound(1),
        answer: Err(488),
    };
    net.command(PBX, refusal);
    assert_eq!(net.status(CARRIER), Some(488));
    assert_eq!(
        net.story(PBX),
        [
            "incoming v=0",
            "confirmed",
            "reoffer",
            "confirmed v=0",
            "reoffer v=6"
        ]
    );
    net.send_text(CARRIER, &inside(request("BYE", 9, "")));
    net.command(PBX, SessionCommand::ConfirmBye { leg: inbound(1) });
    net.finish();
}

#[test]
fn above_the_rate_of_strangers_there_is_silence_for_them_alone() {
    let mut net = Net::new();
    for seq in 0..300 {
        net.send_text(STRANGER, &request("OPTIONS", seq, ""));
    }
    assert_eq!(net.count("0→3 SIP/2.0 200"), 200);
    assert_eq!(net.ends[PBX].refused().limited, 100);
    net.send_text(CARRIER, &request("OPTIONS", 1, ""));
    assert_eq!(net.status(CARRIER), Some(200));
}

#[test]
fn a_late_fork_is_acknowledged_and_ended() {
    let mut net = Net::new();
    let leg = net.call(PBX, CARRIER, 1);
    net.pause();
    net.command(
        CARRIER,
        SessionCommand::Accept {
            leg: inbound(1),
            answer: sdp("answer"),
        },
    );
    net.pause();
    let key = net.ends[PBX].dialogs.keys().next().unwrap().clone();
    let invite = net.ends[PBX].sessions[&leg].invite.clone().unwrap();
    let mut fork = crate::sip::message::Message::response_to(&invite, 200);
    fork.set_to_tag("fork");
    fork.headers
        .push(crate::sip::header::Name::Contact, "<sip:fork@203.0.113.5>");
    assert_eq!(fork.headers.call_id(), Ok(key.call_id.as_str()));
    net.inject(CARRIER, PBX, &fork.to_bytes());
    net.inject(CARRIER, PBX, &fork.to_bytes());
    assert_eq!(net.count("0→1 ACK sip:fork@203.0.113.5"), 2);
    assert_eq!(net.count("0→1 BYE sip:fork@203.0.113.5"), 1);
    assert_eq!(net.story(PBX), ["answered answer"]);
}

#[test]
fn what_is_noted_has_no_number_in_it() {
    let mut net = Net::new();
    net.send_text(STRANGER, &request("INVITE", 14, "Content-Length: 99\n"));
    let noted: Vec<_> = net.events[PBX]
        .iter()
        .filter_map(|event| match event {
            EndpointEvent::Noted(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        noted,
        ["refused a request from 192.0.2.66:5060 with 400: Content-Length exceeds the body"]
    );
}

/// RFC 3325 7, RFC 3323 4.1.1.3, RFC 3327 5.1.
#[test]
fn a_carrier_is_told_who_calls_and_a_phone_is_not() {
    use crate::id::{LegId, Origin};
    use crate::sip::session::OutgoingInvite;
    use crate::sip::uri::Uri;

    let mut net = Net::new();
    net.know(PBX, |trunk| {
        trunk.domain = Some("customer.carrier.example".to_owned());
    });
    let mut number = 0;
    let mut call = |net: &mut Net, trunk: bool, private: bool, route: &'static str| {
        number += 1;
        let leg = LegId {
            origin: Origin::Outbound,
            number,
        };
        let to = if trunk { CARRIER } else { PHONE };
        let target = Uri::parse("sip:380441234567@carrier.example").unwrap();
        let flow = net.flow(PBX, to);
        let invite = OutgoingInvite {
            trunk: trunk.then(|| "carrier".into()),
            asserted: Some("380800100200\r\nEvil: yes".to_owned()),
            private,
            routes: vec![route.into()],
            from_display: "Клініка".to_owned(),
            ..OutgoingInvite::new(target, flow, "380800100200", sdp("offer"))
        };
        let invite = Box::new(invite);
        net.command(PBX, SessionCommand::Invite { leg, invite });
        net.text(&format!("{PBX}→{to} INVITE")).to_owned()
    };
    let open = call(&mut net, true, false, "<sip:edge.example;lr>");
    assert!(
        open.contains("\r\nFrom: \"Клініка\" <sip:380800100200@customer.carrier.example>;tag=")
    );
    assert!(open.contains("\r\nP-Asserted-Identity: <sip:380800100200%0D%0AEvil"));
    assert!(open.contains("\r\nRoute: <sip:edge.example;lr>\r\n"));
    assert!(!open.contains("Privacy:"));
    let secret = call(&mut net, true, true, "no route at all");
    assert!(secret.contains("\r\nFrom: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="));
    assert!(secret.contains("\r\nPrivacy: id\r\n"));
    assert!(secret.contains("\r\nP-Asserted-Identity: <sip:380800100200"));
    assert!(!secret.contains("Route:") && !secret.contains("Клініка"));
    let phone = call(&mut net, false, false, "<sip:p;lr>");
    assert!(phone.contains("<sip:380800100200@clinic.example>"));
    assert!(!phone.contains("P-Asserted-Identity"));
}

#[test]
fn what_leaves_has_only_the_headers_we_mean_whatever_was_put_into_them() {
    let mut net = Net::new();
    let evil = "Eve\r\nX-Evil: 1\r\n folded\r\n\r\nbody";
    let target = Uri::parse("sip:201@192.0.2.10:5060").unwrap();
    let offer = Bytes::from_static(b"offer");
    let mut invite = OutgoingInvite::new(target, net.flow(PBX, PHONE), evil, offer);
    invite.from_display = evil.to_owned();
    invite.asserted = Some(evil.to_owned());
    invite.trunk = Some(TrunkName::from("carrier"));
    // A name with a space before its colon is no name (RFC 3261 7.3.1, 25.1).
    invite.headers = vec![
        ("X-Strowger-City", evil.to_owned()),
        ("X-Evil ", "2".to_owned()),
        ("X-Evil: 3\r\nX-Evil", "4".to_owned()),
    ];
    let leg = LegId {
        origin: Origin::Outbound,
        number: 1,
    };
    let now = net.now();
    let invite = Box::new(invite);
    net.ends[PBX].handle_command(now, SessionCommand::Invite { leg, invite });
    let sent = net.ends[PBX].poll_transmit().unwrap().bytes;
    let text = String::from_utf8(sent.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "offer");
    let names: Vec<_> = head
        .lines()
        .skip(1)
        .map(|line| line.split_once(':').unwrap().0)
        .collect();
    let ours = [
        "Via",
        "Max-Forwards",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Contact",
        "Allow",
        "P-Asserted-Identity",
        "Supported",
        "Session-Expires",
        "Min-SE",
        "X-Strowger-City",
        "Content-Type",
        "Content-Length",
    ];
    assert!(names.iter().all(|name| ours.contains(name)), "{names:?}");
    assert!(names.contains(&"X-Strowger-City") && names.contains(&"P-Asserted-Identity"));
    // And what a peer says before its colon is a name of its own, which nothing of ours asks for.
    assert!(!head.contains("\n "), "{head}");
}
