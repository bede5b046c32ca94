//! A SIP message as a value: a first line, header fields, a body.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use super::header::token::is_token;
use super::header::{Headers, Name};
use super::multipart;
use super::uri::Uri;

/// The method of a request; methods are told apart by case (RFC 3261 7.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Method {
    /// `INVITE`.
    Invite,
    /// `ACK`.
    Ack,
    /// `BYE`.
    Bye,
    /// `CANCEL`.
    Cancel,
    /// `REGISTER`.
    Register,
    /// `OPTIONS`.
    Options,
    /// `INFO` (RFC 6086).
    Info,
    /// `PRACK` (RFC 3262).
    Prack,
    /// `UPDATE` (RFC 3311).
    Update,
    /// `SUBSCRIBE` (RFC 6665).
    Subscribe,
    /// `NOTIFY` (RFC 6665).
    Notify,
    /// `REFER` (RFC 3515).
    Refer,
    /// `MESSAGE` (RFC 3428).
    Message,
    /// `PUBLISH` (RFC 3903).
    Publish,
    /// Any other token.
    Other(Box<str>),
}

impl Method {
    /// Reads a method; none when it is no token.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"INFO" => Self::Info,
            b"PRACK" => Self::Prack,
            b"UPDATE" => Self::Update,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"REFER" => Self::Refer,
            b"MESSAGE" => Self::Message,
            b"PUBLISH" => Self::Publish,
            other if is_token(other) => Self::Other(std::str::from_utf8(other).ok()?.into()),
            _ => return None,
        })
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Refer => "REFER",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Other(other) => other,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The first line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartLine {
    /// Of a request.
    Request {
        /// What is asked.
        method: Method,
        /// Of whom.
        uri: Uri,
    },
    /// Of a response.
    Response {
        /// 100 to 699.
        status: u16,
        /// Words for people, as they came.
        reason: Bytes,
    },
}

/// A SIP message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The first line.
    pub start: StartLine,
    /// The header fields; Content-Length is written from the body, whatever stands here.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl Message {
    /// A request without any header yet.
    #[must_use]
    pub fn request(method: Method, uri: Uri) -> Self {
        Self {
            start: StartLine::Request { method, uri },
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// A response without any header yet, with the usual reason phrase.
    #[must_use]
    pub fn response(status: u16) -> Self {
        Self {
            start: StartLine::Response {
                status,
                reason: Bytes::from_static(super::status::phrase(status).as_bytes()),
            },
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// A response to `request` (RFC 3261 8.2.6): Via, From, To, Call-ID, CSeq as they came, with
    /// Record-Route where it makes a dialog (12.1.1). What the request lacks, the response lacks.
    #[must_use]
    pub fn response_to(request: &Self, status: u16) -> Self {
        let makes_dialog = match request.method() {
            Some(Method::Invite | Method::Subscribe | Method::Refer) => {
                (101..300).contains(&status)
            }
            Some(_) | None => false,
        };
        let mut response = Self::response(status);
        response.headers = copy_for_response(&request.headers, status, makes_dialog);
        response
    }

    /// The method of a request.
    #[must_use]
    pub const fn method(&self) -> Option<&Method> {
        match &self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The URI of a request.
    #[must_use]
    pub const fn uri(&self) -> Option<&Uri> {
        match &self.start {
            StartLine::Request { uri, .. } => Some(uri),
            StartLine::Response { .. } => None,
        }
    }

    /// The status of a response.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match &self.start {
            StartLine::Response { status, .. } => Some(*status),
            StartLine::Request { .. } => None,
        }
    }

    /// Whether it is a request.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// Other words in place of the usual reason phrase; nothing on a request.
    #[must_use]
    pub fn with_reason(mut self, words: &'static str) -> Self {
        match &mut self.start {
            StartLine::Response { reason, .. } => *reason = Bytes::from_static(words.as_bytes()),
            StartLine::Request { .. } => {}
        }
        self
    }

    /// Gives To a tag where it has none; nothing where To cannot be read.
    pub fn set_to_tag(&mut self, tag: &str) {
        if let Ok(to) = self.headers.to()
            && to.tag().is_none()
        {
            let to = to.with_param("tag", Some(tag)).to_value();
            self.headers.set(Name::To, to);
        }
    }

    /// Notes on the topmost Via where the request came from (RFC 3261 18.2.1, RFC 3581).
    pub fn stamp_via(&mut self, source: SocketAddr) {
        if let Ok(mut via) = self.headers.top_via() {
            via.stamp(source);
            self.headers.set_top_via(&via);
        }
    }

    /// Sets a body and its type.
    pub fn set_body(&mut self, content_type: &'static str, body: Bytes) {
        self.headers.set(Name::ContentType, content_type);
        self.body = body;
    }

    /// The body when it is SDP, or the part of it that is.
    #[must_use]
    pub fn sdp(&self) -> Option<Bytes> {
        let kind = self.headers.content_type().ok().flatten()?;
        if kind.is_sdp() {
            return (!self.body.is_empty()).then(|| self.body.clone());
        }
        let boundary = kind.params.unquoted("boundary")?;
        kind.is_multipart()
            .then(|| multipart::sdp_part(&self.body, &boundary))?
    }
}

/// The fields of a response that come from its request, each single-valued one once.
pub(crate) fn copy_for_response(request: &Headers, status: u16, makes_dialog: bool) -> Headers {
    let mut headers = Headers::new();
    for field in request.iter() {
        let name = &field.name;
        let every = *name == Name::Via
            || makes_dialog && *name == Name::RecordRoute
            || status == 100 && *name == Name::Timestamp;
        let once =
            [Name::From, Name::To, Name::CallId, Name::CSeq].contains(name) && !headers.has(name);
        if every || once {
            headers.push(name.clone(), field.value.clone());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::parse::parse;

    fn invite() -> Message {
        parse(&Bytes::from_static(
            b"INVITE sip:c@d SIP/2.0\r\n\
              v: SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bKa, SIP/2.0/UDP h;branch=z9hG4bKb\r\n\
              Record-Route: <sip:p;lr>\r\nTimestamp: 54\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\n\
              i: x\r\nCSeq: 7 INVITE\r\nSubject: y\r\n\r\n",
        ))
        .unwrap()
    }

    #[test]
    fn a_response_has_what_its_request_had() {
        let mut request = invite();
        request.stamp_via("203.0.113.7:40000".parse().unwrap());
        let mut response = Message::response_to(&request, 180);
        response.set_to_tag("ours");
        assert_eq!(
            response.to_bytes(),
            "SIP/2.0 180 Ringing\r\n\
             Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport=40000;received=203.0.113.7\r\n\
             Via: SIP/2.0/UDP h;branch=z9hG4bKb\r\nRecord-Route: <sip:p;lr>\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=ours\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n\
             Content-Length: 0\r\n\r\n"
        );
        response.set_to_tag("other");
        assert_eq!(response.headers.to().unwrap().tag(), Some("ours"));
    }

    #[test]
    fn only_what_makes_a_dialog_records_the_route_and_only_100_the_time() {
        let has = |status, name: &Name| Message::response_to(&invite(), status).headers.has(name);
        assert!(has(200, &Name::RecordRoute) && !has(200, &Name::Timestamp));
        assert!(!has(100, &Name::RecordRoute) && has(100, &Name::Timestamp));
        assert!(!has(486, &Name::RecordRoute));
    }

    #[test]
    fn a_response_to_next_to_nothing_is_next_to_nothing() {
        let request = Message::request(Method::Options, Uri::parse("sip:a@b").unwrap());
        let mut response = Message::response_to(&request, 400);
        response.set_to_tag("t");
        assert!(response.headers.is_empty());
    }

    #[test]
    fn only_an_sdp_body_is_sdp() {
        let mut message = Message::response(200);
        message.set_body("application/sdp", Bytes::from_static(b"v=0\r\n"));
        assert!(message.sdp().is_some());
        message.headers.set(Name::ContentType, "text/plain");
        assert!(message.sdp().is_none());
    }
}
