//! RTP packets (RFC 3550): read without copying, rewritten in place.
//!
//! A packet that leaves us has a plain header of twelve bytes: contributing sources, extensions and
//! padding are read past and never passed on. There is no RTCP here.

use std::ops::Range;

use rtp_rs::{RtpReader, RtpReaderError};

/// The bytes of a header without contributing sources and extensions.
pub const HEADER_BYTES: usize = 12;

/// The payload type of comfort noise at 8000 Hz (RFC 3551 table 4).
pub const COMFORT_NOISE: u8 = 13;

/// The fields of a packet that a relay looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The first packet of a talk spurt, or of a telephone event.
    pub marker: bool,
    /// What the payload is, by the numbers of the offer/answer.
    pub payload_type: u8,
    /// Counts packets, modulo 2^16.
    pub sequence: u16,
    /// Counts samples, modulo 2^32.
    pub timestamp: u32,
    /// Which stream of the sender it belongs to.
    pub ssrc: u32,
}

impl Header {
    /// The header on the wire, version 2.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let kind = (self.payload_type & 0x7f) | (u8::from(self.marker) << 7);
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.to_be_bytes();
        [0x80, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]
    }

    /// Writes the header right before `payload` and gives the range of the whole packet; none when
    /// the payload lies outside `buffer` or leaves no room.
    pub fn write_before(self, buffer: &mut [u8], payload: &Range<usize>) -> Option<Range<usize>> {
        let start = payload.start.checked_sub(HEADER_BYTES)?;
        buffer.get(payload.clone())?;
        buffer
            .get_mut(start..payload.start)?
            .copy_from_slice(&self.to_bytes());
        Some(start..payload.end)
    }
}

/// A packet as it lies in a buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Its header.
    pub header: Header,
    /// Where its payload lies, without padding.
    pub payload: Range<usize>,
}

/// Bytes that are no RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Garbage {
    /// Another version, or another protocol.
    #[error("version {0} instead of 2")]
    Version(u8),
    /// The header says more than there is.
    #[error("cut off at byte {0}")]
    CutOff(usize),
    /// The padding is longer than the payload, or zero.
    #[error("padding of {0} bytes does not fit")]
    Padding(u8),
}

impl Packet {
    /// Reads a packet. Extensions, contributing sources and padding are tolerated.
    pub fn parse(bytes: &[u8]) -> Result<Self, Garbage> {
        let reader = RtpReader::new(bytes).map_err(|error| match error {
            RtpReaderError::BufferTooShort(len) => Garbage::CutOff(len),
            RtpReaderError::UnsupportedVersion(version) => Garbage::Version(version),
            RtpReaderError::HeadersTruncated { buffer_len, .. } => Garbage::CutOff(buffer_len),
            RtpReaderError::PaddingLengthInvalid(len) => Garbage::Padding(len),
        })?;
        let start = reader.payload_offset();
        Ok(Self {
            header: Header {
                marker: reader.mark(),
                payload_type: reader.payload_type(),
                sequence: u16::from(reader.sequence_number()),
                timestamp: reader.timestamp(),
                ssrc: reader.ssrc(),
            },
            payload: start..start.saturating_add(reader.payload().len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 8,
        sequence: 65_535,
        timestamp: 0x0102_0304,
        ssrc: 0xdead_beef,
    };

    #[test]
    fn a_plain_packet_reads_back() {
        let mut bytes = HEADER.to_bytes().to_vec();
        bytes.extend([7; 160]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.header, HEADER);
        assert_eq!(packet.payload, 12..172);
    }

    #[test]
    fn sources_extension_and_padding_are_read_past_and_stripped_in_place() {
        let mut bytes = HEADER.to_bytes().to_vec();
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend([1; 8]);
        bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        bytes.extend([42; 80]);
        bytes.extend([0, 0, 0, 4]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.payload, 28..108);
        let range = packet
            .header
            .write_before(&mut bytes, &packet.payload)
            .unwrap();
        assert_eq!(range, 16..108);
        let plain = Packet::parse(&bytes[range.clone()]).unwrap();
        assert_eq!(plain.header, HEADER);
        assert_eq!(bytes[range][plain.payload], [42; 80]);
    }

    #[test]
    fn garbage_is_named() {
        assert_eq!(Packet::parse(&[]), Err(Garbage::CutOff(0)));
        assert_eq!(Packet::parse(&[0x40; 40]), Err(Garbage::Version(1)));
        let mut bytes = [0; 12];
        bytes[0] = 0x8f;
        assert_eq!(Packet::parse(&bytes), Err(Garbage::CutOff(12)));
        let mut bytes = [0; 14];
        bytes[0] = 0xa0;
        assert_eq!(Packet::parse(&bytes), Err(Garbage::Padding(0)));
        bytes[13] = 200;
        assert_eq!(Packet::parse(&bytes), Err(Garbage::Padding(200)));
        assert_eq!(HEADER.write_before(&mut bytes, &(4..8)), None);
        assert_eq!(HEADER.write_before(&mut bytes, &(12..99)), None);
    }
}
