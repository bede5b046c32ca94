//! Sinks over restarts and deaths of the server, and the commands that ask of them: beside the server,
//! and at rest.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::rig::{House, Rig, SOON};

const PLAN: &str = "version: 1
country: UA
timezone: Europe/Kyiv
language: uk
operators:
  olena: { name: Олена, password: secret-olena }
whisper: { uk: \"дзвінок\" }
";

fn pause(rig: &Rig, reason: &str) {
    let wish = json!({ "state": "paused", "reason": reason });
    assert_eq!(rig.send("PUT", "/v1/operators/olena/state", &wish).0, 200);
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn list(rig: &Rig, config: &str) -> Value {
    let listed = rig.command(&["sinks", "list", "--format", "json", "--config", config]);
    assert!(listed.status.success(), "{listed:?}");
    serde_json::from_slice(&listed.stdout).unwrap()
}

#[test]
fn a_file_has_each_event_once_over_deaths_and_a_replay_is_the_same_beside_the_server_and_at_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let more = format!("sinks: {{ log: {{ jsonl: \"{}\" }} }}\n", path.display());
    let mut rig = Rig::with(&House::next(), PLAN, &more, |_| Vec::new());
    for round in 0..3 {
        for number in 0..10 {
            pause(&rig, &format!("чай {round}.{number}"));
        }
        let events = rig.events("").len();
        rig.wait("the file has them", SOON, || lines(&path).len() >= events);
        rig.kill();
        rig.restart();
    }
    let config = rig.folder.path().join("strowger.yaml");
    let config = config.to_str().unwrap().to_owned();
    let all = rig.events("");
    rig.wait("the file has the rest", SOON, || {
        lines(&path).len() >= all.len()
    });
    let found = lines(&path);
    assert_eq!(found, rig.events("")[..found.len()], "each once, in order");
    let listed = list(&rig, &config);
    assert_eq!(listed["sinks"][0]["id"], "log");
    assert_eq!(listed["sinks"][0]["kind"], "jsonl");
    // Beside the server.
    fs::remove_file(&path).unwrap();
    let words = [
        "sinks",
        "replay",
        "log",
        "--since",
        "2020-01-01",
        "--timezone",
        "Europe/Kyiv",
        "--config",
        &config,
    ];
    let told = rig.command(&words);
    assert!(told.status.success(), "{told:?}");
    rig.wait("the file has all again", SOON, || {
        lines(&path).len() >= all.len()
    });
    assert_eq!(lines(&path)[..all.len()], all);
    let deed = rig.wait_for("audit.action", 31).pop().unwrap();
    assert_eq!(deed["data"]["actor"], "local");
    assert_eq!(deed["data"]["action"], "replay");
    // At rest: the next start delivers.
    rig.stop();
    fs::remove_file(&path).unwrap();
    let told = rig.command(&words);
    assert!(told.status.success(), "{told:?}");
    assert!(String::from_utf8_lossy(&told.stdout).contains("events again, from 1 on"));
    assert!(!path.exists());
    assert!(list(&rig, &config)["sinks"][0]["backlog"].as_u64().unwrap() > 30);
    rig.restart();
    let all = rig.events("");
    rig.wait("the file has all once more", SOON, || {
        lines(&path).len() >= all.len()
    });
    let refused = rig.command(&["sinks", "retry", "log", "--config", &config]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is a file"));
}
