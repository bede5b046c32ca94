//! UPDATE (RFC 3311), in a session that stands and before.

use super::hand::*;
use super::network::*;
use crate::sip::session::SessionCommand;

fn answer(net: &mut Net, leg: crate::id::LegId, text: &'static str) {
    let answer = Ok(sdp(text));
    net.command(PBX, SessionCommand::AnswerReoffer { leg, answer });
}

/// RFC 3311 5.2: an UPDATE is answered like a re-INVITE, without an ACK.
#[test]
fn an_update_changes_a_session_that_stands() {
    let mut net = Net::new();
    let leg = standing(&mut net, SDP);
    let update = inside(&net, "UPDATE", 2, &SDP.replace("v=0", "v=1"));
    net.send_text(CARRIER, &update);
    assert_eq!(net.story(PBX), ["reoffer v=1"]);
    // RFC 3311 5.2: a second one before the answer to the first is 500 with Retry-After.
    let second = inside(&net, "UPDATE", 3, "");
    net.send_text(CARRIER, &second);
    assert_eq!(net.status(CARRIER), Some(500));
    assert!(net.text("0→1 SIP/2.0 500").contains("Retry-After: "));
    answer(&mut net, leg, "changed");
    assert!(net.text("0→1 SIP/2.0 200").ends_with("changed"));
    assert!(
        net.text("0→1 SIP/2.0 200")
            .contains("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK")
    );
    let bye = inside(&net, "BYE", 9, "");
    net.send_text(CARRIER, &bye);
    net.command(PBX, SessionCommand::ConfirmBye { leg });
    net.finish();
}

/// RFC 3311 5.2: an offer that meets ours is 491; an UPDATE without one meets nothing.
#[test]
fn an_update_that_meets_an_offer_of_ours_is_491() {
    let mut net = Net::new();
    let leg = placed(&mut net, &[]);
    let offer = sdp("more");
    net.command(PBX, SessionCommand::Reoffer { leg, offer });
    let ours = asked(&net, "INVITE");
    let tag = ours.headers.from().unwrap().tag().unwrap().to_owned();
    let text = |method: &str, seq, more: &str| {
        request(method, seq, more)
            .replace("tag=theirs", "tag=hand")
            .replace(
                "To: <sip:0800100200@198.51.100.1>",
                &format!("To: <sip:x@y>;tag={tag}"),
            )
            .replace(
                "Call-ID: hand",
                &format!("Call-ID: {}", ours.headers.call_id().unwrap()),
            )
    };
    net.send_text(CARRIER, &text("UPDATE", 2, SDP));
    assert_eq!(net.status(CARRIER), Some(491));
    net.send_text(CARRIER, &text("INVITE", 3, SDP));
    assert_eq!(net.status(CARRIER), Some(491));
    net.send_text(CARRIER, &text("UPDATE", 4, ""));
    assert_eq!(net.status(CARRIER), Some(200));
    reply(&mut net, "INVITE", 200, &[], Some("fine"));
    assert_eq!(net.story(PBX), ["reoffer answered fine"]);
    net.send_text(CARRIER, &text("UPDATE", 5, SDP));
    assert_eq!(net.story(PBX), ["reoffer v=0"]);
    answer(&mut net, leg, "changed");
    assert_eq!(net.status(CARRIER), Some(200));
    net.send_text(CARRIER, &text("BYE", 9, ""));
    net.command(PBX, SessionCommand::ConfirmBye { leg });
    net.finish();
}

/// RFC 3311 5.2: while the INVITE is open a caller may offer again once it has our answer.
#[test]
fn a_caller_updates_its_early_dialog() {
    let mut net = Net::new();
    let leg = inbound(1);
    net.send_text(
        CARRIER,
        &request("INVITE", 1, &format!("Supported: 100rel\n{SDP}")),
    );
    let early = inside(&net, "UPDATE", 2, &SDP.replace("v=0", "v=1"));
    net.send_text(CARRIER, &early);
    assert_eq!(net.status(CARRIER), Some(500));
    let bare = inside(&net, "UPDATE", 3, "");
    net.send_text(CARRIER, &bare);
    assert_eq!(net.status(CARRIER), Some(200));
    let (code, ours) = (183, Some(sdp("early")));
    net.command(
        PBX,
        SessionCommand::Progress {
            leg,
            code,
            answer: ours,
        },
    );
    let text = net.text("0→1 SIP/2.0 183");
    let (_, rest) = text.split_once("RSeq: ").unwrap();
    let rack = format!("RAck: {} 1 INVITE\n", rest.split_once('\r').unwrap().0);
    let prack = inside(&net, "PRACK", 4, &rack);
    net.send_text(CARRIER, &prack);
    let early = inside(&net, "UPDATE", 5, &SDP.replace("v=0", "v=1"));
    net.send_text(CARRIER, &early);
    assert_eq!(net.story(PBX), ["incoming v=0", "reoffer v=1"]);
    answer(&mut net, leg, "changed");
    assert!(net.text("0→1 SIP/2.0 200").contains("CSeq: 5 UPDATE"));
    net.command(
        PBX,
        SessionCommand::Accept {
            leg,
            answer: sdp("early"),
        },
    );
    let ack = inside(&net, "ACK", 1, "");
    net.send_text(CARRIER, &ack);
    // The same description again is a refresh: nothing is asked.
    let same = inside(&net, "UPDATE", 6, &SDP.replace("v=0", "v=1"));
    net.send_text(CARRIER, &same);
    assert!(net.text("0→1 SIP/2.0 200").ends_with("changed"));
    assert_eq!(net.story(PBX), ["confirmed"]);
    let bye = inside(&net, "BYE", 9, "");
    net.send_text(CARRIER, &bye);
    net.command(PBX, SessionCommand::ConfirmBye { leg });
    net.finish();
}

/// RFC 3311 5.2: a callee may offer again once its answer to our INVITE is acknowledged.
#[test]
fn a_callee_updates_its_early_dialog() {
    let mut net = Net::new();
    net.deaf = vec![CARRIER];
    let leg = net.call(PBX, CARRIER, 1);
    let ours = asked(&net, "INVITE");
    let tag = ours.headers.from().unwrap().tag().unwrap().to_owned();
    let text = |method: &str, seq, more: &str| {
        request(method, seq, more)
            .replace("tag=theirs", "tag=hand")
            .replace(
                "To: <sip:0800100200@198.51.100.1>",
                &format!("To: <sip:x@y>;tag={tag}"),
            )
            .replace(
                "Call-ID: hand",
                &format!("Call-ID: {}", ours.headers.call_id().unwrap()),
            )
    };
    net.send_text(CARRIER, &text("UPDATE", 1, SDP));
    assert_eq!(net.status(CARRIER), Some(481));
    let fields = [("Require", "100rel"), ("RSeq", "1")];
    reply(&mut net, "INVITE", 180, &fields, None);
    net.send_text(CARRIER, &text("UPDATE", 2, SDP));
    assert_eq!(net.status(CARRIER), Some(491));
    net.send_text(CARRIER, &text("BYE", 3, ""));
    assert_eq!(net.status(CARRIER), Some(481));
    let fields = [("Require", "100rel"), ("RSeq", "2")];
    reply(&mut net, "INVITE", 183, &fields, Some("early"));
    net.send_text(CARRIER, &text("UPDATE", 4, SDP));
    assert_eq!(
        net.story(PBX),
        ["progress 180", "progress 183 early", "reoffer v=0"]
    );
    net.send_text(CARRIER, &text("UPDATE", 5, SDP));
    assert_eq!(net.status(CARRIER), Some(500));
    answer(&mut net, leg, "changed");
    assert!(net.text("0→1 SIP/2.0 200").ends_with("changed"));
    net.send_text(CARRIER, &text("UPDATE", 4, ""));
    assert_eq!(net.status(CARRIER), Some(200), "a repetition");
    net.send_text(
        CARRIER,
        &text("UPDATE", 6, SDP).replace("UPDATE6", "UPDATE66"),
    );
    let cause = cause(486);
    net.command(PBX, SessionCommand::HangUp { leg, cause });
    reply(&mut net, "CANCEL", 200, &[], None);
    reply(&mut net, "INVITE", 487, &[], None);
    net.finish();
}
