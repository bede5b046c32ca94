//! How many packets of a leg were lost on the way to us (RFC 3550 A.3), counted so that the number
//! only grows.

use crate::limits;
use crate::rtp::packet::Header;

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
}

impl Reception {
    /// Takes a packet; gives how many are newly known to be lost.
    pub fn take(&mut self, header: &Header) -> u64 {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.follows(header)) else {
            self.stream = Some(Stream {
                ssrc: header.ssrc,
                newest: header.sequence,
                expected: 1,
                received: 1,
                reported: 0,
            });
            return 0;
        };
        stream.received += 1;
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

impl Stream {
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
                reception.take(&Header {
                    marker: false,
                    payload_type: 0,
                    sequence,
                    timestamp: 0,
                    ssrc: 1,
                })
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
}
