//! A packet that a far end sent, of a kind that its offer/answer agreed on. Who may send is not judged
//! here.

use super::command::Remote;
use crate::rtp::packet::{COMFORT_NOISE, Packet};
use crate::rtp::telephone_event::TelephoneEvent;
use crate::words::Codec;

/// A packet of the far end, still in its buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Carried {
    /// The packet.
    pub packet: Packet,
    /// What it carries.
    pub content: Content,
}

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Sound.
    Sound(Codec),
    /// A key.
    Event(TelephoneEvent),
    /// How loud the silence is that follows (RFC 3389).
    Noise,
}

/// Reads a packet of a kind that was agreed on. The static numbers of both laws are taken even where
/// only one was agreed on, because some carriers switch without asking.
pub fn read(remote: &Remote, bytes: &[u8]) -> Option<(Packet, Content)> {
    let packet = Packet::parse(bytes).ok()?;
    let payload = bytes.get(packet.payload.clone())?;
    let number = packet.header.payload_type;
    let content = if number == remote.payload_type {
        Content::Sound(remote.codec)
    } else if [remote.our_telephone_event, remote.telephone_event].contains(&Some(number)) {
        Content::Event(TelephoneEvent::parse(payload)?)
    } else if number == Codec::Pcma.payload_type() {
        Content::Sound(Codec::Pcma)
    } else if number == Codec::Pcmu.payload_type() {
        Content::Sound(Codec::Pcmu)
    } else if number == COMFORT_NOISE && remote.comfort_noise {
        Content::Noise
    } else {
        return None;
    };
    (!payload.is_empty()).then_some((packet, content))
}
