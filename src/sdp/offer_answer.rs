//! Offer and answer (RFC 3264) for one voice stream.
//!
//! What is agreed upon is a [`Negotiated`]; what travels is text. Not a session: who offers when is
//! the business of SIP and of the call.

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;

use super::crypto::{Crypto, OwnKeys};
use super::description::{
    COMFORT_NOISE, Description, Direction, MediaLine, Profile, Refusal, Voice,
};
use crate::words::{Codec, Srtp, SrtpKeys};

/// The payload type of telephone events in our own offers, unless the peer has named another.
pub const TELEPHONE_EVENT: u8 = 101;

/// Our side of one leg, what it said last, and what has been agreed upon.
#[derive(Clone)]
pub struct Local {
    address: SocketAddr,
    id: u64,
    version: u64,
    /// The lines behind `o=` of the last description; they may hold keys.
    said: String,
    srtp: Srtp,
    keys: Option<OwnKeys>,
    /// The offer that waits for its answer.
    offered: Option<Offered>,
    /// The lines of the session, none of which may ever go (RFC 3264 8), and which of them is ours.
    lines: Vec<MediaLine>,
    voice: usize,
    agreed: Option<Agreed>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Local({}, {}/{})", self.address, self.id, self.version)
    }
}

/// What an offer of ours said that its answer is measured by.
#[derive(Clone)]
struct Offered {
    codecs: Vec<Codec>,
    telephone_event: u8,
    profile: Profile,
    crypto: Vec<Crypto>,
    rtcp_mux: bool,
}

/// What must stay as it is when we offer again (RFC 3264 8.3).
#[derive(Clone)]
struct Agreed {
    profile: Profile,
    codec: (Codec, u8),
    telephone_event: Option<u8>,
    comfort_noise: bool,
    rtcp_mux: bool,
    /// The line of our key.
    crypto: Option<Crypto>,
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
            srtp: Srtp::Off,
            keys: None,
            offered: None,
            lines: Vec::new(),
            voice: 0,
            agreed: None,
        }
    }

    /// Encrypts as `srtp` says, with these keys.
    #[must_use]
    pub fn encrypted(mut self, srtp: Srtp, keys: OwnKeys) -> Self {
        self.srtp = srtp;
        self.keys = (srtp != Srtp::Off).then_some(keys);
        self
    }

    /// The address and port of our media.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether an offer of ours waits for its answer.
    #[must_use]
    pub const fn awaits_answer(&self) -> bool {
        self.offered.is_some()
    }

    /// What the peer describes, by our rules: a call that is encrypted stays so.
    fn read(&self, text: &[u8]) -> Result<Description, Refusal> {
        let theirs = Description::parse(text, self.address.ip(), self.srtp)?;
        let encrypted = self.agreed.as_ref().is_some_and(|it| it.crypto.is_some());
        if encrypted && theirs.voice.crypto.is_empty() {
            return Err(Refusal::Profile);
        }
        Ok(theirs)
    }

    fn settle(&mut self, negotiated: &Negotiated, profile: Profile, crypto: Option<Crypto>) {
        self.agreed = Some(Agreed {
            profile,
            codec: (negotiated.codec, negotiated.payload_type),
            telephone_event: negotiated.our_telephone_event,
            comfort_noise: negotiated.comfort_noise,
            rtcp_mux: negotiated.rtcp_mux,
            crypto,
        });
    }

    /// The description with this voice stream among the session's lines; its version grows when it
    /// says something new (RFC 3264 8), and a mere repetition is the same text.
    fn say(&mut self, voice: &str) -> Bytes {
        let mut lines = String::new();
        for (at, line) in self.lines.iter().enumerate() {
            if at == self.voice {
                lines.push_str(voice);
            } else {
                refuse(&mut lines, line);
            }
        }
        if self.lines.is_empty() {
            lines.push_str(voice);
        }
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
    /// Where the peer wants our RTCP.
    pub rtcp: SocketAddr,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// The codec of both directions.
    pub codec: Codec,
    /// The payload type the peer uses for it.
    pub payload_type: u8,
    /// The payload type the peer wants telephone events under.
    pub telephone_event: Option<u8>,
    /// The payload type under which we said that we want them.
    pub our_telephone_event: Option<u8>,
    /// Comfort noise may be sent, both ways (RFC 3389).
    pub comfort_noise: bool,
    /// Milliseconds of sound the peer wants in a packet.
    pub ptime: u8,
    /// We send to the peer: it is not holding us.
    pub send: bool,
    /// The peer sends to us.
    pub receive: bool,
    /// What we encrypt with, and what the peer does.
    pub srtp: Option<Box<SrtpKeys>>,
}

impl Negotiated {
    fn new(voice: &Voice, (codec, payload_type): (Codec, u8)) -> Self {
        Self {
            address: voice.address,
            rtcp: voice.rtcp.unwrap_or_else(|| next_port(voice.address)),
            rtcp_mux: voice.rtcp_mux,
            codec,
            payload_type,
            telephone_event: voice.telephone_event,
            our_telephone_event: voice.telephone_event,
            comfort_noise: voice.comfort_noise,
            ptime: voice.ptime,
            send: voice.direction.receives(),
            receive: voice.direction.sends(),
            srtp: None,
        }
    }
}

/// RTCP's usual port (RFC 3550 11).
fn next_port(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
}

/// Our offer of one voice stream with `codecs`, the best first. In a session that stands, what has
/// been agreed upon is offered again under its numbers (RFC 3264 8.3.2). Where encryption is optional
/// the profile is plain and the keys are there to be taken or left (RFC 8643 3.1).
pub fn offer(local: &mut Local, codecs: &[Codec]) -> Bytes {
    let agreed = local.agreed.clone();
    let numbers: Vec<(Codec, u8)> = codecs
        .iter()
        .map(|&codec| match &agreed {
            Some(agreed) if agreed.codec.0 == codec => agreed.codec,
            Some(_) | None => (codec, codec.payload_type()),
        })
        .collect();
    let profile = agreed.as_ref().map_or(
        match local.srtp {
            Srtp::Off | Srtp::Optional => Profile::Avp,
            Srtp::Required => Profile::Savp,
        },
        |agreed| agreed.profile,
    );
    let crypto: Vec<Crypto> = match (&agreed, &local.keys) {
        (Some(agreed), _) => agreed.crypto.iter().cloned().collect(),
        (None, Some(keys)) => keys.lines().collect(),
        (None, None) => Vec::new(),
    };
    let telephone_event = agreed
        .as_ref()
        .and_then(|agreed| agreed.telephone_event)
        .unwrap_or_else(|| free_number(&numbers));
    let stream = Stream {
        profile,
        port: local.address.port(),
        codecs: &numbers,
        telephone_event: Some(telephone_event),
        comfort_noise: agreed.as_ref().is_some_and(|agreed| agreed.comfort_noise),
        crypto: &crypto,
        rtcp_mux: agreed.as_ref().is_some_and(|agreed| agreed.rtcp_mux),
        ptime: 20,
        direction: Direction::SendRecv,
    };
    let text = stream.to_lines();
    local.offered = Some(Offered {
        codecs: codecs.to_vec(),
        telephone_event,
        profile,
        rtcp_mux: stream.rtcp_mux,
        crypto,
    });
    local.say(&text)
}

/// The usual number of telephone events, or another one where a codec has it.
fn free_number(codecs: &[(Codec, u8)]) -> u8 {
    let taken = |number: &u8| codecs.iter().any(|(_, other)| other == number);
    std::iter::once(TELEPHONE_EVENT)
        .chain(96..=127)
        .find(|number| !taken(number))
        .unwrap_or(TELEPHONE_EVENT)
}

/// The answer to a peer's offer: its first voice stream with the first codec of the peer's that is
/// among `codecs`, its payload types, its direction mirrored; every other stream refused with port 0
/// (RFC 3264 6).
///
/// # Errors
/// Why the offer is refused with 488. What was agreed upon before stands.
pub fn answer(
    offer: &[u8],
    local: &mut Local,
    codecs: &[Codec],
) -> Result<(Negotiated, Bytes), Refusal> {
    let offer = local.read(offer)?;
    let voice = &offer.voice;
    let shared = voice
        .codecs
        .iter()
        .find(|(codec, _)| codecs.contains(codec));
    let codec = *shared.ok_or(Refusal::NoCodec)?;
    let mut negotiated = Negotiated::new(voice, codec);
    let crypto = match (voice.crypto.first(), &local.keys) {
        (Some(theirs), Some(keys)) => {
            let ours = keys.of(theirs.key.suite).clone();
            negotiated.srtp = Some(Box::new(SrtpKeys {
                ours: ours.clone(),
                theirs: theirs.key.clone(),
            }));
            Some(Crypto {
                tag: theirs.tag,
                key: ours,
            })
        }
        (Some(_), None) | (None, _) => None,
    };
    let stream = Stream {
        profile: voice.profile,
        port: local.address.port(),
        codecs: &[codec],
        telephone_event: negotiated.telephone_event,
        comfort_noise: negotiated.comfort_noise,
        crypto: crypto.as_slice(),
        rtcp_mux: negotiated.rtcp_mux,
        ptime: negotiated.ptime,
        direction: Direction::of(negotiated.send, negotiated.receive),
    };
    let text = stream.to_lines();
    local.offered = None;
    local.settle(&negotiated, voice.profile, crypto);
    local.voice = voice.line;
    local.lines = offer.lines;
    Ok((negotiated, local.say(&text)))
}

/// What the peer's answer to our offer settles. It may have fewer lines than the offer.
///
/// # Errors
/// The answer leaves nothing to talk over, or there was no offer. What was agreed upon before stands.
pub fn accept(local: &mut Local, answer: &[u8]) -> Result<Negotiated, Refusal> {
    let ours = local.offered.take().ok_or(Refusal::Unreadable)?;
    let theirs = local.read(answer)?.voice;
    let codec = theirs
        .codecs
        .iter()
        .copied()
        .find(|(codec, _)| ours.codecs.contains(codec))
        .ok_or(Refusal::NoCodec)?;
    let mut negotiated = Negotiated::new(&theirs, codec);
    negotiated.rtcp_mux &= ours.rtcp_mux;
    // Each side wants events under the number of its own description (RFC 3264 5.1).
    negotiated.our_telephone_event = negotiated.telephone_event.map(|_| ours.telephone_event);
    let taken = theirs.crypto.first().and_then(|theirs| {
        let mut offered = ours.crypto.iter();
        let ours = offered.find(|it| it.tag == theirs.tag && it.key.suite == theirs.key.suite)?;
        Some((ours.clone(), theirs.key.clone()))
    });
    // Keys that answer none of ours, and a secure profile without keys, are no answer (RFC 4568 5.1.2).
    if taken.is_none() && (!theirs.crypto.is_empty() || theirs.profile.is_secure()) {
        return Err(Refusal::Profile);
    }
    let profile = if taken.is_some() {
        theirs.profile
    } else {
        ours.profile
    };
    let crypto = taken.map(|(ours, theirs)| {
        negotiated.srtp = Some(Box::new(SrtpKeys {
            ours: ours.key.clone(),
            theirs,
        }));
        ours
    });
    local.settle(&negotiated, profile, crypto);
    Ok(negotiated)
}

/// One voice stream, as we write it.
struct Stream<'a> {
    profile: Profile,
    port: u16,
    codecs: &'a [(Codec, u8)],
    telephone_event: Option<u8>,
    comfort_noise: bool,
    crypto: &'a [Crypto],
    rtcp_mux: bool,
    ptime: u8,
    direction: Direction,
}

impl Stream<'_> {
    fn to_lines(&self) -> String {
        let mut lines = format!("m=audio {} {}", self.port, self.profile.as_str());
        let mut maps = String::new();
        for (codec, number) in self.codecs {
            _ = write!(lines, " {number}");
            _ = write!(maps, "a=rtpmap:{number} {}/8000\r\n", codec.name());
        }
        if let Some(number) = self.telephone_event {
            _ = write!(lines, " {number}");
            _ = write!(
                maps,
                "a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-16\r\n"
            );
        }
        if self.comfort_noise {
            _ = write!(lines, " {COMFORT_NOISE}");
            _ = write!(maps, "a=rtpmap:{COMFORT_NOISE} CN/8000\r\n");
        }
        _ = write!(lines, "\r\n{maps}");
        for crypto in self.crypto {
            lines.push_str(&crypto.to_line());
        }
        if self.rtcp_mux {
            lines.push_str("a=rtcp-mux\r\n");
        }
        let (ptime, direction) = (self.ptime, self.direction.as_str());
        _ = write!(lines, "a=ptime:{ptime}\r\na={direction}\r\n");
        lines
    }
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
        let mut six = six;
        super::offer(&mut six, &BOTH);
        let own = accept(&mut six, &offer).unwrap();
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
                rtcp: "192.0.2.4:4001".parse().unwrap(),
                rtcp_mux: false,
                codec: Codec::Pcma,
                payload_type: 97,
                telephone_event: Some(96),
                our_telephone_event: Some(96),
                comfort_noise: false,
                ptime: 30,
                send: false,
                receive: true,
                srtp: None,
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
            ("m=audio 4000 RTP/SAVP 8\r\n", Refusal::Profile),
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
        let ask = |codecs: &[Codec]| {
            let mut local = local();
            offer(&mut local, codecs);
            local
        };
        let answer = peer("m=audio 4000 RTP/AVP 0 110\r\na=rtpmap:110 telephone-event/8000\r\n");
        let mut ours = ask(&BOTH);
        assert!(ours.awaits_answer());
        let negotiated = accept(&mut ours, &answer).unwrap();
        assert_eq!(
            (negotiated.codec, negotiated.payload_type),
            (Codec::Pcmu, 0)
        );
        assert_eq!(negotiated.telephone_event, Some(110));
        assert_eq!(negotiated.our_telephone_event, Some(101));
        assert!(negotiated.send && negotiated.receive);
        assert_eq!(accept(&mut ours, &answer), Err(Refusal::Unreadable));

        let refused = accept(&mut ask(&[Codec::Pcma]), &answer);
        assert_eq!(refused, Err(Refusal::NoCodec));
        let refused = accept(&mut ask(&BOTH), &peer("m=audio 0 RTP/AVP 8\r\n"));
        assert_eq!(refused, Err(Refusal::NoAudio));
    }
}
