//! What the parties of the demo sound like, and how an ear tells them apart.
//!
//! Nobody speaks: each side has a tune of double tones as its voice, so that a recording has something
//! to hear on both channels and a program can tell a voice from music and from a whisper. The two
//! tones of a note stand in no musical interval, as with the keys of a phone. No sockets.

use std::f32::consts::TAU;

use crate::time::Duration;

/// Samples of one packet: 20 ms at 8 kHz.
pub(super) const FRAME: usize = 160;
/// The time of one packet.
pub(super) const FRAME_TIME: Duration = Duration::from_millis(20);
const RATE: f32 = 8000.0;
const FRAMES_A_NOTE: u64 = 12;
/// Of one tone; a note has two.
const LOUDNESS: f32 = 5000.0;
/// Below this a frame is silence.
const QUIET: f32 = 150.0;
/// This much of a frame's energy must be in the two tones of a note, and this much in each.
const PURE: f32 = 0.8;
const SHARE: f32 = 0.25;
/// A voice is believed after this many frames in a row.
const SURE: u32 = 6;

/// Whose voice it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Voice {
    /// A patient at the far end of the trunk.
    Caller,
    /// An operator at a softphone.
    Operator,
}

impl Voice {
    /// Hertz of both tones; zeros are a rest. No note of one voice is near one of the other.
    const fn notes(self) -> [(f32, f32); 6] {
        const REST: (f32, f32) = (0.0, 0.0);
        match self {
            Self::Caller => {
                let (low, middle, high) = ((617.0, 1423.0), (701.0, 1607.0), (797.0, 1801.0));
                [low, middle, high, middle, low, REST]
            }
            Self::Operator => {
                let (low, middle, high) = ((347.0, 829.0), (401.0, 937.0), (457.0, 1051.0));
                [high, middle, low, middle, high, REST]
            }
        }
    }

    /// The other side.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Operator,
            Self::Operator => Self::Caller,
        }
    }

    /// Frame `number` of the tune, which goes round for ever.
    pub(super) fn frame(self, number: u64) -> [i16; FRAME] {
        let notes = self.notes();
        let at = usize::try_from((number / FRAMES_A_NOTE) % notes.len() as u64).unwrap_or(0);
        let (low, high) = notes.get(at).copied().unwrap_or_default();
        let step = number % FRAMES_A_NOTE;
        let edge = |index: usize| match step {
            0 => (as_f32(index) / 80.0).min(1.0),
            last if last == FRAMES_A_NOTE - 1 => (as_f32(FRAME - index) / 80.0).min(1.0),
            _ => 1.0,
        };
        let offset = as_f32(usize::try_from(step).unwrap_or(0) * FRAME);
        std::array::from_fn(|index| {
            let time = TAU * (offset + as_f32(index)) / RATE;
            let tones = (low * time).sin() + (high * time).sin();
            #[expect(clippy::cast_possible_truncation, reason = "far within 16 bits")]
            let sample = (tones * LOUDNESS * edge(index)) as i16;
            sample
        })
    }
}

/// Counts of a frame or a tune, far below what `f32` holds exactly.
#[expect(clippy::cast_precision_loss, reason = "never above a few thousand")]
const fn as_f32(count: usize) -> f32 {
    count as f32
}

/// What one frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sound {
    /// Nothing to hear.
    Silence,
    /// Music, a whisper, an announcement.
    Program,
    /// The voice of the other party.
    Voice,
}

/// An ear that knows the voice it waits for.
#[derive(Debug)]
pub(super) struct Ear {
    voice: Voice,
    in_a_row: u32,
}

impl Ear {
    /// An ear that waits for `voice`.
    pub(super) const fn new(voice: Voice) -> Self {
        Self { voice, in_a_row: 0 }
    }

    /// Whether the voice has been heard for long enough to be believed.
    pub(super) const fn sure(&self) -> bool {
        self.in_a_row >= SURE
    }

    /// Tells what a frame is.
    pub(super) fn hear(&mut self, samples: &[i16]) -> Sound {
        let energy: f32 = samples.iter().map(|&one| f32::from(one).powi(2)).sum();
        let count = as_f32(samples.len().max(1));
        if (energy / count).sqrt() < QUIET {
            return Sound::Silence;
        }
        let notes = self.voice.notes();
        let share = |hertz: f32| 2.0 * power(samples, hertz) / (count * energy);
        let pure = notes
            .iter()
            .filter(|(low, _)| *low > 0.0)
            .map(|(low, high)| (share(*low), share(*high)))
            .any(|(low, high)| low.min(high) > SHARE && low + high > PURE);
        if pure {
            self.in_a_row = (self.in_a_row + 1).min(SURE);
            return Sound::Voice;
        }
        if !self.sure() {
            self.in_a_row = 0;
        }
        Sound::Program
    }
}

/// The power of `samples` at one frequency (Goertzel).
fn power(samples: &[i16], hertz: f32) -> f32 {
    let twice_cosine = 2.0 * (TAU * hertz / RATE).cos();
    let (mut before, mut last) = (0.0_f32, 0.0_f32);
    for &sample in samples {
        (before, last) = (last, f32::from(sample) + twice_cosine * last - before);
    }
    last * last + before * before - twice_cosine * last * before
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::rtp::g711;
    use crate::words::Codec;

    #[test]
    fn an_ear_knows_its_voice_through_both_laws_and_no_other() {
        for voice in [Voice::Caller, Voice::Operator] {
            for codec in [Codec::Pcma, Codec::Pcmu] {
                let (mut right, mut wrong) = (Ear::new(voice), Ear::new(voice.other()));
                for number in 0..200 {
                    let mut bytes = [0; FRAME];
                    g711::encode(codec, &voice.frame(number), &mut bytes);
                    let heard = bytes.map(|byte| g711::decode(codec, byte));
                    assert_ne!(
                        right.hear(&heard),
                        Sound::Program,
                        "{voice:?} frame {number}"
                    );
                    assert_ne!(wrong.hear(&heard), Sound::Voice, "{voice:?} frame {number}");
                }
                assert!(right.sure() && !wrong.sure());
            }
        }
    }

    #[test]
    fn neither_music_nor_a_whisper_is_taken_for_a_voice() {
        let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
        for file in [
            "music/calm.wav",
            "uk/call-from/odesa.wav",
            "uk/campaign/implants.wav",
            "ru/call-from/krasnodar.wav",
            "uk/announce/recorded-notice.wav",
        ] {
            let samples = hound::WavReader::open(prompts.join(file))
                .unwrap()
                .samples::<i16>()
                .collect::<Result<Vec<_>, _>>()
                .unwrap();
            for voice in [Voice::Caller, Voice::Operator] {
                let mut ear = Ear::new(voice);
                let loud = samples
                    .chunks_exact(FRAME)
                    .filter(|frame| ear.hear(frame) != Sound::Silence)
                    .count();
                assert!(loud > 10, "{file} is silent");
                assert!(!ear.sure(), "{file} is taken for {voice:?}");
            }
        }
    }

    #[test]
    fn silence_is_silence() {
        let mut ear = Ear::new(Voice::Caller);
        assert_eq!(ear.hear(&[0; FRAME]), Sound::Silence);
        assert_eq!(ear.hear(&[]), Sound::Silence);
    }
}
