//! Sound in packets of the length that a far end has asked for (RFC 8866 6.4), whatever the length of
//! the pieces it comes in.
//!
//! ```text
//! pieces ──fill──▶ held, less than one packet ──▶ packet, with room for a header before and a tag
//!                                                 after its payload
//! ```

use crate::limits;
use crate::rtp::g711;
use crate::rtp::packet::HEADER_BYTES;
use crate::words::Codec;

/// Bytes, and samples, in the longest packet we send: 60 ms of G.711.
const LONGEST: usize = 480;
/// A packet of ours, with room for what encryption adds.
pub const PACKET_BYTES: usize = HEADER_BYTES + LONGEST + limits::SRTP_TRAILER_BYTES;

/// Cuts sound into packets.
#[derive(Debug)]
pub struct Packetiser {
    size: usize,
    held: usize,
    packet: [u8; PACKET_BYTES],
}

impl Packetiser {
    /// Packets of so many milliseconds, between 10 and 60.
    #[must_use]
    pub fn new(ptime: u8) -> Self {
        Self {
            size: usize::from(ptime.clamp(10, 60)) * 8,
            held: 0,
            packet: [0; PACKET_BYTES],
        }
    }

    /// Bytes, and samples, in a packet.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Bytes, and samples, that wait for the rest of their packet.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Forgets what waits.
    pub const fn clear(&mut self) {
        self.held = 0;
    }

    /// Takes from a piece of sound what the packet under way still needs; gives the packet when that
    /// fills it, its header yet to be written, and nothing when the piece is used up.
    pub fn fill(&mut self, sound: &mut &[u8]) -> Option<&mut [u8; PACKET_BYTES]> {
        let (now, later) = sound.split_at((self.size - self.held).min(sound.len()));
        let from = HEADER_BYTES + self.held;
        if let Some(place) = self.packet.get_mut(from..from + now.len()) {
            place.copy_from_slice(now);
        }
        self.held += now.len();
        *sound = later;
        if self.held < self.size {
            return None;
        }
        self.held = 0;
        Some(&mut self.packet)
    }
}

/// So many samples of silence, a packet's at most.
#[must_use]
pub fn silence(codec: Codec, samples: usize) -> &'static [u8] {
    const PCMA: [u8; LONGEST] = [g711::silence(Codec::Pcma); LONGEST];
    const PCMU: [u8; LONGEST] = [g711::silence(Codec::Pcmu); LONGEST];
    let silence: &[u8; LONGEST] = match codec {
        Codec::Pcma => &PCMA,
        Codec::Pcmu => &PCMU,
    };
    silence.get(..samples).unwrap_or(silence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(packetiser: &mut Packetiser, mut sound: &[u8]) -> Vec<Vec<u8>> {
        let (mut packets, size) = (Vec::new(), packetiser.size());
        while let Some(packet) = packetiser.fill(&mut sound) {
            packets.push(packet[HEADER_BYTES..HEADER_BYTES + size].to_vec());
        }
        packets
    }

    #[test]
    fn any_pieces_become_packets_of_one_length_and_nothing_is_lost() {
        for ptime in (10..=60).step_by(10) {
            let mut packetiser = Packetiser::new(ptime);
            let sound: Vec<u8> = (0..20_000_u32)
                .map(|at| u8::try_from(at % 251).unwrap())
                .collect();
            let mut packets = Vec::new();
            for piece in sound.chunks(157) {
                packets.extend(cut(&mut packetiser, piece));
            }
            assert!(packets.iter().all(|it| it.len() == usize::from(ptime) * 8));
            let whole = packets.concat();
            assert_eq!(whole, sound[..whole.len()]);
            assert_eq!(packetiser.held(), sound.len() - whole.len());
            let (held, size) = (packetiser.held(), packetiser.size());
            let padding = silence(Codec::Pcmu, (size - held) % size);
            let last = cut(&mut packetiser, padding).concat();
            assert_eq!(last.len(), if held > 0 { size } else { 0 });
            if held > 0 {
                assert_eq!(last[..held], sound[whole.len()..]);
                assert_eq!(last[held..], vec![255; size - held]);
            }
            assert_eq!(packetiser.held(), 0);
        }
        assert_eq!(Packetiser::new(0).size(), 80);
        assert_eq!(Packetiser::new(255).size(), 480);
    }
}
