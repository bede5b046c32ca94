//! What a test of faults says when it holds: one line with its figure.

use std::io::Write as _;

/// Whether the long form is wanted: every N, every point, the whole hour.
pub fn full() -> bool {
    std::env::var("STROWGER_FAULTS").is_ok_and(|it| it == "full")
}

/// One of two figures: of the short form, and of the long one.
pub fn size<T>(short: T, long: T) -> T {
    if full() { long } else { short }
}

/// `F1 PASS 100 of 100 recordings open, …`: the last thing a test of a promise does.
pub fn pass(promise: &str, figure: &str) {
    let form = if full() { "full" } else { "short" };
    let mut out = std::io::stdout().lock();
    // Whoever closed the pipe has read enough.
    let _gone = writeln!(out, "{promise} PASS {figure} ({form})");
}
