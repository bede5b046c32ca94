//! The page the story is written on: colour on a terminal, plain text in a pipe.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

/// Colours of calls that follow each other; none is the terminal's own black or white.
const CALLS: [&str; 6] = ["36", "33", "35", "32", "34", "31"];

/// Standard output, and whether it shows colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    colours: bool,
}

impl Page {
    /// Colours where a person looks on and did not ask for none.
    pub(super) fn new(plain: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            colours: !plain && wanted && io::stdout().is_terminal(),
        }
    }

    /// One line.
    pub(super) fn line(self, text: impl Display) {
        // A reader that went away, as `head` does, does not stop the demo.
        let _gone = writeln!(io::stdout().lock(), "{text}");
    }

    /// One line of a call, in the call's colour.
    pub(super) fn call_line(self, call: usize, margin: &str, text: &str) {
        let colour = CALLS.get(call % CALLS.len()).copied().unwrap_or("0");
        if self.colours {
            self.line(format_args!(
                "\x1b[2m{margin}\x1b[0m  \x1b[{colour}m#{call:02}  {text}\x1b[0m"
            ));
        } else {
            self.line(format_args!("{margin}  #{call:02}  {text}"));
        }
    }

    /// One line that belongs to no call.
    pub(super) fn aside(self, margin: &str, text: &str) {
        self.line(format_args!("{margin}       {text}"));
    }

    /// A headline.
    pub(super) fn title(self, text: &str) {
        if self.colours {
            self.line(format_args!("\x1b[1m{text}\x1b[0m"));
        } else {
            self.line(text);
        }
    }
}
