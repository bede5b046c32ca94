//! Any bytes as what the domain name system says, and when it says it: every question has its time,
//! nothing is asked without end, and where a server is comes out within the bounds.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use strowger::limits;
use strowger::rng::Rng;
use strowger::sip::flow::Transport;
use strowger::sip::resolve::{DnsRecord, Query, RecordData, Resolver, Server, Wanted, draw};
use strowger::time::{Duration, Instant};

/// Few enough that records lead to each other and in circles.
const NAMES: [&str; 8] = [
    "carrier.example",
    "CARRIER.example.",
    "_sip._udp.carrier.example",
    "_sips._tcp.carrier.example",
    "a.example",
    ".",
    "",
    "ж.example",
];

struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn name(&mut self) -> Option<String> {
        let pick = self.byte()?;
        let name = NAMES[usize::from(pick) % NAMES.len()];
        Some(name.repeat(if pick > 250 { 40 } else { 1 }))
    }

    fn record(&mut self) -> Option<DnsRecord> {
        let ttl = Duration::from_secs(u64::from(self.number()?) * 100);
        let data = match self.byte()? % 4 {
            0 => RecordData::Naptr {
                order: self.number()?,
                preference: self.number()?,
                flags: ["s", "A", "u", ""][usize::from(self.byte()?) % 4].to_owned(),
                service: ["SIP+D2U", "sips+d2t", "SIP+D2T", "x"][usize::from(self.byte()?) % 4]
                    .to_owned(),
                replacement: self.name()?,
            },
            1 => RecordData::Srv {
                priority: self.number()?,
                weight: self.number()?,
                port: self.number()?,
                target: self.name()?,
            },
            2 => RecordData::Address(IpAddr::V4(Ipv4Addr::from(u32::from(self.number()?)))),
            _ => RecordData::Address(IpAddr::V6(Ipv6Addr::from(u128::from(self.number()?)))),
        };
        Some(DnsRecord { ttl, data })
    }

    fn wanted(&mut self) -> Option<Wanted> {
        let host = self.name()?;
        let port = Some(self.number()?).filter(|port| *port > 32_767);
        let transport = [
            None,
            Some(Transport::Udp),
            Some(Transport::Tcp),
            Some(Transport::Tls),
        ][usize::from(self.byte()?) % 4];
        let server = Server { host, port };
        Some(Wanted { server, transport })
    }
}

/// Checks one input.
pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let mut resolver = Resolver::default();
    let mut now = Instant::START;
    let mut wanted = BTreeSet::new();
    let mut asked: Vec<Query> = Vec::new();
    while let Some(step) = script.byte() {
        match step % 8 {
            0 => {
                wanted.extend(script.wanted());
                resolver.want(now, wanted.clone());
            }
            1 => {
                wanted.pop_first();
                resolver.want(now, wanted.clone());
            }
            2 => now = now + Duration::from_secs(u64::from(script.byte().unwrap_or(1))),
            3..=5 if !asked.is_empty() => {
                let query = asked.swap_remove(usize::from(step) % asked.len());
                let count = script.byte().unwrap_or(0) % 16;
                let records = (0..count).map_while(|_| script.record()).collect();
                resolver.handle_answer(now, &query, Ok(records));
            }
            6 if !asked.is_empty() => {
                let query = asked.swap_remove(usize::from(step) % asked.len());
                resolver.handle_answer(now, &query, Err("no answer".to_owned()));
            }
            _ => {}
        }
        resolver.handle_timeout(now);
        assert!(resolver.poll_timeout().is_none_or(|at| at > now));
        let before = asked.len();
        while let Some(query) = resolver.poll_query() {
            assert!(query.name.len() <= limits::DNS_NAME_BYTES && !query.name.is_empty());
            asked.push(query);
        }
        // One name leads to services, each of these to hosts.
        let most = (wanted.len() + 1) * (limits::DNS_RECORDS + 4) * (limits::DNS_RECORDS + 4);
        assert!(asked.len() - before <= most, "asked without end");
        for one in &wanted {
            let Some(located) = resolver.locate(one) else {
                continue;
            };
            assert!(located.len() <= limits::SERVER_ADDRESSES);
            let mut drawn = draw(&located, &mut Rng::new([step; 32]));
            assert_eq!(drawn.len(), located.len());
            let ranks: Vec<_> = drawn.iter().map(|it| it.rank).collect();
            assert!(ranks.is_sorted());
            drawn.sort_by_key(|it| (it.rank, it.record, it.address));
            drawn.dedup();
            assert_eq!(drawn.len(), located.len());
        }
    }
    resolver.want(now, BTreeSet::new());
    assert!(
        resolver.poll_timeout().is_none(),
        "a forgotten name is still waited for"
    );
}
