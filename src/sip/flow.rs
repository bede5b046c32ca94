//! A flow: the way a message came and its answer goes back (RFC 5626's word).
//!
//! Not a socket. The shell owns sockets and maps a [`Flow`] to one.

use std::net::SocketAddr;

use crate::id::FlowId;

/// A transport of RFC 3261 18 that we speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams; transactions retransmit.
    Udp,
    /// A stream; nothing is retransmitted but a 2xx to INVITE.
    Tcp,
    /// A stream inside TLS (RFC 3261 26.2).
    Tls,
}

impl Transport {
    /// The token of a Via header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Whether it is a connection rather than datagrams.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }
}

/// Where bytes came from, or where they shall go.
///
/// On UDP `id` is the listener and `peer` tells flows apart; on a stream `id` is the connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    /// The listener (UDP) or the connection (TCP, TLS).
    pub id: FlowId,
    /// Which transport it is.
    pub transport: Transport,
    /// Our own address on it.
    pub local: SocketAddr,
    /// The peer's address.
    pub peer: SocketAddr,
}
