//! A disk that fails on order, for a server that is started with its environment: `failing.c`,
//! compiled by `cc` when it is first needed.
//!
//! ```text
//! let faulty = Failing::under(folder);                     // only files below that folder are touched
//! let mut rig = Rig::with(plan, "", &faulty.environment());
//! faulty.set(&["write strowger.db fail 3 5 1"]);           // the third write there from now: EIO, once
//! faulty.set(&["write * budget 1000000", "sync .wav delay 200"]);
//! faulty.hits("write");                                     // how often something happened
//! faulty.clear();
//! ```
//!
//! The words of a rule are told in `failing.c`.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, process};

/// The library's source.
const SOURCE: &str = include_str!("failing.c");

/// Rules, and what became of them.
pub struct Failing {
    under: PathBuf,
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl Failing {
    /// Rules for the files below `under`.
    pub fn under(under: &Path) -> Self {
        Self {
            under: under.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            library: library("failing", SOURCE),
        }
    }

    /// What a process is started with, so that the rules hold for it.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAILING_UNDER", self.under.clone().into()),
            ("FAILING_RULES", self.rules().into()),
            ("FAILING_LOG", self.log().into()),
        ]
    }

    /// From the next call on these rules hold, and count from nothing.
    pub fn set(&self, rules: &[&str]) {
        let new = self.folder.path().join("new");
        fs::write(&new, rules.join("\n") + "\n").unwrap();
        fs::rename(new, self.rules()).unwrap();
    }

    /// Nothing fails any more.
    pub fn clear(&self) {
        self.set(&[]);
    }

    /// The lines of the log about one kind of call: `write 3 failed PATH`.
    pub fn hits(&self, op: &str) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines()
            .filter(|line| line.split(' ').next() == Some(op))
            .map(str::to_owned)
            .collect()
    }

    fn rules(&self) -> PathBuf {
        self.folder.path().join("rules")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

/// The compiled library `tests/faults/NAME.c`; made once for each text of its source.
pub fn library(name: &str, text: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let library = folder.join(format!("{name}-{:016x}.so", hasher.finish()));
    if !library.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/faults/{name}.c"));
        let mine = folder.join(format!("{name}-{}.so", process::id()));
        let words = ["-O2", "-Wall", "-shared", "-fPIC", "-pthread", "-o"];
        let compiled = Command::new("cc")
            .args(words)
            .arg(&mine)
            .arg(source)
            .arg("-ldl")
            .status()
            .expect("the C compiler `cc` is needed");
        assert!(compiled.success(), "{name}.c does not compile");
        fs::rename(mine, &library).unwrap();
    }
    library
}
