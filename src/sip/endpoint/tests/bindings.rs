//! What a binding keeps of its phone: the proxies before it, how much it is wanted, and whose it is.

use bytes::Bytes;

use super::network::*;
use crate::id::{LegId, OperatorName, Origin};
use crate::sip::header::Name;
use crate::sip::message::Message;
use crate::sip::parse::parse;
use crate::sip::session::{OutgoingInvite, SessionCommand};

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
