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
use strowger::server::plan_files;
use strowger::server::prompts::{Engine, PromptStore};
use strowger::server::settings::Settings;
use strowger::sip::flow::Transport;

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
            Some(hidden)
                if ["- command:", "crm:", "bus:", "erp:"]
                    .iter()
                    .any(|it| hidden.starts_with(it)) =>
            {
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
    assert_eq!((settings.tts.len(), settings.sinks.len()), (3, 4));
}

#[test]
fn the_first_plan_and_settings_of_the_readme_are_accepted() {
    let readme = fs::read_to_string(shipped("README.md")).expect("it is there");
    let blocks: Vec<&str> = readme
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let [plan, settings] = blocks.as_slice() else {
        panic!(
            "the README shows a plan and settings, not {} blocks",
            blocks.len()
        );
    };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (plan_file, settings_file) = (
        folder.path().join("plan.yaml"),
        folder.path().join("strowger.yaml"),
    );
    fs::write(&plan_file, plan).expect("it is written");
    fs::write(&settings_file, settings).expect("it is written");

    let compiled = plan_files::load(&plan_file, Severity::Warning);
    let errors: Vec<_> = compiled
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty() && compiled.plan.is_some(), "{errors:#?}");
    let (settings, problems) = Settings::read(&settings_file, Severity::Error);
    assert!(problems.is_empty() && settings.is_some(), "{problems:#?}");
}

#[test]
fn every_phrase_of_the_shipped_plans_can_be_said_with_nothing_installed() {
    let data = tempfile::tempdir().expect("a folder can be made");
    let chain = vec![Engine::Recorded(shipped("prompts")), Engine::Embedded];
    let store = PromptStore::open(data.path(), chain).expect("the prompts are there");
    for plan in [
        "dialplans",
        "dialplans/demo",
        "dialplans/cookbook/one-city.yaml",
        "dialplans/cookbook/branches.yaml",
        "dialplans/cookbook/everyone.yaml",
    ] {
        let plan = plan_files::load(&shipped(plan), Severity::Warning)
            .plan
            .expect("it compiles");
        let phrases: Vec<_> = plan.phrases().into_iter().collect();
        assert!(phrases.len() > 3);
        let (prompts, problems) = store.render_all(&phrases, &[], |_, _| {});
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(prompts.len(), phrases.len());
    }
}

#[test]
fn the_socket_unit_opens_what_the_example_settings_listen_at() {
    let unit = fs::read_to_string(shipped("deploy/strowger.socket")).expect("it is there");
    let (settings, _) = Settings::read(&shipped("deploy/strowger.yaml"), Severity::Warning);
    let settings = settings.expect("the example settings are accepted");
    let mut opened: Vec<_> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Listen"))
        .map(str::to_owned)
        .collect();
    let mut listened: Vec<_> = settings
        .sip
        .listen
        .iter()
        .map(|one| match one.transport {
            Transport::Udp => format!("Datagram={}", one.address),
            Transport::Tcp | Transport::Tls => format!("Stream={}", one.address),
        })
        .chain([format!("Stream={}", settings.http)])
        .collect();
    opened.sort();
    listened.sort();
    assert_eq!(opened, listened);
}
