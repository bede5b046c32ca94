//! Backups: a copy of a data folder that a server works in, as it was at one moment, and the way back.
//!
//! ```text
//! TO/strowger.db       what `VACUUM INTO` gives: one transaction, without a journal
//! TO/ledger.reserve    what the database of a full disk had not taken; mostly there is none
//! TO/recordings/…      the files of the recordings that this database knows
//! TO/backup.jsonl      what is in it, with hashes; written last, so that a backup is whole or none
//! ```
//!
//! A restored folder is as one that a crash left at that moment: calls that were up get their end at
//! the first start. Prompts and the SIP trace are not in it; they are made again, or are worth nothing
//! later.

pub mod restoring;
pub mod taking;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::{Component, Path};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The name of the list.
const LIST: &str = "backup.jsonl";
/// The list's own version.
const VERSION: u32 = 1;
/// A line of the list is not longer.
const LINE_BYTES: u64 = 4_096;
/// A file is read in pieces of this size.
const PIECE: usize = 1 << 20;

/// The first line of the list.
#[derive(Serialize, Deserialize)]
struct Head {
    backup: u32,
    made_at: String,
    program: String,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Entry {
    file: String,
    bytes: u64,
    sha256: String,
}

impl Entry {
    /// Whether the name stays below the folder it is looked for in.
    fn is_plain(&self) -> bool {
        let mut parts = Path::new(&self.file).components();
        !self.file.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
    }

    fn is_database(&self) -> bool {
        self.file == crate::server::store::DATABASE
    }
}

/// The last line, without which a backup is none.
#[derive(Serialize, Deserialize)]
struct Tail {
    files: u64,
    bytes: u64,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Recordings that the database knows and of which there was no file.
    pub missing: u64,
}

impl Sum {
    const fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Reads the list, one file at a time, and insists that it is whole.
fn read_list(folder: &Path, mut each: impl FnMut(Entry) -> Result<()>) -> Result<Sum> {
    let path = folder.join(LIST);
    let file = File::open(&path).with_context(|| {
        format!(
            "{} cannot be read: {} is no backup, or one that was not finished",
            path.display(),
            folder.display()
        )
    })?;
    let mut lines = Lines(BufReader::new(file));
    let damaged = || format!("{} is damaged; take another backup", path.display());
    let head: Head = lines.next().and_then(parse).with_context(damaged)?;
    ensure!(
        head.backup == VERSION,
        "{} was made by a later version; restore it with that one",
        folder.display()
    );
    let mut sum = Sum::default();
    loop {
        let line = lines.next().with_context(damaged)?;
        if let Ok(entry) = serde_json::from_str::<Entry>(&line) {
            ensure!(entry.is_plain(), damaged());
            sum.add(entry.bytes);
            each(entry)?;
            continue;
        }
        let tail: Tail = parse(line).with_context(damaged)?;
        ensure!(
            (tail.files, tail.bytes) == (sum.files, sum.bytes),
            damaged()
        );
        return Ok(sum);
    }
}

fn parse<T: for<'a> Deserialize<'a>>(line: String) -> Result<T> {
    Ok(serde_json::from_str(&line)?)
}

/// Lines that are not endless.
struct Lines(BufReader<File>);

impl Lines {
    fn next(&mut self) -> Result<String> {
        let mut line = String::new();
        self.0.by_ref().take(LINE_BYTES).read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "a line has no end");
        Ok(line)
    }
}

/// Copies a file and gives its length and hash.
fn copy(from: &Path, to: &Path) -> Result<(u64, String)> {
    let about = || format!("cannot copy {} to {}", from.display(), to.display());
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).with_context(about)?;
    }
    let read = File::open(from).with_context(about)?;
    let mut written = File::create_new(to).with_context(about)?;
    hash(read, |piece| Ok(written.write_all(piece)?)).with_context(about)
}

/// Reads to the end; gives length and hash.
fn hash(mut from: File, mut piece_of: impl FnMut(&[u8]) -> Result<()>) -> Result<(u64, String)> {
    if !from.metadata()?.is_file() {
        bail!("it is no file");
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; PIECE];
    let mut length = 0;
    loop {
        let read = from.read(&mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
            let digest = hasher.finalize();
            return Ok((
                length,
                digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            ));
        };
        hasher.update(piece);
        length += u64::try_from(read)?;
        piece_of(piece)?;
    }
}

/// Makes a folder, or takes one that is empty.
fn empty_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let about = || format!("cannot write in {}; name another folder", folder.display());
    // Calls, numbers and voices are nobody else's business.
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.with_context(about)?;
    let mut inside = std::fs::read_dir(folder).with_context(about)?;
    ensure!(
        inside.next().is_none(),
        "{} is not empty; name a folder that is empty or not there yet",
        folder.display()
    );
    Ok(())
}

/// Puts everything that was written to this file system on its disk.
fn settle(folder: &Path) -> Result<()> {
    let folder = File::open(folder)?;
    Ok(rustix::fs::syncfs(&folder)?)
}
