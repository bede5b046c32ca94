//! Calls through a queue of real phones: whisper, bridge, recording, events, metrics.

use std::time::Duration;

use crate::baresip::Baresip;
use crate::carrier;
use crate::hook::Hook;
use crate::rig::{CALLER, MUSIC, Rig, WHISPER};
use crate::sound;

const OLENA: f64 = 660.0;
const SERHII: f64 = 1500.0;
const SOON: Duration = Duration::from_secs(30);

fn phones(rig: &Rig, hook: &mut Hook) -> [Baresip; 2] {
    let folder = rig.folder.path();
    let phones = [
        Baresip::phone(folder, "olena", OLENA, rig.sip),
        Baresip::phone(folder, "serhii", SERHII, rig.sip),
    ];
    hook.wait_for("operator.registered", 2, SOON);
    phones
}

/// The issue's own count: 20 calls, 20 whispers on the operator's side, 20 recordings with both
/// sides, 20 ends, and the sum.
#[test]
fn twenty_calls_through_a_queue_of_real_phones() {
    let mut hook = Hook::start();
    let mut rig = Rig::start(&hook);
    let phones = phones(&rig, &mut hook);

    let report = carrier::call(&rig, 20, 2);
    assert_eq!(report.exit, Some(0), "{}", report.screen);
    hook.wait_for("call.ended", 20, SOON);
    hook.wait_for("recording.finished", 20, SOON);

    let whispers: Vec<_> = hook.of("whisper.played").collect();
    assert_eq!(whispers.len(), 20);
    for whisper in whispers {
        assert_eq!(whisper["data"]["text"], "Дзвінок з Одеси, імплантація");
        assert_eq!(whisper["data"]["whole"], true);
    }
    let heard: Vec<_> = phones.into_iter().flat_map(Baresip::heard).collect();
    assert_eq!(heard.len(), 20, "each call rang one phone");
    let seconds = |hertz| heard.iter().map(move |call| sound::heard(call, hertz));
    let all: Vec<_> = seconds(WHISPER).zip(seconds(CALLER)).collect();
    assert!(
        seconds(WHISPER).all(|it| it > 0.4),
        "whisper, then caller: {all:?}"
    );
    assert!(
        seconds(CALLER).all(|it| it > 1.0),
        "whisper, then caller: {all:?}"
    );
    assert!(
        seconds(MUSIC).all(|it| it < 0.1),
        "an operator never hears the music"
    );

    let recordings = rig.recordings();
    assert_eq!(recordings.len(), 20);
    for recording in &recordings {
        let [caller, operator] = &sound::channels(recording)[..] else {
            panic!("{} is not stereo", recording.display());
        };
        assert!(
            sound::heard(caller, CALLER) > 1.0,
            "{recording:?}: the caller is left"
        );
        let voice = sound::heard(operator, OLENA).max(sound::heard(operator, SERHII));
        assert!(voice > 1.0, "{recording:?}: the operator is right");
        assert!(sound::heard(caller, OLENA).max(sound::heard(caller, SERHII)) < 0.1);
        for side in [caller, operator] {
            assert!(
                sound::heard(side, WHISPER) < 0.1,
                "the whisper is not recorded"
            );
        }
    }

    for event in hook.of("call.ended") {
        assert_eq!(event["data"]["outcome"], "answered");
    }
    assert_eq!(rig.metric("strowger_calls_offered_total"), 20.0);
    let ended: f64 = ["answered", "missed", "blocked", "test"]
        .map(|outcome| rig.metric(&format!("strowger_calls_total{{outcome=\"{outcome}\"}}")))
        .iter()
        .sum();
    assert_eq!(ended, 20.0);
    assert_eq!(rig.metric("strowger_calls_active"), 0.0);

    let mut sequences: Vec<u64> = hook
        .heard
        .iter()
        .map(|event| event["sequence"].as_str().unwrap().parse().unwrap())
        .collect();
    sequences.sort_unstable();
    sequences.dedup();
    let first = sequences[0];
    let count = u64::try_from(sequences.len()).unwrap();
    assert_eq!(
        sequences.last(),
        Some(&(first + count - 1)),
        "no event is missing"
    );
    assert_eq!(rig.stop(), Some(0), "SIGTERM drains and ends well");
}

/// A caller who is no sipp, with the other law of G.711: hears music, never the whisper, then the
/// operator.
#[test]
fn the_caller_hears_music_and_never_the_whisper() {
    let mut hook = Hook::start();
    let rig = Rig::start(&hook);
    let _phones = phones(&rig, &mut hook);

    let caller = Baresip::carrier(rig.folder.path(), rig.carrier, CALLER, rig.sip);
    hook.wait_for("call.bridged", 1, SOON);
    hook.wait_for("call.ended", 1, SOON);
    let heard = caller.heard().remove(0);
    hook.wait_for("recording.finished", 1, SOON);

    assert!(sound::heard(&heard, MUSIC) > 0.5, "music while waiting");
    assert!(sound::heard(&heard, WHISPER) < 0.1, "never the whisper");
    let voice = sound::heard(&heard, OLENA).max(sound::heard(&heard, SERHII));
    assert!(voice > 1.0, "then the operator");
}

/// A receiver that refuses everything while calls go on gets all of it afterwards, in order.
#[test]
fn a_sink_that_is_down_loses_and_reorders_nothing() {
    let mut hook = Hook::start();
    let rig = Rig::start(&hook);
    let _phones = phones(&rig, &mut hook);

    hook.set_open(false);
    let report = carrier::call(&rig, 4, 2);
    assert_eq!(report.exit, Some(0), "no call felt it: {}", report.screen);
    assert!(rig.metric("strowger_outbox_backlog{sink=\"crm\"}") > 20.0);
    hook.set_open(true);
    hook.wait_for("call.ended", 4, Duration::from_secs(60));
    hook.wait_for("recording.finished", 4, SOON);

    for ended in hook.of("call.ended") {
        let of_call: Vec<_> = hook
            .heard
            .iter()
            .filter(|event| event["subject"] == ended["subject"])
            .collect();
        let order: Vec<_> = of_call.iter().map(|event| &event["sequence"]).collect();
        assert!(order.is_sorted_by_key(|it| it.to_string()), "{order:?}");
        assert_eq!(of_call[0]["type"], "call.started");
        for kind in [
            "call.routed",
            "queue.joined",
            "operator.answered",
            "whisper.played",
        ] {
            let count = of_call.iter().filter(|event| event["type"] == kind).count();
            assert_eq!(count, 1, "{kind} of {}", ended["subject"]);
        }
    }
}

/// Two signals end the server in the middle of a talk: the call and its recording are told all the
/// same, and before the process ends.
#[test]
fn a_call_that_the_server_cuts_is_told_to_its_last_word() {
    let mut hook = Hook::start();
    let mut rig = Rig::start(&hook);
    let _phones = phones(&rig, &mut hook);

    let _caller = Baresip::carrier(rig.folder.path(), rig.carrier, CALLER, rig.sip);
    hook.wait_for("call.bridged", 1, SOON);
    assert_eq!(rig.stop_at_once(), Some(0));
    hook.wait_for("call.ended", 1, SOON);
    hook.wait_for("recording.finished", 1, SOON);
    let ended = hook.of("call.ended").next().unwrap();
    assert_eq!(ended["data"]["outcome"], "answered");
}
