//! `strowger trace`: the SIP of one call, as a ladder to read or a capture for the carrier's engineer.
//!
//! Reads the files of the trace and nothing else: it works while the server runs, and after it died.

mod chart;
mod pcap;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::data::DataArgs;
use crate::cli::progress;
use crate::id::CallId;
use crate::server::trace::FOLDER;
use crate::server::trace::read::{Story, story};

/// Show the SIP of one call as a ladder, or as a capture that Wireshark reads.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger trace 01JAV3K8Z5W9Q4D6F7G8H9J0KM --config /etc/strowger/strowger.yaml
  strowger trace 01JAV3K8Z5W9Q4D6F7G8H9J0KM --data /var/lib/strowger --format pcap > call.pcap

CALL is the call's id as events, recordings and the log name it. Messages are kept as long as the
settings say under `trace`, 24 hours by default. Passwords' digests and SRTP keys are not in them;
phone numbers are: in full in a capture, masked in a ladder unless --full is given.")]
pub struct Args {
    /// The call's id
    #[arg(value_name = "CALL")]
    call: String,
    /// text: a ladder; pcap: a capture, to a file or a pipe
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Phone numbers in full in the ladder
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// What the call is written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For tools.
    Pcap,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match written(args) {
        Ok(bytes) => {
            // A reader that went away, as `head` does, is no failure.
            let _ = io::stdout().lock().write_all(&bytes);
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("strowger: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn written(args: &Args) -> Result<Vec<u8>, String> {
    let call: CallId = args
        .call
        .parse()
        .map_err(|bad| format!("`{}` is no call: {bad}", args.call.escape_debug()))?;
    if args.format == Format::Pcap && io::stdout().is_terminal() {
        return Err(format!(
            "a capture is no text; write it to a file: strowger trace {call} --format pcap > call.pcap"
        ));
    }
    let data = args.data.open().map_err(|error| error.to_string())?;
    let found = found(&data.folder().join(FOLDER), call)?;
    Ok(match args.format {
        Format::Text => chart::ladder(call, &found, args.full).into_bytes(),
        Format::Pcap => pcap::capture(&found.messages),
    })
}

fn found(folder: &Path, call: CallId) -> Result<Story, String> {
    let shown = folder.display();
    let found = story(folder, call, progress::files("trace")).map_err(|error| {
        format!("cannot read the trace in {shown} ({error}); name the server's data folder with --data, or its settings with --config")
    })?;
    if found.messages.is_empty() {
        return Err(format!(
            "no SIP of the call {call} is in {shown}: it is older than what `trace` keeps, or its id is of another server"
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_not_there_is_one_sentence_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let args = |call: &str, data: &Path| Args {
            call: call.to_owned(),
            format: Format::Text,
            full: false,
            data: DataArgs {
                config: None,
                data: Some(data.to_owned()),
            },
        };
        let id = "01JAV3K8Z5W9Q4D6F7G8H9J0KM";
        let none = written(&args(id, folder.path())).unwrap_err();
        assert!(none.contains("name the server's data folder"), "{none}");
        std::fs::create_dir(folder.path().join(FOLDER)).unwrap();
        let unknown = written(&args(id, folder.path())).unwrap_err();
        assert!(
            unknown.starts_with(&format!("no SIP of the call {id}")),
            "{unknown}"
        );
        let odd = written(&args("виклик", folder.path())).unwrap_err();
        assert!(odd.contains("26 characters"), "{odd}");
        assert_eq!(run(&args(id, folder.path())), ExitCode::FAILURE);
    }
}
