//! The one stream that a leg's far end hears from us.
//!
//! Whatever it carries (music, a prompt, the other party), it has one SSRC, and its sequence numbers
//! and timestamps never step back: a phone that saw them jump would throw sound away.
//!
//! ```text
//! Quiet ──play──▶ Playing ──relay──▶ Relaying(stream) ──play──▶ Playing …
//!   ▲                │                   │    ▲ another SSRC, or numbers that jump
//!   └────pause───────┴───────────────────┘    └──┘
//! ```
//!
//! Each arrow into `Playing` or `Relaying` begins a talk spurt: the marker is set, the sequence goes
//! on by one and the timestamp by the time that has passed. A party whose packets are cut anew is
//! `Renumbered` in place of `Relaying`: its timestamps are followed, its sequence is not.

use crate::limits;
use crate::rng::Rng;
use crate::rtp::g711;
use crate::rtp::packet::Header;
use crate::rtp::rtcp::Sent;
use crate::time::Instant;

/// Samples in 20 ms.
pub const FRAME: u32 = g711::RATE / 50;

/// The numbering of one outgoing stream.
#[derive(Clone, Debug)]
pub struct Outbound {
    ssrc: u32,
    feed: Feed,
    /// Of the newest packet.
    sequence: u16,
    /// Of the newest packet.
    timestamp: u32,
    /// How long the newest packet sounds.
    samples: u32,
    /// When the newest packet was sent.
    sent: Option<Instant>,
    /// Packets and bytes of payload so far, as reports count them.
    packets: u32,
    octets: u32,
}

#[derive(Clone, Copy, Debug)]
enum Feed {
    Quiet,
    Playing,
    Relaying(Rebase),
    Renumbered { ssrc: u32, timestamp_shift: u32 },
}

/// How the numbers of a relayed stream become ours.
#[derive(Clone, Copy, Debug)]
struct Rebase {
    ssrc: u32,
    /// The first packet that was relayed; what is older belongs to another spurt of ours.
    first: u16,
    newest: u16,
    sequence_shift: u16,
    timestamp_shift: u32,
}

/// Where a relayed packet stands in its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// Newer than all before it.
    Next,
    /// Late or doubled.
    Late,
    /// Older than the spurt.
    Stale,
    /// Not of this stream.
    Other,
}

impl Rebase {
    fn order(&self, header: &Header, timestamp: u32) -> Order {
        if header.ssrc != self.ssrc {
            return Order::Other;
        }
        let mapped = header.timestamp.wrapping_add(self.timestamp_shift);
        if apart(mapped, timestamp) > jump() {
            return Order::Other;
        }
        let ahead = header.sequence.wrapping_sub(self.newest);
        let behind = self.newest.wrapping_sub(header.sequence);
        if (1..limits::RTP_DROPOUT).contains(&ahead) {
            Order::Next
        } else if behind > limits::RTP_MISORDER {
            Order::Other
        } else if behind > self.newest.wrapping_sub(self.first) {
            Order::Stale
        } else {
            Order::Late
        }
    }
}

impl Outbound {
    /// A stream that has sent nothing yet; its first numbers are random (RFC 3550 5.1).
    pub fn new(rng: &mut Rng) -> Self {
        let numbers = rng.next_u64();
        Self {
            ssrc: rng.next_u32(),
            feed: Feed::Quiet,
            sequence: u16::try_from(numbers & 0xffff).unwrap_or(0),
            timestamp: u32::try_from(numbers >> 32).unwrap_or(0),
            samples: 0,
            sent: None,
            packets: 0,
            octets: 0,
        }
    }

    /// Our stream.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// A packet with so many bytes of payload goes.
    pub fn count(&mut self, payload: usize) {
        self.packets = self.packets.wrapping_add(1);
        let payload = u32::try_from(payload).unwrap_or(0);
        self.octets = self.octets.wrapping_add(payload);
    }

    /// Packets so far.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.packets
    }

    /// What a report says of our stream at `now`, which is `ntp`.
    #[must_use]
    pub fn sent(&self, now: Instant, ntp: u64) -> Sent {
        let passed = self.sent.map_or(0, |sent| samples_between(sent, now));
        Sent {
            ntp,
            timestamp: self.timestamp.wrapping_add(passed),
            packets: self.packets,
            octets: self.octets,
        }
    }

    /// The header of the next `samples` of our own sound.
    pub fn play(&mut self, now: Instant, payload_type: u8, samples: u32) -> Header {
        let marker = !matches!(self.feed, Feed::Playing);
        let timestamp = if marker {
            self.next_spurt(now)
        } else {
            self.timestamp.wrapping_add(self.samples)
        };
        self.feed = Feed::Playing;
        self.sequence = self.sequence.wrapping_add(1);
        self.note_newest(now, timestamp, samples);
        self.header(marker, payload_type, self.sequence, timestamp)
    }

    /// Our own sound was late by `frames` that nobody will hear: a gap in the timestamps.
    pub fn skip_frames(&mut self, frames: u32) {
        if matches!(self.feed, Feed::Playing) {
            self.timestamp = self
                .timestamp
                .wrapping_add(FRAME.saturating_mul(frames.min(g711::RATE)));
        }
    }

    /// The header under which a packet of the other party goes on; none when it is too late to go.
    /// Loss, doubles and disorder stay visible, so that the far jitter buffer can do its work.
    pub fn relay(
        &mut self,
        now: Instant,
        header: &Header,
        payload_type: u8,
        samples: u32,
    ) -> Option<Header> {
        let (rebase, order) = self.follow(now, header);
        let order = order?;
        let sequence = header.sequence.wrapping_add(rebase.sequence_shift);
        let timestamp = header.timestamp.wrapping_add(rebase.timestamp_shift);
        if order != Order::Late {
            self.sequence = sequence;
            self.note_newest(now, timestamp, samples);
        }
        let marker = header.marker || order == Order::Other;
        Some(self.header(marker, payload_type, sequence, timestamp))
    }

    /// The header of `samples` of the other party's sound that were cut anew, the first of them at
    /// `timestamp` of its stream `ssrc`.
    pub fn renumber(
        &mut self,
        now: Instant,
        (ssrc, timestamp): (u32, u32),
        payload_type: u8,
        samples: u32,
    ) -> Header {
        let follows = match self.feed {
            Feed::Renumbered {
                ssrc: known,
                timestamp_shift,
            } if known == ssrc => Some(timestamp.wrapping_add(timestamp_shift))
                .filter(|mapped| apart(*mapped, self.timestamp) <= jump()),
            Feed::Renumbered { .. } | Feed::Quiet | Feed::Playing | Feed::Relaying(_) => None,
        };
        let marker = follows.is_none();
        let mapped = follows.unwrap_or_else(|| self.next_spurt(now));
        self.feed = Feed::Renumbered {
            ssrc,
            timestamp_shift: mapped.wrapping_sub(timestamp),
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.note_newest(now, mapped, samples);
        self.header(marker, payload_type, self.sequence, mapped)
    }

    /// A packet of the other party is not passed on: the next one takes its number.
    pub fn leave_out(&mut self, header: &Header) {
        if let Feed::Relaying(rebase) = &mut self.feed
            && rebase.order(header, self.timestamp) == Order::Next
        {
            rebase.newest = header.sequence;
            rebase.sequence_shift = rebase.sequence_shift.wrapping_sub(1);
        }
    }

    /// Nothing is sent for a while; what follows is a new talk spurt.
    pub fn pause(&mut self) {
        self.feed = Feed::Quiet;
    }

    /// Our own sound ends, if it is that which is sent; true when it was.
    pub fn rest(&mut self) -> bool {
        let ours = matches!(self.feed, Feed::Playing);
        if ours {
            self.feed = Feed::Quiet;
        }
        ours
    }

    /// The numbers to use for `header`, and where it stands; [`Order::Other`] began a new spurt with
    /// it. No order means that it must not go out.
    fn follow(&mut self, now: Instant, header: &Header) -> (Rebase, Option<Order>) {
        if let Feed::Relaying(rebase) = &mut self.feed {
            match rebase.order(header, self.timestamp) {
                Order::Next => {
                    rebase.newest = header.sequence;
                    return (*rebase, Some(Order::Next));
                }
                Order::Late => return (*rebase, Some(Order::Late)),
                Order::Stale => return (*rebase, None),
                Order::Other => {}
            }
        }
        let rebase = Rebase {
            ssrc: header.ssrc,
            first: header.sequence,
            newest: header.sequence,
            sequence_shift: self.sequence.wrapping_add(1).wrapping_sub(header.sequence),
            timestamp_shift: self.next_spurt(now).wrapping_sub(header.timestamp),
        };
        self.feed = Feed::Relaying(rebase);
        (rebase, Some(Order::Other))
    }

    /// The timestamp of a spurt that begins now: as much later as time has passed, and never into
    /// what was sent already.
    fn next_spurt(&self, now: Instant) -> u32 {
        let passed = self.sent.map_or(0, |sent| samples_between(sent, now));
        self.timestamp.wrapping_add(passed.max(self.samples))
    }

    fn note_newest(&mut self, now: Instant, timestamp: u32, samples: u32) {
        self.timestamp = timestamp;
        self.samples = samples;
        self.sent = Some(now);
    }

    const fn header(
        &self,
        marker: bool,
        payload_type: u8,
        sequence: u16,
        timestamp: u32,
    ) -> Header {
        Header {
            marker,
            payload_type,
            sequence,
            timestamp,
            ssrc: self.ssrc,
        }
    }
}

/// Samples that fit between two instants, counted as timestamps are: after six days they begin again.
#[must_use]
pub fn samples_between(earlier: Instant, later: Instant) -> u32 {
    let samples = later.since(earlier).as_nanos() * u128::from(g711::RATE) / 1_000_000_000;
    u32::try_from(samples & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// How far apart two timestamps are, whichever is later.
fn apart(a: u32, b: u32) -> u32 {
    a.wrapping_sub(b).min(b.wrapping_sub(a))
}

/// Samples in the largest jump that is still the same stream.
fn jump() -> u32 {
    samples_between(Instant::START, Instant::START + limits::RECORDING_GAP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }

    fn source(sequence: u16, timestamp: u32) -> Header {
        Header {
            marker: false,
            payload_type: 8,
            sequence,
            timestamp,
            ssrc: 77,
        }
    }

    #[test]
    fn samples_are_counted_on_after_six_days() {
        let six_days = at(150 * 3_600_000);
        let before = samples_between(Instant::START, six_days);
        let after = samples_between(Instant::START, six_days + Duration::from_millis(20));
        assert_eq!(after.wrapping_sub(before), FRAME);
    }

    #[test]
    fn music_prompt_and_party_are_one_stream() {
        let mut out = Outbound::new(&mut Rng::new([3; 32]));
        let first = out.play(at(0), 8, FRAME);
        assert!(first.marker);
        let second = out.play(at(20), 8, FRAME);
        assert!(!second.marker);
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(160));
        let party = out.relay(at(50), &source(65_535, 9), 8, 160).unwrap();
        assert!(party.marker);
        assert_eq!(party.ssrc, first.ssrc);
        assert_eq!(party.sequence, second.sequence.wrapping_add(1));
        assert_eq!(party.timestamp, second.timestamp.wrapping_add(240));
        let next = out.relay(at(70), &source(0, 169), 8, 160).unwrap();
        assert!(!next.marker);
        assert_eq!(next.sequence, party.sequence.wrapping_add(1));
        assert_eq!(next.timestamp, party.timestamp.wrapping_add(160));
        let music = out.play(at(71), 8, FRAME);
        assert!(music.marker);
        assert_eq!(music.sequence, next.sequence.wrapping_add(1));
        assert_eq!(music.timestamp, next.timestamp.wrapping_add(160));
    }

    #[test]
    fn loss_doubles_and_disorder_pass_through() {
        let mut out = Outbound::new(&mut Rng::new([3; 32]));
        let base = out.relay(at(0), &source(10, 0), 8, 160).unwrap();
        let shift = |sequence: u16| base.sequence.wrapping_add(sequence - 10);
        for (sequence, timestamp) in [(12, 320), (11, 160), (12, 320), (15, 800)] {
            let header = out.relay(at(20), &source(sequence, timestamp), 8, 160);
            let header = header.unwrap();
            assert_eq!(header.sequence, shift(sequence));
            assert_eq!(header.timestamp, base.timestamp.wrapping_add(timestamp));
        }
        assert_eq!(out.relay(at(20), &source(9, 0), 8, 160), None);
    }

    #[test]
    fn another_stream_or_a_jump_goes_on_without_a_step() {
        let mut out = Outbound::new(&mut Rng::new([3; 32]));
        let base = out.relay(at(0), &source(10, 1000), 8, 160).unwrap();
        let jumped = out.relay(at(20), &source(40_000, 1160), 8, 160).unwrap();
        assert!(jumped.marker);
        assert_eq!(jumped.sequence, base.sequence.wrapping_add(1));
        assert_eq!(jumped.timestamp, base.timestamp.wrapping_add(160));
        let leap = out
            .relay(at(40), &source(40_001, 3_000_000_000), 8, 160)
            .unwrap();
        assert!(leap.marker);
        assert_eq!(leap.sequence, base.sequence.wrapping_add(2));
        assert_eq!(leap.timestamp, base.timestamp.wrapping_add(320));
        let mut other = source(3, 5);
        other.ssrc = 78;
        let other = out.relay(at(5060), &other, 8, 160).unwrap();
        assert_eq!(other.sequence, base.sequence.wrapping_add(3));
        assert_eq!(other.timestamp, base.timestamp.wrapping_add(320 + 5020 * 8));
    }

    #[test]
    fn what_is_left_out_leaves_no_hole() {
        let mut out = Outbound::new(&mut Rng::new([3; 32]));
        let base = out.relay(at(0), &source(10, 0), 8, 160).unwrap();
        out.leave_out(&source(11, 160));
        out.leave_out(&source(11, 160));
        let next = out.relay(at(40), &source(12, 320), 8, 160).unwrap();
        assert_eq!(next.sequence, base.sequence.wrapping_add(1));
        assert_eq!(next.timestamp, base.timestamp.wrapping_add(320));
    }

    #[test]
    fn what_is_cut_anew_follows_its_timestamps_under_our_own_numbers() {
        let mut out = Outbound::new(&mut Rng::new([3; 32]));
        let first = out.renumber(at(0), (77, 1000), 8, 240);
        let second = out.renumber(at(30), (77, 1240), 8, 240);
        let after_gap = out.renumber(at(200), (77, 2200), 8, 240);
        assert!(first.marker && !second.marker && !after_gap.marker);
        for (header, sequence, timestamp) in [(second, 1, 240), (after_gap, 2, 1200)] {
            assert_eq!(header.sequence, first.sequence.wrapping_add(sequence));
            assert_eq!(header.timestamp, first.timestamp.wrapping_add(timestamp));
        }
        let other = out.renumber(at(230), (78, 5), 8, 240);
        assert!(other.marker);
        assert_eq!(other.timestamp, after_gap.timestamp.wrapping_add(240));
        let relayed = out.relay(at(260), &source(9, 245), 8, 160).unwrap();
        assert!(relayed.marker);
        assert_eq!(relayed.sequence, other.sequence.wrapping_add(1));
    }

    #[test]
    fn a_stall_is_a_gap_in_the_timestamps_and_none_in_the_sequence() {
        let mut out = Outbound::new(&mut Rng::new([3; 32]));
        let first = out.play(at(0), 8, FRAME);
        out.skip_frames(5);
        let second = out.play(at(120), 8, FRAME);
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(6 * 160));
        assert_eq!(second.sequence, first.sequence.wrapping_add(1));
    }
}
