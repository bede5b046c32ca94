//! Requests that are answered and forgotten (RFC 3261 8.2.7): refusals, challenges, OPTIONS. Where
//! state would be a weapon in a stranger's hand there is none; a repetition gets the same answer.

use bytes::Bytes;

use super::Endpoint;
use super::egress::{ALLOW, SDP};
use crate::sip::auth::{Claim, Verdict};
use crate::sip::flow::Flow;
use crate::sip::header::{ContentType, Headers, Name};
use crate::sip::message::{Message, Method};
use crate::sip::subscription::Package;

/// Header fields that go with a refusal.
pub(super) type Extra = (Name, Bytes);

/// Seconds after which to try again, where we have no room.
pub(super) const RETRY_AFTER: &str = "10";

impl Endpoint {
    /// The tag of an answer that leaves no state: the same each time the request comes.
    pub(super) fn stateless_tag(&self, headers: &Headers) -> String {
        let value = |name: &Name| headers.get(name).map(Bytes::as_ref).unwrap_or_default();
        let parts = [value(&Name::CallId), value(&Name::From), value(&Name::CSeq)];
        format!("{:016x}", self.secret.sign(&parts) >> 64)
    }

    /// Answers a request and forgets it.
    pub(super) fn refuse(&mut self, flow: &Flow, request: &Message, status: u16, extra: &[Extra]) {
        let mut response = Message::response_to(request, status);
        response.set_to_tag(&self.stateless_tag(&request.headers));
        for (name, value) in extra {
            response.headers.push(name.clone(), value.clone());
        }
        self.transmit(*flow, response.to_bytes(), None);
    }

    /// Refuses what no state is needed to refuse (RFC 3261 8.2.1 to 8.2.3); true when it did.
    pub(super) fn refuse_early(&mut self, flow: &Flow, request: &Message) -> bool {
        let Some((status, extra)) = objection(request) else {
            return false;
        };
        self.refuse(flow, request, status, &extra);
        true
    }

    /// Says what we can do.
    pub(super) fn answer_options(&mut self, flow: &Flow, request: &Message) {
        self.refuse(flow, request, 200, &abilities());
    }

    /// Phones that all come back after a power cut are asked to come one by one.
    pub(super) fn spread(&mut self, flow: &Flow, mut message: Message) {
        if message.method() != Some(&Method::Register) {
            return;
        }
        message.stamp_via(flow.peer);
        let wait = (5 + self.rng.below(55)).to_string();
        self.refuse(flow, &message, 503, &[(Name::RetryAfter, wait.into())]);
    }

    /// Judges a request's digest.
    pub(super) fn authenticate(&mut self, flow: &Flow, request: &Message, field: &Name) -> Verdict {
        let credentials = self.authority.choose(request.headers.credentials(field));
        let value = |name: &Name| {
            request
                .headers
                .get(name)
                .map(Bytes::as_ref)
                .unwrap_or_default()
        };
        let via = request.headers.top_via().ok();
        let branch = via
            .as_ref()
            .and_then(|via| via.branch())
            .unwrap_or_default();
        let claim = Claim {
            credentials: credentials.as_ref(),
            method: request.method().map(Method::as_str).unwrap_or_default(),
            uri: request.uri().map(|uri| uri.as_str()).unwrap_or_default(),
            request: [value(&Name::CallId), value(&Name::CSeq), branch.as_bytes()],
            address: flow.peer.ip(),
        };
        let verdict = self
            .authority
            .verify(self.now.mono, &self.directory.users, &claim);
        if let Verdict::Challenged { failed: true, .. } = verdict {
            self.counters.refused.auth += 1;
            self.note(format!("a digest from {} failed", flow.peer));
        }
        verdict
    }

    /// Asks for a digest: 401 of a registrar, 407 of everything else here.
    pub(super) fn challenge(&mut self, flow: &Flow, request: &Message, status: u16, stale: bool) {
        let name = if status == 401 {
            Name::WwwAuthenticate
        } else {
            Name::ProxyAuthenticate
        };
        let extra: Vec<Extra> = self
            .authority
            .challenges(self.now.mono, &mut self.rng, stale)
            .into_iter()
            .map(|value| (name.clone(), Bytes::from(value)))
            .collect();
        self.refuse(flow, request, status, &extra);
    }
}

/// The extensions a request may require (RFC 3891, RFC 4488, RFC 3327, RFC 4028). RFC 3262's is a matter
/// of the session.
pub(super) const SUPPORTED: [&str; 4] = ["replaces", "norefersub", "path", "timer"];

/// What an answer to OPTIONS lists.
pub(super) fn abilities() -> [Extra; 4] {
    [
        (Name::Allow, Bytes::from_static(ALLOW.as_bytes())),
        (Name::Accept, Bytes::from_static(SDP.as_bytes())),
        (
            Name::AllowEvents,
            Bytes::from_static(Package::ALL.as_bytes()),
        ),
        (Name::Supported, (SUPPORTED.join(", ") + ", 100rel").into()),
    ]
}

/// What is wrong with a request whoever sent it, before anything is looked up.
fn objection(request: &Message) -> Option<(u16, Vec<Extra>)> {
    let allow = || vec![(Name::Allow, Bytes::from_static(ALLOW.as_bytes()))];
    let headers = &request.headers;
    let method = request.method()?;
    match method {
        Method::Other(_) => return Some((501, allow())),
        // RFC 6665 4.1.3: we watch nothing.
        Method::Notify => return Some((481, Vec::new())),
        Method::Message | Method::Publish => {
            return Some((405, allow()));
        }
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Register
        | Method::Options
        | Method::Info
        | Method::Refer
        | Method::Subscribe
        | Method::Prack
        | Method::Update => {}
    }
    let unknown: Vec<Bytes> = [Name::Require, Name::ProxyRequire]
        .iter()
        .flat_map(|name| headers.list(name))
        .filter(|option| {
            let known = |known: &&str| option.eq_ignore_ascii_case(known.as_bytes());
            !SUPPORTED.iter().any(known) && !known(&"100rel")
        })
        .collect();
    if !unknown.is_empty() {
        let list = unknown.join(&b", "[..]);
        return Some((420, vec![(Name::Unsupported, list.into())]));
    }
    if !matches!(method, Method::Invite | Method::Update | Method::Prack) {
        return None;
    }
    if headers.max_forwards() == Ok(Some(0)) {
        return Some((483, Vec::new()));
    }
    let accept = || vec![(Name::Accept, Bytes::from_static(SDP.as_bytes()))];
    let encoded = headers
        .get(&Name::ContentEncoding)
        .is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity"));
    if !request.body.is_empty() && (encoded || request.sdp().is_none()) {
        return Some((415, accept()));
    }
    let takes_sdp = !headers.has(&Name::Accept)
        || headers.list(&Name::Accept).any(|range| {
            ContentType::parse(&range).is_ok_and(|range| range.takes("application", "sdp"))
        });
    (!takes_sdp).then(|| (406, accept()))
}
