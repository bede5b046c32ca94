//! A handset: one RTP socket that says a tune and listens to what comes.
//!
//! Whoever holds it hears through a channel: the moment the other party speaks, and at the end what
//! came before that. Dropped, it hangs up.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::sound::{Ear, FRAME, FRAME_TIME, Sound, Voice};
use crate::id::LegId;
use crate::rng::Rng;
use crate::rtp::g711;
use crate::rtp::packet::{Header, Packet};
use crate::sdp::offer_answer::{Local, Negotiated};
use crate::time::Duration;

/// A packet on its way in; longer ones are none of ours.
const PACKET_BYTES: usize = 2048;

/// What was heard on a leg.
#[derive(Clone, Debug, Default)]
pub(super) struct Hearing {
    /// Music, a whisper or an announcement, before the other party spoke.
    pub(super) program: Duration,
    /// The other party's voice.
    pub(super) voice: Duration,
    /// One print of each different frame of that program, to see who heard the same.
    pub(super) prints: BTreeSet<u64>,
}

/// What a handset tells.
#[derive(Debug)]
pub(super) enum Heard {
    /// The other party speaks; this much of a program was heard before.
    Voice(LegId, Duration),
    /// The handset is back on its cradle.
    Over(LegId, Hearing),
}

/// A handset.
#[derive(Debug)]
pub(super) struct Handset {
    /// Our side of the offer/answer.
    pub(super) local: Local,
    socket: Option<UdpSocket>,
    /// Dropping it ends the sound.
    cradle: Option<oneshot::Sender<()>>,
}

impl Handset {
    /// Takes a free port.
    ///
    /// # Errors
    /// There is none.
    pub(super) async fn pick_up(rng: &mut Rng) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("a handset of the demo finds no free UDP port")?;
        // Until the runtime has seen the socket writable, a first packet would be lost.
        socket
            .writable()
            .await
            .context("a socket cannot be written to")?;
        let address = socket.local_addr().context("a socket has no address")?;
        Ok(Self {
            local: Local::new(address, rng.next_u64()),
            socket: Some(socket),
            cradle: None,
        })
    }

    /// Speaks with `voice` from now on, and listens for the other one. Once agreed upon, a repeated
    /// answer changes nothing.
    pub(super) fn connect(
        &mut self,
        leg: LegId,
        voice: Voice,
        agreed: &Negotiated,
        rng: &mut Rng,
        ears: mpsc::UnboundedSender<Heard>,
    ) {
        let Some(socket) = self.socket.take() else {
            return;
        };
        let (cradle, hung_up) = oneshot::channel();
        self.cradle = Some(cradle);
        let mouth = Mouth {
            voice,
            remote: agreed.address,
            agreed: agreed.clone(),
            ssrc: rng.next_u32(),
            sequence: 0,
            number: 0,
        };
        tokio::spawn(talk(leg, socket, mouth, hung_up, ears));
    }
}

/// What is said.
struct Mouth {
    voice: Voice,
    remote: SocketAddr,
    agreed: Negotiated,
    ssrc: u32,
    sequence: u16,
    number: u64,
}

impl Mouth {
    /// The next packet.
    fn say(&mut self) -> Vec<u8> {
        let header = Header {
            marker: self.number == 0,
            payload_type: self.agreed.payload_type,
            sequence: self.sequence,
            timestamp: u32::try_from(self.number.wrapping_mul(FRAME as u64) & 0xffff_ffff)
                .unwrap_or(0),
            ssrc: self.ssrc,
        };
        let mut payload = [0; FRAME];
        g711::encode(
            self.agreed.codec,
            &self.voice.frame(self.number),
            &mut payload,
        );
        self.sequence = self.sequence.wrapping_add(1);
        self.number = self.number.wrapping_add(1);
        [&header.to_bytes()[..], &payload[..]].concat()
    }
}

async fn talk(
    leg: LegId,
    socket: UdpSocket,
    mut mouth: Mouth,
    mut hung_up: oneshot::Receiver<()>,
    ears: mpsc::UnboundedSender<Heard>,
) {
    let mut listener = Listener {
        ear: Ear::new(mouth.voice.other()),
        hearing: Hearing::default(),
        told: false,
    };
    let mut pace = pace();
    let mut bytes = vec![0; PACKET_BYTES];
    loop {
        tokio::select! {
            _ = &mut hung_up => break,
            _ = pace.tick() => {
                let packet = mouth.say();
                // A full socket loses a packet, as any network may.
                let _lost = socket.try_send_to(&packet, mouth.remote);
            }
            received = socket.recv_from(&mut bytes) => {
                // An ICMP error of an earlier packet shows up here and means nothing.
                let Ok((length, _)) = received else { continue };
                let packet = bytes.get(..length).unwrap_or_default();
                if listener.take(packet, &mouth.agreed) {
                    let _gone = ears.send(Heard::Voice(leg, listener.hearing.program));
                }
            }
        }
    }
    let _gone = ears.send(Heard::Over(leg, listener.hearing));
}

fn pace() -> Interval {
    let mut pace = interval(FRAME_TIME);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    pace
}

/// Who listens.
struct Listener {
    ear: Ear,
    hearing: Hearing,
    told: bool,
}

impl Listener {
    /// Takes a packet; true when the other party speaks for the first time.
    fn take(&mut self, bytes: &[u8], agreed: &Negotiated) -> bool {
        let Ok(packet) = Packet::parse(bytes) else {
            return false;
        };
        let Some(payload) = bytes.get(packet.payload) else {
            return false;
        };
        if packet.header.payload_type != agreed.payload_type {
            return false;
        }
        let samples: Vec<i16> = payload
            .iter()
            .map(|&byte| g711::decode(agreed.codec, byte))
            .collect();
        match self.ear.hear(&samples) {
            Sound::Silence => {}
            Sound::Voice => self.hearing.voice += FRAME_TIME,
            Sound::Program if !self.ear.sure() => {
                self.hearing.program += FRAME_TIME;
                self.hearing.prints.insert(print(&samples));
            }
            Sound::Program => {}
        }
        let news = self.ear.sure() && !self.told;
        self.told |= news;
        news
    }
}

fn print(samples: &[i16]) -> u64 {
    let mut hasher = DefaultHasher::new();
    samples.hash(&mut hasher);
    hasher.finish()
}
