//! The laws of `src/lib.rs` and `STYLE.md`, checked on the sources as text. Each failure names the
//! file, the line and the law. What the compiler and clippy see is left to them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a checker that panics has failed, and says where"
)]

mod files;
mod layers;
mod purity;
mod snippets;
mod source;
mod tables;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use source::Source;

/// Each test binary links the whole world, so their number is bounded; group tests instead.
const TEST_BINARIES: usize = 8;

/// A law that a file breaks.
pub struct Broken {
    place: String,
    law: String,
}

impl Broken {
    /// At a line of a source.
    fn new(source: &Source, line: usize, law: impl Into<String>) -> Self {
        Self {
            place: format!("{}:{line}", source.path),
            law: law.into(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.law)
    }
}

/// Every law over one file.
fn check(source: &Source) -> Vec<Broken> {
    let mut found = files::check(source);
    if source.path.starts_with("src/") && !files::is_test_file(&source.path) {
        found.extend(layers::check(source));
        if purity::applies(source) {
            found.extend(purity::check(source));
        }
    }
    found
}

/// Every `.rs` file below `dir`; a folder with its own `Cargo.toml` is another package.
fn rust_files(root: &Path, dir: &str, found: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(root.join(dir))
        .unwrap_or_else(|error| panic!("{dir} cannot be read: {error}"))
        .map(|entry| entry.expect("a folder entry can be read"))
        .collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{dir}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            if !entry.path().join("Cargo.toml").exists() {
                rust_files(root, &name, found);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).expect("a source is UTF-8");
            found.push(Source::new(&name, &text));
        }
    }
}

#[test]
fn the_sources_keep_the_laws() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for dir in ["src", "tests", "benches"] {
        if root.join(dir).is_dir() {
            rust_files(root, dir, &mut sources);
        }
    }
    assert!(sources.len() > 50, "the sources were not found");
    let broken: Vec<String> = sources
        .iter()
        .flat_map(check)
        .map(|broken| broken.to_string())
        .collect();
    assert!(
        broken.is_empty(),
        "{} broken laws:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

/// The text of every `.rs` file below `dir`.
fn texts(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("a folder can be read") {
        let path = entry.expect("a folder entry can be read").path();
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(fs::read_to_string(&path).expect("a source is UTF-8"));
        }
    }
}

#[test]
fn the_tables_of_the_documents_name_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for dir in ["src", "tests"] {
        texts(&root.join(dir), &mut sources);
    }
    let known: BTreeSet<_> = sources
        .iter()
        .flat_map(|text| tables::tests_in(text))
        .collect();
    let path = "docs/sip.md";
    let text = fs::read_to_string(root.join(path)).expect("docs/sip.md is there");
    let broken = tables::check(path, &text, &known);
    let broken: Vec<_> = broken.iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn test_binaries_are_few() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let binaries = fs::read_dir(&root)
        .expect("tests/ can be read")
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_some_and(|end| end == "rs")
                || path.join("main.rs").exists() && !path.join("Cargo.toml").exists()
        })
        .count();
    assert!(
        binaries <= TEST_BINARIES,
        "{binaries} test binaries, {TEST_BINARIES} at most: group them"
    );
}
