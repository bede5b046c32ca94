//! Session-Expires (RFC 4028 4): how long a session lasts without a refresh, and who refreshes it.

use bytes::Bytes;

use super::params::Params;
use super::typed::seconds;

/// Who refreshes, as the one request that carries it sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    /// Who sends the request.
    Uac,
    /// Who answers it.
    Uas,
}

/// Session-Expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpires {
    /// The interval in seconds.
    pub seconds: u32,
    /// Who refreshes, where that is said.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads a Session-Expires.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(value: &Bytes) -> Result<Self, &'static str> {
        let end = value
            .iter()
            .position(|&byte| byte == b';')
            .unwrap_or(value.len());
        let params = Params::parse(&value.slice(end..))?;
        let refresher = params.get("refresher").and_then(|word| {
            let is = |known: &str| word.eq_ignore_ascii_case(known);
            match (is("uac"), is("uas")) {
                (true, _) => Some(Refresher::Uac),
                (false, true) => Some(Refresher::Uas),
                (false, false) => None,
            }
        });
        let seconds = seconds(&value.slice(..end)).ok_or("it is no number")?;
        Ok(Self { seconds, refresher })
    }

    /// As it is written.
    #[must_use]
    pub fn to_value(self) -> Bytes {
        let refresher = match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        };
        Bytes::from(format!("{}{refresher}", self.seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_a_number_and_may_name_who_refreshes() {
        for (text, seconds, refresher) in [
            ("1800", 1800, None),
            ("90 ;refresher=uas", 90, Some(Refresher::Uas)),
            ("90;x=y;Refresher=UAC", 90, Some(Refresher::Uac)),
            ("4294967296;refresher=me", u32::MAX, None),
        ] {
            let read = SessionExpires::parse(&Bytes::from(text)).unwrap();
            assert_eq!((read.seconds, read.refresher), (seconds, refresher));
        }
        let written = SessionExpires {
            seconds: 120,
            refresher: Some(Refresher::Uac),
        };
        assert_eq!(written.to_value(), "120;refresher=uac");
        for bad in ["", "soon", "-1", ";refresher=uac"] {
            assert!(SessionExpires::parse(&Bytes::from(bad)).is_err(), "{bad}");
        }
    }
}
