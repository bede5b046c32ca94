//! `strowger check`: every problem of a dialplan at once.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::Format;
use crate::dialplan::diagnose::{Problem, Severity};
use crate::dialplan::plan::Dialplan;
use crate::server::plan_files;

/// List every problem of a dialplan, with file, line and column.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger check
  strowger check dialplans/demo
  strowger check plan.yaml --format json

Exits with 0 when the plan loads, warnings included, and with 1 when it does not.")]
pub struct Args {
    /// A dialplan: one file, or a folder whose *.yaml are merged
    #[arg(value_name = "DIR|FILE", default_value = "dialplans")]
    plan: PathBuf,
    /// How to list the problems
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let compiled = plan_files::load(&args.plan, Severity::Warning);
    let report = match args.format {
        Format::Text => text(&args.plan, &compiled.problems, compiled.plan.as_ref()),
        Format::Json => json(&compiled.problems),
    };
    let errors = count(&compiled.problems, Severity::Error);
    // A reader that went away, as `head` does, is no failure of the plan.
    let _ = io::stdout().lock().write_all(report.as_bytes());
    if errors == 0 {
        return ExitCode::SUCCESS;
    }
    if args.format == Format::Text {
        let path = args.plan.display();
        let counted = counted(errors, "error");
        let _ = writeln!(io::stderr(), "{path} does not load: correct {counted}");
    }
    ExitCode::FAILURE
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
