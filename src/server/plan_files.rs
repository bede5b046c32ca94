//! The files of a dialplan: one file, or the `*.yaml` of a folder, and the secrets they refer to.
//!
//! Not a watcher, and it does not look into subfolders: those are plans of their own.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::dialplan::compile::{Compiled, Options, Source, compile};
use crate::dialplan::diagnose::{Problem, Severity};
use crate::limits;
use crate::server::surroundings::Surroundings;

/// Reads and compiles the plan at `path`. Problems of the files themselves are listed first.
#[must_use]
pub fn load(path: &Path, unset: Severity) -> Compiled {
    let mut problems = Vec::new();
    let mut texts = Vec::new();
    for file in names(path, &mut problems) {
        let name = file.display().to_string();
        match read_text(&file) {
            Ok(text) => texts.push((name, text)),
            Err(message) => problems.push(Problem::of_file(&name, message)),
        }
    }
    let refused = problems
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    if refused && texts.is_empty() {
        return Compiled {
            plan: None,
            problems,
        };
    }
    let sources = texts
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect::<Vec<_>>();
    let options = Options {
        unset,
        whole: !refused,
    };
    let compiled = compile(&sources, &Surroundings::of(path), options);
    problems.extend(compiled.problems);
    Compiled {
        plan: compiled.plan.filter(|_| !refused),
        problems,
    }
}

/// The files of a plan, by name.
fn names(path: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let shown = path.display().to_string();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("the dialplan cannot be read: {error}");
            problems.push(Problem::of_file(&shown, message));
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for file in entries.flatten().map(|entry| entry.path()) {
        let hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
        if file.file_name().is_some_and(hidden) || !file.is_file() {
            continue;
        }
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("yaml") => names.push(file),
            Some("yml") => {
                let message = "this file is not read; name it .yaml".to_owned();
                let name = file.display().to_string();
                let problem = Problem::of_file(&name, message);
                problems.push(Problem {
                    severity: Severity::Warning,
                    ..problem
                });
            }
            _ => {}
        }
    }
    if names.is_empty() {
        let message = "the folder has no dialplan: no file in it ends in .yaml".to_owned();
        problems.push(Problem::of_file(&shown, message));
    }
    names.sort();
    names
}

/// The text of a file, or why there is none, as a message.
fn read_text(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("the file cannot be read: {error}");
    let limit = limits::DIALPLAN_FILE_BYTES;
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let longest = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bounded = file.take(longest);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > limit {
        return Err(format!("the file is longer than {limit} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let lines = error.as_bytes().iter().take(valid);
        let line = lines.filter(|byte| **byte == b'\n').count() + 1;
        format!("the file is no UTF-8 text from line {line} on; save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "operators: { olena: { password: \"${file:olena.txt}\" } }\n";

    fn messages(path: &Path) -> Vec<String> {
        let compiled = load(path, Severity::Warning);
        let problems = compiled.problems.iter();
        problems.map(|problem| problem.message.clone()).collect()
    }

    #[test]
    fn a_folder_is_merged_and_its_secrets_are_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.yaml"), PLAN).unwrap();
        fs::write(
            folder.path().join("a.yaml"),
            "queues: { all: { operators: [olena] } }",
        )
        .unwrap();
        fs::write(folder.path().join("olena.txt"), "Лимон\r\n").unwrap();
        fs::create_dir(folder.path().join("demo")).unwrap();
        fs::write(folder.path().join("demo/c.yaml"), "nonsense").unwrap();
        let plan = load(folder.path(), Severity::Error).plan.unwrap();
        let olena = plan.operators.values().next().unwrap();
        assert_eq!(olena.password.as_ref().unwrap().reveal(), "Лимон");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(messages(folder.path())[0].contains("no file in it ends in .yaml"));
        assert!(messages(&folder.path().join("none"))[0].contains("cannot be read"));
        fs::write(folder.path().join("a.yaml"), b"version: 1\nname: \xff\n").unwrap();
        assert!(messages(folder.path())[0].contains("no UTF-8 text from line 2"));
        fs::write(folder.path().join("b.yml"), "").unwrap();
        assert!(messages(folder.path()).concat().contains("name it .yaml"));
    }
}
