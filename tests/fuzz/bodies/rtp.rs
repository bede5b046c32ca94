//! Any bytes as packets of a call: of the two parties and of a stranger, some late, some doubled.
//!
//! The input is a script of packets: a byte that says who sends and how long before the next one,
//! a byte of length (in steps of eight), then that many bytes.

use std::net::SocketAddr;

use strowger::media::command::{Learn, Remote};
use strowger::media::recorder::{Recorder, Side};
use strowger::media::relay::{Carried, Content, Received, Relay};
use strowger::media::track::{Stamp, samples};
use strowger::rng::Rng;
use strowger::rtp::packet::{HEADER_BYTES, Packet};
use strowger::time::{Duration, Instant};
use strowger::words::Codec;

/// Checks one input.
pub fn run(data: &[u8]) {
    let mut rng = Rng::new([9; 32]);
    let caller = far_end("203.0.113.1:9000", Codec::Pcma);
    let operator = Remote {
        ptime: 30,
        comfort_noise: true,
        ..far_end("192.0.2.9:4000", Codec::Pcmu)
    };
    // What the caller says goes to the operator, and the other way round.
    let packets = [operator.ptime, caller.ptime].map(|ptime| usize::from(ptime) * 8);
    let parties = [caller, operator];
    let mut legs = parties.clone().map(|remote| {
        let mut leg = Relay::new(&mut rng, Instant::START);
        leg.connect(Instant::START, remote);
        leg.bridge(Instant::START);
        leg
    });
    let mut streams = [None; 2];
    let mut recorder = Recorder::new(Instant::START);
    let mut settled = Vec::new();
    let mut now = Instant::START;
    let mut rest = data;
    while let Some((head, bytes, after)) = next(rest) {
        rest = after;
        now = now + Duration::from_millis(u64::from(head >> 2) * 4);
        let side = usize::from(head & 1);
        let stranger = head & 2 != 0;
        let [one, two] = &mut legs;
        let (from, to) = if side == 0 { (one, two) } else { (two, one) };
        let mut buffer = bytes.to_vec();
        let sender = if stranger {
            "198.51.100.66:9000".parse().unwrap()
        } else {
            parties[side].address
        };
        match from.receive(now, sender, &buffer) {
            Received::Stranger => assert!(stranger),
            Received::Garbage => assert!(!stranger),
            Received::Carried { carried, lost, .. } => {
                assert!(!stranger && lost < 3_000);
                record(&mut recorder, now, side, &carried, &buffer);
                let whole = carried.packet.payload.len();
                to.forward(now, &carried, &mut buffer, |bytes| {
                    let sent = Packet::parse(bytes).unwrap();
                    assert_eq!(sent.payload, HEADER_BYTES..bytes.len());
                    assert!([whole, packets[side]].contains(&sent.payload.len()));
                    let ssrc = sent.header.ssrc;
                    assert_eq!(*streams[side].get_or_insert(ssrc), ssrc);
                });
            }
        }
        recorder.settle(now, &mut settled);
    }
    let end = now + Duration::from_millis(300);
    recorder.finish(end, &mut settled);
    let frames = samples(end.since(Instant::START));
    assert_eq!(i64::try_from(settled.len()).unwrap(), frames);
}

fn record(recorder: &mut Recorder, arrival: Instant, side: usize, carried: &Carried, bytes: &[u8]) {
    let header = carried.packet.header;
    let Content::Sound(codec) = carried.content else {
        return;
    };
    let stamp = Stamp {
        arrival,
        ssrc: header.ssrc,
        sequence: header.sequence,
        timestamp: header.timestamp,
        marker: header.marker,
    };
    let side = if side == 0 {
        Side::Caller
    } else {
        Side::Operator
    };
    recorder.take(side, &stamp, codec, &bytes[carried.packet.payload.clone()]);
}

fn next(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[head, eighths], rest) = data.split_first_chunk::<2>()?;
    let (bytes, rest) = rest.split_at(rest.len().min(usize::from(eighths) * 8));
    Some((head, bytes, rest))
}

fn far_end(address: &str, codec: Codec) -> Remote {
    let address: SocketAddr = address.parse().unwrap();
    Remote {
        telephone_event: Some(101),
        our_telephone_event: Some(101),
        ..Remote::new(address, Learn::Phone(address.ip()), codec)
    }
}
