//! Every row of a recording has its files, and every file its row.
//!
//! The server may record, finish and delete meanwhile: what seems to be missing is looked up once more
//! before it is told. What is in the files is for `strowger recordings verify`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use super::{Broken, Findings};
use crate::limits;
use crate::server::store::Kept;

/// The folder of the marks of recordings that go on.
const MARKS: &str = "open";
/// What seems amiss is kept in mind up to here, one more than is told.
const MOST: usize = limits::BROKEN_PROMISES + 1;
/// Year, month, day.
const DEPTH: usize = 3;

/// What the store says of a recording.
struct Row {
    call: String,
    file: String,
    bytes: u64,
    ended: bool,
}

/// Compares rows and files both ways.
pub(super) fn check(kept: &Kept, folder: &Path, findings: &mut Findings) -> anyhow::Result<()> {
    let db = kept.connection()?;
    let cannot_read = || {
        format!(
            "cannot read {}; run this as root or as the server's user",
            folder.display()
        )
    };
    let rows = rows(&db, folder).context("cannot read the rows of recordings")?;
    let files = files(&db, folder).with_context(cannot_read)?;
    // What was begun, finished or deleted since it was read is all right now.
    for call in rows {
        if let Some(row) = row_of(&db, &call)?
            && let Some(what) = amiss(folder, &row)
        {
            findings.tell(Broken {
                rule: "recording",
                subject: Some(call),
                what,
            });
        }
    }
    for (call, path) in files {
        if !known(&db, &call)? && path.symlink_metadata().is_ok() {
            let shown = path.strip_prefix(folder).unwrap_or(&path);
            findings.tell(Broken {
                rule: "recording-file",
                subject: None,
                what: format!("{} belongs to no recording", shown.display()),
            });
        }
    }
    Ok(())
}

/// The calls whose rows seem to lack files.
fn rows(db: &Connection, folder: &Path) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare(
        "SELECT call, file, bytes, ended IS NOT NULL FROM recordings WHERE deleted IS NULL",
    )?;
    let mut rows = statement.query([])?;
    let mut odd = Vec::new();
    while let Some(row) = rows.next()? {
        let row = read(row)?;
        let odd_one = odd.len() < MOST && amiss(folder, &row).is_some();
        if odd_one && !(row.bytes == 0 && excused(db, &row.call)?) {
            odd.push(row.call);
        }
    }
    Ok(odd)
}

/// Whether there may be no file: the call goes on and its recording is about to begin, or it was told that
/// nothing will come.
fn excused(db: &Connection, call: &str) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM live_calls WHERE call = ?1) OR EXISTS
             (SELECT 1 FROM events WHERE subject = ?1 AND kind = 'recording.failed'
              AND CASE WHEN json_valid(json) THEN json ->> '$.data.final' END = 1)",
    )?
    .query_row([call], |row| row.get(0))
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        call: row.get(0)?,
        file: row.get(1)?,
        bytes: row.get::<_, i64>(2)?.unsigned_abs(),
        ended: row.get(3)?,
    })
}

fn row_of(db: &Connection, call: &str) -> rusqlite::Result<Option<Row>> {
    db.prepare_cached(
        "SELECT call, file, bytes, ended IS NOT NULL FROM recordings
         WHERE call = ?1 AND deleted IS NULL",
    )?
    .query_row([call], read)
    .optional()
}

/// What is wrong with the files of a row.
fn amiss(folder: &Path, row: &Row) -> Option<String> {
    let length = |name: &str| {
        let path = folder.join(name);
        let meta = fs::symlink_metadata(path)
            .ok()
            .filter(fs::Metadata::is_file);
        meta.map(|meta| meta.len())
    };
    let stem = row.file.split_once('.').map_or(&*row.file, |it| it.0);
    let manifest = format!("{stem}.json");
    let Ok(text) = fs::read_to_string(folder.join(&manifest)) else {
        return Some(format!("its manifest {manifest} is not there"));
    };
    let manifest = match serde_json::from_str::<Value>(&text) {
        Ok(told) if told.get("call_id").and_then(Value::as_str) == Some(&row.call) => told,
        Ok(_) | Err(_) => return Some(format!("{manifest} is not its manifest")),
    };
    // A sealed one has another name than the row says until it is finished.
    let named = manifest.get("file").and_then(Value::as_str);
    let file = named.filter(|_| row.bytes == 0).unwrap_or(&row.file);
    let Some(first) = length(file) else {
        return Some(format!("its recording {file} is not there"));
    };
    // The size is told when the recording is finished; until then the file grows.
    if !row.ended || row.bytes == 0 {
        return None;
    }
    let parts = manifest.get("continued").and_then(Value::as_array);
    let mut all = first;
    for part in parts.into_iter().flatten() {
        let name = part.get("file").and_then(Value::as_str).unwrap_or_default();
        match length(name) {
            Some(bytes) => all = all.saturating_add(bytes),
            None => return Some(format!("a part of its recording, {name}, is not there")),
        }
    }
    (all != row.bytes).then(|| format!("its recording has {all} bytes of {}", row.bytes))
}

/// Files that seem to belong to no row, with the id their names begin with.
fn files(db: &Connection, folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut odd = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((at, depth)) = folders.pop() {
        // A recording has several files; one of them stands for all.
        let mut names = BTreeMap::new();
        for entry in listed(&at)? {
            let is_folder = entry.is_dir() && !entry.is_symlink();
            if is_folder && depth < DEPTH {
                if depth > 0 || !entry.ends_with(MARKS) {
                    folders.push((entry, depth + 1));
                }
                continue;
            }
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            let stem = name.split('.').next().unwrap_or_default().to_owned();
            names.insert(stem, entry);
        }
        for (call, path) in names {
            if odd.len() < MOST && !known(db, &call)? {
                odd.push((call, path));
            }
        }
    }
    Ok(odd)
}

/// What is in a folder; nothing in one that went away.
fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether a recording is kept, or a call goes on that may be about to have one.
fn known(db: &Connection, call: &str) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM recordings WHERE call = ?1 AND deleted IS NULL)
             OR EXISTS (SELECT 1 FROM live_calls WHERE call = ?1)",
    )?
    .query_row([call], |row| row.get(0))
}
