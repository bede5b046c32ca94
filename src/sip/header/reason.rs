//! Reason (RFC 3326): why a request was sent, mostly a BYE or a CANCEL.

use bytes::Bytes;

use super::params::Params;
use super::token::{is_token, number, quote, trim, unquote};

/// One reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// `SIP`, `Q.850`, or another protocol.
    pub protocol: String,
    /// The status or cause in that protocol.
    pub cause: Option<u16>,
    /// A few words.
    pub text: String,
}

impl Reason {
    /// Reads one reason.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(value: &Bytes) -> Result<Self, &'static str> {
        let end = value
            .iter()
            .position(|&byte| byte == b';')
            .unwrap_or(value.len());
        let head = value.slice(..end);
        let protocol = trim(&head);
        if !is_token(protocol) {
            return Err("the protocol is no token");
        }
        let params = Params::parse(&value.slice(end..))?;
        Ok(Self {
            protocol: String::from_utf8_lossy(protocol).into_owned(),
            cause: params
                .raw("cause")
                .and_then(|cause| number(&unquote(cause))),
            text: params
                .unquoted("text")
                .map(|text| text.into_owned())
                .unwrap_or_default(),
        })
    }

    /// As it is written.
    #[must_use]
    pub fn to_value(&self) -> Bytes {
        let mut value = self.protocol.clone();
        if let Some(cause) = self.cause {
            value.push_str(&format!(";cause={cause}"));
        }
        if !self.text.is_empty() {
            value.push_str(";text=");
            value.push_str(&quote(&self.text));
        }
        Bytes::from(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_written_as_it_is_read() {
        let text = "SIP;cause=200;text=\"Call completed elsewhere\"";
        let reason = Reason::parse(&Bytes::from_static(text.as_bytes())).unwrap();
        assert_eq!(reason.cause, Some(200));
        assert_eq!(reason.to_value(), text);
        let bare = Reason::parse(&Bytes::from_static(b"Q.850 ;cause=16")).unwrap();
        assert_eq!((bare.protocol.as_str(), bare.cause), ("Q.850", Some(16)));
        assert!(Reason::parse(&Bytes::from_static(b"")).is_err());
    }
}
