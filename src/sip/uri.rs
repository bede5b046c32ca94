//! SIP, SIPS and tel URIs (RFC 3261 19.1, RFC 3966), and any other scheme as opaque text.
//!
//! A URI keeps the text it came as: escapes, odd users and odd addresses are written back as they
//! were. What it means is read from that text by offsets found once.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::str::FromStr;

/// What is wrong with a URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UriError {
    /// There is no scheme before a colon.
    #[error("a URI begins with a scheme, such as sip:")]
    Scheme,
    /// A space, a control character, a bracket or a second `@` stands in it.
    #[error("a character stands in the URI that must be escaped")]
    Character,
    /// A `%` without two hexadecimal digits.
    #[error("an escape in the URI is not % and two hexadecimal digits")]
    Escape,
    /// The host is empty or is neither a name nor an address.
    #[error("the host of the URI is neither a name nor an address")]
    Host,
    /// The port is no number, or too large.
    #[error("the port of the URI is no number up to 65535")]
    Port,
    /// The number of a tel URI is empty.
    #[error("the tel URI has no number")]
    Number,
    /// It is longer than a message may be.
    #[error("the URI is too long")]
    Long,
}

/// The scheme of a URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `sip:`.
    Sip,
    /// `sips:`.
    Sips,
    /// `tel:`.
    Tel,
    /// Any other; its rest is opaque.
    Other,
}

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

/// Where the parts of a URI stand in its text.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Shape {
    scheme: Scheme,
    user: Option<Range<usize>>,
    password: Option<Range<usize>>,
    host: Range<usize>,
    port: Option<u16>,
    params: Range<usize>,
    headers: Range<usize>,
}

/// A URI. Two are `==` when their texts are; see [`Uri::equivalent`] for RFC 3261's comparison.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    text: Box<str>,
    shape: Shape,
}

impl Uri {
    /// Reads a URI.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let shape = Shape::of(text)?;
        let text = Box::from(text);
        Ok(Self { text, shape })
    }

    /// Whether [`Self::parse`] would read it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(text: &str) -> Result<(), UriError> {
        Shape::of(text).map(|_| ())
    }

    /// A SIP URI from parts in clear; what must be escaped in the user part is.
    #[must_use]
    pub fn sip(user: Option<&str>, host: &Host, port: Option<u16>) -> Self {
        let mut text = String::from("sip:");
        if let Some(user) = user {
            escape_user(user, &mut text);
            text.push('@');
        }
        let user = user.map(|_| 4..text.len() - 1);
        let start = text.len();
        text.push_str(&host.to_string());
        let host = start..text.len();
        if let Some(port) = port {
            text.push_str(&format!(":{port}"));
        }
        let end = text.len();
        Self {
            text: text.into(),
            shape: Shape {
                scheme: Scheme::Sip,
                user,
                password: None,
                host,
                port,
                params: end..end,
                headers: end..end,
            },
        }
    }

    /// A SIP URI of an address.
    #[must_use]
    pub fn at(user: Option<&str>, address: SocketAddr) -> Self {
        Self::sip(user, &Host::Ip(address.ip()), Some(address.port()))
    }

    /// The URI with a parameter added; `name` and `value` are ours and clean.
    #[must_use]
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        let mut param = format!(";{name}");
        if let Some(value) = value {
            param.push('=');
            param.push_str(value);
        }
        let (before, after) = self
            .text
            .split_at_checked(self.shape.params.end)
            .unwrap_or((&self.text, ""));
        let text: Box<str> = format!("{before}{param}{after}").into();
        let mut shape = self.shape.clone();
        shape.params.end += param.len();
        shape.headers.start += param.len();
        shape.headers.end += param.len();
        Self { text, shape }
    }

    /// The URI without its headers, which must not travel in a request URI (RFC 3261 19.1.1).
    #[must_use]
    pub fn without_headers(&self) -> Self {
        let text: Box<str> = self.slice(&(0..self.shape.params.end)).into();
        let mut shape = self.shape.clone();
        shape.headers = shape.params.end..shape.params.end;
        Self { text, shape }
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.shape.scheme
    }

    /// Whether it is a `sip:` or `sips:` URI.
    #[must_use]
    pub const fn is_sip(&self) -> bool {
        matches!(self.shape.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as it came, without a password; the number of a tel URI.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.shape.user.as_ref().map(|range| self.slice(range))
    }

    /// The user part with its escapes undone, lossily UTF-8. `%00` becomes a NUL that is kept.
    #[must_use]
    pub fn user_decoded(&self) -> Option<Cow<'_, str>> {
        self.user().map(unescape)
    }

    /// The host's text as it came, IPv6 in its brackets; empty for tel and other schemes.
    #[must_use]
    pub fn host_text(&self) -> &str {
        self.slice(&self.shape.host)
    }

    /// The host; none for tel and other schemes.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        self.is_sip()
            .then(|| Host::parse(self.host_text()).ok())
            .flatten()
    }

    /// The port, where one is written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.shape.port
    }

    /// The parameters in order, as they came.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.slice(&self.shape.params)
            .split(';')
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            })
    }

    /// Whether there is a parameter of that name.
    #[must_use]
    pub fn has_param(&self, name: &str) -> bool {
        self.params()
            .any(|(found, _)| unescape(found).eq_ignore_ascii_case(name))
    }

    /// The value of the parameter of that name, as it came.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params()
            .find(|(found, _)| unescape(found).eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value)
    }

    /// The headers, as they came, without the `?`; empty when there are none.
    #[must_use]
    pub fn headers(&self) -> &str {
        self.slice(&self.shape.headers)
    }

    /// Whether two URIs name the same thing (RFC 3261 19.1.4).
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        if self.text == other.text {
            return true;
        }
        if self.scheme() != other.scheme() {
            return false;
        }
        match self.scheme() {
            Scheme::Other => false,
            Scheme::Tel => {
                bare_number(self) == bare_number(other) && params_agree(self, other, &[])
            }
            Scheme::Sip | Scheme::Sips => {
                let password = |uri: &Self| {
                    uri.shape
                        .password
                        .as_ref()
                        .map(|range| canonical(uri.slice(range)))
                };
                self.user().map(canonical) == other.user().map(canonical)
                    && password(self) == password(other)
                    && self.port() == other.port()
                    && same_host(self, other)
                    && params_agree(
                        self,
                        other,
                        &["user", "ttl", "method", "maddr", "transport"],
                    )
                    && sorted_headers(self) == sorted_headers(other)
            }
        }
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }
}

impl FromStr for Uri {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Shape {
    fn of(text: &str) -> Result<Self, UriError> {
        if text.len() > crate::limits::SIP_MESSAGE_BYTES {
            return Err(UriError::Long);
        }
        check_characters(text)?;
        let colon = text.find(':').ok_or(UriError::Scheme)?;
        let (scheme, rest) = text.split_at_checked(colon).ok_or(UriError::Scheme)?;
        let scheme = parse_scheme(scheme)?;
        let start = colon + 1;
        let rest = rest.get(1..).unwrap_or_default();
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::of_sip(scheme, start, rest),
            Scheme::Tel => Self::of_tel(start, rest),
            Scheme::Other => Ok(Self::opaque(scheme, text.len())),
        }
    }

    const fn opaque(scheme: Scheme, end: usize) -> Self {
        Self {
            scheme,
            user: None,
            password: None,
            host: end..end,
            port: None,
            params: end..end,
            headers: end..end,
        }
    }

    fn of_tel(start: usize, rest: &str) -> Result<Self, UriError> {
        let end = start + rest.len();
        let number = rest.find(';').unwrap_or(rest.len());
        if number == 0 {
            return Err(UriError::Number);
        }
        let mut shape = Self::opaque(Scheme::Tel, end);
        shape.user = Some(start..start + number);
        shape.params = start + number..end;
        Ok(shape)
    }

    fn of_sip(scheme: Scheme, start: usize, rest: &str) -> Result<Self, UriError> {
        let end = start + rest.len();
        let mut shape = Self::opaque(scheme, end);
        // No part but the user may hold an `@`, and the user must escape it: two of them would
        // leave open whose the call is.
        let mut host_start = start;
        let mut rest = rest;
        if let Some((user, after)) = rest.split_once('@') {
            if after.contains('@') {
                return Err(UriError::Character);
            }
            host_start = start + user.len() + 1;
            rest = after;
            let name = user.find(':').unwrap_or(user.len());
            // Carriers write `sip:@host` for an anonymous caller.
            if name > 0 {
                shape.user = Some(start..start + name);
            }
            if name < user.len() {
                shape.password = Some(start + name + 1..start + user.len());
            }
        }
        let host_len = rest.find([';', '?']).unwrap_or(rest.len());
        let (hostport, tail) = rest.split_at_checked(host_len).ok_or(UriError::Host)?;
        let host = host_start..host_start + split_port(hostport)?.0.len();
        let (host_text, port) = split_port(hostport)?;
        check_host(host_text)?;
        shape.host = host;
        shape.port = port;
        let params = host_start + host_len;
        let question = tail.find('?').unwrap_or(tail.len());
        shape.params = params..params + question;
        shape.headers = (params + question + 1).min(end)..end;
        Ok(shape)
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
    let port = super::header::token::number(digits.as_bytes()).ok_or(UriError::Port)?;
    Ok((host, Some(port)))
}

fn check_host(text: &str) -> Result<(), UriError> {
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

fn parse_scheme(text: &str) -> Result<Scheme, UriError> {
    let mut chars = text.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    if !first || !chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')) {
        return Err(UriError::Scheme);
    }
    Ok(if text.eq_ignore_ascii_case("sip") {
        Scheme::Sip
    } else if text.eq_ignore_ascii_case("sips") {
        Scheme::Sips
    } else if text.eq_ignore_ascii_case("tel") {
        Scheme::Tel
    } else {
        Scheme::Other
    })
}

fn check_characters(text: &str) -> Result<(), UriError> {
    let bytes = text.as_bytes();
    if bytes
        .iter()
        .any(|byte| matches!(byte, 0..=b' ' | 0x7f | b'<' | b'>' | b'"'))
    {
        return Err(UriError::Character);
    }
    let escaped = text.split('%').skip(1).all(|after| {
        let mut hex = after.bytes();
        hex.next().is_some_and(|byte| byte.is_ascii_hexdigit())
            && hex.next().is_some_and(|byte| byte.is_ascii_hexdigit())
    });
    if escaped {
        Ok(())
    } else {
        Err(UriError::Escape)
    }
}

/// Undoes `%HH`; bytes that are no UTF-8 together become replacement characters.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    plain.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let byte = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, part.get(2..)) {
            (Some(byte), Some(rest)) => {
                plain.push(byte);
                plain.extend_from_slice(rest.as_bytes());
            }
            _ => {
                plain.push(b'%');
                plain.extend_from_slice(part.as_bytes());
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

fn escape_user(user: &str, text: &mut String) {
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/#".contains(&byte) && byte != b'#' {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The text with every escape of an unreserved character undone and the others in upper case, so
/// that texts are equal when RFC 3261 19.1.4 says the parts are.
fn canonical(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) => {
                plain.push(char::from(byte));
            }
            Some(byte) => plain.push_str(&format!("%{byte:02X}")),
            None => plain.push('%'),
        }
        plain.push_str(if byte.is_some() {
            part.get(2..).unwrap_or_default()
        } else {
            part
        });
    }
    plain
}

fn bare_number(uri: &Uri) -> String {
    uri.user()
        .unwrap_or_default()
        .chars()
        .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
        .collect::<String>()
        .to_ascii_lowercase()
}

fn same_host(a: &Uri, b: &Uri) -> bool {
    match (a.host(), b.host()) {
        (Some(Host::Ip(a)), Some(Host::Ip(b))) => a == b,
        _ => a.host_text().eq_ignore_ascii_case(b.host_text()),
    }
}

/// Parameters in both must be equal; one of `telling` must not be in only one of them.
fn params_agree(a: &Uri, b: &Uri, telling: &[&str]) -> bool {
    let one_way = |a: &Uri, b: &Uri| {
        a.params().all(|(name, value)| {
            let name = unescape(name);
            if !b.has_param(&name) {
                return !telling.iter().any(|known| name.eq_ignore_ascii_case(known));
            }
            let (value, other) = (value.map(canonical), b.param(&name).map(canonical));
            match (value, other) {
                (Some(value), Some(other)) => value.eq_ignore_ascii_case(&other),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
        })
    };
    one_way(a, b) && one_way(b, a)
}

fn sorted_headers(uri: &Uri) -> Vec<String> {
    let mut headers: Vec<String> = uri
        .headers()
        .split('&')
        .filter(|header| !header.is_empty())
        .map(|header| match header.split_once('=') {
            Some((name, value)) => {
                format!(
                    "{}={}",
                    canonical(name).to_ascii_lowercase(),
                    canonical(value)
                )
            }
            None => canonical(header).to_ascii_lowercase(),
        })
        .collect();
    headers.sort();
    headers
}
