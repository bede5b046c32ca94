//! What covers a leg's packets: nothing, or SRTP with the keys of the last offer/answer.
//!
//! The counts of a stream live as long as its key: an offer/answer that brings the keys we have changes
//! nothing, because to begin again would use the same places of the keystream twice (RFC 3711 9.1).

use crate::rtp::srtp::{Opener, Rejected, Sealer};
use crate::words::SrtpKeys;

/// A leg's cover.
#[derive(Debug, Default)]
pub struct Cover(Option<Box<Keyed>>);

#[derive(Debug)]
struct Keyed {
    keys: SrtpKeys,
    sealer: Sealer,
    opener: Opener,
}

impl Cover {
    /// Takes the keys of an offer/answer; those that are new are used from now on.
    pub fn key(&mut self, keys: Option<&SrtpKeys>) {
        let Self(keyed) = self;
        let Some(keys) = keys else {
            *keyed = None;
            return;
        };
        match keyed {
            Some(keyed) if keyed.keys.ours == keys.ours => {
                if keyed.keys.theirs != keys.theirs {
                    keyed.opener = Opener::new(&keys.theirs);
                }
                keyed.keys = keys.clone();
            }
            Some(_) | None => {
                *keyed = Some(Box::new(Keyed {
                    keys: keys.clone(),
                    sealer: Sealer::new(&keys.ours),
                    opener: Opener::new(&keys.theirs),
                }));
            }
        }
    }

    /// Opens a packet where it lies; gives what is left of it.
    ///
    /// # Errors
    /// It is not the peer's, or came before.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a mut [u8], Rejected> {
        let length = match &mut self.0 {
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
        let length = match &mut self.0 {
            Some(keyed) => keyed.opener.open_rtcp(packet)?,
            None => packet.len(),
        };
        packet.get_mut(..length).ok_or(Rejected::Malformed)
    }

    /// Seals the packet that `buffer` begins with; gives the bytes to send, if it may be sent.
    pub fn seal<'a>(&mut self, buffer: &'a mut [u8], length: usize) -> Option<&'a [u8]> {
        let length = match &mut self.0 {
            Some(keyed) => keyed.sealer.seal(buffer, length)?,
            None => length,
        };
        buffer.get(..length)
    }

    /// Seals the RTCP packet that `buffer` begins with; gives the bytes to send.
    pub fn seal_rtcp<'a>(&mut self, buffer: &'a mut [u8], length: usize) -> Option<&'a [u8]> {
        let length = match &mut self.0 {
            Some(keyed) => keyed.sealer.seal_rtcp(buffer, length)?,
            None => length,
        };
        buffer.get(..length)
    }
}
