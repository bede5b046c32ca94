//! F8: the disk is slow, or takes nothing for a while. Sound passes as if nothing were, recordings have
//! all of it from its beginning, and one whose disk is full goes on in another file when there is room.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::counter;
use crate::crowd::{Caller, Crowd, Leg, Phone};
use crate::failing::Failing;
use crate::killed::{MANY, number, operator, plan};
use crate::report::{pass, size};
use crate::rig::{House, Rig, SOON};

const NUMBER: &str = "0800301231";
/// Packets of 20 ms in a second.
const SECOND: u16 = 50;
/// Every write to the recordings waits for so long.
const SLOW: &str = "write recordings/ delay 100";

struct Slow {
    rig: Rig,
    faulty: Failing,
    crowd: Crowd,
}

impl Slow {
    fn open(operators: usize) -> Self {
        let house = House::next();
        let mut made = None;
        let rig = Rig::with(&house, &plan(&house, operators, ""), MANY, |data| {
            let faulty = Failing::under(data);
            let environment = faulty.environment();
            made = Some(faulty);
            environment
        });
        let crowd = Crowd::of(&house);
        for at in 0..operators {
            crowd.register(&operator(at), Phone::Takes(Duration::ZERO));
        }
        let faulty = made.unwrap();
        Self { rig, faulty, crowd }
    }

    /// So many calls, until each side hears the other.
    fn talk(&self, calls: usize) {
        for at in 0..calls {
            self.crowd.dial(&number(at), NUMBER, Caller::Stays);
        }
        self.rig.wait("everybody hears the other side", SOON, || {
            let legs = self.crowd.legs();
            let talks = |leg: &&Leg| leg.talks() && leg.heard.is_some();
            legs.iter().filter(talks).count() == 2 * calls
        });
    }

    /// Everybody says so many packets more.
    fn go_on(&self, packets: u16) {
        let began = self.crowd.ticks();
        self.rig.wait("the talk goes on", SOON, || {
            self.crowd.ticks().wrapping_sub(began) > packets
        });
    }
}

/// No far end missed a packet; how many there were.
fn all_heard(legs: &[Leg]) -> usize {
    for leg in legs {
        let (_, last) = leg.heard.expect("it heard the other side");
        let first = leg.heard_first.unwrap();
        let sent = usize::from(last - first) + 1;
        assert_eq!(leg.heard_packets, sent, "{} missed packets", leg.name);
    }
    legs.iter().map(|leg| leg.heard_packets).sum()
}

fn open(path: &Path) -> [Vec<(usize, u8, u16)>; 2] {
    let bytes = fs::read(path).unwrap();
    let sides = counter::strict(&bytes);
    let sides = sides.unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    sides.map(|side| counter::find(&side))
}

/// What a channel lacks of what was heard at the far end: before its first packet, and in all.
fn lacks(found: &[(usize, u8, u16)], legs: &[Leg]) -> (u16, usize) {
    let (_, whose, first) = *found.first().expect("the channel has sound");
    let far = legs
        .iter()
        .find(|leg| leg.heard.is_some_and(|it| it.0 == whose));
    let far = far.expect("somebody heard it");
    let (from, to) = (far.heard_first.unwrap(), far.heard.unwrap().1);
    let numbers: BTreeSet<u16> = found.iter().map(|it| it.2).collect();
    let lost = (from..=to).filter(|it| !numbers.contains(it)).count();
    (first.saturating_sub(from), lost)
}

#[test]
fn a_slow_disk_costs_no_packet_and_no_start_of_a_file() {
    let calls = size(3, 4);
    let slow = Slow::open(calls);
    slow.faulty.set(&[SLOW]);
    slow.talk(calls);
    slow.go_on(2 * SECOND);
    // Sound waits in memory while one write takes five seconds, and is there when it is over.
    let stalls = [1, 3];
    for stall in 1..=size(stalls[0], stalls[1]) {
        slow.faulty
            .set(&["write .wav count", "write .wav delay 5000"]);
        slow.rig.wait("a write has begun", SOON, || {
            slow.faulty.hits("write").len() >= stall
        });
        slow.faulty.set(&[SLOW]);
        slow.go_on(6 * SECOND);
    }
    slow.crowd.hang_up();
    slow.rig.wait_for("recording.finished", calls);

    let legs = slow.crowd.legs();
    let packets = all_heard(&legs);
    assert!(slow.rig.events("recording.failed").is_empty());
    let paths = slow.rig.recordings();
    assert_eq!(paths.len(), calls, "one file for each");
    let (mut late, mut lost) = (0, 0);
    for path in &paths {
        for side in open(path) {
            let (before, lacking) = lacks(&side, &legs);
            late = late.max(before);
            lost = lost.max(lacking);
        }
    }
    // A stream that a busy machine kept waiting is moved when that shows, which costs the packet there.
    assert!(late <= SECOND / 5, "{late} packets of a start are lost");
    assert!(lost <= usize::from(SECOND), "{lost} packets are lost");
    slow.rig.keeps_its_promises();
    pass(
        "F8",
        &format!(
            "{packets} of {packets} packets at the far ends of {calls} calls while each write took 100 ms and one 5 s, recordings lack {late} packets of their starts and at most {lost} of a channel"
        ),
    );
}

#[test]
fn a_recording_goes_on_in_another_file_when_there_is_room_again() {
    let slow = Slow::open(1);
    slow.talk(1);
    slow.go_on(2 * SECOND);
    slow.faulty.set(&["any recordings/ budget 20000"]);
    let failed = slow.rig.wait_for("recording.failed", 1);
    assert_eq!(failed[0]["data"]["final"], false, "{failed:?}");
    slow.go_on(SECOND);
    slow.faulty.clear();
    let resumed = slow.rig.wait_for("recording.resumed", 1);
    assert_eq!(resumed[0]["data"]["after"], "failure", "{resumed:?}");
    slow.go_on(2 * SECOND);
    slow.crowd.hang_up();
    slow.rig.wait_for("recording.finished", 1);

    let legs = slow.crowd.legs();
    all_heard(&legs);
    assert_eq!(slow.rig.events("recording.failed").len(), 1, "told once");
    let paths = slow.rig.recordings();
    let [second, first] = &paths[..] else {
        panic!("{paths:?}");
    };
    let manifest: Value =
        serde_json::from_slice(&fs::read(first.with_extension("json")).unwrap()).unwrap();
    let segments = manifest["segments"].as_array().unwrap();
    let silent: Vec<_> = segments.iter().map(|it| it["silent"].as_str()).collect();
    assert_eq!(silent, [None, Some("lost"), None], "{manifest}");
    let starts = manifest["continued"][0]["started_ms"].as_u64().unwrap();
    assert_eq!(segments[2]["started_ms"], starts, "{manifest}");
    let mut lost = 0;
    for (first, second) in open(first).iter().zip(&open(second)) {
        let (before, after) = (first.last().unwrap(), second.last().unwrap());
        let said = i64::from(after.2 - before.2) * counter::FRAME as i64;
        let lies = (after.0 as i64 + starts as i64 * 8) - before.0 as i64;
        assert!((said - lies).abs() <= 1_600, "{said} samples are {lies}");
        lost = lost.max(second.first().unwrap().2 - before.2);
    }
    slow.rig.keeps_its_promises();
    pass(
        "F8",
        &format!(
            "a recording whose disk was full goes on in another file of the same call, {:.1} s later, at its time",
            f64::from(lost) / f64::from(SECOND)
        ),
    );
}
