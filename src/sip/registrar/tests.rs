use super::*;

fn now(seconds: u64) -> Now {
    Now {
        mono: Instant::START + Duration::from_secs(seconds),
        wall: Wall::from_millis(1_700_000_000_000) + Duration::from_secs(seconds),
    }
}

fn flow(id: u64, transport: Transport, port: u16) -> Flow {
    Flow {
        id: FlowId(id),
        transport,
        local: "198.51.100.1:5060".parse().unwrap(),
        peer: SocketAddr::from(([192, 0, 2, 10], port)),
    }
}

fn register(flow: Flow, cseq: u32, contacts: &[(&str, u64)]) -> Registration {
    Registration {
        user: OperatorName::from("olena"),
        path: Vec::new(),
        flow,
        call_id: "one".to_owned(),
        cseq,
        user_agent: String::new(),
        wish: Wish::Contacts(
            contacts
                .iter()
                .map(|(uri, expires)| Contact {
                    key: (*uri).to_owned(),
                    uri: Uri::parse(uri).unwrap(),
                    expires: Duration::from_secs(*expires),
                    q: 1_000,
                    flow: false,
                })
                .collect(),
        ),
    }
}

const UDP: Transport = Transport::Udp;
const TCP: Transport = Transport::Tcp;

fn durable(changes: &[Change]) -> Vec<bool> {
    changes
        .iter()
        .map(|change| match change {
            Change::Bound { durable, .. } => *durable,
            Change::Unbound { .. } | Change::Silent { .. } | Change::Heard { .. } => {
                panic!("{change:?}")
            }
        })
        .collect()
}

#[test]
fn what_is_new_or_changed_is_durable_and_a_refresh_is_not() {
    let mut registrar = Registrar::new(10);
    let first = register(flow(1, UDP, 1), 1, &[("sip:a@b", 60)]);
    assert_eq!(durable(&registrar.apply(now(0), &first).unwrap()), [true]);
    let repeated = registrar.apply(now(1), &first).unwrap();
    assert_eq!(durable(&repeated), [true]);
    assert!(matches!(
        &repeated[..],
        [Change::Bound { changed: false, .. }]
    ));
    let second = register(flow(1, UDP, 1), 2, &[("sip:a@b", 60)]);
    assert_eq!(
        durable(&registrar.apply(now(30), &second).unwrap()),
        [false]
    );
    let moved = register(flow(1, UDP, 2), 3, &[("sip:a@b", 60)]);
    assert_eq!(durable(&registrar.apply(now(40), &moved).unwrap()), [true]);
    assert_eq!(registrar.len(), 1);
    assert!(registrar.user_of(&flow(1, UDP, 1)).is_none());
    assert!(registrar.user_of(&flow(1, UDP, 2)).is_some());
}

#[test]
fn a_late_register_changes_nothing() {
    let mut registrar = Registrar::new(10);
    let contacts = [("sip:a@b", 60)];
    registrar
        .apply(now(0), &register(flow(1, UDP, 1), 5, &contacts))
        .unwrap();
    let late = register(flow(1, UDP, 2), 4, &[("sip:a@b", 0)]);
    assert_eq!(registrar.apply(now(1), &late), Err(Refusal::OutOfOrder));
    let mut all = late;
    all.wish = Wish::RemoveAll;
    assert_eq!(registrar.apply(now(1), &all), Err(Refusal::OutOfOrder));
    all.cseq = 6;
    assert_eq!(registrar.apply(now(1), &all).unwrap().len(), 1);
    assert!(registrar.is_empty());
}

#[test]
fn bindings_are_bounded_for_a_user_and_in_all() {
    let mut registrar = Registrar::new(11);
    let uris: Vec<_> = (0..=limits::BINDINGS_PER_USER)
        .map(|n| format!("sip:a@b{n}"))
        .collect();
    let contacts: Vec<_> = uris.iter().map(|uri| (uri.as_str(), 60)).collect();
    let many = register(flow(1, UDP, 1), 1, &contacts);
    assert_eq!(registrar.apply(now(0), &many), Err(Refusal::TooMany));
    let enough = register(flow(1, UDP, 1), 1, &contacts[1..]);
    assert_eq!(registrar.apply(now(0), &enough).unwrap().len(), 10);
    let mut other = register(flow(1, UDP, 2), 1, &contacts[..2]);
    other.user = OperatorName::from("taras");
    assert_eq!(registrar.apply(now(0), &other), Err(Refusal::Full));
}

#[test]
fn bindings_lapse_and_go_with_their_stream() {
    let mut registrar = Registrar::new(10);
    registrar
        .apply(now(0), &register(flow(7, TCP, 1), 1, &[("sip:a@b", 600)]))
        .unwrap();
    registrar
        .apply(now(0), &register(flow(8, TCP, 1), 2, &[("sip:a@c", 60)]))
        .unwrap();
    let gone = registrar.handle_flow_down(FlowId(7));
    assert!(matches!(
        &gone[..],
        [Change::Unbound {
            last: false,
            why: "flow_closed",
            ..
        }]
    ));
    assert_eq!(registrar.poll_timeout(), Some(now(60).mono));
    assert_eq!(registrar.handle_timeout(now(59).mono), None);
    assert!(matches!(
        registrar.handle_timeout(now(60).mono),
        Some(Change::Unbound {
            last: true,
            why: "expired",
            ..
        })
    ));
    assert!(registrar.flows.is_empty() && registrar.timers.is_empty());
}

#[test]
fn a_restart_keeps_what_still_holds() {
    let binding = |key: &str, flow: Flow, seconds: u64| Binding {
        user: OperatorName::from("olena"),
        key: key.to_owned(),
        contact: Uri::parse("sip:a@b").unwrap(),
        path: Vec::new(),
        q: 1_000,
        flow,
        call_id: "one".to_owned(),
        cseq: 1,
        expires: now(seconds).wall,
        user_agent: String::new(),
    };
    let mut registrar = Registrar::new(10);
    let bindings = vec![
        binding("udp", flow(1, UDP, 1), 100),
        binding("tcp", flow(7, TCP, 1), 100),
        binding("old", flow(1, UDP, 2), 9),
        binding("clock", flow(1, UDP, 3), 1_000_000),
    ];
    let gone = registrar.restore(now(10), bindings, Duration::from_secs(3600));
    let why: Vec<_> = gone
        .iter()
        .map(|change| match change {
            Change::Unbound { key, why, .. } => (key.as_str(), *why),
            Change::Bound { .. } | Change::Silent { .. } | Change::Heard { .. } => {
                panic!("{change:?}")
            }
        })
        .collect();
    assert_eq!(why, [("tcp", "flow_closed"), ("old", "expired")]);
    let left: Vec<_> = registrar
        .remaining(now(10).mono, &OperatorName::from("olena"))
        .map(|(binding, left)| (binding.key.as_str(), left))
        .collect();
    assert_eq!(left, [("clock", 3600), ("udp", 90)]);
}
