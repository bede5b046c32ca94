//! Lamps and waiting messages: who may watch, what is told and when, and what ends it.

use super::network::*;
use crate::id::{FlowId, OperatorName, SiteName};
use crate::limits;
use crate::sip::flow::Transport;
use crate::sip::header::Name;
use crate::sip::message::Message;
use crate::sip::parse::parse;
use crate::time::Duration;
use crate::words::OperatorState;

/// A net whose phones answer NOTIFYs by hand only.
fn quiet() -> Net {
    let mut net = Net::new();
    net.blocked = vec![("0→2 NOTIFY", 10_000), ("0→3 NOTIFY", 10_000)];
    net
}

/// A SUBSCRIBE of a user to `to`; `tag` is the exchange's once there is a dialog.
fn subscribe(net: &mut Net, from: usize, user: &str, to: &str, seq: u32, tag: &str, more: &str) {
    let uri = format!("sip:{to}@clinic.example");
    let digest = net.digest(user, "SUBSCRIBE", &uri);
    let by = net.transport.as_str();
    let tag = match tag {
        "" => String::new(),
        tag => format!(";tag={tag}"),
    };
    let text = format!(
        "SUBSCRIBE {uri} SIP/2.0
Via: SIP/2.0/{by} 10.0.0.7:5060;rport;branch=z9hG4bKs{user}{to}{seq}
From: <sip:{user}@clinic.example>;tag=t
To: <{uri}>{tag}
Contact: <sip:{user}@10.0.0.7>
Call-ID: sub{user}{to}
CSeq: {seq} SUBSCRIBE
Authorization: {digest}
{more}Content-Length: 0

"
    );
    net.send_text(from, &text);
}

const DIALOG: &str = "Event: dialog\nAccept: application/dialog-info+xml\n";
const MESSAGES: &str = "Event: message-summary\n";

/// The last response to `to`.
fn answered(net: &Net, to: usize) -> Message {
    let mut sent = net.wire.iter().rev();
    let found = sent.find(|(at, bytes)| *at == to && bytes.starts_with(b"SIP/2.0"));
    parse(&found.unwrap().1).unwrap()
}

fn tag_of(net: &Net, to: usize) -> String {
    let response = answered(net, to);
    response.headers.to().unwrap().tag().unwrap().to_owned()
}

/// The Subscription-State and the body of the last NOTIFY to the phone.
fn told(net: &Net, to: usize) -> (String, String) {
    let notify = net.request_to(to, "NOTIFY");
    let state = notify.headers.text(&Name::SubscriptionState).unwrap();
    (state, String::from_utf8(notify.body.to_vec()).unwrap())
}

fn taras(net: &mut Net, state: OperatorState) {
    let now = net.now();
    net.ends[PBX].publish_operator(now, &OperatorName::from("taras"), state);
    net.collect(PBX);
}

fn open(net: &mut Net, site: Option<&str>, count: usize) {
    let now = net.now();
    let site = site.map(SiteName::from);
    net.ends[PBX].publish_callbacks(now, site.as_ref(), count);
    net.collect(PBX);
}

#[test]
fn a_lamp_is_told_at_once_and_when_it_changes() {
    // RFC 6665 4.2.1.2, RFC 4235 3
    let mut net = quiet();
    subscribe(&mut net, PHONE, "olena", "taras", 1, "", DIALOG);
    let granted = answered(&net, PHONE);
    assert_eq!(granted.status(), Some(200));
    assert_eq!(granted.headers.expires(), Ok(Some(3600)));
    let (state, body) = told(&net, PHONE);
    assert_eq!(state, "active;expires=3600");
    assert!(body.contains("version=\"0\"") && body.contains("<state>terminated</state>"));
    assert!(
        body.contains("entity=\"sip:taras@clinic.example\""),
        "{body}"
    );
    let notify = net.request_to(PHONE, "NOTIFY");
    assert_eq!(notify.headers.text(&Name::Event).unwrap(), "dialog");
    let kind = notify.headers.text(&Name::ContentType).unwrap();
    assert_eq!(kind, "application/dialog-info+xml");
    net.answer_last(PHONE, "NOTIFY", 200);
    net.run(Duration::from_secs(2));
    taras(&mut net, OperatorState::Reserved);
    assert_eq!(
        net.count("0→2 NOTIFY"),
        1,
        "nothing that a lamp shows changed"
    );
    for (state, shown) in [
        (OperatorState::Ringing, "early"),
        (OperatorState::Talking, "confirmed"),
        (OperatorState::WrapUp, "terminated"),
    ] {
        taras(&mut net, state);
        assert!(
            told(&net, PHONE)
                .1
                .contains(&format!("<state>{shown}</state>"))
        );
        net.answer_last(PHONE, "NOTIFY", 200);
        net.run(Duration::from_secs(2));
    }
    assert!(told(&net, PHONE).1.contains("version=\"3\""));
}

#[test]
fn a_short_number_and_an_event_id_are_kept_as_they_were_asked_for() {
    let mut net = quiet();
    subscribe(
        &mut net,
        PHONE,
        "olena",
        "202",
        1,
        "",
        "Event: dialog;id=7\n",
    );
    let notify = net.request_to(PHONE, "NOTIFY");
    assert_eq!(notify.headers.text(&Name::Event).unwrap(), "dialog;id=7");
    assert!(
        told(&net, PHONE)
            .1
            .contains("entity=\"sip:202@clinic.example\"")
    );
    net.answer_last(PHONE, "NOTIFY", 200);
    net.run(Duration::from_secs(1));
    taras(&mut net, OperatorState::Talking);
    assert!(told(&net, PHONE).1.contains("confirmed"));
}

#[test]
fn changes_are_told_once_a_second_and_one_at_a_time() {
    // RFC 4235 3.10
    let mut net = quiet();
    subscribe(&mut net, PHONE, "olena", "taras", 1, "", DIALOG);
    net.answer_last(PHONE, "NOTIFY", 200);
    for round in 0..50 {
        let state = match round % 2 {
            0 => OperatorState::Ringing,
            _ => OperatorState::Available,
        };
        taras(&mut net, state);
        net.run(Duration::from_millis(10));
    }
    assert_eq!(net.count("0→2 NOTIFY"), 1);
    taras(&mut net, OperatorState::Talking);
    net.run(Duration::from_millis(501));
    assert_eq!(net.count("0→2 NOTIFY"), 2);
    assert!(
        told(&net, PHONE).1.contains("confirmed"),
        "the last state counts"
    );
    // The one on its way is repeated, and nothing new is sent before its answer.
    taras(&mut net, OperatorState::Available);
    net.run(Duration::from_secs(3));
    assert!(told(&net, PHONE).1.contains("confirmed"));
    net.answer_last(PHONE, "NOTIFY", 200);
    assert!(told(&net, PHONE).1.contains("terminated"));
}

#[test]
fn a_subscription_is_renewed_and_ended_by_its_own_phone() {
    // RFC 6665 4.2.1.4
    let mut net = quiet();
    subscribe(&mut net, PHONE, "olena", "taras", 1, "", DIALOG);
    let tag = tag_of(&net, PHONE);
    net.answer_last(PHONE, "NOTIFY", 200);
    net.run(Duration::from_secs(3000));
    let shorter = format!("{DIALOG}Expires: 120\n");
    subscribe(&mut net, PHONE, "olena", "taras", 2, &tag, &shorter);
    assert_eq!(net.status(PHONE), Some(200));
    assert_eq!(told(&net, PHONE).0, "active;expires=120");
    net.answer_last(PHONE, "NOTIFY", 200);
    subscribe(&mut net, PHONE, "olena", "taras", 2, &tag, DIALOG);
    assert_eq!(
        net.count("0→2 SIP/2.0 200"),
        2 + 1,
        "a repetition is answered again"
    );
    assert_eq!(net.count("0→2 NOTIFY"), 2, "and nothing is told again");
    let ending = format!("{DIALOG}Expires: 0\n");
    subscribe(&mut net, PHONE, "olena", "taras", 3, &tag, &ending);
    assert_eq!(told(&net, PHONE).0, "terminated;reason=timeout");
    assert_eq!(net.ends[PBX].subscriptions(), 0);
    net.answer_last(PHONE, "NOTIFY", 200);
    subscribe(&mut net, PHONE, "olena", "taras", 4, &tag, DIALOG);
    assert_eq!(net.status(PHONE), Some(481));
    net.finish();
}

#[test]
fn one_that_is_not_renewed_ends_with_a_word() {
    let mut net = quiet();
    let short = format!("{DIALOG}Expires: 60\n");
    subscribe(&mut net, PHONE, "olena", "taras", 1, "", &short);
    net.answer_last(PHONE, "NOTIFY", 200);
    net.run(Duration::from_secs(61));
    assert_eq!(told(&net, PHONE).0, "terminated;reason=timeout");
    assert_eq!(net.ends[PBX].subscriptions(), 0);
    net.answer_last(PHONE, "NOTIFY", 200);
    // A look without staying (RFC 6665 4.4.3).
    let look = format!("{MESSAGES}Expires: 0\n");
    subscribe(&mut net, PHONE, "olena", "olena", 1, "", &look);
    assert_eq!(told(&net, PHONE).0, "terminated;reason=timeout");
    net.answer_last(PHONE, "NOTIFY", 200);
    net.finish();
}

#[test]
fn messages_are_the_open_callbacks_of_the_operators_branch() {
    // RFC 3842 3
    let mut net = quiet();
    open(&mut net, Some("odesa"), 2);
    open(&mut net, None, 5);
    subscribe(&mut net, PHONE, "olena", "olena", 1, "", MESSAGES);
    subscribe(&mut net, STRANGER, "taras", "202", 1, "", MESSAGES);
    assert!(told(&net, PHONE).1.contains("Voice-Message: 2/0"));
    assert!(
        told(&net, STRANGER).1.contains("Voice-Message: 5/0"),
        "no branch: all"
    );
    net.answer_last(PHONE, "NOTIFY", 200);
    net.answer_last(STRANGER, "NOTIFY", 200);
    net.run(Duration::from_secs(1));
    open(&mut net, Some("kharkiv"), 1);
    open(&mut net, None, 6);
    assert_eq!((net.count("0→2 NOTIFY"), net.count("0→3 NOTIFY")), (1, 2));
    net.answer_last(STRANGER, "NOTIFY", 200);
    open(&mut net, Some("odesa"), 0);
    assert!(told(&net, PHONE).1.starts_with("Messages-Waiting: no\r\n"));
}

#[test]
fn who_may_not_watch_is_told_why() {
    let mut net = quiet();
    let text = "SUBSCRIBE sip:taras@clinic.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKx
From: <sip:olena@clinic.example>;tag=t
To: <sip:taras@clinic.example>
Call-ID: x
CSeq: 1 SUBSCRIBE
Event: dialog
";
    // A stranger is asked for a digest before it learns anything (RFC 3261 22.2).
    net.send_text(STRANGER, &format!("{text}\n"));
    assert_eq!(net.status(STRANGER), Some(401));
    for (seq, user, to, more, status) in [
        (1, "olena", "taras", "Event: presence\n", 489),
        (2, "olena", "taras", "", 489),
        (3, "olena", "taras", "Event: dialog\nExpires: 59\n", 423),
        (4, "olena", "taras", "Event: dialog\nExpires: x\n", 400),
        (
            5,
            "olena",
            "taras",
            "Event: dialog\nAccept: text/plain\n",
            406,
        ),
        (6, "olena", "nobody", DIALOG, 404),
        (7, "olena", "taras", MESSAGES, 403),
    ] {
        subscribe(&mut net, PHONE, user, to, seq, "", more);
        assert_eq!(net.status(PHONE), Some(status), "{more}");
    }
    let long = format!("{DIALOG}Expires: 99999999999\n");
    subscribe(&mut net, PHONE, "olena", "taras", 8, "", &long);
    assert_eq!(answered(&net, PHONE).headers.expires(), Ok(Some(3600)));
    let tag = tag_of(&net, PHONE);
    // RFC 6665 4.2.1.1: what is known here is named.
    subscribe(&mut net, PHONE, "olena", "x", 1, "", "Event: presence\n");
    let known = answered(&net, PHONE).headers.text(&Name::AllowEvents);
    assert_eq!(known.as_deref(), Some("dialog, message-summary"));
    // Another operator who learned the ids renews nothing.
    let theft = "SUBSCRIBE sip:taras@clinic.example SIP/2.0";
    let digest = net.digest("taras", "SUBSCRIBE", "sip:taras@clinic.example");
    let theft = format!(
        "{theft}
Via: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKtheft
From: <sip:taras@clinic.example>;tag=t
To: <sip:taras@clinic.example>;tag={tag}
Call-ID: subolenataras
CSeq: 99 SUBSCRIBE
Event: dialog
Expires: 0
Authorization: {digest}

"
    );
    net.send_text(STRANGER, &theft);
    assert_eq!(net.status(STRANGER), Some(481));
    assert_eq!(net.ends[PBX].subscriptions(), 1);
}

#[test]
fn dead_subscriptions_are_pruned() {
    // RFC 6665 4.2.2
    let mut net = quiet();
    for (seq, status) in [(1, Some(481)), (3, None)] {
        subscribe(&mut net, PHONE, "olena", "taras", seq, "", DIALOG);
        assert_eq!(net.ends[PBX].subscriptions(), 1);
        match status {
            Some(status) => net.answer_last(PHONE, "NOTIFY", status),
            None => net.run(Duration::from_secs(33)),
        }
        assert_eq!(net.ends[PBX].subscriptions(), 0, "{status:?}");
    }
    // The last phone of the operator leaves.
    net.register(PHONE, "olena", 1, "<sip:olena@192.0.2.10:40000>", "");
    subscribe(&mut net, PHONE, "olena", "taras", 5, "", DIALOG);
    net.answer_last(PHONE, "NOTIFY", 200);
    net.register(
        PHONE,
        "olena",
        2,
        "<sip:olena@192.0.2.10:40000>;expires=0",
        "",
    );
    assert_eq!(net.ends[PBX].subscriptions(), 0);
    net.finish();
}

#[test]
fn a_stream_takes_its_subscriptions_along() {
    let mut net = quiet();
    net.transport = Transport::Tcp;
    subscribe(&mut net, PHONE, "olena", "taras", 1, "", DIALOG);
    net.answer_last(PHONE, "NOTIFY", 200);
    let now = net.now();
    net.ends[PBX].handle_flow_down(now, FlowId(10));
    assert_eq!(net.ends[PBX].subscriptions(), 0);
    assert!(net.ends[PBX].subscriptions.is_empty());
    net.finish();
}

#[test]
fn subscriptions_of_one_operator_are_bounded() {
    let mut net = quiet();
    net.register(PHONE, "olena", 1, "<sip:olena@192.0.2.10:40000>", "");
    for seq in 0..=limits::SUBSCRIPTIONS_PER_OPERATOR {
        let seq = u32::try_from(seq + 1).unwrap();
        subscribe(&mut net, PHONE, "olena", "taras", seq, "", DIALOG);
        net.answer_last(PHONE, "NOTIFY", 200);
    }
    assert_eq!(net.status(PHONE), Some(403));
    assert_eq!(
        net.ends[PBX].subscriptions(),
        limits::SUBSCRIPTIONS_PER_OPERATOR
    );
}

#[test]
fn who_leaves_the_plan_is_watched_no_more() {
    let mut net = quiet();
    subscribe(&mut net, PHONE, "olena", "taras", 1, "", DIALOG);
    net.answer_last(PHONE, "NOTIFY", 200);
    let mut directory = net.ends[PBX].directory.clone();
    directory.users.remove(&OperatorName::from("taras"));
    net.ends[PBX].set_directory(directory);
    net.collect(PBX);
    assert_eq!(told(&net, PHONE).0, "terminated;reason=noresource");
    assert_eq!(net.ends[PBX].subscriptions(), 0);
}

#[test]
fn a_lamp_follows_its_own_phone_and_no_other() {
    let mut net = quiet();
    let phone = "<sip:olena@10.0.0.7>";
    net.register(PHONE, "olena", 1, phone, "");
    // Another phone of the operator, which did not register.
    subscribe(&mut net, STRANGER, "olena", "taras", 1, "", DIALOG);
    assert_eq!((net.count("0→2 NOTIFY"), net.count("0→3 NOTIFY")), (0, 1));
    net.answer_last(STRANGER, "NOTIFY", 200);
    // The one that did moves behind its NAT, and its lamp with it.
    subscribe(&mut net, PHONE, "olena", "202", 1, "", DIALOG);
    net.answer_last(PHONE, "NOTIFY", 200);
    net.register(STRANGER, "olena", 2, phone, "");
    net.run(Duration::from_secs(1));
    net.trace.clear();
    taras(&mut net, OperatorState::Talking);
    assert_eq!((net.count("0→2 NOTIFY"), net.count("0→3 NOTIFY")), (0, 2));
}
