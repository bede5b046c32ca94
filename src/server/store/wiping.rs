//! Bytes that rows have left behind are overwritten: in the journal, in pages that are free, and in the
//! copies that were kept before tables changed.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::Connection;

use super::{Store, reserve, schema, snapshot};
use crate::limits;

/// A reader that is at work holds the journal; nobody waits for it longer at once, as calls write.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often it is tried again.
const TRIES: usize = 100;
/// What is read at once.
const PIECE: usize = 1 << 20;

impl Store {
    /// Deletes the copies of the database from before its tables changed, as nothing in them can be
    /// rewritten; gives their names.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub fn forget_copies(&self) -> anyhow::Result<Vec<String>> {
        snapshot::forget_copies(&self.database)
    }

    /// Overwrites a text that no row has any more in the bytes of the database. False when it is still
    /// somewhere in the file, which is too large to be written anew while calls go on.
    ///
    /// # Errors
    /// When a reader holds the journal all the time, or the disk refuses.
    pub fn wipe(&self, text: &str) -> anyhow::Result<bool> {
        let text = text.as_bytes();
        let mut clean = true;
        let db = schema::open_again(&self.database, schema::Sync::Full)?;
        db.busy_timeout(PATIENCE)?;
        empty_journal(&db)?;
        if holds(&self.database, text)? {
            let small = fs::metadata(&self.database)?.len() <= limits::VACUUM_BYTES;
            if small {
                db.busy_timeout(super::BUSY)?;
                db.execute_batch("VACUUM").context(
                    "the database cannot be written anew; free as much space as it takes",
                )?;
                db.busy_timeout(PATIENCE)?;
                empty_journal(&db)?;
            }
            clean = small && !holds(&self.database, text)?;
        }
        let reserve = self.database.with_file_name(reserve::NAME);
        ensure!(
            !holds(&reserve, text)?,
            "{} is not wiped yet; start the server anew",
            reserve.display()
        );
        Ok(clean)
    }
}

/// Moves the journal into the database and cuts it to nothing.
fn empty_journal(db: &Connection) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        // Most of it is moved before anybody has to wait.
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        let busy: bool = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if !busy {
            return Ok(());
        }
        thread::park_timeout(PATIENCE);
    }
    anyhow::bail!("somebody reads the database all the time, so its journal cannot be emptied")
}

/// Whether a file has the text anywhere in its bytes; one that is not there has not.
fn holds(path: &Path, text: &[u8]) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let (mut bytes, mut piece) = (Vec::new(), vec![0; PIECE]);
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(false);
        }
        // The end of the piece before is looked at together with this one.
        let keep = bytes.len().min(text.len().saturating_sub(1));
        bytes.drain(..bytes.len() - keep);
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        if bytes.windows(text.len().max(1)).any(|it| it == text) {
            return Ok(true);
        }
    }
}
