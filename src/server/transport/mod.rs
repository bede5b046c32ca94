//! SIP's sockets: datagrams and streams, turned into flows and bytes. No SIP is understood here but
//! where a message of a stream ends.

pub mod tcp;
pub mod udp;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::net::{SendFlags, sendto};

use crate::id::FlowId;
use crate::sip::flow::{Flow, Transport};

/// Where the engine's packets go.
#[derive(Clone, Default)]
pub struct Switchboard {
    streams: Arc<Mutex<BTreeMap<FlowId, tcp::Outbox>>>,
    datagrams: Vec<(FlowId, Arc<UdpSocket>)>,
}

impl Switchboard {
    /// Adds a UDP listener.
    pub fn add_udp(&mut self, id: FlowId, socket: Arc<UdpSocket>) {
        self.datagrams.push((id, socket));
    }

    fn with_streams<R>(&self, act: impl FnOnce(&mut BTreeMap<FlowId, tcp::Outbox>) -> R) -> R {
        act(&mut self.streams.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A stream came up.
    pub fn add_stream(&self, id: FlowId, outbox: tcp::Outbox) {
        self.with_streams(|streams| streams.insert(id, outbox));
    }

    /// A stream is gone.
    pub fn remove_stream(&self, id: FlowId) {
        self.with_streams(|streams| streams.remove(&id));
    }

    /// Sends bytes; never blocks. False when the stream is gone or does not take them.
    #[must_use]
    pub fn send(&self, flow: &Flow, bytes: Bytes) -> bool {
        match flow.transport {
            Transport::Udp => {
                let socket = self.datagrams.iter().find(|(id, _)| *id == flow.id);
                if let Some((_, socket)) = socket {
                    // A datagram that the kernel refuses, a full buffer included, is a lost one: the
                    // transaction repeats it, and the engine never waits.
                    let _lost = sendto(&**socket, &bytes, SendFlags::DONTWAIT, &flow.peer);
                }
                true
            }
            Transport::Tcp | Transport::Tls => {
                let outbox = self.with_streams(|streams| streams.get(&flow.id).cloned());
                outbox.is_some_and(|outbox| outbox.try_send(bytes).is_ok())
            }
        }
    }

    /// Closes a stream: what is queued is still written, within a bound.
    pub fn close(&self, id: FlowId) {
        self.remove_stream(id);
    }

    /// Closes every stream.
    pub fn close_all(&self) {
        self.with_streams(BTreeMap::clear);
    }
}

/// The address at which `peer` reaches us when we listen on all of them: the one the kernel would
/// speak from.
#[must_use]
pub fn reachable(listen: SocketAddr, peer: IpAddr) -> SocketAddr {
    if !listen.ip().is_unspecified() {
        return listen;
    }
    let far = peer.to_canonical();
    let any: IpAddr = match far {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let probe = UdpSocket::bind((any, 0))
        .and_then(|socket| socket.connect((far, 9)).and_then(|()| socket.local_addr()));
    let ip = probe.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_sees_the_address_it_can_reach() {
        let near = |listen: &str, peer: &str| {
            reachable(listen.parse().unwrap(), peer.parse().unwrap()).to_string()
        };
        assert_eq!(near("192.0.2.1:5060", "203.0.113.1"), "192.0.2.1:5060");
        assert_eq!(near("0.0.0.0:5060", "127.0.0.1"), "127.0.0.1:5060");
        assert_eq!(near("[::]:5060", "::ffff:127.0.0.1"), "127.0.0.1:5060");
    }
}
