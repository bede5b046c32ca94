//! A caller who talks to nobody: one leg recorded alone, until it is stopped or a bridge goes on with it.

use strowger::media::command::{MediaCommand, MediaEvent, RecordPlan, SegmentKind};
use strowger::media::manifest::Manifest;
use strowger::words::Codec;

use crate::hall::{CALLER, Hall, MUSIC_HERTZ, OPERATOR, call, plan};
use crate::phone::{Phone, strength};
use crate::{CALLER_HERTZ, OPERATOR_HERTZ, channels, hear_until};

fn message(seed: u8) -> RecordPlan {
    RecordPlan {
        operator: None,
        kind: SegmentKind::Voicemail,
        ..plan(call(seed))
    }
}

fn manifest(hall: &Hall, file: &str) -> Manifest {
    let path = hall.file(&file.replace(".wav", ".json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn record(hall: &Hall, plan: RecordPlan) {
    hall.media.command(MediaCommand::Record {
        leg: CALLER,
        plan: Box::new(plan),
    });
}

#[test]
fn a_message_is_the_left_channel_alone_and_ends_when_it_is_stopped() {
    let hall = Hall::open(51);
    let call = call(51);
    let (caller_port, operator_port) = (hall.open_leg(CALLER, call), hall.open_leg(OPERATOR, call));
    let (caller, caller_sends) = Phone::start(Codec::Pcma, CALLER_HERTZ);
    let (operator, operator_sends) = Phone::start(Codec::Pcmu, OPERATOR_HERTZ);
    hall.connect(CALLER, caller.address, Codec::Pcma);
    hall.connect(OPERATOR, operator.address, Codec::Pcmu);
    caller_sends.send(caller_port).unwrap();
    operator_sends.send(operator_port).unwrap();
    hall.play(CALLER, 1, true);
    record(&hall, message(51));
    hear_until(&caller, MUSIC_HERTZ, 50);
    assert_eq!(hall.media.counters().recordings_open, 1);
    hall.media.command(MediaCommand::StopRecording { call });
    let recorded = hall.recorded();
    assert_eq!(hall.media.counters().recordings_open, 0);

    let [left, right] = channels(&hall.file(&recorded.file));
    assert!(strength(&left, CALLER_HERTZ) > 6500.0);
    assert!(strength(&left, MUSIC_HERTZ) < 100.0);
    assert!(right.iter().all(|&sample| sample == 0));
    let segments = manifest(&hall, &recorded.file).segments;
    assert_eq!(segments.len(), 1);
    assert_eq!(segments[0].operator, None);
    assert_eq!(segments[0].kind, SegmentKind::Voicemail);

    // A recording that was stopped is not written over, and the call goes on.
    hall.bridge(Some(plan(call)));
    hear_until(&operator, CALLER_HERTZ, 20);
    hall.wait(|event| matches!(event, MediaEvent::RecordFailed { .. }).then_some(()));
    hall.media.command(MediaCommand::StopRecording { call });
    hear_until(&operator, CALLER_HERTZ, 5);
}

#[test]
fn a_bridge_goes_on_with_a_message_and_a_message_with_a_bridge() {
    let hall = Hall::open(52);
    let call = call(52);
    let (caller_port, operator_port) = (hall.open_leg(CALLER, call), hall.open_leg(OPERATOR, call));
    let (caller, caller_sends) = Phone::start(Codec::Pcma, CALLER_HERTZ);
    let (operator, operator_sends) = Phone::start(Codec::Pcma, OPERATOR_HERTZ);
    hall.connect(CALLER, caller.address, Codec::Pcma);
    hall.connect(OPERATOR, operator.address, Codec::Pcma);
    caller_sends.send(caller_port).unwrap();
    operator_sends.send(operator_port).unwrap();
    record(&hall, message(52));
    hall.play(CALLER, 1, true);
    hear_until(&caller, MUSIC_HERTZ, 40);
    hall.bridge(Some(plan(call)));
    hear_until(&caller, OPERATOR_HERTZ, 40);
    record(&hall, message(52));
    hall.play(CALLER, 1, true);
    hear_until(&caller, MUSIC_HERTZ, 40);
    hall.close(OPERATOR);
    hall.close(CALLER);
    let recorded = hall.recorded();

    let [left, right] = channels(&hall.file(&recorded.file));
    let segments = manifest(&hall, &recorded.file).segments;
    let operators: Vec<_> = segments
        .iter()
        .map(|part| part.operator.as_deref())
        .collect();
    assert_eq!(operators, [None, Some("olena"), None]);
    let place = |millis: u64| usize::try_from(millis * 8).unwrap().min(left.len());
    for (part, speaks) in segments.iter().zip([false, true, false]) {
        // What came before the stretch began may sound into it.
        let stretch = place(part.started_ms + 50)..place(part.ended_ms.unwrap());
        assert!(strength(&left[stretch.clone()], CALLER_HERTZ) > 6500.0);
        assert_eq!(strength(&right[stretch], OPERATOR_HERTZ) > 6500.0, speaks);
    }
}
