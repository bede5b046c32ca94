//! Challenges and credentials (RFC 3261 20.7, 20.27, 20.44): a scheme and its comma-separated
//! parameters. What they mean is the business of `sip::auth`.

use bytes::Bytes;

use super::token::{is_space, is_token, split, split_once, trim, unquote};

/// Authorization, Proxy-Authorization, WWW-Authenticate or Proxy-Authenticate.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The scheme, as it came; compare it without case.
    pub scheme: String,
    params: Vec<(String, String)>,
}

impl Credentials {
    /// Reads one field; such a field is never a list, its commas divide parameters.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(value: &Bytes) -> Result<Self, &'static str> {
        let value = trim(value);
        let end = value
            .iter()
            .position(|&byte| is_space(byte))
            .unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(end).ok_or("a scheme is needed")?;
        if !is_token(scheme) {
            return Err("the scheme is no token");
        }
        let mut params = Vec::with_capacity(10);
        for part in split(rest, b',').map(trim).filter(|part| !part.is_empty()) {
            let (name, value) = split_once(part, b'=').ok_or("a parameter has no value")?;
            let (name, value) = (trim(name), trim(value));
            if !is_token(name) {
                return Err("the name of a parameter is no token");
            }
            let closed = super::token::quoted_len(value) == Some(value.len());
            if value.first() == Some(&b'"') && !closed {
                return Err("a quoted string is not closed");
            }
            params.push((text(name), text(&unquote(value))));
        }
        let scheme = text(scheme);
        Ok(Self { scheme, params })
    }

    /// Whether the scheme is `Digest`.
    #[must_use]
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// The value of the first parameter of that name, without its quotes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Shows the scheme alone: the rest proves who somebody is.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, …)", self.scheme)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_without_their_quotes() {
        let value = Bytes::from_static(
            b"Digest username=\"o\\\"lena\",realm=\"clinic, Odesa\", nc=00000001,qop=auth , uri=\"sip:a\"",
        );
        let read = Credentials::parse(&value).unwrap();
        assert!(read.is_digest());
        assert_eq!(read.get("Username"), Some("o\"lena"));
        assert_eq!(read.get("realm"), Some("clinic, Odesa"));
        assert_eq!(read.get("qop"), Some("auth"));
        assert_eq!(read.get("response"), None);
        assert!(!format!("{read:?}").contains("lena"));
    }

    #[test]
    fn an_unknown_scheme_is_read_and_a_broken_one_refused() {
        let unknown = Bytes::from_static(b"NoOneKnowsThisScheme opaque-data=here");
        assert!(!Credentials::parse(&unknown).unwrap().is_digest());
        for bad in [b"".as_slice(), b"Digest a=\"b", b"Digest x", b"Digest =1"] {
            assert!(Credentials::parse(&Bytes::from_static(bad)).is_err());
        }
    }
}
