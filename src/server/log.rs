//! The log: one line a thing, for people or for machines, to standard error.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

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
    // What becomes of a connection to NATS is told by its sink, once an outage.
    let only = EnvFilter::new(format!("{level},async_nats=off"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(only)
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
