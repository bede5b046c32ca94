//! F7: the disk is full. Calls go on, what they came to is kept in the ledger's reserve before the
//! caller's leg hears of the end, and it is in the database as soon as there is room, or after the next
//! start.
//!
//! Where this machine lets us, the data folder is a small tmpfs that is really full; elsewhere writes to
//! the database and to recordings fail as on a full disk.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::crowd::{Caller, Crowd, Phone};
use crate::failing::Failing;
use crate::killed::{MANY, known_as, number, operator, plan};
use crate::report::pass;
use crate::rig::{House, Rig, SOON};

const NUMBER: &str = "0800301231";
/// Longer than callers stay who get no callback.
const STAYS: Duration = Duration::from_millis(3_200);

enum Disk {
    Tmpfs(PathBuf),
    Rules(Failing),
}

impl Disk {
    fn of(data: &Path) -> Self {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "strowger-test"])
            .arg(data)
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            Self::Tmpfs(data.to_owned())
        } else {
            Self::Rules(Failing::under(data))
        }
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        match self {
            Self::Tmpfs(_) => Vec::new(),
            Self::Rules(rules) => rules.environment(),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Tmpfs(_) => "tmpfs",
            Self::Rules(_) => "refused writes",
        }
    }

    fn fill(&self) {
        match self {
            Self::Tmpfs(data) => {
                let mut filler = File::create(data.join("filler")).unwrap();
                for size in [1 << 16, 1 << 12, 1] {
                    while filler.write_all(&vec![7; size]).is_ok() {}
                }
            }
            Self::Rules(rules) => {
                rules.set(&["write strowger.db budget 0", "write recordings/ budget 0"]);
            }
        }
    }

    fn free(&self) {
        match self {
            Self::Tmpfs(data) => fs::remove_file(data.join("filler")).unwrap(),
            Self::Rules(rules) => rules.clear(),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Tmpfs(data) = self {
            let _gone = Command::new("umount").arg("-l").arg(data).status();
        }
    }
}

/// The ends of calls by number.
pub fn ends(rig: &Rig) -> BTreeMap<String, Vec<Value>> {
    let mut ends: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in rig.events("call.ended") {
        let from = event["data"]["from"].as_str().unwrap_or_default();
        let data = event["data"].clone();
        ends.entry(from.to_owned()).or_default().push(data);
    }
    ends
}

/// Nobody's number of the sequence is missing, and every missed call has what must follow.
pub fn whole(rig: &Rig) {
    let sequences: Vec<u64> = rig
        .events("")
        .iter()
        .map(|event| event["sequence"].as_str().unwrap().parse().unwrap())
        .collect();
    let expected: Vec<u64> = (1..=sequences.len() as u64).collect();
    assert_eq!(sequences, expected, "the sequence has a gap");
    for (from, ends) in ends(rig) {
        assert_eq!(ends.len(), 1, "{from}: {ends:?}");
        let end = &ends[0];
        let followed = end["callback"].is_string() || end["no_callback"].is_string();
        assert!(end["outcome"] != "missed" || followed, "{from}: {end}");
    }
}

#[test]
fn a_full_disk_costs_no_call_and_no_outcome() {
    let house = House::next();
    let mut made = None;
    let mut rig = Rig::with(&house, &plan(&house, 2, ""), MANY, |data| {
        let disk = Disk::of(data);
        let environment = disk.environment();
        made = Some(disk);
        environment
    });
    let disk = made.unwrap();
    let crowd = Crowd::of(&house);
    for at in 0..2 {
        crowd.register(&operator(at), Phone::Takes(Duration::ZERO));
    }
    let mut dialled = 0;
    let mut reserved = 0.0;
    let mut talkers_ever = Vec::new();
    for killed in [true, false] {
        let talkers = [dialled, dialled + 1].map(|at| known_as(&number(at)));
        talkers_ever.extend(talkers.clone());
        let bridged = rig.events("call.bridged").len();
        for _ in talkers.iter() {
            crowd.dial(&number(dialled), NUMBER, Caller::Stays);
            dialled += 1;
        }
        rig.wait_for("call.bridged", bridged + 2);
        disk.fill();
        // The journal may have some room of its own left.
        while rig.metric("strowger_store_failing") < 1.0 {
            assert!(dialled < 200, "the disk is not full");
            crowd.dial(&number(dialled), NUMBER, Caller::Leaves(STAYS));
            dialled += 1;
            rig.wait("everybody is told something", SOON, || {
                let legs = crowd.legs();
                legs.iter().filter(|leg| leg.calls).all(|leg| leg.told())
            });
        }
        for _ in 0..5 {
            crowd.dial(&number(dialled), NUMBER, Caller::Leaves(STAYS));
            dialled += 1;
        }
        rig.wait("the others have left", SOON, || {
            crowd.talking() == 2 && rig.metric("strowger_calls_active") == 2.0
        });
        assert_eq!(rig.metric("strowger_store_failing"), 1.0);
        assert_eq!(rig.metric("strowger_store_lost_total"), 0.0);
        reserved += rig.metric("strowger_store_reserved");
        if killed {
            rig.kill();
            crowd.forget();
            disk.free();
            rig.restart();
        } else {
            disk.free();
            crowd.hang_up();
        }
        rig.wait("every call has its end", SOON, || {
            ends(&rig).len() == dialled
        });
        whole(&rig);
        for (from, ended) in &ends(&rig) {
            let end = &ended[0];
            let (talked, answered) = (talkers.contains(from), talkers_ever.contains(from));
            assert_eq!(end["outcome"] == "answered", answered, "{end}");
            let (cut, missed) = (end["interrupted"] == true, end["outcome"] == "missed");
            // Who had left before the kill has an end of before the kill.
            assert!(!talked || cut == killed, "{end}");
            assert!(talked || !missed || !cut, "{end}");
        }
    }
    rig.wait_for("store.recovered", 1);
    assert_eq!(rig.events("store.degraded").len(), 2, "somebody is told");
    assert_eq!(rig.metric("strowger_store_reserved"), 0.0);
    let before = rig.events("recording.finished").len();
    crowd.dial(
        &number(dialled),
        NUMBER,
        Caller::Leaves(Duration::from_secs(1)),
    );
    rig.wait_for("recording.finished", before + 1);
    pass(
        "F7",
        &format!(
            "{dialled} calls beside a full disk ({}), each with one outcome, {reserved} events kept in the reserve, once over kill -9",
            disk.word()
        ),
    );
}
