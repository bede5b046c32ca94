//! A stereo recording of two legs on one timeline: caller left, operator right. A supervisor who talks
//! to both is added to the right.
//!
//! Packets go in with their arrival, samples come out once they are older than the jitter that is
//! waited for; where nothing came there is silence. The recording is as long as the time from the
//! bridge to its end, whatever the packets said. No file is written here.

use std::collections::VecDeque;

use super::track::{Position, Stamp, Track, samples};
use crate::limits;
use crate::rtp::g711;
use crate::time::Instant;
use crate::words::Codec;

/// A channel of the recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Left.
    Caller,
    /// Right.
    Operator,
    /// Right, added to the operator.
    Supervisor,
}

/// One sample of both channels: left, right.
pub type Frame = [i16; 2];

/// The timeline of a recording, from the bridge on.
#[derive(Debug)]
pub struct Recorder {
    bridged: Instant,
    caller: Track,
    operator: Track,
    supervisor: Track,
    /// Frames that have left.
    written: Position,
    /// Samples of all three that wait for late packets; the first are at `written`.
    waiting: VecDeque<[i16; 3]>,
}

/// The longest sound of one packet that is recorded: what fits in a packet.
const LONGEST: usize = limits::RTP_PACKET_BYTES;

impl Recorder {
    /// A recording that begins now.
    #[must_use]
    pub fn new(bridged: Instant) -> Self {
        Self {
            bridged,
            caller: Track::default(),
            operator: Track::default(),
            supervisor: Track::default(),
            written: 0,
            waiting: VecDeque::new(),
        }
    }

    /// When it began.
    #[must_use]
    pub const fn bridged(&self) -> Instant {
        self.bridged
    }

    /// Puts a packet's sound in its place. A packet that comes twice is put in the same place.
    pub fn take(&mut self, side: Side, stamp: &Stamp, codec: Codec, payload: &[u8]) {
        let track = match side {
            Side::Caller => &mut self.caller,
            Side::Operator => &mut self.operator,
            Side::Supervisor => &mut self.supervisor,
        };
        let Some(position) = track.place(self.bridged, stamp) else {
            return;
        };
        for (offset, &byte) in payload.iter().take(LONGEST).enumerate() {
            let Ok(offset) = Position::try_from(offset) else {
                return;
            };
            let Ok(index) = usize::try_from(position + offset - self.written) else {
                continue;
            };
            if index >= self.waiting.len() {
                self.waiting.resize(index + 1, [0; 3]);
            }
            if let Some([caller, operator, supervisor]) = self.waiting.get_mut(index) {
                let sample = g711::decode(codec, byte);
                match side {
                    Side::Caller => *caller = sample,
                    Side::Operator => *operator = sample,
                    Side::Supervisor => *supervisor = sample,
                }
            }
        }
    }

    /// Gives out what no late packet can change any more.
    pub fn settle(&mut self, now: Instant, out: &mut Vec<Frame>) {
        let settled = now - limits::RECORDING_JITTER;
        self.write_until(samples(settled.since(self.bridged)), out);
    }

    /// Gives out all that is left, up to the end and no further.
    pub fn finish(&mut self, ended: Instant, out: &mut Vec<Frame>) {
        self.write_until(samples(ended.since(self.bridged)), out);
    }

    fn write_until(&mut self, position: Position, out: &mut Vec<Frame>) {
        let Ok(count) = usize::try_from(position - self.written) else {
            return;
        };
        let ready = count.min(self.waiting.len());
        let settled = self.waiting.drain(..ready);
        out.extend(settled.map(|[left, right, third]| [left, right.saturating_add(third)]));
        out.resize(out.len() + (count - ready), [0, 0]);
        self.written = position.max(self.written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }

    fn stamp(millis: u64, sequence: u16) -> Stamp {
        Stamp {
            arrival: at(millis),
            ssrc: 9,
            sequence,
            timestamp: u32::from(sequence) * 160,
            marker: false,
        }
    }

    fn loud(codec: Codec) -> [u8; 160] {
        let mut bytes = [0; 160];
        g711::encode(codec, &[8000; 160], &mut bytes);
        bytes
    }

    #[test]
    fn both_sides_lie_on_one_timeline_and_gaps_are_silence() {
        let mut recorder = Recorder::new(at(1000));
        let mut out = Vec::new();
        for sequence in [0, 1, 3, 3] {
            let stamp = stamp(1100 + u64::from(sequence) * 20, sequence);
            recorder.take(Side::Caller, &stamp, Codec::Pcma, &loud(Codec::Pcma));
        }
        recorder.take(
            Side::Operator,
            &stamp(1140, 77),
            Codec::Pcmu,
            &loud(Codec::Pcmu),
        );
        recorder.settle(at(1300), &mut out);
        assert_eq!(out.len(), 800);
        recorder.finish(at(1500), &mut out);
        assert_eq!(out.len(), 4000);
        let loud: Vec<[bool; 2]> = out.iter().map(|frame| frame.map(|s| s > 7000)).collect();
        for (index, [left, right]) in loud.iter().enumerate() {
            assert_eq!(
                *left,
                (800..1120).contains(&index) || (1280..1440).contains(&index)
            );
            assert_eq!(*right, (1120..1280).contains(&index));
        }
    }

    #[test]
    fn a_supervisor_is_added_to_the_right_and_doubles_change_nothing() {
        let mut recorder = Recorder::new(at(0));
        let mut out = Vec::new();
        for side in [Side::Supervisor, Side::Operator, Side::Supervisor] {
            recorder.take(side, &stamp(0, 0), Codec::Pcmu, &loud(Codec::Pcmu));
        }
        recorder.finish(at(20), &mut out);
        assert!(out.iter().all(|&[left, right]| left == 0 && right > 15_000));
    }

    #[test]
    fn the_length_is_that_of_the_wall_whatever_came() {
        let mut recorder = Recorder::new(at(0));
        let mut out = Vec::new();
        recorder.take(Side::Caller, &stamp(495, 0), Codec::Pcma, &[0; 1400]);
        recorder.settle(at(100), &mut out);
        recorder.settle(at(50), &mut out);
        assert!(out.is_empty());
        recorder.finish(at(500), &mut out);
        recorder.finish(at(400), &mut out);
        assert_eq!(out.len(), 4000);

        let mut silent = Recorder::new(at(0));
        let mut out = Vec::new();
        silent.finish(at(0), &mut out);
        assert!(out.is_empty());
        silent.finish(at(60_000), &mut out);
        assert_eq!(out, vec![[0, 0]; 480_000]);
    }

    #[test]
    fn packets_that_wait_are_bounded_by_the_jitter() {
        let mut recorder = Recorder::new(at(0));
        let mut out = Vec::new();
        for packet in 0..5000_u16 {
            let millis = u64::from(packet) * 20;
            let stamp = Stamp {
                timestamp: u32::from(packet).wrapping_mul(2_654_435_761),
                ..stamp(millis, packet)
            };
            recorder.take(Side::Operator, &stamp, Codec::Pcma, &[1; 160]);
            recorder.settle(at(millis), &mut out);
            assert!(recorder.waiting.len() < 6000);
        }
    }
}
