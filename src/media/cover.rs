//! What covers a leg's packets: nothing, or SRTP with the keys of the last offer/answer.
//!
//! The counts of a stream live as long as its key may come again: an offer/answer that brings a key we
//! had, at once or after a while without SRTP or with the other suite, goes on where it was. To begin
//! again would use the same places of the keystream twice (RFC 3711 9.1).

use crate::rtp::srtp::{Opener, Rejected, Sealer};
use crate::words::SrtpKeys;

/// Keys of ours that are remembered; a leg has one a suite.
const KNOWN: usize = 2;

/// A leg's cover.
#[derive(Debug, Default)]
pub struct Cover {
    /// The one of the last offer/answer that had keys is the last.
    known: Vec<Keyed>,
    on: bool,
}

#[derive(Debug)]
struct Keyed {
    keys: SrtpKeys,
    sealer: Sealer,
    opener: Opener,
}

impl Cover {
    /// Takes the keys of an offer/answer; those that are new are used from now on.
    pub fn key(&mut self, keys: Option<&SrtpKeys>) {
        self.on = keys.is_some();
        let Some(keys) = keys else {
            return;
        };
        let before = self.known.iter().position(|it| it.keys.ours == keys.ours);
        let mut keyed = match before {
            Some(at) => self.known.remove(at),
            None => Keyed {
                keys: keys.clone(),
                sealer: Sealer::new(&keys.ours),
                opener: Opener::new(&keys.theirs),
            },
        };
        if keyed.keys.theirs != keys.theirs {
            keyed.opener = Opener::new(&keys.theirs);
            keyed.keys = keys.clone();
        }
        if self.known.len() >= KNOWN {
            self.known.remove(0);
        }
        self.known.push(keyed);
    }

    fn live(&mut self) -> Option<&mut Keyed> {
        self.known.last_mut().filter(|_| self.on)
    }

    /// Opens a packet where it lies; gives what is left of it.
    ///
    /// # Errors
    /// It is not the peer's, or came before.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a mut [u8], Rejected> {
        let length = match self.live() {
            Some(keyed) => keyed.opener.open(packet)?,
            None => packet.len(),
        };
        packet.get_mut(..length).ok_or(Rejected::Malformed)
    }

    /// Opens an RTCP packet where it lies; gives what is left of it.
    ///
    /// # Errors
    /// It is not the peer's, or came before.
    pub fn open_rtcp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a mut [u8], Rejected> {
        let length = match self.live() {
            Some(keyed) => keyed.opener.open_rtcp(packet)?,
            None => packet.len(),
        };
        packet.get_mut(..length).ok_or(Rejected::Malformed)
    }

    /// Seals the packet that `buffer` begins with; gives the bytes to send, if it may be sent.
    pub fn seal<'a>(&mut self, buffer: &'a mut [u8], length: usize) -> Option<&'a [u8]> {
        let length = match self.live() {
            Some(keyed) => keyed.sealer.seal(buffer, length)?,
            None => length,
        };
        buffer.get(..length)
    }

    /// Seals the RTCP packet that `buffer` begins with; gives the bytes to send.
    pub fn seal_rtcp<'a>(&mut self, buffer: &'a mut [u8], length: usize) -> Option<&'a [u8]> {
        let length = match self.live() {
            Some(keyed) => keyed.sealer.seal_rtcp(buffer, length)?,
            None => length,
        };
        buffer.get(..length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{SrtpKey, SrtpSuite};

    fn keys(suite: SrtpSuite, theirs: u8) -> SrtpKeys {
        let [ours, theirs] = [1, theirs].map(|byte| SrtpKey {
            suite,
            master: [byte; 16],
            salt: [byte; 14],
            mki: Box::default(),
        });
        SrtpKeys { ours, theirs }
    }

    fn sealed(cover: &mut Cover, sequence: u16) -> Option<Vec<u8>> {
        let mut packet = [0; 64];
        packet[..4].copy_from_slice(&[0x80, 8, 0, 0]);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        cover.seal(&mut packet, 40).map(<[u8]>::to_vec)
    }

    fn reported(cover: &mut Cover) -> Vec<u8> {
        let mut packet = [0; 64];
        packet[..4].copy_from_slice(&[0x80, 201, 0, 1]);
        cover.seal_rtcp(&mut packet, 24).unwrap().to_vec()
    }

    /// RFC 3711 9.1: whatever offers and answers come in between.
    #[test]
    fn no_place_of_a_keystream_is_used_twice_though_a_key_comes_again() {
        let long = keys(SrtpSuite::AesCm128HmacSha1Tag80, 7);
        let short = keys(SrtpSuite::AesCm128HmacSha1Tag32, 7);
        let anew = keys(SrtpSuite::AesCm128HmacSha1Tag80, 8);
        for between in [None, Some(&short), Some(&anew)] {
            let mut cover = Cover::default();
            cover.key(Some(&long));
            assert!(sealed(&mut cover, 100).is_some());
            let report = reported(&mut cover);
            cover.key(between);
            cover.key(Some(&long));
            assert_eq!(sealed(&mut cover, 100), None);
            assert!(sealed(&mut cover, 101).is_some());
            assert_ne!(reported(&mut cover), report);
        }
    }

    #[test]
    fn without_keys_packets_are_bare_and_the_keys_known_are_bounded() {
        let mut cover = Cover::default();
        for master in 0..9 {
            let mut keys = keys(SrtpSuite::AesCm128HmacSha1Tag80, 7);
            keys.ours.master = [master; 16];
            cover.key(Some(&keys));
            assert!(cover.known.len() <= KNOWN);
            assert_eq!(sealed(&mut cover, 1).unwrap().len(), 50);
        }
        cover.key(None);
        assert_eq!(sealed(&mut cover, 1).unwrap().len(), 40);
    }
}
