//! A backup of a data folder in which a server works and a call is being recorded.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::baresip::Baresip;
use crate::hook::Hook;
use crate::rig::{CALLER, Rig};

const SOON: Duration = Duration::from_secs(30);

/// The call goes on and has its own end; in the restored folder it is a call that was cut, with the
/// recording so far.
#[test]
fn a_backup_taken_in_the_middle_of_a_call_is_restored_whole() {
    let mut hook = Hook::start();
    let rig = Rig::start(&hook);
    let _phone = Baresip::phone(rig.folder.path(), "olena", 660.0, rig.sip);
    hook.wait_for("operator.registered", 1, SOON);
    let _caller = Baresip::carrier(rig.folder.path(), rig.carrier, CALLER, rig.sip);
    hook.wait_for("recording.started", 1, SOON);
    let [copy, back] = ["copy", "back"].map(|it| rig.folder.path().join(it));
    let taken = rig.command(&["backup", copy.to_str().unwrap()]);
    assert!(taken.status.success(), "{taken:?}");
    hook.wait_for("call.ended", 1, SOON);
    let ended = hook.of("call.ended").next().unwrap();
    assert!(ended["data"].get("interrupted").is_none(), "{ended}");

    let restored = Command::new(env!("CARGO_BIN_EXE_strowger"))
        .arg("restore")
        .args([&copy, &back])
        .output()
        .unwrap();
    assert!(restored.status.success(), "{restored:?}");
    let settings = fs::read_to_string(rig.folder.path().join("strowger.yaml")).unwrap();
    let data = rig.folder.path().join("data");
    let settings = settings.replace(data.to_str().unwrap(), back.to_str().unwrap());
    let config = rig.folder.path().join("back.yaml");
    fs::write(&config, settings.replace("22000-24999", "25100-25199")).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_strowger"))
        .args(["serve", "--config"])
        .arg(&config)
        .arg("--dialplans")
        .arg(rig.folder.path().join("plan.yaml"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(server.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("ready; metrics")));
    let pid = server.id().to_string();
    let _sent = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(said.all(|line| line.is_ok()));
    assert_eq!(server.wait().unwrap().code(), Some(0));

    let db = rusqlite::Connection::open(back.join("strowger.db")).unwrap();
    let of_kind = |kind: &str| -> Vec<serde_json::Value> {
        let mut found = db
            .prepare("SELECT json FROM events WHERE kind = ?1 ORDER BY seq")
            .unwrap();
        let rows = found.query_map([kind], |row| row.get::<_, String>(0));
        rows.unwrap()
            .map(|json| serde_json::from_str(&json.unwrap()).unwrap())
            .collect()
    };
    let ends = of_kind("call.ended");
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["data"]["interrupted"], true);
    let finished = of_kind("recording.finished");
    assert_eq!(finished.len(), 1);
    let file = finished[0]["data"]["file"].as_str().unwrap();
    let sound = hound::WavReader::open(back.join("recordings").join(file)).unwrap();
    assert_eq!(sound.spec().channels, 2);
}
