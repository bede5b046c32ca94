//! A data folder as a command reads it: beside the server that works in it, or after its end. Nothing
//! is written, no lock is taken, and a crash is not tidied up.

use std::path::{Path, PathBuf};

use anyhow::ensure;

use super::{Calls, EventReader, Recordings, Store, schema};

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

    /// Where the database is.
    #[must_use]
    pub fn database(&self) -> &Path {
        &self.database
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

    /// The recordings.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn recordings(&self) -> anyhow::Result<Recordings> {
        Recordings::open(&self.database)
    }
}
