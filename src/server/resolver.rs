//! The domain name system, as the engine asks it: one question, one answer, within a bound.
//!
//! Keeps nothing: what was answered is kept by `sip::resolve`, which also decides when to ask again.
//! The servers are those of the machine (`/etc/resolv.conf`, with `/etc/hosts` before them), read again
//! after a failure, so that a machine which moved to another network is not deaf until a restart.

use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::limits;
use crate::sip::resolve::{DnsRecord, RecordData, RecordKind};
use crate::time::Duration;

/// One server is waited for this long before the next is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often all servers are asked.
const ATTEMPTS: usize = 2;

/// Asks the domain name system.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
    runtime: Handle,
}

struct Shared {
    /// Asked instead of the machine's servers.
    servers: Option<ResolverConfig>,
    /// None until the first question, and after a failure.
    resolver: Mutex<Option<TokioResolver>>,
}

impl Resolver {
    /// A resolver that asks `servers`, or without them those of this machine.
    #[must_use]
    pub fn new(servers: Option<ResolverConfig>, runtime: Handle) -> Self {
        let shared = Shared {
            servers,
            resolver: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            runtime,
        }
    }

    /// Asks for the records of a name. Returns at once; the answer comes within
    /// [`limits::DNS_ANSWER`].
    pub fn ask(
        &self,
        name: String,
        kind: RecordKind,
        answer: impl FnOnce(Result<Vec<DnsRecord>, String>) + Send + 'static,
    ) {
        let shared = Arc::clone(&self.shared);
        self.runtime.spawn(async move {
            let found = timeout(limits::DNS_ANSWER - PATIENCE, shared.look_up(&name, kind)).await;
            let found = found.unwrap_or_else(|_| Err("no server answered in time".to_owned()));
            if found.is_err() {
                shared.forget();
            }
            answer(found);
        });
    }
}

impl Shared {
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut kept = self.resolver.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resolver) = kept.as_ref() {
            return Ok(resolver.clone());
        }
        let mut builder = match &self.servers {
            Some(servers) => {
                TokioResolver::builder_with_config(servers.clone(), TokioRuntimeProvider::default())
            }
            None => TokioResolver::builder_tokio()?,
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = PATIENCE;
        options.attempts = ATTEMPTS;
        let resolver = builder.build()?;
        *kept = Some(resolver.clone());
        Ok(resolver)
    }

    fn forget(&self) {
        *self.resolver.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn look_up(&self, name: &str, kind: RecordKind) -> Result<Vec<DnsRecord>, String> {
        let mut name = Name::from_ascii(name).map_err(|error| error.to_string())?;
        // The plan writes whole names; a search list would ask others for them.
        name.set_fqdn(true);
        let resolver = self.resolver().map_err(|error| error.to_string())?;
        let types: &[RecordType] = match kind {
            RecordKind::Naptr => &[RecordType::NAPTR],
            RecordKind::Srv => &[RecordType::SRV],
            RecordKind::Address => &[RecordType::A, RecordType::AAAA],
        };
        let mut records = Vec::new();
        let mut failed = None;
        for kind in types {
            match resolver.lookup(name.clone(), *kind).await {
                Ok(found) => records.extend(found.answers().iter().filter_map(record)),
                Err(error) if says_nothing(&error) => {}
                Err(error) => failed = Some(error.to_string()),
            }
        }
        match failed {
            // One family answered: better than none.
            Some(why) if records.is_empty() => Err(why),
            Some(_) | None => Ok(records),
        }
    }
}

/// Whether the answer is that there are no such records; a server that is in trouble says so too, but by
/// another code.
fn says_nothing(error: &NetError) -> bool {
    let NetError::Dns(DnsError::NoRecordsFound(none)) = error else {
        return false;
    };
    matches!(
        none.response_code,
        ResponseCode::NoError | ResponseCode::NXDomain
    )
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the many kinds of records four are asked for"
)]
fn record(record: &Record) -> Option<DnsRecord> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let data = match &record.data {
        RData::A(address) => RecordData::Address(address.0.into()),
        RData::AAAA(address) => RecordData::Address(address.0.into()),
        RData::SRV(srv) => RecordData::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        },
        RData::NAPTR(naptr) => RecordData::Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            replacement: naptr.replacement.to_ascii(),
        },
        _ => return None,
    };
    Some(DnsRecord {
        ttl: Duration::from_secs(u64::from(record.ttl)),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::NameServerConfig;
    use hickory_resolver::proto::op::Message;
    use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::mpsc;
    use tokio::net::UdpSocket;

    /// What a server of our own says of a name.
    fn zone(name: &str, kind: RecordType) -> Result<Vec<RData>, ResponseCode> {
        let to = |text: &str| Name::from_ascii(text).unwrap();
        match (name, kind) {
            ("carrier.example.", RecordType::NAPTR) => Ok(vec![RData::NAPTR(NAPTR::new(
                10,
                20,
                b"s".to_vec().into(),
                b"SIP+D2T".to_vec().into(),
                Box::default(),
                to("_sip._tcp.carrier.example."),
            ))]),
            ("_sip._tcp.carrier.example.", RecordType::SRV) => Ok(vec![RData::SRV(SRV::new(
                1,
                2,
                5070,
                to("a.carrier.example."),
            ))]),
            ("a.carrier.example.", RecordType::A) => {
                Ok(vec![RData::A(A(Ipv4Addr::new(192, 0, 2, 7)))])
            }
            ("a.carrier.example.", RecordType::AAAA) => Ok(Vec::new()),
            ("ill.example.", _) => Err(ResponseCode::ServFail),
            _ => Err(ResponseCode::NXDomain),
        }
    }

    async fn serve(socket: UdpSocket) {
        let mut buffer = [0; 1_024];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let asked = Message::from_vec(&buffer[..length]).unwrap();
            let query = asked.queries[0].clone();
            let name = query.name().to_ascii().to_ascii_lowercase();
            let mut answer = asked.clone().into_response();
            match zone(&name, query.query_type()) {
                Ok(all) => {
                    for data in all {
                        answer.add_answer(Record::from_rdata(query.name().clone(), 77, data));
                    }
                }
                Err(code) => answer.metadata.response_code = code,
            }
            let bytes = answer.to_vec().unwrap();
            socket.send_to(&bytes, peer).await.unwrap();
        }
    }

    fn asking(server: SocketAddr) -> Resolver {
        let mut one = NameServerConfig::udp(server.ip());
        for connection in &mut one.connections {
            connection.port = server.port();
        }
        let servers = ResolverConfig::from_parts(None, Vec::new(), vec![one]);
        Resolver::new(Some(servers), Handle::current())
    }

    async fn ask(
        resolver: &Resolver,
        name: &str,
        kind: RecordKind,
    ) -> Result<Vec<RecordData>, String> {
        let (said, heard) = mpsc::channel();
        resolver.ask(name.to_owned(), kind, move |answer| {
            said.send(answer).unwrap()
        });
        let waiting = move || heard.recv_timeout(Duration::from_secs(20));
        let answer = tokio::task::spawn_blocking(waiting).await.unwrap().unwrap();
        let records = answer?;
        assert!(records.iter().all(|it| it.ttl == Duration::from_secs(77)));
        Ok(records.into_iter().map(|it| it.data).collect())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn names_are_looked_up_and_nothing_is_told_from_a_server_in_trouble() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolver = asking(socket.local_addr().unwrap());
        tokio::spawn(serve(socket));
        let naptr = ask(&resolver, "carrier.example", RecordKind::Naptr)
            .await
            .unwrap();
        let RecordData::Naptr {
            service,
            replacement,
            flags,
            ..
        } = &naptr[0]
        else {
            panic!("{naptr:?}");
        };
        assert_eq!((service.as_str(), flags.as_str()), ("SIP+D2T", "s"));
        assert_eq!(replacement, "_sip._tcp.carrier.example.");
        let srv = ask(&resolver, replacement, RecordKind::Srv).await.unwrap();
        let RecordData::Srv {
            port: 5070, target, ..
        } = &srv[0]
        else {
            panic!("{srv:?}");
        };
        let address = ask(&resolver, target, RecordKind::Address).await.unwrap();
        assert_eq!(address, [RecordData::Address([192, 0, 2, 7].into())]);
        // No such name is an answer, and replaces what was known; a failing server is none.
        let none = ask(&resolver, "none.example", RecordKind::Srv).await;
        assert_eq!(none, Ok(Vec::new()));
        assert!(
            ask(&resolver, "ill.example", RecordKind::Address)
                .await
                .is_err()
        );
        assert!(
            ask(&resolver, "", RecordKind::Srv)
                .await
                .is_ok_and(|it| it.is_empty())
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_dead_server_is_an_error_within_the_bound() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolver = asking(silent.local_addr().unwrap());
        let begun = tokio::time::Instant::now();
        let answer = ask(&resolver, "carrier.example", RecordKind::Srv).await;
        assert!(answer.is_err());
        assert!(
            begun.elapsed() < limits::DNS_ANSWER,
            "{:?}",
            begun.elapsed()
        );
    }
}
