//! A supervisor in a call: who hears whom, in what is sent and in both channels of the recording.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Sender;
use std::time::Duration;

use strowger::id::{CallId, LegId, Origin};
use strowger::media::command::{Learn, MediaCommand, MediaEvent, Remote};
use strowger::rtp::packet::COMFORT_NOISE;
use strowger::rtp::telephone_event::TelephoneEvent;
use strowger::words::{Codec, Supervision};

use crate::hall::{CALLER, Hall, MUSIC_HERTZ, OPERATOR, call, plan, remote};
use crate::phone::{Heard, Phone, packet, strength};
use crate::{CALLER_HERTZ, OPERATOR_HERTZ, assert_one_stream, channels, hear_until, samples};

const SUPERVISOR_HERTZ: f64 = 1500.0;
/// Of the caller's first stream, where it has two.
const BEFORE_HERTZ: f64 = 300.0;
const SUPERVISOR: LegId = LegId {
    origin: Origin::Outbound,
    number: 2,
};

/// Three phones on one call, the caller and the operator bridged and recorded.
struct Room {
    hall: Hall,
    call: CallId,
    caller: Phone,
    operator: Phone,
    supervisor: Phone,
    /// Each phone goes on sending while this lives.
    _sends: [Sender<SocketAddr>; 3],
}

impl Room {
    fn open(seed: u8, [caller, operator, supervisor]: [(Codec, u8); 3]) -> Self {
        let hall = Hall::open(seed);
        let call = call(seed);
        let phone = |leg, (codec, ptime), hertz| {
            let port = hall.open_leg(leg, call);
            let (phone, sends) = Phone::start(codec, hertz);
            let learn = Learn::Trunk(std::sync::Arc::default());
            hall.connect_remote(
                leg,
                Remote {
                    ptime,
                    ..remote(phone.address, codec, learn)
                },
            );
            sends.send(port).unwrap();
            (phone, sends)
        };
        let (caller, caller_sends) = phone(CALLER, caller, CALLER_HERTZ);
        let (operator, operator_sends) = phone(OPERATOR, operator, OPERATOR_HERTZ);
        let (supervisor, supervisor_sends) = phone(SUPERVISOR, supervisor, SUPERVISOR_HERTZ);
        hall.bridge(Some(plan(call)));
        Self {
            hall,
            call,
            caller,
            operator,
            supervisor,
            _sends: [caller_sends, operator_sends, supervisor_sends],
        }
    }

    fn supervise(&self, mode: Option<Supervision>) {
        self.hall.media.command(MediaCommand::Supervise {
            leg: SUPERVISOR,
            operator: OPERATOR,
            mode,
        });
    }

    /// What has come to a phone so far.
    fn drain(phone: &Phone) -> Vec<Heard> {
        phone.heard.try_iter().collect()
    }

    /// Lets `mode` be for a while; gives what the three heard of it once it was in force, and all that the
    /// caller and the operator heard on the way.
    fn while_in(&self, mode: Option<Supervision>) -> ([Vec<i16>; 3], [Vec<Heard>; 2]) {
        self.supervise(mode);
        self.hall.settle(self.call);
        let skip = |phone: &Phone| {
            let mut before = Self::drain(phone);
            // What was on the way, and what waits for late packets.
            before.extend(hear_for(phone, 160));
            before
        };
        let mut all = [skip(&self.caller), skip(&self.operator)];
        let on = |phone: &Phone| hear_for(phone, 600);
        if mode.is_some() {
            Self::drain(&self.supervisor);
            hear_for(&self.supervisor, 100);
        }
        let (caller, operator) = (on(&self.caller), on(&self.operator));
        let supervisor = if mode.is_some() {
            on(&self.supervisor)
        } else {
            Vec::new()
        };
        let heard = [&caller, &operator, &supervisor].map(|heard| samples(heard));
        all[0].extend(caller);
        all[1].extend(operator);
        (heard, all)
    }
}

/// Hears so many milliseconds.
fn hear_for(phone: &Phone, millis: usize) -> Vec<Heard> {
    let mut heard = Vec::new();
    let mut samples = 0;
    while samples < millis * 8 {
        let packet = phone.hear();
        samples += packet.samples.len();
        heard.push(packet);
    }
    heard
}

/// Which of the three tones are there.
fn tones(samples: &[i16]) -> [bool; 3] {
    [CALLER_HERTZ, OPERATOR_HERTZ, SUPERVISOR_HERTZ].map(|hertz| {
        let strength = strength(samples, hertz);
        assert!(
            !(200.0..5000.0).contains(&strength),
            "{hertz} Hz is neither there nor away: {strength}"
        );
        strength > 5000.0
    })
}

const MODES: [Option<Supervision>; 7] = [
    None,
    Some(Supervision::Listen),
    Some(Supervision::Coach),
    Some(Supervision::Barge),
    Some(Supervision::Listen),
    Some(Supervision::Barge),
    None,
];

/// In every mode each hears those they should, and the parties' streams never break.
fn everybody_hears_whom_they_should(seed: u8, phones: [(Codec, u8); 3]) {
    let room = Room::open(seed, phones);
    hear_until(&room.caller, OPERATOR_HERTZ, 20);
    hear_until(&room.operator, CALLER_HERTZ, 20);
    let mut streams = [Vec::new(), Vec::new()];
    for mode in MODES {
        let ([caller, operator, supervisor], heard) = room.while_in(mode);
        let coached = matches!(mode, Some(Supervision::Coach | Supervision::Barge));
        let barged = mode == Some(Supervision::Barge);
        assert_eq!(tones(&caller), [false, true, barged], "caller, {mode:?}");
        assert_eq!(
            tones(&operator),
            [true, false, coached],
            "operator, {mode:?}"
        );
        if mode.is_some() {
            assert_eq!(tones(&supervisor), [true, true, false], "{mode:?}");
        }
        for (stream, heard) in streams.iter_mut().zip(heard) {
            stream.extend(heard);
        }
    }
    for (stream, (codec, ptime)) in streams.iter().zip(phones) {
        let samples = u32::from(ptime) * 8;
        for pair in stream.windows(2) {
            let [before, after] = [pair[0].header, pair[1].header];
            assert_eq!(after.ssrc, before.ssrc, "{codec:?}");
            assert_eq!(after.sequence, before.sequence.wrapping_add(1));
            assert_eq!(after.timestamp, before.timestamp.wrapping_add(samples));
            assert!(!after.marker);
        }
    }
    assert_eq!(Room::drain(&room.supervisor).len().min(1), 0);
    for leg in [SUPERVISOR, CALLER, OPERATOR] {
        room.hall.close(leg);
    }
    let recorded = room.hall.recorded();
    let [left, right] = channels(&room.hall.file(&recorded.file));
    assert!(strength(&left, CALLER_HERTZ) > 6500.0);
    for foreign in [OPERATOR_HERTZ, SUPERVISOR_HERTZ] {
        assert!(strength(&left, foreign) < 50.0, "{foreign} Hz on the left");
    }
    assert!(strength(&right, OPERATOR_HERTZ) > 6500.0);
    assert!(strength(&right, CALLER_HERTZ) < 50.0);
    // Two of the seven stretches were barging.
    let windows: Vec<bool> = right
        .chunks_exact(1600)
        .map(|window| strength(window, SUPERVISOR_HERTZ) > 4000.0)
        .collect();
    let stretches = windows.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(stretches, 4, "{windows:?}");
    let barged = windows.iter().filter(|it| **it).count() as f64 / windows.len() as f64;
    assert!((0.15..0.45).contains(&barged), "{barged} {windows:?}");
}

#[test]
fn in_every_mode_each_hears_those_they_should_and_no_stream_breaks() {
    everybody_hears_whom_they_should(61, [(Codec::Pcma, 20); 3]);
}

#[test]
fn other_codecs_and_packets_of_other_lengths_change_nothing() {
    let phones = [(Codec::Pcma, 30), (Codec::Pcmu, 20), (Codec::Pcmu, 60)];
    everybody_hears_whom_they_should(62, phones);
}

#[test]
fn the_end_of_a_leg_or_of_the_bridge_ends_the_supervision_and_nothing_else() {
    let room = Room::open(63, [(Codec::Pcma, 20); 3]);
    room.supervise(Some(Supervision::Barge));
    let mut heard = hear_until(&room.caller, SUPERVISOR_HERTZ, 20);
    room.hall.close(SUPERVISOR);
    room.hall.settle(room.call);
    heard.extend((0..10).map(|_| room.caller.hear()));
    let after: Vec<Heard> = (0..30).map(|_| room.caller.hear()).collect();
    assert_eq!(tones(&samples(&after)), [false, true, false]);
    heard.extend(after);
    assert_one_stream(&heard);
    // A leg of another call has no part in this one.
    let other = LegId {
        number: 9,
        ..SUPERVISOR
    };
    let port = room.hall.open_leg(other, call(64));
    room.hall
        .connect(other, room.supervisor.address, Codec::Pcma);
    room.hall.media.command(MediaCommand::Supervise {
        leg: other,
        operator: OPERATOR,
        mode: Some(Supervision::Barge),
    });
    room.hall.settle(call(64));
    room.hall.settle(room.call);
    let stranger = packet(Codec::Pcma, SUPERVISOR_HERTZ, 0);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&stranger, port).unwrap();
    let after: Vec<Heard> = (0..30).map(|_| room.caller.hear()).collect();
    assert_eq!(tones(&samples(&after)), [false, true, false]);
    // It comes back, and the operator goes.
    let again = LegId {
        number: 3,
        ..SUPERVISOR
    };
    room.hall.open_leg(again, room.call);
    room.hall
        .connect(again, room.supervisor.address, Codec::Pcma);
    room.hall.media.command(MediaCommand::Supervise {
        leg: again,
        operator: OPERATOR,
        mode: Some(Supervision::Coach),
    });
    Room::drain(&room.supervisor);
    hear_until(&room.supervisor, OPERATOR_HERTZ, 10);
    room.hall.close(OPERATOR);
    room.hall.play(CALLER, 1, true);
    hear_until(&room.caller, MUSIC_HERTZ, 10);
    room.hall.settle(room.call);
    Room::drain(&room.supervisor);
    hear_until(&room.caller, MUSIC_HERTZ, 20);
    assert!(Room::drain(&room.supervisor).is_empty());
    assert_eq!(room.hall.media.counters().recordings_open, 1);
}

#[test]
fn a_supervisor_is_heard_by_an_operator_whose_caller_is_silent_and_keys_still_pass() {
    let hall = Hall::open(65);
    let call = call(65);
    let caller = UdpSocket::bind("127.0.0.1:0").unwrap();
    let caller_port = hall.open_leg(CALLER, call);
    let learn = || Learn::Trunk(std::sync::Arc::default());
    hall.connect_remote(
        CALLER,
        Remote {
            comfort_noise: true,
            ..remote(caller.local_addr().unwrap(), Codec::Pcma, learn())
        },
    );
    let operator_port = hall.open_leg(OPERATOR, call);
    let (operator, operator_sends) = Phone::start(Codec::Pcma, OPERATOR_HERTZ);
    hall.connect(OPERATOR, operator.address, Codec::Pcma);
    operator_sends.send(operator_port).unwrap();
    let supervisor_port = hall.open_leg(SUPERVISOR, call);
    let (supervisor, supervisor_sends) = Phone::start(Codec::Pcmu, SUPERVISOR_HERTZ);
    hall.connect(SUPERVISOR, supervisor.address, Codec::Pcmu);
    supervisor_sends.send(supervisor_port).unwrap();
    hall.bridge(None);
    hall.media.command(MediaCommand::Supervise {
        leg: SUPERVISOR,
        operator: OPERATOR,
        mode: Some(Supervision::Coach),
    });
    for index in 0..3 {
        caller
            .send_to(&packet(Codec::Pcma, BEFORE_HERTZ, index), caller_port)
            .unwrap();
    }
    let mut noise = packet(Codec::Pcma, BEFORE_HERTZ, 3);
    noise[1] = COMFORT_NOISE;
    noise.truncate(13);
    caller.send_to(&noise, caller_port).unwrap();
    let mut heard = hear_until(&operator, SUPERVISOR_HERTZ, 30);
    let alone = samples(&heard[heard.len() - 20..]);
    assert_eq!(tones(&alone), [false, false, true]);
    // A key, and the caller talks again.
    let event = TelephoneEvent {
        code: 5,
        end: true,
        duration: 800,
    };
    let mut press = packet(Codec::Pcma, BEFORE_HERTZ, 4);
    press[1] = 101;
    press.truncate(12);
    press.extend(event.to_bytes());
    caller.send_to(&press, caller_port).unwrap();
    let key = std::iter::repeat_with(|| operator.hear())
        .take(50)
        .inspect(|packet| {
            heard.push(Heard {
                header: packet.header,
                samples: packet.samples.clone(),
            });
        })
        .find(|packet| packet.header.payload_type == 101);
    assert!(key.is_some(), "the key did not pass");
    let (back, back_sends) = Phone::start(Codec::Pcma, CALLER_HERTZ);
    hall.connect(CALLER, back.address, Codec::Pcma);
    back_sends.send(caller_port).unwrap();
    heard.extend(hear_until(&operator, CALLER_HERTZ, 30));
    let both = samples(&heard[heard.len() - 20..]);
    assert_eq!(tones(&both), [true, false, true]);
    for pair in heard.windows(2) {
        let (before, after) = (pair[0].header, pair[1].header);
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        let step = after.timestamp.wrapping_sub(before.timestamp);
        assert!(step < 80_000, "timestamps step by {step}");
    }
    // The supervisor hears the operator all the while.
    assert!(strength(&samples(&Room::drain(&supervisor)), OPERATOR_HERTZ) > 5000.0);
}

#[test]
fn a_supervisor_from_whom_nothing_comes_is_reported_as_a_party_is() {
    let hall = Hall::with(66, |settings| {
        settings.rtp_timeout = Duration::from_millis(300);
    });
    let call = call(66);
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    for leg in [CALLER, OPERATOR, SUPERVISOR] {
        hall.open_leg(leg, call);
        hall.connect(leg, phone.local_addr().unwrap(), Codec::Pcma);
    }
    hall.bridge(None);
    hall.media.command(MediaCommand::Supervise {
        leg: SUPERVISOR,
        operator: OPERATOR,
        mode: Some(Supervision::Listen),
    });
    let mut silent = Vec::new();
    while silent.len() < 3 {
        silent.push(hall.wait(|event| {
            if let MediaEvent::Silent { leg } = event {
                Some(leg)
            } else {
                None
            }
        }));
    }
    silent.sort();
    assert_eq!(silent, [CALLER, OPERATOR, SUPERVISOR]);
}
