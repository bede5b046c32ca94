//! What enters the endpoint, from the first byte to the machine that takes it.

use std::net::IpAddr;

use bytes::Bytes;

use super::{Endpoint, Peers};
use crate::id::TrunkName;
use crate::sip::flow::Flow;
use crate::sip::message::{Message, Method};
use crate::sip::parse::{self, Refusal, Reject};
use crate::sip::session::state::Party;
use crate::sip::transaction::table::Key;
use crate::time::Now;

impl Endpoint {
    /// Takes one datagram, or one framed message of a stream.
    pub fn handle_packet(&mut self, now: Now, flow: Flow, bytes: &[u8]) {
        self.now = now;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let party = self.party(&flow);
        self.streams.note(&flow, party.trunk.as_ref());
        let known = party.trunk.is_some() || party.operator.is_some();
        let mut spread = false;
        if !known {
            let address = flow.peer.ip();
            if self.authority.silences(now.mono, address) {
                self.counters.refused.silenced += 1;
                return;
            }
            if !self.limiter.admit(now.mono, address) {
                self.counters.refused.limited += 1;
                spread = self
                    .config
                    .strangers_trusted
                    .iter()
                    .any(|net| net.contains(address));
                if !spread {
                    return;
                }
            }
        }
        match parse::parse(&Bytes::copy_from_slice(bytes)) {
            Ok(message) => {
                self.counters.count_in(&message);
                if spread {
                    self.spread(&flow, message);
                } else if message.is_request() {
                    self.handle_request(flow, &party, message);
                } else {
                    self.handle_response(flow, &message);
                }
            }
            Err(_) if spread => {}
            Err(Reject::Silence(why)) => {
                self.counters.count_unreadable(0);
                self.note(format!("dropped a packet from {}: {why}", flow.peer));
            }
            Err(Reject::Answer(refusal)) => self.refuse_unreadable(flow, &refusal),
        }
        self.settle();
    }

    /// Who speaks on a flow, as far as its addresses tell.
    pub(super) fn party(&self, flow: &Flow) -> Party {
        Party {
            address: flow.peer.ip().to_canonical(),
            trunk: self.trunk(flow).cloned(),
            operator: self.registrar.user_of(flow).cloned(),
        }
    }

    fn trunk(&self, flow: &Flow) -> Option<&TrunkName> {
        let (address, port) = (flow.peer.ip(), flow.peer.port());
        self.directory
            .trunks
            .iter()
            .find(|trunk| holds(&trunk.peers, address, port))
            .map(|trunk| &trunk.name)
    }

    /// The key of a request's server transaction, which may have been opened under an earlier
    /// directory.
    fn key_of(&self, flow: &Flow, party: &Party, request: &Message) -> Option<Key> {
        let key = server_key(request, party)?;
        if self.former.is_empty() || self.transactions.find(&key).is_some() {
            return Some(key);
        }
        let (address, port) = (flow.peer.ip(), flow.peer.port());
        let mut before = self.former.iter().rev();
        let earlier = before.find_map(|trunk| {
            let party = Party {
                trunk: Some(trunk.name.clone()),
                ..party.clone()
            };
            let key = server_key(request, &party)?;
            let known =
                holds(&trunk.peers, address, port) && self.transactions.find(&key).is_some();
            known.then_some(key)
        });
        Some(earlier.unwrap_or(key))
    }

    /// A request that cannot be read gets its refusal, again and again, without state.
    fn refuse_unreadable(&mut self, flow: Flow, refusal: &Refusal) {
        self.counters.count_unreadable(refusal.status);
        self.note(format!(
            "refused a request from {} with {}: {}",
            flow.peer, refusal.status, refusal.why
        ));
        let tag = self.stateless_tag(&refusal.headers);
        let mut response = refusal.response(&tag);
        response.stamp_via(flow.peer);
        self.transmit(flow, response.to_bytes(), None);
    }

    fn handle_request(&mut self, flow: Flow, party: &Party, mut request: Message) {
        request.stamp_via(flow.peer);
        let Some(key) = self.key_of(&flow, party, &request) else {
            return;
        };
        match request.method() {
            Some(Method::Ack) => return self.handle_ack(party, &key, &request),
            Some(Method::Cancel) => return self.handle_cancel(flow, &key, &request),
            Some(_) | None => {}
        }
        if let Some((id, _)) = self.transactions.find(&key) {
            return self.transactions.handle_repetition(self.now.mono, id);
        }
        if self.refuse_early(&flow, &request) {
            return;
        }
        let in_dialog = request.headers.to().is_ok_and(|to| to.tag().is_some());
        if !in_dialog && self.loops(&request) {
            return self.refuse(&flow, &request, 482, &[]);
        }
        match request.method() {
            Some(Method::Register) => self.handle_register(flow, &request),
            Some(Method::Subscribe) => self.handle_subscribe(flow, key, &request, in_dialog),
            Some(_) if in_dialog => self.handle_in_dialog(flow, party, key, request),
            Some(Method::Invite) => self.handle_invite(flow, party, key, request),
            Some(Method::Options) => self.answer_options(&flow, &request),
            // RFC 3515 2.4.2: nobody is sent anywhere but from inside a dialog of ours.
            Some(Method::Refer) => self.refuse(&flow, &request, 403, &[]),
            Some(_) | None => self.refuse(&flow, &request, 481, &[]),
        }
    }
}

fn holds(peers: &Peers, address: IpAddr, port: u16) -> bool {
    let mut peers = peers.iter();
    peers.any(|(net, only)| net.contains(address) && only.is_none_or(|only| only == port))
}

/// The key of a request's server transaction (RFC 3261 17.2.3). Where there is no unique branch,
/// what RFC 2543 compared stands for one; the To tag is left out, as an ACK has ours there. An ACK and a
/// CANCEL are known by the INVITE they belong to.
pub(super) fn server_key(request: &Message, party: &Party) -> Option<Key> {
    let headers = &request.headers;
    let via = headers.top_via().ok()?;
    let method = match request.method()?.as_str() {
        "ACK" | "CANCEL" => "INVITE",
        other => other,
    };
    let branch = match via.unique_branch() {
        Some(branch) => branch.to_owned(),
        None => {
            let from = headers.from().ok()?;
            format!(
                "{} {} {} {} {}",
                headers.call_id().ok()?,
                headers.cseq().ok()?.number,
                from.tag().unwrap_or_default(),
                request.uri()?.as_str(),
                via.branch().unwrap_or_default(),
            )
        }
    };
    let sender = match &party.trunk {
        Some(trunk) => format!("{} trunk {trunk}", via.sent_by()),
        None => format!("{} {}", via.sent_by(), party.address),
    };
    Some(Key::Server {
        branch,
        sender,
        method: method.to_owned(),
    })
}
