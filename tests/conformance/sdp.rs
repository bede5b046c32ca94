//! The dialects of session descriptions (RFC 3264, 8866, 4568): each row of `docs/sip.md`'s table that
//! is about what is said, and not about the sound that follows, is a test here.

use std::net::SocketAddr;

use strowger::id::{FlowId, TrunkName};
use strowger::net::Net;
use strowger::rng::Rng;
use strowger::sdp::crypto::OwnKeys;
use strowger::sdp::description::Refusal;
use strowger::sdp::offer_answer::{self, Local, Negotiated};
use strowger::sip::endpoint::{
    Algorithm, Directory, Endpoint, EndpointConfig, EndpointEvent, TrunkEntry,
};
use strowger::sip::flow::{Flow, Transport};
use strowger::sip::session::{SessionCommand, SessionEvent};
use strowger::time::{Duration, Instant, Now, Wall};
use strowger::words::{Codec, Srtp};

const BOTH: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];
const KEY: &str = "NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj";
const OTHER_KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn local(srtp: Srtp) -> Local {
    let keys = OwnKeys::new(&mut Rng::new([4; 32]));
    Local::new("198.51.100.7:20000".parse().unwrap(), 42).encrypted(srtp, keys)
}

fn says(media: &str) -> Vec<u8> {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.4\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n{media}")
        .into_bytes()
}

/// What we agree to and the media lines of what we answer.
fn answer(local: &mut Local, media: &str) -> Result<(Negotiated, String), Refusal> {
    let (agreed, text) = offer_answer::answer(&says(media), local, &BOTH)?;
    Ok((agreed, media_of(&text)))
}

fn answered(media: &str) -> (Negotiated, String) {
    answer(&mut local(Srtp::Off), media).unwrap_or_else(|why| panic!("{why}: {media}"))
}

fn media_of(text: &[u8]) -> String {
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.split_once("t=0 0\r\n").unwrap().1.to_owned()
}

fn version_of(text: &[u8]) -> u64 {
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.split(' ').nth(2).unwrap().parse().unwrap()
}

/// Our offer's media lines, and what their answer settles.
fn offered(local: &mut Local, media: &str) -> (String, Result<Negotiated, Refusal>) {
    let text = offer_answer::offer(local, &BOTH);
    (media_of(&text), offer_answer::accept(local, &says(media)))
}

/// RFC 3264 6.1: an answer uses the numbers of the offer.
#[test]
fn an_answer_uses_the_offers_numbers() {
    let (agreed, text) = answered(
        "m=audio 4000 RTP/AVP 97 100\r\na=rtpmap:97 PCMA/8000\r\n\
         a=rtpmap:100 telephone-event/8000\r\na=fmtp:100 0-15\r\n",
    );
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcma, 97));
    assert_eq!(agreed.telephone_event, Some(100));
    assert!(
        text.starts_with("m=audio 20000 RTP/AVP 97 100\r\n"),
        "{text}"
    );
    assert!(text.contains("a=rtpmap:100 telephone-event/8000\r\n"));
    let (none, text) = answered("m=audio 4000 RTP/AVP 8\r\n");
    assert_eq!(none.telephone_event, None);
    assert!(!text.contains("telephone-event"));
}

/// RFC 8866 6.4.
#[test]
fn packets_are_as_long_as_asked_and_no_longer_than_taken() {
    for (lines, ptime) in [
        ("", 20),
        ("a=ptime:10\r\n", 10),
        ("a=ptime:60\r\n", 60),
        ("a=ptime:70\r\n", 20),
        ("a=maxptime:30\r\n", 20),
        ("a=maxptime:10\r\n", 10),
        ("a=ptime:40\r\na=maxptime:35\r\n", 30),
        ("a=maxptime:5\r\n", 10),
        ("a=maxptime:x\r\n", 20),
    ] {
        let (agreed, text) = answered(&format!("m=audio 4000 RTP/AVP 8\r\n{lines}"));
        assert_eq!(agreed.ptime, ptime, "{lines}");
        assert!(text.contains(&format!("a=ptime:{ptime}\r\n")));
    }
}

/// RFC 3389 4, RFC 3551 table 4.
#[test]
fn comfort_noise_is_agreed_on_when_the_peer_offers_it() {
    let (agreed, text) = answered("m=audio 4000 RTP/AVP 8 13\r\n");
    assert!(agreed.comfort_noise && text.contains("RTP/AVP 8 13\r\n"));
    assert!(text.contains("a=rtpmap:13 CN/8000\r\n"));
    let (agreed, text) = answered("m=audio 4000 RTP/AVP 8 98\r\na=rtpmap:98 CN/16000\r\n");
    assert!(!agreed.comfort_noise && !text.contains("CN/"));
    let ours = offer_answer::offer(&mut local(Srtp::Off), &BOTH);
    assert!(!media_of(&ours).contains("13"));
}

/// RFC 3550 11, RFC 3605 2.1, RFC 5761 5.1.1.
#[test]
fn rtcp_goes_to_the_port_that_is_named() {
    for (lines, rtcp, mux) in [
        ("", "192.0.2.4:4001", false),
        ("a=rtcp:4567\r\n", "192.0.2.4:4567", false),
        ("a=rtcp:4567 IN IP4 192.0.2.4\r\n", "192.0.2.4:4567", false),
        ("a=rtcp:4567 IN IP4 192.0.2.99\r\n", "192.0.2.4:4001", false),
        ("a=rtcp:0\r\n", "192.0.2.4:4001", false),
        ("a=rtcp-mux\r\n", "192.0.2.4:4001", true),
    ] {
        let (agreed, text) = answered(&format!("m=audio 4000 RTP/AVP 8\r\n{lines}"));
        assert_eq!(agreed.rtcp.to_string(), rtcp, "{lines}");
        assert_eq!(agreed.rtcp_mux, mux);
        assert_eq!(text.contains("a=rtcp-mux\r\n"), mux);
    }
    let unasked = offered(
        &mut local(Srtp::Off),
        "m=audio 4000 RTP/AVP 8\r\na=rtcp-mux\r\n",
    );
    assert!(!unasked.1.unwrap().rtcp_mux);
}

/// RFC 3264 8.4 and 6.1, RFC 2543's hold: our port stays, our direction is the mirror.
#[test]
fn every_hold_is_mirrored_and_keeps_the_port() {
    for (lines, ours, send, receive) in [
        ("a=sendonly\r\n", "a=recvonly", false, true),
        ("a=inactive\r\n", "a=inactive", false, false),
        ("a=recvonly\r\n", "a=sendonly", true, false),
        ("c=IN IP4 0.0.0.0\r\n", "a=recvonly", false, true),
        (
            "c=IN IP4 0.0.0.0\r\na=inactive\r\n",
            "a=inactive",
            false,
            false,
        ),
        ("a=sendrecv\r\n", "a=sendrecv", true, true),
    ] {
        let mut local = local(Srtp::Off);
        let talk = offer_answer::answer(&says("m=audio 4000 RTP/AVP 8\r\n"), &mut local, &BOTH);
        let before = version_of(&talk.unwrap().1);
        let offer = says(&format!("m=audio 4000 RTP/AVP 8\r\n{lines}"));
        let (agreed, text) = offer_answer::answer(&offer, &mut local, &BOTH).unwrap();
        assert_eq!((agreed.send, agreed.receive), (send, receive), "{lines}");
        let changed = u64::from(ours != "a=sendrecv");
        assert_eq!(version_of(&text), before + changed);
        let text = media_of(&text);
        assert!(
            text.starts_with("m=audio 20000 ") && text.contains(ours),
            "{text}"
        );
    }
}

/// RFC 3264 6: a stream that is not wanted has port zero, and no line goes missing.
#[test]
fn other_streams_are_refused_with_port_zero() {
    let (agreed, text) = answered(
        "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 4000 RTP/AVP 0\r\n\
         m=image 6000 udptl t38\r\nm=audio 7000 RTP/AVP 8\r\nm=message 8000 TCP/MSRP *\r\n",
    );
    assert_eq!(agreed.address.port(), 4000);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=video 0 RTP/AVP 96",
            "m=audio 20000 RTP/AVP 0",
            "m=image 0 udptl t38",
            "m=audio 0 RTP/AVP 8",
            "m=message 0 TCP/MSRP *",
        ]
    );
}

/// RFC 3261 21.4.26 and 20.43: what cannot be is 488 with a Warning that says what.
#[test]
fn what_leaves_nothing_to_talk_over_is_refused_and_says_why() {
    for (media, refusal, code) in [
        ("m=image 6000 udptl t38\r\n", Refusal::NoAudio, 304),
        ("m=video 5000 RTP/AVP 96\r\n", Refusal::NoAudio, 304),
        (
            "m=audio 4000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n",
            Refusal::NoCodec,
            305,
        ),
        ("m=audio 4000 RTP/AVP 9 3\r\n", Refusal::NoCodec, 305),
        (
            "m=audio 4000 UDP/TLS/RTP/SAVPF 111 8\r\na=setup:actpass\r\n",
            Refusal::Profile,
            302,
        ),
        ("m=audio 4000 TCP/RTP/AVP 8\r\n", Refusal::Profile, 302),
        (
            "m=audio 4000 RTP/AVP 8\r\nc=IN IP6 2001:db8::1\r\n",
            Refusal::NoAddress,
            301,
        ),
    ] {
        let refused = answer(&mut local(Srtp::Off), media);
        assert_eq!(refused.map(|it| it.1), Err(refusal), "{media}");
        assert_eq!(refusal.warning().0, code);
    }
}

/// RFC 4585 4: the profile of the offer is that of the answer; nothing of AVPF is needed for sound.
#[test]
fn avpf_is_answered_as_avpf_and_used_as_avp() {
    let (agreed, text) = answered("m=audio 4000 RTP/AVPF 8\r\na=rtcp-fb:* nack\r\n");
    assert_eq!(agreed.codec, Codec::Pcma);
    assert!(text.starts_with("m=audio 20000 RTP/AVPF 8\r\n"), "{text}");
    assert!(!text.contains("rtcp-fb"));
}

/// RFC 3264 8: the version grows when something changes, and what was agreed is offered again under
/// its numbers and in its place.
#[test]
fn our_next_offer_keeps_lines_numbers_and_version() {
    let mut local = local(Srtp::Off);
    let offer = "m=video 5000 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 97 101 13\r\n\
                 a=rtpmap:97 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp-mux\r\n";
    let (_, text) = offer_answer::answer(&says(offer), &mut local, &BOTH).unwrap();
    let first = offer_answer::offer(&mut local, &BOTH);
    let again = offer_answer::offer(&mut local, &BOTH);
    assert_eq!(first, again);
    assert_eq!(version_of(&first), version_of(&text) + 1);
    let media = media_of(&first);
    assert!(
        media.starts_with("m=video 0 RTP/AVP 96\r\nm=audio 20000 RTP/AVP 8 97 101 13\r\n"),
        "{media}"
    );
    assert!(media.contains("a=rtpmap:97 PCMU/8000\r\n") && media.contains("a=rtcp-mux\r\n"));
    // A number that a codec has cannot be an event's too.
    let mut taken = self::local(Srtp::Off);
    let offer = "m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 PCMA/8000\r\n";
    answer(&mut taken, offer).unwrap();
    let media = media_of(&offer_answer::offer(&mut taken, &BOTH));
    assert!(
        media.starts_with("m=audio 20000 RTP/AVP 101 0 96\r\n"),
        "{media}"
    );
}

/// RFC 3264 6: an answer ought to have every line; one that has fewer is no reason to hang up.
#[test]
fn an_answer_with_fewer_lines_is_taken() {
    let mut local = local(Srtp::Off);
    answer(
        &mut local,
        "m=video 5000 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 8\r\n",
    )
    .unwrap();
    let (_, settled) = offered(
        &mut local,
        "m=audio 4002 RTP/AVP 0 110\r\na=rtpmap:110 telephone-event/8000\r\n",
    );
    let settled = settled.unwrap();
    assert_eq!((settled.codec, settled.address.port()), (Codec::Pcmu, 4002));
    assert_eq!(
        (settled.telephone_event, settled.our_telephone_event),
        (Some(110), Some(101))
    );
    let (_, none) = offered(&mut local, "");
    assert_eq!(none, Err(Refusal::NoAudio));
}

/// RFC 3261 14.1: a refused offer changes nothing.
#[test]
fn a_refused_offer_leaves_the_session_as_it_was() {
    let mut local = local(Srtp::Off);
    let (_, before) =
        offer_answer::answer(&says("m=audio 4000 RTP/AVP 8\r\n"), &mut local, &BOTH).unwrap();
    for media in [
        "m=image 6000 udptl t38\r\n",
        "m=audio 4000 RTP/AVP 18\r\n",
        "m=audio 0 RTP/AVP 8\r\n",
    ] {
        assert!(answer(&mut local, media).is_err());
    }
    let (_, after) =
        offer_answer::answer(&says("m=audio 4000 RTP/AVP 8\r\n"), &mut local, &BOTH).unwrap();
    assert_eq!(before, after);
}

fn crypto(tag: u32, suite: &str, key: &str) -> String {
    format!("a=crypto:{tag} {suite} inline:{key}|2^31\r\n")
}

/// RFC 4568 5.1.2 and 7.1: the first line that is understood is answered under its tag, with a key of
/// our own.
#[test]
fn keys_are_answered_under_the_tag_that_was_taken() {
    for (profile, ours) in [
        ("RTP/SAVP", "RTP/SAVP"),
        ("RTP/SAVPF", "RTP/SAVPF"),
        ("RTP/AVP", "RTP/AVP"),
    ] {
        let lines = [
            crypto(1, "AEAD_AES_256_GCM", KEY),
            crypto(4, "AES_CM_128_HMAC_SHA1_32", KEY),
            crypto(5, "AES_CM_128_HMAC_SHA1_80", OTHER_KEY),
        ]
        .concat();
        let offer = format!("m=audio 4000 {profile} 8\r\n{lines}");
        let mut optional = local(Srtp::Optional);
        let (agreed, text) = answer(&mut optional, &offer).unwrap();
        let keys = agreed.srtp.unwrap();
        assert!(
            text.starts_with(&format!("m=audio 20000 {ours} 8\r\n")),
            "{text}"
        );
        assert!(text.contains("a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:"));
        assert_eq!(text.matches("a=crypto:").count(), 1);
        assert!(!text.contains(KEY) && keys.ours != keys.theirs);
        // The same keys again: nothing changes, so nothing is keyed anew.
        let (again, repeated) = answer(&mut optional, &offer).unwrap();
        assert_eq!((again.srtp.unwrap(), repeated), (keys, text));
    }
}

/// RFC 8643 3.1 (best effort), RFC 4568 5.1.1.
#[test]
fn encryption_is_offered_as_the_policy_says() {
    for (srtp, profile, lines) in [
        (Srtp::Off, "RTP/AVP", 0),
        (Srtp::Optional, "RTP/AVP", 2),
        (Srtp::Required, "RTP/SAVP", 2),
    ] {
        let text = media_of(&offer_answer::offer(&mut local(srtp), &BOTH));
        assert!(text.starts_with(&format!("m=audio 20000 {profile} 8 0 101\r\n")));
        assert_eq!(text.matches("a=crypto:").count(), lines);
    }
    let long = crypto(1, "AES_CM_128_HMAC_SHA1_80", KEY);
    let short = crypto(2, "AES_CM_128_HMAC_SHA1_32", KEY);
    let foreign = crypto(7, "AES_CM_128_HMAC_SHA1_80", KEY);
    let crossed = crypto(2, "AES_CM_128_HMAC_SHA1_80", KEY);
    for (srtp, profile, key, encrypted) in [
        (Srtp::Optional, "RTP/AVP", "", Ok(false)),
        (Srtp::Optional, "RTP/AVP", &*long, Ok(true)),
        (Srtp::Optional, "RTP/SAVP", &*short, Ok(true)),
        (Srtp::Optional, "RTP/AVP", &*foreign, Err(Refusal::Profile)),
        (Srtp::Optional, "RTP/AVP", &*crossed, Err(Refusal::Profile)),
        (Srtp::Required, "RTP/SAVP", &*long, Ok(true)),
        (Srtp::Required, "RTP/AVP", &*long, Err(Refusal::Profile)),
        (Srtp::Required, "RTP/AVP", "", Err(Refusal::Profile)),
        (Srtp::Required, "RTP/SAVP", "", Err(Refusal::Profile)),
        (Srtp::Off, "RTP/AVP", &*long, Ok(false)),
        (Srtp::Off, "RTP/SAVP", &*long, Err(Refusal::Profile)),
    ] {
        let (_, settled) = offered(
            &mut local(srtp),
            &format!("m=audio 4000 {profile} 8\r\n{key}"),
        );
        let settled = settled.map(|settled| settled.srtp.is_some());
        assert_eq!(settled, encrypted, "{srtp:?} {profile} {key}");
    }
}

/// RFC 4568 7.1.3, and the promise of `required`: it never answers RTP/AVP.
#[test]
fn required_answers_no_plain_profile_and_off_no_secure_one() {
    let key = crypto(1, "AES_CM_128_HMAC_SHA1_80", KEY);
    let gcm = crypto(1, "AEAD_AES_256_GCM", KEY);
    let plain = "m=audio 4000 RTP/AVP 8\r\n".to_owned();
    let secure = format!("m=audio 4002 RTP/SAVP 8\r\n{key}");
    for (srtp, media, port) in [
        (Srtp::Required, plain.clone(), None),
        (Srtp::Required, format!("{plain}{key}"), None),
        (
            Srtp::Required,
            "m=audio 4002 RTP/SAVP 8\r\n".to_owned(),
            None,
        ),
        (
            Srtp::Required,
            format!("m=audio 4002 RTP/SAVP 8\r\n{gcm}"),
            None,
        ),
        (Srtp::Required, format!("{plain}{secure}"), Some(4002)),
        (Srtp::Optional, format!("{plain}{secure}"), Some(4002)),
        (
            Srtp::Optional,
            format!("{plain}m=audio 4002 RTP/SAVP 8\r\n{gcm}"),
            Some(4000),
        ),
        (Srtp::Optional, plain.clone(), Some(4000)),
        (Srtp::Off, format!("{secure}{plain}"), Some(4000)),
        (Srtp::Off, secure.clone(), None),
        (Srtp::Off, format!("{plain}{key}"), Some(4000)),
    ] {
        let got = answer(&mut local(srtp), &media);
        let encrypted = port == Some(4002);
        match got {
            Ok((agreed, text)) => {
                assert_eq!(Some(agreed.address.port()), port, "{srtp:?} {media}");
                assert_eq!(agreed.srtp.is_some(), encrypted);
                assert_eq!(text.contains("a=crypto:"), encrypted);
            }
            Err(why) => assert_eq!((why, port), (Refusal::Profile, None), "{srtp:?} {media}"),
        }
    }
}

/// RFC 3711 9.1: a key is not used anew for another stream; RFC 4568 7.1.4: a new offer may bring new
/// keys of theirs, ours stay. A call that is encrypted does not become plain.
#[test]
fn a_new_offer_brings_the_peers_new_key_and_never_plain_sound() {
    let mut optional = local(Srtp::Optional);
    let with = |key: &str| {
        format!(
            "m=audio 4000 RTP/SAVP 8\r\n{}",
            crypto(1, "AES_CM_128_HMAC_SHA1_80", key)
        )
    };
    let first = answer(&mut optional, &with(KEY)).unwrap().0.srtp.unwrap();
    let hold = format!("{}a=sendonly\r\n", with(OTHER_KEY));
    let second = answer(&mut optional, &hold).unwrap().0.srtp.unwrap();
    assert_eq!(first.ours, second.ours);
    assert_ne!(first.theirs, second.theirs);
    let plain = answer(&mut optional, "m=audio 4000 RTP/AVP 8\r\n");
    assert_eq!(plain.map(|it| it.1), Err(Refusal::Profile));
    let (ours, settled) = offered(&mut optional, &with(KEY));
    assert!(ours.starts_with("m=audio 20000 RTP/SAVP ") && ours.matches("a=crypto:").count() == 1);
    assert_eq!(settled.unwrap().srtp.unwrap(), first);
}

/// RFC 5621 3: SDP beside another part is read; RFC 3261 20.43: what is refused is told why.
#[test]
fn an_offer_in_a_multipart_body_is_read_and_a_refusal_says_why() {
    let now = Now {
        mono: Instant::START,
        wall: Wall::from_millis(1_700_000_000_000),
    };
    let config = EndpointConfig {
        domain: "clinic.example".to_owned(),
        advertise: None,
        local_nets: Vec::new(),
        digest: vec![Algorithm::Md5],
        strangers_rate: 50,
        strangers_burst: 200,
        strangers_trusted: Vec::new(),
        registrations: 100,
        expires: (Duration::from_secs(60), Duration::from_secs(3600)),
    };
    let trunk: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    let mut endpoint = Endpoint::new(config, Rng::new([4; 32]), now);
    endpoint.set_directory(Directory {
        trunks: vec![TrunkEntry::at(
            TrunkName::from("carrier"),
            vec![(Net::single(trunk.ip()), None)],
        )],
        ..Directory::default()
    });
    let flow = Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: "198.51.100.1:5060".parse().unwrap(),
        peer: trunk,
    };
    let sdp = String::from_utf8(says("m=audio 4000 RTP/AVP 18\r\n")).unwrap();
    let body = format!(
        "--x\r\nContent-Type: application/isup;version=itu-t92+\r\n\r\n\u{1}\u{2}\r\n\
         --x\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--x--\r\n"
    );
    let invite = format!(
        "INVITE sip:1@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKm\r\n\
         From: <sip:2@203.0.113.5>;tag=1\r\nTo: <sip:1@198.51.100.1>\r\nCall-ID: m\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:2@203.0.113.5>\r\nMax-Forwards: 70\r\n\
         Content-Type: multipart/mixed;boundary=\"x\"\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    endpoint.handle_packet(now, flow, invite.as_bytes());
    let mut offer = None;
    while let Some(event) = endpoint.poll_event() {
        if let EndpointEvent::Session(SessionEvent::Incoming { leg, invite }) = event {
            offer = invite.offer.map(|offer| (leg, offer));
        }
    }
    let (leg, offer) = offer.expect("the INVITE has an offer");
    assert_eq!(offer, sdp);
    let refusal = offer_answer::answer(&offer, &mut local(Srtp::Off), &BOTH).unwrap_err();
    let warning = refusal.warning();
    endpoint.handle_command(now, SessionCommand::RejectOffer { leg, warning });
    let mut said = String::new();
    while let Some(transmit) = endpoint.poll_transmit() {
        said.push_str(&String::from_utf8_lossy(&transmit.bytes));
    }
    assert!(said.contains("SIP/2.0 488 "), "{said}");
    assert!(said.contains("Warning: 305 strowger \"PCMA or PCMU is needed\"\r\n"));
}
