//! One leg of a call: a SIP session and a media port, and what has been agreed between them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;

use super::message::CallSettings;
use crate::id::LegId;
use crate::media::command::{Learn, Remote};
use crate::rng::Rng;
use crate::sdp::crypto::OwnKeys;
use crate::sdp::description::Refusal;
use crate::sdp::offer_answer::{self, Local, Negotiated};
use crate::sip::flow::Flow;
use crate::words::{Codec, Srtp};

/// How far the SIP session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sip {
    /// Our INVITE has not been asked for; the endpoint does not know the leg.
    Unsent,
    /// An INVITE without a final response.
    Open,
    /// A 2xx was sent or received.
    Answered,
    /// It was told to end, or the other side ended it.
    Over,
}

/// One leg.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Its name everywhere.
    pub id: LegId,
    /// The SIP side.
    pub sip: Sip,
    local: Option<Local>,
    /// Whose packets are taken.
    learn: Learn,
    codecs: Vec<Codec>,
    address: IpAddr,
    session: u64,
    encryption: Option<(Srtp, OwnKeys)>,
    agreed: Option<Negotiated>,
    /// The callee's offer that was answered while ours was open, and our side after that.
    updated: Option<(Bytes, Local)>,
}

impl Leg {
    /// A leg to a peer whose signalling uses `flow`. `session` is the number of its SDP origin.
    #[must_use]
    pub fn new(
        id: LegId,
        sip: Sip,
        flow: &Flow,
        learn: Learn,
        codecs: Vec<Codec>,
        session: u64,
        settings: &CallSettings,
    ) -> Self {
        Self {
            id,
            sip,
            local: None,
            learn,
            codecs,
            address: media_address(flow, settings),
            session,
            encryption: None,
            agreed: None,
            updated: None,
        }
    }

    /// Where nobody stands yet: it has neither session nor port, and never gets them.
    #[must_use]
    pub fn nobody(id: LegId) -> Self {
        Self {
            id,
            sip: Sip::Over,
            local: None,
            learn: Learn::Trunk(Arc::from([])),
            codecs: Vec::new(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            session: 0,
            encryption: None,
            agreed: None,
            updated: None,
        }
    }

    /// Whether nobody stands here.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.sip == Sip::Over && !self.is_open()
    }

    /// Encrypts as the plan says, with keys of the leg's own.
    #[must_use]
    pub fn encrypted(mut self, srtp: Srtp, rng: &mut Rng) -> Self {
        self.encryption = (srtp != Srtp::Off).then(|| (srtp, OwnKeys::new(rng)));
        self
    }

    /// The RTP port is open.
    pub fn open(&mut self, port: u16) {
        let local = Local::new(SocketAddr::new(self.address, port), self.session);
        self.local = Some(match self.encryption.clone() {
            Some((srtp, keys)) => local.encrypted(srtp, keys),
            None => local,
        });
    }

    /// Whether the RTP port is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.local.is_some()
    }

    /// Our offer, remembered until its answer comes. None while no port is open.
    pub fn offer(&mut self) -> Option<Bytes> {
        Some(offer_answer::offer(self.local.as_mut()?, &self.codecs))
    }

    /// Answers the peer's offer. None while no port is open.
    pub fn answer(&mut self, offer: &[u8]) -> Option<Result<Bytes, Refusal>> {
        let local = self.local.as_mut()?;
        Some(match offer_answer::answer(offer, local, &self.codecs) {
            Ok((agreed, answer)) => {
                self.agreed = Some(agreed);
                Ok(answer)
            }
            Err(refusal) => Err(refusal),
        })
    }

    /// Answers an offer of the callee's while our INVITE is open (RFC 3311 5.2). Our own offer stays
    /// what another fork's answer is measured by.
    pub fn answer_early(&mut self, offer: &[u8]) -> Option<Result<Bytes, Refusal>> {
        let before = self.local.clone();
        if let Some((_, local)) = &self.updated {
            self.local = Some(local.clone());
        }
        let answer = self.answer(offer);
        let after = std::mem::replace(&mut self.local, before);
        if let (Some(Ok(_)), Some(after)) = (&answer, after) {
            self.updated = Some((Bytes::copy_from_slice(offer), after));
        }
        answer
    }

    /// Takes the peer's answer to our offer; false when it is no answer to it. An offer that was
    /// answered early is settled already.
    pub fn accept(&mut self, answer: &[u8]) -> bool {
        if let Some((offer, local)) = self.updated.take()
            && offer == answer
        {
            self.local = Some(local);
            return true;
        }
        let Some(local) = &mut self.local else {
            return false;
        };
        match offer_answer::accept(local, answer) {
            Ok(agreed) => {
                self.agreed = Some(agreed);
                true
            }
            Err(_) => false,
        }
    }

    /// Takes sound before the answer: the same offer may still get its answer.
    pub fn accept_early(&mut self, answer: &[u8]) -> bool {
        let before = (self.local.clone(), self.updated.clone());
        let taken = self.accept(answer);
        (self.local, self.updated) = before;
        taken
    }

    /// Whether our offer still waits for its answer.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.local.as_ref().is_some_and(Local::awaits_answer)
    }

    /// The codec agreed on, if any.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        self.agreed.as_ref().map(|agreed| agreed.codec)
    }

    /// Whether the peer keeps us on hold: it wants no sound from us.
    #[must_use]
    pub fn held(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| !agreed.send)
    }

    /// A phone whose 2xx came from `address` sends its media from there, whatever its SDP says.
    pub fn learn_phone(&mut self, address: IpAddr) {
        self.learn = Learn::Phone(address);
    }

    /// What the media threads must know of the far end.
    #[must_use]
    pub fn remote(&self) -> Option<Remote> {
        let agreed = self.agreed.as_ref()?;
        Some(Remote {
            address: agreed.address,
            learn: self.learn.clone(),
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            telephone_event: agreed.telephone_event,
            our_telephone_event: agreed.our_telephone_event,
            comfort_noise: agreed.comfort_noise,
            ptime: agreed.ptime,
            send: agreed.send,
            receive: agreed.receive,
            rtcp: agreed.rtcp,
            rtcp_mux: agreed.rtcp_mux,
            srtp: agreed.srtp.clone(),
        })
    }
}

/// The address a peer shall send its media to.
fn media_address(flow: &Flow, settings: &CallSettings) -> IpAddr {
    let peer = flow.peer.ip().to_canonical();
    let nets = &settings.media_local_nets;
    let near = peer.is_loopback() || nets.iter().any(|net| net.contains(peer));
    let listen = settings.media_address;
    // Listening at all addresses of IPv6 is listening at those of IPv4 too.
    let heard = listen.is_ipv4() == peer.is_ipv4() || listen.is_ipv6() && listen.is_unspecified();
    match settings.media_advertise {
        Some(advertise) if !heard || !near && advertise.is_ipv4() == peer.is_ipv4() => advertise,
        Some(_) | None if heard && listen.is_unspecified() => flow.local.ip().to_canonical(),
        Some(_) | None => listen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;
    use crate::sip::flow::Transport;
    use crate::time::Duration;

    #[test]
    fn sdp_names_the_address_at_which_this_peer_is_heard() {
        let told = |listen: &str, advertise: Option<&str>, local: &str, peer: &str| {
            let settings = CallSettings {
                media_address: listen.parse().unwrap(),
                media_advertise: advertise.map(|it| it.parse().unwrap()),
                media_local_nets: vec!["192.168.10.0/24".parse().unwrap()],
                call_length: Duration::from_secs(1),
            };
            let flow = Flow {
                id: FlowId(1),
                transport: Transport::Tls,
                local: local.parse().unwrap(),
                peer: peer.parse().unwrap(),
            };
            media_address(&flow, &settings).to_string()
        };
        let (home, out) = ("192.168.10.2:5061", Some("203.0.113.99"));
        let [near, far] = ["192.168.10.7:1", "198.51.100.7:1"];
        assert_eq!(told("192.168.10.2", out, home, near), "192.168.10.2");
        assert_eq!(told("192.168.10.2", out, home, far), "203.0.113.99");
        assert_eq!(told("192.168.10.2", None, home, far), "192.168.10.2");
        assert_eq!(told("0.0.0.0", out, home, near), "192.168.10.2");
        assert_eq!(
            told("::", out, home, "[::ffff:192.168.10.7]:1"),
            "192.168.10.2"
        );
        let loopback = told("127.0.0.1", out, "127.0.0.1:5060", "[::ffff:127.0.0.1]:1");
        assert_eq!(loopback, "127.0.0.1");
        let six = "[2001:db8::1]:5060";
        assert_eq!(told("::", out, six, "[2001:db8::9]:1"), "2001:db8::1");
        assert_eq!(
            told("2001:db8::1", None, six, "[2001:db8::9]:1"),
            "2001:db8::1"
        );
        // Sound comes over IPv4 alone here; a peer that speaks both can still send it.
        assert_eq!(told("0.0.0.0", out, six, "[2001:db8::9]:1"), "203.0.113.99");
        assert_eq!(told("::1", None, "[::1]:5060", "[::1]:1"), "::1");
    }
}
