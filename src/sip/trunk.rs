//! Carriers: whether they are there, whether they know us, and how a call out goes on when one is not.

pub mod attempt;
pub mod breaker;
mod carrier;
mod enrolment;
mod pace;
pub mod trunks;

use super::flow::{Flow, Transport};
use super::registration::{Account, RegistrationId};
use super::resolve::{Query, Server, Wanted};
use super::uri::{Host, Uri};
use crate::id::TrunkName;
use crate::time::Duration;

pub use trunks::Trunks;

/// What a plan says of a carrier.
#[derive(Clone, PartialEq, Eq)]
pub struct TrunkRules {
    /// Its name.
    pub name: TrunkName,
    /// Where calls out go, in order; empty for one that only calls us.
    pub servers: Vec<Wanted>,
    /// Our registration with it.
    pub register: Option<Registering>,
    /// How often OPTIONS asks whether a server is there.
    pub keepalive: Option<Duration>,
    /// Calls at once, both ways.
    pub max_calls: Option<u32>,
    /// New calls a second, both ways.
    pub calls_per_second: Option<u32>,
}

/// What a carrier has to know of us.
#[derive(Clone, PartialEq, Eq)]
pub struct Registering {
    /// The registrars, in order.
    pub servers: Vec<Wanted>,
    /// The user of the address of record and of the digest.
    pub user: String,
    /// The password.
    pub password: String,
    /// How long a registration shall last.
    pub expires: Duration,
}

/// One address of a carrier's server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TargetKey {
    /// The carrier.
    pub trunk: TrunkName,
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub address: std::net::SocketAddr,
}

/// Names an OPTIONS of ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ProbeId(pub u64);

/// What the carriers want done.
#[derive(Clone)]
pub enum TrunkEffect {
    /// Ask the domain name system.
    Ask(Query),
    /// Find the way to a server: a connection, or for datagrams the address of ours that it sees.
    Connect {
        /// To where.
        target: TargetKey,
        /// Whose certificate it must show, on TLS.
        server_name: String,
    },
    /// Send OPTIONS.
    Probe {
        /// Names it.
        id: ProbeId,
        /// The way.
        flow: Flow,
        /// The request URI.
        uri: Uri,
    },
    /// Begin a registration.
    Register {
        /// Names it.
        id: RegistrationId,
        /// What the registrar has to know.
        account: Box<Account>,
        /// The request URI.
        registrar: Uri,
        /// The user part of our Contact.
        contact_user: String,
    },
    /// Send the REGISTER of a registration again.
    Refresh(RegistrationId),
    /// Forget a registration without a word.
    Forget(RegistrationId),
    /// Take a registration back.
    Unregister(RegistrationId),
    /// The addresses of carriers changed.
    Moved,
    /// A carrier can be had, or cannot.
    State {
        /// Which one.
        trunk: TrunkName,
        /// Whether it can.
        up: bool,
        /// Why, in a few words.
        why: String,
    },
}

/// One way out: a server of a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WayOut {
    /// The carrier.
    pub trunk: TrunkName,
    /// The server as the plan names it.
    pub server: Server,
    /// The way there.
    pub flow: Flow,
}

/// The URI of a server, or of somebody there.
#[must_use]
pub fn uri_of(user: Option<&str>, server: &Server) -> Uri {
    let bare = server.host.trim_matches(['[', ']']);
    let host = match bare.parse() {
        Ok(address) => Host::Ip(address),
        Err(_) => Host::Name(server.host.clone()),
    };
    Uri::sip(user, &host, server.port)
}

#[cfg(test)]
mod tests;
