//! RTCP (RFC 3550 6): the reports that two ends of a stream send each other, and the goodbye.
//!
//! We write a sender's or a receiver's report with one block, a name and, at the end, BYE; of what we
//! read we take what is about our own stream. The rest of RTCP is read past.

use crate::limits;

/// Sender report, receiver report, source description, goodbye (RFC 3550 12.1).
const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
/// The bytes of a report block.
const BLOCK: usize = 24;
/// The longest compound packet that we write, with room for what encryption adds.
pub const REPORT_BYTES: usize = 8 + 20 + BLOCK + 28 + 8 + limits::SRTP_TRAILER_BYTES;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// What a compound packet of ours says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// Our stream.
    pub ssrc: u32,
    /// A name for all our streams of this leg, which says nothing about us (RFC 7022 4.2).
    pub name: u64,
    /// What we have sent; none since the last report makes it a receiver's.
    pub sent: Option<Sent>,
    /// What we have heard.
    pub heard: Option<Block>,
    /// The stream ends.
    pub bye: bool,
}

/// A sender's part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Now, as NTP writes it.
    pub ntp: u64,
    /// Now, in our stream's timestamps.
    pub timestamp: u32,
    /// Packets so far.
    pub packets: u32,
    /// Bytes of payload so far.
    pub octets: u32,
}

/// One end's view of the other's stream (RFC 3550 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// The stream.
    pub ssrc: u32,
    /// The share of packets lost since the last report, of 256.
    pub fraction: u8,
    /// Packets lost so far; 24 bits.
    pub lost: u32,
    /// The highest sequence number, with how often it began again.
    pub highest: u32,
    /// How unevenly packets come, in timestamp units.
    pub jitter: u32,
    /// The middle of the NTP time of the other end's last report.
    pub last_report: u32,
    /// How long ago that came, in 1/65536 s.
    pub delay: u32,
}

/// What a compound packet says that matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reported {
    /// The middle of the NTP time of a sender's report.
    pub ntp: Option<u32>,
    /// What its sender heard of our stream.
    pub about_us: Option<Block>,
    /// Its stream ends.
    pub bye: bool,
}

/// Milliseconds since 1970 as NTP writes them.
#[must_use]
pub fn ntp(millis: i64) -> u64 {
    let millis = u64::try_from(millis).unwrap_or(0);
    let seconds = (millis / 1000).wrapping_add(NTP_EPOCH) & 0xffff_ffff;
    (seconds << 32) | (((millis % 1000) << 32) / 1000)
}

/// Whether a packet on a shared port is RTCP (RFC 5761 4).
#[must_use]
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

impl Report {
    /// Writes the packet; gives its length.
    #[must_use]
    pub fn write(&self, out: &mut [u8; REPORT_BYTES]) -> usize {
        let mut pen = Pen { out, at: 0 };
        let blocks = u8::from(self.heard.is_some());
        let block_words = u16::from(blocks) * 6;
        match self.sent {
            Some(sent) => {
                pen.head(blocks, SR, 6 + block_words);
                pen.words(&[self.ssrc]);
                pen.bytes(&sent.ntp.to_be_bytes());
                pen.words(&[sent.timestamp, sent.packets, sent.octets]);
            }
            None => {
                pen.head(blocks, RR, 1 + block_words);
                pen.words(&[self.ssrc]);
            }
        }
        if let Some(heard) = &self.heard {
            let lost = (u32::from(heard.fraction) << 24) | (heard.lost & 0x00ff_ffff);
            pen.words(&[heard.ssrc, lost, heard.highest]);
            pen.words(&[heard.jitter, heard.last_report, heard.delay]);
        }
        // One chunk with one item, and zeros to the next word (RFC 3550 6.5): 4 + 2 + 16 + 2 bytes.
        pen.head(1, SDES, 6);
        pen.words(&[self.ssrc]);
        pen.bytes(&[1, 16]);
        for shift in (0..16).rev() {
            let digit = u8::try_from((self.name >> (shift * 4)) & 0xf).unwrap_or(0);
            pen.bytes(&[if digit < 10 { b'0' } else { b'a' - 10 } + digit]);
        }
        pen.bytes(&[0, 0]);
        if self.bye {
            pen.head(1, BYE, 1);
            pen.words(&[self.ssrc]);
        }
        pen.at
    }
}

/// Writes one field after another.
struct Pen<'a> {
    out: &'a mut [u8; REPORT_BYTES],
    at: usize,
}

impl Pen<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(place) = self.out.get_mut(self.at..self.at + bytes.len()) {
            place.copy_from_slice(bytes);
            self.at += bytes.len();
        }
    }

    fn words(&mut self, words: &[u32]) {
        for word in words {
            self.bytes(&word.to_be_bytes());
        }
    }

    /// Version 2, a count, a type, and the length in words after this one.
    fn head(&mut self, count: u8, kind: u8, words: u16) {
        let [high, low] = words.to_be_bytes();
        self.bytes(&[0x80 | count, kind, high, low]);
    }
}

/// Reads a compound packet for what it says of our stream `ours`; none when it is not whole (RFC 3550
/// A.2). That it begins with a report is not asked for (RFC 5506 3.4).
#[must_use]
pub fn parse(bytes: &[u8], ours: u32) -> Option<Reported> {
    let mut said = Reported::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let &[first, kind, high, low] = rest.first_chunk()?;
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        if first >> 6 != 2 || !(192..=223).contains(&kind) || length > rest.len() {
            return None;
        }
        let (packet, after) = rest.split_at(length);
        rest = after;
        let blocks = match kind {
            SR => {
                let &[high, low] = packet.get(10..)?.first_chunk()?;
                let &[next, last] = packet.get(12..)?.first_chunk()?;
                said.ntp = Some(u32::from_be_bytes([high, low, next, last]));
                packet.get(28..)?
            }
            RR => packet.get(8..)?,
            BYE => {
                said.bye = true;
                continue;
            }
            _ => continue,
        };
        let count = usize::from(first & 0x1f);
        let mut blocks = blocks.chunks_exact(BLOCK).take(count);
        said.about_us = said
            .about_us
            .or_else(|| blocks.find_map(|block| read_block(block).filter(|it| it.ssrc == ours)));
    }
    (!bytes.is_empty()).then_some(said)
}

fn read_block(block: &[u8]) -> Option<Block> {
    let word = |at: usize| Some(u32::from_be_bytes(*block.get(at * 4..)?.first_chunk()?));
    let lost = word(1)?;
    Some(Block {
        ssrc: word(0)?,
        fraction: u8::try_from(lost >> 24).unwrap_or(0),
        lost: lost & 0x00ff_ffff,
        highest: word(2)?,
        jitter: word(3)?,
        last_report: word(4)?,
        delay: word(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK_OF_OURS: Block = Block {
        ssrc: 77,
        fraction: 64,
        lost: 0x0001_0203,
        highest: 0x0001_ffff,
        jitter: 12,
        last_report: 0xaabb_ccdd,
        delay: 65_536,
    };

    fn report(sent: bool, heard: bool, bye: bool) -> Vec<u8> {
        let mut out = [0; REPORT_BYTES];
        let length = Report {
            ssrc: 5,
            name: 0x0123_4567_89ab_cdef,
            sent: sent.then_some(Sent {
                ntp: ntp(1_790_000_000_500),
                timestamp: 8000,
                packets: 50,
                octets: 8000,
            }),
            heard: heard.then_some(BLOCK_OF_OURS),
            bye,
        }
        .write(&mut out);
        out[..length].to_vec()
    }

    /// RFC 3550 6.4.1, 6.5 and 6.6.
    #[test]
    fn a_report_reads_back() {
        for (sent, heard, bye) in [
            (true, true, true),
            (true, false, false),
            (false, true, false),
        ] {
            let bytes = report(sent, heard, bye);
            let said = parse(&bytes, 77).unwrap();
            assert_eq!(said.ntp.is_some(), sent);
            assert_eq!(said.about_us, heard.then_some(BLOCK_OF_OURS));
            assert_eq!(said.bye, bye);
            assert!(bytes.len() <= REPORT_BYTES - limits::SRTP_TRAILER_BYTES);
            assert!(
                bytes
                    .windows(18)
                    .any(|it| it == b"\x01\x100123456789abcdef")
            );
            assert!(is_rtcp(&bytes));
        }
        assert_eq!(report(true, true, true).len(), 52 + 28 + 8);
        let said = parse(&report(true, true, false), 78).unwrap();
        assert_eq!(said.about_us, None);
        assert_eq!(ntp(500), (NTP_EPOCH << 32) | 1 << 31);
        assert_eq!(
            said.ntp,
            u32::try_from(ntp(1_790_000_000_500) >> 16 & 0xffff_ffff).ok()
        );
    }

    #[test]
    fn what_is_not_whole_is_no_report() {
        let whole = report(true, true, true);
        for length in 0..whole.len() {
            // A compound packet that ends between two of its packets is one.
            let ends = [52, 80].contains(&length);
            assert_eq!(parse(&whole[..length], 77).is_some(), ends, "{length}");
        }
        for at in [0, 1] {
            let mut bytes = whole.clone();
            bytes[at] = 0x40;
            assert_eq!(parse(&bytes, 77), None);
        }
        // Thirty-one blocks are promised and one is there.
        let mut bytes = report(false, true, false);
        bytes[0] |= 31;
        assert_eq!(parse(&bytes, 77).unwrap().about_us, Some(BLOCK_OF_OURS));
        assert_eq!(parse(&[0x80, 200, 0, 0], 77), None);
        assert!(!is_rtcp(&[0x80, 8]) && !is_rtcp(&[0x80]));
    }
}
