//! Playing prompts and music at an even 20 ms.
//!
//! A playout gives one frame a tick and never says when the tick is. Prompts follow one another
//! without a gap, a loop begins again in the middle of a frame, and only the very last frame is
//! filled up with silence.

use std::sync::Arc;

use super::outbound::FRAME;
use crate::rtp::g711;
use crate::words::Codec;

/// Bytes, and samples, in 20 ms of G.711.
pub const FRAME_BYTES: usize = FRAME as usize;

/// What is being played to one leg.
#[derive(Clone, Debug)]
pub struct Playout {
    sounds: Vec<Arc<[i16]>>,
    looped: bool,
    /// Which sound, and which sample of it, comes next.
    sound: usize,
    sample: usize,
}

impl Playout {
    /// Plays `sounds` one after another, for ever if `looped`. A loop without a single sample is
    /// silence, because a caller who waits should never hear a dead line.
    #[must_use]
    pub fn new(sounds: Vec<Arc<[i16]>>, looped: bool) -> Self {
        Self {
            sounds,
            looped,
            sound: 0,
            sample: 0,
        }
    }

    /// Fills the next frame; false when everything has been played.
    pub fn frame(&mut self, codec: Codec, out: &mut [u8; FRAME_BYTES]) -> bool {
        let mut rest: &mut [u8] = out;
        let mut sounded = false;
        while !rest.is_empty() {
            let Some(samples) = self.next_samples(rest.len()) else {
                rest.fill(g711::silence(codec));
                break;
            };
            let (filled, empty) = rest.split_at_mut(samples.len().min(rest.len()));
            g711::encode(codec, samples, filled);
            sounded = true;
            rest = empty;
        }
        sounded || self.looped
    }

    /// At most `wanted` samples of the sound that is due, never none of them.
    fn next_samples(&mut self, wanted: usize) -> Option<&[i16]> {
        // Each turn either finds samples or goes one sound further; empty sounds are passed over
        // once, and once more after the loop's end.
        for _ in 0..=self.sounds.len().saturating_mul(2) {
            if self.sound >= self.sounds.len() {
                if !self.looped {
                    return None;
                }
                self.sound = 0;
            }
            let left = self
                .sounds
                .get(self.sound)?
                .len()
                .saturating_sub(self.sample);
            if left > 0 {
                let (sound, from) = (self.sound, self.sample);
                let count = left.min(wanted);
                self.sample += count;
                return self.sounds.get(sound)?.get(from..from + count);
            }
            self.sound += 1;
            self.sample = 0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(value: i16, samples: usize) -> Arc<[i16]> {
        vec![value; samples].into()
    }

    fn play(playout: &mut Playout, frames: usize) -> Vec<i16> {
        let mut heard = Vec::new();
        for _ in 0..frames {
            let mut frame = [0; FRAME_BYTES];
            if !playout.frame(Codec::Pcmu, &mut frame) {
                break;
            }
            heard.extend(frame.map(|byte| g711::decode(Codec::Pcmu, byte)));
        }
        heard
    }

    #[test]
    fn prompts_follow_without_a_gap_and_end_in_silence() {
        let sounds = vec![sound(988, 200), sound(0, 0), sound(-988, 100)];
        let heard = play(&mut Playout::new(sounds, false), 99);
        assert_eq!(heard.len(), 320);
        assert!(heard[..200].iter().all(|&sample| sample == 988));
        assert!(heard[200..300].iter().all(|&sample| sample == -988));
        assert!(heard[300..].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn music_loops_without_a_gap() {
        let heard = play(&mut Playout::new(vec![sound(988, 161)], true), 1000);
        assert_eq!(heard.len(), 160_000);
        assert!(heard.iter().all(|&sample| sample == 988));
    }

    #[test]
    fn a_loop_of_nothing_is_silence_and_a_prompt_of_nothing_ends_at_once() {
        let heard = play(&mut Playout::new(Vec::new(), true), 3);
        assert_eq!(heard, vec![0; 480]);
        let heard = play(&mut Playout::new(vec![sound(0, 0); 3], true), 3);
        assert_eq!(heard, vec![0; 480]);
        assert!(play(&mut Playout::new(vec![sound(0, 0)], false), 3).is_empty());
    }
}
