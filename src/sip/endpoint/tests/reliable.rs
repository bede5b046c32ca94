//! Provisional responses that are acknowledged (RFC 3262), from both sides.

use super::hand::*;
use super::network::*;
use crate::id::LegId;
use crate::sip::header::Name;
use crate::sip::session::SessionCommand;
use crate::time::Duration;
use crate::words::Rel100;

fn progress(leg: LegId, code: u16, answer: Option<&'static str>) -> SessionCommand {
    SessionCommand::Progress {
        leg,
        code,
        answer: answer.map(sdp),
    }
}

fn accept(leg: LegId) -> SessionCommand {
    let answer = sdp("answer");
    SessionCommand::Accept { leg, answer }
}

fn hang_up(leg: LegId) -> SessionCommand {
    let cause = cause(486);
    SessionCommand::HangUp { leg, cause }
}

/// RFC 3262 3: T1, doubling without a ceiling, 64·T1 in all; then a 5xx.
#[test]
fn a_provisional_response_is_repeated_until_64_t1_and_then_the_call_is_refused() {
    let mut net = Net::new();
    net.call(CARRIER, PBX, 1);
    net.pause();
    net.blocked = vec![("1→0 PRACK", 1_000)];
    let start = net.now;
    net.command(PBX, progress(inbound(1), 180, None));
    let mut seen = Vec::new();
    while net.now.since(start) < Duration::from_secs(33) {
        let before = net.count("0→1 SIP/2.0 180");
        net.run(Duration::from_millis(100));
        if net.count("0→1 SIP/2.0 180") > before {
            seen.push(net.now.since(start).as_millis());
        }
    }
    assert_eq!(seen, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(net.story(PBX), ["incoming offer", "failed no PRACK"]);
    assert_eq!(net.count("0→1 SIP/2.0 504"), 1);
    net.finish();
    assert_eq!(
        net.story(CARRIER),
        ["progress 180", "rejected 504", "closed"]
    );
    assert_eq!(net.story(PBX), ["closed"]);
}

/// RFC 3262 3: the second waits for the PRACK of the first.
#[test]
fn the_next_provisional_response_waits_for_the_prack_of_the_last() {
    let mut net = Net::new();
    net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(PBX, progress(inbound(1), 180, None));
    net.command(PBX, progress(inbound(1), 183, Some("early")));
    assert_eq!(net.count("0→1 SIP/2.0 183"), 0);
    net.pause();
    assert_eq!(net.count("0→1 SIP/2.0 183"), 1);
    assert_eq!(net.count("1→0 PRACK"), 2);
    assert_eq!(net.story(CARRIER), ["progress 180", "progress 183 early"]);
    net.command(PBX, hang_up(inbound(1)));
    net.finish();
}

/// RFC 3262 3: a 200 waits for the PRACK of a provisional response with our answer; and that answer
/// is not given twice.
#[test]
fn a_200_waits_while_an_answer_is_not_acknowledged() {
    let mut net = Net::new();
    let out = net.call(CARRIER, PBX, 1);
    net.pause();
    net.blocked = vec![("1→0 PRACK", 1)];
    net.command(PBX, progress(inbound(1), 183, Some("answer")));
    net.command(PBX, accept(inbound(1)));
    net.run(Duration::from_millis(300));
    assert_eq!(net.count("0→1 SIP/2.0 200"), 0);
    net.run(Duration::from_millis(700));
    assert_eq!(net.story(PBX), ["incoming offer", "confirmed"]);
    assert!(net.text("0→1 SIP/2.0 200").contains("CSeq: 1 INVITE"));
    assert!(!net.text("0→1 SIP/2.0 200").contains("answer"));
    // The answer of the provisional response is the one that counts (RFC 3262 5).
    assert_eq!(
        net.story(CARRIER),
        ["progress 183 answer", "answered answer"]
    );
    net.command(CARRIER, hang_up(out));
    net.pause();
    net.command(PBX, SessionCommand::ConfirmBye { leg: inbound(1) });
    net.finish();
}

/// RFC 3262 3: without a description nothing waits; a PRACK that comes after the 200 is still good.
#[test]
fn a_200_does_not_wait_for_a_response_without_sdp() {
    let mut net = Net::new();
    net.send_text(
        CARRIER,
        &request("INVITE", 1, &format!("Supported: 100rel\n{SDP}")),
    );
    net.command(PBX, progress(inbound(1), 180, None));
    net.command(PBX, accept(inbound(1)));
    assert_eq!(net.status(CARRIER), Some(200));
    let rseq = rseq(&net, 180);
    let prack = inside(&net, "PRACK", 2, &format!("RAck: {rseq} 1 INVITE\n"));
    net.send_text(CARRIER, &prack);
    assert!(net.text("0→1 SIP/2.0 200").contains("CSeq: 2 PRACK"));
    let ack = inside(&net, "ACK", 1, "");
    net.send_text(CARRIER, &ack);
    assert_eq!(net.story(PBX), ["incoming v=0", "confirmed"]);
    // RFC 3262 3: once is enough.
    net.send_text(
        CARRIER,
        &prack
            .replace("2 PRACK", "3 PRACK")
            .replace("PRACK2", "PRACK3"),
    );
    assert_eq!(net.status(CARRIER), Some(481));
    let bye = inside(&net, "BYE", 4, "");
    net.send_text(CARRIER, &bye);
    net.command(PBX, SessionCommand::ConfirmBye { leg: inbound(1) });
    net.finish();
}

fn rseq(net: &Net, status: u16) -> u32 {
    let text = net.text(&format!("0→1 SIP/2.0 {status}"));
    assert!(text.contains("Require: 100rel\r\n"), "{text}");
    let (_, rest) = text.split_once("RSeq: ").unwrap();
    rest.split_once('\r').unwrap().0.parse().unwrap()
}

/// RFC 3262 3 and 7.2: RSeq, CSeq and method must all fit.
#[test]
fn a_prack_that_fits_nothing_is_481_and_one_that_cannot_be_read_400() {
    let mut net = Net::new();
    net.send_text(
        CARRIER,
        &request("INVITE", 1, &format!("Require: 100rel\n{SDP}")),
    );
    net.command(PBX, progress(inbound(1), 180, None));
    let rseq = rseq(&net, 180);
    assert!((1..1 << 31).contains(&rseq));
    for (seq, rack, status) in [
        (2, format!("RAck: {} 1 INVITE\n", rseq + 1), 481),
        (3, format!("RAck: {rseq} 2 INVITE\n"), 481),
        (4, format!("RAck: {rseq} 1 UPDATE\n"), 481),
        (5, "RAck: nonsense\n".to_owned(), 400),
        (6, "RAck: \n".to_owned(), 400),
        (7, format!("RAck: {rseq} 1\n"), 400),
        (8, String::new(), 400),
    ] {
        let prack = inside(&net, "PRACK", seq, &rack);
        net.send_text(CARRIER, &prack);
        assert_eq!(net.status(CARRIER), Some(status), "{rack}");
    }
    let prack = inside(&net, "PRACK", 9, &format!("RAck: {rseq} 1 INVITE\n"));
    net.send_text(CARRIER, &prack);
    assert_eq!(net.status(CARRIER), Some(200));
    net.command(PBX, hang_up(inbound(1)));
    net.finish();
}

/// RFC 3262 4: a PRACK in each early dialog, for each response once and in order.
#[test]
fn each_fork_is_acknowledged_by_itself_and_in_order() {
    let mut net = Net::new();
    net.deaf = vec![CARRIER];
    let leg = net.call(PBX, CARRIER, 1);
    let supported = asked(&net, "INVITE").headers;
    assert!(supported.lists(&Name::Supported, "100rel"));
    let say = |net: &mut Net, tag: &str, rseq: u32, body| {
        let rseq = rseq.to_string();
        let fields = [("Require", "100rel"), ("RSeq", rseq.as_str())];
        reply_as(net, "INVITE", 183, tag, &fields, body);
    };
    say(&mut net, "one", 10, None);
    say(&mut net, "two", 70, None);
    say(&mut net, "one", 10, None);
    say(&mut net, "one", 12, None);
    say(&mut net, "one", 11, Some("early"));
    say(&mut net, "two", 69, None);
    let pracks: Vec<_> = net
        .texts
        .iter()
        .filter(|text| text.starts_with("0→1 PRACK"))
        .map(|text| {
            let field = |name: &str| {
                let (_, rest) = text.split_once(&format!("\r\n{name}: ")).unwrap();
                rest.split_once('\r').unwrap().0
            };
            let (line, _) = text.split_once(" SIP/2.0").unwrap();
            format!("{line}, {}, {}", field("RAck"), field("CSeq"))
        })
        .collect();
    assert_eq!(
        pracks,
        [
            "0→1 PRACK sip:one@203.0.113.5, 10 1 INVITE, 2 PRACK",
            "0→1 PRACK sip:two@203.0.113.5, 70 1 INVITE, 3 PRACK",
            "0→1 PRACK sip:one@203.0.113.5, 11 1 INVITE, 4 PRACK",
        ]
    );
    assert_eq!(
        net.story(PBX),
        ["progress 183", "progress 183", "progress 183 early"]
    );
    reply_as(&mut net, "INVITE", 200, "one", &[], None);
    assert_eq!(net.story(PBX), ["answered early"]);
    net.command(PBX, hang_up(leg));
    assert!(net.text("0→1 BYE").contains("CSeq: 5 BYE"));
    reply_as(&mut net, "BYE", 200, "one", &[], None);
    net.finish();
}

/// RFC 3261 8.2.2.3 and RFC 3262 3.
#[test]
fn who_requires_what_we_are_not_to_do_is_420_and_who_cannot_do_what_we_require_421() {
    let mut net = Net::new();
    net.know(PBX, |trunk| trunk.rules.rel100 = Rel100::Off);
    net.send_text(
        CARRIER,
        &request("INVITE", 1, &format!("Require: 100rel\n{SDP}")),
    );
    assert_eq!(net.status(CARRIER), Some(420));
    assert!(net.text("0→1 SIP/2.0 420").contains("Unsupported: 100rel"));
    net.know(PBX, |trunk| trunk.rules.rel100 = Rel100::Required);
    net.send_text(CARRIER, &request("INVITE", 2, SDP));
    assert_eq!(net.status(CARRIER), Some(421));
    assert!(net.text("0→1 SIP/2.0 421").contains("Require: 100rel"));
    net.deaf = vec![CARRIER];
    let leg = net.call(PBX, CARRIER, 1);
    assert!(net.text("0→1 INVITE").contains("Require: 100rel"));
    reply(&mut net, "INVITE", 420, &[], None);
    assert_eq!(net.story(PBX), ["rejected 420"]);
    net.command(PBX, hang_up(leg));
    net.finish();
}

/// With `rel100: off` a caller who merely supports it gets plain responses, and ours says nothing.
#[test]
fn switched_off_it_is_neither_used_nor_offered() {
    let mut net = Net::new();
    net.know(PBX, |trunk| trunk.rules.rel100 = Rel100::Off);
    net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(PBX, progress(inbound(1), 180, None));
    net.pause();
    assert!(!net.text("0→1 SIP/2.0 180").contains("100rel"));
    net.command(PBX, hang_up(inbound(1)));
    net.finish();
    let leg = net.call(PBX, CARRIER, 1);
    assert!(!net.text("0→1 INVITE").contains("100rel"));
    net.pause();
    net.command(PBX, hang_up(leg));
    net.pause();
    net.command(CARRIER, hang_up(inbound(1)));
    net.finish();
}

/// RFC 3262 5: to an INVITE without an offer a reliable response would have to carry ours, so none is
/// sent where only reliable ones may be.
#[test]
fn an_invite_without_an_offer_gets_no_reliable_response() {
    for (field, rings) in [("Supported", 1), ("Require", 0)] {
        let mut net = Net::new();
        net.send_text(
            CARRIER,
            &request("INVITE", 1, &format!("{field}: 100rel\n")),
        );
        net.command(PBX, progress(inbound(1), 180, None));
        assert_eq!(net.count("0→1 SIP/2.0 180"), rings);
        net.command(PBX, accept(inbound(1)));
        assert!(net.text("0→1 SIP/2.0 200").ends_with("answer"));
        let ack = inside(&net, "ACK", 1, SDP);
        net.send_text(CARRIER, &ack);
        assert_eq!(net.story(PBX), ["incoming", "confirmed v=0"]);
        let bye = inside(&net, "BYE", 4, "");
        net.send_text(CARRIER, &bye);
        net.command(PBX, SessionCommand::ConfirmBye { leg: inbound(1) });
        net.finish();
    }
}

/// RFC 3262 5: an offer in a PRACK is answered in its 200, or refused.
#[test]
fn an_offer_in_a_prack_is_answered_or_refused() {
    for (answer, status) in [(Ok(sdp("again")), 200), (Err(488), 488)] {
        let mut net = Net::new();
        net.send_text(
            CARRIER,
            &request("INVITE", 1, &format!("Supported: 100rel\n{SDP}")),
        );
        net.command(PBX, progress(inbound(1), 183, Some("early")));
        let rack = format!("RAck: {} 1 INVITE\n{SDP}", rseq(&net, 183));
        let prack = inside(&net, "PRACK", 2, &rack).replace("v=0", "v=1");
        net.send_text(CARRIER, &prack);
        assert_eq!(net.story(PBX), ["incoming v=0", "reoffer v=1"]);
        let leg = inbound(1);
        net.command(PBX, SessionCommand::AnswerReoffer { leg, answer });
        assert_eq!(net.status(CARRIER), Some(status));
        assert!(net.text("0→1 SIP/2.0").contains("CSeq: 2 PRACK"));
        net.command(PBX, hang_up(leg));
        net.finish();
    }
    // The first answer is not there yet, so there is nothing to offer about.
    let mut net = Net::new();
    net.send_text(
        CARRIER,
        &request("INVITE", 1, &format!("Supported: 100rel\n{SDP}")),
    );
    net.command(PBX, progress(inbound(1), 180, None));
    let rack = format!("RAck: {} 1 INVITE\n{SDP}", rseq(&net, 180));
    let prack = inside(&net, "PRACK", 2, &rack);
    net.send_text(CARRIER, &prack);
    assert_eq!(net.status(CARRIER), Some(488));
    net.command(PBX, hang_up(inbound(1)));
    net.finish();
}

/// RFC 3261 9.2: the call machine has answered, the 200 waits for a PRACK, and the caller leaves.
#[test]
fn a_caller_who_leaves_while_the_200_waits_is_a_bye_to_the_call() {
    for method in ["CANCEL", "BYE"] {
        let mut net = Net::new();
        let invite = request("INVITE", 1, &format!("Supported: 100rel\n{SDP}"));
        net.send_text(CARRIER, &invite);
        net.command(PBX, progress(inbound(1), 183, Some("early")));
        net.command(PBX, accept(inbound(1)));
        let text = match method {
            "CANCEL" => request("CANCEL", 1, "").replace("z9hG4bKCANCEL1", "z9hG4bKINVITE1"),
            other => inside(&net, other, 2, ""),
        };
        net.send_text(CARRIER, &text);
        assert_eq!(net.count("0→1 SIP/2.0 487"), 1);
        assert_eq!(net.count("0→1 SIP/2.0 200"), 1);
        assert_eq!(net.story(PBX), ["incoming v=0", "bye"]);
        net.command(PBX, SessionCommand::ConfirmBye { leg: inbound(1) });
        net.finish();
        assert_eq!(net.story(PBX), ["closed"]);
    }
}

/// More provisional responses than may wait are left out, and nothing is stuck.
#[test]
fn a_peer_that_never_acknowledges_makes_no_queue() {
    let mut net = Net::new();
    net.send_text(
        CARRIER,
        &request("INVITE", 1, &format!("Supported: 100rel\n{SDP}")),
    );
    for code in (180..200).cycle().take(1_000) {
        net.command(PBX, progress(inbound(1), code, None));
    }
    let session = &net.ends[PBX].sessions[&inbound(1)];
    let waiting = session.reliable.as_ref().unwrap().waiting.len();
    assert_eq!(waiting, crate::limits::PROVISIONALS_WAITING);
    net.finish();
    assert_eq!(
        net.story(PBX),
        ["incoming v=0", "failed no PRACK", "closed"]
    );
}
