//! A peer's session description, down to the one voice stream we can use.
//!
//! `sdp-types` reads the lines. Before it come the sloppy ones: of a description only `v c m a` are
//! passed to it, so that no name in an old code page, odd time or broken line that we do not need
//! costs a call.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sdp_types::{Attribute, Connection, Media, Session};

use crate::limits;
use crate::words::Codec;

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
    /// No stream of sound over plain RTP is open in it.
    #[error("no open audio stream over RTP/AVP in the session description")]
    NoAudio,
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
    /// Where its author wants the packets; the unspecified address is a hold of old.
    pub address: SocketAddr,
    /// Our codecs in its author's order, with its author's payload types.
    pub codecs: Vec<(Codec, u8)>,
    /// The payload type of telephone events at 8000 Hz.
    pub telephone_event: Option<u8>,
    /// Milliseconds of sound its author wants in a packet; 20 where what is asked cannot be done.
    pub ptime: u8,
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
    /// Reads a description and finds its voice stream, at an address of the family of `ours`.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn parse(text: &[u8], ours: IpAddr) -> Result<Self, Refusal> {
        let text = String::from_utf8_lossy(text);
        let session =
            Session::parse(needed_lines(&text).as_bytes()).map_err(|_| Refusal::Unreadable)?;
        if session.medias.len() > limits::SDP_MEDIA_LINES {
            return Err(Refusal::Crowded);
        }
        let voice = find_voice(&session, ours)?;
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

/// The first audio line that is open, plain RTP, and has a codec of ours; what the lines before it
/// lack is told when there is none.
fn find_voice(session: &Session, ours: IpAddr) -> Result<Voice, Refusal> {
    let mut refusal = Refusal::NoAudio;
    for (line, media) in session.medias.iter().enumerate() {
        let is_voice = media.media.eq_ignore_ascii_case("audio")
            && media.proto.eq_ignore_ascii_case("RTP/AVP")
            && media.port != 0;
        if !is_voice {
            continue;
        }
        match read_voice(session, line, media, ours) {
            Ok(voice) => return Ok(voice),
            Err(why) => refusal = why,
        }
    }
    Err(refusal)
}

fn read_voice(
    session: &Session,
    line: usize,
    media: &Media,
    ours: IpAddr,
) -> Result<Voice, Refusal> {
    let maps = rtpmaps(media);
    let mut codecs = Vec::new();
    let mut telephone_event = None;
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
        address: SocketAddr::new(address, media.port),
        codecs,
        telephone_event,
        ptime: ptime(media),
        direction,
    })
}

enum Encoding {
    Voice(Codec),
    TelephoneEvent,
}

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

/// What is asked, when whole frames of 10 ms make it and a packet holds it; 20 otherwise.
fn ptime(media: &Media) -> u8 {
    values(&media.attributes, "ptime")
        .next()
        .and_then(|value| value.trim().parse().ok())
        .filter(|ptime| (10..=60).contains(ptime) && ptime % 10 == 0)
        .unwrap_or(20)
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
        Description::parse(text.as_bytes(), FOUR).map(|description| description.voice)
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
        assert!(Description::parse(old_code_page, FOUR).is_ok());
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
        let six = Description::parse(format!("v=0\r\n{both}").as_bytes(), [1_u16; 8].into());
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
