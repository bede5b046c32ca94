//! SRTP and SRTCP (RFC 3711) with AES in counter mode and HMAC-SHA1, as SDES agrees on it (RFC 4568
//! 6.2). Packets are encrypted and opened where they lie; nothing is allocated for one.
//!
//! ```text
//! SrtpKey ──derive──▶ session keys
//! packet ──seal──▶ header │ encrypted payload │ tag          (RTP)
//! packet ──seal──▶ header │ encrypted reports │ index │ tag  (RTCP)
//! ```
//!
//! A key is never used twice for one place in the keystream: what would be sent under an index that
//! has been used is not sent. Not here: rekeying by rate, F8, AES-GCM, and more than one key at a time.

mod index;
mod keys;
mod open;
mod seal;

pub use open::Opener;
pub use seal::Sealer;

/// Why a packet is not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejected {
    /// It is no packet, or too short to carry its tag.
    #[error("too short, or no packet")]
    Malformed,
    /// Its tag is not the peer's, or its key is another.
    #[error("the tag does not fit")]
    Forged,
    /// It came before, or is older than what is remembered.
    #[error("it came before")]
    Replayed,
}

/// The bytes of SRTCP's index, with the bit that says that the reports are encrypted (RFC 3711 3.4).
const RTCP_INDEX_BYTES: usize = 4;
/// That bit.
const ENCRYPTED: u32 = 1 << 31;
/// What an RTCP packet begins with, and what is never encrypted of it.
const RTCP_HEADER_BYTES: usize = 8;

/// The bytes of an RTP header with its sources and its extension, which stay readable (RFC 3711 3.1).
fn header_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut length = 12 + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..)?.first_chunk::<2>()?;
        length += 4 + usize::from(u16::from_be_bytes(*words)) * 4;
    }
    (length <= packet.len()).then_some(length)
}

/// Four bytes of a packet as a number.
fn word(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
