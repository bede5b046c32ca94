//! A WAV file of a recording: its header, and its samples as bytes. Two channels of 8 kHz, as 16-bit
//! samples or as G.711 A-law. No file is touched here, and no other WAV is read.

use super::command::SoundFormat;
use super::recorder::Frame;
use crate::rtp::g711;
use crate::words::Codec;

/// Where a header says how long the file is but for its first eight bytes.
const RIFF: &[u8; 4] = b"RIFF";
const CHANNELS: u16 = 2;

impl SoundFormat {
    /// Bytes of one sample of both channels.
    #[must_use]
    pub const fn frame_bytes(self) -> u64 {
        match self {
            Self::Pcm => 4,
            Self::Alaw => 2,
        }
    }

    /// Bytes of the header.
    #[must_use]
    pub const fn header_bytes(self) -> u64 {
        match self {
            Self::Pcm => 44,
            Self::Alaw => 58,
        }
    }

    /// A byte of silence.
    #[must_use]
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcm => 0,
            Self::Alaw => 0xd5,
        }
    }

    /// The header of a file with so many frames. A length that a WAV cannot say is said as the longest:
    /// players then read to the end.
    #[must_use]
    pub fn header(self, frames: u64) -> Vec<u8> {
        let clip = |length: u64| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let data = frames.saturating_mul(self.frame_bytes());
        let (tag, bits): (u16, u16) = match self {
            Self::Pcm => (1, 16),
            Self::Alaw => (6, 8),
        };
        let align = CHANNELS * bits / 8;
        let mut header = Vec::with_capacity(64);
        header.extend_from_slice(RIFF);
        header.extend_from_slice(&clip(data.saturating_add(self.header_bytes() - 8)));
        header.extend_from_slice(b"WAVEfmt ");
        let more: u32 = match self {
            Self::Pcm => 16,
            Self::Alaw => 18,
        };
        header.extend_from_slice(&more.to_le_bytes());
        header.extend_from_slice(&tag.to_le_bytes());
        header.extend_from_slice(&CHANNELS.to_le_bytes());
        header.extend_from_slice(&g711::RATE.to_le_bytes());
        header.extend_from_slice(&(g711::RATE * u32::from(align)).to_le_bytes());
        header.extend_from_slice(&align.to_le_bytes());
        header.extend_from_slice(&bits.to_le_bytes());
        match self {
            Self::Pcm => {}
            // Whatever is no PCM says the size of its extension, and has a `fact` chunk.
            Self::Alaw => {
                header.extend_from_slice(&[0, 0]);
                header.extend_from_slice(b"fact");
                header.extend_from_slice(&4_u32.to_le_bytes());
                header.extend_from_slice(&clip(frames));
            }
        }
        header.extend_from_slice(b"data");
        header.extend_from_slice(&clip(data));
        header
    }

    /// Whether this begins a file that was written here, whatever lengths it says.
    #[must_use]
    pub fn is_begun_by(self, start: &[u8]) -> bool {
        let ours = self.header(0);
        let same = |from: usize, to: usize| start.get(from..to) == ours.get(from..to);
        let end = ours.len();
        let fact = match self {
            Self::Pcm => true,
            Self::Alaw => same(36, 46),
        };
        start.len() >= end && same(0, 4) && same(8, 36) && fact && same(end - 8, end - 4)
    }

    /// Puts frames behind bytes.
    pub fn write<'a>(self, frames: impl Iterator<Item = &'a Frame>, out: &mut Vec<u8>) {
        match self {
            Self::Pcm => {
                for sample in frames.flatten() {
                    out.extend_from_slice(&sample.to_le_bytes());
                }
            }
            Self::Alaw => {
                for frame in frames {
                    let mut bytes = [0; 2];
                    g711::encode(Codec::Pcma, frame, &mut bytes);
                    out.extend_from_slice(&bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pcm_file_is_what_other_readers_take_it_for() {
        let frames: Vec<Frame> = (0..800).map(|it| [it, -it]).collect();
        let mut file = SoundFormat::Pcm.header(800);
        assert_eq!(file.len() as u64, SoundFormat::Pcm.header_bytes());
        SoundFormat::Pcm.write(frames.iter(), &mut file);
        let mut reader = hound::WavReader::new(file.as_slice()).unwrap();
        assert_eq!(reader.duration(), 800);
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples, frames.concat());
    }

    #[test]
    fn an_a_law_file_says_its_length_three_times() {
        let mut file = SoundFormat::Alaw.header(4000);
        let header = file.len();
        assert_eq!(header as u64, SoundFormat::Alaw.header_bytes());
        SoundFormat::Alaw.write([[0, 0]; 4000].iter(), &mut file);
        let long = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let short = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
        assert_eq!(long(4) as usize, file.len() - 8);
        assert_eq!(
            (short(20), short(22), long(24), long(28)),
            (6, 2, 8000, 16_000)
        );
        assert_eq!((short(32), short(34), short(36)), (2, 8, 0));
        assert_eq!((&file[38..42], long(46)), (b"fact".as_slice(), 4000));
        assert_eq!((&file[50..54], long(54)), (b"data".as_slice(), 8000));
        assert!(
            file[header..]
                .iter()
                .all(|&it| it == SoundFormat::Alaw.silence())
        );
    }

    #[test]
    fn a_header_is_known_again_whatever_length_it_says() {
        for format in [SoundFormat::Pcm, SoundFormat::Alaw] {
            assert!(format.is_begun_by(&format.header(7)));
            assert!(format.is_begun_by(&format.header(u64::MAX)));
            assert!(!format.is_begun_by(&format.header(7)[..40]));
        }
        assert!(!SoundFormat::Pcm.is_begun_by(&SoundFormat::Alaw.header(7)));
        assert!(!SoundFormat::Alaw.is_begun_by(&[b'R'; 100]));
    }
}
