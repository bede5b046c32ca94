//! F6: the Nth write, flush, rename or open in the data folder fails, for every N. No call is lost, and
//! no file is half of something without anybody being told.

use std::fs;
use std::time::Duration;

use crate::counter;
use crate::crowd::{Caller, Crowd, Leg, Phone};
use crate::failing::Failing;
use crate::full_disk::{ends, whole};
use crate::killed::{MANY, known_as, number, operator, plan};
use crate::report::{full, pass};
use crate::rig::{House, Rig, SOON};

const NUMBER: &str = "0800301231";
/// An EIO, and the one after it.
const FAILS: &str = "5 2";
/// Two calls make fewer writes than this.
const MOST: usize = 400;

#[test]
fn whichever_write_fails_no_call_is_lost() {
    let house = House::next();
    let mut made = None;
    let mut rig = Rig::with(&house, &plan(&house, 1, ""), MANY, |data| {
        let faulty = Failing::under(data);
        let environment = faulty.environment();
        made = Some(faulty);
        environment
    });
    let faulty = made.unwrap();
    let crowd = Crowd::of(&house);
    crowd.register(&operator(0), Phone::Takes(Duration::ZERO));
    let (mut dialled, mut failed) = (0, 0);
    for op in ["write", "sync", "rename", "open"] {
        let some = [1, 4, 11].into_iter().filter(|_| !full());
        let all = (1..MOST).filter(|_| full());
        for nth in some.chain(all) {
            let before = faulty.hits(op).len();
            faulty.set(&[&format!("{op} * fail {nth} {FAILS}")]);
            // One is answered, one is likely to leave before that.
            for stays in [300, 250] {
                let caller = Caller::Leaves(Duration::from_millis(stays));
                crowd.dial(&number(dialled), NUMBER, caller);
                dialled += 1;
            }
            rig.wait("both are over", SOON, || {
                let legs = crowd.legs();
                let over = |leg: &Leg| leg.statuses.iter().any(|it| *it >= 200) && !leg.talks();
                legs.iter().filter(|leg| leg.calls).all(over)
            });
            let hit = faulty.hits(op).len() > before;
            faulty.clear();
            failed += usize::from(hit);
            rig.wait("both have an end", SOON, || ends(&rig).len() == dialled);
            crowd.forget();
            if !hit && nth > 4 {
                break;
            }
        }
    }
    rig.wait(
        "every recording is finished or told to have failed",
        SOON,
        || untold(&rig) == 0,
    );
    whole(&rig);
    for at in 0..dialled {
        assert!(ends(&rig).contains_key(&known_as(&number(at))));
    }
    assert_eq!(rig.stop(), Some(0));
    let told = rig.events("recording.finished");
    for event in &told {
        let file = event["data"]["file"].as_str().unwrap();
        let path = rig.data().join("recordings").join(file);
        let bytes = fs::read(&path).unwrap();
        counter::strict(&bytes).unwrap_or_else(|why| panic!("{file}: {why}"));
        let manifest = fs::read(path.with_extension("json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        assert!(manifest["ended_at"].is_string(), "{manifest}");
    }
    pass(
        "F6",
        &format!(
            "{failed} refusals of write, fsync, rename and open: {dialled} calls, each with one outcome, {} recordings whole",
            told.len()
        ),
    );
}

/// Recordings that began and of which nothing was heard since.
fn untold(rig: &Rig) -> usize {
    let of = |kind: &str| -> Vec<String> {
        let events = rig.events(kind);
        let subject = |event: &serde_json::Value| event["subject"].as_str().map(str::to_owned);
        events.iter().filter_map(subject).collect()
    };
    let told = [of("recording.finished"), of("recording.failed")].concat();
    let mut begun = of("recording.started");
    begun.retain(|call| !told.contains(call));
    begun.len()
}
