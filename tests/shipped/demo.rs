//! The demo, as a script runs it: real sockets, real time, and counts that agree.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every file below `folder` that ends so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.display().to_string().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn six_calls_come_to_an_end_and_every_count_agrees() {
    let data = tempfile::tempdir().expect("a demo that keeps its promises");
    let demo = Command::new(env!("CARGO_BIN_EXE_strowger"))
        .args(["demo", "--headless", "--calls", "6", "--seconds", "10"])
        .arg("--data")
        .arg(data.path())
        .output()
        .expect("a demo that keeps its promises");
    let story = String::from_utf8(demo.stdout).expect("a demo that keeps its promises");
    let errors = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{story}\n{errors}");
    assert!(!story.contains('\x1b'), "colours in a pipe");
    assert!(story.contains("hears: Дзвінок з Одеси"), "{story}");
    assert!(story.contains("agree on every count"), "{story}");

    let counts: Value = serde_json::from_str(
        story
            .lines()
            .last()
            .expect("a demo that keeps its promises"),
    )
    .expect("a demo that keeps its promises");
    let count = |key: &str| {
        counts[key]
            .as_u64()
            .expect("a demo that keeps its promises")
    };
    assert_eq!(count("calls"), 6);
    assert_eq!(
        count("answered") + count("missed") + count("blocked"),
        count("calls")
    );
    assert!(count("answered") >= 1, "{story}");
    assert_eq!(count("recordings"), count("answered"));

    let events = Path::new(
        counts["events_file"]
            .as_str()
            .expect("a demo that keeps its promises"),
    );
    assert!(
        events.starts_with(
            data.path()
                .canonicalize()
                .expect("a demo that keeps its promises")
        )
    );
    let lines = std::fs::read_to_string(events).expect("a demo that keeps its promises");
    assert_eq!(lines.lines().count() as u64, count("events"));
    let recordings = Path::new(
        counts["recordings_dir"]
            .as_str()
            .expect("a demo that keeps its promises"),
    );
    for ending in [".wav", ".json"] {
        let found = files(recordings, ending).len() as u64;
        assert_eq!(found, count("recordings"), "{ending}");
    }
    assert!(
        counts["http"]
            .as_str()
            .expect("a demo that keeps its promises")
            .starts_with("http://127.0.0.1:")
    );
}
