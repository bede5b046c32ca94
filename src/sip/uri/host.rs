//! The host of a URI or of a Via, and the port behind it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::UriError;
use crate::sip::header::token::number;

/// The host of a URI or of a Via.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// A domain name, as it came.
    Name(String),
    /// An address; IPv6 is written in brackets.
    Ip(IpAddr),
}

impl Host {
    /// Reads a host; IPv6 stands in brackets. `:::` is read as `::` (RFC 5118 4.10).
    ///
    /// # Errors
    /// The text is neither a name nor an address.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if let Some(inner) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            return parse_ipv6(inner)
                .map(|address| Self::Ip(address.into()))
                .ok_or(UriError::Host);
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Ip(address.into()));
        }
        if text.is_empty() || !text.chars().all(is_host_char) {
            return Err(UriError::Host);
        }
        Ok(Self::Name(text.to_owned()))
    }

    /// The address, unless it is a name.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name(_) => None,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Splits `host:port`, the host of which may be in brackets.
///
/// # Errors
/// The port is no number.
pub(crate) fn split_port(text: &str) -> Result<(&str, Option<u16>), UriError> {
    let host_end = match text.rfind(']') {
        Some(bracket) => bracket + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_end).ok_or(UriError::Host)?;
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').ok_or(UriError::Host)?;
    let port = number(digits.as_bytes()).ok_or(UriError::Port)?;
    Ok((host, Some(port)))
}

/// Whether [`Host::parse`] would read it.
///
/// # Errors
/// The text is neither a name nor an address.
pub(crate) fn check_host(text: &str) -> Result<(), UriError> {
    match text.strip_prefix('[') {
        Some(_) => Host::parse(text).map(|_| ()),
        None if text.is_empty() || !text.chars().all(is_host_char) => Err(UriError::Host),
        None => Ok(()),
    }
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') || !c.is_ascii()
}

fn parse_ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse()
        .ok()
        .or_else(|| text.replacen(":::", "::", 1).parse().ok())
}
