//! The tables, their version, and how a database is opened. No row is read or written here.

use std::path::Path;

use anyhow::{Context as _, bail};
use rusqlite::{Connection, OpenFlags};

/// The version this program writes; a higher one belongs to a later program.
const VERSION: u32 = 3;

/// The first version's tables. `STRICT`, so that a wrong type is an error at once.
const TABLES: &str = "
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT,
    time INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_subject ON events(subject) WHERE subject IS NOT NULL;
CREATE TABLE bindings (
    user TEXT NOT NULL,
    key TEXT NOT NULL,
    contact TEXT NOT NULL,
    flow INTEGER NOT NULL,
    transport TEXT NOT NULL,
    local TEXT NOT NULL,
    peer TEXT NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    PRIMARY KEY (user, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE operators (
    operator TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE live_calls (
    call TEXT PRIMARY KEY,
    talking INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE callbacks (
    id TEXT PRIMARY KEY,
    phone TEXT NOT NULL,
    call TEXT NOT NULL,
    site TEXT,
    reason TEXT NOT NULL,
    opened INTEGER NOT NULL,
    due INTEGER NOT NULL,
    count INTEGER NOT NULL,
    open INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_callbacks ON callbacks(phone) WHERE open = 1;
CREATE TABLE recordings (
    call TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    keep_ms INTEGER,
    keep_until INTEGER,
    deleted INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX recordings_due ON recordings(keep_until) WHERE deleted IS NULL;
CREATE TABLE sinks (
    name TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE dead_letters (
    sink TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (sink, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE alive (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL
) STRICT;
";

/// What the second version added: where a phone behind proxies is, and how much it is wanted there.
const PATHS: &str = "
ALTER TABLE bindings ADD COLUMN path TEXT NOT NULL DEFAULT '';
ALTER TABLE bindings ADD COLUMN q INTEGER NOT NULL DEFAULT 1000;
";

/// How safe a commit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sync {
    /// The process may die at any instant; a power cut costs the last second at most.
    #[default]
    Normal,
    /// A power cut costs nothing.
    Full,
}

/// Opens the database for writing and brings its tables up to this version.
pub(super) fn open(path: &Path, sync: Sync) -> anyhow::Result<Connection> {
    let mut db = Connection::open(path)
        .with_context(|| format!("cannot open {}; check the folder's owner", path.display()))?;
    migrate(&mut db, path)?;
    configure(&db, sync).with_context(|| {
        format!(
            "cannot write {}; check free space and the folder's owner",
            path.display()
        )
    })?;
    Ok(db)
}

/// A second connection of the same process, for checkpoints.
pub(super) fn open_again(path: &Path, sync: Sync) -> anyhow::Result<Connection> {
    let db = Connection::open(path)?;
    configure(&db, sync)?;
    Ok(db)
}

/// The third version keeps what is wanted of operators in place of what they were doing. Of the states
/// before, only a pause was somebody's wish.
const WISHES: &str = "
ALTER TABLE operators ADD COLUMN owes TEXT;
UPDATE operators SET state = 'available' WHERE state <> 'paused';
";

/// A connection that cannot write.
pub(super) fn open_reader(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)
        .with_context(|| format!("cannot read {}", path.display()))?;
    db.busy_timeout(super::BUSY)?;
    Ok(db)
}

fn configure(db: &Connection, sync: Sync) -> rusqlite::Result<()> {
    db.busy_timeout(super::BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(
        None,
        "synchronous",
        match sync {
            Sync::Normal => "NORMAL",
            Sync::Full => "FULL",
        },
    )?;
    // Checkpoints belong to the second connection, so that a commit never waits for one.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "journal_size_limit", super::WAL_BYTES)
}

fn migrate(db: &mut Connection, path: &Path) -> anyhow::Result<()> {
    let version: u32 = db
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .with_context(|| {
            format!(
                "{} is not a database of this program; move it away",
                path.display()
            )
        })?;
    if version > VERSION {
        bail!(
            "{} was written by a later version (schema {version}, this one knows {VERSION}); \
             start that version, or give another data folder",
            path.display()
        );
    }
    if version < VERSION {
        let transaction = db.transaction()?;
        if version == 0 {
            transaction.execute_batch(TABLES)?;
        }
        if version < 2 {
            transaction.execute_batch(PATHS)?;
        }
        transaction.execute_batch(WISHES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction
            .commit()
            .with_context(|| format!("cannot write {}; check free space", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_first_version_is_brought_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(TABLES).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute_batch(
            "INSERT INTO bindings VALUES ('olena', 'k', 'sip:a@b', 1, 'UDP', 'l', 'p', 'c', 1, 2, 'ua')",
        )
        .unwrap();
        drop(old);
        for _ in 0..2 {
            let db = open(&path, Sync::Normal).unwrap();
            let row = db.query_row("SELECT user, path, q FROM bindings", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            });
            let known: (String, String, u16) = row.unwrap();
            assert_eq!(known, ("olena".to_owned(), String::new(), 1_000));
        }
    }
}
