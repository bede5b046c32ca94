//! RTCP of the media threads: on the port after RTP's, with a goodbye, and no sign of sound.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use strowger::media::command::{Learn, MediaEvent, Remote};
use strowger::rtp::rtcp::parse;
use strowger::words::Codec;

use crate::CALLER_HERTZ;
use crate::hall::{CALLER, Hall, OPERATOR, call, remote};
use crate::phone::packet;

#[test]
fn reports_go_from_the_odd_port_and_say_goodbye_and_do_not_count_as_sound() {
    let hall = Hall::with(51, |settings| {
        settings.rtp_timeout = Duration::from_millis(400);
    });
    let call = call(51);
    let port = hall.open_leg(CALLER, call);
    hall.open_leg(OPERATOR, call);
    let sound = UdpSocket::bind("127.0.0.1:0").unwrap();
    let reports = UdpSocket::bind("127.0.0.1:0").unwrap();
    reports
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let odd = SocketAddr::new(port.ip(), port.port() + 1);
    let far = Remote {
        rtcp: reports.local_addr().unwrap(),
        ..remote(
            sound.local_addr().unwrap(),
            Codec::Pcma,
            Learn::Trunk([].into()),
        )
    };
    hall.connect_remote(CALLER, far.clone());
    hall.connect(OPERATOR, far.address, Codec::Pcma);
    hall.settle(call);
    for index in [0, 1, 2, 4] {
        sound
            .send_to(&packet(Codec::Pcma, CALLER_HERTZ, index), port)
            .unwrap();
    }
    hall.bridge(None);
    // A receiver's report of the far end, again and again; the leg is silent all the same.
    let mut buffer = [0; 1500];
    for _ in 0..10 {
        reports
            .send_to(&[0x80, 201, 0, 1, 0, 0, 0, 9], odd)
            .unwrap();
    }
    hall.wait_for(&MediaEvent::Silent { leg: CALLER });
    let (length, from) = reports.recv_from(&mut buffer).unwrap();
    assert_eq!(from, odd);
    let ssrc = CALLER_HERTZ as u32;
    let said = parse(&buffer[..length], ssrc).unwrap();
    let block = said.about_us.unwrap();
    assert_eq!((block.lost, said.bye), (1, false));
    hall.close(CALLER);
    loop {
        let length = reports.recv(&mut buffer).unwrap();
        if parse(&buffer[..length], ssrc).unwrap().bye {
            break;
        }
    }
    hall.close(OPERATOR);
    let counters = hall.media.counters();
    assert_eq!((counters.strangers, counters.garbage), (0, 0));
}
