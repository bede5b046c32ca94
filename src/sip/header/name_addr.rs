//! An address with a display name (RFC 3261 20.10): From, To, Contact, Route, Record-Route,
//! P-Asserted-Identity and their kin.

use bytes::{Bytes, BytesMut};

use super::params::Params;
use super::token::{quote, quoted_len, split_once, trim, unquote};
use crate::limits;
use crate::sip::uri::Uri;

/// A display name, a URI and the parameters of the header (never those of the URI).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameAddr {
    /// The display name as it came, with its quotes.
    display: Option<Bytes>,
    /// The address.
    pub uri: Uri,
    /// The parameters of the field: `tag`, `expires`, `q` …
    pub params: Params,
}

/// The three parts of the text.
struct Parts<'a> {
    display: &'a [u8],
    uri: &'a str,
    params: &'a [u8],
}

impl NameAddr {
    /// An address alone.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::default(),
        }
    }

    /// With a display name, cut to [`limits::DISPLAY_NAME_BYTES`] at a character and quoted; an
    /// empty one is none.
    #[must_use]
    pub fn with_display(mut self, name: &str) -> Self {
        let mut end = name.len().min(limits::DISPLAY_NAME_BYTES);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let name = name.get(..end).unwrap_or_default().trim();
        self.display = (!name.is_empty()).then(|| Bytes::from(quote(name)));
        self
    }

    /// With a parameter of the field, `tag` mostly.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// Reads one element.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(value: &Bytes) -> Result<Self, &'static str> {
        let parts = Parts::of(value)?;
        let uri = Uri::parse(parts.uri).map_err(|_| "the URI cannot be read")?;
        let params = Params::parse(&value.slice_ref(parts.params))?;
        let display = (!parts.display.is_empty()).then(|| value.slice_ref(parts.display));
        Ok(Self {
            display,
            uri,
            params,
        })
    }

    /// Whether [`Self::parse`] would read it.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(value: &[u8]) -> Result<(), &'static str> {
        let parts = Parts::of(value)?;
        Uri::check(parts.uri).map_err(|_| "the URI cannot be read")?;
        Params::check(parts.params)
    }

    /// The display name without its quotes, lossily UTF-8; empty when there is none.
    #[must_use]
    pub fn display_name(&self) -> String {
        let raw = self.display.as_deref().unwrap_or_default();
        String::from_utf8_lossy(&unquote(raw)).into_owned()
    }

    /// The tag; none when there is none or it is empty.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// As it is written, the URI always in brackets.
    #[must_use]
    pub fn to_value(&self) -> Bytes {
        let display = self.display.as_deref().unwrap_or_default();
        let (uri, params) = (self.uri.as_str(), self.params.as_bytes());
        let mut value = BytesMut::with_capacity(display.len() + uri.len() + params.len() + 3);
        if !display.is_empty() {
            value.extend_from_slice(display);
            value.extend_from_slice(b" ");
        }
        value.extend_from_slice(b"<");
        value.extend_from_slice(uri.as_bytes());
        value.extend_from_slice(b">");
        value.extend_from_slice(params);
        value.freeze()
    }
}

impl<'a> Parts<'a> {
    fn of(value: &'a [u8]) -> Result<Self, &'static str> {
        let value = trim(value);
        let quoted = match value.first() {
            Some(b'"') => quoted_len(value).ok_or("a quoted string is not closed")?,
            _ => 0,
        };
        let (before, after) = value
            .split_at_checked(quoted)
            .ok_or("a quoted string is not closed")?;
        let Some((more, rest)) = split_once(after, b'<') else {
            return Self::bare(before, after);
        };
        let (uri, params) = split_once(rest, b'>').ok_or("a bracket is not closed")?;
        let display = match before.len() + more.len() {
            0 => &[],
            len => trim(value.get(..len).unwrap_or_default()),
        };
        Ok(Self {
            display,
            // RFC 4475 3.1.2.14 lets spaces inside the brackets be ignored; they are not kept.
            uri: utf8(trim(uri))?,
            params: trim(params),
        })
    }

    /// An address without brackets: what follows a `;` belongs to the field, and neither `?` nor
    /// `,` may stand in it (RFC 3261 20).
    fn bare(before: &[u8], text: &'a [u8]) -> Result<Self, &'static str> {
        if !before.is_empty() {
            return Err("a display name without an address in brackets");
        }
        let end = text
            .iter()
            .position(|&byte| byte == b';')
            .unwrap_or(text.len());
        let (uri, params) = text.split_at_checked(end).unwrap_or((text, b""));
        let uri = utf8(trim(uri))?;
        if uri.contains(['?', ',']) {
            return Err("an address with ? or , needs brackets");
        }
        Ok(Self {
            display: &[],
            uri,
            params,
        })
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "the URI is no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NameAddr, &'static str> {
        NameAddr::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn display_names_are_decoded_whatever_their_form() {
        let cases = [
            (r#""J Rosenberg \\\"" <sip:a@b>;tag=1"#, r#"J Rosenberg \""#),
            ("caller<sip:a@b>;tag=1", "caller"),
            ("token1~` token2'+_ <sip:a@b>;tag=1", "token1~` token2'+_"),
            ("\"Лікар <Одеса>\" <sip:a@b>;tag=1", "Лікар <Одеса>"),
            ("sip:a@b ; tag = 1", ""),
            (" < sip:a@b > ;tag=1", ""),
        ];
        for (text, display) in cases {
            let address = read(text).unwrap();
            assert_eq!(address.display_name(), display);
            assert_eq!(address.uri.as_str(), "sip:a@b");
            assert_eq!(address.tag(), Some("1"));
        }
    }

    #[test]
    fn parameters_of_the_uri_and_of_the_field_are_kept_apart() {
        let address = read("<sip:a@b;lr;tag=2?x=y>;q=0.5").unwrap();
        assert_eq!(address.tag(), None);
        assert_eq!(address.params.get("q"), Some("0.5"));
        assert!(address.uri.has_param("lr"));
        assert_eq!(read("sip:a@b;lr;tag=2").unwrap().tag(), Some("2"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in [
            "\"Mr. J. User <sip:j.user@example.com>",
            "sip:user@example.com?Route=%3Csip:a%3E",
            "<sip:a@b",
            "</>",
            "",
            "\"x\"",
            "<sip:a@b>x",
            "<>",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_long_name_is_cut_at_a_character_and_begins_no_line() {
        let uri = Uri::parse("sip:a@b").unwrap();
        let long = NameAddr::new(uri.clone()).with_display(&"я".repeat(100));
        assert_eq!(long.display_name(), "я".repeat(64));
        let odd = NameAddr::new(uri).with_display("a\r\nVia: x\" <sip:evil>");
        assert_eq!(odd.to_value(), "\"a  Via: x\\\" <sip:evil>\" <sip:a@b>");
    }
}
