//! What is shipped: files beside the sources that are copied by whoever deploys must be accepted as
//! they are, and the demo must do what it promises.

#![cfg(feature = "embedded-tts")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod demo;

use std::fs;
use std::path::{Path, PathBuf};

use strowger::dialplan::diagnose::Severity;
use strowger::server::prompts::Engine;
use strowger::server::settings::Settings;

/// A file of the package.
fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_example_settings_are_accepted() {
    let (settings, problems) = Settings::read(&shipped("deploy/strowger.yaml"), Severity::Warning);
    assert!(problems.is_empty(), "{problems:#?}");
    let settings = settings.expect("settings without problems are settings");
    assert_eq!(settings.data, Path::new("/var/lib/strowger"));
    assert_eq!(settings.tts.len(), 2);
    assert!(settings.tts.contains(&Engine::Embedded));
}

#[test]
fn what_the_example_settings_leave_commented_out_is_accepted_too() {
    let text = fs::read_to_string(shipped("deploy/strowger.yaml")).expect("it is there");
    let whole: String = text
        .lines()
        .map(|line| match line.trim_start().strip_prefix("# ") {
            Some(hidden) if hidden.starts_with("- command:") || hidden.starts_with("crm:") => {
                format!("  {hidden}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("strowger.yaml");
    // The secret is taken from a file, because a test does not set its own environment.
    let whole = whole.replace("${env:CRM_SECRET}", "${file:secret}");
    fs::write(
        folder.path().join("secret"),
        "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
    )
    .expect("it is written");
    fs::write(&path, whole).expect("it is written");
    let (settings, problems) = Settings::read(&path, Severity::Error);
    assert!(problems.is_empty(), "{problems:#?}");
    let settings = settings.expect("settings without problems are settings");
    assert_eq!((settings.tts.len(), settings.sinks.len()), (3, 2));
}
