//! Where servers are, with a domain name system of our own.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn naptr(order: u16, preference: u16, service: &str, next: &str) -> RecordData {
    RecordData::Naptr {
        order,
        preference,
        flags: "s".to_owned(),
        service: service.to_owned(),
        replacement: next.to_owned(),
    }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RecordData {
    RecordData::Srv {
        priority,
        weight,
        port,
        target: target.to_owned(),
    }
}

fn at(address: &str) -> RecordData {
    RecordData::Address(address.parse().unwrap())
}

fn query(kind: RecordKind, name: &str) -> Query {
    Query {
        name: name.to_owned(),
        kind,
    }
}

fn wanted(server: &str, transport: Option<Transport>) -> Wanted {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.ends_with(':') => {
            (host, port.parse().ok())
        }
        _ => (server, None),
    };
    let host = host.to_owned();
    Wanted {
        server: Server { host, port },
        transport,
    }
}

type Zone = BTreeMap<Query, Vec<RecordData>>;

fn zone() -> Zone {
    use RecordKind::{Address, Naptr, Srv};
    [
        (
            query(Naptr, "full.example"),
            vec![
                naptr(50, 50, "SIPS+D2T", "_sips._tcp.full.example."),
                naptr(90, 50, "SIP+D2T", "_sip._tcp.full.example"),
                naptr(10, 50, "SIP+D2W", "_sip._ws.full.example"),
            ],
        ),
        (
            query(Srv, "_sips._tcp.full.example"),
            vec![srv(0, 1, 5061, "tls.full.example")],
        ),
        (query(Address, "tls.full.example"), vec![at("192.0.2.1")]),
        (
            query(Srv, "_sip._udp.two.example"),
            vec![
                srv(20, 0, 5080, "b.two.example"),
                srv(10, 0, 5070, "a.two.example"),
            ],
        ),
        (
            query(Address, "a.two.example"),
            vec![at("192.0.2.10"), at("2001:db8::10")],
        ),
        (query(Address, "b.two.example"), vec![at("192.0.2.20")]),
        (query(Address, "plain.example"), vec![at("192.0.2.30")]),
        (
            query(Srv, "_sip._udp.none.example"),
            vec![srv(0, 0, 0, ".")],
        ),
    ]
    .into()
}

fn found(zone: &Zone, server: &str, transport: Option<Transport>) -> Vec<String> {
    let walk = walk(&wanted(server, transport), |query| {
        Some(zone.get(query).map_or(&[][..], Vec::as_slice))
    });
    assert!(walk.complete);
    let located = walk.located.iter();
    let text = |it: &Located| format!("{} {}", it.transport.as_str(), it.address);
    located.map(text).collect()
}

#[test]
fn the_transport_comes_from_naptr_and_the_port_from_srv() {
    let zone = zone();
    // RFC 3263 4.1: the lowest order of those we speak.
    assert_eq!(found(&zone, "full.example", None), ["TLS 192.0.2.1:5061"]);
    // No NAPTR: SRV of UDP; RFC 2782: the lower priority first, each with its own port.
    assert_eq!(
        found(&zone, "two.example", None),
        [
            "UDP 192.0.2.10:5070",
            "UDP [2001:db8::10]:5070",
            "UDP 192.0.2.20:5080"
        ]
    );
    // Neither: the addresses of the name at the transport's own port.
    assert_eq!(found(&zone, "plain.example", None), ["UDP 192.0.2.30:5060"]);
    let tls = Some(Transport::Tls);
    assert_eq!(found(&zone, "plain.example", tls), ["TLS 192.0.2.30:5061"]);
    assert_eq!(found(&zone, "Plain.Example.", None).len(), 1);
}

#[test]
fn an_address_asks_nobody_and_a_port_asks_for_addresses_alone() {
    let zone = zone();
    assert_eq!(found(&zone, "192.0.2.9", None), ["UDP 192.0.2.9:5060"]);
    let tls = Some(Transport::Tls);
    assert_eq!(found(&zone, "192.0.2.9", tls), ["TLS 192.0.2.9:5061"]);
    assert_eq!(found(&zone, "192.0.2.9:5070", None), ["UDP 192.0.2.9:5070"]);
    assert_eq!(
        found(&zone, "[2001:db8::1]", None),
        ["UDP [2001:db8::1]:5060"]
    );
    // RFC 3263 4.2: a port leaves SRV out.
    let walk = walk(&wanted("two.example:5062", None), |_| None);
    assert_eq!(walk.queries, [query(RecordKind::Address, "two.example")]);
    // A service with the target "." is not there (RFC 2782).
    assert!(found(&zone, "none.example", Some(Transport::Udp)).is_empty());
}

#[test]
fn weights_share_the_calls_and_priorities_do_not_mix() {
    let record = |rank, record, weight, last: u8| Located {
        transport: Transport::Udp,
        address: SocketAddr::new([192, 0, 2, last].into(), 5060),
        rank,
        record,
        weight,
    };
    let located = [
        record(0, 1, 10, 1),
        record(0, 2, 30, 2),
        record(0, 3, 0, 3),
        record(1, 4, 65_535, 4),
    ];
    let mut rng = Rng::new([3; 32]);
    let mut first = BTreeMap::new();
    for _ in 0..4_000 {
        let drawn = draw(&located, &mut rng);
        assert_eq!(drawn.len(), 4);
        assert_eq!(drawn[3].record, 4, "a higher priority number comes last");
        *first.entry(drawn[0].record).or_insert(0) += 1;
    }
    assert!((2_700..3_200).contains(&first[&2]), "{first:?}");
    assert!((800..1_200).contains(&first[&1]), "{first:?}");
    assert!(first[&3] > 0, "weight 0 is seldom, not never: {first:?}");
}

struct Asked {
    resolver: Resolver,
    zone: Zone,
    ttl: Duration,
    alive: bool,
    asked: Vec<Query>,
    now: Instant,
}

impl Asked {
    fn new(server: &str) -> Self {
        let mut asked = Self {
            resolver: Resolver::default(),
            zone: zone(),
            ttl: 100 * SECOND,
            alive: true,
            asked: Vec::new(),
            now: Instant::START,
        };
        let all = [wanted(server, None)].into();
        asked.resolver.want(asked.now, all);
        asked.answer();
        asked
    }

    fn answer(&mut self) {
        while let Some(query) = self.resolver.poll_query() {
            self.asked.push(query.clone());
            let records = self.zone.get(&query).cloned().unwrap_or_default();
            let ttl = self.ttl;
            let records = records.into_iter().map(|data| DnsRecord { ttl, data });
            let answer = match self.alive {
                true => Ok(records.collect()),
                false => Err("timed out".to_owned()),
            };
            self.resolver.handle_answer(self.now, &query, answer);
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.resolver.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.resolver.handle_timeout(due);
            self.answer();
        }
        self.now = end;
    }

    fn addresses(&self, server: &str) -> Option<Vec<String>> {
        let located = self.resolver.locate(&wanted(server, None))?;
        Some(located.iter().map(|it| it.address.to_string()).collect())
    }
}

#[test]
fn a_cached_answer_outlives_a_dead_resolver() {
    let mut dns = Asked::new("two.example");
    let both = dns.addresses("two.example").unwrap();
    assert_eq!(both.len(), 3);
    dns.alive = false;
    dns.run(24 * 3600 * SECOND);
    assert_eq!(dns.addresses("two.example").unwrap(), both);
    // It is asked for all the time, but not more than once a minute and name.
    assert!(dns.asked.len() < 24 * 60 * 6, "{}", dns.asked.len());

    dns.alive = true;
    let moved = vec![at("198.51.100.1")];
    let host = query(RecordKind::Address, "a.two.example");
    dns.zone.insert(host, moved);
    dns.run(61 * SECOND);
    assert_eq!(
        dns.addresses("two.example").unwrap()[0],
        "198.51.100.1:5070"
    );
}

#[test]
fn names_are_asked_anew_before_they_lapse_and_within_bounds() {
    let mut dns = Asked::new("plain.example");
    let of_host = |dns: &Asked| {
        let host = query(RecordKind::Address, "plain.example");
        dns.asked.iter().filter(|asked| **asked == host).count()
    };
    assert_eq!(of_host(&dns), 1);
    dns.run(79 * SECOND);
    assert_eq!(of_host(&dns), 1);
    dns.run(2 * SECOND);
    assert_eq!(of_host(&dns), 2);
    // A time to live of nothing is ten seconds, one of a week an hour.
    dns.ttl = Duration::ZERO;
    dns.run(80 * SECOND);
    let before = of_host(&dns);
    dns.run(80 * SECOND);
    assert_eq!(of_host(&dns) - before, 10);
    dns.ttl = 7 * 24 * 3600 * SECOND;
    dns.run(3600 * SECOND);
    let before = of_host(&dns);
    dns.run(3600 * SECOND);
    assert!((1..=2).contains(&(of_host(&dns) - before)));
}

#[test]
fn a_name_is_unknown_until_it_is_answered_and_a_deaf_resolver_stops_no_walk() {
    let mut resolver = Resolver::default();
    let server = wanted("plain.example", None);
    resolver.want(Instant::START, [server.clone()].into());
    assert_eq!(resolver.locate(&server), None);
    // Nobody answers for NAPTR and SRV; the addresses come all the same.
    let mut steps = 0;
    while let Some(asked) = resolver.poll_query() {
        let ttl = 60 * SECOND;
        let data = at("192.0.2.30");
        let answer = match asked.kind {
            RecordKind::Address => Ok(vec![DnsRecord { ttl, data }]),
            RecordKind::Naptr | RecordKind::Srv => Err("refused".to_owned()),
        };
        resolver.handle_answer(Instant::START, &asked, answer);
        steps += 1;
    }
    assert_eq!(steps, 5);
    assert_eq!(resolver.locate(&server).unwrap().len(), 1);
    // What is no longer wanted is neither kept nor asked for.
    resolver.want(Instant::START, BTreeSet::new());
    assert!(resolver.kept_is_empty() && resolver.poll_timeout().is_none());
}

#[test]
fn a_flood_of_records_is_cut() {
    let mut zone = zone();
    let many = (0..200)
        .map(|last| at(&format!("192.0.2.{last}")))
        .collect();
    zone.insert(query(RecordKind::Address, "plain.example"), many);
    let located = found(&zone, "plain.example:5060", None);
    assert_eq!(located.len(), limits::SERVER_ADDRESSES);
}
