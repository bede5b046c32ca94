//! Plans that must load and plans that must not, with every word of what is said about them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic that it failed"
)]

mod bad;
mod decisions;
mod mutation;
mod reference;
mod shipped;

#[path = "../fuzz/bodies/dialplan.rs"]
mod fuzz_dialplan;
#[path = "../fuzz/bodies/whisper.rs"]
mod fuzz_whisper;

use std::fs;
use std::path::{Path, PathBuf};

use strowger::dialplan::compile::{Compiled, Options, Source, compile};
use strowger::dialplan::diagnose::Severity;
use strowger::dialplan::secrets::{NoList, Secrets};

/// One variable and one file; everything else is unset.
struct Shelf;

impl Secrets for Shelf {
    fn env(&self, name: &str) -> Option<String> {
        (name == "SET").then(|| "лимон".to_owned())
    }

    fn file(&self, path: &str) -> Option<String> {
        (path == "keys/olena").then(|| "апельсин\n".to_owned())
    }

    fn list(&self, path: &str) -> Result<String, NoList> {
        match path {
            "lists/spam.txt" => {
                Ok("# скарги\n044 111 22 33   # двічі\n\n+7 861 200-30-40\n".to_owned())
            }
            "lists/wrong.txt" => Ok("лист\n".repeat(25) + "+380441112233\n"),
            "lists/long.txt" => Err(NoList::TooLong),
            _ => Err(NoList::Unreadable),
        }
    }
}

fn compiled(files: &[(&str, &str)], unset: Severity) -> Compiled {
    let sources = files.iter().map(|&(name, text)| Source { name, text });
    let options = Options { unset, whole: true };
    compile(&sources.collect::<Vec<_>>(), &Shelf, options)
}

/// Everything said of a plan, as `strowger check` prints it.
fn said(files: &[(&str, &str)]) -> String {
    let compiled = compiled(files, Severity::Warning);
    let lines = compiled
        .problems
        .iter()
        .map(|problem| format!("{problem}\n"));
    lines.collect()
}

/// The plans of a folder, by name.
fn plans(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut plans = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .collect::<Vec<_>>();
    plans.sort();
    assert!(!plans.is_empty(), "no plans in {}", folder.display());
    plans
}
