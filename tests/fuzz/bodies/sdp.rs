//! Any bytes as a session description: an answer that mirrors it, or a refusal.

use std::net::SocketAddr;

use strowger::rng::Rng;
use strowger::sdp::crypto::OwnKeys;
use strowger::sdp::description::Description;
use strowger::sdp::offer_answer::{Local, accept, answer, offer};
use strowger::words::{Codec, Srtp};

const BOTH: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

/// Checks one input.
pub fn run(data: &[u8]) {
    for address in ["198.51.100.1:4000", "[2001:db8::1]:4000"] {
        let address: SocketAddr = address.parse().unwrap();
        for srtp in [Srtp::Off, Srtp::Optional, Srtp::Required] {
            one(data, address, srtp);
        }
    }
}

fn one(data: &[u8], address: SocketAddr, srtp: Srtp) {
    let keys = || OwnKeys::new(&mut Rng::new([3; 32]));
    let mut local = Local::new(address, 7).encrypted(srtp, keys());
    let theirs = Description::parse(data, address.ip(), srtp);
    let answered = answer(data, &mut local, &BOTH);
    assert_eq!(theirs.is_ok(), answered.is_ok());
    if let (Ok(theirs), Ok((negotiated, text))) = (theirs, answered) {
        assert!((10..=60).contains(&negotiated.ptime));
        assert!(negotiated.payload_type < 128 && negotiated.address.port() != 0);
        assert_eq!(negotiated.srtp.is_some(), !theirs.voice.crypto.is_empty());
        let ours = Description::parse(&text, address.ip(), srtp)
            .unwrap_or_else(|why| panic!("{why} in {text:?}"));
        assert_eq!(ours.lines.len(), theirs.lines.len());
        assert_eq!(ours.voice.line, theirs.voice.line);
        assert_eq!(ours.voice.address, address);
        assert_eq!(ours.voice.profile, theirs.voice.profile);
        let (again, repeated) = answer(data, &mut local, &BOTH).unwrap();
        assert_eq!((again, repeated), (negotiated, text));
        // What we offer next in this session keeps its lines.
        let next = offer(&mut local, &BOTH);
        let next = Description::parse(&next, address.ip(), srtp).unwrap();
        assert_eq!(next.lines.len(), theirs.lines.len());
    }
    let mut local = Local::new(address, 7).encrypted(srtp, keys());
    offer(&mut local, &BOTH);
    if let Ok(negotiated) = accept(&mut local, data) {
        assert!(negotiated.address.port() != 0);
        assert!(negotiated.srtp.is_some() || srtp != Srtp::Required);
    }
}
