//! A call with one side encrypted: both parties hear each other, and the recording is in clear.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use strowger::media::command::{Learn, Remote};
use strowger::rtp::g711;
use strowger::rtp::packet::Packet;
use strowger::rtp::srtp::{Opener, Sealer};
use strowger::words::{Codec, SrtpKey, SrtpKeys, SrtpSuite};

use crate::hall::{CALLER, Hall, OPERATOR, call, plan, remote};
use crate::phone::{packet, strength};
use crate::{CALLER_HERTZ, OPERATOR_HERTZ, channels};

fn key(byte: u8) -> SrtpKey {
    SrtpKey {
        suite: SrtpSuite::AesCm128HmacSha1Tag32,
        master: [byte; 16],
        salt: [byte; 14],
        mki: Box::default(),
    }
}

fn party() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let patience = Some(Duration::from_secs(10));
    socket.set_read_timeout(patience).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[test]
fn an_encrypted_phone_and_a_plain_carrier_hear_each_other_and_are_recorded_in_clear() {
    let hall = Hall::open(41);
    let call = call(41);
    let caller_port = hall.open_leg(CALLER, call);
    let operator_port = hall.open_leg(OPERATOR, call);
    let ((caller, caller_at), (operator, operator_at)) = (party(), party());
    hall.connect(CALLER, caller_at, Codec::Pcma);
    let keys = SrtpKeys {
        ours: key(1),
        theirs: key(2),
    };
    hall.connect_remote(
        OPERATOR,
        Remote {
            srtp: Some(Box::new(keys.clone())),
            ..remote(operator_at, Codec::Pcma, Learn::Trunk([].into()))
        },
    );
    hall.bridge(Some(plan(call)));
    hall.settle(call);
    let mut mouth = Sealer::new(&keys.theirs);
    let mut ear = Opener::new(&keys.ours);
    let (mut caller_heard, mut operator_heard) = (Vec::new(), Vec::new());
    let mut buffer = [0; 2048];
    let (idle, _) = party();
    for index in 0..50 {
        // Sound takes its time, and the recording knows no other.
        idle.set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        assert!(idle.recv(&mut buffer).is_err());
        caller
            .send_to(&packet(Codec::Pcma, CALLER_HERTZ, index), caller_port)
            .unwrap();
        let length = operator.recv(&mut buffer).unwrap();
        assert_eq!(length, 12 + 160 + 4);
        let length = ear.open(&mut buffer[..length]).unwrap();
        listen(&buffer[..length], &mut operator_heard);

        let plain = packet(Codec::Pcma, OPERATOR_HERTZ, index);
        // In clear, it is nobody's.
        operator.send_to(&plain, operator_port).unwrap();
        buffer[..172].copy_from_slice(&plain);
        let length = mouth.seal(&mut buffer, plain.len()).unwrap();
        operator.send_to(&buffer[..length], operator_port).unwrap();
        let length = caller.recv(&mut buffer).unwrap();
        assert_eq!(length, 172);
        listen(&buffer[..length], &mut caller_heard);
    }
    assert!(strength(&caller_heard, OPERATOR_HERTZ) > 6500.0);
    assert!(strength(&operator_heard, CALLER_HERTZ) > 6500.0);
    assert_eq!(hall.media.counters().forged, 50);
    hall.close(CALLER);
    hall.close(OPERATOR);
    let [left, right] = channels(&hall.file(&hall.recorded().file));
    assert!(tones(&left, CALLER_HERTZ) >= 10);
    assert!(tones(&right, OPERATOR_HERTZ) >= 10);
    assert_eq!(tones(&left, OPERATOR_HERTZ), 0);
    let counters = hall.media.counters();
    assert_eq!((counters.ports_open, counters.garbage), (0, 0));
}

/// How many packets of sound are plainly this tone. What was encrypted and is not opened sounds like
/// noise, and no packet of noise does. On a busy machine packets come late, so some hold silence.
fn tones(samples: &[i16], hertz: f64) -> usize {
    let packets = samples.chunks_exact(160);
    packets
        .filter(|packet| strength(packet, hertz) > 4000.0)
        .count()
}

fn listen(bytes: &[u8], heard: &mut Vec<i16>) {
    let packet = Packet::parse(bytes).unwrap();
    let sound = &bytes[packet.payload];
    heard.extend(sound.iter().map(|&byte| g711::decode(Codec::Pcma, byte)));
}
