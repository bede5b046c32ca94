//! The commands, one file each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod backup;
pub mod check;
pub mod check_data;
pub mod data;
pub mod day;
pub mod demo;
pub mod export;
mod progress;
pub mod recordings;
pub mod restore;
pub mod serve;
pub mod sinks;
pub mod test;
pub mod trace;

/// A call distributor for clinics: no caller is lost.
#[derive(Debug, Parser)]
#[command(name = "strowger", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Backup(backup::Args),
    Check(check::Args),
    CheckData(check_data::Args),
    Demo(demo::Args),
    Export(export::Args),
    Recordings(recordings::Args),
    Restore(restore::Args),
    Serve(serve::Args),
    Sinks(sinks::Args),
    Test(test::Args),
    Trace(trace::Args),
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Backup(args) => backup::run(&args),
        Command::Check(args) => check::run(&args),
        Command::CheckData(args) => check_data::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Recordings(args) => recordings::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Sinks(args) => sinks::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Trace(args) => trace::run(&args),
    }
}

/// How a command answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}
