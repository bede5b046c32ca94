//! `strowger demo`: the main job from end to end, with nothing to install.
//!
//! The real server on loopback, and around it a carrier and softphones made of the project's own
//! parts, which speak real SIP and RTP to it over real sockets. Nothing here reaches into the server:
//! what is told comes from the file of events, what is checked from the disk and from `/metrics`.

mod carrier;
mod ears;
mod ending;
mod handset;
mod line;
mod page;
mod phone;
mod play;
mod recordings;
mod report;
mod script;
mod sound;
mod stage;
mod story;
mod summary;
mod tail;
mod tally;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::server::log;
use crate::server::settings::{Log, LogFormat, LogLevel};

/// Show the main job: calls come in, operators hear a whisper, calls are bridged, recorded, reported.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger demo
  strowger demo --seconds 120 --calls 60 --data ~/strowger-demo
  strowger demo --headless --calls 20 --seconds 30 | tail -n 1

Everything stays on this machine, on free ports of 127.0.0.1. Exits with 0 when events, recordings
and /metrics agree on every count, and with 1 when they do not. With --headless the last line is one
JSON object.")]
pub struct Args {
    /// Place the calls within this time; what has begun is finished afterwards
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// How many calls
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    calls: u32,
    /// Plain text, and one JSON object as the last line
    #[arg(long)]
    headless: bool,
    /// Keep database, events and recordings here; a folder with something in it gets a new one inside
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    log::begin(&Log {
        level: LogLevel::Warn,
        format: LogFormat::Text,
        full_numbers: false,
    });
    let played = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(play::play(args)));
    match played {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _gone = writeln!(io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}
