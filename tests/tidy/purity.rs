//! The purity law: outside `server` and `cli` there is no IO, clock, global randomness, async,
//! thread, lock or `Rc`, and no collection whose order differs from run to run.

use super::Broken;
use super::source::{Source, next_is};

/// Paths that pure code does not use, each with what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::fs", "no IO: ask the shell through an output"),
    ("std::io", "no IO: take and give bytes"),
    ("std::env", "no environment: the shell reads it"),
    (
        "std::process",
        "no processes: ask the shell through an output",
    ),
    (
        "std::os",
        "no system calls: ask the shell through an output",
    ),
    ("std::net::TcpStream", "no sockets: the shell owns them"),
    ("std::net::TcpListener", "no sockets: the shell owns them"),
    ("std::net::UdpSocket", "no sockets: the shell owns them"),
    (
        "std::net::ToSocketAddrs",
        "no DNS: ask the shell through an output",
    ),
    ("std::time::Instant", "no clock: time comes in as `Now`"),
    ("std::time::SystemTime", "no clock: time comes in as `Now`"),
    ("std::time::UNIX_EPOCH", "no clock: time comes in as `Now`"),
    ("std::thread", "no threads: the shell owns them"),
    ("std::sync::Mutex", "no locks: state is owned by `&mut`"),
    ("std::sync::RwLock", "no locks: state is owned by `&mut`"),
    ("std::sync::Condvar", "no locks: state is owned by `&mut`"),
    ("std::sync::Barrier", "no locks: state is owned by `&mut`"),
    (
        "std::sync::mpsc",
        "no channels: machines exchange closed enums",
    ),
    ("std::sync::atomic", "no atomics: state is owned by `&mut`"),
    (
        "std::rc",
        "no `Rc`: machines exchange ids; immutable data goes as `Arc`",
    ),
    (
        "std::collections::HashMap",
        "its order differs from run to run: `BTreeMap`",
    ),
    (
        "std::collections::HashSet",
        "its order differs from run to run: `BTreeSet`",
    ),
    (
        "std::hash::RandomState",
        "no global randomness: `rng::Rng` comes in",
    ),
    (
        "std::collections::hash_map",
        "its order differs from run to run: `BTreeMap`",
    ),
    (
        "std::collections::hash_set",
        "its order differs from run to run: `BTreeSet`",
    ),
    ("std::future", "no async: inputs and outputs are values"),
    ("std::task", "no async: inputs and outputs are values"),
    ("tokio", "no async: inputs and outputs are values"),
    ("axum", "no IO: HTTP is the shell's"),
    ("reqwest", "no IO: HTTP is the shell's"),
    ("rusqlite", "no IO: the store is the shell's"),
    ("hound", "no IO: files are the shell's"),
    ("rustix", "no system calls: the shell makes them"),
    ("socket2", "no sockets: the shell owns them"),
    ("rustls", "no IO: connections are the shell's"),
    ("metrics", "no global state: the shell counts events"),
    ("rand", "no global randomness: `rng::Rng` comes in"),
    ("getrandom", "no global randomness: `rng::Rng` comes in"),
];

/// The last two segments of calls that read a clock.
const CLOCKS: &[&str] = &[
    "Instant",
    "SystemTime",
    "Timestamp",
    "Zoned",
    "Utc",
    "Local",
];

/// Macros that write to the terminal.
const PRINTING: &[&str] = &["println", "eprintln", "print", "eprint", "dbg"];

/// Whether the law holds for this file.
pub fn applies(source: &Source) -> bool {
    let pure = |part: &str| source.path.starts_with(&format!("src/{part}"));
    pure("")
        && !pure("server/")
        && !pure("cli/")
        && !pure("main.rs")
        && !pure("server.rs")
        && !pure("cli.rs")
}

/// Checks one file.
pub fn check(source: &Source) -> Vec<Broken> {
    let mut found = Vec::new();
    for path in source.paths() {
        let segments: Vec<&str> = path
            .segments
            .iter()
            .map(String::as_str)
            .map(core_is_std)
            .collect();
        for (forbidden, instead) in FORBIDDEN {
            let forbidden: Vec<&str> = forbidden.split("::").collect();
            // A module that is imported whole hides what is used of it.
            let opened = path.import
                && segments.last() == Some(&"*")
                && forbidden.starts_with(&segments[..segments.len() - 1]);
            let hidden = path.import
                && segments.len() < forbidden.len()
                && forbidden.starts_with(&segments)
                && segments != ["std"];
            if segments.starts_with(&forbidden) || opened || hidden && !harmless_module(&segments) {
                let law = format!("`{}` in pure code: {instead}", segments.join("::"));
                found.push(Broken::new(source, path.line, law));
                break;
            }
        }
        if let [.., kind, "now"] = segments.as_slice()
            && CLOCKS.contains(kind)
        {
            let law = "a clock is read in pure code: time comes in as `Now`";
            found.push(Broken::new(source, path.line, law));
        }
    }
    for (at, token) in source.shipped.iter().enumerate() {
        let law = match token.text.as_str() {
            "async" | "await" => "async in pure code: inputs and outputs are values",
            name if PRINTING.contains(&name) && next_is(&source.shipped, at, "!") => {
                "pure code prints nothing: it gives outputs"
            }
            _ => continue,
        };
        found.push(Broken::new(source, token.line, law));
    }
    found
}

/// `core::` and `alloc::` name the same things as `std::`.
fn core_is_std(segment: &str) -> &str {
    match segment {
        "core" | "alloc" => "std",
        other => other,
    }
}

/// Modules that pure code may import by name although a part of them is forbidden.
fn harmless_module(segments: &[&str]) -> bool {
    matches!(segments, ["std", "net" | "collections" | "hash"])
}
