//! From bytes to a message: representation first, verdict second.
//!
//! The first pass cuts a message into its parts and keeps everything, however bad; the second says
//! whether it may be used. So a request that must be refused still has the fields its refusal needs,
//! and what cannot be answered (a bad response, a bad ACK, noise) ends in silence.

use std::ops::Range;

use bytes::Bytes;

use super::header::token::{is_space, is_token, number, split, split_once, trim};
use super::header::{CSeq, Field, Headers, Name, NameAddr, Via};
use super::message::{Message, Method, StartLine, copy_for_response};
use super::uri::{Scheme, Uri};
use crate::limits;

/// Bytes that are no message we may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reject {
    /// A request that is answered with a refusal.
    Answer(Box<Refusal>),
    /// Dropped, for the reason given: a response, an ACK, or nothing that looks like SIP.
    Silence(&'static str),
}

/// What the answer to a bad request needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// 400, 413, 416 or 505.
    pub status: u16,
    /// What is wrong, in ASCII words for the log and the reason phrase.
    pub why: &'static str,
    /// The method, where it is one.
    pub method: Option<Method>,
    /// The header fields that could be cut out.
    pub headers: Headers,
}

impl Refusal {
    /// The answer, with `tag` on To where it has none.
    #[must_use]
    pub fn response(&self, tag: &str) -> Message {
        let mut response = Message::response(self.status).with_reason(self.why);
        response.headers = copy_for_response(&self.headers, self.status, false);
        response.set_to_tag(tag);
        response
    }
}

/// A status and its reason.
type Fault = (u16, &'static str);

/// A message cut into its parts.
struct Draft {
    start: Result<StartLine, Fault>,
    /// The method, even when the rest of the first line is bad.
    method: Option<Method>,
    headers: Headers,
    body: Bytes,
    /// What was wrong with the form of the fields.
    fault: Option<Fault>,
}

/// Reads one message: a datagram, or what [`super::framing::Framer`] cut out of a stream. Bytes
/// behind Content-Length are left out (RFC 3261 18.3); line breaks before the message too.
///
/// # Errors
/// How it is refused.
pub fn parse(bytes: &Bytes) -> Result<Message, Reject> {
    judge(Draft::cut(bytes)?)
}

/// The header fields of a head without its first line's meaning, for the framing of streams.
///
/// # Errors
/// How it is refused.
pub(crate) fn head_length(head: &Bytes) -> Result<Option<usize>, Reject> {
    let draft = Draft::cut(head)?;
    match (draft.fault, draft.headers.content_length()) {
        (None, Ok(length)) => Ok(length),
        (Some(fault), _) => Err(refuse(draft, fault)),
        (None, Err(_)) => Err(refuse(draft, BAD_LENGTH)),
    }
}

/// Turns the head of a stream's message into a refusal.
pub(crate) fn refuse_head(head: &Bytes, status: u16, why: &'static str) -> Reject {
    match Draft::cut(head) {
        Ok(draft) => refuse(draft, (status, why)),
        Err(reject) => reject,
    }
}

const BAD_LENGTH: Fault = (
    400,
    "Content-Length is no number, too large, or there are two",
);

impl Draft {
    fn cut(bytes: &Bytes) -> Result<Self, Reject> {
        let mut lines = Lines::new(bytes);
        let first = lines
            .by_ref()
            .find(|line| !line.is_empty())
            .ok_or(Reject::Silence("no message"))?;
        let first = bytes.slice(first);
        let (start, method) = read_start(&first)?;
        let mut draft = Self {
            start,
            method,
            headers: Headers::new(),
            body: Bytes::new(),
            fault: None,
        };
        draft.cut_fields(bytes, &mut lines);
        if lines.bare_return {
            draft.blame((400, "a carriage return stands inside a line"));
        }
        draft.body = bytes.slice(lines.at.min(bytes.len())..);
        if bytes.len() > limits::SIP_MESSAGE_BYTES {
            draft.blame((413, "the message is too large"));
        }
        Ok(draft)
    }

    fn cut_fields(&mut self, bytes: &Bytes, lines: &mut Lines<'_>) {
        let mut open: Option<(Range<usize>, bool)> = None;
        loop {
            let Some(line) = lines.next() else {
                self.blame((400, "no empty line ends the header fields"));
                break;
            };
            let text = bytes.get(line.clone()).unwrap_or_default();
            if text.first().is_some_and(|&byte| is_space(byte)) {
                match &mut open {
                    Some((field, folded)) => (field.end, *folded) = (line.end, true),
                    None => self.blame((400, "the first line is folded")),
                }
                continue;
            }
            if let Some((field, folded)) = open.take() {
                self.keep(bytes, field, folded);
            }
            if text.is_empty() {
                break;
            }
            if self.headers.len() >= limits::SIP_HEADERS {
                self.blame((400, "too many header fields"));
                break;
            }
            if line.end > limits::SIP_HEAD_BYTES {
                self.blame((413, "the header fields are too large"));
                break;
            }
            open = Some((line, false));
        }
        if let Some((field, folded)) = open {
            self.keep(bytes, field, folded);
        }
    }

    /// Keeps a field; `folded` ones are joined by one space (RFC 3261 7.3.1).
    fn keep(&mut self, bytes: &Bytes, field: Range<usize>, folded: bool) {
        let field = bytes.get(field).unwrap_or_default();
        let Some((name, value)) = split_once(field, b':') else {
            return self.blame((400, "a header field has no colon"));
        };
        let name = trim(name);
        if !is_token(name) {
            return self.blame((400, "the name of a header field is no token"));
        }
        let name = Name::parse(bytes, name);
        let value = trim(value);
        if folded {
            self.headers.push(name, unfold(value));
        } else {
            self.headers.push(name, bytes.slice_ref(value));
        }
    }

    fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

fn unfold(value: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(value.len());
    for line in value.split(|&byte| byte == b'\n').map(trim) {
        if !joined.is_empty() && !line.is_empty() {
            joined.push(b' ');
        }
        joined.extend_from_slice(line);
    }
    joined
}

/// The lines of a message, by their place; LF alone ends one too.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// A CR without its LF stood in a line given out.
    bare_return: bool,
}

impl<'a> Lines<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            bare_return: false,
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let start = self.at;
        let mut carriage = None;
        for (len, &byte) in rest.iter().enumerate() {
            if byte == b'\n' {
                self.at = start + len + 1;
                let end = carriage.filter(|&at| at + 1 == len).unwrap_or(len);
                self.bare_return |= carriage.is_some_and(|at| at + 1 != len);
                return Some(start..start + end);
            }
            if byte == b'\r' {
                self.bare_return |= carriage.is_some();
                carriage = Some(len);
            }
        }
        self.at = self.bytes.len();
        self.bare_return |= carriage.is_some();
        Some(start..self.at)
    }
}

type Start = (Result<StartLine, Fault>, Option<Method>);

fn read_start(line: &Bytes) -> Result<Start, Reject> {
    if is_version(line.get(..4).unwrap_or_default()) {
        return read_status_line(line).map(|start| (Ok(start), None));
    }
    // Whatever ends in a version was meant as a request and is worth an answer.
    let last = trim(line)
        .rsplit(|&byte| byte == b' ')
        .next()
        .unwrap_or_default();
    if !is_version(last) {
        return Err(Reject::Silence("no SIP message"));
    }
    let method = line
        .split(|&byte| byte == b' ')
        .next()
        .and_then(Method::parse);
    Ok((read_request_line(line, method.clone()), method))
}

fn is_version(text: &[u8]) -> bool {
    text.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
}

fn read_status_line(line: &Bytes) -> Result<StartLine, Reject> {
    let (version, rest) = split_once(line, b' ').unwrap_or((line, b""));
    let (code, reason) = split_once(rest, b' ').unwrap_or((rest, b""));
    let status = number(code).filter(|status| (100..700).contains(status));
    match status {
        Some(status) if version.eq_ignore_ascii_case(b"SIP/2.0") && code.len() == 3 => {
            Ok(StartLine::Response {
                status,
                reason: line.slice_ref(reason),
            })
        }
        Some(_) | None => Err(Reject::Silence("a response with a bad first line")),
    }
}

fn read_request_line(line: &[u8], method: Option<Method>) -> Result<StartLine, Fault> {
    let bad = |why| (400, why);
    let method = method.ok_or(bad("the method is no token"))?;
    let (_, rest) = split_once(line, b' ').ok_or(bad("the first line has no URI"))?;
    let gap = rest
        .iter()
        .rposition(|&byte| byte == b' ')
        .ok_or(bad("the first line has no URI"))?;
    let (uri, version) = rest
        .split_at_checked(gap)
        .ok_or(bad("the first line has no URI"))?;
    let version = trim(version);
    if !is_version(version) {
        return Err(bad("white space ends the first line"));
    }
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Err((505, super::status::phrase(505)));
    }
    if uri.iter().any(|&byte| is_space(byte)) {
        return Err(bad("white space stands in the request URI"));
    }
    if uri.first() == Some(&b'<') {
        return Err(bad("brackets stand around the request URI"));
    }
    let uri = std::str::from_utf8(uri).map_err(|_| bad("the request URI is no UTF-8"))?;
    let uri = Uri::parse(uri).map_err(|_| bad("the request URI cannot be read"))?;
    match uri.scheme() {
        Scheme::Other => Err((416, super::status::phrase(416))),
        Scheme::Sip | Scheme::Sips | Scheme::Tel => Ok(StartLine::Request { method, uri }),
    }
}

fn judge(mut draft: Draft) -> Result<Message, Reject> {
    let start = match &draft.start {
        Ok(start) => start.clone(),
        Err(fault) => {
            let fault = *fault;
            return Err(refuse(draft, fault));
        }
    };
    if let Some(fault) = draft.fault {
        return Err(refuse(draft, fault));
    }
    if let Err(why) = check_fields(&draft.headers, draft.method.as_ref()) {
        return Err(refuse(draft, (400, why)));
    }
    match draft.headers.content_length() {
        Err(_) => return Err(refuse(draft, BAD_LENGTH)),
        Ok(Some(length)) if length > draft.body.len() => {
            return Err(refuse(draft, (400, "Content-Length exceeds the body")));
        }
        Ok(Some(length)) => draft.body.truncate(length),
        Ok(None) => {}
    }
    Ok(Message {
        start,
        headers: draft.headers,
        body: draft.body,
    })
}

fn refuse(draft: Draft, (status, why): Fault) -> Reject {
    let is_response = matches!(draft.start, Ok(StartLine::Response { .. }));
    if is_response || draft.method == Some(Method::Ack) || !draft.headers.has(&Name::Via) {
        return Reject::Silence(why);
    }
    Reject::Answer(Box::new(Refusal {
        status,
        why,
        method: draft.method,
        headers: draft.headers,
    }))
}

/// Which fields that may stand once have been met (RFC 3261 7.3.1): two of them leave open which one
/// is meant.
#[derive(Default)]
struct Met {
    via: bool,
    from: bool,
    to: bool,
    call_id: bool,
    cseq: bool,
    max_forwards: bool,
    content_type: bool,
    expires: bool,
}

/// The fields that every message needs, and those that routing and dialogs rest upon
/// (RFC 3261 8.1.1). Others are read when somebody wants them.
fn check_fields(headers: &Headers, method: Option<&Method>) -> Result<(), &'static str> {
    let mut met = Met::default();
    for field in headers.iter() {
        check_field(field, method, &mut met)?;
    }
    for (met, missing) in [
        (met.via, "Via is missing"),
        (met.from, "From is missing"),
        (met.to, "To is missing"),
        (met.call_id, "Call-ID is missing"),
        (met.cseq, "CSeq is missing"),
    ] {
        if !met {
            return Err(missing);
        }
    }
    Ok(())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other field is read when somebody wants it"
)]
fn check_field(field: &Field, method: Option<&Method>, met: &mut Met) -> Result<(), &'static str> {
    let value = &field.value;
    match field.name {
        Name::Via => {
            // A Via without a hop would stand before the one that takes the answer back.
            if elements(value).next().is_none() {
                return Err("a Via is empty");
            }
            elements(value)
                .try_for_each(Via::check)
                .map_err(|_| "a Via cannot be read")?;
            met.via = true;
        }
        Name::From => {
            once(&mut met.from, "From stands twice")?;
            NameAddr::check(value).map_err(|_| "From cannot be read")?;
        }
        Name::To => {
            once(&mut met.to, "To stands twice")?;
            NameAddr::check(value).map_err(|_| "To cannot be read")?;
        }
        Name::CallId => {
            once(&mut met.call_id, "Call-ID stands twice")?;
            if value.is_empty() || std::str::from_utf8(value).is_err() {
                return Err("Call-ID is empty or no UTF-8");
            }
        }
        Name::CSeq => {
            once(&mut met.cseq, "CSeq stands twice")?;
            let cseq = CSeq::parse(value).map_err(|_| "CSeq cannot be read")?;
            if method.is_some_and(|method| *method != cseq.method) {
                return Err("CSeq names another method");
            }
        }
        Name::MaxForwards => {
            once(&mut met.max_forwards, "Max-Forwards stands twice")?;
            number::<u8>(value).ok_or("Max-Forwards is no number up to 255")?;
        }
        Name::ContentType => once(&mut met.content_type, "Content-Type stands twice")?,
        Name::Expires => once(&mut met.expires, "Expires stands twice")?,
        Name::Contact if value == b"*".as_slice() => {}
        Name::Contact => check_addresses(value, "a Contact cannot be read")?,
        Name::Route => check_addresses(value, "a Route cannot be read")?,
        Name::RecordRoute => check_addresses(value, "a Record-Route cannot be read")?,
        _ => {}
    }
    Ok(())
}

fn once(met: &mut bool, twice: &'static str) -> Result<(), &'static str> {
    if std::mem::replace(met, true) {
        return Err(twice);
    }
    Ok(())
}

fn check_addresses(value: &[u8], bad: &'static str) -> Result<(), &'static str> {
    elements(value).try_for_each(|address| NameAddr::check(address).map_err(|_| bad))
}

fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(value, b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n";

    fn read(text: &str) -> Result<Message, Reject> {
        parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn status(text: &str) -> u16 {
        match read(text) {
            Err(Reject::Answer(refusal)) => refusal.status,
            other => panic!("no refusal but {other:?}"),
        }
    }

    fn is_dropped(text: &str) -> bool {
        matches!(read(text), Err(Reject::Silence(_)))
    }

    #[test]
    fn lines_may_end_in_lf_and_begin_late() {
        let text = format!("\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n{HEAD}CSeq: 1 OPTIONS\r\n\r\nbody");
        let crlf = read(&text).unwrap();
        let lf = read(&text.replace("\r\n", "\n")).unwrap();
        assert_eq!(crlf, lf);
        assert_eq!(crlf.body, "body");
    }

    #[test]
    fn an_unknown_method_is_a_method_and_case_tells() {
        let lower = read(&format!(
            "invite sip:a@b sip/2.0\r\n{HEAD}CSeq: 1 invite\r\n\r\n"
        ));
        assert_eq!(
            lower.unwrap().method(),
            Some(&Method::Other("invite".into()))
        );
        let mixed = format!("invite sip:a@b SIP/2.0\r\n{HEAD}CSeq: 1 INVITE\r\n\r\n");
        assert_eq!(status(&mixed), 400);
    }

    #[test]
    fn what_cannot_be_answered_is_dropped() {
        for text in [
            String::new(),
            "\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\n\r\n".to_owned(),
            "SIP/2.0 99 Low\r\n\r\n".to_owned(),
            "SIP/2.0 700 High\r\n\r\n".to_owned(),
            "SIP/2.0 0200 Odd\r\n\r\n".to_owned(),
            "SIP/3.0 200 OK\r\n\r\n".to_owned(),
            "OPTIONS sip:a@b SIP/2.0\r\nTo: <sip:c@d>\r\n\r\n".to_owned(),
            format!("ACK sip:a@b SIP/2.0\r\n{HEAD}CSeq: 1 INVITE\r\n\r\n"),
            format!("SIP/2.0 200 OK\r\n{HEAD}CSeq: x INVITE\r\n\r\n"),
            format!("SIP/2.0 200 OK\r\n{HEAD}CSeq: 1 INVITE\r\nl: 9\r\n\r\n"),
        ] {
            assert!(is_dropped(&text), "{text}");
        }
    }

    #[test]
    fn bounds_end_in_a_refusal() {
        let long = |fields: String| {
            format!("OPTIONS sip:a@b SIP/2.0\r\n{HEAD}CSeq: 1 OPTIONS\r\n{fields}\r\n")
        };
        assert_eq!(status(&long("X: y\r\n".repeat(limits::SIP_HEADERS))), 400);
        let wide = format!("X: {}\r\n", "y".repeat(limits::SIP_HEAD_BYTES));
        assert_eq!(status(&long(wide)), 413);
        let body = "y".repeat(limits::SIP_MESSAGE_BYTES);
        assert_eq!(status(&(long(String::new()) + &body)), 413);
        let folds = format!("X: y\r\n{}", " z\r\n".repeat(5_000));
        assert!(read(&long(folds)).is_ok());
    }

    #[test]
    fn a_head_that_is_cut_off_is_refused() {
        assert_eq!(
            status(&format!(
                "OPTIONS sip:a@b SIP/2.0\r\n{HEAD}CSeq: 1 OPTIONS\r\n"
            )),
            400
        );
        assert_eq!(
            status(&format!("OPTIONS sip:a@b SIP/2.0\r\n{HEAD}CSeq 1\r\n\r\n")),
            400
        );
        assert_eq!(
            status(&format!("OPTIONS sip:a@b SIP/2.0\r\n folded\r\n{HEAD}\r\n")),
            400
        );
        assert_eq!(
            status(&format!(
                "OPTIONS sip:a@b SIP/2.0\r\nVia:\r\n{HEAD}CSeq: 1 OPTIONS\r\n\r\n"
            )),
            400
        );
    }

    #[test]
    fn bytes_that_are_no_utf8_survive() {
        let mut bytes =
            format!("OPTIONS sip:a@b SIP/2.0\r\n{HEAD}CSeq: 1 OPTIONS\r\nSubject: ").into_bytes();
        bytes.extend_from_slice(
            b"\xce\xeb\xe5\xed\xe0\r\nContact: \"\xce\xeb\xe5\xed\xe0\" <sip:o@h>\r\nContent-Length: 0\r\n\r\n",
        );
        let message = parse(&Bytes::from(bytes)).unwrap();
        let subject = message.headers.get(&Name::Subject).unwrap();
        assert_eq!(subject.as_ref(), b"\xce\xeb\xe5\xed\xe0");
        assert_eq!(message.headers.contacts().unwrap()[0].uri.user(), Some("o"));
        assert_eq!(parse(&message.to_bytes()), Ok(message));
    }
}
