//! Via (RFC 3261 20.42) with `rport` (RFC 3581).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::params::Params;
use super::token::{is_token, number};
use crate::sip::uri::{Host, check_host, split_port};

/// What a branch of RFC 3261 begins with.
pub const COOKIE: &str = "z9hG4bK";

/// One hop of a message's way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Via {
    /// `UDP`, `TCP` or any other token, in upper case.
    pub transport: String,
    /// The host of sent-by.
    pub host: Host,
    /// The port of sent-by, where one is written.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params,
}

impl Via {
    /// Our own Via, asking for `rport`.
    #[must_use]
    pub fn new(transport: &str, address: SocketAddr, branch: &str) -> Self {
        let mut params = Params::default();
        params.set("branch", Some(branch));
        params.set("rport", None);
        Self {
            transport: transport.to_owned(),
            host: Host::Ip(address.ip()),
            port: Some(address.port()),
            params,
        }
    }

    /// Reads one element.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(value: &Bytes) -> Result<Self, &'static str> {
        let parts = Parts::of(value)?;
        Ok(Self {
            transport: parts.transport.to_ascii_uppercase(),
            host: Host::parse(parts.host).map_err(|_| BAD_HOST)?,
            port: parts.port,
            params: Params::parse(&value.slice_ref(parts.params))?,
        })
    }

    /// Whether [`Self::parse`] would read it.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(value: &[u8]) -> Result<(), &'static str> {
        let parts = Parts::of(value)?;
        check_host(parts.host).map_err(|_| BAD_HOST)?;
        Params::check(parts.params)
    }

    /// The branch; none when there is none or it is empty.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params
            .get("branch")
            .filter(|branch| !branch.is_empty())
    }

    /// The branch when it is unique as RFC 3261 17.2.3 promises; the cookie alone is not.
    #[must_use]
    pub fn unique_branch(&self) -> Option<&str> {
        self.branch().filter(|branch| {
            branch.len() > COOKIE.len()
                && branch
                    .get(..COOKIE.len())
                    .is_some_and(|cookie| cookie.eq_ignore_ascii_case(COOKIE))
        })
    }

    /// The address the request came from, IPv6 with or without brackets (RFC 5118 4.5).
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        text.trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok()
    }

    /// The port the request came from.
    #[must_use]
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// Whether the sender asks for the port it is seen at.
    #[must_use]
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// Notes where the request came from (RFC 3261 18.2.1, RFC 3581 4). What the sender wrote there
    /// itself does not stay.
    pub fn stamp(&mut self, source: SocketAddr) {
        let address = source.ip().to_canonical();
        let rport = self.wants_rport();
        if rport {
            let port = source.port().to_string();
            self.params.set("rport", Some(&port));
        }
        if rport || self.host.ip() != Some(address) {
            self.params.set("received", Some(&address.to_string()));
        } else {
            self.params.remove("received");
        }
    }

    /// As it is written.
    #[must_use]
    pub fn to_value(&self) -> Bytes {
        let mut value = format!("SIP/2.0/{} {}", self.transport, self.host);
        if let Some(port) = self.port {
            value.push_str(&format!(":{port}"));
        }
        let mut value = value.into_bytes();
        value.extend_from_slice(self.params.as_bytes());
        Bytes::from(value)
    }

    /// The host and port as RFC 3261 17.2.3 compares them.
    #[must_use]
    pub fn sent_by(&self) -> String {
        format!(
            "{}:{}",
            self.host.to_string().to_ascii_lowercase(),
            self.port.unwrap_or(5060)
        )
    }
}

const BAD_HOST: &str = "the host or port cannot be read";

/// The parts of the text.
struct Parts<'a> {
    transport: &'a str,
    host: &'a str,
    port: Option<u16>,
    params: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(value: &'a [u8]) -> Result<Self, &'static str> {
        let end = value
            .iter()
            .position(|&byte| byte == b';')
            .unwrap_or(value.len());
        let (head, params) = value.split_at_checked(end).ok_or("a hop is needed")?;
        let head = std::str::from_utf8(head).map_err(|_| "the hop is no UTF-8")?;
        let (transport, sent_by) = split_protocol(head)?;
        let (host, port) = split_sent_by(sent_by)?;
        Ok(Self {
            transport,
            host,
            port,
            params,
        })
    }
}

/// `SIP / 2.0 / UDP host` with white space anywhere around the slashes. The version is not looked
/// at: a request of another one is refused by its first line, and its answer goes back by this Via.
fn split_protocol(head: &str) -> Result<(&str, &str), &'static str> {
    const NEED: &str = "SIP/2.0/transport and a host are needed";
    let mut parts = head.splitn(3, '/').map(str::trim);
    let (name, version, rest) = (parts.next(), parts.next(), parts.next().ok_or(NEED)?);
    if !name.is_some_and(|name| name.eq_ignore_ascii_case("SIP"))
        || !version.is_some_and(|version| is_token(version.as_bytes()))
    {
        return Err(NEED);
    }
    let (transport, sent_by) = rest.split_once([' ', '\t']).ok_or(NEED)?;
    if !is_token(transport.as_bytes()) {
        return Err("the transport is no token");
    }
    Ok((transport, sent_by.trim()))
}

/// The host and the port, around whose colon white space is allowed (RFC 3261 25.1, COLON).
fn split_sent_by(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    if !text.contains([' ', '\t']) {
        let (host, port) = split_port(text).map_err(|_| BAD_HOST)?;
        return Ok((host, port));
    }
    let (host, port) = text.rsplit_once(':').ok_or(BAD_HOST)?;
    let (host, port) = (host.trim_end(), port.trim_start());
    let port = number(port.as_bytes()).ok_or(BAD_HOST)?;
    Ok((host, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Result<Via, &'static str> {
        Via::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_via_is_read_with_its_white_space() {
        let read =
            via("SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8").unwrap();
        assert_eq!(read.transport, "TCP");
        assert_eq!(read.sent_by(), "spindle.example.com:5060");
        assert_eq!(read.unique_branch(), Some("z9hG4bK9ikj8"));
        assert_eq!(via("SIP/2.0/UDP h : 5070;rport").unwrap().port, Some(5070));
        assert_eq!(
            via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK")
                .unwrap()
                .unique_branch(),
            None
        );
    }

    #[test]
    fn ipv6_stands_in_brackets_and_received_may_do_without() {
        for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
            let read = via(&format!(
                "SIP/2.0/UDP [2001:db8::9:1]:6050;received={received}"
            ))
            .unwrap();
            assert_eq!(read.received(), "2001:db8::9:255".parse().ok());
            assert_eq!(read.port, Some(6050));
        }
        assert!(via("SIP/2.0/UDP 2001:db8::9:1").is_err());
    }

    #[test]
    fn a_stamp_tells_where_the_request_came_from() {
        let source: SocketAddr = "203.0.113.7:40000".parse().unwrap();
        let mut asked = via("SIP/2.0/UDP 10.0.0.5;rport;branch=z9hG4bKx").unwrap();
        asked.stamp(source);
        assert_eq!(
            asked.to_value(),
            "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKx;rport=40000;received=203.0.113.7"
        );
        let mut same = via("SIP/2.0/UDP 203.0.113.7;branch=z9hG4bKx;received=6.6.6.6").unwrap();
        same.stamp(source);
        assert_eq!(same.to_value(), "SIP/2.0/UDP 203.0.113.7;branch=z9hG4bKx");
    }

    #[test]
    fn what_is_no_hop_is_refused() {
        for text in [
            ";;",
            "SIP/2.0/UDP",
            "SIP/2.0/ host",
            "HTTP/1.1/TCP h",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP h:99999",
        ] {
            assert!(via(text).is_err(), "{text}");
        }
    }
}
