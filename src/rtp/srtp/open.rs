//! What comes: its tag is checked, then it is decrypted.

use super::index::Places;
use super::keys::{For, SessionKeys};
use super::seal::{RTCP_TAG, tag_length};
use super::{ENCRYPTED, RTCP_HEADER_BYTES, RTCP_INDEX_BYTES, Rejected, header_length, word};
use crate::words::SrtpKey;

/// Opens what one peer sends under one key.
pub struct Opener {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    rtp_tag: usize,
    mki: Box<[u8]>,
    rtp_places: Streams,
    rtcp_places: Streams,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Opener")
    }
}

/// Streams of a peer that are remembered; another one takes the place of the oldest.
const STREAMS: usize = 4;

/// The places of a peer's streams, the one heard last in front.
#[derive(Clone, Copy, Default, Debug)]
struct Streams([Option<(u32, Places)>; STREAMS]);

impl Streams {
    fn of(&self, ssrc: u32) -> Places {
        let Self(known) = self;
        let found = known.iter().flatten().find(|(known, _)| *known == ssrc);
        found.map(|(_, places)| *places).unwrap_or_default()
    }

    fn take(&mut self, ssrc: u32, place: u64) {
        let mut places = self.of(ssrc);
        places.take(place);
        let Self(known) = self;
        let at = known
            .iter()
            .position(|it| it.is_none_or(|(known, _)| known == ssrc))
            .unwrap_or(STREAMS - 1);
        if let Some(newer) = known.get_mut(..=at) {
            newer.rotate_right(1);
        }
        if let Some(first) = known.first_mut() {
            *first = Some((ssrc, places));
        }
    }
}

impl Opener {
    /// With the peer's key.
    #[must_use]
    pub fn new(key: &SrtpKey) -> Self {
        Self {
            rtp: SessionKeys::derive(key, For::Rtp),
            rtcp: SessionKeys::derive(key, For::Rtcp),
            rtp_tag: tag_length(key.suite),
            mki: key.mki.clone(),
            rtp_places: Streams::default(),
            rtcp_places: Streams::default(),
        }
    }

    /// Opens an RTP packet; gives the length of what is left of it.
    ///
    /// # Errors
    /// Why it is dropped; what is in the buffer then is of no use.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let (packet, tag) = self.cut(packet, self.rtp_tag)?;
        let header = header_length(packet).ok_or(Rejected::Malformed)?;
        let sequence = packet.get(2..).and_then(|rest| rest.first_chunk());
        let sequence = u16::from_be_bytes(*sequence.ok_or(Rejected::Malformed)?);
        let ssrc = word(packet, 8).ok_or(Rejected::Malformed)?;
        let places = self.rtp_places.of(ssrc);
        let place = places.guess(sequence).ok_or(Rejected::Replayed)?;
        if !places.is_free(place) {
            return Err(Rejected::Replayed);
        }
        let roc = u32::try_from(place >> 16).map_err(|_| Rejected::Replayed)?;
        if !self.rtp.verify(packet, &roc.to_be_bytes(), tag) {
            return Err(Rejected::Forged);
        }
        self.rtp_places.take(ssrc, place);
        let payload = packet.get_mut(header..).ok_or(Rejected::Malformed)?;
        self.rtp.apply(ssrc, place, payload);
        Ok(packet.len())
    }

    /// Opens an RTCP packet; gives the length of what is left of it. One that is not encrypted was not
    /// agreed on.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let (signed, tag) = self.cut(packet, RTCP_TAG)?;
        let length = signed.len().checked_sub(RTCP_INDEX_BYTES);
        let length = length
            .filter(|length| *length >= RTCP_HEADER_BYTES)
            .ok_or(Rejected::Malformed)?;
        let index = word(signed, length).ok_or(Rejected::Malformed)?;
        let ssrc = word(signed, 4).ok_or(Rejected::Malformed)?;
        if index & ENCRYPTED == 0 {
            return Err(Rejected::Malformed);
        }
        let place = u64::from(index & !ENCRYPTED);
        if !self.rtcp_places.of(ssrc).is_free(place) {
            return Err(Rejected::Replayed);
        }
        if !self.rtcp.verify(signed, &[], tag) {
            return Err(Rejected::Forged);
        }
        self.rtcp_places.take(ssrc, place);
        let reports = signed.get_mut(RTCP_HEADER_BYTES..length);
        self.rtcp
            .apply(ssrc, place, reports.ok_or(Rejected::Malformed)?);
        Ok(length)
    }

    /// Splits a packet into what is signed and the tag; between them lies the key's name, if it has
    /// one.
    fn cut<'a>(
        &self,
        packet: &'a mut [u8],
        tag: usize,
    ) -> Result<(&'a mut [u8], &'a [u8]), Rejected> {
        let trailer = tag + self.mki.len();
        let at = packet.len().checked_sub(trailer);
        let (signed, rest) = packet.split_at_mut(at.ok_or(Rejected::Malformed)?);
        let (mki, tag) = rest.split_at(self.mki.len());
        if *mki != *self.mki {
            return Err(Rejected::Forged);
        }
        Ok((signed, tag))
    }
}
