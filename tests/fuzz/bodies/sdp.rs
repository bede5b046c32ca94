//! Any bytes as a session description: an answer that mirrors it, or a refusal.

use strowger::sdp::description::Description;
use strowger::sdp::offer_answer::{Local, accept, answer, offer};
use strowger::words::Codec;

const BOTH: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

/// Checks one input.
pub fn run(data: &[u8]) {
    for address in ["198.51.100.1:4000", "[2001:db8::1]:4000"] {
        let address: std::net::SocketAddr = address.parse().unwrap();
        let mut local = Local::new(address, 7);
        let theirs = Description::parse(data, address.ip());
        let answered = answer(data, &mut local, &BOTH);
        assert_eq!(theirs.is_ok(), answered.is_ok());
        if let (Ok(theirs), Ok((negotiated, text))) = (theirs, answered) {
            assert!((10..=60).contains(&negotiated.ptime));
            assert!(negotiated.payload_type < 128 && negotiated.address.port() != 0);
            let ours = Description::parse(&text, address.ip())
                .unwrap_or_else(|why| panic!("{why} in {text:?}"));
            assert_eq!(ours.lines.len(), theirs.lines.len());
            assert_eq!(ours.voice.line, theirs.voice.line);
            assert_eq!(ours.voice.address, address);
            let (again, repeated) = answer(data, &mut local, &BOTH).unwrap();
            assert_eq!((again, repeated), (negotiated, text));
        }
        let ours = offer(&mut local, &[Codec::Pcma, Codec::Pcmu]);
        if let Ok(negotiated) = accept(&ours, data) {
            assert!(negotiated.address.port() != 0);
        }
    }
}
