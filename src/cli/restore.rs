//! `strowger restore`: a data folder out of a backup.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::progress;
use crate::server::backup::restoring::restore;

/// Make a data folder of a backup, after every file was found to be what it was.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  strowger restore /backup/2026-11-22 /var/lib/strowger

DIR is empty or not there yet. Give it to the user the server runs as, then start the server: it ends
the calls that were up when the backup was taken, and completes their recordings. Sinks go on from
where they were then, so they get later events again if the database had delivered them.")]
pub struct Args {
    /// The backup
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The data folder to make
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Leave out damaged recordings instead of giving up
    #[arg(long)]
    lenient: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let progress = progress::files("backup");
    match restore(&args.from, &args.data, args.lenient, progress) {
        Ok((sum, damaged)) => {
            for one in &damaged {
                eprintln!("strowger: left out: {one}");
            }
            let (files, bytes) = (sum.files, sum.bytes);
            let line = format!("{files} files, {bytes} bytes in {}\n", args.data.display());
            // A reader that went away is no failure.
            let _ = io::stdout().lock().write_all(line.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("strowger: {error:#}");
            ExitCode::FAILURE
        }
    }
}
