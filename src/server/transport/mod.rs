//! SIP's sockets: datagrams and streams, turned into flows and bytes. No SIP is understood here but
//! where a message of a stream ends.

pub mod tcp;
pub mod udp;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

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
                    // A datagram that the kernel refuses is a lost one: the transaction repeats it.
                    let _lost = socket.send_to(&bytes, flow.peer);
                }
                true
            }
            Transport::Tcp => {
                let outbox = self.with_streams(|streams| streams.get(&flow.id).cloned());
                outbox.is_some_and(|outbox| outbox.try_send(bytes).is_ok())
            }
        }
    }

    /// Closes a stream: its writer ends when its outbox is dropped.
    pub fn close(&self, id: FlowId) {
        self.remove_stream(id);
    }
}

/// The address peers reach us at when we listen on all of them: the one of the default route.
#[must_use]
pub fn reachable(listen: SocketAddr, peer: Option<IpAddr>) -> SocketAddr {
    if !listen.ip().is_unspecified() {
        return listen;
    }
    let far = peer.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect((far, 9)).and_then(|()| socket.local_addr()));
    let ip = probe.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
    SocketAddr::new(ip, listen.port())
}
