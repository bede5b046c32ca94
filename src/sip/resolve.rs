//! Where a SIP server is (RFC 3263): the records of the domain name system, and the way from a name
//! through them to addresses.
//!
//! ```text
//!  an address ──────────────────────────────────────────────► that address, its port or 5060 (TLS 5061)
//!  name:port ─────────────────────────────► A and AAAA ─────► UDP, or the transport that is written
//!  name, transport ──► SRV _sip._udp.name ┬► its targets ───► A and AAAA, the ports of SRV
//!                                         └ none ► A and AAAA, the transport's own port
//!  name ──► NAPTR ┬► the best service we speak ──► its SRV or its host
//!                 └ none ► SRV of UDP, then TCP, then TLS; the first that is there
//! ```
//!
//! Asks nobody and keeps no time: [`Resolver`] does the second, the shell has the first.

mod resolver;

pub use resolver::Resolver;

use std::net::{IpAddr, SocketAddr};

use super::flow::Transport;
use crate::limits;
use crate::rng::Rng;
use crate::time::Duration;

/// What is asked of a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RecordKind {
    /// Which services a domain offers.
    Naptr,
    /// Which hosts offer a service.
    Srv,
    /// Which addresses a host has, A and AAAA.
    Address,
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsRecord {
    /// How long it may be kept.
    pub ttl: Duration,
    /// What it says.
    pub data: RecordData,
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordData {
    /// RFC 3403.
    Naptr {
        /// Lower first.
        order: u16,
        /// Lower first among equals.
        preference: u16,
        /// `S`, `A`, `U` or `P`.
        flags: String,
        /// Like `SIP+D2U`.
        service: String,
        /// The next name.
        replacement: String,
    },
    /// RFC 2782.
    Srv {
        /// Lower first.
        priority: u16,
        /// The share among equals.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: String,
    },
    /// RFC 1035, RFC 3596.
    Address(IpAddr),
}

/// A question to the domain name system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Query {
    /// The name.
    pub name: String,
    /// What is asked of it.
    pub kind: RecordKind,
}

/// A server as an admin names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Server {
    /// A name or an address.
    pub host: String,
    /// The port; none asks the records, or takes the transport's own.
    pub port: Option<u16>,
}

/// A server, and over what it shall be spoken to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Wanted {
    /// The server.
    pub server: Server,
    /// The transport; none leaves it to the records.
    pub transport: Option<Transport>,
}

/// One address of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located {
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// Those of a lower rank are tried first.
    pub rank: u32,
    /// Addresses of one SRV record stay together.
    pub record: u32,
    /// The share of that record among those of its rank.
    pub weight: u16,
}

/// What a walk through the records came to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Walk {
    /// The addresses, by rank.
    pub located: Vec<Located>,
    /// Every question on the way, answered or not.
    pub queries: Vec<Query>,
    /// Whether each of them had an answer.
    pub complete: bool,
}

/// The port of a transport (RFC 3261 19.1.2).
#[must_use]
pub const fn port_of(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
    }
}

/// Walks from a name to its addresses through what `known` has; none is a question without an answer.
pub fn walk<'r>(wanted: &Wanted, known: impl Fn(&Query) -> Option<&'r [RecordData]>) -> Walk {
    let mut walker = Walker {
        known,
        walk: Walk {
            complete: true,
            ..Walk::default()
        },
        rank: 0,
        record: 0,
    };
    walker.start(wanted);
    walker.walk
}

struct Walker<F> {
    known: F,
    walk: Walk,
    rank: u32,
    record: u32,
}

impl<'r, F: Fn(&Query) -> Option<&'r [RecordData]>> Walker<F> {
    /// RFC 3263 4.1: the transport, then 4.2: the port and the address.
    fn start(&mut self, wanted: &Wanted) {
        let Wanted { server, transport } = wanted;
        let host = server.host.trim_matches(['[', ']']);
        let udp = transport.unwrap_or(Transport::Udp);
        if let Ok(address) = host.parse::<IpAddr>() {
            let port = server.port.unwrap_or(port_of(udp));
            return self.add(udp, SocketAddr::new(address.to_canonical(), port), 0);
        }
        match (server.port, transport) {
            (Some(port), _) => self.addresses(host, udp, port, 0),
            (None, Some(transport)) => {
                if !self.service(&service_name(*transport, host), *transport) {
                    self.addresses(host, *transport, port_of(*transport), 0);
                }
            }
            (None, None) => self.any_transport(host),
        }
    }

    fn any_transport(&mut self, host: &str) {
        let Some(offered) = self.ask(host, RecordKind::Naptr) else {
            return;
        };
        let mut offers: Vec<_> = offered.iter().filter_map(offer).collect();
        offers.sort_by_key(|offer| (offer.order, offer.preference));
        for offer in &offers {
            if offer.terminal_host {
                let port = port_of(offer.transport);
                self.addresses(offer.next, offer.transport, port, 0);
            } else {
                self.service(offer.next, offer.transport);
            }
            if !self.walk.located.is_empty() || !self.walk.complete {
                return;
            }
        }
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            if self.service(&service_name(transport, host), transport) {
                return;
            }
        }
        self.addresses(host, Transport::Udp, port_of(Transport::Udp), 0);
    }

    /// The targets of a service (RFC 2782); false when it has no records. What is not answered yet
    /// may have some.
    fn service(&mut self, name: &str, transport: Transport) -> bool {
        let Some(records) = self.ask(name, RecordKind::Srv) else {
            return true;
        };
        let mut targets: Vec<_> = records.iter().filter_map(target).collect();
        targets.sort_by_key(|&(priority, ..)| priority);
        let mut last = None;
        for &(priority, weight, port, host) in &targets {
            if last.is_some_and(|last| last != priority) {
                self.rank += 1;
            }
            last = Some(priority);
            self.addresses(host, transport, port, weight);
        }
        // A single target "." says that there is no such service.
        !records.is_empty()
    }

    fn addresses(&mut self, host: &str, transport: Transport, port: u16, weight: u16) {
        let Some(records) = self.ask(host, RecordKind::Address) else {
            return;
        };
        self.record += 1;
        for record in records {
            if let RecordData::Address(address) = record {
                self.add(transport, SocketAddr::new(*address, port), weight);
            }
        }
    }

    fn add(&mut self, transport: Transport, address: SocketAddr, weight: u16) {
        let located = &mut self.walk.located;
        let known = located
            .iter()
            .any(|it| it.transport == transport && it.address == address);
        if !known && located.len() < limits::SERVER_ADDRESSES {
            located.push(Located {
                transport,
                address,
                rank: self.rank,
                record: self.record,
                weight,
            });
        }
    }

    fn ask(&mut self, name: &str, kind: RecordKind) -> Option<&'r [RecordData]> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty() || name.len() > limits::DNS_NAME_BYTES {
            return Some(&[]);
        }
        let query = Query { name, kind };
        let answer = (self.known)(&query);
        self.walk.complete &= answer.is_some();
        if !self.walk.queries.contains(&query) {
            self.walk.queries.push(query);
        }
        answer
    }
}

struct Offer<'r> {
    order: u16,
    preference: u16,
    transport: Transport,
    /// The replacement is a host rather than a service.
    terminal_host: bool,
    next: &'r str,
}

fn offer(record: &RecordData) -> Option<Offer<'_>> {
    let RecordData::Naptr {
        order,
        preference,
        flags,
        service,
        replacement,
    } = record
    else {
        return None;
    };
    let services = [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
    ];
    let (_, transport) = services
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(service))?;
    let terminal_host = flags.eq_ignore_ascii_case("a");
    (terminal_host || flags.eq_ignore_ascii_case("s")).then_some(Offer {
        order: *order,
        preference: *preference,
        transport,
        terminal_host,
        next: replacement,
    })
}

fn target(record: &RecordData) -> Option<(u16, u16, u16, &str)> {
    match record {
        RecordData::Srv {
            priority,
            weight,
            port,
            target,
        } => Some((*priority, *weight, *port, target)),
        RecordData::Naptr { .. } | RecordData::Address(_) => None,
    }
}

fn service_name(transport: Transport, host: &str) -> String {
    match transport {
        Transport::Udp => format!("_sip._udp.{host}"),
        Transport::Tcp => format!("_sip._tcp.{host}"),
        Transport::Tls => format!("_sips._tcp.{host}"),
    }
}

/// The order in which addresses are tried this time: by rank, and within one rank by the lot of their
/// records' weights (RFC 2782).
#[must_use]
pub fn draw(located: &[Located], rng: &mut Rng) -> Vec<Located> {
    let mut ranks: Vec<_> = located.iter().map(|it| it.rank).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let mut drawn = Vec::with_capacity(located.len());
    for rank in ranks {
        let of_rank = located.iter().filter(|it| it.rank == rank);
        let mut records: Vec<_> = of_rank.map(|it| (it.record, it.weight)).collect();
        records.dedup();
        // Those of weight 0 stand first, so that they are drawn too, if seldom.
        records.sort_by_key(|&(record, weight)| (weight > 0, record));
        while !records.is_empty() {
            let sum: u64 = records.iter().map(|&(_, weight)| u64::from(weight)).sum();
            let lot = rng.below(sum + 1);
            let mut reached = 0;
            let hit = records.iter().position(|&(_, weight)| {
                reached += u64::from(weight);
                reached >= lot
            });
            let (record, _) = records.remove(hit.unwrap_or(0));
            let same = |it: &&Located| it.rank == rank && it.record == record;
            drawn.extend(located.iter().filter(same).cloned());
        }
    }
    drawn
}

#[cfg(test)]
mod tests;
