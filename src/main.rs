//! The binary: arguments to a command, its exit code back.

use std::process::ExitCode;

fn main() -> ExitCode {
    strowger::cli::run()
}
