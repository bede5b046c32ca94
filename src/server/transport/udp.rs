//! SIP over UDP: one thread a listener that reads datagrams into the engine's inbox.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::reachable;
use crate::id::FlowId;
use crate::server::vital;
use crate::sip::flow::{Flow, Transport};

/// How often a quiet listener looks whether it shall stop.
const LOOK_UP: Duration = Duration::from_millis(250);
/// Peers whose way to us is remembered; past it all are looked up again.
const PEERS_SEEN: usize = 4_096;

/// Binds a listener.
///
/// # Errors
/// The port is taken or the address is not this machine's.
pub fn bind(listen: SocketAddr) -> Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind(listen).with_context(|| {
        format!("cannot listen for SIP on udp://{listen}: stop the program that has the port, or set another one under `sip.listen`")
    })?;
    adopt(socket)
}

/// Makes a socket that is bound already a listener of ours.
///
/// # Errors
/// The socket takes no timeout.
pub fn adopt(socket: UdpSocket) -> Result<Arc<UdpSocket>> {
    // Bursts of a hall of phones after a power cut wait in the kernel, not on the wire.
    let _smaller = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(LOOK_UP))?;
    Ok(Arc::new(socket))
}

/// Reads datagrams until `stop` is set.
///
/// # Errors
/// The thread cannot be started.
pub fn listen(
    id: FlowId,
    socket: Arc<UdpSocket>,
    stop: Arc<AtomicBool>,
    deliver: impl Fn(Flow, Bytes) + Send + 'static,
) -> Result<JoinHandle<()>> {
    let listening = socket.local_addr()?;
    let read = move || {
        let mut buffer = vec![0_u8; 65_535];
        let mut seen = BTreeMap::new();
        loop {
            let heard = readable(&socket);
            // What is in the socket when we stop stays there: another run may read it.
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if !heard {
                // A quiet moment: addresses of ours may have changed since.
                seen.clear();
                continue;
            }
            let (length, peer) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock
                            | ErrorKind::TimedOut
                            | ErrorKind::Interrupted
                            | ErrorKind::ConnectionRefused
                    ) =>
                {
                    continue;
                }
                Err(error) => {
                    // Out of memory, or an interface that went away: it may come back.
                    tracing::error!(%error, "the SIP socket failed; trying again");
                    std::thread::park_timeout(LOOK_UP);
                    continue;
                }
            };
            if seen.len() >= PEERS_SEEN {
                seen.clear();
            }
            // A listener of IPv6 hears IPv4 too; nobody else shall know that by another name.
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            let local = *seen
                .entry(peer.ip())
                .or_insert_with(|| reachable(listening, peer.ip()));
            let flow = Flow {
                id,
                transport: Transport::Udp,
                local,
                peer,
            };
            if let Some(datagram) = buffer.get(..length) {
                deliver(flow, Bytes::copy_from_slice(datagram));
            }
        }
    };
    vital::spawn(&format!("sip-udp-{id}"), read)
}

/// Waits for a datagram or an error, for a while.
fn readable(socket: &UdpSocket) -> bool {
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(LOOK_UP.subsec_nanos()),
    };
    let mut waits = [PollFd::new(socket, PollFlags::IN)];
    poll(&mut waits, Some(&patience)).is_ok_and(|ready| ready > 0)
}
