//! Parameters of a header value: `;name=value`, `;name`, `;name="quoted"`.
//!
//! Kept as the bytes they came as and read on demand.

use std::borrow::Cow;
use std::fmt;

use bytes::{Bytes, BytesMut};

use super::token::{is_token, quoted_len, split, trim, unquote};

/// The parameters of one value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Params(Bytes);

impl Params {
    /// Reads what stands behind a value: nothing, or parameters that each begin with `;`. Empty
    /// ones are let pass (RFC 4475 3.1.2.1 allows to).
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &Bytes) -> Result<Self, &'static str> {
        Self::check(text)?;
        Ok(Self(text.slice_ref(trim(text))))
    }

    /// Whether [`Self::parse`] would read it.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(text: &[u8]) -> Result<(), &'static str> {
        let Some((first, rest)) = trim(text).split_first() else {
            return Ok(());
        };
        if *first != b';' {
            return Err("something stands between the address and its parameters");
        }
        for part in split(rest, b';').map(trim).filter(|part| !part.is_empty()) {
            let (name, value) = halves(part);
            if !is_token(name) {
                return Err("the name of a parameter is no token");
            }
            let Some(value) = value else {
                continue;
            };
            // A quote or bracket that stands open would hide the next comma, which divides a list.
            if value.first() == Some(&b'"') {
                if quoted_len(value) != Some(value.len()) {
                    return Err("a quoted string is not closed");
                }
            } else if value.iter().any(|byte| b"\"<>".contains(byte)) {
                return Err("a quote or bracket stands inside a parameter");
            }
        }
        Ok(())
    }

    /// Names and values as they came, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        split(&self.0, b';')
            .map(trim)
            .filter(|part| !part.is_empty())
            .map(halves)
    }

    /// Whether there is a parameter of that name, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of the first parameter of that name, as it came.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&[u8]> {
        self.find(name).flatten()
    }

    /// The value of the first parameter of that name, as it came; none when it is no UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.raw(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The value of the first parameter of that name, without quotes.
    #[must_use]
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        match unquote(self.raw(name)?) {
            Cow::Borrowed(value) => Some(String::from_utf8_lossy(value)),
            Cow::Owned(value) => Some(Cow::Owned(String::from_utf8_lossy(&value).into_owned())),
        }
    }

    /// Sets a parameter, in place of all of its name.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let mut text = self.without(name);
        text.extend_from_slice(b";");
        text.extend_from_slice(name.as_bytes());
        if let Some(value) = value {
            text.extend_from_slice(b"=");
            text.extend_from_slice(value.as_bytes());
        }
        self.0 = text.freeze();
    }

    /// Takes all parameters of that name away.
    pub fn remove(&mut self, name: &str) {
        self.0 = self.without(name).freeze();
    }

    /// The parameters as they are written, each with its `;`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn find(&self, name: &str) -> Option<Option<&[u8]>> {
        self.iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    fn without(&self, name: &str) -> BytesMut {
        let mut text = BytesMut::with_capacity(self.0.len() + name.len() + 48);
        for (found, value) in self.iter() {
            if found.eq_ignore_ascii_case(name.as_bytes()) {
                continue;
            }
            text.extend_from_slice(b";");
            text.extend_from_slice(found);
            if let Some(value) = value {
                text.extend_from_slice(b"=");
                text.extend_from_slice(value);
            }
        }
        text
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A parameter's name and value; white space around `=` is allowed (RFC 3261 7.3.1).
fn halves(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    match super::token::split_once(part, b'=') {
        Some((name, value)) => (trim(name), Some(trim(value))),
        None => (part, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &'static str) -> Params {
        Params::parse(&Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn parameters_are_found_whatever_stands_around_them() {
        let params = params(" ;  tag = 98asjd8 ;;lr; x=\"a;b=\\\"c\" ");
        assert_eq!(params.get("TAG"), Some("98asjd8"));
        assert!(params.has("lr"));
        assert_eq!(params.get("lr"), None);
        assert_eq!(params.unquoted("x").as_deref(), Some("a;b=\"c"));
        assert!(!params.has("b"));
    }

    #[test]
    fn setting_replaces_and_removing_leaves_the_rest() {
        let mut params = params(";branch=z9hG4bKx;rport;received=1.2.3.4");
        params.set("rport", Some("5062"));
        params.remove("received");
        assert_eq!(params.as_bytes(), b";branch=z9hG4bKx;rport=5062");
    }

    #[test]
    fn what_is_broken_is_refused() {
        for text in [
            ";a=x<y",
            ";a=x\"y\"",
            "x",
            ";a=\"b",
            ";a b=c",
            ";=x",
            ";a=\"b\"c",
        ] {
            assert!(
                Params::parse(&Bytes::from_static(text.as_bytes())).is_err(),
                "{text}"
            );
        }
    }
}
