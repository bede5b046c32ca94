//! sipp as a carrier: calls with a tone, each hung up by the caller.

use std::fs;
use std::process::{Command, Stdio};

use crate::rig::{CALLER, Rig};
use crate::sound;

/// What sipp reported.
pub struct Report {
    pub exit: Option<i32>,
    pub screen: String,
}

/// Places `calls` calls, `at_once` of them at the same time, and waits until all are over.
pub fn call(rig: &Rig, calls: u32, at_once: u32) -> Report {
    let folder = rig.folder.path();
    let tone = folder.join("caller.alaw");
    if !tone.exists() {
        fs::write(&tone, sound::alaw_tone(CALLER, 60.0)).unwrap();
        let scenario =
            include_str!("sipp/carrier.xml").replace("TONE", &tone.display().to_string());
        fs::write(folder.join("carrier.xml"), scenario).unwrap();
    }
    let screen = folder.join("sipp.log");
    let exit = Command::new("sipp")
        .arg("-sf")
        .arg(folder.join("carrier.xml"))
        .args(["-i", "127.0.0.1", "-p", &rig.carrier.port().to_string()])
        .args(["-m", &calls.to_string(), "-l", &at_once.to_string()])
        .args(["-r", "4", "-nostdin", "-timeout", "180s", "-timeout_error"])
        .arg(rig.sip.to_string())
        .stdout(fs::File::create(&screen).unwrap())
        .stderr(Stdio::inherit())
        .status()
        .expect("sipp is missing: run ./test, or install Debian's package sip-tester");
    Report {
        exit: exit.code(),
        screen: fs::read_to_string(screen).unwrap_or_default(),
    }
}
