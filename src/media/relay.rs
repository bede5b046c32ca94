//! One leg's media, without its socket: who may send to it, what it hears, what it passes on.
//!
//! ```text
//! packet ─▶ receive ─┬▶ stranger, garbage: dropped, counted
//!                    └▶ Carried ─▶ the other leg's forward ─▶ bytes to send
//! tick ─▶ a frame of what plays ─▶ bytes to send
//! ```
//!
//! A leg that plays something hears that and not the other party. A packet that is as long as the far
//! end wants it is rewritten where it lies; others are cut anew. Nothing here allocates per packet, and
//! nothing here decides where a call goes.

use std::net::SocketAddr;

use super::carried::{Carried, Content, read};
use super::command::Remote;
use super::cover::Cover;
use super::mixer::Aside;
use super::outbound::{Outbound, samples_between};
use super::packetiser::{self, Packetiser};
use super::playout::{FRAME_BYTES, Playout};
use super::reception::Reception;
use super::reports::Reports;
use super::source::{Sender, Source};
use crate::id::PlayId;
use crate::limits;
use crate::rng::Rng;
use crate::rtp::g711;
use crate::rtp::packet::{COMFORT_NOISE, HEADER_BYTES, Header, Packet};
use crate::rtp::rtcp::{self, Block, Report};
use crate::rtp::telephone_event::Presses;
use crate::time::{Duration, Instant, Now};
use crate::words::Codec;

/// The media of one leg.
#[derive(Debug)]
pub struct Relay {
    remote: Option<Remote>,
    source: Option<Source>,
    cover: Cover,
    outbound: Outbound,
    packetiser: Packetiser,
    /// The stream that is cut anew, and the timestamp that is due in it.
    recut: Option<(u32, u32)>,
    playing: Option<(PlayId, Playout)>,
    presses: Presses,
    reception: Reception,
    reports: Reports,
    bridged: bool,
    /// Since when nothing came, and whether that has been said.
    quiet: (Instant, bool),
}

/// What a packet turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// Somebody else's; dropped.
    Stranger,
    /// Its tag does not fit, or it came before; dropped.
    Forged,
    /// A report on the port of the sound.
    Report {
        /// Packets of ours that the far end is newly known to have lost.
        lost: u64,
    },
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

/// What a tick made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tick {
    /// Nothing plays.
    Idle,
    /// A frame passed that the far end does not take.
    Muted,
    /// A frame was sent, or waits for the rest of its packet.
    Sounded,
    /// This playout came to its end in the frame before.
    Played(PlayId),
}

impl Relay {
    /// A leg whose far end is not known yet.
    pub fn new(rng: &mut Rng, now: Instant) -> Self {
        Self {
            remote: None,
            source: None,
            cover: Cover::default(),
            outbound: Outbound::new(rng),
            packetiser: Packetiser::new(20),
            recut: None,
            playing: None,
            presses: Presses::default(),
            reception: Reception::default(),
            reports: Reports::new(rng),
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
        self.reports.reopen(now);
        self.cover.key(remote.srtp.as_deref());
        self.packetiser = Packetiser::new(remote.ptime);
        self.recut = None;
        self.remote = Some(remote);
        self.quiet = (now, false);
    }

    /// Plays something in place of what the leg heard before; none stops what plays.
    pub fn play(&mut self, playing: Option<(PlayId, Playout)>) {
        self.begin_anew();
        self.playing = playing;
    }

    /// Ends what plays; from now on sound is due from the far end.
    pub fn bridge(&mut self, now: Instant) {
        self.begin_anew();
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

    /// Judges a packet that came in, and opens it where it lies.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]) -> Received {
        let (Some(source), Some(remote)) = (&mut self.source, &self.remote) else {
            return Received::Stranger;
        };
        let sender = source.sender(from);
        if sender == Sender::Stranger {
            return Received::Stranger;
        }
        if remote.rtcp_mux && rtcp::is_rtcp(bytes) {
            return self.take_report(now, from, bytes);
        }
        let Ok(bytes) = self.cover.open(bytes) else {
            return Received::Forged;
        };
        let Some((packet, content)) = read(remote, bytes) else {
            return Received::Garbage;
        };
        if sender == Sender::Candidate {
            source.fix(from);
        }
        self.quiet = (now, false);
        let spoken = matches!(content, Content::Sound(_));
        let arrival = spoken.then(|| samples_between(Instant::START, now));
        let lost = self.reception.take(&packet.header, arrival);
        let digit = match content {
            Content::Sound(_) | Content::Noise => None,
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

    /// Makes the other party's packet, in `buffer`, one of ours to this leg's far end, or several, or
    /// none when this leg does not hear it yet or at all. Encryption needs room behind the packet.
    pub fn forward(
        &mut self,
        now: Instant,
        carried: &Carried,
        buffer: &mut [u8],
        send: impl FnMut(&[u8]),
    ) {
        self.forward_with(now, carried, None, buffer, send);
    }

    /// The same, with another voice added to the packet's sound.
    pub fn forward_with(
        &mut self,
        now: Instant,
        carried: &Carried,
        mut aside: Option<&mut Aside>,
        buffer: &mut [u8],
        mut send: impl FnMut(&[u8]),
    ) {
        if self.playing.is_some() {
            return;
        }
        if self.target().is_none() {
            self.outbound.pause();
            self.begin_anew();
            return;
        }
        let Some(remote) = &self.remote else {
            return;
        };
        let Packet { header, payload } = &carried.packet;
        let (payload_type, samples) = match carried.content {
            Content::Sound(codec) => {
                let Some(sound) = buffer.get_mut(payload.clone()) else {
                    return;
                };
                g711::convert(codec, remote.codec, sound);
                if let Some(aside) = &mut aside {
                    aside.add(now, header, remote.codec, sound);
                }
                let stays = self.recut.is_none_or(|(ssrc, _)| ssrc != header.ssrc);
                if sound.len() != self.packetiser.size() || !stays {
                    return self.cut_anew(now, *header, &*sound, send);
                }
                (Some(remote.payload_type), samples_in(payload.len()))
            }
            Content::Event(event) => {
                if let Some(aside) = &mut aside {
                    aside.beside_sound(now);
                }
                (remote.telephone_event, u32::from(event.duration))
            }
            Content::Noise => {
                if let Some(aside) = &mut aside {
                    aside.beside_silence(now);
                }
                (remote.comfort_noise.then_some(COMFORT_NOISE), 0)
            }
        };
        let Some(payload_type) = payload_type else {
            return self.outbound.leave_out(header);
        };
        let header = if let Some((ssrc, _)) = self.recut.filter(|(ssrc, _)| *ssrc == header.ssrc) {
            let stream = (ssrc, header.timestamp);
            let renumbered = self.outbound.renumber(now, stream, payload_type, samples);
            Some(Header {
                marker: header.marker,
                ..renumbered
            })
        } else {
            self.begin_anew();
            self.outbound.relay(now, header, payload_type, samples)
        };
        if let Some(range) = header.and_then(|header| header.write_before(buffer, payload))
            && let Some(packet) = buffer.get_mut(range.start..)
            && let Some(sealed) = self.cover.seal(packet, range.len())
        {
            self.outbound.count(payload.len());
            send(sealed);
        }
    }

    /// Cuts a party's sound into packets as long as this leg's far end wants them. What is lost on the
    /// way becomes silence when it is short, and a gap in the timestamps when it is not; what comes
    /// late has lost its place.
    fn cut_anew(
        &mut self,
        now: Instant,
        header: Header,
        sound: &[u8],
        mut send: impl FnMut(&[u8]),
    ) {
        let Some(codec) = self.remote.as_ref().map(|remote| remote.codec) else {
            return;
        };
        let due = match self.recut {
            Some((ssrc, due)) if ssrc == header.ssrc => due,
            Some(_) | None => {
                self.packetiser.clear();
                header.timestamp
            }
        };
        let (ahead, behind) = (
            header.timestamp.wrapping_sub(due),
            due.wrapping_sub(header.timestamp),
        );
        if (1..g711::RATE).contains(&behind) {
            return;
        }
        // A gap of up to a packet is filled, a longer one only to the end of the packet under way.
        let size = self.packetiser.size();
        let (gap, jumps) = match usize::try_from(ahead) {
            Ok(gap) if gap <= size => (gap, false),
            Ok(_) | Err(_) => ((size - self.packetiser.held()) % size, true),
        };
        let source = (header.ssrc, due);
        self.cut(now, source, packetiser::silence(codec, gap), &mut send);
        if jumps {
            self.packetiser.clear();
        }
        let source = (header.ssrc, header.timestamp);
        let samples = samples_in(sound.len());
        self.cut(now, source, sound, &mut send);
        self.recut = Some((header.ssrc, header.timestamp.wrapping_add(samples)));
    }

    /// Sends the packets that a piece of sound fills; `source` is its stream and its timestamp.
    fn cut(
        &mut self,
        now: Instant,
        (ssrc, timestamp): (u32, u32),
        mut sound: &[u8],
        mut send: impl FnMut(&[u8]),
    ) {
        let Some(payload_type) = self.remote.as_ref().map(|remote| remote.payload_type) else {
            return;
        };
        let size = self.packetiser.size();
        let samples = samples_in(size);
        let mut first = timestamp.wrapping_sub(samples_in(self.packetiser.held()));
        while let Some(packet) = self.packetiser.fill(&mut sound) {
            let header = self
                .outbound
                .renumber(now, (ssrc, first), payload_type, samples);
            first = first.wrapping_add(samples);
            self.outbound.count(size);
            put(&mut self.cover, header, packet, size, &mut send);
        }
    }

    /// What follows has nothing to do with what waits for the rest of its packet.
    const fn begin_anew(&mut self) {
        self.packetiser.clear();
        self.recut = None;
    }

    /// The next 20 ms of what plays.
    pub fn tick(&mut self, now: Instant, send: impl FnMut(&[u8])) -> Tick {
        let (Some((play, playout)), Some(remote)) = (&mut self.playing, &self.remote) else {
            return Tick::Idle;
        };
        let mut frame = [0; FRAME_BYTES];
        let sounds = playout.frame(remote.codec, &mut frame);
        let play = *play;
        if !sounds {
            self.playing = None;
        }
        let takes = remote.send && self.source.as_ref().and_then(Source::target).is_some();
        if !takes {
            self.outbound.pause();
            self.packetiser.clear();
            return if sounds {
                Tick::Muted
            } else {
                Tick::Played(play)
            };
        }
        let (size, held) = (self.packetiser.size(), self.packetiser.held());
        let sound = if sounds {
            &frame[..]
        } else {
            packetiser::silence(remote.codec, (size - held) % size)
        };
        self.put_out(now, sound, send);
        if sounds {
            Tick::Sounded
        } else {
            Tick::Played(play)
        }
    }

    /// Sends 20 ms that are made in this leg's codec, unless `make` has nothing to send. While something
    /// plays, or nobody takes it, it passes unheard.
    pub fn sound(
        &mut self,
        now: Instant,
        make: impl FnOnce(Codec, &mut [u8; FRAME_BYTES]) -> bool,
        send: impl FnMut(&[u8]),
    ) {
        let Some(codec) = self.remote.as_ref().map(|remote| remote.codec) else {
            return;
        };
        let mut frame = [0; FRAME_BYTES];
        let sounds = make(codec, &mut frame);
        if self.playing.is_some() {
            return;
        }
        if !sounds || self.target().is_none() {
            return self.rest();
        }
        if self.recut.is_some() {
            self.begin_anew();
        }
        self.put_out(now, &frame, send);
    }

    /// No more frames of ours come; what is relayed goes on as it is.
    pub fn rest(&mut self) {
        if self.playing.is_none() && self.outbound.rest() {
            self.packetiser.clear();
        }
    }

    /// Sends our own sound in packets as long as the far end wants them.
    fn put_out(&mut self, now: Instant, mut sound: &[u8], mut send: impl FnMut(&[u8])) {
        let Some(payload_type) = self.remote.as_ref().map(|remote| remote.payload_type) else {
            return;
        };
        let size = self.packetiser.size();
        while let Some(packet) = self.packetiser.fill(&mut sound) {
            let header = self.outbound.play(now, payload_type, samples_in(size));
            self.outbound.count(size);
            put(&mut self.cover, header, packet, size, &mut send);
        }
    }

    /// Judges a packet that came to the port of the reports.
    pub fn receive_report(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]) -> Received {
        // Reports come from the host that the sound comes from, whatever the port behind its NAT.
        let known = self.source.as_ref().and_then(Source::host);
        if known != Some(from.ip().to_canonical()) {
            return Received::Stranger;
        }
        self.take_report(now, from, bytes)
    }

    fn take_report(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]) -> Received {
        let Ok(bytes) = self.cover.open_rtcp(bytes) else {
            return Received::Forged;
        };
        let Some(said) = rtcp::parse(bytes, self.outbound.ssrc()) else {
            return Received::Garbage;
        };
        self.reports.heard(now, from, said.ntp);
        let lost = said.about_us.map_or(0, |block| block.lost);
        Received::Report {
            lost: self.reports.lost(lost, self.outbound.packets()),
        }
    }

    /// Whether a report is due.
    #[must_use]
    pub fn report_is_due(&self, now: Instant) -> bool {
        self.reports.is_due(now)
    }

    /// A report, and the goodbye if `bye`, in `out`: where it goes and what is sent. None when nobody
    /// is there to read it.
    pub fn report<'a>(
        &mut self,
        now: Now,
        bye: bool,
        rng: &mut Rng,
        out: &'a mut [u8; rtcp::REPORT_BYTES],
    ) -> Option<(SocketAddr, &'a [u8])> {
        self.reports.schedule(now.mono, rng);
        let target = self.report_target()?;
        let ntp = rtcp::ntp(now.wall.as_millis());
        let sends = self.reports.tell(self.outbound.packets());
        let (last_report, delay) = self.reports.last(now.mono);
        let heard = self.reception.block().map(|block| Block {
            last_report,
            delay,
            ..block
        });
        let report = Report {
            ssrc: self.outbound.ssrc(),
            name: self.reports.name(),
            sent: sends.then(|| self.outbound.sent(now.mono, ntp)),
            heard,
            bye,
        };
        let length = report.write(out);
        Some((target, self.cover.seal_rtcp(out, length)?))
    }

    /// Whether reports go by the port of the sound.
    #[must_use]
    pub fn reports_share_the_port(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.rtcp_mux)
    }

    /// Where reports go: with the sound, or to where the far end's own come from, or to the port that
    /// the SDP names unless the far end turned out to be behind a NAT.
    fn report_target(&self) -> Option<SocketAddr> {
        let (source, remote) = (self.source.as_ref()?, self.remote.as_ref()?);
        let sound = source.target()?;
        if remote.rtcp_mux {
            return Some(sound);
        }
        let named = Some(remote.rtcp).filter(|rtcp| rtcp.ip().to_canonical() == sound.ip());
        self.reports.learned().or(named)
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

/// Sends a packet of `size` bytes of sound under its header.
fn put(
    cover: &mut Cover,
    header: Header,
    packet: &mut [u8; packetiser::PACKET_BYTES],
    size: usize,
    mut send: impl FnMut(&[u8]),
) {
    if let Some(place) = packet.first_chunk_mut() {
        *place = header.to_bytes();
    }
    if let Some(sealed) = cover.seal(packet, HEADER_BYTES + size) {
        send(sealed);
    }
}

/// G.711 has a byte a sample.
fn samples_in(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
