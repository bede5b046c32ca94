//! Digits by INFO (RFC 6086; the bodies are older than it and belong to no package).
//!
//! INFO is a transaction: what comes twice by the network is answered once more and told once, and
//! two requests are two digits.

use super::Endpoint;
use crate::id::LegId;
use crate::limits;
use crate::sip::flow::Flow;
use crate::sip::header::Name;
use crate::sip::message::Message;
use crate::sip::session::SessionEvent;
use crate::sip::session::state::Phase;
use crate::sip::transaction::table::Key;

/// What the body of an INFO is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Body {
    /// None: a keep-alive of older phones.
    Empty,
    /// One digit.
    Digit(char),
    /// A hook flash, which means nothing here.
    Flash,
}

impl Endpoint {
    /// Takes an INFO of a session.
    pub(super) fn handle_info(&mut self, flow: Flow, key: Key, leg: LegId, request: &Message) {
        let package = Name::from("Info-Package");
        if request.headers.has(&package) {
            // RFC 6086 4.2.2: we take part in no package.
            let none = [(Name::from("Recv-Info"), bytes::Bytes::new())];
            return self.answer(flow, key, leg, request, 469, &none);
        }
        let digit = match read(request) {
            Ok(Body::Digit(digit)) => Some(digit),
            Ok(Body::Empty | Body::Flash) => None,
            Err(415) => {
                let accept = "application/dtmf-relay, application/dtmf";
                let accept = [(Name::Accept, accept.into())];
                return self.answer(flow, key, leg, request, 415, &accept);
            }
            Err(status) => return self.answer(flow, key, leg, request, status, &[]),
        };
        self.answer(flow, key, leg, request, 200, &[]);
        let stands = self
            .sessions
            .get(&leg)
            .is_some_and(|session| matches!(session.phase, Phase::Talking));
        if let (Some(digit), true) = (digit, stands) {
            self.tell_unless_hung_up(leg, SessionEvent::Digit { leg, digit });
        }
    }
}

fn read(request: &Message) -> Result<Body, u16> {
    if request.body.is_empty() {
        return Ok(Body::Empty);
    }
    let kind = request.headers.content_type().map_err(|_| 400_u16)?;
    let kind = kind.ok_or(415_u16)?;
    let relay = kind.is("application", "dtmf-relay");
    if !relay && !kind.is("application", "dtmf") {
        return Err(415);
    }
    if request.body.len() > limits::SIP_INFO_BYTES {
        return Err(413);
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| 400_u16)?;
    // `Signal=5` on a line of its own; some phones write the bare digit whatever the type says.
    let signal = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    });
    let signal = match signal {
        Some(signal) => signal.trim(),
        None if text.contains('=') => return Err(400),
        None => text.trim(),
    };
    named(signal).ok_or(400)
}

/// A digit by its sign, or by the number of its event (RFC 4733 3.2).
fn named(signal: &str) -> Option<Body> {
    let digit = match signal {
        "*" | "10" => '*',
        "#" | "11" => '#',
        "12" => 'A',
        "13" => 'B',
        "14" => 'C',
        "15" => 'D',
        "!" | "16" => return Some(Body::Flash),
        _ => {
            let mut letters = signal.chars();
            let only = letters.next().filter(|_| letters.next().is_none())?;
            let only = only.to_ascii_uppercase();
            matches!(only, '0'..='9' | 'A'..='D').then_some(only)?
        }
    };
    Some(Body::Digit(digit))
}
