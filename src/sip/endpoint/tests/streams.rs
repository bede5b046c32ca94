//! Connections that close under a call (RFC 5626 5.3, RFC 3261 18.2.2).

use super::hand::*;
use super::network::*;
use crate::id::{FlowId, LegId, OperatorName};
use crate::sip::endpoint::streams::MOST;
use crate::sip::flow::{Flow, Transport};
use crate::sip::registrar::{Contact, Registration, Wish};
use crate::sip::session::SessionCommand;
use crate::sip::uri::Uri;
use crate::time::Duration;

fn stream(number: u64, of: usize) -> Flow {
    Flow {
        id: FlowId(number),
        transport: Transport::Tcp,
        local: address(PBX),
        peer: std::net::SocketAddr::new(address(of).ip(), 40_000 + number as u16),
    }
}

fn give(net: &mut Net, flow: Flow, text: &str) {
    let now = net.now();
    let text = text
        .replace("SIP/2.0/UDP", "SIP/2.0/TCP")
        .replace('\n', "\r\n");
    net.ends[PBX].handle_packet(now, flow, text.as_bytes());
}

fn close(net: &mut Net, flow: Flow) {
    let now = net.now();
    net.ends[PBX].handle_flow_down(now, flow.id);
}

/// What the exchange sends: by which connection, and the first line.
fn sent(net: &mut Net) -> Vec<(u64, String)> {
    let mut sent = Vec::new();
    while let Some(transmit) = net.ends[PBX].poll_transmit() {
        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
        let line = text.split("\r\n").next().unwrap().to_owned();
        sent.push((transmit.flow.id.0, line));
    }
    while let Some(event) = net.ends[PBX].poll_event() {
        net.events[PBX].push(event);
    }
    sent
}

fn tell(net: &mut Net, command: SessionCommand) {
    let now = net.now();
    net.ends[PBX].handle_command(now, command);
}

/// olena's phone registers by a connection; its instance names the binding.
fn bind(net: &mut Net, flow: Flow, instance: &str, cseq: u32) {
    bind_for(net, "olena", flow, instance, cseq);
}

fn bind_for(net: &mut Net, user: &str, flow: Flow, instance: &str, cseq: u32) {
    let now = net.now();
    net.ends[PBX].streams.note(&flow, None);
    let registration = Registration {
        user: OperatorName::from(user),
        flow,
        call_id: instance.to_owned(),
        cseq,
        user_agent: String::new(),
        path: Vec::new(),
        wish: Wish::Contacts(vec![Contact {
            key: format!("<urn:uuid:{instance}> 0"),
            uri: Uri::parse(&format!("sip:{user}@{}", flow.peer)).unwrap(),
            expires: Duration::from_secs(3_600),
            q: 1_000,
            flow: true,
        }]),
    };
    net.ends[PBX].registrar.apply(now, &registration).unwrap();
}

fn invite(net: &mut Net, flow: Flow, number: u64) -> LegId {
    invite_at(net, "sip:olena@192.0.2.10", flow, number)
}

fn invite_at(net: &mut Net, target: &str, flow: Flow, number: u64) -> LegId {
    let leg = LegId {
        origin: crate::id::Origin::Outbound,
        number,
    };
    let target = Uri::parse(target).unwrap();
    let invite = crate::sip::session::OutgoingInvite::new(target, flow, "1", sdp("offer"));
    let invite = Box::new(invite);
    tell(net, SessionCommand::Invite { leg, invite });
    leg
}

fn answer(net: &mut Net, flow: Flow, status: u16) {
    let mut last = None;
    while let Some(transmit) = net.ends[PBX].poll_transmit() {
        last = Some(transmit.bytes);
    }
    let request = crate::sip::parse::parse(&last.unwrap()).unwrap();
    let mut response = crate::sip::message::Message::response_to(&request, status);
    response.set_to_tag("phone");
    let contact = format!("<sip:olena@{}>", flow.peer);
    response.headers.push("Contact".into(), contact);
    response.set_body("application/sdp", sdp("theirs"));
    let now = net.now();
    net.ends[PBX].handle_packet(now, flow, &response.to_bytes());
}

fn hang_up(leg: LegId) -> SessionCommand {
    let cause = cause(16);
    SessionCommand::HangUp { leg, cause }
}

/// RFC 5626 5.3: what is sent to a phone in a dialog goes by the newest flow of its instance, not by
/// that of another phone of the same operator.
#[test]
fn a_dialog_follows_its_phone_to_a_new_connection() {
    let mut net = Net::new();
    bind(&mut net, stream(10, PHONE), "desk", 1);
    bind(&mut net, stream(11, STRANGER), "mobile", 1);
    let leg = invite(&mut net, stream(10, PHONE), 1);
    answer(&mut net, stream(10, PHONE), 200);
    assert!(sent(&mut net)[0].1.starts_with("ACK"));
    assert_eq!(net.story(PBX), ["answered theirs"]);
    close(&mut net, stream(10, PHONE));
    assert_eq!(net.story(PBX), [""; 0], "the call goes on");
    // An offer waits until there is a way.
    let offer = sdp("hold");
    tell(&mut net, SessionCommand::Reoffer { leg, offer });
    bind(&mut net, stream(12, PHONE), "desk", 2);
    assert_eq!(sent(&mut net), []);
    let later = net.now + Duration::from_secs(5);
    net.now = later;
    let now = net.now();
    net.ends[PBX].handle_timeout(now);
    let (by, line) = sent(&mut net).remove(0);
    assert!(by == 12 && line.starts_with("INVITE"), "{by} {line}");
    tell(&mut net, hang_up(leg));
    let (by, line) = sent(&mut net).remove(0);
    assert!(by == 12 && line.starts_with("BYE"), "{by} {line}");
    // It breaks once more before the answer: the BYE goes by the next one.
    bind(&mut net, stream(13, PHONE), "desk", 3);
    close(&mut net, stream(12, PHONE));
    let (by, line) = sent(&mut net).remove(0);
    assert!(by == 13 && line.starts_with("BYE"), "{by} {line}");
}

/// Behind a proxy many phones share a connection: a dialog follows the one it is with.
#[test]
fn a_dialog_behind_a_proxy_follows_its_own_phone() {
    let mut net = Net::new();
    for user in ["anna", "olena"] {
        bind_for(&mut net, user, stream(10, PHONE), user, 1);
    }
    let leg = {
        let target = format!("sip:olena@{}", stream(10, PHONE).peer);
        invite_at(&mut net, &target, stream(10, PHONE), 1)
    };
    answer(&mut net, stream(10, PHONE), 200);
    assert!(sent(&mut net)[0].1.starts_with("ACK"));
    close(&mut net, stream(10, PHONE));
    for user in ["anna", "olena"] {
        bind_for(&mut net, user, stream(12, PHONE), user, 2);
    }
    tell(&mut net, hang_up(leg));
    let (by, line) = sent(&mut net).remove(0);
    assert!(by == 12 && line.starts_with("BYE"), "{by} {line}");
}

/// A leg that rings on a connection that closes fails at once.
#[test]
fn a_leg_that_rings_on_a_dead_connection_fails_at_once() {
    let mut net = Net::new();
    bind(&mut net, stream(10, PHONE), "desk", 1);
    invite(&mut net, stream(10, PHONE), 1);
    answer(&mut net, stream(10, PHONE), 180);
    close(&mut net, stream(10, PHONE));
    sent(&mut net);
    assert_eq!(
        net.story(PBX),
        ["progress 180 theirs", "rejected 503", "closed"]
    );
}

/// RFC 3261 18.2.2: a response whose connection closed goes by the trunk's newest one.
#[test]
fn responses_and_requests_follow_a_trunk_to_its_newest_connection() {
    let mut net = Net::new();
    give(&mut net, stream(20, CARRIER), &request("INVITE", 1, SDP));
    assert!(sent(&mut net)[0].1.starts_with("SIP/2.0 100"));
    close(&mut net, stream(20, CARRIER));
    give(&mut net, stream(21, CARRIER), &request("OPTIONS", 1, ""));
    sent(&mut net);
    let (leg, text) = (inbound(1), sdp("ours"));
    tell(&mut net, SessionCommand::Accept { leg, answer: text });
    let (by, line) = sent(&mut net).remove(0);
    assert!(by == 21 && line.starts_with("SIP/2.0 200"), "{by} {line}");
    let ack = inside(&net, "ACK", 1, "");
    give(&mut net, stream(21, CARRIER), &ack);
    close(&mut net, stream(21, CARRIER));
    assert_eq!(sent(&mut net), []);
    assert_eq!(net.story(PBX), ["incoming v=0", "confirmed"]);
    net.ends[PBX].handle_flow_up(&stream(22, CARRIER));
    tell(&mut net, hang_up(leg));
    let (by, line) = sent(&mut net).remove(0);
    assert!(by == 22 && line.starts_with("BYE"), "{by} {line}");
}

/// The settings may allow far more connections than there are by default: none that stands is taken for
/// closed.
#[test]
fn the_oldest_connection_of_a_large_hall_is_no_dead_one() {
    let mut net = Net::new();
    let flow = |number| Flow {
        id: FlowId(number),
        ..stream(1, PHONE)
    };
    for number in 0..u64::from(crate::limits::TCP_CONNECTIONS_MOST) {
        net.ends[PBX].streams.note(&flow(number), None);
    }
    assert!(!net.ends[PBX].streams.is_dead(&flow(0)));
}

/// Connections that are remembered are bounded, however many there were.
#[test]
fn connections_are_not_remembered_for_ever() {
    let mut net = Net::new();
    for number in 0..2 * MOST as u64 {
        let flow = Flow {
            id: FlowId(number),
            ..stream(1, STRANGER)
        };
        net.ends[PBX].streams.note(&flow, None);
    }
    let known = net.ends[PBX].streams.len();
    assert_eq!(known, MOST);
}
