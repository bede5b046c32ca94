//! CSeq (RFC 3261 20.16).

use bytes::Bytes;

use super::token::{is_space, number, trim};
use crate::sip::message::Method;

/// The number and method of a request within its dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CSeq {
    /// The number.
    pub number: u32,
    /// The method; an ACK and a CANCEL carry the number of their INVITE.
    pub method: Method,
}

impl CSeq {
    /// Reads a CSeq.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(value: &[u8]) -> Result<Self, &'static str> {
        let value = trim(value);
        let gap = value
            .iter()
            .position(|&byte| is_space(byte))
            .ok_or("a number and a method are needed")?;
        let (digits, method) = value
            .split_at_checked(gap)
            .ok_or("a number and a method are needed")?;
        Ok(Self {
            number: number(digits).ok_or("the number is none, or too large")?,
            method: Method::parse(trim(method)).ok_or("the method is no token")?,
        })
    }

    /// As it is written.
    #[must_use]
    pub fn to_value(&self) -> Bytes {
        Bytes::from(format!("{} {}", self.number, self.method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cseq_is_a_number_that_fits_and_a_method() {
        let read = CSeq::parse(b"0009   INVITE").unwrap();
        assert_eq!((read.number, &read.method), (9, &Method::Invite));
        assert_eq!(read.to_value(), "9 INVITE");
        for bad in [
            b"36893488147419103232 REGISTER".as_slice(),
            b"-1 INVITE",
            b"INVITE",
            b"7",
            b"7 IN VITE",
            b"",
        ] {
            assert!(CSeq::parse(bad).is_err());
        }
    }
}
