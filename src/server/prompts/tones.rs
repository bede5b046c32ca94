//! The tones of our own making, as samples. They are computed, so that they are ready on every machine.

use std::f32::consts::TAU;

use super::sound::RATE;
use crate::words::Tone;

/// As loud as the recorded prompts: -20 dBFS RMS of a sine.
const LEVEL: f32 = 0.141;
/// A tone rises and falls within this, so that it does not click.
const EDGE: usize = RATE as usize / 100;

/// Frequency in Hz and length in milliseconds; a frequency of zero is a pause.
type Note = (f32, usize);

/// The samples of a tone, 8 kHz mono.
pub(crate) fn sound(tone: Tone) -> Vec<i16> {
    let notes: &[Note] = match tone {
        Tone::Beep => &[(1_000.0, 300), (0.0, 100)],
        Tone::Done => &[(700.0, 120), (0.0, 60), (1_050.0, 180), (0.0, 100)],
        Tone::Refused => &[(480.0, 250), (0.0, 100), (480.0, 250), (0.0, 100)],
    };
    notes.iter().flat_map(|note| samples(*note)).collect()
}

fn samples((frequency, millis): Note) -> impl Iterator<Item = i16> {
    let count = RATE as usize * millis / 1_000;
    (0..count).map(move |at| {
        let edge = at.min(count - 1 - at).min(EDGE) as f32 / EDGE as f32;
        let angle = TAU * frequency * at as f32 / RATE as f32;
        (angle.sin() * edge * LEVEL * f32::from(i16::MAX)) as i16
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_are_told_apart_and_do_not_click() {
        for tone in [Tone::Beep, Tone::Done, Tone::Refused] {
            let samples = sound(tone);
            let loudest = samples.iter().map(|it| it.unsigned_abs()).max().unwrap();
            assert!((4_000..5_000).contains(&loudest), "{tone:?}: {loudest}");
            let steepest = samples.windows(2).map(|two| two[0].abs_diff(two[1])).max();
            assert!(steepest.unwrap() < 4_000, "{tone:?}");
            assert_eq!((samples[0], samples.last()), (0, Some(&0)));
        }
        assert_ne!(sound(Tone::Done), sound(Tone::Refused));
    }
}
