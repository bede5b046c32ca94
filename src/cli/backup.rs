//! `strowger backup`: a copy of a data folder that can be restored, taken while the server works.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli::data::DataArgs;
use crate::cli::progress;
use crate::server::backup::Sum;
use crate::server::backup::taking::take;
use crate::server::clock::Clock;

/// Copy a data folder, its database and its recordings, while the server works in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger backup --config /etc/strowger/strowger.yaml /backup/2026-11-22
  strowger backup --data /var/lib/strowger /var/lib/strowger/backup

The copy is of one moment: calls that are up then get their end when the server starts on what was
restored. Recordings that are finished are linked where TO is on the same file system, which takes no
space but is no second copy; elsewhere they are copied. Prompts and the SIP trace are not in it.")]
pub struct Args {
    /// Where to: a folder that is empty or not there yet
    #[arg(value_name = "TO")]
    to: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match taken(args) {
        Ok(sum) => {
            let Sum {
                files,
                bytes,
                missing,
            } = sum;
            let line = format!("{files} files, {bytes} bytes in {}\n", args.to.display());
            // A reader that went away is no failure.
            let _ = io::stdout().lock().write_all(line.as_bytes());
            if missing > 0 {
                eprintln!("strowger: {missing} recordings had no file in the data folder");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("strowger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn taken(args: &Args) -> Result<Sum> {
    let data = args.data.open()?;
    let now = Clock::start().now().wall;
    take(data.folder(), &args.to, now, progress::files("recordings"))
}
