//! F16: the clock on the wall is set by an hour or a day in the middle of calls, or has gone on while
//! the machine slept. Nothing takes a negative time, no phone is forgotten, no recording goes.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use serde_json::Value;

use crate::crowd::{Caller, Crowd, Phone};
use crate::failing::library;
use crate::killed::{MANY, known_as, number, operator, plan};
use crate::report::pass;
use crate::rig::{House, Rig, SOON};

const NUMBER: &str = "0800301231";
const HOUR: i64 = 3_600;
/// Callers who are not taken have numbers from here.
const MISSED: usize = 100;
/// Where the clock is during each call, in seconds from the truth: an hour on, an hour back, a minute's
/// sleep, a day on, and back before the first of them.
const STEPS: [i64; 5] = [HOUR, -HOUR, 60, 24 * HOUR, -25 * HOUR];

#[test]
fn a_clock_that_is_set_harms_no_call_no_phone_and_no_recording() {
    let house = House::next();
    let folder = tempfile::tempdir().unwrap();
    let step = folder.path().join("step");
    fs::write(&step, 0_i64.to_ne_bytes()).unwrap();
    let preload = library("stepping", include_str!("stepping.c"));
    let plan = plan(&house, 1, "") + "callbacks: { ignore_shorter_than: 0s }\n";
    let rig = Rig::with(&house, &plan, MANY, |_| {
        vec![
            ("LD_PRELOAD", preload.into()),
            ("STEP_FILE", step.clone().into()),
        ]
    });
    let set = |seconds: i64| {
        let file = OpenOptions::new().write(true).open(&step).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    };
    let crowd = Crowd::of(&house);
    crowd.register(&operator(0), Phone::Takes(Duration::ZERO));
    for (at, seconds) in STEPS.into_iter().enumerate() {
        crowd.dial(&number(at), NUMBER, Caller::Stays);
        rig.wait_for("call.bridged", at + 1);
        // The only operator talks: whoever comes now leaves a callback behind.
        let missed = Caller::Leaves(Duration::from_millis(300));
        crowd.dial(&number(MISSED + at), NUMBER, missed);
        rig.wait_for("callback.opened", at + 1);
        set(seconds);
        crowd.hang_up();
        rig.wait_for("recording.finished", at + 1);
        // The phone has kept its place, and may keep it.
        crowd.register(&operator(0), Phone::Takes(Duration::ZERO));
    }
    let ended = rig.wait_for("call.ended", 2 * STEPS.len());
    let mut spread = Vec::new();
    for event in &ended {
        let data = &event["data"];
        for field in ["wait_s", "talk_s"] {
            // Who was not taken has not talked.
            let lasted = data[field].as_f64().unwrap_or_default();
            assert!((0.0..SOON.as_secs_f64()).contains(&lasted), "{data}");
        }
        spread.push(event["time"].as_str().unwrap()[..13].to_owned());
    }
    for (at, _) in STEPS.iter().enumerate() {
        for (from, outcome) in [(at, "answered"), (MISSED + at, "missed")] {
            let from = known_as(&number(from));
            let mut calls = ended.iter().map(|it| &it["data"]);
            let ends = calls.find(|it| it["from"] == from.as_str());
            assert_eq!(ends.map(|it| &it["outcome"]), Some(&outcome.into()));
        }
    }
    spread.sort();
    spread.dedup();
    assert!(spread.len() >= STEPS.len(), "the clock was set: {spread:?}");
    for event in rig.events("recording.finished") {
        let lasted = event["data"]["duration_s"].as_f64().unwrap();
        assert!((0.0..SOON.as_secs_f64()).contains(&lasted), "{event}");
    }
    for event in rig.events("operator.state") {
        assert!(
            event["data"]["lasted_s"].as_f64().unwrap() >= 0.0,
            "{event}"
        );
    }
    for kind in [
        "operator.unregistered",
        "recording.deleted",
        "callback.overdue",
    ] {
        assert_eq!(rig.events(kind), Vec::<Value>::new(), "{kind}");
    }
    assert_eq!(rig.recordings().len(), STEPS.len());
    let open = rig.json("/v1/callbacks?state=open");
    assert_eq!(open["callbacks"].as_array().unwrap().len(), STEPS.len());
    rig.keeps_its_promises();
    pass(
        "F16",
        &format!(
            "{} calls over steps of an hour, a minute and a day both ways: no time negative, no phone forgotten, no callback overdue, no recording gone",
            2 * STEPS.len()
        ),
    );
}
