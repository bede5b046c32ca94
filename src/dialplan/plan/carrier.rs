//! Carriers as the plan describes them: who they are, how they are reached, how they write numbers.

use std::sync::Arc;

use crate::id::TrunkName;
use crate::net::Net;
use crate::sip::flow::Transport;
pub use crate::sip::resolve::Server;
use crate::time::Duration;
use crate::words::{Codec, Dtmf, Rel100, Srtp};

use super::Secret;

/// Where a carrier's signalling comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer {
    /// The addresses.
    pub net: Net,
    /// The port, where `ip:port` was written.
    pub port: Option<u16>,
}

/// A carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trunk {
    /// Its key.
    pub name: TrunkName,
    /// Where its signalling comes from.
    pub peers: Vec<Peer>,
    /// Where else its media may come from.
    pub media: Arc<[Net]>,
    /// The codecs it may use, the preferred first.
    pub codecs: Vec<Codec>,
    /// How its numbers without `+` are read.
    pub country: crate::number::Country,
    /// Our registration with it.
    pub register: Option<Register>,
    /// Where calls out go, each `host` or `host:port`; none leaves the first single peer.
    pub servers: Vec<Server>,
    /// Over what it is spoken to; none leaves it to its DNS records.
    pub transport: Option<Transport>,
    /// Where the dialled number is read from, the first that is there.
    pub called: Vec<Called>,
    /// Where the caller's number is read from, the first that is there.
    pub caller: Vec<CallerId>,
    /// Its P-Asserted-Identity and Remote-Party-ID are believed (RFC 3325).
    pub trusted: bool,
    /// How often OPTIONS asks whether it is there; none never asks.
    pub keepalive: Option<Duration>,
    /// Calls at once, both ways.
    pub max_calls: Option<u32>,
    /// New calls a second, both ways.
    pub calls_per_second: Option<u32>,
    /// The session interval we ask for (RFC 4028).
    pub session_timer: Option<Duration>,
    /// Whether provisional responses are acknowledged (RFC 3262).
    pub rel100: Rel100,
    /// How it carries digits.
    pub dtmf: Dtmf,
    /// Whether its media is encrypted (RFC 4568).
    pub srtp: Srtp,
}

impl Trunk {
    /// A carrier of which nothing is written but its name.
    #[must_use]
    pub fn new(name: TrunkName, country: crate::number::Country) -> Self {
        Self {
            name,
            peers: Vec::new(),
            media: Arc::from([]),
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            country,
            register: None,
            servers: Vec::new(),
            transport: None,
            called: vec![Called::RequestUri],
            caller: vec![CallerId::From],
            trusted: false,
            keepalive: None,
            max_calls: None,
            calls_per_second: None,
            session_timer: None,
            rel100: Rel100::default(),
            dtmf: Dtmf::default(),
            srtp: Srtp::default(),
        }
    }
}

/// A registration of ours with a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// The registrars, in order.
    pub servers: Vec<Server>,
    /// The user part of the address of record, and the name of the digest.
    pub user: String,
    /// The password; none when `${env:…}` is unset, which `serve` refuses.
    pub password: Option<Secret>,
    /// How long a registration shall last.
    pub expires: Duration,
}

/// Where a carrier writes the dialled number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Called {
    /// The request URI.
    RequestUri,
    /// To.
    To,
    /// P-Called-Party-ID (RFC 7315).
    PCalledPartyId,
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    HistoryInfo,
}

/// Where a carrier writes the caller's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CallerId {
    /// P-Asserted-Identity (RFC 3325), from trusted carriers.
    PAssertedIdentity,
    /// Remote-Party-ID, from trusted carriers.
    RemotePartyId,
    /// From.
    From,
}
