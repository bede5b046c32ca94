//! One leg's media, without its socket: who may send to it, what it hears, what it passes on.
//!
//! ```text
//! packet ─▶ receive ─┬▶ stranger, garbage: dropped, counted
//!                    └▶ Carried ─▶ the other leg's forward ─▶ bytes to send
//! tick ─▶ a frame of what plays ─▶ bytes to send
//! ```
//!
//! A leg that plays something hears that and not the other party. Nothing here allocates per packet,
//! and nothing here decides where a call goes.

use std::net::SocketAddr;
use std::ops::Range;

use super::command::Remote;
use super::outbound::Outbound;
use super::playout::{FRAME_BYTES, Playout};
use super::reception::Reception;
use super::source::{Sender, Source};
use crate::id::PlayId;
use crate::limits;
use crate::rng::Rng;
use crate::rtp::g711;
use crate::rtp::packet::{HEADER_BYTES, Packet};
use crate::rtp::telephone_event::{Presses, TelephoneEvent};
use crate::time::{Duration, Instant};
use crate::words::Codec;

/// The bytes of a packet with 20 ms of sound.
pub const FRAME_PACKET: usize = HEADER_BYTES + FRAME_BYTES;

/// The media of one leg.
#[derive(Debug)]
pub struct Relay {
    remote: Option<Remote>,
    source: Option<Source>,
    outbound: Outbound,
    playing: Option<(PlayId, Playout)>,
    presses: Presses,
    reception: Reception,
    bridged: bool,
    /// Since when nothing came, and whether that has been said.
    quiet: (Instant, bool),
}

/// What a packet turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// Somebody else's; dropped.
    Stranger,
    /// No RTP, or of a kind that was not agreed on; dropped.
    Garbage,
    /// The far end's.
    Carried {
        /// The packet.
        carried: Carried,
        /// A key, when this is the first packet of its press.
        digit: Option<char>,
        /// Packets before it that are newly known to be lost.
        lost: u64,
    },
}

/// A packet of the far end, still in its buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Carried {
    /// The packet.
    pub packet: Packet,
    /// What it carries.
    pub content: Content,
}

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Sound.
    Sound(Codec),
    /// A key.
    Event(TelephoneEvent),
}

/// What a tick made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tick {
    /// Nothing plays.
    Idle,
    /// A frame passed that the far end does not take.
    Muted,
    /// A packet to send.
    Send,
    /// This playout came to its end in the frame before.
    Played(PlayId),
}

impl Relay {
    /// A leg whose far end is not known yet.
    pub fn new(rng: &mut Rng, now: Instant) -> Self {
        Self {
            remote: None,
            source: None,
            outbound: Outbound::new(rng),
            playing: None,
            presses: Presses::default(),
            reception: Reception::default(),
            bridged: false,
            quiet: (now, false),
        }
    }

    /// Takes the far end of an offer/answer and opens a window in which its source is learned.
    pub fn connect(&mut self, now: Instant, remote: Remote) {
        match &mut self.source {
            Some(source) => source.reopen(&remote),
            None => self.source = Some(Source::new(&remote)),
        }
        self.remote = Some(remote);
        self.quiet = (now, false);
    }

    /// Plays something in place of what the leg heard before; none stops what plays.
    pub fn play(&mut self, playing: Option<(PlayId, Playout)>) {
        self.playing = playing;
    }

    /// Ends what plays; from now on sound is due from the far end.
    pub fn bridge(&mut self, now: Instant) {
        self.playing = None;
        self.bridged = true;
        self.quiet = (now, false);
    }

    /// The other party has gone; nothing is due any more.
    pub fn unbridge(&mut self) {
        self.bridged = false;
        self.outbound.pause();
    }

    /// The far end's address, once learned: the only one whose packets are taken.
    #[must_use]
    pub fn far_end(&self) -> Option<SocketAddr> {
        self.source.as_ref().and_then(Source::fixed)
    }

    /// Where packets for the far end go; none when it takes none.
    #[must_use]
    pub fn target(&self) -> Option<SocketAddr> {
        let takes = self.remote.as_ref().is_some_and(|remote| remote.send);
        self.source.as_ref().filter(|_| takes)?.target()
    }

    /// Whether something plays.
    #[must_use]
    pub const fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// Judges a packet that came in.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> Received {
        let (Some(source), Some(remote)) = (&mut self.source, &self.remote) else {
            return Received::Stranger;
        };
        let sender = source.sender(from);
        if sender == Sender::Stranger {
            return Received::Stranger;
        }
        let Some((packet, content)) = read(remote, bytes) else {
            return Received::Garbage;
        };
        if sender == Sender::Candidate {
            source.fix(from);
        }
        self.quiet = (now, false);
        let lost = self.reception.take(&packet.header);
        let digit = match content {
            Content::Sound(_) => None,
            Content::Event(event) => {
                let header = packet.header;
                self.presses.take(header.ssrc, header.timestamp, event)
            }
        };
        Received::Carried {
            carried: Carried { packet, content },
            digit,
            lost,
        }
    }

    /// Makes the other party's packet, in `buffer`, one of ours to this leg's far end; the range
    /// holds the bytes to send. None when this leg does not hear it.
    pub fn forward(
        &mut self,
        now: Instant,
        carried: &Carried,
        buffer: &mut [u8],
    ) -> Option<Range<usize>> {
        if self.playing.is_some() {
            return None;
        }
        if self.target().is_none() {
            self.outbound.pause();
            return None;
        }
        let remote = self.remote.as_ref()?;
        let Packet { header, payload } = &carried.packet;
        let header = match carried.content {
            Content::Sound(codec) => {
                let samples = u32::try_from(payload.len()).ok()?;
                g711::convert(codec, remote.codec, buffer.get_mut(payload.clone())?);
                self.outbound
                    .relay(now, header, remote.payload_type, samples)?
            }
            Content::Event(event) => {
                let Some(payload_type) = remote.telephone_event else {
                    self.outbound.leave_out(header);
                    return None;
                };
                let samples = u32::from(event.duration);
                self.outbound.relay(now, header, payload_type, samples)?
            }
        };
        header.write_before(buffer, payload)
    }

    /// The next 20 ms of what plays, as a packet in `out`.
    pub fn tick(&mut self, now: Instant, out: &mut [u8; FRAME_PACKET]) -> Tick {
        let (Some((play, playout)), Some(remote)) = (&mut self.playing, &self.remote) else {
            return Tick::Idle;
        };
        let (header, payload) = out.split_at_mut(HEADER_BYTES);
        let sounds = match payload.first_chunk_mut::<FRAME_BYTES>() {
            Some(payload) => playout.frame(remote.codec, payload),
            None => false,
        };
        if !sounds {
            let play = *play;
            self.playing = None;
            return Tick::Played(play);
        }
        let payload_type = remote.payload_type;
        if self.target().is_none() {
            self.outbound.pause();
            return Tick::Muted;
        }
        header.copy_from_slice(&self.outbound.play(now, payload_type).to_bytes());
        Tick::Send
    }

    /// Ticks were missed; see [`Outbound::skip_frames`].
    pub fn skip_frames(&mut self, frames: u32) {
        self.outbound.skip_frames(frames);
    }

    /// Whether the far end of a bridged leg has been silent for too long; true once per silence.
    pub fn falls_silent(&mut self, now: Instant, timeout: Duration) -> bool {
        let Some(remote) = self.remote.as_ref().filter(|_| self.bridged) else {
            return false;
        };
        // A phone that holds need not send anything, whatever its hold is called.
        let patience = if remote.receive && remote.send {
            timeout
        } else {
            limits::RTP_TIMEOUT_HELD
        };
        let (since, said) = &mut self.quiet;
        if *said || now.since(*since) < patience {
            return false;
        }
        *said = true;
        true
    }
}

/// Reads a packet of a kind that was agreed on. The static numbers of both laws are taken even where
/// only one was agreed on, because some carriers switch without asking.
fn read(remote: &Remote, bytes: &[u8]) -> Option<(Packet, Content)> {
    let packet = Packet::parse(bytes).ok()?;
    let payload = bytes.get(packet.payload.clone())?;
    let number = packet.header.payload_type;
    let content = if number == remote.payload_type {
        Content::Sound(remote.codec)
    } else if Some(number) == remote.telephone_event {
        Content::Event(TelephoneEvent::parse(payload)?)
    } else if number == Codec::Pcma.payload_type() {
        Content::Sound(Codec::Pcma)
    } else if number == Codec::Pcmu.payload_type() {
        Content::Sound(Codec::Pcmu)
    } else {
        return None;
    };
    (!payload.is_empty()).then_some((packet, content))
}

#[cfg(test)]
mod tests;
