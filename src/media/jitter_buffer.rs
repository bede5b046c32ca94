//! The sound of one source that waits until one listener is due some of it.
//!
//! ```text
//! packets ──put, by their timestamps──▶ ring ──pull, one sample after another──▶ listener
//! ```
//!
//! The first packet waits a little, so that the next ones may be late. Where nothing came there is
//! silence. Sound that came too late makes all that follows wait that little again; a source that runs
//! ahead of its listener loses what is too much. No clock is read here: the listener is the clock.

use crate::limits;
use crate::rtp::g711;
use crate::rtp::packet::Header;
use crate::time::Duration;
use crate::words::Codec;

/// Samples that the ring holds: more than the depth and the longest packet.
const SPAN: usize = 2_048;
/// Samples of one packet that are heard; a longer one is cut.
const LONGEST: usize = 480;
/// Samples that the first packet waits.
const DELAY: u32 = in_samples(limits::MIX_DELAY);
/// Samples that may wait.
const DEPTH: u32 = in_samples(limits::MIX_DEPTH);

const fn in_samples(duration: Duration) -> u32 {
    duration.subsec_millis() * (g711::RATE / 1_000)
}

/// A ring of samples, read and written by timestamps.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    ring: [i16; SPAN],
    /// Where the sample lies that is read next.
    head: usize,
    stream: Option<Stream>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    /// The timestamp of the sample that is read next.
    due: u32,
    /// The timestamp after the newest sample that came.
    end: u32,
}

/// Where a packet belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// So many samples after the one that is read next.
    Ahead(u32),
    /// There, once so many samples have been left out.
    TooFar(u32),
    /// Its time has passed, and newer sound has come.
    Late,
    /// The stream begins anew.
    Anew,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            ring: [0; SPAN],
            head: 0,
            stream: None,
        }
    }
}

impl Stream {
    fn place(&self, header: &Header, samples: u32) -> Place {
        let ahead = header.timestamp.wrapping_sub(self.due);
        let behind = self.due.wrapping_sub(header.timestamp);
        if header.ssrc != self.ssrc {
            return Place::Anew;
        }
        if ahead <= behind {
            let too_much = ahead.saturating_sub(DELAY);
            return match ahead {
                ahead if ahead + samples <= DEPTH => Place::Ahead(ahead),
                _ if too_much < SPAN as u32 => Place::TooFar(too_much),
                _ => Place::Anew,
            };
        }
        let older = self.end.wrapping_sub(header.timestamp);
        if (1..=SPAN as u32).contains(&older) {
            Place::Late
        } else {
            Place::Anew
        }
    }
}

impl JitterBuffer {
    /// Puts a packet's sound where its timestamp says.
    pub fn put(&mut self, header: &Header, codec: Codec, payload: &[u8]) {
        let payload = payload.get(..LONGEST).unwrap_or(payload);
        let samples = u32::try_from(payload.len()).unwrap_or(0);
        let place = match &self.stream {
            Some(stream) => stream.place(header, samples),
            None => Place::Anew,
        };
        let ahead = match place {
            Place::Ahead(ahead) => ahead,
            Place::TooFar(too_much) => {
                for _ in 0..too_much {
                    self.pull();
                }
                DELAY
            }
            Place::Late => return,
            Place::Anew => {
                self.begin(header);
                DELAY
            }
        };
        let end = header.timestamp.wrapping_add(samples);
        if let Some(stream) = &mut self.stream
            && end.wrapping_sub(stream.end) <= stream.end.wrapping_sub(end)
        {
            stream.end = end;
        }
        let mut at = (self.head + ahead as usize) % SPAN;
        for &byte in payload {
            if let Some(place) = self.ring.get_mut(at) {
                *place = g711::decode(codec, byte);
            }
            at = (at + 1) % SPAN;
        }
    }

    fn begin(&mut self, header: &Header) {
        self.ring.fill(0);
        self.stream = Some(Stream {
            ssrc: header.ssrc,
            due: header.timestamp.wrapping_sub(DELAY),
            end: header.timestamp,
        });
    }

    /// The sample that is due; silence where nothing came.
    pub fn pull(&mut self) -> i16 {
        let Some(stream) = &mut self.stream else {
            return 0;
        };
        stream.due = stream.due.wrapping_add(1);
        let sample = self.ring.get_mut(self.head).map(std::mem::take);
        self.head = (self.head + 1) % SPAN;
        sample.unwrap_or(0)
    }

    /// Whether sound waits that has not been read.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.stream.is_some_and(|stream| {
            let left = stream.end.wrapping_sub(stream.due);
            (1..=SPAN as u32).contains(&left)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32) -> Header {
        Header {
            marker: false,
            payload_type: 8,
            sequence,
            timestamp,
            ssrc: 7,
        }
    }

    fn put(buffer: &mut JitterBuffer, timestamp: u32, sample: i16) {
        let mut bytes = [0; 160];
        g711::encode(Codec::Pcma, &[sample; 160], &mut bytes);
        buffer.put(&packet(0, timestamp), Codec::Pcma, &bytes);
    }

    /// The loudness of the next frames of 20 ms, in thousands; a frame is of one loudness.
    fn frames(buffer: &mut JitterBuffer, count: usize) -> Vec<i16> {
        let frames = (0..count).map(|_| {
            let frame: Vec<i16> = (0..160).map(|_| buffer.pull()).collect();
            let loudness = frame.iter().map(|sample| (sample + 500) / 1000);
            let first = loudness.clone().next().unwrap();
            assert!(loudness.clone().all(|other| other == first), "{frame:?}");
            first
        });
        frames.collect()
    }

    #[test]
    fn sound_waits_two_frames_and_then_comes_whole_whatever_the_jitter() {
        let mut buffer = JitterBuffer::default();
        assert!(!buffer.waits());
        put(&mut buffer, u32::MAX - 159, 1000);
        assert!(buffer.waits());
        assert_eq!(frames(&mut buffer, 1), [0]);
        put(&mut buffer, 0, 2000);
        assert_eq!(frames(&mut buffer, 3), [0, 1, 2]);
        assert!(!buffer.waits());
        // Two at once, in the wrong order, one of them twice.
        put(&mut buffer, 320, 4000);
        put(&mut buffer, 160, 3000);
        put(&mut buffer, 320, 4000);
        assert_eq!(frames(&mut buffer, 3), [3, 4, 0]);
        // Late by a frame: from now on everything waits again.
        put(&mut buffer, 480, 5000);
        assert_eq!(frames(&mut buffer, 3), [0, 0, 5]);
    }

    #[test]
    fn a_lost_packet_is_silence_and_a_late_one_is_lost() {
        let mut buffer = JitterBuffer::default();
        put(&mut buffer, 0, 1000);
        put(&mut buffer, 320, 3000);
        assert_eq!(frames(&mut buffer, 4), [0, 0, 1, 0]);
        put(&mut buffer, 160, 2000);
        assert_eq!(frames(&mut buffer, 2), [3, 0]);
    }

    #[test]
    fn what_runs_ahead_is_cut_to_the_delay_and_what_stalls_waits_again() {
        let mut buffer = JitterBuffer::default();
        for number in 0..20 {
            let loud = i16::try_from(number).unwrap() * 1000 + 1000;
            put(&mut buffer, number * 160, loud);
        }
        let heard = frames(&mut buffer, 9);
        assert!(heard.contains(&20), "{heard:?}");
        assert!(!buffer.waits());
        frames(&mut buffer, 50);
        put(&mut buffer, 20 * 160, 5000);
        assert_eq!(frames(&mut buffer, 4), [0, 0, 5, 0]);
        // A gap that the timestamps tell, and a clock that begins elsewhere.
        frames(&mut buffer, 100);
        put(&mut buffer, (21 + 101) * 160, 6000);
        assert!(frames(&mut buffer, 4).contains(&6));
        put(&mut buffer, 3_000_000_000, 7000);
        assert_eq!(frames(&mut buffer, 3), [0, 0, 7]);
    }

    #[test]
    fn no_clock_of_a_sender_makes_sound_wait_for_long_or_for_ever() {
        // Samples that the source makes while the listener reads a thousand frames of 160.
        for pace in [152, 159, 161, 168] {
            let mut buffer = JitterBuffer::default();
            let (mut sent, mut silent) = (0_u32, 0);
            for frame in 0..1_000_u32 {
                while sent * 160 <= frame * pace {
                    put(&mut buffer, sent * 160, 4000);
                    sent += 1;
                }
                let left = buffer.stream.unwrap();
                assert!(left.end.wrapping_sub(left.due) <= DEPTH + 160);
                let heard = (0..160).filter(|_| buffer.pull() < 3000).count();
                silent += heard;
            }
            assert!(silent < 160_000 / 8, "{pace}: {silent}");
        }
    }
}
