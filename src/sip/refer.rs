//! REFER (RFC 3515): what it asks for, and what is left of it while its sender waits for news.
//!
//! ```text
//! REFER → Asked ─202→ Told ─NOTIFY 1xx→ Told ─NOTIFY ≥ 200, refused, silence→ nothing
//!           └─ a refusal → nothing
//! ```
//!
//! What becomes of the call is for the call machine to say.

use bytes::Bytes;

use super::header::{Headers, Name};
use super::message::Message;
use super::replaces::Replaces;
use super::transaction::table::TransactionId;
use super::uri::{Scheme, Uri};

/// The type of a NOTIFY's body: the first line of a response (RFC 3420).
pub const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// Whom a REFER names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReferTo {
    /// The address, without headers.
    pub target: Uri,
    /// The dialog to take over there.
    pub replaces: Option<Replaces>,
}

impl ReferTo {
    /// Reads the one Refer-To of a REFER.
    ///
    /// # Errors
    /// The status of the refusal: 400 where there is none, more than one (RFC 3515 2.4.2), or one
    /// that cannot be read, or that wants another method than INVITE; 416 for an address that
    /// cannot be called.
    pub fn of(headers: &Headers) -> Result<Self, u16> {
        if headers.all(&Name::ReferTo).count() != 1 || headers.list(&Name::ReferTo).count() != 1 {
            return Err(400);
        }
        let uri = headers.address(&Name::ReferTo).map_err(|_| 400_u16)?.uri;
        match uri.scheme() {
            Scheme::Sip | Scheme::Sips | Scheme::Tel => {}
            Scheme::Other => return Err(416),
        }
        let method = uri.param("method");
        if method.is_some_and(|method| method != "INVITE") {
            return Err(400);
        }
        Ok(Self {
            replaces: Replaces::of_uri(&uri).map_err(|_| 400_u16)?,
            target: uri.without_headers(),
        })
    }
}

/// Whether a REFER asks for no NOTIFY (RFC 4488 4).
#[must_use]
pub fn wants_silence(headers: &Headers) -> bool {
    let value = headers.get(&Name::from("Refer-Sub"));
    value.is_some_and(|value| {
        let word = value.split(|byte| *byte == b';').next();
        word.is_some_and(|word| word.trim_ascii().eq_ignore_ascii_case(b"false"))
    })
}

/// A REFER of a session that is not over.
#[derive(Clone, Debug)]
pub struct Referral {
    /// Its CSeq, which names it in NOTIFYs.
    pub number: u32,
    /// NOTIFYs carry the id: it is not the first of its dialog (RFC 3515 2.4.6).
    pub named: bool,
    /// No NOTIFY is wanted.
    pub silent: bool,
    /// How far it is.
    pub stage: Stage,
}

/// How far a REFER is.
#[derive(Clone, Debug)]
pub enum Stage {
    /// The call machine has not said whether.
    Asked {
        /// Its transaction.
        transaction: TransactionId,
        /// The request.
        request: Box<Message>,
    },
    /// It has its 202.
    Told {
        /// The last NOTIFY.
        notify: Option<TransactionId>,
        /// What it said.
        code: u16,
    },
}

impl Referral {
    /// The Event of its NOTIFYs.
    #[must_use]
    pub fn event(&self) -> Bytes {
        if self.named {
            Bytes::from(format!("refer;id={}", self.number))
        } else {
            Bytes::from_static(b"refer")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[&'static str]) -> Result<ReferTo, u16> {
        let mut headers = Headers::new();
        for field in fields {
            headers.push(Name::ReferTo, *field);
        }
        ReferTo::of(&headers)
    }

    #[test]
    fn a_refer_names_one_that_can_be_called() {
        // RFC 3515 2.4.2
        let to = read(&["\"Lab\" <sip:202@clinic.example?Replaces=c%3Bto-tag%3D1%3Bfrom-tag%3D2>"]);
        let to = to.unwrap();
        assert_eq!(to.target.as_str(), "sip:202@clinic.example");
        assert_eq!(to.replaces.unwrap().call_id, "c");
        assert!(read(&["<tel:+380671112233>"]).is_ok());
        assert!(read(&["sip:202@clinic.example;method=INVITE"]).is_ok());
        for (fields, status) in [
            (&[][..], 400),
            (&["<sip:a@b>", "<sip:c@d>"], 400),
            (&["<sip:a@b>, <sip:c@d>"], 400),
            (&["<sip:a b>"], 400),
            (&["<sip:a@b;method=BYE>"], 400),
            (&["<sip:a@b?Replaces=c>"], 400),
            (&["<http://clinic.example/>"], 416),
        ] {
            assert_eq!(read(fields), Err(status), "{fields:?}");
        }
    }

    #[test]
    fn silence_is_asked_for_by_one_word() {
        // RFC 4488 4
        for (value, silent) in [
            ("false", true),
            ("FALSE ;x", true),
            ("true", false),
            ("", false),
        ] {
            let mut headers = Headers::new();
            headers.push(Name::from("Refer-Sub"), value);
            assert_eq!(wants_silence(&headers), silent, "{value}");
        }
        assert!(!wants_silence(&Headers::new()));
    }
}
