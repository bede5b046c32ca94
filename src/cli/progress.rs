//! Progress on a terminal, and nothing in a pipe.

use std::io::{IsTerminal as _, Write as _};

/// Shows how many prompts are ready, when there are enough to wait for.
pub fn prompts() -> impl Fn(usize, usize) + Sync {
    let terminal = std::io::stderr().is_terminal();
    move |done, all| {
        if terminal && all > 8 {
            let end = if done == all { "\n" } else { "" };
            let mut out = std::io::stderr().lock();
            // A terminal that is gone is no reason to stop.
            let _gone = write!(out, "\rprompts: {done} of {all}{end}").and_then(|()| out.flush());
        }
    }
}

/// Shows how many steps are done, where there is a terminal.
pub fn steps(what: &str) -> impl Fn(usize, usize) {
    let terminal = std::io::stderr().is_terminal();
    move |done, all| {
        if terminal {
            let line = if done == all {
                "\r\u{1b}[K".to_owned()
            } else {
                format!("\r{what}: {} of {all}", done + 1)
            };
            let mut out = std::io::stderr().lock();
            let _gone = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
    }
}

/// Shows how many files are read, when there are enough to wait for.
pub fn files(what: &str) -> impl Fn(usize, usize) {
    let terminal = std::io::stderr().is_terminal();
    move |done, all| {
        if terminal && all > 16 {
            let end = if done + 1 == all { "\n" } else { "" };
            let mut out = std::io::stderr().lock();
            let line = format!("\r{what}: file {} of {all}{end}", done + 1);
            let _gone = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
    }
}
