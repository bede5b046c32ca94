//! Hold music from nowhere: what waiting callers hear when no folder has the default piece.
//!
//! Not a replacement for a piece that a plan asks for by name: that one is missed aloud.

use std::f32::consts::{PI, TAU};

/// The frequencies of four chords, in hertz.
const CHORDS: [[f32; 3]; 4] = [
    [261.6, 329.6, 392.0],
    [220.0, 261.6, 329.6],
    [174.6, 220.0, 261.6],
    [196.0, 246.9, 293.7],
];
/// Two seconds each.
const CHORD_SAMPLES: u16 = 16_000;

/// Eight seconds that loop without a gap, 8 kHz mono.
#[must_use]
pub fn compose() -> Vec<i16> {
    let mut music = Vec::with_capacity(CHORDS.len() * usize::from(CHORD_SAMPLES));
    for chord in CHORDS {
        for index in 0..CHORD_SAMPLES {
            let time = TAU * f32::from(index) / 8000.0;
            let swell = (PI * f32::from(index) / f32::from(CHORD_SAMPLES)).sin();
            let sum: f32 = chord.iter().map(|hertz| (hertz * time).sin()).sum();
            #[expect(clippy::cast_possible_truncation, reason = "far within 16 bits")]
            music.push((sum * swell * 1500.0) as i16);
        }
    }
    music
}
