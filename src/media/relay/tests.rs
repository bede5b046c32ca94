use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::media::command::Learn;
use crate::rtp::packet::Header;
use crate::rtp::rtcp;
use crate::rtp::srtp::{Opener, Sealer};
use crate::rtp::telephone_event::TelephoneEvent;
use crate::time::{Now, Wall};
use crate::words::{SrtpKey, SrtpKeys, SrtpSuite};

const PHONE: &str = "192.0.2.9:4000";
const CARRIER: &str = "203.0.113.1:9000";
const STRANGER: &str = "198.51.100.66:9000";

fn at(millis: u64) -> Instant {
    Instant::START + Duration::from_millis(millis)
}

fn remote(address: &str, codec: Codec, telephone_event: Option<u8>) -> Remote {
    let address: SocketAddr = address.parse().unwrap();
    Remote {
        telephone_event,
        our_telephone_event: telephone_event,
        ..Remote::new(address, Learn::Phone(address.ip()), codec)
    }
}

fn leg(seed: u8, remote: Remote) -> Relay {
    let mut relay = Relay::new(&mut Rng::new([seed; 32]), at(0));
    relay.connect(at(0), remote);
    relay
}

fn bytes(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        marker: false,
        payload_type,
        sequence,
        timestamp,
        ssrc: 5,
    };
    [&header.to_bytes(), payload].concat()
}

fn carried(relay: &mut Relay, from: &str, bytes: &[u8]) -> Carried {
    match relay.receive(at(0), from.parse().unwrap(), &mut bytes.to_vec()) {
        Received::Carried { carried, .. } => carried,
        other => panic!("{other:?}"),
    }
}

/// The packets that go to the far end of `to` for one that came.
fn forward(to: &mut Relay, now: Instant, carried: &Carried, buffer: &mut [u8]) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    to.forward(now, carried, buffer, |bytes| sent.push(bytes.to_vec()));
    sent
}

/// The header of a packet and its payload.
fn read_back(bytes: &[u8]) -> (Header, &[u8]) {
    let packet = Packet::parse(bytes).unwrap();
    (packet.header, &bytes[packet.payload])
}

#[test]
fn a_packet_goes_over_with_the_other_legs_numbers_and_law() {
    let mut caller = leg(1, remote(CARRIER, Codec::Pcma, Some(101)));
    let mut operator = leg(2, remote(PHONE, Codec::Pcmu, Some(96)));
    caller.bridge(at(0));
    operator.bridge(at(0));
    let mut packet = bytes(8, 100, 1600, &[g711::silence(Codec::Pcma); 160]);
    let sound = carried(&mut caller, CARRIER, &packet);
    let sent = forward(&mut operator, at(0), &sound, &mut packet);
    let (out, payload) = read_back(&sent[0]);
    assert_eq!(out.payload_type, 0);
    assert!(out.marker);
    assert_ne!(out.ssrc, 5);
    // The sample 8 of A-law is the µ-law code 254, by table 4 of G.711.
    assert_eq!(payload, [254; 160]);

    let press = TelephoneEvent {
        code: 5,
        end: true,
        duration: 800,
    };
    let mut packet = bytes(101, 101, 1760, &press.to_bytes());
    let event = carried(&mut caller, CARRIER, &packet);
    let sent = forward(&mut operator, at(20), &event, &mut packet);
    let (after, payload) = read_back(&sent[0]);
    assert_eq!(after.payload_type, 96);
    assert_eq!(after.ssrc, out.ssrc);
    assert_eq!(after.sequence, out.sequence.wrapping_add(1));
    assert_eq!(after.timestamp, out.timestamp.wrapping_add(160));
    assert_eq!(payload, press.to_bytes());
}

#[test]
fn a_digit_is_reported_once_and_not_sent_to_a_phone_without_events() {
    let mut caller = leg(1, remote(CARRIER, Codec::Pcma, Some(101)));
    let mut operator = leg(2, remote(PHONE, Codec::Pcma, None));
    let mut digits = String::new();
    let mut sequences = Vec::new();
    for sequence in 0..6 {
        let sound = sequence == 0 || sequence == 5;
        let mut packet = if sound {
            bytes(8, sequence, u32::from(sequence) * 160, &[213; 160])
        } else {
            let press = TelephoneEvent {
                code: 9,
                end: sequence > 2,
                duration: sequence * 160,
            };
            bytes(101, sequence, 160, &press.to_bytes())
        };
        let received = caller.receive(at(0), CARRIER.parse().unwrap(), &mut packet);
        let Received::Carried { carried, digit, .. } = received else {
            panic!("{received:?}");
        };
        digits.extend(digit);
        for sent in forward(&mut operator, at(0), &carried, &mut packet) {
            sequences.push(read_back(&sent).0.sequence);
        }
    }
    assert_eq!(digits, "9");
    assert_eq!(sequences.len(), 2);
    assert_eq!(sequences[1], sequences[0].wrapping_add(1));
}

#[test]
fn a_stranger_is_heard_at_no_time() {
    let mut caller = leg(1, remote(CARRIER, Codec::Pcma, None));
    let mut packet = bytes(8, 1, 0, &[213; 160]);
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    assert_eq!(
        caller.receive(at(0), stranger, &mut packet),
        Received::Stranger
    );
    carried(&mut caller, CARRIER, &packet);
    let mut other_ssrc = packet.clone();
    other_ssrc[8] ^= 0xff;
    carried(&mut caller, CARRIER, &other_ssrc);
    for from in [STRANGER, "203.0.113.1:9002"] {
        let from = from.parse().unwrap();
        assert_eq!(caller.receive(at(1), from, &mut packet), Received::Stranger);
    }
    let unopened = &mut Relay::new(&mut Rng::new([1; 32]), at(0));
    assert_eq!(
        unopened.receive(at(0), stranger, &mut packet),
        Received::Stranger
    );
}

#[test]
fn only_a_valid_packet_fixes_the_source() {
    let mut phone = leg(1, remote("10.0.0.5:4000", Codec::Pcma, None));
    phone.connect(
        at(0),
        Remote {
            learn: Learn::Phone("192.0.2.9".parse::<IpAddr>().unwrap()),
            ..remote("10.0.0.5:4000", Codec::Pcma, None)
        },
    );
    let nat: SocketAddr = PHONE.parse().unwrap();
    for garbage in [
        &b"OPTIONS sip:x"[..],
        &[],
        &bytes(8, 1, 0, &[]),
        &bytes(77, 1, 0, &[1; 160]),
    ] {
        assert_eq!(
            phone.receive(at(0), nat, &mut garbage.to_vec()),
            Received::Garbage
        );
    }
    assert_eq!(phone.far_end(), None);
    assert_eq!(phone.target(), Some("10.0.0.5:4000".parse().unwrap()));
    carried(&mut phone, PHONE, &bytes(8, 1, 0, &[213; 160]));
    assert_eq!(phone.far_end(), Some(nat));
    assert_eq!(phone.target(), Some(nat));
}

#[test]
fn what_plays_is_heard_instead_of_the_party_and_ends_with_its_name() {
    let mut operator = leg(2, remote(PHONE, Codec::Pcma, None));
    let mut caller = leg(1, remote(CARRIER, Codec::Pcma, None));
    let sound: Arc<[i16]> = vec![1000; 320].into();
    operator.play(Some((PlayId(7), Playout::new(vec![sound], false))));
    let mut packet = bytes(8, 1, 0, &[213; 160]);
    let party = carried(&mut caller, CARRIER, &packet);
    assert!(forward(&mut operator, at(0), &party, &mut packet).is_empty());
    let mut headers = Vec::new();
    let mut tick = |now| operator.tick(now, |bytes| headers.push(read_back(bytes).0));
    assert_eq!([tick(at(0)), tick(at(20))], [Tick::Sounded; 2]);
    assert_eq!(tick(at(40)), Tick::Played(PlayId(7)));
    assert_eq!(tick(at(60)), Tick::Idle);
    let sent = forward(&mut operator, at(60), &party, &mut packet);
    headers.push(read_back(&sent[0]).0);
    let steps: Vec<u32> = headers
        .windows(2)
        .map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp))
        .collect();
    assert_eq!(steps, [160, 320]);
    assert!(headers.iter().all(|header| header.ssrc == headers[0].ssrc));
    assert_eq!(headers[2].sequence, headers[0].sequence.wrapping_add(2));
}

#[test]
fn a_held_leg_gets_nothing_and_its_playout_still_ends() {
    let mut operator = leg(2, remote(PHONE, Codec::Pcma, None));
    operator.connect(
        at(0),
        Remote {
            send: false,
            ..remote(PHONE, Codec::Pcma, None)
        },
    );
    let sound: Arc<[i16]> = vec![1000; 160].into();
    operator.play(Some((PlayId(1), Playout::new(vec![sound], false))));
    let mut tick = |now| operator.tick(now, |_| panic!("a held leg was sent something"));
    assert_eq!(tick(at(0)), Tick::Muted);
    assert_eq!(tick(at(20)), Tick::Played(PlayId(1)));
}

#[test]
fn silence_counts_on_a_bridged_leg_alone_and_is_said_once() {
    let minute = Duration::from_secs(60);
    let mut caller = leg(1, remote(CARRIER, Codec::Pcma, None));
    assert!(!caller.falls_silent(at(3_600_000), minute));
    caller.bridge(at(3_600_000));
    assert!(!caller.falls_silent(at(3_659_999), minute));
    assert!(caller.falls_silent(at(3_660_000), minute));
    assert!(!caller.falls_silent(at(3_990_000), minute));
    for (receive, send, from) in [(false, true, 4_000_000), (true, false, 5_000_000)] {
        caller.connect(
            at(from),
            Remote {
                receive,
                send,
                ..remote(CARRIER, Codec::Pcma, None)
            },
        );
        assert!(!caller.falls_silent(at(from + 299_000), minute));
        assert!(caller.falls_silent(at(from + 300_000), minute));
    }
    caller.connect(at(6_000_000), remote(CARRIER, Codec::Pcma, None));
    caller.unbridge();
    assert!(!caller.falls_silent(at(7_000_000), minute));
}

/// RFC 3264 5.1 and RFC 8866 6.4: each side gets packets as long as it asked for.
#[test]
fn each_far_end_gets_packets_of_the_length_it_asked_for() {
    for (from, to) in [
        (20_u8, 30_u8),
        (30, 20),
        (20, 10),
        (60, 20),
        (20, 60),
        (20, 20),
    ] {
        let mut caller = leg(1, remote(CARRIER, Codec::Pcma, None));
        let mut operator = leg(
            2,
            Remote {
                ptime: to,
                ..remote(PHONE, Codec::Pcma, None)
            },
        );
        caller.bridge(at(0));
        operator.bridge(at(0));
        let (size, wanted) = (usize::from(from) * 8, usize::from(to) * 8);
        let mut sent = Vec::new();
        for index in 0..60_u16 {
            let timestamp = u32::from(index) * u32::from(from) * 8;
            let sound = vec![u8::try_from(index).unwrap(); size];
            let mut packet = bytes(8, index, timestamp, &sound);
            let carried = carried(&mut caller, CARRIER, &packet);
            let now = at(u64::from(index) * u64::from(from));
            sent.extend(forward(&mut operator, now, &carried, &mut packet));
        }
        let whole: Vec<u8> = sent
            .iter()
            .flat_map(|it| read_back(it).1.to_vec())
            .collect();
        assert!(whole.len() + wanted > 60 * size, "{from} to {to}");
        let said = whole.iter().enumerate();
        assert!(
            said.into_iter()
                .all(|(at, byte)| usize::from(*byte) == at / size)
        );
        for pair in sent.windows(2) {
            let ((before, sound), (after, _)) = (read_back(&pair[0]), read_back(&pair[1]));
            assert_eq!(sound.len(), wanted);
            assert_eq!(after.sequence, before.sequence.wrapping_add(1));
            let step = u32::try_from(wanted).unwrap();
            assert_eq!(after.timestamp, before.timestamp.wrapping_add(step));
            assert!(!after.marker);
        }
    }
}

#[test]
fn music_comes_in_packets_of_the_length_asked_for() {
    for ptime in [10, 20, 30, 40, 50, 60] {
        let mut caller = leg(
            1,
            Remote {
                ptime,
                ..remote(CARRIER, Codec::Pcma, None)
            },
        );
        let sound: Arc<[i16]> = vec![1000; 8000].into();
        caller.play(Some((PlayId(1), Playout::new(vec![sound], false))));
        let mut sizes = Vec::new();
        let mut timestamps = Vec::new();
        for index in 0..51 {
            let ticked = caller.tick(at(index * 20), |bytes| {
                let (header, sound) = read_back(bytes);
                sizes.push(sound.len());
                timestamps.push(header.timestamp);
            });
            assert_eq!(ticked == Tick::Played(PlayId(1)), index == 50);
        }
        let size = usize::from(ptime) * 8;
        assert_eq!(sizes, vec![size; 8000_usize.div_ceil(size)], "{ptime}");
        let steps = timestamps.windows(2).map(|it| it[1].wrapping_sub(it[0]));
        assert!(steps.into_iter().all(|step| step == u32::from(ptime) * 8));
    }
}

#[test]
fn what_is_lost_late_or_doubled_keeps_its_place_when_packets_are_cut_anew() {
    let mut caller = leg(1, remote(CARRIER, Codec::Pcma, None));
    let mut operator = leg(
        2,
        Remote {
            ptime: 40,
            ..remote(PHONE, Codec::Pcma, None)
        },
    );
    let mut sent = Vec::new();
    // Packets 2 and 6 to 19 are lost, 3 comes twice, 20 before 21 and once more after it.
    for index in [0_u16, 1, 3, 3, 4, 5, 20, 21, 20, 22, 23] {
        let sound = [u8::try_from(index).unwrap(); 160];
        let mut packet = bytes(8, index, u32::from(index) * 160, &sound);
        let carried = carried(&mut caller, CARRIER, &packet);
        let now = at(u64::from(index) * 20);
        sent.extend(forward(&mut operator, now, &carried, &mut packet));
    }
    let base = read_back(&sent[0]).0.timestamp;
    let heard: Vec<_> = sent
        .iter()
        .map(|packet| {
            let (header, sound) = read_back(packet);
            let place = header.timestamp.wrapping_sub(base) / 160;
            (place, sound[0], sound[319])
        })
        .collect();
    let silence = g711::silence(Codec::Pcma);
    assert_eq!(
        heard,
        [
            (0, 0, 1),
            (2, silence, 3),
            (4, 4, 5),
            (20, 20, 21),
            (22, 22, 23)
        ]
    );
}

/// RFC 3389 4: comfort noise goes to who said that it understands it.
#[test]
fn comfort_noise_goes_to_who_understands_it_and_leaves_no_hole_elsewhere() {
    for understood in [true, false] {
        let noisy = |address| Remote {
            comfort_noise: true,
            ..remote(address, Codec::Pcma, None)
        };
        let mut caller = leg(1, noisy(CARRIER));
        let mut operator = leg(
            2,
            if understood {
                noisy(PHONE)
            } else {
                remote(PHONE, Codec::Pcma, None)
            },
        );
        let mut sent = Vec::new();
        for (sequence, payload_type) in [(1, 8), (2, 13), (3, 8)] {
            let sound = vec![213; if payload_type == 13 { 1 } else { 160 }];
            let timestamp = u32::from(sequence) * 160;
            let mut packet = bytes(payload_type, sequence, timestamp, &sound);
            let carried = carried(&mut caller, CARRIER, &packet);
            sent.extend(forward(&mut operator, at(0), &carried, &mut packet));
        }
        let kinds: Vec<u8> = sent.iter().map(|it| read_back(it).0.payload_type).collect();
        let wanted: &[u8] = if understood { &[8, 13, 8] } else { &[8, 8] };
        assert_eq!(kinds, wanted);
        let (first, last) = (read_back(&sent[0]).0, read_back(sent.last().unwrap()).0);
        let steps = u16::try_from(sent.len()).unwrap() - 1;
        assert_eq!(last.sequence, first.sequence.wrapping_add(steps));
        assert_eq!(last.timestamp, first.timestamp.wrapping_add(320));
    }
    let mut stranger = leg(1, remote(CARRIER, Codec::Pcma, None));
    let mut noise = bytes(13, 1, 0, &[40]);
    let from = CARRIER.parse().unwrap();
    assert_eq!(stranger.receive(at(0), from, &mut noise), Received::Garbage);
}

/// RFC 3264 5.1: each side names the number it wants to receive events under.
#[test]
fn keys_are_heard_under_either_number_and_sent_under_the_peers() {
    let mut phone = leg(
        1,
        Remote {
            our_telephone_event: Some(101),
            ..remote(PHONE, Codec::Pcma, Some(110))
        },
    );
    let mut caller = leg(2, remote(CARRIER, Codec::Pcma, Some(96)));
    for (number, timestamp) in [(101, 0), (110, 8000)] {
        let press = TelephoneEvent {
            code: 7,
            end: true,
            duration: 160,
        };
        let mut packet = bytes(number, 1, timestamp, &press.to_bytes());
        let received = phone.receive(at(0), PHONE.parse().unwrap(), &mut packet);
        let Received::Carried { carried, digit, .. } = received else {
            panic!("{received:?}");
        };
        assert_eq!(digit, Some('7'));
        let sent = forward(&mut caller, at(0), &carried, &mut packet);
        assert_eq!(read_back(&sent[0]).0.payload_type, 96);
    }
}

fn keys(ours: u8, theirs: u8) -> Box<SrtpKeys> {
    let key = |byte| SrtpKey {
        suite: SrtpSuite::AesCm128HmacSha1Tag80,
        master: [byte; 16],
        salt: [byte; 14],
        mki: Box::default(),
    };
    Box::new(SrtpKeys {
        ours: key(ours),
        theirs: key(theirs),
    })
}

/// One side in clear, the other encrypted, and nobody but the keys' owners can tell what is said. A
/// new key of the peer's is used from its offer on; an offer that brings none changes nothing.
#[test]
fn a_leg_is_encrypted_while_the_other_is_not() {
    let secure = |theirs| Remote {
        srtp: Some(keys(1, theirs)),
        ..remote(PHONE, Codec::Pcma, None)
    };
    let mut caller = leg(1, remote(CARRIER, Codec::Pcma, None));
    let mut phone = leg(2, secure(2));
    caller.bridge(at(0));
    phone.bridge(at(0));
    // The phone's own ends.
    let mut ear = Opener::new(&keys(1, 2).ours);
    let mut mouth = Sealer::new(&keys(1, 2).theirs);
    let from: SocketAddr = PHONE.parse().unwrap();
    for sequence in 1..100_u16 {
        match sequence {
            // A hold, and back: the keys are the same and the counts go on.
            40 => phone.connect(at(0), secure(2)),
            // New keys of the phone's.
            60 => {
                phone.connect(at(0), secure(3));
                mouth = Sealer::new(&keys(1, 3).theirs);
            }
            _ => {}
        }
        let sound = [u8::try_from(sequence).unwrap(); 160];
        let plain = bytes(8, sequence, u32::from(sequence) * 160, &sound);
        let mut buffer = plain.clone();
        let to_phone = carried(&mut caller, CARRIER, &plain);
        buffer.resize(200, 0);
        let sent = forward(&mut phone, at(0), &to_phone, &mut buffer);
        assert_eq!(sent.len(), 1, "{sequence}");
        assert_eq!(sent[0].len(), 172 + 10);
        assert_ne!(sent[0][12..172], sound);
        let mut opened = sent[0].clone();
        assert_eq!(ear.open(&mut opened), Ok(172));
        assert_eq!(opened[12..172], sound);

        let mut buffer = plain.clone();
        buffer.resize(200, 0);
        let length = mouth.seal(&mut buffer, plain.len()).unwrap();
        buffer.truncate(length);
        let (mut again, mut forged) = (buffer.clone(), buffer.clone());
        forged[100] ^= 1;
        assert_eq!(phone.receive(at(0), from, &mut forged), Received::Forged);
        let received = phone.receive(at(0), from, &mut buffer);
        let Received::Carried { carried, .. } = received else {
            panic!("{received:?} at {sequence}");
        };
        assert_eq!(buffer[carried.packet.payload.clone()], sound);
        assert_eq!(phone.receive(at(0), from, &mut again), Received::Forged);
        assert_eq!(
            phone.receive(at(0), from, &mut plain.clone()),
            Received::Forged
        );
        let sent = forward(&mut caller, at(0), &carried, &mut buffer);
        assert_eq!(read_back(&sent[0]).1, sound);
    }
}

fn report_of(relay: &mut Relay, seconds: u64, bye: bool) -> Option<(SocketAddr, Vec<u8>)> {
    let mut out = [0; rtcp::REPORT_BYTES];
    let now = Now {
        mono: at(seconds * 1000),
        wall: Wall::from_millis(1_790_000_000_000),
    };
    let (to, bytes) = relay.report(now, bye, &mut Rng::new([7; 32]), &mut out)?;
    Some((to, bytes.to_vec()))
}

/// RFC 3550 6.4, RFC 3605, RFC 5761 and RFC 3711 3.4: reports go to where the far end wants them, tell
/// what was sent and heard, and are encrypted where the sound is.
#[test]
fn reports_tell_what_was_sent_and_heard_and_go_where_they_are_wanted() {
    for (rtcp, rtcp_mux, srtp, to) in [
        ("192.0.2.9:4001", false, None, "192.0.2.9:4001"),
        ("192.0.2.9:4777", false, None, "192.0.2.9:4777"),
        ("192.0.2.9:4001", true, None, PHONE),
        ("192.0.2.9:4001", false, Some(keys(1, 2)), "192.0.2.9:4001"),
    ] {
        let encrypted = srtp.is_some();
        let mut caller = leg(1, remote(CARRIER, Codec::Pcma, None));
        let mut phone = leg(
            2,
            Remote {
                rtcp: rtcp.parse().unwrap(),
                rtcp_mux,
                srtp,
                ..remote(PHONE, Codec::Pcma, None)
            },
        );
        caller.bridge(at(0));
        phone.bridge(at(0));
        let mut ear = Opener::new(&keys(1, 2).ours);
        let mut plain = |bytes: Vec<u8>| {
            let mut bytes = bytes;
            if encrypted {
                let length = ear.open_rtcp(&mut bytes).unwrap();
                bytes.truncate(length);
            }
            bytes
        };
        // Nothing was sent: a receiver's report.
        let (target, first) = report_of(&mut phone, 3, false).unwrap();
        assert_eq!(target.to_string(), to);
        assert_eq!(plain(first)[1], 201);
        let mut ssrc = 0;
        for sequence in 0..10_u16 {
            let mut packet = bytes(8, sequence, u32::from(sequence) * 160, &[213; 160]);
            let sound = carried(&mut caller, CARRIER, &packet);
            packet.resize(200, 0);
            let sent = forward(&mut phone, at(0), &sound, &mut packet);
            ssrc = u32::from_be_bytes(sent[0][8..12].try_into().unwrap());
        }
        let report = plain(report_of(&mut phone, 8, true).unwrap().1);
        assert_eq!((report[1], &report[4..8]), (200, &ssrc.to_be_bytes()[..]));
        assert_eq!(report[20..28], [0, 0, 0, 10, 0, 0, 6, 64]);
        assert!(rtcp::parse(&report, 0).unwrap().bye);
        // The caller's side has heard ten packets and sent none.
        let (target, heard) = report_of(&mut caller, 8, false).unwrap();
        assert_eq!(target.to_string(), "203.0.113.1:9001");
        let block = rtcp::parse(&heard, 5).unwrap().about_us.unwrap();
        assert_eq!((block.highest, block.lost), (9, 0));
    }
}

/// RFC 3550 6.4.1: what the far end says it lost is counted; a report is no sign of sound.
#[test]
fn the_far_ends_reports_are_counted_and_break_no_silence() {
    let minute = Duration::from_secs(60);
    for rtcp_mux in [false, true] {
        let mut phone = leg(
            2,
            Remote {
                rtcp_mux,
                ..remote(PHONE, Codec::Pcma, None)
            },
        );
        let mut caller = leg(1, remote(CARRIER, Codec::Pcma, None));
        phone.bridge(at(0));
        let mut ssrc = 0;
        for sequence in 0..10_u16 {
            let mut packet = bytes(8, sequence, u32::from(sequence) * 160, &[213; 160]);
            let sound = carried(&mut caller, CARRIER, &packet);
            let sent = forward(&mut phone, at(0), &sound, &mut packet);
            ssrc = u32::from_be_bytes(sent[0][8..12].try_into().unwrap());
        }
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
        report.extend(ssrc.to_be_bytes());
        report.extend([64, 0, 0, 4]);
        report.extend([0; 16]);
        let mut hear = |now, from: &str, mut bytes: Vec<u8>| {
            let from = from.parse().unwrap();
            if rtcp_mux {
                phone.receive(now, from, &mut bytes)
            } else {
                phone.receive_report(now, from, &mut bytes)
            }
        };
        let from = if rtcp_mux { PHONE } else { "192.0.2.9:4001" };
        assert_eq!(
            hear(at(50_000), STRANGER, report.clone()),
            Received::Stranger
        );
        let lost = Received::Report { lost: 4 };
        assert_eq!(hear(at(50_000), from, report.clone()), lost);
        let none = Received::Report { lost: 0 };
        assert_eq!(hear(at(59_000), from, report.clone()), none);
        assert_eq!(
            hear(at(59_000), from, report[..30].to_vec()),
            Received::Garbage
        );
        assert!(phone.falls_silent(at(60_000), minute));
        let to = if rtcp_mux { PHONE } else { "192.0.2.9:4001" };
        assert_eq!(report_of(&mut phone, 61, false).unwrap().0.to_string(), to);
    }
}

/// A phone behind a NAT names a port that nobody reaches: its own reports show the way.
#[test]
fn reports_to_a_phone_behind_a_nat_go_where_its_own_come_from() {
    let mut phone = leg(
        1,
        Remote {
            learn: Learn::Phone("192.0.2.9".parse().unwrap()),
            ..remote("10.0.0.5:4000", Codec::Pcma, None)
        },
    );
    carried(&mut phone, PHONE, &bytes(8, 1, 0, &[213; 160]));
    assert_eq!(report_of(&mut phone, 3, false), None);
    let nat: SocketAddr = "192.0.2.9:31338".parse().unwrap();
    let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
    phone.receive_report(at(4_000), nat, &mut report);
    assert_eq!(report_of(&mut phone, 8, false).unwrap().0, nat);
}
