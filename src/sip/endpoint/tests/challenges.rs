//! A carrier that challenges our requests (RFC 3261 22.2).

use super::hand::*;
use super::network::*;
use crate::id::LegId;
use crate::net::Net as Range;
use crate::sip::endpoint::DigestAccount;
use crate::sip::message::Message;
use crate::sip::session::SessionCommand;
use crate::time::Duration;

const ASKS: (&str, &str) = (
    "Proxy-Authenticate",
    "Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth,auth-int\"",
);
const STALE: (&str, &str) = (
    "Proxy-Authenticate",
    "Digest realm=\"carrier\", nonce=\"n2\", qop=\"auth\", stale=true",
);

fn net() -> Net {
    let mut net = Net::new();
    net.deaf = vec![CARRIER, PHONE];
    net.know(PBX, |trunk| {
        trunk.account = Some(DigestAccount {
            user: "clinic".to_owned(),
            password: "swordfish".to_owned(),
        });
    });
    net
}

fn proof(message: &Message, name: &'static str) -> Option<(String, String)> {
    let given = message.headers.credentials(&name.into()).next()?;
    assert_eq!(given.get("username"), Some("clinic"));
    assert_eq!(given.get("uri"), message.uri().map(|uri| uri.as_str()));
    Some((
        given.get("nonce").unwrap().to_owned(),
        given.get("nc").unwrap_or_default().to_owned(),
    ))
}

fn has(nonce: &str, nc: &str) -> Option<(String, String)> {
    Some((nonce.to_owned(), nc.to_owned()))
}

fn hang_up(net: &mut Net, leg: LegId) {
    let cause = cause(16);
    net.command(PBX, SessionCommand::HangUp { leg, cause });
}

/// RFC 3261 22.2 and 22.3: the INVITE again with its proof; the ACK to its 200 has the same one
/// (13.2.2.4), and later requests of the dialog count up.
#[test]
fn an_invite_and_what_follows_it_prove_who_we_are() {
    let mut net = net();
    let leg = net.call(PBX, CARRIER, 1);
    let first = asked(&net, "INVITE");
    assert_eq!(proof(&first, "Proxy-Authorization"), None);
    reply(&mut net, "INVITE", 407, &[ASKS], None);
    let ack = asked(&net, "ACK");
    assert_eq!(proof(&ack, "Proxy-Authorization"), None);
    assert_eq!(ack.headers.cseq().unwrap().number, 1);
    let second = asked(&net, "INVITE");
    assert_eq!(proof(&second, "Proxy-Authorization"), has("n1", "00000001"));
    assert_eq!(second.headers.cseq().unwrap().number, 2);
    assert_eq!(first.headers.call_id(), second.headers.call_id());
    assert_ne!(first.headers.top_via(), second.headers.top_via());
    assert_eq!(second.body, first.body);
    reply(
        &mut net,
        "INVITE",
        200,
        &[("Allow", "UPDATE")],
        Some("theirs"),
    );
    let ack = asked(&net, "ACK");
    let given = |message: &Message| message.headers.get(&"Proxy-Authorization".into()).cloned();
    assert_eq!(given(&ack), given(&second));
    assert_eq!(net.story(PBX), ["answered theirs"]);

    let offer = sdp("hold");
    net.command(PBX, SessionCommand::Reoffer { leg, offer });
    assert_eq!(
        proof(&asked(&net, "INVITE"), "Proxy-Authorization"),
        has("n1", "00000002")
    );
    reply(&mut net, "INVITE", 407, &[STALE], None);
    assert_eq!(
        proof(&asked(&net, "INVITE"), "Proxy-Authorization"),
        has("n2", "00000001")
    );
    reply(&mut net, "INVITE", 200, &[], Some("held"));
    assert_eq!(net.story(PBX), ["reoffer answered held"]);
    net.run(Duration::from_secs(900));
    assert_eq!(
        proof(&asked(&net, "UPDATE"), "Proxy-Authorization"),
        has("n2", "00000002")
    );
    reply(&mut net, "UPDATE", 200, &[], None);
    hang_up(&mut net, leg);
    assert_eq!(
        proof(&asked(&net, "BYE"), "Proxy-Authorization"),
        has("n2", "00000003")
    );
    reply(&mut net, "BYE", 200, &[], None);
    net.finish();
}

/// A call that came from the carrier may meet a challenge first at its BYE.
#[test]
fn a_challenged_bye_is_sent_again() {
    let mut net = net();
    let leg = standing(&mut net, SDP);
    hang_up(&mut net, leg);
    let ask = ("WWW-Authenticate", ASKS.1);
    reply(&mut net, "BYE", 401, &[ask], None);
    assert_eq!(net.count("0→1 BYE"), 2);
    let bye = asked(&net, "BYE");
    assert_eq!(proof(&bye, "Authorization"), has("n1", "00000001"));
    assert!(bye.headers.has(&"Reason".into()));
    reply(&mut net, "BYE", 401, &[ask], None);
    assert_eq!(net.count("0→1 BYE"), 2, "the password is wrong");
    net.finish();
}

/// Two answers at most, and the second only to `stale=true`.
#[test]
fn a_request_proves_itself_twice_at_most() {
    for (challenges, sent) in [(vec![ASKS, ASKS], 2), (vec![ASKS, STALE, STALE], 3)] {
        let mut net = net();
        net.call(PBX, CARRIER, 1);
        for ask in challenges {
            reply(&mut net, "INVITE", 407, &[ask], None);
        }
        assert_eq!(net.count("0→1 INVITE"), sent);
        assert_eq!(net.story(PBX), ["rejected 407"]);
        net.finish();
        assert_eq!(net.story(PBX), ["closed"]);
    }
}

/// Whoever stands behind the carrier may not ask for a proof in a realm of its own.
#[test]
fn only_the_realm_that_asked_first_is_answered() {
    let mut net = net();
    let leg = net.call(PBX, CARRIER, 1);
    reply(&mut net, "INVITE", 407, &[ASKS], None);
    reply(&mut net, "INVITE", 200, &[], Some("theirs"));
    let other = (
        "WWW-Authenticate",
        "Digest realm=\"elsewhere\", nonce=\"n9\"",
    );
    hang_up(&mut net, leg);
    reply(&mut net, "BYE", 401, &[other], None);
    assert_eq!(net.count("0→1 BYE"), 1);
    net.finish();
    net.call(PBX, CARRIER, 2);
    let calls = net.count("0→1 INVITE");
    reply(&mut net, "INVITE", 401, &[other], None);
    assert_eq!(net.count("0→1 INVITE"), calls);
    net.finish();
    // The carrier's names lead elsewhere: it is the same carrier, and keeps its realm.
    let elsewhere = Range::single([192, 0, 2, 99].into());
    net.know(PBX, |trunk| trunk.peers.push((elsewhere, None)));
    net.call(PBX, CARRIER, 3);
    reply(&mut net, "INVITE", 401, &[other], None);
    assert_eq!(net.count("0→1 INVITE"), calls + 1);
    net.finish();
    // The plan says something else of the trunk now: it may have another realm.
    net.know(PBX, |trunk| trunk.domain = Some("new.example".to_owned()));
    net.call(PBX, CARRIER, 4);
    reply(&mut net, "INVITE", 401, &[other], None);
    assert_eq!(net.count("0→1 INVITE"), calls + 3);
    reply(&mut net, "INVITE", 486, &[], None);
    net.finish();
}

/// A phone gets no proof of ours, whatever it asks for, and neither does a carrier without account.
#[test]
fn nobody_else_gets_a_proof() {
    let mut net = net();
    net.call(PBX, PHONE, 1);
    let text = net.text("0→2 INVITE ").to_owned();
    let (_, text) = text.split_once(' ').unwrap();
    let invite = crate::sip::parse::parse(&text.to_owned().into()).unwrap();
    for status in [401, 407] {
        let mut response = Message::response_to(&invite, status);
        response.set_to_tag("phone");
        response.headers.push(ASKS.0.into(), ASKS.1);
        response.headers.push("WWW-Authenticate".into(), ASKS.1);
        net.inject(PHONE, PBX, &response.to_bytes());
    }
    assert_eq!(net.count("0→2 INVITE"), 1);
    assert_eq!(net.story(PBX), ["rejected 401"]);
    net.finish();
    net.know(PBX, |trunk| trunk.account = None);
    net.call(PBX, CARRIER, 2);
    reply(&mut net, "INVITE", 407, &[ASKS], None);
    assert_eq!(net.count("0→1 INVITE"), 1);
    net.finish();
    assert!(
        net.texts
            .iter()
            .all(|text| !text.contains("username=\"clinic\""))
    );
}

/// A CANCEL is never challenged (RFC 3261 22.1), and an INVITE that was given up is not repeated.
#[test]
fn a_call_that_was_given_up_proves_nothing() {
    let mut net = net();
    let leg = net.call(PBX, CARRIER, 1);
    reply(&mut net, "INVITE", 100, &[], None);
    hang_up(&mut net, leg);
    assert_eq!(net.count("0→1 CANCEL"), 1);
    reply(&mut net, "CANCEL", 200, &[], None);
    reply(&mut net, "INVITE", 407, &[ASKS], None);
    assert_eq!(net.count("0→1 INVITE"), 1);
    net.finish();
    assert_eq!(net.story(PBX), ["closed"]);
}
