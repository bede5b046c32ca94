//! `strowger check`: every problem of a dialplan, and of the server settings, at once.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::Format;
use crate::dialplan::diagnose::{Problem, Severity};
use crate::dialplan::plan::Dialplan;
use crate::server::clock::Clock;
use crate::server::plan_files;
use crate::server::settings::Settings;
use crate::server::transport::certificate::Validity;

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
    let dates = settings.as_ref().and_then(certificate);
    problems.extend(dates.iter().filter_map(|dates| dates.warning(args)));
    let named = settings.map(|settings| settings.dialplans);
    // That the settings name a plan which is not there has been said with them.
    let missing = args.plan.is_none() && named.as_ref().is_some_and(|path| !path.exists());
    let path = args.plan.clone().or(named);
    let path = path.unwrap_or_else(|| PathBuf::from("dialplans"));
    let mut plan = None;
    if !missing {
        let compiled = plan_files::load(&path, Severity::Warning);
        problems.extend(compiled.problems);
        plan = compiled.plan;
    }
    let report = match args.format {
        Format::Text => {
            let plan = text(&path, &problems, plan.as_ref());
            let dates = dates.map_or_else(String::new, |dates| dates.line());
            format!("{plan}{dates}")
        }
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
    let now = Clock::start().now().wall;
    let surroundings = settings.iter().flat_map(|settings| settings.check(now));
    problems.extend(surroundings.map(|message| Problem::of_file(&name, message)));
    (settings, problems)
}

/// When the certificate that the server would show is good.
struct Dates {
    file: PathBuf,
    validity: Validity,
    days: i64,
}

/// A certificate that ends sooner is a warning.
const RENEW_DAYS: i64 = 14;

/// None when there is no certificate or it cannot be used, which has been said.
fn certificate(settings: &Settings) -> Option<Dates> {
    let now = Clock::start().now().wall;
    let validity = settings.certificate(now)?.ok()?;
    Some(Dates {
        file: settings.sip.tls.shown.as_ref()?.certificate.clone(),
        validity,
        days: (validity.until.as_secs() - now.as_secs()) / 86_400,
    })
}

impl Dates {
    fn line(&self) -> String {
        let (file, validity) = (self.file.display(), self.validity);
        let days = counted(usize::try_from(self.days).unwrap_or(0), "day");
        format!("the certificate in {file} is {validity}, {days} from now\n")
    }

    fn warning(&self, args: &Args) -> Option<Problem> {
        let file = args.config.as_ref()?.display().to_string();
        let days = counted(usize::try_from(self.days).unwrap_or(0), "day");
        let message = format!(
            "the certificate in {} ends in {days}; renew it",
            self.file.display()
        );
        (self.days < RENEW_DAYS).then(|| Problem {
            severity: Severity::Warning,
            ..Problem::of_file(&file, message)
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::settings::CertificateFiles;
    use crate::time::Duration;

    fn checked(plan: &str, format: Format) -> (ExitCode, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.yaml");
        std::fs::write(&path, plan).unwrap();
        let compiled = plan_files::load(&path, Severity::Warning);
        let report = match format {
            Format::Text => text(&path, &compiled.problems, compiled.plan.as_ref()),
            Format::Json => json(&compiled.problems),
        };
        let args = Args {
            plan: Some(path),
            config: None,
            format,
        };
        (run(&args), report)
    }

    #[test]
    fn programs_get_the_fields_of_the_contract() {
        let (code, report) = checked("version: 1\nqueus: {}\n", Format::Json);
        assert_eq!(code, ExitCode::FAILURE);
        let report = serde_json::from_str::<serde_json::Value>(&report).unwrap();
        let problem = &report["problems"][0];
        assert_eq!(
            (&problem["line"], &problem["column"]),
            (&2.into(), &1.into())
        );
        assert_eq!(problem["severity"], "error");
        assert_eq!(problem["suggestion"], "queues");
        assert!(problem["file"].as_str().unwrap().ends_with("plan.yaml"));
        assert!(problem["message"].as_str().unwrap().contains("queus"));
    }

    #[test]
    fn the_dates_of_the_certificate_are_told_and_a_near_end_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let now = Clock::start().now().wall;
        let told = |days: u64| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
            let end = rcgen::date_time_ymd(1970, 1, 1)
                + Duration::from_millis(now.as_millis().unsigned_abs())
                + Duration::from_secs(days * 86_400 + 3_600);
            params.not_after = end;
            let signed = params.self_signed(&key).unwrap();
            let files = CertificateFiles {
                certificate: folder.path().join("cert.pem"),
                key: folder.path().join("key.pem"),
            };
            std::fs::write(&files.certificate, signed.pem()).unwrap();
            std::fs::write(&files.key, key.serialize_pem()).unwrap();
            let mut settings = Settings::default();
            settings.sip.tls.shown = Some(files);
            let dates = certificate(&settings).unwrap();
            let args = Args {
                plan: None,
                config: Some(PathBuf::from("strowger.yaml")),
                format: Format::Text,
            };
            (dates.line(), dates.warning(&args).map(|it| it.message))
        };
        let (line, warning) = told(40);
        assert!(line.ends_with(", 40 days from now\n"), "{line}");
        assert_eq!(warning, None);
        let (_, warning) = told(1);
        assert!(warning.unwrap().ends_with("ends in 1 day; renew it"));
    }

    #[test]
    fn a_plan_with_warnings_loads() {
        let plan = "operators: { olena: { password: \"${env:NO_SUCH_VARIABLE}\" } }\n";
        let (code, report) = checked(plan, Format::Text);
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(
            report.contains("warning: the environment has no"),
            "{report}"
        );
        assert!(
            report.ends_with("1 operator, 0 tests, 2 warnings\n"),
            "{report}"
        );
    }
}
