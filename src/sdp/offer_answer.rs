//! Offer and answer (RFC 3264) for one voice stream.
//!
//! What is agreed upon is a [`Negotiated`]; what travels is text. Not a session: who offers when is
//! the business of SIP and of the call.

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;

use super::description::{Description, Direction, MediaLine, Refusal, Voice};
use crate::words::Codec;

/// The payload type of telephone events in our own offers.
pub const TELEPHONE_EVENT: u8 = 101;

/// Our side of one leg, and what it said last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Local {
    address: SocketAddr,
    id: u64,
    version: u64,
    /// The lines behind `o=` of the last description.
    said: String,
}

impl Local {
    /// Our side at the address and port of its media, with an id of its own for `o=`.
    #[must_use]
    pub fn new(address: SocketAddr, id: u64) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Self {
            address,
            // Some phones read it into 32 signed bits.
            id: id & 0x7fff_ffff,
            version: 0,
            said: String::new(),
        }
    }

    /// The address and port of our media.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The description that ends with `lines`; its version grows when it says something new (RFC
    /// 3264 8), and a mere repetition is the same text.
    fn say(&mut self, lines: String) -> Bytes {
        if lines != self.said {
            self.version += 1;
            self.said = lines;
        }
        let family = match self.address {
            SocketAddr::V4(_) => "IP4",
            SocketAddr::V6(_) => "IP6",
        };
        let ip = self.address.ip();
        Bytes::from(format!(
            "v=0\r\no=- {} {} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n{}",
            self.id, self.version, self.said
        ))
    }
}

/// What two sides have agreed upon, from our view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// Where the peer wants our packets.
    pub address: SocketAddr,
    /// The codec of both directions.
    pub codec: Codec,
    /// The payload type the peer uses for it.
    pub payload_type: u8,
    /// The payload type the peer uses for telephone events.
    pub telephone_event: Option<u8>,
    /// Milliseconds of sound the peer wants in a packet.
    pub ptime: u8,
    /// We send to the peer: it is not holding us.
    pub send: bool,
    /// The peer sends to us.
    pub receive: bool,
}

impl Negotiated {
    fn new(voice: &Voice, (codec, payload_type): (Codec, u8)) -> Self {
        Self {
            address: voice.address,
            codec,
            payload_type,
            telephone_event: voice.telephone_event,
            ptime: voice.ptime,
            send: voice.direction.receives(),
            receive: voice.direction.sends(),
        }
    }
}

/// Our offer of one voice stream with `codecs`, the best first.
pub fn offer(local: &mut Local, codecs: &[Codec]) -> Bytes {
    let mut formats = String::new();
    let mut maps = String::new();
    for codec in codecs {
        let (number, name) = (codec.payload_type(), codec.name());
        _ = write!(formats, " {number}");
        _ = write!(maps, "a=rtpmap:{number} {name}/8000\r\n");
    }
    let port = local.address.port();
    let events = telephone_events(TELEPHONE_EVENT);
    local.say(format!(
        "m=audio {port} RTP/AVP{formats} {TELEPHONE_EVENT}\r\n{maps}{events}a=ptime:20\r\na=sendrecv\r\n"
    ))
}

/// The answer to a peer's offer: its first voice stream with the first codec of the peer's that is
/// among `codecs`, its payload types, its direction mirrored; every other stream refused with port 0 (RFC 3264 6).
///
/// # Errors
/// Why the offer is refused with 488.
pub fn answer(
    offer: &[u8],
    local: &mut Local,
    codecs: &[Codec],
) -> Result<(Negotiated, Bytes), Refusal> {
    let offer = Description::parse(offer, local.address.ip())?;
    let voice = &offer.voice;
    let shared = voice
        .codecs
        .iter()
        .find(|(codec, _)| codecs.contains(codec));
    let codec = *shared.ok_or(Refusal::NoCodec)?;
    let negotiated = Negotiated::new(voice, codec);
    let mut lines = String::new();
    for (at, line) in offer.lines.iter().enumerate() {
        if at == voice.line {
            answer_voice(&mut lines, local.address.port(), &negotiated);
        } else {
            refuse(&mut lines, line);
        }
    }
    Ok((negotiated, local.say(lines)))
}

/// What the peer's answer to our offer settles.
///
/// # Errors
/// The answer leaves nothing to talk over.
pub fn accept(our_offer: &[u8], answer: &[u8]) -> Result<Negotiated, Refusal> {
    // Our own offer is read with both families, as it says which one it speaks.
    let ours = [[0; 4].into(), [0_u16; 8].into()]
        .into_iter()
        .find_map(|family| Description::parse(our_offer, family).ok())
        .ok_or(Refusal::Unreadable)?
        .voice;
    let theirs = Description::parse(answer, ours.address.ip())?.voice;
    let codec = theirs
        .codecs
        .iter()
        .copied()
        .find(|(codec, _)| ours.codecs.iter().any(|(offered, _)| offered == codec))
        .ok_or(Refusal::NoCodec)?;
    Ok(Negotiated::new(&theirs, codec))
}

fn answer_voice(lines: &mut String, port: u16, negotiated: &Negotiated) {
    let (number, name) = (negotiated.payload_type, negotiated.codec.name());
    let events = negotiated.telephone_event;
    _ = write!(lines, "m=audio {port} RTP/AVP {number}");
    if let Some(events) = events {
        _ = write!(lines, " {events}");
    }
    _ = write!(lines, "\r\na=rtpmap:{number} {name}/8000\r\n");
    if let Some(events) = events {
        lines.push_str(&telephone_events(events));
    }
    let direction = Direction::of(negotiated.send, negotiated.receive).as_str();
    _ = write!(lines, "a=ptime:{}\r\na={direction}\r\n", negotiated.ptime);
}

fn telephone_events(number: u8) -> String {
    format!("a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-16\r\n")
}

fn refuse(lines: &mut String, line: &MediaLine) {
    _ = write!(
        lines,
        "m={} 0 {} {}\r\n",
        line.kind, line.protocol, line.format
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

    fn local() -> Local {
        Local::new("198.51.100.7:20000".parse().unwrap(), 42)
    }

    fn peer(lines: &str) -> Vec<u8> {
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.4\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n{lines}")
            .into_bytes()
    }

    #[test]
    fn an_offer_says_what_we_can() {
        let offer = offer(&mut local(), &BOTH);
        assert_eq!(
            offer,
            "v=0\r\no=- 42 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
             m=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let six = Local::new("[2001:db8::7]:20000".parse().unwrap(), 42);
        let offer = super::offer(&mut six.clone(), &BOTH);
        assert!(
            offer
                .windows(21)
                .any(|line| line == b"c=IN IP6 2001:db8::7\r")
        );
        let own = accept(&offer, &offer).unwrap();
        assert_eq!(own.address, six.address());
    }

    #[test]
    fn an_answer_mirrors_payload_types_direction_and_lines() {
        let offer = peer(
            "m=video 3227 RTP/AVP 31 32\r\nm=audio 4000 RTP/AVP 97 0 96\r\na=rtpmap:97 PCMA/8000\r\n\
             a=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\na=sendonly\r\nm=audio 4002 RTP/SAVP 0\r\n",
        );
        let (negotiated, answer) = answer(&offer, &mut local(), &BOTH).unwrap();
        assert_eq!(
            negotiated,
            Negotiated {
                address: "192.0.2.4:4000".parse().unwrap(),
                codec: Codec::Pcma,
                payload_type: 97,
                telephone_event: Some(96),
                ptime: 30,
                send: false,
                receive: true,
            }
        );
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        let (_, media) = answer.split_once("t=0 0\r\n").unwrap();
        assert_eq!(
            media,
            "m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 97 96\r\na=rtpmap:97 PCMA/8000\r\n\
             a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\na=ptime:30\r\na=recvonly\r\n\
             m=audio 0 RTP/SAVP 0\r\n"
        );
    }

    #[test]
    fn what_shares_nothing_is_refused() {
        for (lines, refusal) in [
            ("m=audio 4000 RTP/SAVP 8\r\n", Refusal::NoAudio),
            ("m=audio 0 RTP/AVP 8\r\n", Refusal::NoAudio),
            ("m=video 4000 RTP/AVP 31\r\n", Refusal::NoAudio),
            ("m=audio 4000 RTP/AVP 18\r\n", Refusal::NoCodec),
            ("", Refusal::NoAudio),
        ] {
            assert_eq!(
                answer(&peer(lines), &mut local(), &BOTH),
                Err(refusal),
                "{lines}"
            );
        }
    }

    #[test]
    fn the_version_grows_only_when_something_changes() {
        let mut local = local();
        let talk = peer("m=audio 4000 RTP/AVP 8\r\n");
        let hold = peer("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n");
        let mut version = |offer: &[u8]| {
            let (_, text) = answer(offer, &mut local, &BOTH).unwrap();
            let text = String::from_utf8(text.to_vec()).unwrap();
            text.split(' ').nth(2).unwrap().parse::<u64>().unwrap()
        };
        let versions = [&talk, &talk, &hold, &hold, &talk].map(|offer| version(offer));
        assert_eq!(versions, [1, 1, 2, 2, 3]);
    }

    #[test]
    fn an_answer_to_our_offer_settles_the_stream() {
        let ours = offer(&mut local(), &BOTH);
        let answer = peer("m=audio 4000 RTP/AVP 0 110\r\na=rtpmap:110 telephone-event/8000\r\n");
        let negotiated = accept(&ours, &answer).unwrap();
        assert_eq!(
            (negotiated.codec, negotiated.payload_type),
            (Codec::Pcmu, 0)
        );
        assert_eq!(negotiated.telephone_event, Some(110));
        assert!(negotiated.send && negotiated.receive);

        let only_pcma = offer(&mut local(), &[Codec::Pcma]);
        assert_eq!(accept(&only_pcma, &answer), Err(Refusal::NoCodec));
        let refused = peer("m=audio 0 RTP/AVP 8\r\n");
        assert_eq!(accept(&ours, &refused), Err(Refusal::NoAudio));
        assert_eq!(accept(b"", &answer), Err(Refusal::Unreadable));
    }
}
