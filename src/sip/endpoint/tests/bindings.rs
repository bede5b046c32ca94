//! What a binding keeps of its phone: the proxies before it, how much it is wanted, and whose it is.

use bytes::Bytes;

use super::network::*;
use crate::id::{LegId, OperatorName, Origin};
use crate::limits;
use crate::sip::endpoint::EndpointEvent;
use crate::sip::flow::Transport;
use crate::sip::header::Name;
use crate::sip::message::Message;
use crate::sip::parse::parse;
use crate::sip::session::{OutgoingInvite, SessionCommand};
use crate::time::Duration;

/// The last response to `to`.
fn answered(net: &Net, to: usize) -> Message {
    let mut sent = net.wire.iter().rev();
    let found = sent.find(|(at, bytes)| *at == to && bytes.starts_with(b"SIP/2.0"));
    parse(&found.unwrap().1).unwrap()
}

/// Rings the first phone of a user.
fn ring(net: &mut Net, user: &str, number: u64) -> LegId {
    let user = OperatorName::from(user);
    let binding = net.ends[PBX].bindings(&user).next().unwrap().clone();
    let leg = LegId {
        origin: Origin::Outbound,
        number,
    };
    let offer = Bytes::from_static(b"offer");
    let invite = OutgoingInvite {
        routes: binding.path,
        ..OutgoingInvite::new(binding.contact, binding.flow, "380671234567", offer)
    };
    let invite = Box::new(invite);
    net.command(PBX, SessionCommand::Invite { leg, invite });
    leg
}

const PATH: &str = "Supported: path\nPath: <sip:edge@192.0.2.66;lr>, <sip:inner.example;lr>\n";

#[test]
fn calls_go_back_along_the_path() {
    // RFC 3327 5.3, 5.4
    let mut net = Net::new();
    net.register(STRANGER, "olena", 1, "<sip:olena@10.0.0.7>", PATH);
    let granted = answered(&net, STRANGER);
    assert_eq!(granted.status(), Some(200));
    let path: Vec<_> = granted.headers.list(&Name::Path).collect();
    assert_eq!(path, ["<sip:edge@192.0.2.66;lr>", "<sip:inner.example;lr>"]);
    ring(&mut net, "olena", 1);
    let invite = net.request_to(STRANGER, "INVITE");
    assert_eq!(invite.uri().unwrap().as_str(), "sip:olena@10.0.0.7");
    let routes: Vec<_> = invite.headers.list(&Name::Route).collect();
    assert_eq!(routes, path);
    // Another way to the same phone is a change that must be on disk.
    let other = "Path: <sip:other@192.0.2.66;lr>\n";
    net.register(STRANGER, "olena", 2, "<sip:olena@10.0.0.7>", other);
    assert_eq!(net.holds.len(), 2);
    let long = format!("Path: {}\n", ["<sip:a;lr>"; 17].join(", "));
    for more in [&long, "Path: <sip:a b>\n"] {
        net.register(STRANGER, "olena", 3, "<sip:olena@10.0.0.7>", more);
        assert_eq!(net.status(STRANGER), Some(400), "{more}");
    }
    assert!(
        !granted.headers.has(&Name::ServiceRoute),
        "RFC 3608: none is offered"
    );
}

#[test]
fn phones_behind_one_proxy_are_told_apart_by_their_contacts() {
    let mut net = Net::new();
    net.register(STRANGER, "olena", 1, "<sip:olena@10.0.0.7>", PATH);
    net.register(STRANGER, "taras", 1, "<sip:taras@10.0.0.8>", PATH);
    for (number, user) in [(1, "olena"), (2, "taras")] {
        let leg = ring(&mut net, user, number);
        let party = &net.ends[PBX].sessions[&leg].party;
        assert_eq!(party.operator, Some(OperatorName::from(user)));
    }
    // Who says to be where another is gains nothing.
    net.register(STRANGER, "taras", 2, "<sip:olena@10.0.0.7>", PATH);
    let leg = ring(&mut net, "olena", 3);
    assert_eq!(net.ends[PBX].sessions[&leg].party.operator, None);
}

#[test]
fn the_most_wanted_contact_comes_first() {
    // RFC 3261 20.10
    let mut net = Net::new();
    let contacts = "<sip:desk@10.0.0.7>;q=0.5, <sip:soft@10.0.0.8>, <sip:cell@10.0.0.9>;q=0.05, <sip:odd@10.0.0.6>;q=2";
    net.register(PHONE, "olena", 1, contacts, "");
    let olena = OperatorName::from("olena");
    let order: Vec<_> = net.ends[PBX]
        .bindings(&olena)
        .map(|binding| (binding.contact.user().unwrap(), binding.q))
        .collect();
    assert_eq!(
        order,
        [("odd", 1000), ("soft", 1000), ("desk", 500), ("cell", 50)]
    );
    let granted = answered(&net, PHONE);
    let told: Vec<_> = granted.headers.list(&Name::Contact).collect();
    assert!(
        told.contains(&Bytes::from("<sip:cell@10.0.0.9>;expires=3600;q=0.050")),
        "{told:?}"
    );
}

/// What was told of bindings since the last look, in short words.
fn told(net: &mut Net) -> Vec<String> {
    let events = std::mem::take(&mut net.events[PBX]);
    let word = |event| match event {
        EndpointEvent::Registered { first, changed, .. } => {
            Some(format!("registered {first} {changed}"))
        }
        EndpointEvent::Unregistered { last, why, .. } => Some(format!("{why} {last}")),
        EndpointEvent::Silent { user, last } => Some(format!("{user} silent {last}")),
        EndpointEvent::Heard { binding, first } => Some(format!("{} heard {first}", binding.user)),
        EndpointEvent::Session(_) | EndpointEvent::Probed { .. } | EndpointEvent::Noted(_) => None,
    };
    events.into_iter().filter_map(word).collect()
}

fn rung(net: &Net) -> usize {
    let olena = OperatorName::from("olena");
    net.ends[PBX].bindings(&olena).count()
}

#[test]
fn a_phone_behind_a_nat_is_asked_before_the_nat_forgets_it() {
    let mut net = Net::new();
    // A refresh does not put the question off.
    net.register(PHONE, "olena", 1, "<sip:olena@10.0.0.7>", "");
    net.run(Duration::from_secs(20));
    net.register(PHONE, "olena", 2, "<sip:olena@10.0.0.7>", "");
    net.run(Duration::from_secs(4));
    assert_eq!(net.count("0→2 OPTIONS"), 0);
    net.run(Duration::from_secs(6));
    assert_eq!(net.count("0→2 OPTIONS sip:olena@10.0.0.7"), 1);
    net.run(Duration::from_secs(270));
    assert!(
        (9..=11).contains(&net.count("0→2 OPTIONS")),
        "{:?}",
        net.trace
    );
    assert_eq!(net.count("2→0 SIP/2.0 200"), net.count("0→2 OPTIONS"));
    assert_eq!(rung(&net), 1);
    // One that says where it is needs no question, and one that left gets none.
    net.register(PHONE, "olena", 3, "*", "Expires: 0\n");
    net.register(PHONE, "taras", 1, "<sip:taras@192.0.2.10:40000>", "");
    net.trace.clear();
    net.run(Duration::from_secs(100));
    assert_eq!(net.count("0→2 OPTIONS"), 0);
}

#[test]
fn a_phone_that_stops_answering_is_not_rung_until_it_answers_again() {
    let mut net = Net::new();
    net.register(PHONE, "olena", 1, "<sip:olena@10.0.0.7>", "");
    net.run(Duration::from_secs(40));
    assert_eq!(told(&mut net), ["registered true true"]);
    net.blocked = vec![("2→0", 1)];
    net.run(Duration::from_secs(120));
    assert_eq!(rung(&net), 1, "one lost answer is sent again");
    net.blocked = vec![("0→2 OPTIONS", 10_000)];
    net.run(Duration::from_secs(3 * 62));
    assert_eq!(told(&mut net), ["olena silent true"]);
    assert_eq!((rung(&net), net.ends[PBX].registrations()), (0, 1));
    net.blocked.clear();
    net.run(Duration::from_secs(62));
    assert_eq!(told(&mut net), ["olena heard true"]);
    assert_eq!(rung(&net), 1);
    // A REGISTER is as good as an answer.
    net.blocked = vec![("0→2 OPTIONS", 10_000)];
    net.run(Duration::from_secs(4 * 62));
    assert_eq!(told(&mut net), ["olena silent true"]);
    net.register(PHONE, "olena", 2, "<sip:olena@10.0.0.7>", "");
    assert_eq!(told(&mut net), ["registered true true"]);
    assert_eq!(rung(&net), 1);
    net.register(PHONE, "olena", 3, "*", "Expires: 0\n");
    net.finish();
    assert!(net.ends[PBX].asked.is_empty());
}

#[test]
fn a_phone_that_never_answers_options_is_rung_all_the_same() {
    let mut net = Net::new();
    net.blocked = vec![("0→2 OPTIONS", 10_000)];
    net.register(PHONE, "olena", 1, "<sip:olena@10.0.0.7>", "");
    net.run(Duration::from_secs(600));
    assert_eq!(told(&mut net), ["registered true true"]);
    assert_eq!(rung(&net), 1);
}

#[test]
fn what_was_restored_is_asked_too() {
    let mut net = Net::new();
    net.register(PHONE, "olena", 1, "<sip:olena@10.0.0.7>", PATH);
    let olena = OperatorName::from("olena");
    let kept: Vec<_> = net.ends[PBX].bindings(&olena).cloned().collect();
    let mut again = Net::new();
    again.ends[PBX].restore(kept);
    again.run(Duration::from_secs(31));
    let options = again.request_to(PHONE, "OPTIONS");
    assert_eq!(options.headers.list(&Name::Route).count(), 2);
}

const INSTANCE: &str = "<sip:olena@10.0.0.7;ob>;+sip.instance=\"<urn:uuid:0-1-2>\";reg-id=1";

#[test]
fn a_flow_of_a_phone_is_granted_where_it_can_be_kept() {
    // RFC 5626 6
    let via = "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKedge\n";
    let cases = [
        (
            Transport::Tcp,
            INSTANCE,
            "Supported: outbound\n".to_owned(),
            200,
            Some("120"),
            true,
        ),
        (Transport::Tcp, INSTANCE, String::new(), 200, None, false),
        (
            Transport::Udp,
            INSTANCE,
            "Supported: outbound\n".to_owned(),
            200,
            None,
            false,
        ),
        (
            Transport::Udp,
            INSTANCE,
            format!("Supported: outbound, path\nPath: <sip:edge;lr;ob>\n{via}"),
            200,
            None,
            true,
        ),
        (
            Transport::Udp,
            INSTANCE,
            format!("Supported: outbound\n{via}"),
            439,
            None,
            false,
        ),
        (
            Transport::Tcp,
            "<sip:a@h>;+sip.instance=\"<x>\";reg-id=1, <sip:a@i>;+sip.instance=\"<x>\";reg-id=2",
            "Supported: outbound\n".to_owned(),
            400,
            None,
            false,
        ),
    ];
    for (transport, contact, more, status, timer, required) in cases {
        let mut net = Net::new();
        net.transport = transport;
        net.register(PHONE, "olena", 1, contact, &more);
        let answer = answered(&net, PHONE);
        assert_eq!(answer.status(), Some(status), "{more}");
        let named = answer.headers.text(&Name::from("Flow-Timer"));
        assert_eq!(named.as_deref(), timer, "{more}");
        assert_eq!(
            answer.headers.lists(&Name::Require, "outbound"),
            required,
            "{more}"
        );
        let gruu = answer.to_bytes();
        assert!(
            !String::from_utf8_lossy(&gruu).contains("gruu"),
            "none is made"
        );
    }
}

#[test]
fn a_new_flow_of_the_same_instance_takes_the_place_of_the_old_one() {
    // RFC 5626 6
    let mut net = Net::new();
    net.transport = Transport::Tcp;
    net.register(PHONE, "olena", 1, INSTANCE, "Supported: outbound\n");
    net.register(
        STRANGER,
        "olena",
        2,
        &INSTANCE.replace("10.0.0.7", "10.9.9.9"),
        "",
    );
    let olena = OperatorName::from("olena");
    let flows: Vec<_> = net.ends[PBX]
        .bindings(&olena)
        .map(|it| it.flow.peer)
        .collect();
    assert_eq!(flows, [address(STRANGER)]);
}

#[test]
fn a_registration_lasts_as_long_as_we_allow() {
    // RFC 3261 10.2.8, 10.3
    let mut config = config();
    config.expires = limits::REGISTRATION;
    let mut net = Net::with(config, 1);
    let contact = "<sip:olena@192.0.2.10:40000>";
    net.register(PHONE, "olena", 1, contact, "Expires: 59\n");
    let brief = answered(&net, PHONE);
    assert_eq!(brief.status(), Some(423));
    assert_eq!(brief.headers.text(&Name::MinExpires).as_deref(), Some("60"));
    for (seq, contact, more, granted) in [
        (2, contact.to_owned(), "Expires: 60\n", 60),
        (3, contact.to_owned(), "Expires: 99999\n", 7_200),
        (4, format!("{contact};expires=300"), "Expires: 99999\n", 300),
        (5, contact.to_owned(), "", 3_600),
    ] {
        net.register(PHONE, "olena", seq, &contact, more);
        let told = answered(&net, PHONE).headers.contacts().unwrap();
        assert_eq!(
            told[0].params.get("expires"),
            Some(granted.to_string().as_str())
        );
    }
}
