//! Recordings that are paused, masked and heard again: the parties hear each other all the time, the
//! recording holds silence on both sides and keeps its time, and the manifest says which stretch is what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use strowger::media::command::{MediaCommand, Silence};
use strowger::media::manifest::Manifest;
use strowger::server::media::{MasterKey, Playback, Vault};
use strowger::words::Codec;

use crate::hall::{CALLER, Hall, OPERATOR, call, plan};
use crate::phone::{Phone, loudness};
use crate::{CALLER_HERTZ, OPERATOR_HERTZ, assert_one_stream, channels, hear_until};

/// What a packet that came before a stretch may sound into it, in samples: the jitter that a recording
/// waits for, and the packet itself.
const EDGE: usize = 1_600 + 160;

#[test]
fn a_pause_and_a_mask_are_silence_in_a_recording_that_keeps_its_time() {
    silenced(41, Vault::default());
}

#[test]
fn a_sealed_recording_is_paused_and_masked_as_a_plain_one() {
    let vault = Vault {
        key: MasterKey::read(&"5a".repeat(32)),
        ..Vault::default()
    };
    assert!(vault.key.is_some());
    silenced(42, vault);
}

fn silenced(seed: u8, vault: Vault) {
    let hall = Hall::with(seed, |settings| settings.vault = Arc::new(vault.clone()));
    let call = call(seed);
    let (caller_port, operator_port) = (hall.open_leg(CALLER, call), hall.open_leg(OPERATOR, call));
    let (caller, caller_sends) = Phone::start(Codec::Pcma, CALLER_HERTZ);
    let (operator, operator_sends) = Phone::start(Codec::Pcmu, OPERATOR_HERTZ);
    hall.connect(CALLER, caller.address, Codec::Pcma);
    hall.connect(OPERATOR, operator.address, Codec::Pcmu);
    caller_sends.send(caller_port).unwrap();
    operator_sends.send(operator_port).unwrap();
    let before = Instant::now();
    hall.bridge(Some(plan(call)));
    hall.settle(call);
    let bridged = Instant::now();

    let mut heard = hear_until(&operator, CALLER_HERTZ, 40);
    for silence in [Some(Silence::Paused), None, Some(Silence::Masked), None] {
        hall.media.command(MediaCommand::Silence { call, silence });
        hall.settle(call);
        while let Ok(packet) = operator.heard.try_recv() {
            heard.push(packet);
        }
        heard.extend(hear_until(&operator, CALLER_HERTZ, 50));
    }
    let shortest = bridged.elapsed();
    hall.close(CALLER);
    hall.close(OPERATOR);
    let recorded = hall.recorded();
    let longest = before.elapsed();

    assert_one_stream(&heard);
    let told: Vec<_> = caller.heard.try_iter().collect();
    assert_one_stream(&told);
    assert!(told.len() > 200, "the caller heard {} packets", told.len());

    let name = format!("2026/09/21/{call}.json");
    let manifest = std::fs::read(hall.file(&name)).unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    let silent: Vec<_> = manifest.segments.iter().map(|it| it.silent).collect();
    let paused = Some(Silence::Paused);
    let masked = Some(Silence::Masked);
    assert_eq!(silent, [None, paused, None, masked, None]);
    assert_eq!(manifest.key_id, vault.key.as_ref().map(MasterKey::id));
    for pair in manifest.segments.windows(2) {
        assert_eq!(pair[0].ended_ms, Some(pair[1].started_ms));
        assert_eq!(pair[0].operator, pair[1].operator);
    }
    let length = Duration::from_millis(manifest.duration_ms.unwrap());
    let rounding = Duration::from_millis(1);
    assert!(shortest <= length + rounding && length <= longest + rounding);

    let [left, right] = sound(&hall, &vault, &recorded.file);
    assert_eq!(left.len() as u64 / 8, manifest.duration_ms.unwrap());
    let sample = |millis: u64| usize::try_from(millis * 8).unwrap();
    for segment in &manifest.segments {
        let (from, to) = (
            sample(segment.started_ms),
            sample(segment.ended_ms.unwrap()),
        );
        for (channel, hertz) in [(&left, CALLER_HERTZ), (&right, OPERATOR_HERTZ)] {
            if segment.silent.is_none() {
                let loud = loudness(&channel[from..to], hertz);
                assert!(loud > 6000.0, "{loud} in {segment:?}");
            } else {
                let quiet = &channel[(from + EDGE).min(to)..to];
                assert!(!quiet.is_empty(), "{segment:?}");
                let rests = quiet.iter().all(|sample| sample.abs() < 16);
                assert!(rests, "something is heard in {segment:?}");
            }
        }
    }
}

/// What a player hears.
fn sound(hall: &Hall, vault: &Vault, file: &str) -> [Vec<i16>; 2] {
    let lies = std::fs::read(hall.file(file)).unwrap();
    assert_eq!(lies.starts_with(b"RIFF"), vault.key.is_none());
    assert_eq!(file.ends_with(".wav.enc"), vault.key.is_some());
    let mut playback = Playback::open(hall.folder.path(), vault, file)
        .unwrap()
        .unwrap();
    let (mut wav, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        let count = playback.read(wav.len() as u64, &mut piece).unwrap();
        if count == 0 {
            break;
        }
        wav.extend(&piece[..count]);
    }
    assert_eq!(wav.len() as u64, playback.length());
    let plain = hall.file("plain.wav");
    std::fs::write(&plain, wav).unwrap();
    channels(&plain)
}
