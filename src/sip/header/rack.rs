//! RAck (RFC 3262 7.2): which provisional response a PRACK acknowledges.

use bytes::Bytes;

use super::token::{number, trim};
use crate::sip::message::Method;

/// The RSeq of the response and the CSeq of its request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RAck {
    /// The RSeq.
    pub rseq: u32,
    /// The number of the request's CSeq.
    pub cseq: u32,
    /// The method of the request's CSeq.
    pub method: Method,
}

impl RAck {
    /// Reads a RAck.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(value: &[u8]) -> Result<Self, &'static str> {
        const NEED: &str = "two numbers and a method are needed";
        let mut words = trim(value)
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let (Some(rseq), Some(cseq), Some(method), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(NEED);
        };
        Ok(Self {
            rseq: number(rseq).ok_or(NEED)?,
            cseq: number(cseq).ok_or(NEED)?,
            method: Method::parse(method).ok_or(NEED)?,
        })
    }

    /// As it is written.
    #[must_use]
    pub fn to_value(&self) -> Bytes {
        Bytes::from(format!("{} {} {}", self.rseq, self.cseq, self.method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rack_is_two_numbers_and_a_method() {
        let read = RAck::parse(b" 776656  1 INVITE").unwrap();
        assert_eq!((read.rseq, read.cseq), (776_656, 1));
        assert_eq!(read.to_value(), "776656 1 INVITE");
        for bad in [
            b"".as_slice(),
            b"1 INVITE",
            b"1 2 3 4",
            b"99999999999 1 INVITE",
            b"1 2 \xff",
        ] {
            assert!(RAck::parse(bad).is_err());
        }
    }
}
