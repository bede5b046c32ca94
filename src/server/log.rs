//! The log: one line a thing, for people or for machines, to standard error.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;

use super::settings::{Log, LogFormat, LogLevel};

/// Sends what the program says of itself to standard error from now on. A second call changes
/// nothing.
pub fn begin(log: &Log) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let begun = match log.format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if begun.is_err() {
        tracing::debug!("the log had begun already");
    }
}
