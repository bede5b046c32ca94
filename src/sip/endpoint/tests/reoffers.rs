//! Our own offers inside a session (RFC 3261 14.1).

use super::hand::*;
use super::network::*;
use crate::id::LegId;
use crate::sip::session::SessionCommand;
use crate::time::Duration;

fn reoffer(net: &mut Net, of: usize, leg: LegId, offer: &'static str) {
    let offer = sdp(offer);
    net.command(of, SessionCommand::Reoffer { leg, offer });
}

/// How many INVITEs the exchange has sent, repetitions apart.
fn invites(net: &Net) -> usize {
    let invites = net
        .texts
        .iter()
        .filter(|text| text.starts_with("0→1 INVITE"));
    let numbers = invites.map(|text| text.split_once("CSeq: ").unwrap().1);
    let numbers = numbers.map(|rest| rest.split_once('\r').unwrap().0);
    numbers.collect::<std::collections::BTreeSet<_>>().len()
}

fn end(net: &mut Net, leg: LegId) {
    let cause = cause(16);
    net.command(PBX, SessionCommand::HangUp { leg, cause });
    reply(net, "BYE", 200, &[], None);
    net.finish();
}

/// RFC 3261 14.1: the 200 brings the answer and gets its ACK, again with each repetition.
#[test]
fn an_offer_of_ours_brings_an_answer() {
    let mut net = Net::new();
    let leg = placed(&mut net, &[("Record-Route", "<sip:edge.example;lr>")]);
    reoffer(&mut net, PBX, leg, "hold");
    let text = net.text("0→1 INVITE").to_owned();
    assert!(text.ends_with("hold"));
    assert!(text.contains("CSeq: 2 INVITE") && text.contains("Route: <sip:edge.example;lr>"));
    reply(&mut net, "INVITE", 100, &[], None);
    for _ in 0..3 {
        reply(&mut net, "INVITE", 200, &[], Some("held"));
    }
    assert_eq!(net.count("0→1 ACK"), 4);
    assert!(net.text("0→1 ACK").contains("CSeq: 2 ACK"));
    assert_eq!(net.story(PBX), ["reoffer answered held"]);
    end(&mut net, leg);
}

/// One at a time: what is not sent yet gives way to what is newer.
#[test]
fn offers_wait_for_each_other() {
    let mut net = Net::new();
    let leg = placed(&mut net, &[]);
    for offer in ["one", "two", "three"] {
        reoffer(&mut net, PBX, leg, offer);
    }
    assert_eq!(invites(&net), 2);
    reply(&mut net, "INVITE", 200, &[], Some("1"));
    assert_eq!(invites(&net), 3);
    assert!(net.text("0→1 INVITE").ends_with("three"));
    reply(&mut net, "INVITE", 488, &[], None);
    assert_eq!(
        net.story(PBX),
        ["reoffer answered 1", "reoffer refused 488"]
    );
    end(&mut net, leg);
}

/// An offer that is made while the INVITE is open leaves as soon as the session stands.
#[test]
fn an_offer_before_the_answer_waits_for_it() {
    let mut net = Net::new();
    net.deaf = vec![CARRIER];
    let leg = net.call(PBX, CARRIER, 1);
    reoffer(&mut net, PBX, leg, "hold");
    assert_eq!(invites(&net), 1);
    reply(&mut net, "INVITE", 200, &[], Some("theirs"));
    assert!(net.text("0→1 INVITE").ends_with("hold"));
    reply(&mut net, "INVITE", 200, &[], Some("held"));
    assert_eq!(net.story(PBX), ["answered theirs", "reoffer answered held"]);
    end(&mut net, leg);
}

/// RFC 3261 14.1: 2.1 to 4 s for who owns the Call-ID, 0 to 2 s for the other.
#[test]
fn after_491_each_side_waits_its_own_while() {
    for seed in 0..40 {
        let mut net = Net::with(config(), seed);
        let leg = placed(&mut net, &[]);
        reoffer(&mut net, PBX, leg, "hold");
        reply(&mut net, "INVITE", 491, &[], None);
        net.run(Duration::from_millis(2_099));
        assert_eq!(invites(&net), 2);
        net.run(Duration::from_millis(1_902));
        assert_eq!(invites(&net), 3);
        reply(&mut net, "INVITE", 200, &[], Some("held"));
        assert_eq!(net.story(PBX), ["reoffer answered held"]);
        end(&mut net, leg);

        let mut net = Net::with(config(), seed);
        net.deaf = vec![CARRIER];
        let leg = standing(&mut net, SDP);
        reoffer(&mut net, PBX, leg, "hold");
        reply(&mut net, "INVITE", 491, &[], None);
        net.run(Duration::from_millis(2_001));
        assert_eq!(invites(&net), 2, "seed {seed}");
        reply(&mut net, "INVITE", 200, &[], Some("held"));
        end(&mut net, leg);
    }
}

/// A refresh that falls due while an offer is under way does not take its place when that is refused for
/// the time being: the offer refreshes too.
#[test]
fn a_refresh_does_not_swallow_an_offer_that_met_glare() {
    let mut net = Net::new();
    let leg = placed(&mut net, &[]);
    net.run(Duration::from_secs(899));
    reoffer(&mut net, PBX, leg, "hold");
    reply(&mut net, "INVITE", 100, &[], None);
    net.run(Duration::from_secs(3));
    reply(&mut net, "INVITE", 491, &[], None);
    net.run(Duration::from_secs(5));
    assert_eq!(invites(&net), 3);
    assert!(net.text("0→1 INVITE").ends_with("hold"));
    reply(&mut net, "INVITE", 200, &[], Some("held"));
    assert_eq!(net.story(PBX), ["reoffer answered held"]);
    end(&mut net, leg);
}

/// RFC 3261 14: both offer at once; both get 491, and in the end both are answered.
#[test]
fn two_offers_that_meet_are_both_answered_in_the_end() {
    for seed in 0..20 {
        let mut net = Net::with(config(), seed);
        let out = net.call(CARRIER, PBX, 1);
        net.pause();
        let (leg, answer) = (inbound(1), sdp("answer"));
        net.command(PBX, SessionCommand::Accept { leg, answer });
        net.pause();
        net.story(PBX);
        net.story(CARRIER);
        reoffer(&mut net, PBX, leg, "mine");
        reoffer(&mut net, CARRIER, out, "yours");
        net.pause();
        assert_eq!(
            net.count("0→1 SIP/2.0 491") + net.count("1→0 SIP/2.0 491"),
            2
        );
        let mut told = [Vec::new(), Vec::new()];
        for _ in 0..100 {
            net.run(Duration::from_millis(50));
            for (of, leg) in [(PBX, leg), (CARRIER, out)] {
                for word in net.story(of) {
                    if word.starts_with("reoffer mine") || word.starts_with("reoffer yours") {
                        let answer = Ok(sdp("agreed"));
                        net.command(of, SessionCommand::AnswerReoffer { leg, answer });
                    } else {
                        told[of].push(word);
                    }
                }
            }
        }
        assert_eq!(told[PBX], ["reoffer answered agreed"], "seed {seed}");
        assert_eq!(told[CARRIER], ["reoffer answered agreed"], "seed {seed}");
        net.command(
            PBX,
            SessionCommand::HangUp {
                leg,
                cause: cause(16),
            },
        );
        net.pause();
        net.command(CARRIER, SessionCommand::ConfirmBye { leg: out });
        net.finish();
    }
}

/// RFC 3261 12.2.1.2: 481 and 408 are the end of the dialog, and so is silence.
#[test]
fn a_peer_that_knows_nothing_of_the_dialog_ends_it() {
    for status in [Some(481), Some(408), None] {
        let mut net = Net::new();
        let leg = placed(&mut net, &[]);
        reoffer(&mut net, PBX, leg, "hold");
        match status {
            Some(status) => reply(&mut net, "INVITE", status, &[], None),
            None => net.run(Duration::from_secs(33)),
        }
        assert_eq!(net.story(PBX), ["failed no answer in the session"]);
        assert!(net.count("0→1 BYE") >= 1);
        net.finish();
        assert_eq!(net.story(PBX), ["closed"]);
    }
}

/// RFC 3261 20.33 and 21.5.1: a peer may put an offer off, for a while and not for ever.
#[test]
fn a_refusal_with_retry_after_is_tried_again() {
    let mut net = Net::new();
    let leg = placed(&mut net, &[]);
    reoffer(&mut net, PBX, leg, "hold");
    for tries in 0..crate::limits::REOFFER_TRIES {
        assert_eq!(invites(&net), 2 + usize::from(tries));
        reply(&mut net, "INVITE", 500, &[("Retry-After", "7")], None);
        net.run(Duration::from_millis(6_900));
        assert_eq!(invites(&net), 2 + usize::from(tries));
        net.run(Duration::from_millis(200));
    }
    reply(&mut net, "INVITE", 500, &[("Retry-After", "7")], None);
    assert_eq!(net.story(PBX), ["reoffer refused 500"]);
    reoffer(&mut net, PBX, leg, "hold");
    reply(&mut net, "INVITE", 500, &[("Retry-After", "3600")], None);
    assert_eq!(net.story(PBX), ["reoffer refused 500"]);
    end(&mut net, leg);
}

/// A re-INVITE that rings for ever is taken back; when not even that is answered, it is over.
#[test]
fn a_reinvite_that_never_ends_is_taken_back() {
    let mut net = Net::new();
    let leg = placed(&mut net, &[]);
    reoffer(&mut net, PBX, leg, "hold");
    reply(&mut net, "INVITE", 100, &[], None);
    net.run(Duration::from_secs(33));
    assert!(net.count("0→1 CANCEL") >= 1);
    reply(&mut net, "CANCEL", 200, &[], None);
    reply(&mut net, "INVITE", 487, &[], None);
    assert_eq!(net.story(PBX), ["reoffer refused 487"]);
    reoffer(&mut net, PBX, leg, "hold");
    reply(&mut net, "INVITE", 100, &[], None);
    net.run(Duration::from_secs(66));
    assert_eq!(net.story(PBX), ["failed no answer in the session"]);
    net.finish();
}

/// RFC 3261 15.1.1: a BYE does not wait for an offer, and a 200 to that offer still gets its ACK.
#[test]
fn a_session_may_end_while_an_offer_is_open() {
    let mut net = Net::new();
    let leg = placed(&mut net, &[]);
    reoffer(&mut net, PBX, leg, "hold");
    let cause = cause(16);
    net.command(PBX, SessionCommand::HangUp { leg, cause });
    assert_eq!(net.count("0→1 BYE"), 1);
    reply(&mut net, "INVITE", 200, &[], Some("held"));
    assert_eq!(net.count("0→1 ACK"), 2);
    reply(&mut net, "BYE", 200, &[], None);
    net.finish();
    assert_eq!(net.story(PBX), ["closed"]);
}
