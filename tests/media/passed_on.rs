//! Calls that are held and passed on: hold music, legs that change their call, one recording of
//! several segments.

use strowger::id::{LegId, OperatorName, Origin, PlayId};
use strowger::media::command::{MediaCommand, RecordPlan, SegmentKind};
use strowger::media::manifest::Manifest;
use strowger::words::Codec;

use crate::hall::{CALLER, Hall, MUSIC_HERTZ, OPERATOR, call, plan};
use crate::phone::{Heard, Phone, loudness, strength};
use crate::{CALLER_HERTZ, OPERATOR_HERTZ, assert_one_stream, channels, hear_until, samples};

const SECOND_HERTZ: f64 = 1500.0;

fn leg(number: u64) -> LegId {
    LegId {
        origin: Origin::Outbound,
        number,
    }
}

#[test]
fn music_stands_in_for_the_party_until_it_is_stopped_and_the_recording_goes_on() {
    let hall = Hall::open(31);
    let call = call(31);
    let (caller_port, operator_port) = (hall.open_leg(CALLER, call), hall.open_leg(OPERATOR, call));
    let (caller, caller_sends) = Phone::start(Codec::Pcma, CALLER_HERTZ);
    let (operator, operator_sends) = Phone::start(Codec::Pcma, OPERATOR_HERTZ);
    hall.connect(CALLER, caller.address, Codec::Pcma);
    hall.connect(OPERATOR, operator.address, Codec::Pcma);
    caller_sends.send(caller_port).unwrap();
    operator_sends.send(operator_port).unwrap();
    hall.bridge(Some(plan(call)));
    let mut heard = hear_until(&caller, OPERATOR_HERTZ, 20);
    hall.play(CALLER, 1, true);
    let mut held = hear_until(&caller, MUSIC_HERTZ, 30);
    assert!(strength(&samples(&held[held.len() - 30..]), OPERATOR_HERTZ) < 100.0);
    heard.append(&mut held);
    hall.media.command(MediaCommand::Play {
        leg: CALLER,
        play: PlayId(9),
        prompts: [].into(),
        looped: false,
    });
    heard.extend(hear_until(&caller, OPERATOR_HERTZ, 20));
    assert_one_stream(&heard);
    hall.close(OPERATOR);
    hall.close(CALLER);
    let [left, right] = channels(&hall.file(&hall.recorded().file));
    assert!(loudness(&left, CALLER_HERTZ) > 6500.0);
    assert!(loudness(&right, OPERATOR_HERTZ) > 6500.0);
    assert!(strength(&right, MUSIC_HERTZ) < 100.0);
}

#[test]
fn a_call_that_is_passed_on_is_one_recording_of_two_segments() {
    let hall = Hall::open(32);
    let call_id = call(32);
    let (caller_port, operator_port) = (
        hall.open_leg(CALLER, call_id),
        hall.open_leg(OPERATOR, call_id),
    );
    let (caller, caller_sends) = Phone::start(Codec::Pcma, CALLER_HERTZ);
    let (operator, operator_sends) = Phone::start(Codec::Pcmu, OPERATOR_HERTZ);
    hall.connect(CALLER, caller.address, Codec::Pcma);
    hall.connect(OPERATOR, operator.address, Codec::Pcmu);
    caller_sends.send(caller_port).unwrap();
    operator_sends.send(operator_port).unwrap();
    // Phones of eight other calls, of which some live on another thread than this one.
    let others: Vec<_> = (0..8_u8)
        .map(|index| {
            let id = leg(100 + u64::from(index));
            let port = hall.open_leg(id, call(200 + index));
            let (phone, sends) = Phone::start(Codec::Pcma, SECOND_HERTZ);
            hall.connect(id, phone.address, Codec::Pcma);
            sends.send(port).unwrap();
            hall.play(id, 1, true);
            (id, phone, sends)
        })
        .collect();

    hall.bridge(Some(plan(call_id)));
    let mut caller_heard = hear_until(&caller, OPERATOR_HERTZ, 30);
    hall.media.command(MediaCommand::Unbridge {
        caller: CALLER,
        operator: OPERATOR,
    });
    hall.close(OPERATOR);
    hall.play(CALLER, 1, true);
    caller_heard.extend(hear_until(&caller, MUSIC_HERTZ, 40));

    let mut taken: Vec<Vec<Heard>> = others
        .iter()
        .map(|(_, phone, _)| hear_until(phone, MUSIC_HERTZ, 5))
        .collect();
    for (id, ..) in &others {
        hall.media.command(MediaCommand::Adopt {
            leg: *id,
            call: call_id,
        });
    }
    let (second, second_phone, _) = &others[7];
    hall.media.command(MediaCommand::Bridge {
        caller: CALLER,
        operator: *second,
        record: Some(Box::new(RecordPlan {
            operator: Some(OperatorName::from("iryna")),
            kind: SegmentKind::Transfer,
            ..plan(call_id)
        })),
    });
    // Music does not stop on the way, and each leg keeps its numbers.
    for ((_, phone, _), heard) in others.iter().zip(&mut taken).take(7) {
        heard.extend(hear_until(phone, MUSIC_HERTZ, 10));
        assert_one_stream(heard);
    }
    let mut second_heard = taken.remove(7);
    second_heard.extend(hear_until(second_phone, CALLER_HERTZ, 30));
    assert_one_stream(&second_heard);
    caller_heard.extend(hear_until(&caller, SECOND_HERTZ, 30));
    assert_one_stream(&caller_heard);
    assert_eq!(hall.media.counters().recordings_open, 1);
    assert_eq!(hall.media.counters().ports_open, 9);
    hall.close(CALLER);
    for (id, ..) in &others {
        hall.close(*id);
    }

    assert_two_segments(&hall);
    assert_eq!(hall.media.counters().ports_open, 0);
}

/// Olena's talk, a pause, and Iryna's, in one file.
fn assert_two_segments(hall: &Hall) {
    let recorded = hall.recorded();
    let path = hall.file(&recorded.file.replace(".wav", ".json"));
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let [first, passed_on] = &manifest.segments[..] else {
        panic!("{:?}", manifest.segments);
    };
    assert_eq!(
        (first.operator.as_deref(), first.kind),
        (Some("olena"), SegmentKind::Talk)
    );
    assert_eq!(
        (passed_on.operator.as_deref(), passed_on.kind),
        (Some("iryna"), SegmentKind::Transfer)
    );
    let [left, right] = channels(&hall.file(&recorded.file));
    let sample = |millis: u64| usize::try_from(millis * 8).unwrap().min(left.len());
    let (paused, again) = (
        sample(first.ended_ms.unwrap()),
        sample(passed_on.started_ms),
    );
    let ended = sample(passed_on.ended_ms.unwrap());
    assert!(again - paused > 4000, "{paused} {again}");
    for (from, to, on_left, on_right) in [
        (0, paused, CALLER_HERTZ, OPERATOR_HERTZ),
        (again, ended, CALLER_HERTZ, SECOND_HERTZ),
    ] {
        assert!(loudness(&left[from..to], on_left) > 6000.0);
        assert!(loudness(&right[from..to], on_right) > 6000.0);
    }
    let silent = |channel: &[i16]| channel.iter().all(|sample| sample.abs() < 16);
    // A packet that came before the pause may sound into it.
    assert!(silent(&left[paused + 400..again]) && silent(&right[paused + 400..again]));
}

/// Legs that change their calls again before they have come to the first one: no thread waits for what
/// waits for itself.
#[test]
fn legs_that_go_back_and_forth_arrive() {
    let hall = Hall::open(33);
    let calls: Vec<_> = (0..6).map(|index| call(120 + index)).collect();
    let legs: Vec<_> = (0..6_u64).map(|index| leg(400 + index)).collect();
    for (leg, call) in legs.iter().zip(&calls) {
        hall.open_leg(*leg, *call);
    }
    for round in 0..400 {
        for (index, leg) in legs.iter().enumerate() {
            let call = calls[(index * 5 + round * (index + 1)) % calls.len()];
            hall.media.command(MediaCommand::Adopt { leg: *leg, call });
        }
    }
    for call in calls {
        hall.settle(call);
    }
    for leg in legs {
        hall.close(leg);
    }
    hall.settle(call(120));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while hall.media.counters().ports_open > 0 {
        assert!(std::time::Instant::now() < deadline, "a leg never arrived");
        std::thread::yield_now();
    }
}
