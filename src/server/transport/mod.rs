//! SIP's sockets: datagrams and streams, turned into flows and bytes. No SIP is understood here but
//! where a message of a stream ends.

pub mod census;
pub mod certificate;
pub mod connect;
pub mod network;
pub mod stream;
pub mod tcp;
pub mod udp;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::net::{SendFlags, sendto};

use self::stream::Line;
use super::clock::Clock;
use crate::id::FlowId;
use crate::sip::flow::{Flow, Transport};
use crate::time::Duration;

/// Where the engine's packets go.
#[derive(Clone)]
pub struct Switchboard {
    streams: Arc<Mutex<BTreeMap<FlowId, Line>>>,
    datagrams: Vec<(FlowId, Arc<UdpSocket>)>,
    clock: Clock,
}

impl Switchboard {
    /// A board without a socket.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            streams: Arc::default(),
            datagrams: Vec::new(),
            clock,
        }
    }

    /// Adds a UDP listener.
    pub fn add_udp(&mut self, id: FlowId, socket: Arc<UdpSocket>) {
        self.datagrams.push((id, socket));
    }

    const fn clock(&self) -> Clock {
        self.clock
    }

    fn with_streams<R>(&self, act: impl FnOnce(&mut BTreeMap<FlowId, Line>) -> R) -> R {
        act(&mut self.streams.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A stream came up.
    fn add_stream(&self, id: FlowId, line: Line) {
        self.with_streams(|streams| streams.insert(id, line));
    }

    /// Whether a stream stands.
    #[must_use]
    pub fn stands(&self, id: FlowId) -> bool {
        self.with_streams(|streams| streams.contains_key(&id))
    }

    /// Closes the streams over which nothing went for `bound` and on which nothing lives; what is in use
    /// is asked for only when there are such streams.
    pub fn close_idle(&self, bound: Duration, used: impl FnOnce() -> BTreeSet<FlowId>) {
        let quiet: Vec<_> = self.with_streams(|streams| {
            let quiet = streams.iter().filter(|(_, line)| line.quiet() >= bound);
            quiet.map(|(id, _)| *id).collect()
        });
        if quiet.is_empty() {
            return;
        }
        let used = used();
        for flow in quiet.into_iter().filter(|flow| !used.contains(flow)) {
            self.close(flow);
        }
    }

    /// Sends bytes; never blocks. False when the stream is gone or does not take them.
    #[must_use]
    pub fn send(&self, flow: &Flow, bytes: Bytes) -> bool {
        match flow.transport {
            Transport::Udp => {
                let socket = self.datagrams.iter().find(|(id, _)| *id == flow.id);
                if let Some((_, socket)) = socket {
                    // Linux lets a socket of IPv6 send to an address of IPv4 as it is.
                    // A datagram that the kernel refuses, a full buffer included, is a lost one: the
                    // transaction repeats it, and the engine never waits.
                    let _lost = sendto(&**socket, &bytes, SendFlags::DONTWAIT, &flow.peer);
                }
                true
            }
            Transport::Tcp | Transport::Tls => {
                let line = self.with_streams(|streams| streams.get(&flow.id).cloned());
                line.is_some_and(|line| line.send(bytes))
            }
        }
    }

    /// Closes a stream: what is queued is still written, within a bound.
    pub fn close(&self, id: FlowId) {
        if let Some(line) = self.with_streams(|streams| streams.remove(&id)) {
            line.end();
        }
    }

    /// Closes every stream.
    pub fn close_all(&self) {
        for line in self.with_streams(std::mem::take).into_values() {
            line.end();
        }
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
mod tests;
