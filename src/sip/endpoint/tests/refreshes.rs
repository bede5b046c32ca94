//! Session timers (RFC 4028), as the one who refreshes and as the other.

use super::hand::*;
use super::network::*;
use crate::id::LegId;
use crate::sip::header::Name;
use crate::sip::session::SessionCommand;
use crate::time::Duration;

const UPDATES: (&str, &str) = ("Allow", "INVITE, ACK, BYE, UPDATE");

fn secs(net: &mut Net, seconds: u64) {
    net.run(Duration::from_secs(seconds));
}

fn end(net: &mut Net, leg: LegId) {
    let cause = cause(16);
    net.command(PBX, SessionCommand::HangUp { leg, cause });
    reply(net, "BYE", 200, &[], None);
    net.finish();
}

/// RFC 4028 7.1 and 10: what we ask for, and a refresh by UPDATE at half of the interval.
#[test]
fn we_refresh_at_half_of_the_interval_by_update() {
    let mut net = Net::new();
    net.know(PBX, |trunk| {
        trunk.rules.session_timer = Some(Duration::from_secs(600));
    });
    let fields = [
        ("Session-Expires", "600;refresher=uac"),
        ("Require", "timer"),
        UPDATES,
    ];
    let leg = placed(&mut net, &fields);
    let invite = net.text("0→1 INVITE");
    assert!(invite.contains("Session-Expires: 600\r\n") && invite.contains("Min-SE: 90\r\n"));
    assert!(
        asked(&net, "INVITE")
            .headers
            .lists(&Name::Supported, "timer")
    );
    for round in 1..=3 {
        secs(&mut net, 299);
        assert_eq!(net.count("0→1 UPDATE"), round - 1);
        secs(&mut net, 1);
        assert_eq!(net.count("0→1 UPDATE"), round);
        let update = net.text("0→1 UPDATE");
        assert!(update.contains("Session-Expires: 600;refresher=uac\r\n"));
        assert!(update.ends_with("Content-Length: 0\r\n\r\n"), "{update}");
        reply(&mut net, "UPDATE", 200, &fields, None);
    }
    assert_eq!(net.story(PBX), [""; 0]);
    end(&mut net, leg);
}

/// RFC 4028 7.4 and 10: without UPDATE it is a re-INVITE with the same description; only another
/// answer is news.
#[test]
fn a_refresh_by_reinvite_says_nothing_new() {
    let mut net = Net::new();
    let fields = [
        ("Session-Expires", "300;refresher=uac"),
        ("Require", "timer"),
    ];
    let leg = placed(&mut net, &fields);
    secs(&mut net, 150);
    assert_eq!(net.count("0→1 INVITE"), 2);
    assert!(net.text("0→1 INVITE").ends_with("\r\n\r\noffer"));
    reply(&mut net, "INVITE", 200, &fields, Some("theirs"));
    assert_eq!(net.count("0→1 ACK"), 2);
    assert_eq!(net.story(PBX), [""; 0]);
    secs(&mut net, 150);
    reply(&mut net, "INVITE", 200, &fields, Some("moved"));
    assert_eq!(net.story(PBX), ["reoffer answered moved"]);
    end(&mut net, leg);
}

/// RFC 4028 10: the peer refreshes; if it does not, a BYE goes out a third of the interval, or 32
/// seconds, before its end.
#[test]
fn a_peer_that_does_not_refresh_is_gone() {
    for (interval, lasts) in [(1_800, 1_768), (90, 60)] {
        let mut net = Net::new();
        let value = format!("{interval};refresher=uas");
        placed(
            &mut net,
            &[("Session-Expires", &value), ("Require", "timer")],
        );
        secs(&mut net, lasts - 1);
        assert_eq!(net.story(PBX), [""; 0]);
        assert_eq!(net.count("0→1 BYE"), 0);
        secs(&mut net, 1);
        assert_eq!(net.story(PBX), ["failed the session expired"]);
        assert_eq!(net.count("0→1 BYE"), 1);
        assert_eq!(net.count("0→1 INVITE"), 1);
        net.finish();
        assert_eq!(net.story(PBX), ["closed"]);
    }
}

/// RFC 4028 9: as the callee we grant what is asked, and each refresh of the peer counts.
#[test]
fn a_peer_that_refreshes_keeps_its_session() {
    let mut net = Net::new();
    let wish = "Supported: timer\nSession-Expires: 300;refresher=uac\n";
    let leg = standing(&mut net, &format!("{wish}{SDP}"));
    let ok = net.text("0→1 SIP/2.0 200");
    assert!(ok.contains("Session-Expires: 300;refresher=uac\r\n"));
    assert!(ok.contains("Require: timer\r\n"));
    for round in 0..10 {
        secs(&mut net, 150);
        let (method, body) = if round % 2 == 0 {
            ("UPDATE", "")
        } else {
            ("INVITE", SDP)
        };
        let text = inside(&net, method, 2 + round, &format!("{wish}{body}"));
        net.send_text(CARRIER, &text);
        let ok = net.text("0→1 SIP/2.0 200");
        assert!(
            ok.contains("Session-Expires: 300;refresher=uac\r\n"),
            "{ok}"
        );
        if method == "INVITE" {
            assert!(ok.ends_with("\r\n\r\nours"));
            let ack = inside(&net, "ACK", 2 + round, "");
            net.send_text(CARRIER, &ack);
        }
    }
    assert_eq!(net.story(PBX), [""; 0], "a refresh is no news");
    secs(&mut net, 267);
    assert_eq!(net.story(PBX), [""; 0]);
    secs(&mut net, 1);
    assert_eq!(net.story(PBX), ["failed the session expired"]);
    net.finish();
    assert!(!net.ends[PBX].sessions.contains_key(&leg));
}

/// RFC 4028 9: an interval below 90 seconds is 422 with Min-SE, for a new session and a refresh.
#[test]
fn too_small_an_interval_is_422() {
    let mut net = Net::new();
    let small = "Supported: timer\nSession-Expires: 60\n";
    net.send_text(CARRIER, &request("INVITE", 1, &format!("{small}{SDP}")));
    assert_eq!(net.status(CARRIER), Some(422));
    assert!(net.text("0→1 SIP/2.0 422").contains("Min-SE: 90\r\n"));
    net.send_text(CARRIER, &request("ACK", 1, "").replace("KACK1", "KINVITE1"));
    assert_eq!(net.ends[PBX].live(), super::super::Live::default());
    let mut net = Net::new();
    net.deaf = vec![CARRIER];
    let leg = standing(&mut net, SDP);
    let update = inside(&net, "UPDATE", 2, small);
    net.send_text(CARRIER, &update);
    assert_eq!(net.status(CARRIER), Some(422));
    end(&mut net, leg);
}

/// RFC 4028 7.3: we come back with the Min-SE of a 422, once; and so does a refresh.
#[test]
fn after_422_we_ask_for_more() {
    let mut net = Net::new();
    net.deaf = vec![CARRIER];
    let leg = net.call(PBX, CARRIER, 1);
    let first = asked(&net, "INVITE");
    reply(&mut net, "INVITE", 422, &[("Min-SE", "3600")], None);
    let second = asked(&net, "INVITE");
    assert_eq!(first.headers.call_id(), second.headers.call_id());
    assert_eq!(first.headers.from(), second.headers.from());
    assert_eq!(second.headers.cseq().unwrap().number, 2);
    assert!(net.text("0→1 INVITE").contains("Session-Expires: 3600\r\n"));
    assert!(net.text("0→1 INVITE").contains("Min-SE: 3600\r\n"));
    reply(&mut net, "INVITE", 422, &[("Min-SE", "3600")], None);
    assert_eq!(net.count("0→1 INVITE"), 2);
    assert_eq!(net.story(PBX), ["rejected 422"]);
    net.finish();
    assert!(!net.ends[PBX].sessions.contains_key(&leg));

    let mut net = Net::new();
    let fields = [("Session-Expires", "300;refresher=uac"), UPDATES];
    let leg = placed(&mut net, &fields);
    secs(&mut net, 150);
    reply(&mut net, "UPDATE", 422, &[("Min-SE", "600")], None);
    net.pause();
    assert_eq!(net.count("0→1 UPDATE"), 2);
    assert!(
        net.text("0→1 UPDATE")
            .contains("Session-Expires: 600;refresher=uac\r\n")
    );
    reply(&mut net, "UPDATE", 200, &[], None);
    end(&mut net, leg);
}

/// A peer that knows nothing of intervals is refreshed by us all the same: whatever it answers says
/// that it is there, and silence that it is not.
#[test]
fn a_peer_without_timers_is_found_out_when_it_vanishes() {
    let mut net = Net::new();
    placed(&mut net, &[]);
    for round in 1..=4 {
        secs(&mut net, 900);
        assert_eq!(net.count("0→1 INVITE"), 1 + round);
        reply(&mut net, "INVITE", 403, &[], None);
    }
    assert_eq!(net.story(PBX), [""; 0]);
    secs(&mut net, 900 + 33);
    assert_eq!(net.story(PBX), ["failed no answer in the session"]);
    net.finish();
    assert_eq!(net.story(PBX), ["closed"]);
}

/// RFC 4028 10: a peer that knows intervals and refuses a refresh has until the end of this one.
#[test]
fn a_refused_refresh_is_tried_again_until_the_interval_ends() {
    let mut net = Net::new();
    let fields = [("Session-Expires", "1800;refresher=uac"), UPDATES];
    placed(&mut net, &fields);
    secs(&mut net, 900);
    for _ in 0..4 {
        reply(&mut net, "UPDATE", 403, &[], None);
        secs(&mut net, 180);
    }
    assert_eq!(net.count("0→1 UPDATE"), 5);
    reply(&mut net, "UPDATE", 200, &fields, None);
    secs(&mut net, 899);
    assert_eq!(net.story(PBX), [""; 0]);
    secs(&mut net, 1);
    for _ in 0..5 {
        reply(&mut net, "UPDATE", 403, &[], None);
        secs(&mut net, 180);
    }
    assert_eq!(net.story(PBX), ["failed the session expired", "closed"]);
    net.finish();
}

/// A peer that says it takes UPDATE and does not is refreshed by re-INVITE (RFC 3311 5.1).
#[test]
fn who_refuses_update_gets_a_reinvite() {
    let mut net = Net::new();
    let leg = placed(&mut net, &[UPDATES]);
    secs(&mut net, 900);
    reply(
        &mut net,
        "UPDATE",
        405,
        &[("Allow", "INVITE, ACK, BYE")],
        None,
    );
    net.pause();
    assert_eq!(net.count("0→1 INVITE"), 2);
    reply(&mut net, "INVITE", 200, &[], Some("theirs"));
    assert_eq!(net.story(PBX), [""; 0]);
    end(&mut net, leg);
}

/// RFC 4028 7.1: two of us; each call is refreshed by one side, and stands for hours.
#[test]
fn two_ends_keep_a_call_for_three_hours() {
    for refresher in [PBX, CARRIER] {
        let mut net = Net::with(config(), 7);
        let out = net.call(CARRIER, PBX, 1);
        net.pause();
        let (leg, answer) = (inbound(1), sdp("answer"));
        net.command(PBX, SessionCommand::Accept { leg, answer });
        net.pause();
        if refresher == CARRIER {
            // The other side takes over, as a re-INVITE of its own lets it (RFC 4028 7.4).
            net.ends[CARRIER]
                .sessions
                .get_mut(&out)
                .unwrap()
                .interval
                .ours = true;
            let offer = sdp("again");
            net.command(CARRIER, SessionCommand::Reoffer { leg: out, offer });
            net.pause();
            let answer = Ok(sdp("answer"));
            net.command(PBX, SessionCommand::AnswerReoffer { leg, answer });
            net.pause();
        }
        net.story(PBX);
        net.story(CARRIER);
        net.trace.clear();
        secs(&mut net, 3 * 3_600 + 60);
        let updates = [net.count("0→1 UPDATE"), net.count("1→0 UPDATE")];
        assert_eq!(updates[refresher], 12, "{updates:?}");
        assert_eq!(updates[1 - refresher], 0, "{updates:?}");
        assert_eq!(net.story(PBX), [""; 0]);
        assert_eq!(net.story(CARRIER), [""; 0]);
        let cause = cause(16);
        net.command(PBX, SessionCommand::HangUp { leg, cause });
        net.pause();
        net.command(CARRIER, SessionCommand::ConfirmBye { leg: out });
        net.finish();
    }
}
