//! Moves the journal into the database behind the writer's back, and puts it on the disk once a
//! second, so that neither a commit nor a reader ever waits for it.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::Connection;

use super::schema::{self, Sync};
use crate::server::vital;

/// How often the journal is put on the disk: what a power cut may cost without `sync: full`.
const EVERY: Duration = Duration::from_secs(1);
/// A journal over this is moved into the database.
const CHECKPOINT_AT: u64 = 4 << 20;

/// The thread that does it.
pub(super) struct Checkpointer {
    dirty: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(database: &Path, sync: Sync) -> anyhow::Result<Self> {
        let db = schema::open_again(database, sync)?;
        let mut journal = database.as_os_str().to_owned();
        journal.push("-wal");
        // Kept open: closing a descriptor would be harmless for this file, opening it each second
        // would be noise.
        let journal = File::open(&journal)
            .with_context(|| format!("cannot open {}", Path::new(&journal).display()))?;
        let (dirty, receiver) = sync_channel(1);
        let thread = vital::spawn("checkpoint", move || run(&db, &journal, sync, &receiver))?;
        Ok(Self {
            dirty: Some(dirty),
            thread: Some(thread),
        })
    }

    /// Something was committed.
    pub(super) fn committed(&self) {
        if let Some(dirty) = &self.dirty {
            match dirty.try_send(()) {
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.dirty = None;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the checkpoint thread panicked");
            }
        }
    }
}

fn run(db: &Connection, journal: &File, sync: Sync, dirty: &Receiver<()>) {
    while dirty.recv().is_ok() {
        if sync == Sync::Normal
            && let Err(error) = journal.sync_data()
        {
            tracing::warn!(%error, "the journal could not be put on the disk");
        }
        let length = journal.metadata().map_or(0, |metadata| metadata.len());
        if length >= CHECKPOINT_AT
            && let Err(error) = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        {
            tracing::warn!(%error, "the journal could not be moved into the database");
        }
        thread::park_timeout(EVERY);
    }
}
