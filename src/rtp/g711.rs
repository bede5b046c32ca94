//! G.711 A-law and µ-law: samples to bytes and back, and one law into the other.
//!
//! The arithmetic is that of the `audio-codec-algorithms` crate; this file picks the law by our own
//! [`Codec`]. Eight thousand samples a second, one byte each.

use audio_codec_algorithms::{
    convert_alaw_to_ulaw, convert_ulaw_to_alaw, decode_alaw, decode_ulaw, encode_alaw, encode_ulaw,
};

use crate::words::Codec;

/// Samples, and bytes, a second.
pub const RATE: u32 = 8_000;

/// The byte of silence: the code of the sample nearest to zero.
#[must_use]
pub const fn silence(codec: Codec) -> u8 {
    match codec {
        Codec::Pcma => 0xd5,
        Codec::Pcmu => 0xff,
    }
}

/// The sample that a byte stands for.
#[must_use]
pub fn decode(codec: Codec, byte: u8) -> i16 {
    match codec {
        Codec::Pcma => decode_alaw(byte),
        Codec::Pcmu => decode_ulaw(byte),
    }
}

/// Encodes as many samples as both slices have.
pub fn encode(codec: Codec, samples: &[i16], bytes: &mut [u8]) {
    let encode_one = match codec {
        Codec::Pcma => encode_alaw,
        Codec::Pcmu => encode_ulaw,
    };
    for (byte, &sample) in bytes.iter_mut().zip(samples) {
        *byte = encode_one(sample);
    }
}

/// Turns one law into the other in place, by the tables of G.711; the same law stays as it is.
pub fn convert(from: Codec, to: Codec, bytes: &mut [u8]) {
    let convert_one = match (from, to) {
        (Codec::Pcma, Codec::Pcma) | (Codec::Pcmu, Codec::Pcmu) => return,
        (Codec::Pcma, Codec::Pcmu) => convert_alaw_to_ulaw,
        (Codec::Pcmu, Codec::Pcma) => convert_ulaw_to_alaw,
    };
    for byte in bytes {
        *byte = convert_one(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_survive_both_laws_within_their_step() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            for sample in (-32_768..=32_767_i32).step_by(7) {
                let sample = i16::try_from(sample).unwrap();
                let mut byte = [0];
                encode(codec, &[sample], &mut byte);
                let back = i32::from(decode(codec, byte[0]));
                let error = (back - i32::from(sample)).abs();
                let step = (i32::from(sample).abs() / 16).max(16);
                assert!(error <= step, "{codec:?} {sample} came back as {back}");
            }
            assert!(decode(codec, silence(codec)).abs() <= 8);
        }
    }

    #[test]
    fn one_law_becomes_the_other_and_sounds_the_same() {
        for (from, to) in [(Codec::Pcma, Codec::Pcmu), (Codec::Pcmu, Codec::Pcma)] {
            for byte in 0..=255 {
                let mut bytes = [byte];
                convert(from, to, &mut bytes);
                let (before, after) = (
                    i32::from(decode(from, byte)),
                    i32::from(decode(to, bytes[0])),
                );
                assert!(
                    (before - after).abs() <= (before.abs() / 16).max(16),
                    "{from:?} {byte}: {before} became {after}"
                );
                let mut same = [byte];
                convert(from, from, &mut same);
                assert_eq!(same, [byte]);
            }
        }
    }
}
