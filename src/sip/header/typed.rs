//! The typed views of a message's headers. Each is read when it is asked for.

use bytes::Bytes;

use super::token::{number, trim};
use super::{
    CSeq, ContentType, Credentials, HeaderError, Headers, Name, NameAddr, RAck, Reason,
    SessionExpires, Via,
};

type Read<T> = Result<T, HeaderError>;

impl Headers {
    /// The Via stack, the last hop first.
    ///
    /// # Errors
    /// None is there, or one cannot be read.
    pub fn vias(&self) -> Read<Vec<Via>> {
        let vias: Vec<Via> = self
            .list(&Name::Via)
            .map(|value| Via::parse(&value).map_err(bad(&Name::Via)))
            .collect::<Read<_>>()?;
        if vias.is_empty() {
            return Err(missing(&Name::Via));
        }
        Ok(vias)
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub fn top_via(&self) -> Read<Via> {
        let value = self.list(&Name::Via).next().ok_or(missing(&Name::Via))?;
        Via::parse(&value).map_err(bad(&Name::Via))
    }

    /// Puts `via` in place of the topmost one.
    pub fn set_top_via(&mut self, via: &Via) {
        self.replace_first(&Name::Via, via.to_value());
    }

    /// From.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub fn from(&self) -> Read<NameAddr> {
        self.address(&Name::From)
    }

    /// To.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub fn to(&self) -> Read<NameAddr> {
        self.address(&Name::To)
    }

    /// The one address of a header that is no list (From, To, Refer-To).
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub fn address(&self, name: &Name) -> Read<NameAddr> {
        NameAddr::parse(self.require(name)?).map_err(bad(name))
    }

    /// The addresses of a header that is a list (Contact, Route, P-Asserted-Identity).
    ///
    /// # Errors
    /// One cannot be read.
    pub fn addresses(&self, name: &Name) -> Read<Vec<NameAddr>> {
        self.list(name)
            .map(|value| NameAddr::parse(&value).map_err(bad(name)))
            .collect()
    }

    /// Contact; empty when there is none. A `*` is an error here, ask [`Self::contact_is_star`].
    ///
    /// # Errors
    /// One cannot be read.
    pub fn contacts(&self) -> Read<Vec<NameAddr>> {
        self.addresses(&Name::Contact)
    }

    /// Whether Contact is `*` (RFC 3261 10.2.2).
    #[must_use]
    pub fn contact_is_star(&self) -> bool {
        self.all(&Name::Contact).any(|value| trim(value) == b"*")
    }

    /// Record-Route in the order of the message: the route set of the callee, and reversed that of
    /// the caller (RFC 3261 12.1).
    ///
    /// # Errors
    /// One cannot be read.
    pub fn record_routes(&self) -> Read<Vec<NameAddr>> {
        self.addresses(&Name::RecordRoute)
    }

    /// Route.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn routes(&self) -> Read<Vec<NameAddr>> {
        self.addresses(&Name::Route)
    }

    /// CSeq.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub fn cseq(&self) -> Read<CSeq> {
        CSeq::parse(self.require(&Name::CSeq)?).map_err(bad(&Name::CSeq))
    }

    /// Call-ID.
    ///
    /// # Errors
    /// It is not there, is empty or is no UTF-8.
    pub fn call_id(&self) -> Read<&str> {
        match std::str::from_utf8(self.require(&Name::CallId)?) {
            Ok("") | Err(_) => Err(bad(&Name::CallId)("it is empty or no UTF-8")),
            Ok(id) => Ok(id),
        }
    }

    /// Max-Forwards; none when it is not there.
    ///
    /// # Errors
    /// It is no number up to 255.
    pub fn max_forwards(&self) -> Read<Option<u8>> {
        self.number(&Name::MaxForwards)
    }

    /// Expires in seconds; a larger number than fits counts as the largest (RFC 4475 3.1.2.4).
    ///
    /// # Errors
    /// It is no number.
    pub fn expires(&self) -> Read<Option<u32>> {
        self.get(&Name::Expires)
            .map(|value| seconds(value).ok_or(bad(&Name::Expires)("it is no number")))
            .transpose()
    }

    /// Retry-After in seconds, whatever stands behind the number.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.get(&Name::RetryAfter)?;
        let end = value
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(value.len());
        seconds(value.get(..end)?)
    }

    /// RSeq of a provisional response that asks for a PRACK (RFC 3262 7.1); none when there is none
    /// that can be used.
    #[must_use]
    pub fn rseq(&self) -> Option<u32> {
        self.number(&Name::RSeq)
            .ok()
            .flatten()
            .filter(|&rseq| rseq > 0)
    }

    /// RAck (RFC 3262 7.2).
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub fn rack(&self) -> Read<RAck> {
        RAck::parse(self.require(&Name::RAck)?).map_err(bad(&Name::RAck))
    }

    /// Session-Expires (RFC 4028 4); none when it is not there or says nothing.
    #[must_use]
    pub fn session_expires(&self) -> Option<SessionExpires> {
        SessionExpires::parse(self.get(&Name::SessionExpires)?).ok()
    }

    /// Min-SE in seconds (RFC 4028 5), whatever parameters stand behind it.
    #[must_use]
    pub fn min_se(&self) -> Option<u32> {
        let value = SessionExpires::parse(self.get(&Name::MinSe)?).ok()?;
        Some(value.seconds)
    }

    /// Content-Type; none when it is not there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn content_type(&self) -> Read<Option<ContentType>> {
        self.get(&Name::ContentType)
            .map(|value| ContentType::parse(value).map_err(bad(&Name::ContentType)))
            .transpose()
    }

    /// The one Content-Length; none when it is not there. The same value twice is let pass.
    ///
    /// # Errors
    /// It is no number, does not fit, or there are two different ones.
    pub fn content_length(&self) -> Read<Option<usize>> {
        let mut length = None;
        for value in self.all(&Name::ContentLength) {
            let read = number(trim(value))
                .ok_or(bad(&Name::ContentLength)("it is no number, or too large"))?;
            if length.is_some_and(|length| length != read) {
                return Err(bad(&Name::ContentLength)("two different ones"));
            }
            length = Some(read);
        }
        Ok(length)
    }

    /// All readable credentials of Authorization or Proxy-Authorization, or challenges of the
    /// other two; one that cannot be read is as good as none.
    pub fn credentials(&self, name: &Name) -> impl Iterator<Item = Credentials> {
        self.all(name)
            .filter_map(|value| Credentials::parse(value).ok())
    }

    /// All readable reasons.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> {
        self.list(&Name::Reason)
            .filter_map(|value| Reason::parse(&value).ok())
    }

    fn require(&self, name: &Name) -> Read<&Bytes> {
        self.get(name).ok_or(missing(name))
    }

    fn number<T: std::str::FromStr>(&self, name: &Name) -> Read<Option<T>> {
        self.get(name)
            .map(|value| number(trim(value)).ok_or(bad(name)("it is no number, or too large")))
            .transpose()
    }
}

/// Delta-seconds; a number that does not fit is the largest that does.
pub(crate) fn seconds(value: &[u8]) -> Option<u32> {
    let value = trim(value);
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(number(value).unwrap_or(u32::MAX))
}

const fn missing(name: &Name) -> HeaderError {
    HeaderError::Missing(name.label())
}

fn bad(name: &Name) -> impl Fn(&'static str) -> HeaderError + use<> {
    let name = name.label();
    move |why| HeaderError::Bad { name, why }
}
