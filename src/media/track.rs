//! Where a packet's sound belongs on the timeline of a recording.
//!
//! The timeline is the wall: position zero is the bridge. A stream is anchored by its first packet's
//! arrival, and the packets after it follow by their timestamps, so that jitter is not recorded.
//! Every few seconds the anchor is corrected by the promptest packet of the time, because no
//! sender's clock runs like ours and the first packet may itself have been late.

use crate::limits;
use crate::rtp::g711;
use crate::time::{Duration, Instant};

/// Samples since the bridge.
pub type Position = i64;

/// A packet as the recorder sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// When it came.
    pub arrival: Instant,
    /// The stream of the sender.
    pub ssrc: u32,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples.
    pub timestamp: u32,
    /// A talk spurt begins.
    pub marker: bool,
}

/// One direction of a recorded call.
#[derive(Clone, Default, Debug)]
pub struct Track {
    stream: Option<Stream>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    newest: u16,
    /// A timestamp and its position.
    timestamp: u32,
    position: Position,
    /// Since when every packet was too late.
    late_since: Option<Instant>,
    /// The promptest packet since the last correction, and how many there were.
    promptest: Position,
    packets: u32,
}

/// Packets between two corrections of the anchor: five seconds of talk; the first comes sooner.
const CORRECTION: u32 = 250;
const FIRST_CORRECTION: u32 = 25;
/// An anchor that is right to this many samples (10 ms) is left alone.
const TOLERANCE: Position = 80;
/// A stream that has been too late for this long is anchored anew; a burst after a stall is not.
const LATENESS: Duration = Duration::from_millis(200);

impl Track {
    /// Where the packet's first sample belongs; none when that place is already written.
    pub fn place(&mut self, bridged: Instant, stamp: &Stamp) -> Option<Position> {
        let arrival = samples(stamp.arrival.since(bridged));
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.follows(stamp)) else {
            self.stream = Some(Stream::anchored(stamp, arrival, FIRST_CORRECTION));
            return Some(arrival);
        };
        let newer = stamp.sequence.wrapping_sub(stream.newest) < limits::RTP_DROPOUT;
        let position = stream.position(stamp.timestamp);
        let late = arrival - position;
        if !newer {
            return (late <= jitter()).then_some(position);
        }
        stream.newest = stamp.sequence;
        if late > jitter() {
            let since = *stream.late_since.get_or_insert(stamp.arrival);
            let spurt = stamp.marker || late > samples(limits::RECORDING_GAP);
            if !spurt && stamp.arrival.since(since) < LATENESS {
                return None;
            }
        } else if late >= -jitter() {
            stream.late_since = None;
            stream.correct(stamp.timestamp, position, late);
            return Some(position);
        }
        self.stream = Some(Stream::anchored(stamp, arrival, FIRST_CORRECTION));
        Some(arrival)
    }
}

impl Stream {
    const fn anchored(stamp: &Stamp, position: Position, packets: u32) -> Self {
        Self {
            ssrc: stamp.ssrc,
            newest: stamp.sequence,
            timestamp: stamp.timestamp,
            position,
            late_since: None,
            promptest: Position::MAX,
            packets,
        }
    }

    fn follows(&self, stamp: &Stamp) -> bool {
        let ahead = stamp.sequence.wrapping_sub(self.newest);
        let behind = self.newest.wrapping_sub(stamp.sequence);
        stamp.ssrc == self.ssrc && (ahead < limits::RTP_DROPOUT || behind <= limits::RTP_MISORDER)
    }

    fn position(&self, timestamp: u32) -> Position {
        let ahead = timestamp.wrapping_sub(self.timestamp);
        let behind = self.timestamp.wrapping_sub(timestamp);
        if ahead <= behind {
            self.position + Position::from(ahead)
        } else {
            self.position - Position::from(behind)
        }
    }

    /// Moves the anchor along, and sets it right by the promptest packet when its time has come.
    fn correct(&mut self, timestamp: u32, position: Position, late: Position) {
        self.timestamp = timestamp;
        self.position = position;
        self.promptest = self.promptest.min(late);
        self.packets = self.packets.saturating_sub(1);
        if self.packets == 0 {
            if self.promptest.abs() > TOLERANCE {
                self.position += self.promptest;
            }
            self.promptest = Position::MAX;
            self.packets = CORRECTION;
        }
    }
}

/// A duration in samples.
#[must_use]
pub fn samples(duration: Duration) -> Position {
    let samples = duration.as_nanos() * u128::from(g711::RATE) / 1_000_000_000;
    Position::try_from(samples).unwrap_or(Position::MAX / 2)
}

fn jitter() -> Position {
    samples(limits::RECORDING_JITTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(millis: u64, sequence: u16, timestamp: u32) -> Stamp {
        Stamp {
            arrival: Instant::START + Duration::from_millis(millis),
            ssrc: 1,
            sequence,
            timestamp,
            marker: false,
        }
    }

    fn place(track: &mut Track, stamp: Stamp) -> Option<Position> {
        track.place(Instant::START, &stamp)
    }

    #[test]
    fn jitter_and_disorder_do_not_move_sound() {
        let mut track = Track::default();
        assert_eq!(
            place(&mut track, stamp(100, 65_535, u32::MAX - 100)),
            Some(800)
        );
        let next = (u32::MAX - 100).wrapping_add(160);
        assert_eq!(
            place(&mut track, stamp(170, 1, next.wrapping_add(160))),
            Some(1120)
        );
        assert_eq!(place(&mut track, stamp(171, 0, next)), Some(960));
        assert_eq!(place(&mut track, stamp(172, 0, next)), Some(960));
        assert_eq!(place(&mut track, stamp(400, 0, next)), None);
    }

    #[test]
    fn a_late_first_packet_is_put_right_soon() {
        let mut track = Track::default();
        place(&mut track, stamp(150, 0, 0));
        let mut last = 0;
        for packet in 1..100_u16 {
            let millis = u64::from(packet) * 20;
            last = place(&mut track, stamp(millis, packet, u32::from(packet) * 160)).unwrap();
        }
        assert_eq!(last, 99 * 160);
    }

    #[test]
    fn a_senders_clock_that_drifts_stays_on_the_wall() {
        let mut track = Track::default();
        for packet in 0..60_000_u32 {
            let sequence = u16::try_from(packet & 0xffff).unwrap();
            let micros = u64::from(packet) * 19_994;
            let arrival = Instant::START + Duration::from_micros(micros);
            let stamp = Stamp {
                arrival,
                ..stamp(0, sequence, packet.wrapping_mul(160))
            };
            let placed = place(&mut track, stamp).unwrap();
            let wall = samples(arrival.since(Instant::START));
            assert!((placed - wall).abs() < 160, "{packet}: {placed} {wall}");
        }
    }

    #[test]
    fn a_burst_after_a_stall_is_lost_and_the_rest_stays_in_place() {
        let mut track = Track::default();
        place(&mut track, stamp(0, 0, 0));
        for packet in 1..40_u16 {
            let placed = place(&mut track, stamp(1000, packet, u32::from(packet) * 160));
            assert_eq!(placed, None);
        }
        assert_eq!(place(&mut track, stamp(1000, 45, 45 * 160)), Some(45 * 160));
        assert_eq!(place(&mut track, stamp(1020, 51, 51 * 160)), Some(51 * 160));
    }

    #[test]
    fn timestamps_that_jump_follow_the_wall() {
        let mut track = Track::default();
        place(&mut track, stamp(0, 0, 0));
        assert_eq!(place(&mut track, stamp(20, 1, 3_000_000_000)), Some(160));
        assert_eq!(place(&mut track, stamp(40, 2, 3_000_000_160)), Some(320));
        assert_eq!(place(&mut track, stamp(60, 3, 3_000_900_160)), Some(480));
        // A sender whose clock stands still while it is silent, with and without a marker.
        let spurt = Stamp {
            marker: true,
            ..stamp(60_000, 4, 3_000_900_320)
        };
        assert_eq!(place(&mut track, spurt), Some(480_000));
        assert_eq!(
            place(&mut track, stamp(120_000, 5, 3_000_900_480)),
            Some(960_000)
        );
        let mut lost = 0;
        for packet in 0..50_u16 {
            let millis = 125_000 + u64::from(packet) * 20;
            let timestamp = 3_000_900_640 + u32::from(packet) * 160;
            if place(&mut track, stamp(millis, 6 + packet, timestamp)).is_none() {
                lost += 1;
            }
        }
        assert_eq!(lost, 10);
    }
}
