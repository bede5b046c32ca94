//! SIP, SIPS and tel URIs (RFC 3261 19.1, RFC 3966), and any other scheme as opaque text.
//!
//! A URI keeps the text it came as: escapes, odd users and odd addresses are written back as they
//! were. What it means is read from that text by offsets found once.

mod compare;
mod escape;
mod host;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::str::FromStr;

pub use escape::{escape_all, unescape};
pub use host::Host;
pub(crate) use host::{check_host, split_port};

use escape::escape_user;

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
        let (host, port) = split_port(hostport)?;
        check_host(host)?;
        shape.host = host_start..host_start + host.len();
        shape.port = port;
        let params = host_start + host_len;
        let question = tail.find('?').unwrap_or(tail.len());
        shape.params = params..params + question;
        shape.headers = (params + question + 1).min(end)..end;
        Ok(shape)
    }
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
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            0..=b' ' | 0x7f | b'<' | b'>' | b'"' => return Err(UriError::Character),
            b'%' => {
                let mut is_hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                if !(is_hex() && is_hex()) {
                    return Err(UriError::Escape);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    #[test]
    fn parts_are_found_in_odd_uris() {
        let odd = uri(
            "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com:5070;lr;ttl=5?a=b",
        );
        assert_eq!(
            odd.user(),
            Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
        );
        assert_eq!((odd.host_text(), odd.port()), ("example.com", Some(5070)));
        assert!(odd.has_param("LR") && odd.param("lr").is_none());
        assert_eq!(odd.param("ttl"), Some("5"));
        assert_eq!(odd.headers(), "a=b");
        assert_eq!(odd.without_headers().headers(), "");

        let param = uri("sip:user;par=u%40example.net@example.com");
        assert_eq!(param.user(), Some("user;par=u%40example.net"));
        assert_eq!(
            param.user_decoded().as_deref(),
            Some("user;par=u@example.net")
        );
        assert_eq!(
            uri("sip:null-%00-null@h").user_decoded().as_deref(),
            Some("null-\0-null")
        );
        assert_eq!(
            uri("sip:%D0%9E%D0%B4%D0%B5%D1%81%D0%B0@h")
                .user_decoded()
                .as_deref(),
            Some("Одеса")
        );
        assert_eq!(uri("sip:@192.0.2.1").user(), None);
        assert_eq!(uri("sip:example.com").user(), None);
    }

    #[test]
    fn a_tel_uri_has_a_number_and_parameters() {
        let tel = uri("tel:+380-48-123;phone-context=+380");
        assert_eq!(tel.user(), Some("+380-48-123"));
        assert_eq!(tel.param("phone-context"), Some("+380"));
        assert_eq!(tel.host(), None);
        assert!(tel.equivalent(&uri("TEL:+38048123;phone-context=+380")));
    }

    #[test]
    fn ipv6_needs_brackets_and_three_colons_are_two() {
        let six = |text| uri(text).host().and_then(|host| host.ip());
        assert_eq!(six("sip:[2001:db8::10]:5070"), "2001:db8::10".parse().ok());
        assert_eq!(
            six("sip:[2001:db8::10:5070]"),
            "2001:db8::10:5070".parse().ok()
        );
        assert_eq!(uri("sip:[2001:db8::10:5070]").port(), None);
        assert_eq!(
            six("sip:user@[2001:db8:::192.0.2.1]"),
            "2001:db8::192.0.2.1".parse().ok()
        );
        assert!(Uri::parse("sip:2001:db8::10").is_err());
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for (text, error) in [
            ("</>", UriError::Character),
            ("/", UriError::Scheme),
            ("", UriError::Scheme),
            (":a", UriError::Scheme),
            ("sip:", UriError::Host),
            ("sip:a@", UriError::Host),
            ("sip:a@b@c", UriError::Character),
            ("sip:a@b c", UriError::Character),
            ("sip:a@b:port", UriError::Port),
            ("sip:a@b:65536", UriError::Port),
            ("sip:a%4@b", UriError::Escape),
            ("sip:a%%%@b", UriError::Escape),
            ("sip:a@[::1]x", UriError::Host),
            ("tel:", UriError::Number),
            ("sip:a\r\nVia: x@b", UriError::Character),
        ] {
            assert_eq!(Uri::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn comparison_follows_the_examples_of_rfc_3261_19_1_4() {
        for (a, b) in [
            (
                "sip:%61lice@atlanta.com;transport=TCP",
                "sip:alice@AtlanTa.CoM;Transport=tcp",
            ),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0::1]"),
        ] {
            assert!(uri(a).equivalent(&uri(b)), "{a} {b}");
            assert!(uri(b).equivalent(&uri(a)), "{b} {a}");
        }
        for (a, b) in [
            ("sip:ALICE@AtlanTa.CoM", "sip:alice@AtlanTa.CoM"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=x"),
            ("sip:bob@phone21.com", "sip:bob@192.0.2.4"),
            ("sip:a%40b@c", "sip:a@b"),
            ("sip:a%3Bb@c", "sip:a;b@c"),
            ("sip:carol@c;security=on", "sip:carol@c;security=off"),
        ] {
            let (Ok(a), Ok(b)) = (Uri::parse(a), Uri::parse(b)) else {
                panic!("{a} {b}");
            };
            assert!(!a.equivalent(&b), "{a} {b}");
        }
    }

    #[test]
    fn what_is_built_reads_as_it_was_meant() {
        let host = Host::parse("clinic.example").unwrap();
        let built = Uri::sip(Some("Олена @дім"), &host, Some(5080));
        let read = uri(built.as_str());
        assert_eq!(read, built);
        assert_eq!(read.user_decoded().as_deref(), Some("Олена @дім"));
        let lr = built.with_param("lr", None).with_param("x", Some("1"));
        assert_eq!(uri(lr.as_str()), lr);
        let six = Uri::at(None, "[2001:db8::1]:5060".parse().unwrap());
        assert_eq!(six.as_str(), "sip:[2001:db8::1]:5060");
        assert_eq!(uri(six.as_str()), six);
    }
}
