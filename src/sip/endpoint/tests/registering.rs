//! Registering, and what a registration opens.

use super::network::*;
use crate::id::OperatorName;
use crate::sip::endpoint::EndpointEvent;
use crate::sip::registration::{Account, RegistrationEvent, RegistrationId};
use crate::time::Duration;

fn account(net: &Net, password: &str) -> Account {
    Account {
        user: "olena".to_owned(),
        password: password.to_owned(),
        domain: "clinic.example".to_owned(),
        flow: net.flow(PHONE, PBX),
        expires: Duration::from_secs(300),
    }
}

#[test]
fn a_phone_registers_refreshes_and_leaves() {
    let mut net = Net::new();
    let (now, account) = (net.now(), account(&net, "correct horse"));
    net.ends[PHONE].register(now, RegistrationId(1), account);
    net.collect(PHONE);
    net.pause();
    let registered = RegistrationEvent::Registered(RegistrationId(1), Duration::from_secs(300));
    assert_eq!(net.ends[PHONE].poll_registration(), Some(registered));
    let olena = OperatorName::from("olena");
    let binding = net.ends[PBX].bindings(&olena).next().unwrap().clone();
    assert_eq!(binding.contact.as_str(), "sip:olena@192.0.2.10:40000");
    assert_eq!(binding.flow, net.flow(PBX, PHONE));
    assert_eq!(net.holds.len(), 1);
    assert!(matches!(
        &net.events[PBX][..],
        [EndpointEvent::Registered {
            first: true,
            hold: Some(_),
            ..
        }]
    ));

    net.events[PBX].clear();
    net.run(Duration::from_secs(250));
    assert_eq!(net.ends[PHONE].poll_registration(), Some(registered));
    assert_eq!(net.holds.len(), 1, "a refresh waits for no disk");
    assert!(matches!(
        &net.events[PBX][..],
        [EndpointEvent::Registered {
            first: false,
            hold: None,
            ..
        }]
    ));

    net.events[PBX].clear();
    let now = net.now();
    net.ends[PHONE].unregister(now, RegistrationId(1));
    net.collect(PHONE);
    net.pause();
    assert_eq!(
        net.ends[PHONE].poll_registration(),
        Some(RegistrationEvent::Unregistered(RegistrationId(1)))
    );
    assert_eq!(net.ends[PBX].registrations(), 0);
    assert!(matches!(
        &net.events[PBX][..],
        [EndpointEvent::Unregistered {
            last: true,
            why: "removed",
            hold: Some(_),
            ..
        }]
    ));
    net.finish();
}

#[test]
fn a_wrong_password_is_refused_and_a_lapsed_binding_goes() {
    let mut net = Net::new();
    let (now, wrong) = (net.now(), account(&net, "guess"));
    net.ends[PHONE].register(now, RegistrationId(1), wrong);
    net.collect(PHONE);
    net.pause();
    assert_eq!(
        net.ends[PHONE].poll_registration(),
        Some(RegistrationEvent::Failed(RegistrationId(1), 401))
    );
    assert_eq!(net.ends[PBX].refused().auth, 1);

    let mut net = Net::new();
    let (now, right) = (net.now(), account(&net, "correct horse"));
    net.ends[PHONE].register(now, RegistrationId(1), right);
    net.collect(PHONE);
    net.pause();
    net.events[PBX].clear();
    net.blocked = vec![("2→0", 1000)];
    net.run(Duration::from_secs(301));
    assert_eq!(net.ends[PBX].registrations(), 0);
    assert!(matches!(
        &net.events[PBX][..],
        [EndpointEvent::Unregistered {
            last: true,
            why: "expired",
            hold: None,
            ..
        }]
    ));
}

#[test]
fn a_lossy_network_registers_a_phone_all_the_same() {
    for seed in 0..10 {
        let mut net = Net::with(config(), seed);
        (net.loss, net.doubling, net.jitter) = (200, 200, Duration::from_millis(300));
        let (now, right) = (net.now(), account(&net, "correct horse"));
        net.ends[PHONE].register(now, RegistrationId(1), right);
        net.collect(PHONE);
        net.run(Duration::from_secs(100));
        assert_eq!(net.ends[PBX].registrations(), 1, "seed {seed}");
    }
}
