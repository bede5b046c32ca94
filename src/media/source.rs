//! Whose packets a leg takes.
//!
//! ```text
//!            first valid packet of an allowed source
//!   Open ───────────────────────────────────────────▶ Fixed(address)
//!    ▲                                                  │
//!    └──────────── connect (a new offer/answer) ────────┘
//! ```
//!
//! Allowed are the address of the SDP and what [`Learn`] adds. Once fixed, nothing but a new
//! offer/answer opens the window again: neither another SSRC nor silence does, because that is what
//! somebody who sprays ports would wait for.

use std::net::{IpAddr, SocketAddr};

use super::command::{Learn, Remote};

/// The far end's address, learned once per offer/answer.
#[derive(Clone, Debug)]
pub struct Source {
    exact: SocketAddr,
    learn: Learn,
    fixed: Option<SocketAddr>,
    /// The source of the time before, worth sending to while the window is open.
    before: Option<SocketAddr>,
    /// The source of the time before, of a peer that has moved to another port: what still comes
    /// from there must not be learned again.
    stale: Option<SocketAddr>,
}

/// What is known about the sender of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    /// The far end.
    Known,
    /// May become the far end, if the packet is valid: then call [`Source::fix`].
    Candidate,
    /// Anybody else.
    Stranger,
}

impl Source {
    /// Opens the window for the far end that an offer/answer names.
    #[must_use]
    pub fn new(remote: &Remote) -> Self {
        Self {
            exact: canonical(remote.address),
            learn: remote.learn.clone(),
            fixed: None,
            before: None,
            stale: None,
        }
    }

    /// Opens a new window after another offer/answer.
    pub fn reopen(&mut self, remote: &Remote) {
        let before = self.fixed.or(self.before);
        let moved = self.exact.port() != remote.address.port();
        *self = Self::new(remote);
        if moved {
            self.stale = before;
        } else {
            self.before = before.filter(|&address| self.sender(address) == Sender::Candidate);
        }
    }

    /// Who sent a packet from `from`.
    #[must_use]
    pub fn sender(&self, from: SocketAddr) -> Sender {
        let from = canonical(from);
        if let Some(fixed) = self.fixed {
            return if fixed == from {
                Sender::Known
            } else {
                Sender::Stranger
            };
        }
        if from == self.exact {
            return Sender::Candidate;
        }
        if self.stale == Some(from) {
            return Sender::Stranger;
        }
        let allowed = match &self.learn {
            Learn::Phone(address) => address.to_canonical() == from.ip(),
            Learn::Trunk(nets) => nets.iter().any(|net| net.contains(from.ip())),
        };
        if allowed {
            Sender::Candidate
        } else {
            Sender::Stranger
        }
    }

    /// A valid packet came from this candidate: it is the far end until the next offer/answer.
    pub fn fix(&mut self, from: SocketAddr) {
        if self.fixed.is_none() {
            self.fixed = Some(canonical(from));
        }
    }

    /// The far end, once it is known.
    #[must_use]
    pub const fn fixed(&self) -> Option<SocketAddr> {
        self.fixed
    }

    /// The host of the far end, as far as it is known.
    #[must_use]
    pub fn host(&self) -> Option<IpAddr> {
        let host = self.fixed.or(self.before).unwrap_or(self.exact).ip();
        (!host.is_unspecified()).then_some(host)
    }

    /// Where to send: the far end, else where it was before if it did not move, else the SDP's
    /// address; none when the SDP says that no sound is taken.
    #[must_use]
    pub fn target(&self) -> Option<SocketAddr> {
        if self.exact.port() == 0 {
            return None;
        }
        let target = self.fixed.or(self.before).unwrap_or(self.exact);
        (!target.ip().is_unspecified()).then_some(target)
    }
}

/// An IPv4-mapped IPv6 address is the IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Codec;

    fn remote(address: &str, learn: Learn) -> Remote {
        Remote::new(address.parse().unwrap(), learn, Codec::Pcma)
    }

    fn phone(address: &str) -> Remote {
        remote(address, Learn::Phone("192.0.2.9".parse().unwrap()))
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn the_first_allowed_source_stays_whatever_comes_later() {
        let mut source = Source::new(&phone("10.0.0.5:4000"));
        assert_eq!(source.target(), Some(at("10.0.0.5:4000")));
        assert_eq!(source.sender(at("198.51.100.1:4000")), Sender::Stranger);
        assert_eq!(source.sender(at("10.0.0.5:4002")), Sender::Stranger);
        assert_eq!(source.sender(at("10.0.0.5:4000")), Sender::Candidate);
        assert_eq!(source.sender(at("192.0.2.9:31337")), Sender::Candidate);
        source.fix(at("192.0.2.9:31337"));
        assert_eq!(source.sender(at("[::ffff:192.0.2.9]:31337")), Sender::Known);
        assert_eq!(source.sender(at("10.0.0.5:4000")), Sender::Stranger);
        assert_eq!(source.sender(at("192.0.2.9:31338")), Sender::Stranger);
        source.fix(at("192.0.2.9:31338"));
        assert_eq!(source.target(), Some(at("192.0.2.9:31337")));
    }

    #[test]
    fn a_trunk_may_send_from_its_ranges() {
        let nets = ["203.0.113.0/28".parse().unwrap()];
        let source = Source::new(&remote("203.0.113.1:9000", Learn::Trunk(nets.into())));
        assert_eq!(source.sender(at("203.0.113.9:7777")), Sender::Candidate);
        assert_eq!(source.sender(at("203.0.113.16:7777")), Sender::Stranger);
    }

    #[test]
    fn a_new_answer_opens_the_window_and_keeps_the_sound_going_meanwhile() {
        let mut source = Source::new(&phone("10.0.0.5:4000"));
        source.fix(at("192.0.2.9:31337"));
        source.reopen(&phone("10.0.0.5:4000"));
        assert_eq!(source.target(), Some(at("192.0.2.9:31337")));
        assert_eq!(source.sender(at("192.0.2.9:555")), Sender::Candidate);
        source.fix(at("192.0.2.9:555"));
        assert_eq!(source.target(), Some(at("192.0.2.9:555")));
    }

    #[test]
    fn a_peer_that_moved_is_not_mistaken_for_its_old_self() {
        let mut source = Source::new(&phone("10.0.0.5:4000"));
        source.fix(at("192.0.2.9:31337"));
        source.reopen(&phone("10.0.0.5:5000"));
        assert_eq!(source.target(), Some(at("10.0.0.5:5000")));
        assert_eq!(source.sender(at("192.0.2.9:31337")), Sender::Stranger);
        assert_eq!(source.sender(at("192.0.2.9:40000")), Sender::Candidate);
    }

    #[test]
    fn no_sound_goes_to_a_closed_or_unnamed_address() {
        assert_eq!(Source::new(&phone("10.0.0.5:0")).target(), None);
        assert_eq!(Source::new(&phone("0.0.0.0:4000")).target(), None);
    }
}
