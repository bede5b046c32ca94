//! `strowger check`: every problem of a dialplan, and of the server settings, at once.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::Format;
use crate::dialplan::diagnose::{Problem, Severity};
use crate::dialplan::plan::Dialplan;
use crate::server::plan_files;
use crate::server::settings::Settings;

/// List every problem of a dialplan, and of the server settings, with file, line and column.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger check
  strowger check dialplans/demo
  strowger check plan.yaml --format json
  strowger check --config strowger.yaml

Exits with 0 when everything loads, warnings included, and with 1 when it does not.")]
pub struct Args {
    /// A dialplan: one file, or a folder whose *.yaml are merged [default: the one that the
    /// settings name, else dialplans]
    #[arg(value_name = "DIR|FILE")]
    plan: Option<PathBuf>,
    /// The server settings, to be checked as well: their keys, and whether this machine has the
    /// ports and folders
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to list the problems
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let (settings, mut problems) = match &args.config {
        Some(path) => settings(path),
        None => (None, Vec::new()),
    };
    let named = settings.map(|settings| settings.dialplans);
    let path = args.plan.clone().or(named);
    let path = path.unwrap_or_else(|| PathBuf::from("dialplans"));
    let compiled = plan_files::load(&path, Severity::Warning);
    problems.extend(compiled.problems);
    let report = match args.format {
        Format::Text => text(&path, &problems, compiled.plan.as_ref()),
        Format::Json => json(&problems),
    };
    // A reader that went away, as `head` does, is no failure of the plan.
    let _ = io::stdout().lock().write_all(report.as_bytes());
    let errors = count(&problems, Severity::Error);
    if errors == 0 {
        return ExitCode::SUCCESS;
    }
    if args.format == Format::Text {
        let counted = counted(errors, "error");
        let _ = writeln!(io::stderr(), "correct {counted} and check again");
    }
    ExitCode::FAILURE
}

/// The settings, and what is wrong with them or keeps this machine from running them.
fn settings(path: &Path) -> (Option<Settings>, Vec<Problem>) {
    let (settings, mut problems) = Settings::read(path, Severity::Warning);
    let name = path.display().to_string();
    let surroundings = settings.iter().flat_map(Settings::check);
    problems.extend(surroundings.map(|message| Problem::of_file(&name, message)));
    (settings, problems)
}

fn count(problems: &[Problem], severity: Severity) -> usize {
    let same = |problem: &&Problem| problem.severity == severity;
    problems.iter().filter(same).count()
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn text(path: &Path, problems: &[Problem], plan: Option<&Dialplan>) -> String {
    let mut report = String::new();
    for problem in problems {
        report.push_str(&format!("{problem}\n"));
    }
    if let Some(plan) = plan {
        let parts = [
            (plan.numbers.len(), "number"),
            (plan.queues.len(), "queue"),
            (plan.operators.len(), "operator"),
            (plan.tests.len(), "test"),
            (count(problems, Severity::Warning), "warning"),
        ];
        let parts = parts.map(|(count, noun)| counted(count, noun)).join(", ");
        report.push_str(&format!("{} loads: {parts}\n", path.display()));
    }
    report
}

fn json(problems: &[Problem]) -> String {
    format!("{}\n", serde_json::json!({ "problems": problems }))
}
