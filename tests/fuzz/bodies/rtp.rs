//! Any bytes as packets of a call: of the two parties and of a stranger, some late, some doubled.
//!
//! The input is a script of packets: a byte that says who sends and how long before the next one,
//! a byte of length (in steps of eight), then that many bytes.

use std::net::SocketAddr;

use strowger::media::carried::{Carried, Content};
use strowger::media::command::{Learn, Remote};
use strowger::media::recorder::{Recorder, Side};
use strowger::media::relay::{Received, Relay};
use strowger::media::track::{Stamp, samples};
use strowger::rng::Rng;
use strowger::rtp::packet::{HEADER_BYTES, Packet};
use strowger::rtp::rtcp::REPORT_BYTES;
use strowger::rtp::srtp::Sealer;
use strowger::time::{Duration, Instant, Now, Wall};
use strowger::words::{Codec, SrtpKey, SrtpKeys, SrtpSuite};

/// Checks one input, in clear and with an operator who encrypts.
pub fn run(data: &[u8]) {
    talk(data, None);
    talk(data, Some(&keys()));
}

fn keys() -> SrtpKeys {
    let key = |byte, suite| SrtpKey {
        suite,
        master: [byte; 16],
        salt: [byte; 14],
        mki: [byte][..usize::from(byte & 1)].into(),
    };
    SrtpKeys {
        ours: key(2, SrtpSuite::AesCm128HmacSha1Tag80),
        theirs: key(3, SrtpSuite::AesCm128HmacSha1Tag32),
    }
}

fn talk(data: &[u8], keys: Option<&SrtpKeys>) {
    let mut rng = Rng::new([9; 32]);
    let caller = far_end("203.0.113.1:9000", Codec::Pcma);
    let operator = Remote {
        ptime: 30,
        comfort_noise: true,
        srtp: keys.cloned().map(Box::new),
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
    let mut mouth = Sealer::new(&self::keys().theirs);
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
        let covered = |side: usize| keys.filter(|_| side == 1).is_some();
        if let Some(keys) = keys.filter(|_| side == 1) {
            seal(&mut mouth, keys, &mut buffer);
        }
        let sender = if stranger {
            "198.51.100.66:9000".parse().unwrap()
        } else {
            parties[side].address
        };
        match from.receive_report(now, sender, &mut bytes.to_vec()) {
            Received::Report { lost } => assert!(!stranger && lost <= 60_000),
            Received::Stranger => assert!(stranger),
            Received::Garbage | Received::Forged => assert!(!stranger),
            Received::Carried { .. } => panic!("a report carries no sound"),
        }
        if from.report_is_due(now) {
            let mut out = [0; REPORT_BYTES];
            let wall = Wall::from_millis(1_790_000_000_000);
            let stamp = Now { mono: now, wall };
            let (_, sent) = from.report(stamp, false, &mut rng, &mut out).unwrap();
            assert_eq!(sent.len() % 4, if covered(side) { 2 } else { 0 });
        }
        match from.receive(now, sender, &mut buffer) {
            Received::Stranger => assert!(stranger),
            Received::Garbage | Received::Forged | Received::Report { .. } => assert!(!stranger),
            Received::Carried { carried, lost, .. } => {
                assert!(!stranger && lost < 3_000);
                assert!(!covered(side) || buffer.len() > 17);
                record(&mut recorder, now, side, &carried, &buffer);
                let whole = carried.packet.payload.len();
                buffer.resize(buffer.len() + 16, 0);
                let tag = if [keys, None][side].is_some() { 10 } else { 0 };
                to.forward(now, &carried, &mut buffer, |bytes| {
                    let bytes = &bytes[..bytes.len() - tag];
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

/// What the operator would send, if it is a packet at all.
fn seal(mouth: &mut Sealer, keys: &SrtpKeys, buffer: &mut Vec<u8>) {
    let length = buffer.len();
    buffer.resize(length + 16, 0);
    match mouth.seal(buffer, length) {
        Some(sealed) => {
            buffer.truncate(sealed);
            let tag = buffer.len() - 4;
            buffer.splice(tag..tag, keys.theirs.mki.iter().copied());
        }
        None => buffer.truncate(length),
    }
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
