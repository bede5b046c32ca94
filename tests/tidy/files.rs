//! The laws of form: what a file is called, how it begins, how long it is, what it must not contain.

use super::Broken;
use super::source::{Source, next_is};

/// A file longer than this without its tests holds more than one noun.
const LINES: usize = 600;

/// Names that say nothing about what is inside.
const VAGUE: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "types", "manager", "misc",
];

/// Checks one file, of `src/` or of `tests/`.
pub fn check(source: &Source) -> Vec<Broken> {
    let mut found = Vec::new();
    let mut broken = |line, law: String| found.push(Broken::new(source, line, law));
    // A module's own `tests.rs` belongs to the file it tests.
    if !source.has_opening && !source.path.ends_with("/tests.rs") {
        broken(
            1,
            "a file opens with `//!`: what it is and what it is not".to_owned(),
        );
    }
    let parts = source.path.trim_end_matches(".rs").split('/');
    if let Some(name) = parts.clone().find(|part| VAGUE.contains(part)) {
        broken(1, format!("`{name}` names nothing: one file, one noun"));
    }
    if source.path.starts_with("src/") && !is_test_file(&source.path) && source.lines > LINES {
        broken(
            LINES + 1,
            format!(
                "{} lines without its tests, {LINES} at most: one file, one noun",
                source.lines
            ),
        );
    }
    for (line, comment) in &source.comments {
        for word in ["FIXME", "TODO", "XXX"] {
            if comment
                .split(|c: char| !c.is_alphanumeric())
                .any(|part| part == word)
            {
                broken(*line, format!("`{word}`: do it, or write an issue"));
            }
        }
    }
    check_tokens(source, &mut broken);
    found
}

/// Words that are wrong wherever they stand.
fn check_tokens(source: &Source, broken: &mut impl FnMut(usize, String)) {
    let may_be_unsafe = source.path.starts_with("src/server/media");
    for (at, token) in source.all.iter().enumerate() {
        let before = |back: usize| {
            at.checked_sub(back)
                .and_then(|at| source.all.get(at))
                .map(|token| token.text.as_str())
        };
        match token.text.as_str() {
            name @ ("todo" | "unimplemented") if next_is(&source.all, at, "!") => {
                broken(token.line, format!("`{name}!` is no code"));
            }
            "ignore" if before(1) == Some("[") && before(2) == Some("#") => {
                broken(
                    token.line,
                    "a test that is ignored tests nothing".to_owned(),
                );
            }
            // A bench of real time paces what it sends; nothing it prints is asserted.
            "sleep"
                if before(1) == Some("::")
                    && before(2) == Some("thread")
                    && !source.path.starts_with("benches/") =>
            {
                broken(
                    token.line,
                    "`thread::sleep`: wait for an event with a deadline".to_owned(),
                );
            }
            "unsafe" if !may_be_unsafe => {
                broken(token.line, "`unsafe` outside `server/media`".to_owned());
            }
            _ => {}
        }
    }
}

/// Whether the whole file is a `tests` module.
pub fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.starts_with("tests/")
}
