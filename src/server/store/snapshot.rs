//! A copy of the database as it is between two transactions, made while others read and write it.
//!
//! It is whole or it is not there: it grows under another name and gets its own once it is on the
//! disk. Which copies are kept and for how long is for whoever asks for one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rusqlite::Connection;

/// Where the copy is kept that is made before the tables of `version` are changed.
pub(super) fn before_migration(database: &Path, version: u32) -> PathBuf {
    beside(database, &format!("schema-{version}"))
}

/// Deletes the copies from before migrations; gives their names.
pub(super) fn forget_copies(database: &Path) -> anyhow::Result<Vec<String>> {
    let Some(folder) = database.parent() else {
        return Ok(Vec::new());
    };
    let begins = beside(database, "schema-");
    let begins = begins.file_name().unwrap_or_default().to_string_lossy();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&*begins) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())
                .with_context(|| format!("cannot delete {}", entry.path().display()))?;
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Copies what `db` holds to `to`, in place of what is there.
pub(super) fn take(db: &Connection, to: &Path) -> anyhow::Result<()> {
    let part = beside(to, "part");
    match fs::remove_file(&part) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let name = part
        .to_str()
        .context("the folder's name is not UTF-8, which SQLite cannot take here")?;
    let copied = db
        .execute("VACUUM INTO ?1", [name])
        .map_err(anyhow::Error::from)
        .and_then(|_| Ok(File::open(&part)?.sync_all()?))
        .and_then(|()| Ok(fs::rename(&part, to)?));
    if copied.is_err() {
        // What is left of it would take the space that was missing.
        let _gone = fs::remove_file(&part);
    }
    copied?;
    if let Some(folder) = to.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Reads every page and says when one is damaged.
pub(super) fn verify(database: &Path) -> anyhow::Result<()> {
    let db = super::schema::open_reader(database)?;
    let said: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    ensure!(
        said == "ok",
        "{} is damaged ({said}); take another copy of it",
        database.display()
    );
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
