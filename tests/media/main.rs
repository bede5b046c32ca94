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

mod phone;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use phone::{Heard, Phone, packet, strength, tone};
use strowger::id::{CallId, LegId, OperatorName, Origin, PlayId, Ulid};
use strowger::media::command::{Learn, MediaCommand, MediaEvent, RecordPlan, Recorded, Remote};
use strowger::rng::Rng;
use strowger::server::media::{MediaSettings, MediaThreads};
use strowger::time::Wall;
use strowger::words::{Codec, Prompt};

const CALLER: LegId = LegId {
    origin: Origin::Inbound,
    number: 1,
};
const OPERATOR: LegId = LegId {
    origin: Origin::Outbound,
    number: 1,
};
const CALLER_HERTZ: f64 = 440.0;
const OPERATOR_HERTZ: f64 = 1000.0;
const STRANGER_HERTZ: f64 = 2500.0;
const MUSIC_HERTZ: f64 = 700.0;
const WHISPER_HERTZ: f64 = 1800.0;

struct Hall {
    media: MediaThreads,
    events: Receiver<MediaEvent>,
    folder: tempfile::TempDir,
}

impl Hall {
    fn open(seed: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (sender, events) = channel();
        let settings = MediaSettings {
            listen: [127, 0, 0, 1].into(),
            ports: 22_000..=29_999,
            threads: 2,
            rtp_timeout: Duration::from_secs(60),
            recordings: folder.path().to_owned(),
            seed: [seed; 32],
        };
        let prompts = Arc::new(|key| match key {
            1 => Some(tone(MUSIC_HERTZ, 0, 4000).into()),
            2 => Some(tone(WHISPER_HERTZ, 0, 4000).into()),
            _ => None,
        });
        let notify = move |event| {
            let _ = sender.send(event);
        };
        Self {
            media: MediaThreads::start(settings, prompts, notify).unwrap(),
            events,
            folder,
        }
    }

    fn wait<T>(&self, wanted: impl Fn(&MediaEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(patience).expect("no such event");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    fn open_leg(&self, leg: LegId, call: CallId) -> SocketAddr {
        self.media.command(MediaCommand::Open { leg, call });
        let port = self.wait(|event| match event {
            MediaEvent::Opened { leg: opened, port } if *opened == leg => Some(*port),
            _ => None,
        });
        assert_eq!(port % 2, 0);
        ([127, 0, 0, 1], port).into()
    }

    fn connect(&self, leg: LegId, address: SocketAddr, codec: Codec) {
        let remote = Remote {
            address,
            // The stranger of these tests shares the phone's IP, so its address must be exact.
            learn: Learn::Trunk(Arc::default()),
            codec,
            payload_type: codec.payload_type(),
            telephone_event: None,
            ptime: 20,
            send: true,
            receive: true,
        };
        self.media.command(MediaCommand::Connect { leg, remote });
    }

    fn play(&self, leg: LegId, key: u128, looped: bool) {
        let prompt = Prompt {
            key,
            duration: Duration::from_millis(500),
        };
        self.media.command(MediaCommand::Play {
            leg,
            play: PlayId(u64::try_from(key).unwrap()),
            prompts: Arc::new([prompt]),
            looped,
        });
    }

    fn recorded(&self) -> Recorded {
        self.wait(|event| match event {
            MediaEvent::Recorded { recorded, .. } => Some((**recorded).clone()),
            MediaEvent::RecordFailed { why, .. } => panic!("{why}"),
            _ => None,
        })
    }
}

fn call(seed: u8) -> CallId {
    let wall = Wall::from_millis(1_790_000_000_000);
    CallId(Ulid::new(wall, &mut Rng::new([seed; 32])))
}

fn plan(call: CallId) -> RecordPlan {
    RecordPlan {
        call,
        started_at: Wall::from_millis(1_790_000_000_000),
        to: "+380800111222".into(),
        from: Some("+380671234567".into()),
        site: Some("odesa".into()),
        queue: None,
        operator: OperatorName::from("olena"),
        keep: None,
    }
}

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
    hall.wait(|event| {
        matches!(event, MediaEvent::Played { leg, play } if *leg == OPERATOR && *play == PlayId(2))
            .then_some(())
    });

    let bridged = Instant::now();
    hall.media.command(MediaCommand::Bridge {
        caller: CALLER,
        operator: OPERATOR,
        record: Some(Box::new(plan(call))),
    });
    let mut operator_heard = hear_until(&operator, CALLER_HERTZ, 50);
    spray(caller_port, 100);
    spray(operator_port, 100);
    operator_heard.extend(hear_until(&operator, CALLER_HERTZ, 50));
    caller_heard.extend(hear_until(&caller, OPERATOR_HERTZ, 90));
    hall.media.command(MediaCommand::Close { leg: CALLER });
    let length = bridged.elapsed();
    hall.media.command(MediaCommand::Close { leg: OPERATOR });
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

    let [left, right] = channels(&hall.folder.path().join(&recorded.file));
    assert_eq!(recorded.bytes, 44 + 4 * left.len() as u64);
    let frames = length.as_secs_f64() * 8000.0;
    assert!(
        (left.len() as f64 - frames).abs() < 160.0,
        "{} {frames}",
        left.len()
    );
    assert!(strength(&left, CALLER_HERTZ) > 6500.0);
    assert!(strength(&right, OPERATOR_HERTZ) > 6500.0);
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
    hall.media.command(MediaCommand::Bridge {
        caller: CALLER,
        operator: OPERATOR,
        record: Some(Box::new(plan(call))),
    });
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
    assert!(strength(&left, CALLER_HERTZ) > 6000.0);
    assert!(
        strowger::server::media::recover(folder.path())
            .unwrap()
            .is_empty()
    );
}
