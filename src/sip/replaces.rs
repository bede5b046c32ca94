//! Replaces (RFC 3891): the name of a dialog that a new one shall stand in for.
//!
//! Only reads. Whose dialog it is, and who may replace it, the endpoint decides.

use bytes::Bytes;

use super::header::Params;
use super::header::token::{is_space, trim};
use super::uri::{Uri, unescape};

/// A dialog as its peer names it. The tags are seen from the one who is asked: `to_tag` is ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub to_tag: String,
    /// The peer's tag; `0` stands for none (RFC 3891 6.1).
    pub from_tag: String,
    /// It shall be replaced only as long as nobody answered it.
    pub early_only: bool,
}

impl Replaces {
    /// Reads a header's value.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(value: &Bytes) -> Result<Self, &'static str> {
        let end = value.iter().position(|&byte| byte == b';');
        let end = end.ok_or("a dialog is named by its tags too")?;
        let call_id = std::str::from_utf8(trim(value.get(..end).unwrap_or_default()))
            .map_err(|_| "the Call-ID is no UTF-8")?;
        if call_id.is_empty() || call_id.bytes().any(is_space) || call_id.contains(',') {
            return Err("one Call-ID is needed");
        }
        let params = Params::parse(&value.slice(end..))?;
        let tag = |name: &str| {
            let mut all = params
                .iter()
                .filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
            let (first, second) = (all.next(), all.next());
            let tag = first.and_then(|(_, value)| std::str::from_utf8(value?).ok());
            match (tag, second) {
                (Some(tag), None) if !tag.is_empty() && !tag.contains(',') => Ok(tag.to_owned()),
                (Some(_) | None, _) => Err("each tag is needed, and once"),
            }
        };
        Ok(Self {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.has("early-only"),
        })
    }

    /// The Replaces among the headers of a URI, which is where a REFER carries it (RFC 3891 5).
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn of_uri(uri: &Uri) -> Result<Option<Self>, &'static str> {
        let mut found = uri.headers().split('&').filter_map(|header| {
            let (name, value) = header.split_once('=')?;
            unescape(name)
                .eq_ignore_ascii_case("replaces")
                .then_some(value)
        });
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err("only one dialog can be replaced"),
            (Some(value), None) => {
                let value = unescape(value).into_owned();
                Self::parse(&Bytes::from(value)).map(Some)
            }
        }
    }

    /// Whether `tag` is the peer's tag that it names.
    #[must_use]
    pub fn is_from(&self, tag: Option<&str>) -> bool {
        tag.unwrap_or("0") == self.from_tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<Replaces, &'static str> {
        Replaces::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_dialog_is_named_by_its_call_and_both_tags() {
        // RFC 3891 6.1
        let named = read("98732@sip.example.com ;from-tag=r33th4x0r ;to-tag=ff87ff").unwrap();
        assert_eq!(named.call_id, "98732@sip.example.com");
        assert_eq!((named.to_tag.as_str(), named.early_only), ("ff87ff", false));
        assert!(named.is_from(Some("r33th4x0r")) && !named.is_from(None));
        let old = read("a;to-tag=1;from-tag=0;early-only").unwrap();
        assert!(old.is_from(None) && old.early_only);
        for wrong in [
            "",
            "a",
            ";to-tag=1;from-tag=2",
            "a;to-tag=1",
            "a;from-tag=1",
            "a;to-tag=1;to-tag=2;from-tag=3",
            "a;to-tag;from-tag=1",
            "a;to-tag=1;from-tag=2, b;to-tag=1;from-tag=2",
            "a b;to-tag=1;from-tag=2",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_uri_carries_one_replaces_among_its_headers() {
        let uri = |text: &str| Replaces::of_uri(&Uri::parse(text).unwrap());
        let named = uri("sip:b@h?Subject=x&replaces=c%40h%3Bto-tag%3D1%3bfrom-tag%3D2").unwrap();
        assert_eq!(named.unwrap().call_id, "c@h");
        assert_eq!(uri("sip:b@h?Subject=x"), Ok(None));
        assert_eq!(uri("tel:+380671112233"), Ok(None));
        assert!(uri("sip:b@h?Replaces=c").is_err());
        assert!(uri("sip:b@h?Replaces=c%3Bto-tag=1&Replaces=d").is_err());
    }
}
