//! The endpoint: packets and commands in, packets and events out.
//!
//! Everything of SIP that has state lives behind this one door: limiter, parser, transactions,
//! dialogs, sessions, registrar, digest. It knows who is a trunk and who an operator because the
//! engine gives it a [`Directory`]; it does not know what a call is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;

use super::flow::Flow;
use super::registrar::Binding;
use super::session::SessionEvent;
use crate::id::{OperatorName, TrunkName};
use crate::net::Net;
use crate::time::Duration;

/// A digest algorithm of RFC 8760.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    /// RFC 2617's, which every phone speaks.
    Md5,
    /// RFC 7616's.
    Sha256,
}

/// What the one who deploys decides.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The domain softphones register at; the digest realm.
    pub domain: String,
    /// The address peers see, where it is not the listening one.
    pub advertise: Option<IpAddr>,
    /// Peers there get the listening address instead of `advertise`.
    pub local_nets: Vec<Net>,
    /// Challenges, in this order.
    pub digest: Vec<Algorithm>,
    /// Requests a second from an address that is no trunk and has no registration.
    pub strangers_rate: u32,
    /// How many may come at once.
    pub strangers_burst: u32,
    /// Addresses whose first REGISTERs are spread rather than silenced.
    pub strangers_trusted: Vec<Net>,
    /// Bindings in all.
    pub registrations: usize,
    /// The shortest and the longest registration we grant.
    pub expires: (Duration, Duration),
}

/// The digest hash of an operator's name, realm and password (RFC 7616's HA1), never the password.
#[derive(Clone)]
pub struct Credentials {
    /// MD5, lower-case hex.
    pub md5: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Whom we know.
#[derive(Clone, Default)]
pub struct Directory {
    /// Carriers, by the address and, where given, the port of their signalling.
    pub trunks: Vec<(TrunkName, Vec<(Net, Option<u16>)>)>,
    /// Operators.
    pub users: BTreeMap<OperatorName, Credentials>,
}

/// Names a packet that must not leave before the engine lets it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HoldId(pub u64);

/// A packet to send.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// The way.
    pub flow: Flow,
    /// The bytes.
    pub bytes: Bytes,
    /// Set on the 200 to a REGISTER that made or changed a binding: it leaves once that is on disk.
    pub hold: Option<HoldId>,
}

/// What the endpoint tells the engine.
#[derive(Clone, Debug)]
pub enum EndpointEvent {
    /// Something of a session.
    Session(SessionEvent),
    /// A binding was made, changed or refreshed.
    Registered {
        /// The binding as it stands now.
        binding: Box<Binding>,
        /// The user had no binding before.
        first: bool,
        /// Its 200 waits in a [`Transmit`] with this hold; none for a mere refresh.
        hold: Option<HoldId>,
    },
    /// A binding is gone: it lapsed, was removed, or its stream closed.
    Unregistered {
        /// Whose.
        user: OperatorName,
        /// Its key.
        key: String,
        /// The user has no other.
        last: bool,
        /// `expired`, `removed` or `flow_closed`.
        why: &'static str,
        /// The 200 to the REGISTER that removed it waits with this hold.
        hold: Option<HoldId>,
    },
    /// Something an admin may want to read, numbers masked.
    Noted(String),
}
