//! The way back: a backup becomes a data folder. The database comes last, so that a folder that was
//! restored in part is none that a server would start on.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{Entry, Sum, copy, empty_folder, read_list, settle};
use crate::server::store::{DATABASE, Kept};

/// Damaged files that are named; the others are counted.
const NAMED: usize = 20;

/// Makes the data folder `data`, which is empty or not there, of the backup in `from`. Each file must
/// be as it was; with `lenient` a damaged recording is left out, and the database alone must be whole.
///
/// # Errors
/// One sentence that says what to do.
pub fn restore(
    from: &Path,
    data: &Path,
    lenient: bool,
    progress: impl Fn(usize, usize),
) -> Result<(Sum, Vec<String>)> {
    // Read once before anything is written: half a list is no list.
    let promised = read_list(from, |_| Ok(()))?;
    let all = usize::try_from(promised.files).unwrap_or(usize::MAX);
    empty_folder(data)?;
    let mut restored = Sum::default();
    let mut damaged = Vec::new();
    let mut database = None;
    let mut done = 0;
    read_list(from, |entry| {
        progress(done, all);
        done += 1;
        if entry.is_database() {
            database = Some(entry);
            return Ok(());
        }
        match bring(from, data, &entry, &entry.file)? {
            None => restored.add(entry.bytes),
            Some(why) => damaged.push(why),
        }
        Ok(())
    })?;
    if !damaged.is_empty() && !lenient {
        let count = damaged.len();
        damaged.truncate(NAMED);
        bail!(
            "{count} files of the backup are damaged, and {} was left without a database: restore \
             another backup, or this one without them by --lenient into another folder:\n{}",
            data.display(),
            damaged.join("\n")
        );
    }
    let database = database.context("the backup has no database; restore another one")?;
    let part = format!("{DATABASE}.part");
    if let Some(why) = bring(from, data, &database, &part)? {
        bail!("{why}; restore another backup");
    }
    Kept::verify(&data.join(&part))?;
    settle(data)?;
    fs::rename(data.join(&part), data.join(DATABASE))?;
    settle(data)?;
    restored.add(database.bytes);
    Ok((restored, damaged))
}

/// Copies one file; says what is wrong with it if anything is.
fn bring(from: &Path, data: &Path, entry: &Entry, name: &str) -> Result<Option<String>> {
    let path = from.join(&entry.file);
    let to = data.join(name);
    if !path.is_file() {
        return Ok(Some(format!("{} is missing", path.display())));
    }
    let (bytes, sha256) = copy(&path, &to)?;
    if (bytes, &sha256) == (entry.bytes, &entry.sha256) {
        return Ok(None);
    }
    fs::remove_file(&to)?;
    Ok(Some(format!("{} is not what it was", path.display())))
}
