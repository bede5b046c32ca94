//! What we send: encrypted and signed.

use super::index::Places;
use super::keys::{For, SessionKeys};
use super::{ENCRYPTED, RTCP_HEADER_BYTES, RTCP_INDEX_BYTES, header_length, word};
use crate::words::{SrtpKey, SrtpSuite};

/// Encrypts one stream of ours.
pub struct Sealer {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    rtp_tag: usize,
    places: Places,
    rtcp_index: u32,
}

/// The bytes of a tag on RTP.
pub(super) const fn tag_length(suite: SrtpSuite) -> usize {
    match suite {
        SrtpSuite::AesCm128HmacSha1Tag80 => 10,
        SrtpSuite::AesCm128HmacSha1Tag32 => 4,
    }
}

/// The bytes of a tag on RTCP, whatever the suite (RFC 4568 6.2.2).
pub(super) const RTCP_TAG: usize = 10;

impl std::fmt::Debug for Sealer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Sealer")
    }
}

impl Sealer {
    /// With our key.
    #[must_use]
    pub fn new(key: &SrtpKey) -> Self {
        Self {
            rtp: SessionKeys::derive(key, For::Rtp),
            rtcp: SessionKeys::derive(key, For::Rtcp),
            rtp_tag: tag_length(key.suite),
            places: Places::default(),
            rtcp_index: 0,
        }
    }

    /// Seals the RTP packet that the first `length` bytes of `buffer` are; gives its new length.
    /// None when it must not be sent: its place is used, or the buffer is too short.
    pub fn seal(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        let total = length + self.rtp_tag;
        let (packet, rest) = buffer.get_mut(..total)?.split_at_mut(length);
        let header = header_length(packet)?;
        let sequence = u16::from_be_bytes(*packet.get(2..)?.first_chunk()?);
        let ssrc = word(packet, 8)?;
        let place = self.places.guess(sequence)?;
        if !self.places.is_free(place) {
            return None;
        }
        self.places.take(place);
        self.rtp.apply(ssrc, place, packet.get_mut(header..)?);
        let roc = u32::try_from(place >> 16).ok()?;
        let tag = self.rtp.tag(packet, &roc.to_be_bytes());
        rest.copy_from_slice(tag.get(..self.rtp_tag)?);
        Some(total)
    }

    /// Seals the RTCP packet that the first `length` bytes of `buffer` are; gives its new length.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        let signed = length + RTCP_INDEX_BYTES;
        let total = signed + RTCP_TAG;
        // The index never comes again under a key (RFC 3711 9.2).
        let index = Some(self.rtcp_index).filter(|index| index & ENCRYPTED == 0)?;
        let ssrc = word(buffer, 4)?;
        let place = u64::from(index);
        let reports = buffer.get_mut(RTCP_HEADER_BYTES..length)?;
        self.rtcp.apply(ssrc, place, reports);
        let trailer = buffer.get_mut(length..signed)?;
        trailer.copy_from_slice(&(index | ENCRYPTED).to_be_bytes());
        let tag = self.rtcp.tag(buffer.get(..signed)?, &[]);
        buffer
            .get_mut(signed..total)?
            .copy_from_slice(tag.get(..RTCP_TAG)?);
        self.rtcp_index += 1;
        Some(total)
    }
}
