//! WAV from anywhere to 8 kHz mono: any rate, any number of channels, PCM of 8 to 32 bits or float.

use std::io::Cursor;

use hound::{SampleFormat, WavReader};

use super::sound;
use crate::limits;

/// A WAV that cannot be used, and what would help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadWav {
    /// Not a WAV, or in a coding that is not read.
    #[error(
        "it is no PCM WAV ({0}); convert it, for instance with `sox in.wav -e signed -b 16 out.wav`"
    )]
    Unreadable(String),
    /// A rate no recording has.
    #[error("it has {0} samples a second; 4000 to 192000 can be read")]
    Rate(u32),
    /// Longer than a prompt may be.
    #[error("it is longer than {} s", limits::PROMPT_LENGTH.as_secs())]
    Long,
    /// It says nothing.
    #[error("it holds no sound")]
    Empty,
}

/// Reads a WAV. One that breaks off, or whose header was written before its length was known, is
/// taken as far as it goes: commands that write to a pipe cannot know their length.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<f32>, BadWav> {
    let reader = WavReader::new(Cursor::new(bytes))
        .map_err(|error| BadWav::Unreadable(error.to_string()))?;
    let spec = reader.spec();
    if !(4_000..=192_000).contains(&spec.sample_rate) {
        return Err(BadWav::Rate(spec.sample_rate));
    }
    if spec.channels == 0 || spec.channels > 8 || !(1..=32).contains(&spec.bits_per_sample) {
        return Err(BadWav::Unreadable(format!(
            "{} channels of {} bits",
            spec.channels, spec.bits_per_sample
        )));
    }
    let longest = spec.sample_rate as usize * limits::PROMPT_LENGTH.as_secs() as usize;
    let wanted = (longest + 1) * usize::from(spec.channels);
    let samples: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader
            .into_samples::<f32>()
            .map_while(Result::ok)
            .take(wanted)
            .collect(),
        SampleFormat::Int => {
            let full = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            let samples = reader.into_samples::<i32>().map_while(Result::ok);
            samples
                .map(|sample| sample as f32 / full)
                .take(wanted)
                .collect()
        }
    };
    let mono: Vec<f32> = samples
        .chunks_exact(usize::from(spec.channels))
        .map(|frame| frame.iter().sum::<f32>() / f32::from(spec.channels))
        .map(|sample| if sample.is_finite() { sample } else { 0.0 })
        .collect();
    if mono.len() > longest {
        return Err(BadWav::Long);
    }
    if mono.is_empty() {
        return Err(BadWav::Empty);
    }
    Ok(sound::resample(&mono, spec.sample_rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};

    /// A second of a 1 kHz tone at half scale as a WAV of this kind.
    fn tone(
        channels: u16,
        sample_rate: u32,
        bits_per_sample: u16,
        sample_format: SampleFormat,
    ) -> Vec<u8> {
        let spec = WavSpec {
            channels,
            sample_rate,
            bits_per_sample,
            sample_format,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).expect("the kind exists");
        for n in 0..sample_rate {
            let sample =
                0.5 * (std::f32::consts::TAU * 1_000.0 * n as f32 / sample_rate as f32).sin();
            for _ in 0..channels {
                match sample_format {
                    SampleFormat::Float => writer.write_sample(sample).expect("memory takes it"),
                    SampleFormat::Int => {
                        let full = 2_f32.powi(i32::from(bits_per_sample) - 1);
                        writer
                            .write_sample((sample * full) as i32)
                            .expect("memory takes it");
                    }
                }
            }
        }
        writer.finalize().expect("memory takes it");
        bytes.into_inner()
    }

    #[test]
    fn every_usual_kind_of_wav_is_read() {
        for (channels, rate, bits, format) in [
            (1, 8_000, 8, SampleFormat::Int),
            (1, 8_000, 16, SampleFormat::Int),
            (2, 44_100, 16, SampleFormat::Int),
            (2, 48_000, 24, SampleFormat::Int),
            (6, 22_050, 32, SampleFormat::Int),
            (1, 16_000, 32, SampleFormat::Float),
        ] {
            let read = read(&tone(channels, rate, bits, format)).expect("it is a WAV");
            assert_eq!(read.len(), 8_000, "{channels} {rate} {bits}");
            let level = sound::rms(read.into_iter());
            assert!(
                (level - 0.3536).abs() < 0.01,
                "{channels} {rate} {bits}: {level}"
            );
        }
    }

    #[test]
    fn a_wav_written_to_a_pipe_is_read_to_its_end() {
        let mut bytes = tone(1, 8_000, 16, SampleFormat::Int);
        bytes.splice(4..8, [0xff, 0xff, 0xff, 0x7f]);
        bytes.splice(40..44, [0x00, 0xf0, 0xff, 0x7f]);
        assert_eq!(read(&bytes).map(|read| read.len()), Ok(8_000));
    }

    #[test]
    fn what_is_no_wav_is_refused_and_never_a_panic() {
        assert!(matches!(read(b""), Err(BadWav::Unreadable(_))));
        assert!(matches!(
            read("це не WAV".as_bytes()),
            Err(BadWav::Unreadable(_))
        ));
        let whole = tone(2, 44_100, 16, SampleFormat::Int);
        assert_eq!(read(&whole[..44]), Err(BadWav::Empty));
        let mut rng = crate::rng::Rng::new([3; 32]);
        for _ in 0..20_000 {
            let mut bytes = whole[..400].to_vec();
            for _ in 0..=rng.below(4) {
                let at = usize::try_from(rng.below(48)).expect("it is small");
                bytes[at] = u8::try_from(rng.below(256)).expect("it is a byte");
            }
            let _ = read(&bytes);
        }
    }
}
