//! Content-Type (RFC 3261 20.15), and the ranges of Accept (20.1).

use bytes::Bytes;

use super::params::Params;
use super::token::{is_token, split_once, trim};

/// A media type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentType {
    essence: Bytes,
    /// Its parameters.
    pub params: Params,
}

impl ContentType {
    /// Reads a media type, or a range such as `application/*`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(value: &Bytes) -> Result<Self, &'static str> {
        let value = value.slice_ref(trim(value));
        let end = value
            .iter()
            .position(|&byte| byte == b';')
            .unwrap_or(value.len());
        let essence = value.slice_ref(trim(&value.slice(..end)));
        let (kind, subtype) = split_once(&essence, b'/').ok_or("type/subtype is needed")?;
        if !is_token(trim(kind)) || !is_token(trim(subtype)) {
            return Err("type/subtype is needed");
        }
        let params = Params::parse(&value.slice(end..))?;
        Ok(Self { essence, params })
    }

    /// Whether it is this type, such as `application/sdp`.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.halves().is_some_and(|(a, b)| {
            a.eq_ignore_ascii_case(kind.as_bytes()) && b.eq_ignore_ascii_case(subtype.as_bytes())
        })
    }

    /// Whether it is `application/sdp`.
    #[must_use]
    pub fn is_sdp(&self) -> bool {
        self.is("application", "sdp")
    }

    /// Whether it has parts (RFC 2046 5.1).
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.halves()
            .is_some_and(|(kind, _)| kind.eq_ignore_ascii_case(b"multipart"))
    }

    /// Whether this range of an Accept header takes the type.
    #[must_use]
    pub fn takes(&self, kind: &str, subtype: &str) -> bool {
        self.halves().is_some_and(|(a, b)| {
            (a == b"*" || a.eq_ignore_ascii_case(kind.as_bytes()))
                && (b == b"*" || b.eq_ignore_ascii_case(subtype.as_bytes()))
        })
    }

    fn halves(&self) -> Option<(&[u8], &[u8])> {
        split_once(&self.essence, b'/').map(|(kind, subtype)| (trim(kind), trim(subtype)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_compare_without_case_and_ranges_take_their_own() {
        let read = |text: &'static str| ContentType::parse(&Bytes::from_static(text.as_bytes()));
        assert!(read("Application / SDP ; charset=utf-8").unwrap().is_sdp());
        assert!(read("application/*").unwrap().takes("application", "sdp"));
        assert!(read("*/*").unwrap().takes("application", "sdp"));
        assert!(
            !read("text/nobodyKnowsThis")
                .unwrap()
                .takes("application", "sdp")
        );
        assert!(read("sdp").is_err());
        assert!(read("application/").is_err());
    }
}
