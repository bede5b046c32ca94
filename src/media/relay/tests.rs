use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::media::command::Learn;
use crate::rtp::packet::Header;

const PHONE: &str = "192.0.2.9:4000";
const CARRIER: &str = "203.0.113.1:9000";
const STRANGER: &str = "198.51.100.66:9000";

fn at(millis: u64) -> Instant {
    Instant::START + Duration::from_millis(millis)
}

fn remote(address: &str, codec: Codec, telephone_event: Option<u8>) -> Remote {
    let address: SocketAddr = address.parse().unwrap();
    Remote {
        address,
        learn: Learn::Phone(address.ip()),
        codec,
        payload_type: codec.payload_type(),
        telephone_event,
        ptime: 20,
        send: true,
        receive: true,
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
    match relay.receive(at(0), from.parse().unwrap(), bytes) {
        Received::Carried { carried, .. } => carried,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_packet_goes_over_with_the_other_legs_numbers_and_law() {
    let mut caller = leg(1, remote(CARRIER, Codec::Pcma, Some(101)));
    let mut operator = leg(2, remote(PHONE, Codec::Pcmu, Some(96)));
    caller.bridge(at(0));
    operator.bridge(at(0));
    let mut packet = bytes(8, 100, 1600, &[g711::silence(Codec::Pcma); 160]);
    let sound = carried(&mut caller, CARRIER, &packet);
    let range = operator.forward(at(0), &sound, &mut packet).unwrap();
    let out = Packet::parse(&packet[range.clone()]).unwrap();
    assert_eq!(out.header.payload_type, 0);
    assert!(out.header.marker);
    assert_ne!(out.header.ssrc, 5);
    // The sample 8 of A-law is the µ-law code 254, by table 4 of G.711.
    assert_eq!(packet[range][out.payload], [254; 160]);

    let press = TelephoneEvent {
        code: 5,
        end: true,
        duration: 800,
    };
    let mut packet = bytes(101, 101, 1760, &press.to_bytes());
    let event = carried(&mut caller, CARRIER, &packet);
    let range = operator.forward(at(20), &event, &mut packet).unwrap();
    let after = Packet::parse(&packet[range.clone()]).unwrap();
    assert_eq!(after.header.payload_type, 96);
    assert_eq!(after.header.ssrc, out.header.ssrc);
    assert_eq!(after.header.sequence, out.header.sequence.wrapping_add(1));
    assert_eq!(
        after.header.timestamp,
        out.header.timestamp.wrapping_add(160)
    );
    assert_eq!(packet[range][after.payload], press.to_bytes());
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
        let received = caller.receive(at(0), CARRIER.parse().unwrap(), &packet);
        let Received::Carried { carried, digit, .. } = received else {
            panic!("{received:?}");
        };
        digits.extend(digit);
        if let Some(range) = operator.forward(at(0), &carried, &mut packet) {
            sequences.push(Packet::parse(&packet[range]).unwrap().header.sequence);
        }
    }
    assert_eq!(digits, "9");
    assert_eq!(sequences.len(), 2);
    assert_eq!(sequences[1], sequences[0].wrapping_add(1));
}

#[test]
fn a_stranger_is_heard_at_no_time() {
    let mut caller = leg(1, remote(CARRIER, Codec::Pcma, None));
    let packet = bytes(8, 1, 0, &[213; 160]);
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    assert_eq!(caller.receive(at(0), stranger, &packet), Received::Stranger);
    carried(&mut caller, CARRIER, &packet);
    let mut other_ssrc = packet.clone();
    other_ssrc[8] ^= 0xff;
    carried(&mut caller, CARRIER, &other_ssrc);
    for from in [STRANGER, "203.0.113.1:9002"] {
        let from = from.parse().unwrap();
        assert_eq!(caller.receive(at(1), from, &packet), Received::Stranger);
    }
    let unopened = &mut Relay::new(&mut Rng::new([1; 32]), at(0));
    assert_eq!(
        unopened.receive(at(0), stranger, &packet),
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
        assert_eq!(phone.receive(at(0), nat, garbage), Received::Garbage);
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
    assert_eq!(operator.forward(at(0), &party, &mut packet), None);
    let mut out = [0; FRAME_PACKET];
    let mut headers = Vec::new();
    for tick in 0..2 {
        assert_eq!(operator.tick(at(20 * tick), &mut out), Tick::Send);
        headers.push(Packet::parse(&out).unwrap().header);
    }
    assert_eq!(operator.tick(at(40), &mut out), Tick::Played(PlayId(7)));
    assert_eq!(operator.tick(at(60), &mut out), Tick::Idle);
    let range = operator.forward(at(60), &party, &mut packet).unwrap();
    headers.push(Packet::parse(&packet[range]).unwrap().header);
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
    let mut out = [0; FRAME_PACKET];
    assert_eq!(operator.tick(at(0), &mut out), Tick::Muted);
    assert_eq!(operator.tick(at(20), &mut out), Tick::Played(PlayId(1)));
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
