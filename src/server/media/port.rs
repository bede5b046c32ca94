//! One RTP port, and the RTCP port after it (RFC 3550 11): the first is a UDP socket that talks to
//! anybody until the far end is known, and then to it alone.
//!
//! The kernel drops a stranger's packets once the socket is connected; those that were queued before
//! are told apart by the relay, which looks at every packet's source.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counters::{Tally, add, take_one};

/// Expedited forwarding (RFC 3246), as voice is marked.
const VOICE_TOS: u8 = 0xb8;

/// The even ports of a range, taken in turn so that a port rests after its call.
#[derive(Debug)]
pub(super) struct Ports {
    listen: IpAddr,
    first: u16,
    count: u16,
    next: u16,
    tally: Arc<Tally>,
}

impl Ports {
    /// Begins at a share of the range of its own, so that threads seldom try the same port.
    pub(super) fn new(
        listen: IpAddr,
        range: &RangeInclusive<u16>,
        share: (usize, usize),
        tally: Arc<Tally>,
    ) -> Self {
        let first = range.start().saturating_add(range.start() % 2);
        // Each even port needs the odd one after it.
        let count = range.end().saturating_add(1).saturating_sub(first) / 2;
        let (index, of) = share;
        let next = usize::from(count) * index / of.max(1);
        Self {
            listen,
            first,
            count,
            next: u16::try_from(next).unwrap_or(0),
            tally,
        }
    }

    /// Begins elsewhere at each start: those whose call a crash cut still send to the ports it had.
    pub(super) fn turned(mut self, by: u64) -> Self {
        let next = (u64::from(self.next) + by) % u64::from(self.count.max(1));
        self.next = u16::try_from(next).unwrap_or(0);
        self
    }

    /// Binds the next free port. Ports that others hold are passed over; any other failure would
    /// be the same for all.
    pub(super) fn open(&mut self) -> io::Result<Port> {
        if self.tally.ports_open.load(Ordering::Relaxed) < u64::from(self.count) {
            for _ in 0..self.count {
                let number = self.first + self.next * 2;
                self.next = (self.next + 1) % self.count;
                match Port::bind(SocketAddr::new(self.listen, number), &self.tally) {
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                    bound => return bound,
                }
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

/// An open port.
#[derive(Debug)]
pub(super) struct Port {
    socket: UdpSocket,
    control: UdpSocket,
    address: SocketAddr,
    connected: Option<SocketAddr>,
    /// Behind the sockets: fields are dropped in order, and what counts as free must be free.
    tally: Counted,
}

/// One port more in the count for as long as it lives.
#[derive(Debug)]
struct Counted(Arc<Tally>);

impl Counted {
    fn new(tally: &Arc<Tally>) -> Self {
        add(&tally.ports_open, 1);
        Self(Arc::clone(tally))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        take_one(&self.0.ports_open);
    }
}

impl Port {
    fn bind(address: SocketAddr, tally: &Arc<Tally>) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let odd = address.port().checked_add(1);
        let odd = odd.ok_or(io::ErrorKind::AddrInUse)?;
        let control = UdpSocket::bind(SocketAddr::new(address.ip(), odd))?;
        for socket in [&socket, &control] {
            socket.set_nonblocking(true)?;
            if address.is_ipv4() {
                // Where marking is forbidden, sound still flows.
                let _ = rustix::net::sockopt::set_ip_tos(socket, VOICE_TOS);
            }
        }
        Ok(Self {
            socket,
            control,
            address,
            connected: None,
            tally: Counted::new(tally),
        })
    }

    pub(super) fn number(&self) -> u16 {
        self.address.port()
    }

    /// Takes one packet. Errors are what ICMP says about packets of ours, and nothing to act on.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        self.socket.recv_from(buffer).ok()
    }

    /// Sends to the far end, known or presumed. A packet that cannot be sent is lost, like any other.
    pub(super) fn send(&self, target: Option<SocketAddr>, bytes: &[u8]) {
        let sent = match (self.connected, target) {
            (Some(_), _) => self.socket.send(bytes),
            (None, Some(target)) => self.socket.send_to(bytes, self.reachable(target)),
            (None, None) => return,
        };
        if sent.is_ok() {
            add(&self.tally.0.packets_out, 1);
        }
    }

    /// The socket of the reports.
    pub(super) const fn control(&self) -> &UdpSocket {
        &self.control
    }

    /// Takes one packet of the port of the reports.
    pub(super) fn receive_report(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        self.control.recv_from(buffer).ok()
    }

    /// Sends a report, by the port of the sound if the two share it.
    pub(super) fn send_report(&self, shared: bool, target: SocketAddr, bytes: &[u8]) {
        // A report that cannot be sent is lost, like any other.
        let _ = match (shared, self.connected) {
            (true, Some(_)) => self.socket.send(bytes),
            (true, None) => self.socket.send_to(bytes, self.reachable(target)),
            (false, _) => self.control.send_to(bytes, self.reachable(target)),
        };
    }

    /// Binds the port to the far end, once it is learned.
    pub(super) fn fasten(&mut self, far_end: Option<SocketAddr>) {
        if let Some(far_end) = far_end.filter(|_| self.connected != far_end)
            && self.socket.connect(self.reachable(far_end)).is_ok()
        {
            self.connected = Some(far_end);
        }
    }

    /// Talks to anybody again, for a new offer/answer.
    pub(super) fn loosen(&mut self) {
        if self.connected.take().is_some() {
            let _ = rustix::net::connect_unspec(&self.socket);
        }
    }

    /// An IPv4 address as a socket of ours can reach it.
    fn reachable(&self, target: SocketAddr) -> SocketAddr {
        match (self.address, target.ip()) {
            (SocketAddr::V6(_), IpAddr::V4(ip)) => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), target.port())
            }
            (SocketAddr::V6(_), IpAddr::V6(_)) | (SocketAddr::V4(_), _) => target,
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    #[test]
    fn a_range_gives_each_even_port_once_and_takes_it_back() {
        let tally = Arc::new(Tally::default());
        let localhost: IpAddr = [127, 0, 0, 1].into();
        let probe = UdpSocket::bind((localhost, 0)).unwrap();
        let base = probe.local_addr().unwrap().port().clamp(2_000, 60_000);
        let mut ports = Ports::new(localhost, &(base..=base + 9), (0, 1), Arc::clone(&tally));
        let mut open: Vec<Port> = std::iter::from_fn(|| ports.open().ok()).collect();
        assert!((3..=5).contains(&open.len()), "{}", open.len());
        assert!(open.iter().all(|port| port.number() % 2 == 0));
        let given = open.len();
        open.clear();
        assert_eq!(tally.snapshot().ports_open, 0);
        assert_eq!(
            std::iter::from_fn(|| ports.open().ok()).take(given).count(),
            given
        );
        let empty = 9..=9;
        assert!(Ports::new(localhost, &empty, (0, 1), tally).open().is_err());
    }

    #[test]
    fn a_fastened_port_hears_its_far_end_alone_until_it_is_loosened() {
        let tally = Arc::new(Tally::default());
        let localhost: IpAddr = [127, 0, 0, 1].into();
        let peer = UdpSocket::bind((localhost, 0)).unwrap();
        let stranger = UdpSocket::bind((localhost, 0)).unwrap();
        let mut port = Ports::new(localhost, &(20_000..=21_999), (0, 1), tally)
            .open()
            .unwrap();
        let ours = port.address;
        let mut buffer = [0; 16];
        port.fasten(peer.local_addr().ok());
        stranger.send_to(b"x", ours).unwrap();
        peer.send_to(b"y", ours).unwrap();
        assert_eq!(
            port.receive(&mut buffer),
            Some((1, peer.local_addr().unwrap()))
        );
        assert_eq!(port.receive(&mut buffer), None);
        port.send(None, b"z");
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(peer.recv(&mut buffer).unwrap(), 1);
        port.loosen();
        stranger.send_to(b"x", ours).unwrap();
        assert_eq!(
            port.receive(&mut buffer),
            Some((1, stranger.local_addr().unwrap()))
        );
    }
}
