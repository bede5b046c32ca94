//! SIP over TCP and TLS: listeners, and what every connection of either has in common.
//!
//! A connection that sends no whole message in its first ten seconds, its handshake included, is closed,
//! however slowly it drips. What is said on a connection is [`super::stream`]'s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::Switchboard;
use super::census::Census;
use super::stream::{Connection, Deliver, Patience, Probation};
use crate::id::FlowId;
use crate::limits;
use crate::sip::flow::{Flow, Transport};

/// After a connection could not be accepted the next is tried this much later.
const BREATH: Duration = Duration::from_millis(100);

/// Numbers connections; listeners of datagrams take theirs from here too, so none is used twice.
#[derive(Debug, Default)]
pub struct FlowIds(AtomicU64);

impl FlowIds {
    /// The next number.
    pub fn mint(&self) -> FlowId {
        FlowId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// What every listener of streams works with.
#[derive(Clone)]
pub struct Hall {
    /// Numbers the connections.
    pub ids: Arc<FlowIds>,
    /// Where they are found.
    pub board: Switchboard,
    /// How many there may be.
    pub census: Arc<Census>,
    /// Who hears what they say.
    pub deliver: Deliver,
    /// How long they may take for things.
    pub patience: Patience,
}

/// Binds a listener.
///
/// # Errors
/// The port is taken or the address is not this machine's.
pub async fn bind(transport: Transport, listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| {
        let scheme = transport.as_str().to_lowercase();
        format!("cannot listen for SIP on {scheme}://{listen}: stop the program that has the port, or set another one under `sip.listen`")
    })
}

/// Makes a listener that is bound already one of ours.
///
/// # Errors
/// It cannot be made to wait for nobody.
pub fn adopt(listener: std::net::TcpListener) -> Result<TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}

/// Accepts connections for ever; with an acceptor they are TLS.
pub async fn listen(listener: TcpListener, acceptor: Option<TlsAcceptor>, hall: Hall) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: the next accept would fail at once and spin.
                tracing::warn!(%error, "a TCP connection could not be accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let now = hall.board.clock().now().mono;
        let Some(seat) = hall.census.seat(now, peer.ip()) else {
            let refused = hall.census.refused();
            if refused.is_power_of_two() {
                tracing::warn!(%peer, "{refused} connections were closed because there were too many or they came too fast; see `limits.connections`");
            }
            continue;
        };
        let Ok(local) = stream.local_addr() else {
            continue;
        };
        // A listener of IPv6 hears IPv4 too; nobody else shall know that by another name.
        let plain = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        let (local, peer) = (plain(local), plain(peer));
        let due = Instant::now() + hall.patience.first;
        let flow = Flow {
            id: hall.ids.mint(),
            transport: if acceptor.is_some() {
                Transport::Tls
            } else {
                Transport::Tcp
            },
            local,
            peer,
        };
        let probation = Probation { due, seat };
        tokio::spawn(receive(
            stream,
            acceptor.clone(),
            flow,
            probation,
            hall.clone(),
        ));
    }
}

async fn receive(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    flow: Flow,
    probation: Probation,
    hall: Hall,
) {
    tune(&stream);
    let Some(acceptor) = acceptor else {
        let connection = Connection::open(stream, flow, Some(probation), &hall);
        return connection.run().await;
    };
    let peer = flow.peer;
    match timeout_at(probation.due, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let connection = Connection::open(stream, flow, Some(probation), &hall);
            connection.run().await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

/// Small packets leave at once, and a peer that vanished without a word is noticed: by what it does not
/// acknowledge, or by its silence to the kernel's probes.
pub(super) fn tune(stream: &TcpStream) {
    let _small_packets = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new()
        .with_time(limits::TCP_PROBE_AFTER)
        .with_interval(limits::TCP_PROBE_EVERY)
        .with_retries(limits::TCP_PROBES);
    let _unprobed = socket.set_tcp_keepalive(&probes);
    let _unbounded = socket.set_tcp_user_timeout(Some(limits::TCP_UNACKNOWLEDGED));
}
