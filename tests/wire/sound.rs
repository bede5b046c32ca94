//! Tones: written to files, and looked for in files (Goertzel's algorithm).

use std::f64::consts::TAU;
use std::path::Path;

const RATE: u32 = 8000;

/// Writes `seconds` of a tone as 8 kHz mono.
pub fn write_tone(path: &Path, hertz: f64, seconds: f64) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in tone(hertz, seconds) {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
}

/// `seconds` of a tone as bare A-law, which is what sipp puts into packets.
pub fn alaw_tone(hertz: f64, seconds: f64) -> Vec<u8> {
    tone(hertz, seconds).map(alaw).collect()
}

fn tone(hertz: f64, seconds: f64) -> impl Iterator<Item = i16> {
    let count = (seconds * f64::from(RATE)) as u32;
    (0..count).map(move |at| {
        let angle = TAU * hertz * f64::from(at) / f64::from(RATE);
        (angle.sin() * 12_000.0) as i16
    })
}

/// ITU-T G.711's A-law of one sample, written from its definition and not with our own tables.
fn alaw(sample: i16) -> u8 {
    let level = i32::from(sample >> 3);
    let (sign, magnitude) = if level >= 0 {
        (0x80, level)
    } else {
        (0, -level - 1)
    };
    let segment = (0..7).find(|&it| magnitude < 32 << it).unwrap_or(7);
    let step = (magnitude >> segment.max(1)) & 15;
    (sign | (segment << 4) as u8 | step as u8) ^ 0x55
}

/// The channels of a WAV file.
pub fn channels(path: &Path) -> Vec<Vec<f64>> {
    let mut reader =
        hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let count = usize::from(reader.spec().channels);
    let mut channels = vec![Vec::new(); count];
    for (at, sample) in reader.samples::<i16>().enumerate() {
        channels[at % count].push(f64::from(sample.unwrap()));
    }
    channels
}

/// Seconds in which a tone is heard: of pieces of 50 ms, those whose power is mostly at `hertz`.
pub fn heard(samples: &[f64], hertz: f64) -> f64 {
    let pieces = samples.chunks_exact(400);
    pieces.filter(|piece| share(piece, hertz) > 0.7).count() as f64 * 0.05
}

/// The share of a piece's power at one frequency.
fn share(piece: &[f64], hertz: f64) -> f64 {
    let power: f64 = piece.iter().map(|sample| sample * sample).sum();
    if power / (piece.len() as f64) < 10_000.0 {
        return 0.0;
    }
    let factor = 2.0 * (TAU * hertz / f64::from(RATE)).cos();
    let (mut before, mut last) = (0.0, 0.0);
    for sample in piece {
        (before, last) = (last, sample + factor * last - before);
    }
    let at = last * last + before * before - factor * last * before;
    at / (power * piece.len() as f64 / 2.0)
}
