//! What leaves the endpoint: requests with a Via of ours, responses, events, wake-ups.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;

use super::{Endpoint, EndpointEvent, HoldId, Transmit};
use crate::id::LegId;
use crate::sip::flow::{Flow, Transport};
use crate::sip::header::{Name, NameAddr, Reason, Via};
use crate::sip::message::{Message, Method};
use crate::sip::registrar::Change;
use crate::sip::session::sent::Errand;
use crate::sip::session::{Cause, SessionEvent};
use crate::sip::transaction::table::{Key, Owner, TransactionId};
use crate::sip::uri::Uri;
use crate::time::Wakeup;

/// The methods we take, for Allow.
pub(super) const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REGISTER, REFER, SUBSCRIBE";
/// The type of the one kind of body we understand.
pub(super) const SDP: &str = "application/sdp";

/// Under this address the lines about all others are counted.
const EVERYBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Endpoint {
    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        [
            (self.transactions.poll_timeout(), "a SIP transaction"),
            (self.timers.next(), "a SIP session"),
            (self.registrar.poll_timeout(), "a binding lapses"),
        ]
        .into_iter()
        .filter_map(|(at, why)| at.map(|at| Wakeup { at, why }))
        .min_by_key(|wakeup| wakeup.at)
    }

    pub(super) fn transmit(&mut self, flow: Flow, bytes: Bytes, hold: Option<HoldId>) {
        self.counters.count_out(&bytes);
        self.transmits.push_back(Transmit { flow, bytes, hold });
    }

    /// Moves what transactions sent to the way out.
    pub(super) fn flush(&mut self) {
        while let Some((flow, bytes)) = self.transactions.poll_sent() {
            self.transmit(flow, bytes, None);
        }
    }

    pub(super) fn tell(&mut self, event: SessionEvent) {
        self.events.push_back(EndpointEvent::Session(event));
    }

    /// Tells an event of a session, unless the call machine hung up on it.
    pub(super) fn tell_unless_hung_up(&mut self, leg: LegId, event: SessionEvent) {
        let listens = self
            .sessions
            .get(&leg)
            .is_some_and(|session| session.hung_up.is_none());
        if listens {
            self.tell(event);
        }
    }

    /// A line about what somebody sent. Who floods us with what is worth a line floods no log.
    pub(super) fn note(&mut self, text: String) {
        if !self.notes.admit(self.now.mono, EVERYBODY) {
            self.left_out += 1;
            return;
        }
        let text = match std::mem::take(&mut self.left_out) {
            0 => text,
            more => format!("{text}; {more} such lines before it were left out"),
        };
        self.events.push_back(EndpointEvent::Noted(text));
    }

    /// Tells what became of bindings.
    pub(super) fn announce(&mut self, changes: Vec<Change>, hold: Option<HoldId>) {
        for change in changes {
            if let Change::Unbound {
                user, last: true, ..
            } = &change
            {
                self.drop_subscriptions_of(user);
            }
            let event = match change {
                Change::Bound {
                    binding,
                    first,
                    changed,
                    durable,
                } => {
                    if let Some(id) = self.registrar.id_of(&binding.user, &binding.key) {
                        self.keep_alive(id);
                    }
                    EndpointEvent::Registered {
                        binding,
                        first,
                        changed,
                        hold: hold.filter(|_| durable),
                    }
                }
                Change::Silent { user, last } => EndpointEvent::Silent { user, last },
                Change::Heard { binding, first } => EndpointEvent::Heard { binding, first },
                Change::Unbound {
                    user,
                    key,
                    last,
                    why,
                } => EndpointEvent::Unregistered {
                    user,
                    key,
                    last,
                    why,
                    hold,
                },
            };
            self.events.push_back(event);
        }
    }

    /// Our address as the peer of a flow sees it.
    ///
    /// An advertised address of the other family is nothing to a peer.
    pub(super) fn visible(&self, flow: &Flow) -> SocketAddr {
        let peer = flow.peer.ip().to_canonical();
        let local = &self.config.local_nets;
        let near = peer.is_loopback() || local.iter().any(|net| net.contains(peer));
        match self.config.advertise {
            Some(address) if !near && address.is_ipv4() == peer.is_ipv4() => {
                SocketAddr::new(address, flow.local.port())
            }
            Some(_) | None => flow.local,
        }
    }

    /// Our Contact on a flow.
    pub(super) fn contact(&self, flow: &Flow) -> Bytes {
        NameAddr::new(self.contact_of("strowger", flow)).to_value()
    }

    /// The URI by which `user` of ours is reached on a flow.
    pub(super) fn contact_of(&self, user: &str, flow: &Flow) -> Uri {
        let uri = Uri::at(Some(user), self.visible(flow));
        match flow.transport {
            Transport::Udp => uri,
            Transport::Tcp => uri.with_param("transport", Some("tcp")),
            Transport::Tls => uri.with_param("transport", Some("tls")),
        }
    }

    /// Gives a request its Via; says the branch.
    pub(super) fn sign(&mut self, flow: &Flow, request: &mut Message) -> String {
        let branch = format!("{}{}", crate::sip::header::via::COOKIE, self.rng.token(20));
        let via = Via::new(flow.transport.as_str(), self.visible(flow), &branch);
        request.headers.push_front(Name::Via, via.to_value());
        branch
    }

    /// Sends a request of ours in a transaction of its own.
    pub(super) fn send_request(
        &mut self,
        owner: Owner,
        flow: Flow,
        request: &mut Message,
    ) -> TransactionId {
        let branch = self.sign(&flow, request);
        let method = request.method().cloned().unwrap_or(Method::Options);
        let key = Key::Client {
            branch,
            method: method.as_str().to_owned(),
        };
        let id = self.transactions.open_client(
            self.now.mono,
            key,
            flow,
            owner,
            request.to_bytes(),
            method == Method::Invite,
        );
        if let Owner::Leg(leg) = owner
            && let Some(session) = self.sessions.get_mut(&leg)
        {
            session.open.insert(id);
        }
        id
    }

    /// Sends a BYE in the dialog of a session.
    pub(super) fn send_bye(&mut self, leg: LegId, cause: Option<&Cause>) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let mut bye = session.dialog.request(Method::Bye);
        add_reason(&mut bye, cause);
        self.errand(leg, Errand::Bye { again: false }, bye);
    }

    /// A response to a request of a session, with its tag on To.
    pub(super) fn response(&self, leg: LegId, request: &Message, status: u16) -> Message {
        let mut response = Message::response_to(request, status);
        if let Some(session) = self.sessions.get(&leg)
            && status > 100
        {
            response.set_to_tag(&session.dialog.key.local_tag);
        }
        response
    }

    /// Sends a response in a transaction.
    pub(super) fn respond(&mut self, id: TransactionId, response: &Message) {
        let status = response.status().unwrap_or(500);
        self.respond_bytes(id, status, response.to_bytes());
    }

    /// Sends a written response in a transaction, by the newest way.
    pub(super) fn respond_bytes(&mut self, id: TransactionId, status: u16, response: Bytes) {
        self.follow(id);
        self.transactions
            .respond(self.now.mono, id, status, response);
    }
}

/// Says why in both vocabularies (RFC 3326).
pub(super) fn add_reason(message: &mut Message, cause: Option<&Cause>) {
    let Some(cause) = cause else {
        return;
    };
    let reasons = [
        ("SIP", Some(cause.sip)),
        ("Q.850", cause.q850.map(u16::from)),
    ];
    for (protocol, code) in reasons {
        if code.is_some() {
            let reason = Reason {
                protocol: protocol.to_owned(),
                cause: code,
                text: cause.text.to_owned(),
            };
            message.headers.push(Name::Reason, reason.to_value());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;
    use crate::rng::Rng;
    use crate::sip::endpoint::{Algorithm, EndpointConfig};
    use crate::time::{Duration, Now};

    /// RFC 3261 18.1.1 and 8.1.1.8: what Via and Contact say is where this peer reaches us, over any
    /// transport and in its own family of addresses.
    #[test]
    fn via_and_contact_name_the_address_that_this_peer_reaches() {
        let config = EndpointConfig {
            domain: "pbx".to_owned(),
            advertise: Some("203.0.113.99".parse().unwrap()),
            local_nets: vec![
                "192.168.10.0/24".parse().unwrap(),
                "fd00::/8".parse().unwrap(),
            ],
            digest: vec![Algorithm::Md5],
            strangers_rate: 50,
            strangers_burst: 50,
            strangers_trusted: Vec::new(),
            registrations: 10,
            expires: (Duration::from_secs(60), Duration::from_secs(7_200)),
        };
        let mut endpoint = Endpoint::new(config, Rng::new([1; 32]), Now::default());
        for (local, peer, seen) in [
            (
                "192.168.10.2:5061",
                "198.51.100.9:4000",
                "203.0.113.99:5061",
            ),
            (
                "192.168.10.2:5061",
                "192.168.10.77:4000",
                "192.168.10.2:5061",
            ),
            ("127.0.0.1:5061", "127.0.0.1:4000", "127.0.0.1:5061"),
            (
                "127.0.0.1:5061",
                "[::ffff:127.0.0.1]:4000",
                "127.0.0.1:5061",
            ),
            ("[::1]:5061", "[::1]:4000", "[::1]:5061"),
            (
                "[2001:db8::1]:5061",
                "[2001:db8::9]:4000",
                "[2001:db8::1]:5061",
            ),
            ("[fd00::1]:5061", "[fd00::9]:4000", "[fd00::1]:5061"),
        ] {
            for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
                let flow = Flow {
                    id: FlowId(1),
                    transport,
                    local: local.parse().unwrap(),
                    peer: peer.parse().unwrap(),
                };
                let mut request = Message::request(Method::Options, "sip:a@b".parse().unwrap());
                endpoint.sign(&flow, &mut request);
                let via = request.headers.top_via().unwrap();
                assert_eq!(via.sent_by().to_string(), seen, "to {peer}");
                let contact = endpoint.contact(&flow);
                let contact = std::str::from_utf8(&contact).unwrap();
                assert!(contact.contains(&format!("strowger@{seen}")), "{contact}");
                let named =
                    contact.contains(&format!("transport={}", transport.as_str().to_lowercase()));
                assert_eq!(named, transport.is_stream(), "{contact}");
            }
        }
    }
}
