//! `strowger test`: the tests a dialplan brings along, on the real engine in virtual time.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::Format;
use crate::dialplan::diagnose::{Problem, Severity};
use crate::dialplan::plan::Dialplan;
use crate::dialplan::schema::PlanTest;
use crate::server::plan_files;
use crate::sim::rehearsal::{Rehearsed, rehearse};

/// Run the tests of a dialplan on the real engine in virtual time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger test
  strowger test dialplans/demo
  strowger test plan.yaml --format json

Exits with 0 when every test passes, and with 1 when one fails or the dialplan does not load.")]
pub struct Args {
    /// A dialplan: one file, or a folder whose *.yaml are merged
    #[arg(value_name = "DIR|FILE", default_value = "dialplans")]
    plan: PathBuf,
    /// How to report
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let compiled = plan_files::load(&args.plan, Severity::Warning);
    let results = compiled.plan.as_ref().map(rehearse_all);
    let report = match (args.format, &results) {
        (Format::Text, Some(results)) => text(&args.plan, results),
        (Format::Text, None) => String::new(),
        (Format::Json, results) => json(results.as_deref(), &compiled.problems),
    };
    // A reader that went away, as `head` does, changes nothing about the tests.
    let _ = io::stdout().lock().write_all(report.as_bytes());
    let mut errors = io::stderr().lock();
    for problem in &compiled.problems {
        let _ = writeln!(errors, "{problem}");
    }
    let Some(results) = results else {
        let path = args.plan.display();
        let _ = writeln!(errors, "{path} does not load; correct it and test again");
        return ExitCode::FAILURE;
    };
    if results.iter().all(|(_, rehearsed)| rehearsed.ok) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn rehearse_all(plan: &Dialplan) -> Vec<(PlanTest, Rehearsed)> {
    let tests = plan.tests.iter();
    tests
        .map(|test| (test.clone(), rehearse(plan, test)))
        .collect()
}

fn text(path: &Path, results: &[(PlanTest, Rehearsed)]) -> String {
    let mut report = String::new();
    for (test, rehearsed) in results {
        let place = format!("{}:{}", test.position.file, test.position.line);
        let word = if rehearsed.ok { "ok    " } else { "FAILED" };
        report.push_str(&format!("{word} {} ({place})\n", test.name));
        for (key, expected) in &rehearsed.expected {
            let got = rehearsed.got.get(key).unwrap_or(&Value::Null);
            if got != expected {
                let (expected, got) = (shown(expected), shown(got));
                report.push_str(&format!("         {key}: expected {expected}, got {got}\n"));
            }
        }
    }
    let (passed, failed) = count(results);
    let path = path.display();
    report.push_str(&format!("{path}: {passed} passed, {failed} failed\n"));
    report
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().map(shown).collect::<Vec<_>>();
            format!("[{}]", items.join(", "))
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn count(results: &[(PlanTest, Rehearsed)]) -> (usize, usize) {
    let passed = results.iter().filter(|(_, rehearsed)| rehearsed.ok).count();
    (passed, results.len() - passed)
}

fn json(results: Option<&[(PlanTest, Rehearsed)]>, problems: &[Problem]) -> String {
    let loaded = results.is_some();
    let results = results.unwrap_or_default();
    let (passed, failed) = count(results);
    let tests = results.iter().map(|(test, rehearsed)| {
        json!({
            "name": test.name,
            "file": &*test.position.file,
            "line": test.position.line,
            "ok": rehearsed.ok,
            "expected": rehearsed.expected,
            "got": rehearsed.got,
        })
    });
    let tests = tests.collect::<Vec<_>>();
    let mut report = json!({ "passed": passed, "failed": failed, "tests": tests });
    if let (false, Some(report)) = (loaded, report.as_object_mut()) {
        report.insert("problems".to_owned(), json!(problems));
    }
    format!("{report}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(expect: &str) -> Vec<(PlanTest, Rehearsed)> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialplans/clinic.yaml");
        let shipped = std::fs::read_to_string(path).unwrap();
        let (plan, _) = shipped.split_once("\ntests:").unwrap();
        let test = "name: it, call: { from: 067 111 22 33, to: 0800 301 231 }";
        let text = format!("{plan}\ntests:\n  - {{ {test}, expect: {{ {expect} }} }}\n");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.yaml");
        std::fs::write(&path, text).unwrap();
        let compiled = plan_files::load(&path, Severity::Warning);
        rehearse_all(&compiled.plan.unwrap())
    }

    #[test]
    fn a_passed_test_is_one_line_and_a_failed_one_says_what_differs() {
        let path = Path::new("plan.yaml");
        let passed = text(path, &results("queue: odesa"));
        assert!(passed.starts_with("ok     it ("), "{passed}");
        assert!(passed.ends_with("plan.yaml: 1 passed, 0 failed\n"));
        let failed = text(path, &results("queue: odesa, path: [queue.all]"));
        assert!(failed.starts_with("FAILED it ("), "{failed}");
        assert!(failed.contains("path: expected [queue.all], got [queue.odesa]\n"));
        assert!(!failed.contains("queue: expected"));
    }

    #[test]
    fn the_json_says_the_same_to_programs() {
        let report = json(Some(&results("queue: all")), &[]);
        let report = serde_json::from_str::<Value>(&report).unwrap();
        assert_eq!(report["passed"], 0);
        assert_eq!(report["failed"], 1);
        let test = &report["tests"][0];
        assert_eq!(test["name"], "it");
        assert_eq!(test["ok"], false);
        assert_eq!(test["expected"], json!({ "queue": "all" }));
        assert_eq!(test["got"], json!({ "queue": "odesa" }));
        assert!(test["line"].is_u64());
    }
}
