//! Transfers as a phone asks for them, dialogs that take the place of others, and digits by INFO.

use super::network::*;
use crate::id::LegId;
use crate::sip::dialog::DialogKey;
use crate::sip::header::Name;
use crate::sip::session::{Refer, Replaced, SessionCommand, SessionEvent};
use crate::time::Duration;

/// Olena's phone is registered and talks with the exchange.
fn talking(net: &mut Net) -> LegId {
    net.register(PHONE, "olena", 1, "<sip:olena@192.0.2.10:40000>", "");
    another(net, 1)
}

/// One more call of the exchange to the phone, answered.
fn another(net: &mut Net, number: u64) -> LegId {
    let leg = net.call(PBX, PHONE, number);
    net.pause();
    let accept = SessionCommand::Accept {
        leg: inbound(number),
        answer: sdp("answer"),
    };
    net.command(PHONE, accept);
    net.pause();
    net.events[PBX].clear();
    net.blocked = vec![("0→2 NOTIFY", 1000)];
    leg
}

/// A request of the phone inside the dialog of a leg.
fn inside(net: &Net, leg: LegId, method: &str, seq: u32, more: &str) -> String {
    let dialog = &net.ends[PBX].sessions[&leg].dialog;
    let DialogKey { call_id, local_tag } = &dialog.key;
    let tag = dialog.remote_tag.as_deref().unwrap();
    format!(
        "{method} sip:strowger@198.51.100.1:5060 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10:40000;branch=z9hG4bKin{seq}
From: <sip:olena@clinic.example>;tag={tag}
To: <sip:380671234567@clinic.example>;tag={local_tag}
Call-ID: {call_id}
CSeq: {seq} {method}
{more}
"
    )
}

fn refer(net: &mut Net, leg: LegId, seq: u32, more: &str) {
    let text = inside(net, leg, "REFER", seq, more);
    net.send_text(PHONE, &text);
}

fn answer(net: &mut Net, leg: LegId, answer: Result<(), u16>) {
    net.command(PBX, SessionCommand::AnswerRefer { leg, answer });
}

fn progress(net: &mut Net, leg: LegId, code: u16) {
    net.command(PBX, SessionCommand::ReferProgress { leg, code });
}

/// The Event, the Subscription-State and the body of the last NOTIFY to the phone.
fn notified(net: &Net) -> (String, String, String) {
    let notify = net.request_to(PHONE, "NOTIFY");
    let text = |name: &Name| notify.headers.text(name).unwrap_or_default();
    let body = String::from_utf8(notify.body.to_vec()).unwrap();
    (text(&Name::Event), text(&Name::SubscriptionState), body)
}

fn referred(net: &mut Net) -> Option<Refer> {
    net.sessions(PBX).into_iter().find_map(|event| match event {
        SessionEvent::Refer { refer, .. } => Some(*refer),
        _ => None,
    })
}

#[test]
fn a_transfer_is_accepted_and_its_progress_told() {
    // RFC 3515 2.4.4: 202, a NOTIFY at once, and one with the final answer, which ends it.
    let mut net = Net::new();
    let leg = talking(&mut net);
    refer(&mut net, leg, 10, "Refer-To: <sip:202@clinic.example>\n");
    assert_eq!(net.story(PBX), ["refer sip:202@clinic.example"]);
    answer(&mut net, leg, Ok(()));
    assert_eq!(net.status(PHONE), Some(202));
    let (event, state, body) = notified(&net);
    assert_eq!(
        (event.as_str(), body.as_str()),
        ("refer", "SIP/2.0 100 Trying\r\n")
    );
    assert_eq!(state, "active;expires=180");
    let kind = net
        .request_to(PHONE, "NOTIFY")
        .headers
        .text(&Name::ContentType);
    assert_eq!(kind.as_deref(), Some("message/sipfrag;version=2.0"));
    net.answer_last(PHONE, "NOTIFY", 200);
    progress(&mut net, leg, 180);
    assert_eq!(notified(&net).2, "SIP/2.0 180 Ringing\r\n");
    net.answer_last(PHONE, "NOTIFY", 200);
    progress(&mut net, leg, 200);
    let (_, state, body) = notified(&net);
    assert_eq!(state, "terminated;reason=noresource");
    assert_eq!(body, "SIP/2.0 200 OK\r\n");
    assert_eq!(net.count("0→2 NOTIFY"), 3);

    // RFC 3515 2.4.6: from the second on, NOTIFYs say whose they are.
    refer(&mut net, leg, 11, "Refer-To: <sip:203@clinic.example>\n");
    answer(&mut net, leg, Ok(()));
    assert_eq!(notified(&net).0, "refer;id=11");
    progress(&mut net, leg, 486);
    assert_eq!(notified(&net).2, "SIP/2.0 486 Busy Here\r\n");
}

#[test]
fn one_transfer_at_a_time_and_a_refused_one_is_over() {
    let mut net = Net::new();
    let leg = talking(&mut net);
    let to = "Refer-To: <sip:202@clinic.example>\n";
    refer(&mut net, leg, 10, to);
    refer(&mut net, leg, 11, to);
    assert_eq!(net.status(PHONE), Some(491));
    answer(&mut net, leg, Err(404));
    assert_eq!(net.status(PHONE), Some(404));
    assert_eq!(net.count("0→2 NOTIFY"), 0);
    refer(&mut net, leg, 12, to);
    answer(&mut net, leg, Ok(()));
    assert_eq!(net.status(PHONE), Some(202));
}

#[test]
fn a_phone_that_wants_no_notify_gets_none() {
    // RFC 4488 4
    let mut net = Net::new();
    let leg = talking(&mut net);
    let more = "Refer-To: <sip:202@clinic.example>\nRefer-Sub: false\nRequire: norefersub\n";
    refer(&mut net, leg, 10, more);
    answer(&mut net, leg, Ok(()));
    let accepted = net.wire.iter().rev().find(|(to, _)| *to == PHONE).unwrap();
    let accepted = String::from_utf8(accepted.1.to_vec()).unwrap();
    assert!(accepted.starts_with("SIP/2.0 202") && accepted.contains("\r\nRefer-Sub: false\r\n"));
    progress(&mut net, leg, 200);
    assert_eq!(net.count("0→2 NOTIFY"), 0);
}

#[test]
fn a_phone_that_does_not_listen_is_told_nothing_more() {
    // RFC 6665 4.2.2: 481 to a NOTIFY ends the subscription, and nothing else.
    let mut net = Net::new();
    let leg = talking(&mut net);
    refer(&mut net, leg, 10, "Refer-To: <sip:202@clinic.example>\n");
    answer(&mut net, leg, Ok(()));
    net.answer_last(PHONE, "NOTIFY", 481);
    net.events[PBX].clear();
    progress(&mut net, leg, 180);
    progress(&mut net, leg, 200);
    assert_eq!(net.count("0→2 NOTIFY"), 1);
    assert_eq!(net.story(PBX), [""; 0]);
}

#[test]
fn a_transfer_of_which_nothing_is_heard_ends_by_itself() {
    let mut net = Net::new();
    let leg = talking(&mut net);
    refer(&mut net, leg, 10, "Refer-To: <sip:202@clinic.example>\n");
    answer(&mut net, leg, Ok(()));
    net.answer_last(PHONE, "NOTIFY", 200);
    net.run(Duration::from_secs(179));
    assert_eq!(net.count("0→2 NOTIFY"), 1);
    net.run(Duration::from_secs(2));
    let (_, state, _) = notified(&net);
    assert_eq!(state, "terminated;reason=timeout");
    net.answer_last(PHONE, "NOTIFY", 200);
    // One that the call machine never answered has its answer too.
    refer(&mut net, leg, 11, "Refer-To: <sip:202@clinic.example>\n");
    net.run(Duration::from_secs(181));
    assert_eq!(net.status(PHONE), Some(500));
}

#[test]
fn a_call_that_ends_takes_its_transfer_along() {
    let mut net = Net::new();
    let leg = talking(&mut net);
    refer(&mut net, leg, 10, "Refer-To: <sip:202@clinic.example>\n");
    let cause = cause(200);
    net.command(PBX, SessionCommand::HangUp { leg, cause });
    assert_eq!(net.count("0→2 SIP/2.0 487"), 1);
    net.pause();
    net.command(PHONE, SessionCommand::ConfirmBye { leg: inbound(1) });
    net.finish();
}

#[test]
fn who_hangs_up_still_hears_how_the_transfer_ended() {
    // RFC 3515 2.4.4, RFC 5057 4.2: the BYE ends the session, not the subscription.
    for (code, line) in [
        (200, "SIP/2.0 200 OK\r\n"),
        (486, "SIP/2.0 486 Busy Here\r\n"),
    ] {
        let mut net = Net::new();
        let leg = talking(&mut net);
        refer_and_leave(&mut net, leg);
        // Long after every transaction of the session.
        net.run(Duration::from_secs(60));
        assert_eq!(net.story(PBX), ["refer sip:202@clinic.example", "bye"]);
        assert_eq!(net.ends[PBX].live().sessions, 1);
        progress(&mut net, leg, code);
        let (_, state, body) = notified(&net);
        assert_eq!(state, "terminated;reason=noresource");
        assert_eq!(body, line);
        net.answer_last(PHONE, "NOTIFY", 200);
        net.run(Duration::from_secs(10));
        assert_eq!(net.story(PBX), ["closed"]);
        assert_eq!(net.count("0→2 NOTIFY"), 2);
        net.finish();
    }
}

#[test]
fn news_for_one_who_hung_up_ends_by_itself_or_when_nobody_listens() {
    // RFC 6665 4.2.2
    let mut net = Net::new();
    let leg = talking(&mut net);
    refer_and_leave(&mut net, leg);
    net.run(Duration::from_secs(181));
    assert_eq!(notified(&net).1, "terminated;reason=timeout");
    net.finish();

    let mut net = Net::new();
    let leg = talking(&mut net);
    refer_and_leave(&mut net, leg);
    progress(&mut net, leg, 180);
    net.answer_last(PHONE, "NOTIFY", 481);
    net.run(Duration::from_secs(60));
    assert_eq!(net.ends[PBX].live(), crate::sip::endpoint::Live::default());
    progress(&mut net, leg, 200);
    assert_eq!(net.count("0→2 NOTIFY"), 2);
    net.finish();
}

/// The phone refers, hears the 100, and hangs up.
fn refer_and_leave(net: &mut Net, leg: LegId) {
    refer(net, leg, 10, "Refer-To: <sip:202@clinic.example>\n");
    answer(net, leg, Ok(()));
    net.answer_last(PHONE, "NOTIFY", 200);
    let text = inside(net, leg, "BYE", 11, "");
    net.send_text(PHONE, &text);
    net.command(PBX, SessionCommand::ConfirmBye { leg });
    assert_eq!(net.status(PHONE), Some(200));
    let cause = cause(200);
    let leg = inbound(1);
    net.command(PHONE, SessionCommand::HangUp { leg, cause });
}

#[test]
fn a_refer_that_makes_no_sense_is_400_and_one_from_outside_403() {
    // RFC 3515 2.4.2
    let mut net = Net::new();
    let leg = talking(&mut net);
    let two = "Refer-To: <sip:202@clinic.example>\n";
    for (seq, more, status) in [
        (10, String::new(), 400),
        (11, format!("{two}{two}"), 400),
        (12, "Refer-To: <sip:a@b>, <sip:c@d>\n".to_owned(), 400),
        (13, "Refer-To: <mailto:a@b>\n".to_owned(), 416),
    ] {
        refer(&mut net, leg, seq, &more);
        assert_eq!(net.status(PHONE), Some(status), "{more}");
    }
    assert_eq!(net.story(PBX), [""; 0]);
    let text = inside(&net, leg, "REFER", 20, two);
    let outside = text.replace(";tag=", ";x=");
    for from in [CARRIER, PHONE, STRANGER] {
        net.send_text(from, &outside.replace("bKin", &format!("bKout{from}")));
        assert_eq!(net.status(from), Some(403));
    }
    // Somebody else who learned the ids of the dialog is nobody in it.
    net.send_text(STRANGER, &text.replace("bKin", "bKtheft"));
    assert_eq!(net.status(STRANGER), Some(481));
    assert_eq!(net.story(PBX), [""; 0]);
}

#[test]
fn a_carrier_transfers_nobody() {
    let mut net = Net::new();
    let leg = net.call(PBX, CARRIER, 1);
    net.pause();
    let accept = SessionCommand::Accept {
        leg: inbound(1),
        answer: sdp("answer"),
    };
    net.command(CARRIER, accept);
    net.pause();
    let text = inside(
        &net,
        leg,
        "REFER",
        10,
        "Refer-To: <sip:900@carrier.example>\n",
    );
    net.send_text(CARRIER, &text);
    assert_eq!(net.status(CARRIER), Some(403));
}

/// The Replaces of a leg, as its phone writes it.
fn replaces(net: &Net, leg: LegId) -> String {
    let dialog = &net.ends[PBX].sessions[&leg].dialog;
    let theirs = dialog.remote_tag.as_deref().unwrap();
    let (call, ours) = (&dialog.key.call_id, &dialog.key.local_tag);
    format!("{call};to-tag={ours};from-tag={theirs}")
}

#[test]
fn an_attended_transfer_names_a_leg_of_the_same_operator() {
    // RFC 3891 5: the ids are those of the phone's dialog with us, and mean one of our legs.
    let mut net = Net::new();
    let first = talking(&mut net);
    let second = another(&mut net, 2);
    let encode = |text: &str| text.replace(';', "%3B").replace('=', "%3D");
    let to = |of: &str| {
        format!(
            "Refer-To: <sip:202@clinic.example?Replaces={}>\n",
            encode(of)
        )
    };
    let own = replaces(&net, second);
    let foreign = own.replace("to-tag=", "to-tag=x");
    let itself = replaces(&net, first);
    for (seq, named, meant) in [
        (10, &own, Replaced::Leg(second)),
        (11, &foreign, Replaced::Unknown),
        (12, &itself, Replaced::Unknown),
    ] {
        refer(&mut net, first, seq, &to(named));
        let refer = referred(&mut net).unwrap();
        assert_eq!(refer.target.as_str(), "sip:202@clinic.example");
        assert_eq!(refer.replaces, Some(meant));
        answer(&mut net, first, Err(403));
    }
    // The carrier's leg is nobody's to take over.
    let carried = net.call(PBX, CARRIER, 7);
    net.pause();
    let accept = SessionCommand::Accept {
        leg: inbound(1),
        answer: sdp("answer"),
    };
    net.command(CARRIER, accept);
    net.pause();
    net.events[PBX].clear();
    let carried = replaces(&net, carried);
    refer(&mut net, first, 13, &to(&carried));
    assert_eq!(
        referred(&mut net).unwrap().replaces,
        Some(Replaced::Unknown)
    );
}

/// An INVITE of a user from an address, with a digest.
fn invite(net: &mut Net, from: usize, user: &str, seq: u32, more: &str) {
    let uri = "sip:202@clinic.example";
    let digest = net.digest(user, "INVITE", uri);
    let text = format!(
        "INVITE {uri} SIP/2.0
Via: SIP/2.0/UDP 10.0.0.7:5060;rport;branch=z9hG4bKi{user}{seq}
From: <sip:{user}@clinic.example>;tag=t{seq}
To: <{uri}>
Contact: <sip:{user}@10.0.0.7>
Call-ID: call{seq}
CSeq: 1 INVITE
Proxy-Authorization: {digest}
{more}
"
    );
    net.send_text(from, &text);
}

#[test]
fn an_invite_takes_the_place_of_its_own_operators_dialog_alone() {
    // RFC 3891 3
    let mut net = Net::new();
    let leg = talking(&mut net);
    let own = replaces(&net, leg);
    invite(
        &mut net,
        PHONE,
        "olena",
        1,
        &format!("Require: replaces\nReplaces: {own}\n"),
    );
    assert_eq!(net.status(PHONE), Some(100));
    let events = net.sessions(PBX);
    let [SessionEvent::Incoming { invite: got, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(got.replaces, Some(leg));
    for (from, user, seq, more, status) in [
        (STRANGER, "taras", 2, format!("Replaces: {own}\n"), 481),
        (
            PHONE,
            "olena",
            3,
            format!("Replaces: {own};early-only\n"),
            486,
        ),
        (
            PHONE,
            "olena",
            4,
            "Replaces: none;to-tag=1;from-tag=2\n".to_owned(),
            481,
        ),
        (
            PHONE,
            "olena",
            5,
            format!("Replaces: {own}\nReplaces: {own}\n"),
            400,
        ),
        (PHONE, "olena", 6, "Replaces: none\n".to_owned(), 400),
        (CARRIER, "nobody", 7, format!("Replaces: {own}\n"), 403),
    ] {
        invite(&mut net, from, user, seq, &more);
        assert_eq!(net.status(from), Some(status), "{more}");
        assert_eq!(net.story(PBX), [""; 0], "{more}");
    }
    // One that is over can be replaced by nothing.
    let bye = inside(&net, leg, "BYE", 30, "");
    net.send_text(PHONE, &bye);
    invite(&mut net, PHONE, "olena", 8, &format!("Replaces: {own}\n"));
    assert_eq!(net.status(PHONE), Some(603));
}

/// The header lines and the body of an INFO.
fn info(kind: &str, body: &str) -> String {
    let length = body.replace('\n', "\r\n").len();
    format!("Content-Type: {kind}\nContent-Length: {length}\n\n{body}")
}

#[test]
fn digits_by_info_are_told_one_by_one() {
    // RFC 6086 4.2.2
    let mut net = Net::new();
    let leg = talking(&mut net);
    let relay = |body: &str| info("application/dtmf-relay", body);
    let plain = |body: &str| info("application/dtmf", body);
    let cases = [
        (relay("Signal=5\nDuration= 160\n"), 200),
        (relay("Signal= 5\nDuration=160\n"), 200),
        (relay("Signal=*"), 200),
        (relay("signal=11"), 200),
        (plain("d"), 200),
        (plain("16"), 200),
        ("\n".to_owned(), 200),
        (plain("x"), 400),
        (relay("Signal=55"), 400),
        (relay("Duration=160"), 400),
        (info("text/plain", "5"), 415),
        (plain(&"5".repeat(257)), 413),
        (format!("Info-Package: x\n{}", plain("5")), 469),
    ];
    for (seq, (more, status)) in (10..).zip(cases) {
        let head = inside(&net, leg, "INFO", seq, "");
        net.send_text(PHONE, &format!("{}\n{more}", head.trim_end()));
        assert_eq!(net.status(PHONE), Some(status), "{more}");
    }
    let head = inside(&net, leg, "INFO", 30, "");
    let repeated = format!("{}\n{}", head.trim_end(), plain("9"));
    net.send_text(PHONE, &repeated);
    net.send_text(PHONE, &repeated);
    assert_eq!(
        net.story(PBX),
        [
            "digit 5", "digit 5", "digit *", "digit #", "digit D", "digit 9"
        ]
    );
}
