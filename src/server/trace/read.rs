//! The messages of one call, found in the files while the server goes on writing them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::entry::{Entry, MAGIC, Sighting};
use super::ring::segments;
use crate::id::CallId;
use crate::sip::parse::parse;
use crate::time::Wall;

/// A clock may be set while a call begins.
const CLOCKS_DIFFER_MS: i64 = 120_000;

/// What is kept of one call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Story {
    /// The Call-IDs of its dialogs, in the order they joined.
    pub dialogs: Vec<String>,
    /// Its messages, in the order they were taken and sent.
    pub messages: Vec<Sighting>,
}

/// Reads what the trace has of a call; `progress` hears how many files of how many are read.
///
/// # Errors
/// The folder or a file in it cannot be read.
pub fn story(
    folder: &Path,
    call: CallId,
    mut progress: impl FnMut(usize, usize),
) -> io::Result<Story> {
    let mut story = Story::default();
    let files = since(segments(folder)?, call.0.made());
    let steps = files.len() * 2;
    for (at, file) in files.iter().enumerate() {
        progress(at, steps);
        entries(file, |entry| {
            if let Entry::Leg {
                call: of,
                sip_call_id,
                ..
            } = entry
                && of == call
                && !story.dialogs.contains(&sip_call_id)
            {
                story.dialogs.push(sip_call_id);
            }
        })?;
    }
    if story.dialogs.is_empty() {
        return Ok(story);
    }
    let wanted: BTreeSet<_> = story.dialogs.iter().cloned().collect();
    for (at, file) in files.iter().enumerate() {
        progress(files.len() + at, steps);
        entries(file, |entry| {
            if let Entry::Message(seen) = entry
                && is_of(&seen, &wanted)
            {
                story.messages.push(seen);
            }
        })?;
    }
    Ok(story)
}

/// The files that may speak of what began at `begun`: not those whose successor was begun well before.
fn since(mut files: Vec<PathBuf>, begun: Wall) -> Vec<PathBuf> {
    let early = begun.as_millis().saturating_sub(CLOCKS_DIFFER_MS);
    let before = |path: &PathBuf| {
        let name = path.file_stem().and_then(|stem| stem.to_str());
        name.and_then(|name| name.parse::<i64>().ok())
            .is_some_and(|successor| successor < early)
    };
    let successors = files.iter().skip(1);
    let useless = successors.take_while(|path| before(path)).count();
    files.split_off(useless)
}

/// Hears every whole entry of a file. What is torn ends it; a file that went away while we came to it
/// has none.
fn entries(path: &Path, mut hear: impl FnMut(Entry)) -> io::Result<()> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut rest = bytes.strip_prefix(MAGIC).unwrap_or_default();
    while let Some((entry, length)) = Entry::decode(rest) {
        hear(entry);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

fn is_of(seen: &Sighting, wanted: &BTreeSet<String>) -> bool {
    // To look for a text is cheaper than to parse, and most messages are of other calls.
    let mentioned = wanted.iter().any(|id| {
        let id = id.as_bytes();
        !id.is_empty() && seen.bytes.windows(id.len()).any(|window| window == id)
    });
    mentioned
        && parse(&seen.bytes).is_ok_and(|message| {
            message
                .headers
                .call_id()
                .is_ok_and(|id| wanted.contains(id))
        })
}
