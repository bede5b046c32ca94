//! `strowger check-data`: reads a data folder and prints each promise that is broken in it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::Format;
use crate::cli::progress;
use crate::server::promises::{Findings, check};

/// Read a data folder and print each broken promise.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger check-data /var/lib/strowger
  strowger check-data /var/lib/strowger --format json

Nothing is changed, and a server may work in the folder meanwhile. Each line names the call and the
promise: one end for each call, offered = answered + missed + blocked + test, a callback for whoever was
missed, a sequence of events without a gap, a file for each recording. The exit code is 0 when all of
them hold. The sound itself is compared by `strowger recordings verify`.")]
pub struct Args {
    /// The data folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// text: a line for each broken promise; json: one document
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let findings = match check(&args.folder, progress::steps("check-data")) {
        Ok(findings) => findings,
        Err(error) => {
            eprintln!("strowger: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let text = match args.format {
        Format::Text => told(&findings),
        Format::Json => format!("{}\n", document(&findings)),
    };
    // A reader that went away, as `head` does, has seen enough.
    let _gone = io::stdout().lock().write_all(text.as_bytes());
    if findings.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A line for each broken promise, then what was looked at. What came from outside is escaped.
fn told(findings: &Findings) -> String {
    let mut text = String::new();
    for broken in &findings.broken {
        let subject = broken.subject.as_deref().unwrap_or("-").escape_debug();
        let what = broken.what.escape_debug();
        text += &format!("{subject} {}: {what}\n", broken.rule);
    }
    if findings.more > 0 {
        text += &format!("… and {} more\n", findings.more);
    }
    let checked = &findings.checked;
    let verdict = match findings.count() {
        0 => "every promise holds".to_owned(),
        1 => "1 promise is broken".to_owned(),
        count => format!("{count} promises are broken"),
    };
    text + &format!(
        "{} events, {} calls, {} callbacks, {} recordings: {verdict}\n",
        checked.events, checked.calls, checked.callbacks, checked.recordings
    )
}

fn document(findings: &Findings) -> serde_json::Value {
    json!({
        "ok": findings.is_whole(),
        "broken": findings.broken,
        "more": findings.more,
        "checked": findings.checked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::promises::Broken;

    #[test]
    fn a_broken_promise_is_one_line_whatever_is_in_it() {
        let broken = Broken {
            rule: "one-end",
            subject: Some("01JAV3K8Z5W9Q4D6F7G8H9J0KM".to_owned()),
            what: "it has\n\u{1b}[2J2 ends".to_owned(),
        };
        let findings = Findings {
            broken: vec![broken],
            ..Findings::default()
        };
        assert_eq!(
            told(&findings),
            "01JAV3K8Z5W9Q4D6F7G8H9J0KM one-end: it has\\n\\u{1b}[2J2 ends\n\
             0 events, 0 calls, 0 callbacks, 0 recordings: 1 promise is broken\n"
        );
        let document = document(&findings);
        assert_eq!(document["ok"], false);
        assert_eq!(document["broken"][0]["rule"], "one-end");
    }
}
