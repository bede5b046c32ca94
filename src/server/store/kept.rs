//! A data folder as a command reads it: beside the server that works in it, or after its end. Nothing
//! is written, no lock is taken, and a crash is not tidied up.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::chain::Chain;
use super::reserve::Reserve;
use super::{Calls, EventReader, Recordings, Store, schema, snapshot};
use crate::time::Wall;

/// What a data folder keeps.
#[derive(Debug)]
pub struct Kept {
    database: PathBuf,
}

impl Kept {
    /// Looks whether the folder has a database of this version.
    ///
    /// # Errors
    /// One sentence that says what to do: no data folder, or one that another version wrote.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let database = Store::database_in(folder);
        ensure!(
            database.is_file(),
            "there are no data in {}; name the server's data folder with --data, or its settings with \
             --config",
            folder.display()
        );
        schema::must_be_current(&database)?;
        Ok(Self { database })
    }

    /// Looks whether a database that is used by nobody is whole, and of a version that this program can
    /// bring up to its own.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn verify(database: &Path) -> anyhow::Result<()> {
        schema::must_be_known(database)?;
        snapshot::verify(database)
    }

    /// Copies the database, as it is between two transactions.
    ///
    /// # Errors
    /// When it cannot be read, or the copy not written.
    pub fn copy_to(&self, to: &Path) -> anyhow::Result<()> {
        snapshot::take(&schema::open_reader(&self.database)?, to)
            .with_context(|| format!("cannot copy the database to {}; free space", to.display()))
    }

    /// Copies what the ledger's reserve keeps because the database could not; false when that is
    /// nothing. Before [`Kept::copy_to`], so that what leaves the reserve meanwhile is in the database.
    ///
    /// # Errors
    /// When it cannot be read, or the copy not written.
    pub fn copy_reserve_to(&self, to: &Path) -> anyhow::Result<bool> {
        let folder = self.database.parent().unwrap_or(Path::new(""));
        Reserve::copy(folder, to)
            .with_context(|| format!("cannot copy the ledger's reserve to {}", to.display()))
    }

    /// Where the database is.
    #[must_use]
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// A connection that cannot write.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn connection(&self) -> anyhow::Result<rusqlite::Connection> {
        schema::open_reader(&self.database)
    }

    /// The events.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn reader(&self) -> anyhow::Result<EventReader> {
        EventReader::open(&self.database)
    }

    /// The calls that have ended.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn calls(&self) -> anyhow::Result<Calls> {
        Calls::open(&self.database)
    }

    /// The chain of what happened to recordings.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn chain(&self) -> anyhow::Result<Chain> {
        Chain::open(&self.database)
    }

    /// The recordings.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn recordings(&self) -> anyhow::Result<Recordings> {
        Recordings::open(&self.database)
    }

    /// Calls that were up when the server died before `end`, and that no start has ended yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn cut_before(&self, end: Wall) -> anyhow::Result<u64> {
        let db = schema::open_reader(&self.database)?;
        let count: i64 = db.query_row(
            "SELECT count(*) FROM live_calls
             WHERE max(coalesce((SELECT at FROM alive), 0), seen) < ?1",
            [end.as_millis()],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }
}
