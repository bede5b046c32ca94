//! A peer's session description, down to the one voice stream we can use.
//!
//! `sdp-types` reads the lines. Before it come the sloppy ones: of a description only `v c m a` are
//! passed to it, so that no name in an old code page, odd time or broken line that we do not need
//! costs a call.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sdp_types::{Attribute, Connection, Media, Session};

use super::crypto::Crypto;
use crate::limits;
use crate::words::{Codec, Srtp};

/// Who sends (RFC 3264 5.1), from the view of the description's author.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Both sides.
    SendRecv,
    /// The author alone.
    SendOnly,
    /// The other side alone.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// The attribute's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction in which the author sends and receives as told.
    #[must_use]
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the author sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the author receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// Why a description is of no use; answered with 488 (RFC 3261 21.4.26).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error("the session description cannot be read")]
    Unreadable,
    /// It has more streams than anybody needs.
    #[error(
        "the session description has more than {} media lines",
        limits::SDP_MEDIA_LINES
    )]
    Crowded,
    /// No stream of sound is open in it.
    #[error("no open audio stream in the session description")]
    NoAudio,
    /// The sound is carried as we do not carry it: over DTLS, encrypted where nothing is to be, or
    /// plain where everything is to be encrypted.
    #[error("the audio stream's profile is not spoken here")]
    Profile,
    /// The stream has neither PCMA nor PCMU, or none that was offered.
    #[error("no common codec: PCMA or PCMU at 8000 Hz is needed")]
    NoCodec,
    /// The stream's address is none, a name, or of a family we do not speak there.
    #[error("the audio stream has no address of a family spoken here")]
    NoAddress,
}

impl Refusal {
    /// The status of the response that says so.
    pub const STATUS: u16 = 488;

    /// The code and text of its Warning (RFC 3261 20.43).
    #[must_use]
    pub const fn warning(self) -> (u16, &'static str) {
        match self {
            Self::Unreadable => (399, "The session description cannot be read"),
            Self::Crowded => (399, "The session description has too many media lines"),
            Self::NoAudio => (304, "Audio is the only media type available"),
            Self::Profile => (302, "The profile of the audio stream is not available"),
            Self::NoCodec => (305, "PCMA or PCMU is needed"),
            Self::NoAddress => (301, "An address of this network's family is needed"),
        }
    }
}

/// How the sound is carried (the protocol of a media line).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// RFC 3551.
    Avp,
    /// RFC 4585; taken for [`Profile::Avp`], as no feedback is ever needed for sound.
    Avpf,
    /// RFC 3711.
    Savp,
    /// RFC 5124; taken for [`Profile::Savp`].
    Savpf,
}

impl Profile {
    /// The word of a media line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
        }
    }

    /// Whether it is never plain.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Savp | Self::Savpf)
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Avp, Self::Avpf, Self::Savp, Self::Savpf]
            .into_iter()
            .find(|profile| text.eq_ignore_ascii_case(profile.as_str()))
    }
}

/// One media line, so much of it as an answer must mirror (RFC 3264 6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaLine {
    /// `audio`, `video` …
    pub kind: String,
    /// Zero when the stream is refused or gone.
    pub port: u16,
    /// `RTP/AVP` …
    pub protocol: String,
    /// Its first format.
    pub format: String,
}

/// The stream we can use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voice {
    /// Its place among the media lines.
    pub line: usize,
    /// How it is carried.
    pub profile: Profile,
    /// The keys its author offers or answers with, those that the policy wants to hear of.
    pub crypto: Vec<Crypto>,
    /// Where its author wants the packets; the unspecified address is a hold of old.
    pub address: SocketAddr,
    /// Our codecs in its author's order, with its author's payload types.
    pub codecs: Vec<(Codec, u8)>,
    /// The payload type of telephone events at 8000 Hz.
    pub telephone_event: Option<u8>,
    /// Comfort noise (RFC 3389) under its number, 13, is understood.
    pub comfort_noise: bool,
    /// Milliseconds of sound its author wants in a packet; 20 where what is asked cannot be done.
    pub ptime: u8,
    /// Where its author wants RTCP (RFC 3605), when that is not the port after RTP's.
    pub rtcp: Option<SocketAddr>,
    /// RTP and RTCP may share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// Who sends, the hold of old taken into account.
    pub direction: Direction,
}

/// A description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// The value of `o=`, lossily UTF-8: the same text means that nothing has changed.
    pub origin: String,
    /// All media lines.
    pub lines: Vec<MediaLine>,
    /// The first stream that we can use.
    pub voice: Voice,
}

impl Description {
    /// Reads a description and finds its voice stream, at an address of the family of `ours`,
    /// encrypted or not as `srtp` says.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn parse(text: &[u8], ours: IpAddr, srtp: Srtp) -> Result<Self, Refusal> {
        let text = String::from_utf8_lossy(text);
        let session =
            Session::parse(needed_lines(&text).as_bytes()).map_err(|_| Refusal::Unreadable)?;
        if session.medias.len() > limits::SDP_MEDIA_LINES {
            return Err(Refusal::Crowded);
        }
        let voice = find_voice(&session, ours, srtp)?;
        let origin = text.lines().find_map(|line| line.strip_prefix("o="));
        Ok(Self {
            origin: origin.unwrap_or_default().trim_end().to_owned(),
            lines: session.medias.iter().map(mirrored).collect(),
            voice,
        })
    }
}

fn needed_lines(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.split(['\r', '\n']).map(str::trim_end) {
        if matches!(line.as_bytes(), [b'v' | b'c' | b'm' | b'a', b'=', ..]) {
            kept.extend(line.chars().filter(|&c| c != '\0'));
            kept.push_str("\r\n");
        }
    }
    kept
}

fn mirrored(media: &Media) -> MediaLine {
    let format = media.fmt.split_ascii_whitespace().next();
    MediaLine {
        kind: media.media.clone(),
        port: media.port,
        protocol: media.proto.clone(),
        format: format.unwrap_or("0").to_owned(),
    }
}

/// The first audio line that is open, of a profile and with a codec of ours, an encrypted one before
/// all others; when there is none, what the lines lack.
fn find_voice(session: &Session, ours: IpAddr, srtp: Srtp) -> Result<Voice, Refusal> {
    let mut plain = None;
    let mut refusal = Refusal::NoAudio;
    for (line, media) in session.medias.iter().enumerate() {
        if !media.media.eq_ignore_ascii_case("audio") || media.port == 0 {
            continue;
        }
        let voice = match Profile::parse(&media.proto) {
            Some(profile) => read_voice(session, line, profile, media, ours),
            None => Err(Refusal::Profile),
        };
        match voice.and_then(|voice| obey(voice, srtp)) {
            Ok(voice) if !voice.crypto.is_empty() => return Ok(voice),
            Ok(voice) => {
                plain.get_or_insert(voice);
            }
            Err(why) => refusal = why,
        }
    }
    plain.ok_or(refusal)
}

/// Whether a stream may be used. Keys on a plain profile are an offer to encrypt that may be taken
/// or left (RFC 8643), but is no promise: who insists wants the secure profile.
fn obey(mut voice: Voice, srtp: Srtp) -> Result<Voice, Refusal> {
    let keys = !voice.crypto.is_empty();
    let allowed = match (srtp, voice.profile.is_secure()) {
        (Srtp::Off, secure) => {
            voice.crypto.clear();
            !secure
        }
        (Srtp::Optional, secure) => keys || !secure,
        (Srtp::Required, secure) => keys && secure,
    };
    allowed.then_some(voice).ok_or(Refusal::Profile)
}

fn read_voice(
    session: &Session,
    line: usize,
    profile: Profile,
    media: &Media,
    ours: IpAddr,
) -> Result<Voice, Refusal> {
    let maps = rtpmaps(media);
    let mut codecs = Vec::new();
    let mut telephone_event = None;
    let mut comfort_noise = false;
    for format in media.fmt.split_ascii_whitespace() {
        let Some(payload_type) = format.parse::<u8>().ok().filter(|&number| number < 128) else {
            continue;
        };
        match encoding(payload_type, &maps) {
            Some(Encoding::Voice(codec)) if codecs.iter().all(|&(known, _)| known != codec) => {
                codecs.push((codec, payload_type));
            }
            Some(Encoding::TelephoneEvent) if telephone_event.is_none() => {
                telephone_event = Some(payload_type);
            }
            Some(Encoding::ComfortNoise) => comfort_noise = true,
            Some(Encoding::Voice(_) | Encoding::TelephoneEvent) | None => {}
        }
    }
    if codecs.is_empty() {
        return Err(Refusal::NoCodec);
    }
    let address = address(session, media, ours).ok_or(Refusal::NoAddress)?;
    let direction = direction(session, media);
    let direction = if address.is_unspecified() {
        Direction::of(direction.sends(), false)
    } else {
        direction
    };
    Ok(Voice {
        line,
        profile,
        crypto: values(&media.attributes, "crypto")
            .filter_map(Crypto::parse)
            .take(limits::SDP_CRYPTO_LINES)
            .collect(),
        address: SocketAddr::new(address, media.port),
        codecs,
        telephone_event,
        comfort_noise,
        ptime: ptime(media),
        rtcp: rtcp(media, address),
        rtcp_mux: has(&media.attributes, "rtcp-mux"),
        direction,
    })
}

enum Encoding {
    Voice(Codec),
    TelephoneEvent,
    ComfortNoise,
}

/// The payload type of comfort noise at 8000 Hz (RFC 3551 table 4).
pub const COMFORT_NOISE: u8 = 13;

/// The `rtpmap` of each payload type, the first one where there are several.
fn rtpmaps(media: &Media) -> BTreeMap<u8, &str> {
    let mut maps = BTreeMap::new();
    for value in values(&media.attributes, "rtpmap") {
        let mut parts = value.split_ascii_whitespace();
        if let (Some(number), Some(map)) = (parts.next(), parts.next())
            && let Ok(number) = number.parse()
        {
            maps.entry(number).or_insert(map);
        }
    }
    maps
}

fn encoding(payload_type: u8, maps: &BTreeMap<u8, &str>) -> Option<Encoding> {
    const CODECS: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];
    let Some(map) = maps.get(&payload_type) else {
        if payload_type == COMFORT_NOISE {
            return Some(Encoding::ComfortNoise);
        }
        return CODECS
            .into_iter()
            .find(|codec| codec.payload_type() == payload_type)
            .map(Encoding::Voice);
    };
    let mut parts = map.split('/');
    let (name, rate, channels) = (parts.next()?, parts.next()?, parts.next());
    if rate != "8000" || channels.is_some_and(|channels| channels != "1") {
        return None;
    }
    if name.eq_ignore_ascii_case("telephone-event") {
        return Some(Encoding::TelephoneEvent);
    }
    if name.eq_ignore_ascii_case("CN") {
        return (payload_type == COMFORT_NOISE).then_some(Encoding::ComfortNoise);
    }
    CODECS
        .into_iter()
        .find(|codec| name.eq_ignore_ascii_case(codec.name()))
        .map(Encoding::Voice)
}

/// The stream's own `c=` lines, or that of the session; of several the one of our family.
fn address(session: &Session, media: &Media, ours: IpAddr) -> Option<IpAddr> {
    let own = media.connections.iter();
    let common = session
        .connection
        .iter()
        .filter(|_| media.connections.is_empty());
    let mut held = None;
    for address in own.chain(common).filter_map(read_address) {
        if address.is_unspecified() {
            held = Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        } else if address.is_ipv4() == ours.to_canonical().is_ipv4() && !address.is_multicast() {
            return Some(address);
        }
    }
    held
}

fn read_address(connection: &Connection) -> Option<IpAddr> {
    let text = connection.connection_address.split('/').next()?;
    text.parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

fn direction(session: &Session, media: &Media) -> Direction {
    let find = |attributes: &[Attribute]| {
        attributes.iter().find_map(|attribute| {
            [
                Direction::SendRecv,
                Direction::SendOnly,
                Direction::RecvOnly,
                Direction::Inactive,
            ]
            .into_iter()
            .find(|direction| attribute.attribute.trim() == direction.as_str())
        })
    };
    find(&media.attributes)
        .or_else(|| find(&session.attributes))
        .unwrap_or(Direction::SendRecv)
}

/// What is asked, when whole frames of 10 ms make it and a packet holds it, else 20; never more than
/// the longest packet that is taken, in whole frames (RFC 8866 6.4).
fn ptime(media: &Media) -> u8 {
    let read = |name| {
        let value = values(&media.attributes, name).next()?;
        value.trim().parse::<u8>().ok()
    };
    let asked = read("ptime").filter(|ptime| (10..=60).contains(ptime) && ptime % 10 == 0);
    let longest = read("maxptime").map_or(60, |longest| longest.clamp(10, 60) / 10 * 10);
    asked.unwrap_or(20).min(longest)
}

/// `a=rtcp:port [IN IP4 address]` (RFC 3605 2.1).
fn rtcp(media: &Media, address: IpAddr) -> Option<SocketAddr> {
    let mut words = values(&media.attributes, "rtcp")
        .next()?
        .split_ascii_whitespace();
    let port = words.next()?.parse().ok().filter(|&port: &u16| port != 0)?;
    let own = words.nth(2).and_then(|own| own.parse::<IpAddr>().ok());
    let own = own.map(|own| own.to_canonical());
    // RTCP elsewhere than RTP would be somebody else's: a port of the same host is what we follow.
    (own.is_none_or(|own| own == address)).then(|| SocketAddr::new(address, port))
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.attribute.trim() == name)
}

fn values<'a>(attributes: &'a [Attribute], name: &'a str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.attribute == name)
        .filter_map(|attribute| attribute.value.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn read(text: &str) -> Result<Voice, Refusal> {
        let read = Description::parse(text.as_bytes(), FOUR, Srtp::Off);
        read.map(|description| description.voice)
    }

    fn stream(lines: &str) -> Result<Voice, Refusal> {
        read(&format!("v=0\r\nc=IN IP4 192.0.2.4\r\n{lines}"))
    }

    #[test]
    fn sloppy_descriptions_are_read() {
        for text in [
            "v=0\nm=audio 4000 RTP/AVP 0 12\nc=IN IP4 192.0.2.4\n",
            "v=0\r\no=broken\r\ns=\r\nt=soon\r\nb=x\r\nc=IN IP4 192.0.2.4/127\r\nm=audio 4000 RTP/AVP 8\r\nrubbish\r\n=\r\n",
            "v=0 \r\nc=IN IP4 192.0.2.4\r\nm=audio 4000/2 RTP/AVP 0\r\na=fmtp:\r\na=rtpmap:\r\na=fmtp:0\r\n",
        ] {
            assert_eq!(
                read(text).unwrap().address.to_string(),
                "192.0.2.4:4000",
                "{text}"
            );
        }
        let old_code_page = b"v=0\r\no=\xce\xeb\xe5\xed\xe0 1 1 IN IP4 h\r\ns=\xce\xeb\xe5\xed\xe0\r\nc=IN IP4 192.0.2.4\r\nm=audio 4000 RTP/AVP 8\r\n";
        assert!(Description::parse(old_code_page, FOUR, Srtp::Off).is_ok());
        for text in [
            "",
            "m=audio",
            "v=1\r\n",
            "v=0\r\nm=audio 70000 RTP/AVP 0\r\n",
            "\0\0",
        ] {
            assert_eq!(read(text), Err(Refusal::Unreadable), "{text}");
        }
    }

    #[test]
    fn payload_types_mean_what_their_maps_say() {
        let voice = stream(
            "m=audio 4000 RTP/AVP 999 -1 96 97 101 0 98\r\n\
             a=rtpmap:96 opus/48000/2\r\na=rtpmap:97 pcma/8000\r\n\
             a=rtpmap:101 telephone-event/48000\r\na=rtpmap:98 TELEPHONE-EVENT/8000\r\n\
             a=rtpmap:0 PCMU/8000/1\r\n",
        )
        .unwrap();
        assert_eq!(voice.codecs, [(Codec::Pcma, 97), (Codec::Pcmu, 0)]);
        assert_eq!(voice.telephone_event, Some(98));
        let other = stream("m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 iLBC/8000\r\n");
        assert_eq!(other, Err(Refusal::NoCodec));
        assert_eq!(stream("m=audio 6000 RTP/AVP 2\r\n"), Err(Refusal::NoCodec));
    }

    #[test]
    fn ptime_is_taken_when_it_can_be_done() {
        for (asked, done) in [
            ("30", 30),
            ("10", 10),
            ("0", 20),
            ("5", 20),
            ("70", 20),
            ("4294967297", 20),
            ("-20", 20),
            ("20.5", 20),
            ("", 20),
        ] {
            let voice = stream(&format!("m=audio 4000 RTP/AVP 8\r\na=ptime:{asked}\r\n"));
            assert_eq!(voice.unwrap().ptime, done, "{asked}");
        }
    }

    #[test]
    fn holds_of_old_and_of_today_are_seen() {
        for (line, direction) in [
            ("a=sendonly", Direction::SendOnly),
            ("a=recvonly", Direction::RecvOnly),
            ("a=inactive", Direction::Inactive),
            ("c=IN IP4 0.0.0.0", Direction::SendOnly),
            ("c=IN IP6 ::", Direction::SendOnly),
            ("c=IN IP4 0.0.0.0\r\na=recvonly", Direction::Inactive),
            ("a=unknown", Direction::SendRecv),
        ] {
            let voice = stream(&format!("m=audio 4000 RTP/AVP 8\r\n{line}\r\n")).unwrap();
            assert_eq!(voice.direction, direction, "{line}");
        }
        let common = read("v=0\r\na=sendonly\r\nc=IN IP4 192.0.2.4\r\nm=audio 4 RTP/AVP 0\r\n");
        assert_eq!(common.unwrap().direction, Direction::SendOnly);
    }

    #[test]
    fn the_address_of_our_family_is_taken() {
        let both = "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\nc=IN IP4 192.0.2.9\r\n";
        assert_eq!(stream(both).unwrap().address.to_string(), "192.0.2.9:4000");
        let six = Description::parse(
            format!("v=0\r\n{both}").as_bytes(),
            [1_u16; 8].into(),
            Srtp::Off,
        );
        assert_eq!(six.unwrap().voice.address.to_string(), "[2001:db8::1]:4000");
        let mapped = "v=0\r\nc=IN IP6 ::ffff:192.0.2.2\r\nm=audio 4000 RTP/AVP 0\r\n";
        assert_eq!(read(mapped).unwrap().address.to_string(), "192.0.2.2:4000");
        for text in [
            "v=0\r\nm=audio 4000 RTP/AVP 0\r\n",
            "v=0\r\nc=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\n",
            "v=0\r\nc=IN IP4 phone.example\r\nm=audio 4000 RTP/AVP 0\r\n",
            "v=0\r\nc=IN IP4 224.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n",
        ] {
            assert_eq!(read(text), Err(Refusal::NoAddress), "{text}");
        }
    }

    #[test]
    fn a_crowd_of_lines_neither_breaks_nor_stalls() {
        let crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n".repeat(200);
        assert!(stream(&format!("m=audio 4000 RTP/AVP 8\r\n{crypto}")).is_ok());
        let many = "m=audio 4000 RTP/AVP 8\r\n".repeat(limits::SDP_MEDIA_LINES + 1);
        assert_eq!(stream(&many), Err(Refusal::Crowded));
        let formats = " 999".repeat(15_000);
        let no_codec = stream(&format!("m=audio 4000 RTP/AVP{formats}\r\n"));
        assert_eq!(no_codec, Err(Refusal::NoCodec));
    }
}
