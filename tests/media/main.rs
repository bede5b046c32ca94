//! Media threads over loopback: two phones that send tones, and a stranger who sends to every port.
//! Nothing sleeps to wait for something; each wait is for a packet or an event, with a deadline.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its phones keep real time"
)]

mod encrypted;
mod hall;
mod message;
#[path = "../fuzz/bodies/mixer.rs"]
mod mixer_body;
mod mutation;
mod passed_on;
mod phone;
mod reports;
#[path = "../fuzz/bodies/rtp.rs"]
mod rtp_body;
mod silenced;
mod supervised;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hall::{CALLER, Hall, MUSIC_HERTZ, OPERATOR, WHISPER_HERTZ, call, plan, remote};
use phone::{Heard, Phone, loudness, packet, strength};
use strowger::id::{LegId, Origin, PlayId};
use strowger::media::command::{Learn, MediaCommand, MediaEvent};
use strowger::rtp::telephone_event::{TelephoneEvent, code_of};
use strowger::server::media::{MediaSettings, MediaThreads, Vault};
use strowger::words::Codec;

const CALLER_HERTZ: f64 = 440.0;
const OPERATOR_HERTZ: f64 = 1000.0;
const STRANGER_HERTZ: f64 = 2500.0;

/// One SSRC, sequence numbers one after another, timestamps that never step back.
fn assert_one_stream(heard: &[Heard]) {
    for pair in heard.windows(2) {
        let (before, after) = (pair[0].header, pair[1].header);
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        let step = after.timestamp.wrapping_sub(before.timestamp);
        assert!((160..80_000).contains(&step), "timestamps step by {step}");
    }
}

fn samples(heard: &[Heard]) -> Vec<i16> {
    heard
        .iter()
        .flat_map(|packet| packet.samples.iter().copied())
        .collect()
}

fn channels(path: &Path) -> [Vec<i16>; 2] {
    let mut wav = hound::WavReader::open(path).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 8000));
    let both: Vec<i16> = wav.samples::<i16>().map(Result::unwrap).collect();
    [0, 1].map(|side| both.iter().copied().skip(side).step_by(2).collect())
}

/// Hears packets until `enough` of them carry `hertz`.
fn hear_until(phone: &Phone, hertz: f64, enough: usize) -> Vec<Heard> {
    let mut heard = Vec::new();
    let mut with = 0;
    while with < enough {
        let packet = phone.hear();
        with += usize::from(strength(&packet.samples, hertz) > 4000.0);
        heard.push(packet);
    }
    heard
}

#[test]
fn a_call_is_heard_recorded_and_closed_to_strangers() {
    let hall = Hall::open(1);
    let call = call(1);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let spray = |port: SocketAddr, from: u32| {
        for index in from..from + 50 {
            stranger
                .send_to(&packet(Codec::Pcma, STRANGER_HERTZ, index), port)
                .unwrap();
        }
    };

    let caller_port = hall.open_leg(CALLER, call);
    let operator_port = hall.open_leg(OPERATOR, call);
    spray(caller_port, 0);
    spray(operator_port, 0);
    let (caller, caller_sends) = Phone::start(Codec::Pcma, CALLER_HERTZ);
    let (operator, operator_sends) = Phone::start(Codec::Pcmu, OPERATOR_HERTZ);
    hall.connect(CALLER, caller.address, Codec::Pcma);
    hall.play(CALLER, 1, true);
    // Music reaches the caller's SDP address before a packet came from there.
    let mut caller_heard = hear_until(&caller, MUSIC_HERTZ, 10);
    caller_sends.send(caller_port).unwrap();
    hall.connect(OPERATOR, operator.address, Codec::Pcmu);
    operator_sends.send(operator_port).unwrap();
    hall.play(OPERATOR, 2, false);
    spray(caller_port, 50);
    spray(operator_port, 50);
    hall.wait_for(&MediaEvent::Played {
        leg: OPERATOR,
        play: PlayId(2),
    });

    let bridged = Instant::now();
    hall.bridge(Some(plan(call)));
    let mut operator_heard = hear_until(&operator, CALLER_HERTZ, 50);
    spray(caller_port, 100);
    spray(operator_port, 100);
    operator_heard.extend(hear_until(&operator, CALLER_HERTZ, 50));
    caller_heard.extend(hear_until(&caller, OPERATOR_HERTZ, 90));
    hall.close(CALLER);
    let length = bridged.elapsed();
    hall.close(OPERATOR);
    let recorded = hall.recorded();

    assert_one_stream(&caller_heard);
    assert_one_stream(&operator_heard);
    let music = caller_heard.windows(2).take(9).map(|pair| {
        pair[1]
            .header
            .timestamp
            .wrapping_sub(pair[0].header.timestamp)
    });
    assert!(music.eq([160; 9]));
    assert_eq!(caller_heard.iter().filter(|it| it.header.marker).count(), 2);
    for heard in [samples(&caller_heard), samples(&operator_heard)] {
        assert!(strength(&heard, STRANGER_HERTZ) < 50.0);
    }
    let caller_ear = samples(&caller_heard);
    assert!(strength(&caller_ear, WHISPER_HERTZ) < 50.0);
    assert!(strength(&samples(&operator_heard), WHISPER_HERTZ) > 500.0);

    let [left, right] = channels(&hall.file(&recorded.file));
    assert_eq!(recorded.bytes, 44 + 4 * left.len() as u64);
    let frames = length.as_secs_f64() * 8000.0;
    assert!(
        (left.len() as f64 - frames).abs() < 160.0,
        "{} {frames}",
        left.len()
    );
    assert!(loudness(&left, CALLER_HERTZ) > 6500.0);
    assert!(loudness(&right, OPERATOR_HERTZ) > 6500.0);
    let elsewhere = [(&left, OPERATOR_HERTZ), (&right, CALLER_HERTZ)];
    let nowhere = [STRANGER_HERTZ, MUSIC_HERTZ, WHISPER_HERTZ];
    for (channel, hertz) in elsewhere.into_iter().chain(
        nowhere
            .into_iter()
            .flat_map(|it| [(&left, it), (&right, it)]),
    ) {
        let strength = strength(channel, hertz);
        assert!(strength < 100.0, "{hertz} Hz is there with {strength}");
    }
    let counters = hall.media.counters();
    assert!(counters.strangers >= 150, "{counters:?}");
    assert_eq!((counters.ports_open, counters.recordings_open), (0, 0));
    assert_eq!(counters.recording_bytes, 4 * left.len() as u64);

    let manifest = hall
        .folder
        .path()
        .join(recorded.file.replace(".wav", ".json"));
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    assert_eq!(manifest["call_id"], call.to_string());
    assert_eq!(manifest["sha256"], recorded.sha256);
    assert_eq!(manifest["segments"][0]["operator"], "olena");
    assert_eq!(manifest["keep_until"], serde_json::Value::Null);
}

#[test]
fn a_recording_can_be_read_while_it_is_written_and_stop_finishes_it() {
    let hall = Hall::open(2);
    let call = call(2);
    let caller_port = hall.open_leg(CALLER, call);
    hall.open_leg(OPERATOR, call);
    let (caller, caller_sends) = Phone::start(Codec::Pcma, CALLER_HERTZ);
    let (operator, _) = Phone::start(Codec::Pcma, OPERATOR_HERTZ);
    hall.connect(CALLER, caller.address, Codec::Pcma);
    hall.connect(OPERATOR, operator.address, Codec::Pcma);
    caller_sends.send(caller_port).unwrap();
    let bridged = Instant::now();
    hall.bridge(Some(plan(call)));
    let path = hall.folder.path().join(format!("2026/09/21/{call}.wav"));
    for _ in 0..3 {
        hear_until(&operator, CALLER_HERTZ, 30);
        let [left, right] = channels(&path);
        let missing = bridged.elapsed().as_secs_f64() - left.len() as f64 / 8000.0;
        assert!(missing < 1.0, "{missing} s are not on the disk");
        assert!(right.iter().all(|&sample| sample == 0));
    }
    let Hall {
        media,
        events,
        folder,
    } = hall;
    media.stop();
    let finished = events
        .try_iter()
        .any(|event| matches!(event, MediaEvent::Recorded { .. }));
    assert!(finished);
    let [left, _] = channels(&path);
    assert!(loudness(&left, CALLER_HERTZ) > 6000.0);
    assert!(
        strowger::server::media::recover(folder.path(), &Vault::default())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_phone_behind_nat_is_found_by_its_ip_and_a_dead_address_is_no_obstacle() {
    let hall = Hall::open(3);
    let call = call(3);
    let port = hall.open_leg(OPERATOR, call);
    // The SDP names an address where nobody listens; the kernel says so and it does not matter.
    let dead = "127.0.0.5:9".parse().unwrap();
    let learn = Learn::Phone([127, 0, 0, 1].into());
    hall.connect_remote(OPERATOR, remote(dead, Codec::Pcma, learn));
    hall.play(OPERATOR, 1, true);
    let stranger = UdpSocket::bind("127.0.0.66:0").unwrap();
    for index in 0..20 {
        let packet = packet(Codec::Pcma, STRANGER_HERTZ, index);
        stranger.send_to(&packet, port).unwrap();
    }
    let (phone, sends) = Phone::start(Codec::Pcma, OPERATOR_HERTZ);
    sends.send(port).unwrap();
    hear_until(&phone, MUSIC_HERTZ, 5);
    // The phone vanishes: refused packets come back, and the next leg is served all the same.
    drop(phone);
    let other = LegId {
        origin: Origin::Inbound,
        number: 9,
    };
    let (phone, _) = Phone::start(Codec::Pcmu, OPERATOR_HERTZ);
    hall.open_leg(other, call);
    hall.connect(other, phone.address, Codec::Pcmu);
    hall.play(other, 1, true);
    hear_until(&phone, MUSIC_HERTZ, 5);
    assert_eq!(hall.media.counters().strangers, 20);
}

#[test]
fn digits_and_silence_are_reported_once() {
    let hall = Hall::with(4, |settings| {
        settings.rtp_timeout = Duration::from_millis(300);
    });
    let call = call(4);
    let port = hall.open_leg(CALLER, call);
    hall.open_leg(OPERATOR, call);
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = phone.local_addr().unwrap();
    hall.connect(CALLER, address, Codec::Pcma);
    hall.connect(OPERATOR, address, Codec::Pcma);
    for (press, digit) in "30#".chars().enumerate() {
        for repeat in 0..3 {
            let event = TelephoneEvent {
                code: code_of(digit).unwrap(),
                end: true,
                duration: 800,
            };
            let mut bytes = packet(Codec::Pcma, CALLER_HERTZ, repeat);
            bytes[1] = 101;
            bytes[4..8].copy_from_slice(&(press as u32 * 1600).to_be_bytes());
            bytes.truncate(12);
            bytes.extend(event.to_bytes());
            phone.send_to(&bytes, port).unwrap();
        }
    }
    hall.bridge(None);
    let (mut digits, mut silent) = (String::new(), Vec::new());
    while silent.len() < 2 {
        hall.wait(|event| {
            if let MediaEvent::Digit { digit, .. } = event {
                digits.push(digit);
                return Some(());
            }
            if let MediaEvent::Silent { leg } = event {
                silent.push(leg);
                return Some(());
            }
            None
        });
    }
    silent.sort();
    assert_eq!(silent, [CALLER, OPERATOR]);
    assert_eq!(digits, "30#");
}

#[test]
fn a_recording_that_cannot_be_written_is_said_once_and_the_call_goes_on() {
    let hall = Hall::with(5, |settings| {
        std::fs::write(settings.recordings.join("2026"), b"no folder").unwrap();
    });
    let call = call(5);
    let port = hall.open_leg(CALLER, call);
    hall.open_leg(OPERATOR, call);
    let (caller, sends) = Phone::start(Codec::Pcma, CALLER_HERTZ);
    let (operator, _) = Phone::start(Codec::Pcma, OPERATOR_HERTZ);
    hall.connect(CALLER, caller.address, Codec::Pcma);
    hall.connect(OPERATOR, operator.address, Codec::Pcma);
    sends.send(port).unwrap();
    hall.bridge(Some(plan(call)));
    hear_until(&operator, CALLER_HERTZ, 50);
    hall.close(CALLER);
    let Hall { media, events, .. } = hall;
    media.stop();
    let failed: Vec<String> = events
        .try_iter()
        .filter_map(|event| {
            if let MediaEvent::RecordFailed { why, .. } = event {
                Some(why)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].contains("cannot write"), "{failed:?}");
}

/// What the process holds open.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until every port is back.
fn all_closed(hall: &Hall) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while hall.media.counters().ports_open > 0 {
        assert!(Instant::now() < deadline, "{:?}", hall.media.counters());
        std::thread::yield_now();
    }
}

/// A hundred thousand legs, half of which change their call and with it their thread: every port and every
/// socket comes back.
#[test]
fn ports_come_back_however_often_they_are_taken() {
    let hall = Hall::with(6, |settings| settings.ports = 30_000..=30_019);
    let leg = |number| LegId {
        origin: Origin::Inbound,
        number,
    };
    let before = open_files();
    for round in 0..10_000_u64 {
        for number in 0..10 {
            hall.open_leg(leg(round * 10 + number), call(6));
        }
        for number in 0..10 {
            let leg = leg(round * 10 + number);
            let call = call(7 + u8::try_from(number).unwrap());
            if round % 2 == 0 {
                hall.media.command(MediaCommand::Adopt { leg, call });
            }
            hall.close(leg);
        }
        all_closed(&hall);
    }
    assert_eq!(open_files(), before);
    for number in 30_000..30_010 {
        hall.open_leg(leg(number), call(6));
    }
    assert_eq!(hall.media.counters().ports_open, 10);
    assert_eq!(open_files(), before + 20);
    hall.media.command(MediaCommand::Open {
        leg: leg(30_010),
        call: call(6),
    });
    hall.wait_for(&MediaEvent::OpenFailed { leg: leg(30_010) });
    for number in 30_000..30_010 {
        hall.close(leg(number));
    }
    all_closed(&hall);
    assert_eq!(open_files(), before);
}

#[test]
fn what_would_fail_every_call_fails_the_start_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |listen: [u8; 4], recordings: &Path| MediaSettings {
        listen: listen.into(),
        ports: 22_000..=29_999,
        threads: 1,
        rtp_timeout: Duration::from_secs(60),
        recordings: recordings.to_owned(),
        vault: Arc::default(),
        seed: [1; 32],
    };
    let start = |settings| MediaThreads::start(settings, Arc::new(|_| None), |_| {});
    let error = start(settings([192, 0, 2, 1], folder.path())).unwrap_err();
    assert!(error.to_string().contains("media.listen"), "{error}");
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = start(settings([127, 0, 0, 1], &file)).unwrap_err();
    assert!(error.to_string().contains("can be written"), "{error}");
}
