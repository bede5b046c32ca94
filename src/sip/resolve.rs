//! Where a SIP server is (RFC 3263): the records of the domain name system as this crate knows them.
//!
//! Asks nobody: the shell has the resolver.

use std::net::IpAddr;

use crate::time::Duration;

/// What is asked of a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RecordKind {
    /// Which services a domain offers.
    Naptr,
    /// Which hosts offer a service.
    Srv,
    /// Which addresses a host has, A and AAAA.
    Address,
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsRecord {
    /// How long it may be kept.
    pub ttl: Duration,
    /// What it says.
    pub data: RecordData,
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordData {
    /// RFC 3403.
    Naptr {
        /// Lower first.
        order: u16,
        /// Lower first among equals.
        preference: u16,
        /// `S`, `A`, `U` or `P`.
        flags: String,
        /// Like `SIP+D2U`.
        service: String,
        /// The next name.
        replacement: String,
    },
    /// RFC 2782.
    Srv {
        /// Lower first.
        priority: u16,
        /// The share among equals.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: String,
    },
    /// RFC 1035, RFC 3596.
    Address(IpAddr),
}
