//! Work on the rows that somebody waits for: done by the writer's thread in a transaction, together
//! with the events that tell of it.
//!
//! Nothing of the calls' path comes this way: whoever records an event does not wait.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use rusqlite::{Connection, Transaction};
use serde_json::{Map, Value};

use super::{Job, Store, writer};
use crate::id::CallId;
use crate::limits;
use crate::rng::Rng;
use crate::time::Wall;

/// The rows, inside a transaction.
pub struct Writing<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) now: Wall,
    pub(super) source: &'a str,
    pub(super) rng: &'a mut Rng,
    pub(super) next: &'a mut u64,
}

impl Writing<'_> {
    /// The tables.
    #[must_use]
    pub fn rows(&self) -> &Connection {
        self.transaction
    }

    /// The time of this transaction.
    #[must_use]
    pub const fn now(&self) -> Wall {
        self.now
    }

    /// An event of the shell, in its place in the sequence.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn emit(
        &mut self,
        kind: &'static str,
        subject: Option<CallId>,
        data: &Map<String, Value>,
    ) -> rusqlite::Result<()> {
        let event = writer::own_event(self.rng, self.now, kind, subject, data);
        writer::write_event(self.transaction, self.source, &event, self.next)
    }
}

/// One piece of work. It may be done again, when the disk refused the batch it was in.
pub(super) struct Work {
    work: Box<dyn Fn(&mut Writing<'_>) -> bool + Send>,
    done: SyncSender<()>,
}

impl Work {
    /// Does it. Work that fails leaves nothing behind, and its batch goes on without it.
    pub(super) fn run(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        let before = *writing.next;
        writing.transaction.execute_batch("SAVEPOINT work")?;
        if !(self.work)(writing) {
            writing.transaction.execute_batch("ROLLBACK TO work")?;
            *writing.next = before;
        }
        writing.transaction.execute_batch("RELEASE work")
    }

    /// Says that it is committed.
    pub(super) fn committed(&self) {
        // Whoever waited too long has gone.
        let _gone = self.done.try_send(());
    }
}

impl Store {
    /// Does `work` in a transaction of the writer and waits until it is committed. To be called where
    /// waiting for the disk is no harm.
    ///
    /// # Errors
    /// When the work failed, and then nothing of it is kept; or when the disk refuses.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Writing<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let (done, committed) = sync_channel(1);
        let result = Arc::new(Mutex::new(None));
        let put = Arc::clone(&result);
        let work = Box::new(move |writing: &mut Writing<'_>| {
            let done = work(writing);
            let well = done.is_ok();
            *put.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            well
        });
        let job = Job::Work(Work { work, done });
        if self.jobs.try_send(job).is_err() {
            bail!("the store has too much to write; try again in a moment");
        }
        match committed.recv_timeout(limits::STORE_WRITE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => {
                bail!("the disk does not take it; check free space of the data folder")
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the store is closed"),
        }
        let result = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = result.context("the store did not do it")?;
        result.context("the database refuses it")
    }
}
