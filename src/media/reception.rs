//! How many packets of a leg were lost on the way to us (RFC 3550 A.3), counted so that the number
//! only grows, and how unevenly they came (A.8).

use crate::limits;
use crate::rtp::g711;
use crate::rtp::packet::Header;
use crate::rtp::rtcp::Block;

/// The count of one leg's incoming packets.
#[derive(Clone, Default, Debug)]
pub struct Reception {
    stream: Option<Stream>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    newest: u16,
    expected: u64,
    received: u64,
    reported: u64,
    /// The first sequence number.
    first: u16,
    /// What was expected and received when the last block was made.
    before: (u64, u64),
    /// Sixteen times the jitter, and how much later than its timestamp the last packet came.
    jitter: u32,
    transit: Option<u32>,
}

impl Reception {
    /// Takes a packet; gives how many are newly known to be lost. `arrival` is in samples, of a packet
    /// whose timestamp says when it was spoken.
    pub fn take(&mut self, header: &Header, arrival: Option<u32>) -> u64 {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.follows(header)) else {
            self.stream = Some(Stream {
                ssrc: header.ssrc,
                newest: header.sequence,
                expected: 1,
                received: 1,
                reported: 0,
                first: header.sequence,
                before: (0, 0),
                jitter: 0,
                transit: arrival.map(|arrival| arrival.wrapping_sub(header.timestamp)),
            });
            return 0;
        };
        stream.received += 1;
        if let Some(arrival) = arrival {
            stream.take_arrival(arrival.wrapping_sub(header.timestamp));
        }
        let ahead = header.sequence.wrapping_sub(stream.newest);
        if ahead < limits::RTP_DROPOUT {
            stream.expected += u64::from(ahead);
            stream.newest = header.sequence;
        }
        // A late packet makes the loss smaller again; what was reported is not reported twice.
        let lost = stream.expected.saturating_sub(stream.received);
        let new = lost.saturating_sub(stream.reported);
        stream.reported += new;
        new
    }
}

impl Reception {
    /// What a report says of the stream (RFC 3550 6.4.1), but for when the other end's last one came.
    pub fn block(&mut self) -> Option<Block> {
        let stream = self.stream.as_mut()?;
        let (expected, received) = (stream.expected, stream.received);
        let (expected_before, received_before) = stream.before;
        stream.before = (expected, received);
        let due = expected - expected_before;
        let missing = due.saturating_sub(received - received_before);
        let fraction = (missing * 256).checked_div(due).unwrap_or(0);
        let highest = u64::from(stream.first) + expected - 1;
        let lost = expected.saturating_sub(received).min(0x007f_ffff);
        Some(Block {
            ssrc: stream.ssrc,
            fraction: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: u32::try_from(lost).unwrap_or(0),
            highest: u32::try_from(highest & 0xffff_ffff).unwrap_or(0),
            jitter: stream.jitter >> 4,
            last_report: 0,
            delay: 0,
        })
    }
}

impl Stream {
    fn take_arrival(&mut self, transit: u32) {
        let before = self.transit.replace(transit).unwrap_or(transit);
        let apart = transit
            .wrapping_sub(before)
            .min(before.wrapping_sub(transit));
        // A clock that was set is no jitter.
        if apart < g711::RATE {
            self.jitter = self.jitter + apart - ((self.jitter + 8) >> 4);
        }
    }

    fn follows(&self, header: &Header) -> bool {
        let ahead = header.sequence.wrapping_sub(self.newest);
        let behind = self.newest.wrapping_sub(header.sequence);
        header.ssrc == self.ssrc && (ahead < limits::RTP_DROPOUT || behind <= limits::RTP_MISORDER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(sequences: &[u16]) -> u64 {
        let mut reception = Reception::default();
        sequences
            .iter()
            .map(|&sequence| {
                let header = Header {
                    marker: false,
                    payload_type: 0,
                    sequence,
                    timestamp: 0,
                    ssrc: 1,
                };
                reception.take(&header, None)
            })
            .sum()
    }

    #[test]
    fn gaps_are_counted_once() {
        assert_eq!(lost(&[65_534, 65_535, 0, 1]), 0);
        assert_eq!(lost(&[1, 2, 5, 6, 9]), 4);
        assert_eq!(lost(&[1, 3, 2, 4, 6, 7]), 1);
        assert_eq!(lost(&[1, 30_000, 30_001]), 0);
    }

    /// RFC 3550 6.4.1, A.3 and A.8.
    #[test]
    fn a_block_tells_loss_since_the_last_one_and_jitter() {
        let mut reception = Reception::default();
        assert_eq!(reception.block(), None);
        let take = |reception: &mut Reception, sequence: u16, late: u32| {
            let timestamp = u32::from(sequence) * 160;
            let header = Header {
                marker: false,
                payload_type: 8,
                sequence,
                timestamp,
                ssrc: 9,
            };
            reception.take(&header, Some(timestamp + 5000 + late));
        };
        for sequence in 100..200 {
            take(&mut reception, sequence, 0);
        }
        let even = reception.block().unwrap();
        assert_eq!((even.ssrc, even.highest), (9, 199));
        assert_eq!((even.lost, even.fraction, even.jitter), (0, 0, 0));
        for sequence in (200..300).step_by(2) {
            take(
                &mut reception,
                sequence,
                if sequence % 4 == 0 { 80 } else { 0 },
            );
        }
        let half = reception.block().unwrap();
        assert_eq!((half.highest, half.lost), (298, 49));
        assert!((125..=130).contains(&half.fraction), "{half:?}");
        assert!((70..=80).contains(&half.jitter), "{half:?}");
    }
}
