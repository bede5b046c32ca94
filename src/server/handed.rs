//! Sockets that the service manager opened before this process began and keeps open after it ends
//! (systemd's socket units), so that what arrives while one run follows the other waits in them.
//!
//! They are told apart by what they are and where they listen, never by their order or name. One
//! that no listener of the settings takes would swallow what arrives, so it keeps the server from
//! starting.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use anyhow::{Context as _, Result, bail};
use listenfd::ListenFd;

/// What was handed over and has not been taken.
#[derive(Debug, Default)]
pub struct Handed {
    datagrams: Vec<(SocketAddr, UdpSocket)>,
    streams: Vec<(SocketAddr, TcpListener)>,
}

impl Handed {
    /// Takes what the environment names and forgets it, so that no child of this process takes it
    /// for its own. To be called once, before there are threads.
    ///
    /// # Errors
    /// Something was handed over that is neither a UDP socket nor a TCP listener.
    pub fn take() -> Result<Self> {
        let mut sockets = ListenFd::from_env();
        let mut handed = Self::default();
        for index in 0..sockets.len() {
            if let Ok(Some(socket)) = sockets.take_udp_socket(index) {
                handed.datagrams.push((socket.local_addr()?, socket));
                continue;
            }
            let listener = sockets.take_tcp_listener(index).with_context(|| {
                format!(
                    "the service manager hands over something as number {index} that is neither \
                     a UDP socket nor a TCP listener; give the socket unit ListenDatagram= and \
                     ListenStream= with addresses alone"
                )
            })?;
            if let Some(listener) = listener {
                handed.streams.push((listener.local_addr()?, listener));
            }
        }
        Ok(handed)
    }

    /// The socket that listens for datagrams at this address.
    pub fn datagrams(&mut self, at: SocketAddr) -> Option<UdpSocket> {
        let place = self
            .datagrams
            .iter()
            .position(|(address, _)| *address == at)?;
        Some(self.datagrams.swap_remove(place).1)
    }

    /// The listener for connections at this address.
    pub fn streams(&mut self, at: SocketAddr) -> Option<TcpListener> {
        let place = self
            .streams
            .iter()
            .position(|(address, _)| *address == at)?;
        Some(self.streams.swap_remove(place).1)
    }

    /// Whether a socket for datagrams is there: what arrives in it waits for whoever reads next.
    #[must_use]
    pub fn has_datagrams(&self) -> bool {
        !self.datagrams.is_empty()
    }

    /// Says that all have been taken.
    ///
    /// # Errors
    /// The first that nobody took.
    pub fn all_taken(&self) -> Result<()> {
        let datagrams = self.datagrams.iter().map(|(at, _)| ("udp", at));
        let streams = self.streams.iter().map(|(at, _)| ("tcp", at));
        if let Some((scheme, at)) = datagrams.chain(streams).next() {
            bail!(
                "the service manager hands over {scheme}://{at}, and nothing in the settings \
                 listens there; write the same address in the socket unit and in `sip.listen` or \
                 `http.listen`"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_known_by_its_kind_and_address_and_none_is_left_over() {
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = datagrams.local_addr().unwrap();
        let mut handed = Handed {
            datagrams: vec![(at, datagrams)],
            streams: Vec::new(),
        };
        assert!(handed.streams(at).is_none());
        assert!(handed.datagrams("127.0.0.2:1".parse().unwrap()).is_none());
        let left = handed.all_taken().unwrap_err().to_string();
        assert!(left.contains(&format!("udp://{at}")), "{left}");
        assert_eq!(handed.datagrams(at).unwrap().local_addr().unwrap(), at);
        assert!(handed.datagrams(at).is_none());
        handed.all_taken().unwrap();
    }
}
