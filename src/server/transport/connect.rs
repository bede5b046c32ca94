//! Connections that we open: TCP, and TLS that is verified, to a carrier's server.
//!
//! One connection is kept for each peer and name and used again while it stands (RFC 3261 18.1.1); who
//! asks while it is being opened waits for the same one. Over UDP there is nothing to open: the answer
//! is the listener's flow to that peer. What failed is not tried again here; who asked decides.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::certificate::provider;
use super::reachable;
use super::stream::Connection;
use super::tcp::{self, Hall};
use crate::id::FlowId;
use crate::limits;
use crate::sip::flow::{Flow, Transport};

/// Where a connection leads; two that agree in all of it are one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Destination {
    /// How.
    pub transport: Transport,
    /// The address.
    pub peer: SocketAddr,
    /// The name that a TLS peer must prove; empty: its address.
    pub server_name: String,
}

/// One place of a destination: whoever holds it may open the connection.
type Place = Arc<tokio::sync::Mutex<Option<Flow>>>;

struct Shared {
    hall: Hall,
    listeners: Vec<(FlowId, Transport, SocketAddr)>,
    roots: Option<rustls::RootCertStore>,
    client: OnceLock<Result<TlsConnector, String>>,
    places: Mutex<BTreeMap<Destination, Place>>,
    /// What the log was told last of destinations that cannot be reached.
    troubles: Mutex<BTreeMap<Destination, String>>,
    runtime: Handle,
}

/// Opens connections.
#[derive(Clone)]
pub struct Dialler(Arc<Shared>);

impl Dialler {
    /// A dialler that speaks from the addresses of `listeners`, and verifies peers by `roots` or, without
    /// them, by what this machine trusts.
    #[must_use]
    pub fn new(
        hall: Hall,
        listeners: Vec<(FlowId, Transport, SocketAddr)>,
        roots: Option<rustls::RootCertStore>,
        runtime: Handle,
    ) -> Self {
        Self(Arc::new(Shared {
            hall,
            listeners,
            roots,
            client: OnceLock::new(),
            places: Mutex::default(),
            troubles: Mutex::default(),
            runtime,
        }))
    }

    /// Finds or opens a connection and says which it is, or in one sentence why there is none. Returns
    /// at once.
    pub fn connect(
        &self,
        to: Destination,
        answer: impl FnOnce(Result<Flow, String>) + Send + 'static,
    ) {
        if to.transport == Transport::Udp {
            return answer(self.0.datagrams(to.peer));
        }
        let place = match self.0.place(&to) {
            Ok(place) => place,
            Err(why) => return answer(Err(why)),
        };
        let shared = Arc::clone(&self.0);
        self.0.runtime.spawn(async move {
            let opening = timeout(shared.hall.patience.connect, shared.open(&to, &place)).await;
            let opened = opening.unwrap_or_else(|_| {
                let millis = shared.hall.patience.connect.as_millis();
                Err(format!("{} did not answer in {millis} ms", shown(&to)))
            });
            if opened.is_err() {
                shared.forget(&to, None);
            }
            shared.log(&to, opened.as_ref().err());
            answer(opened);
        });
    }
}

impl Shared {
    fn places(&self) -> MutexGuard<'_, BTreeMap<Destination, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, to: &Destination) -> Result<Place, String> {
        let mut places = self.places();
        if let Some(place) = places.get(to) {
            return Ok(Arc::clone(place));
        }
        if places.len() >= limits::CONNECTIONS_OUT {
            let bound = limits::CONNECTIONS_OUT;
            return Err(format!(
                "{} is not connected to: {bound} connections of ours are open already",
                shown(to)
            ));
        }
        let place = Place::default();
        places.insert(to.clone(), Arc::clone(&place));
        Ok(place)
    }

    /// Forgets a destination, if nobody else opens it and it has the connection `flow`, or none.
    fn forget(&self, to: &Destination, flow: Option<FlowId>) {
        let mut places = self.places();
        let mine = places.get(to).is_some_and(|place| {
            place
                .try_lock()
                .is_ok_and(|held| held.map(|held| held.id) == flow)
        });
        if mine {
            places.remove(to);
        }
    }

    /// Says once why a destination cannot be reached, however often it is tried, and that it can be again.
    fn log(&self, to: &Destination, trouble: Option<&String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(why) = trouble else {
            if troubles.remove(to).is_some() {
                tracing::info!("{} is reached again", shown(to));
            }
            return;
        };
        if troubles.get(to) == Some(why) {
            return;
        }
        if troubles.len() >= limits::CONNECTIONS_OUT {
            troubles.pop_first();
        }
        tracing::warn!("{why}");
        troubles.insert(to.clone(), why.clone());
    }

    /// The listener that speaks to a peer over a transport.
    fn listener(&self, transport: Transport, peer: IpAddr) -> Option<(FlowId, SocketAddr)> {
        let far = peer.to_canonical();
        let reaches = |listen: IpAddr| {
            let near = listen.to_canonical();
            near.is_unspecified() && (near.is_ipv6() || far.is_ipv4())
                || near.is_ipv4() == far.is_ipv4() && near.is_loopback() == far.is_loopback()
        };
        self.listeners
            .iter()
            .find(|(_, by, listen)| *by == transport && reaches(listen.ip()))
            .map(|(id, _, listen)| (*id, *listen))
    }

    fn datagrams(&self, peer: SocketAddr) -> Result<Flow, String> {
        let (id, listen) = self.listener(Transport::Udp, peer.ip()).ok_or_else(|| {
            format!("no listener of ours speaks to {peer} over UDP; add a udp:// address of its kind to `sip.listen`")
        })?;
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        Ok(Flow {
            id,
            transport: Transport::Udp,
            local: reachable(listen, peer.ip()),
            peer,
        })
    }

    async fn open(self: &Arc<Self>, to: &Destination, place: &Place) -> Result<Flow, String> {
        let mut held = place.lock().await;
        if let Some(flow) = *held {
            if self.hall.board.stands(flow.id) {
                return Ok(flow);
            }
            *held = None;
        }
        let tcp = self.reach(to).await?;
        let here = tcp.local_addr().map_err(|error| failed(to, &error))?;
        // A peer that connects to us instead finds the listener, not this connection's own port.
        let listener = self.listener(to.transport, to.peer.ip());
        let port = listener.map_or(here.port(), |(_, listen)| listen.port());
        let flow = Flow {
            id: self.hall.ids.mint(),
            transport: to.transport,
            local: SocketAddr::new(here.ip(), port),
            peer: to.peer,
        };
        match to.transport {
            Transport::Tls => {
                let name = if to.server_name.is_empty() {
                    to.peer.ip().to_canonical().to_string()
                } else {
                    // A name of the DNS may end in a dot, an address of a URI stands in brackets.
                    let bare = to.server_name.trim_end_matches('.');
                    bare.trim_matches(['[', ']']).to_owned()
                };
                let name = ServerName::try_from(name).map_err(|_| {
                    format!("{} is no name that a certificate can prove", shown(to))
                })?;
                let tls = self.client()?.connect(name, tcp);
                let tls = tls.await.map_err(|error| unproven(to, &error))?;
                self.serve(Connection::open(tls, flow, None, &self.hall), flow, to);
            }
            Transport::Tcp | Transport::Udp => {
                self.serve(Connection::open(tcp, flow, None, &self.hall), flow, to);
            }
        }
        *held = Some(flow);
        Ok(flow)
    }

    /// A TCP connection from the address that peers know us by.
    async fn reach(&self, to: &Destination) -> Result<TcpStream, String> {
        let socket = match to.peer {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.map_err(|error| failed(to, &error))?;
        if let Some((_, listen)) = self.listener(to.transport, to.peer.ip())
            && !listen.ip().is_unspecified()
        {
            socket
                .bind(SocketAddr::new(listen.ip(), 0))
                .map_err(|error| failed(to, &error))?;
        }
        let stream = socket.connect(to.peer).await;
        let stream = stream.map_err(|error| failed(to, &error))?;
        tcp::tune(&stream);
        Ok(stream)
    }

    fn serve<S>(self: &Arc<Self>, connection: Connection<S>, flow: Flow, to: &Destination)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (shared, to) = (Arc::clone(self), to.clone());
        self.runtime.spawn(async move {
            connection.run().await;
            shared.forget(&to, Some(flow.id));
        });
    }

    fn client(&self) -> Result<&TlsConnector, String> {
        let made = self.client.get_or_init(|| {
            let builder = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?;
            let config = match self.roots.clone() {
                Some(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
                None => builder
                    .with_platform_verifier()
                    .map_err(|error| {
                        format!("this machine trusts no authority ({error}); install ca-certificates, or name the carrier's authority in `sip.tls.ca`")
                    })?
                    .with_no_client_auth(),
            };
            Ok(TlsConnector::from(Arc::new(config)))
        });
        made.as_ref().map_err(Clone::clone)
    }
}

fn shown(to: &Destination) -> String {
    let scheme = to.transport.as_str().to_lowercase();
    match to.server_name.as_str() {
        "" => format!("{scheme}://{}", to.peer),
        name => format!("{name} at {scheme}://{}", to.peer),
    }
}

fn failed(to: &Destination, error: &std::io::Error) -> String {
    format!("{} cannot be reached: {error}", shown(to))
}

fn unproven(to: &Destination, error: &std::io::Error) -> String {
    format!("{} is refused in its TLS handshake: {error}", shown(to))
}
