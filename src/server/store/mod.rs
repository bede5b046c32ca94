//! What must not be lost: events with their place in the sequence, bindings, operators' states,
//! calls under way, callbacks, recordings, and how far each sink has come.
//!
//! One SQLite file in WAL mode, one thread that writes, several records in one transaction. The
//! handle never waits for the disk: it puts records into a bounded queue, and a question about
//! "everything before this" is answered by a callback once it is committed. It is not the outbox:
//! it gives the outbox its pages and keeps its cursors.

mod backlog;
mod bindings;
mod callbacks;
mod calls;
pub mod chain;
mod checkpoint;
mod cloud_event;
pub mod erasing;
mod kept;
mod leads;
mod live_calls;
mod lock;
mod numbers;
mod outage;
mod projection;
mod recordings;
mod reserve;
mod restore;
mod schema;
mod sinks;
mod snapshot;
mod wiping;
mod writer;
mod writing;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value};
use tokio::sync::{Notify, mpsc, watch};

pub use backlog::{EventReader, StoredEvent};
pub use callbacks::{CallbackFilter, Callbacks};
pub use calls::{CallFilter, Calls};
pub use kept::Kept;
pub use leads::{LeadFilter, StoredLeads};
pub use recordings::{
    Growth, KnownRecording, RecordingFilter, Recordings, StoredRecording, hold, never_came,
};
pub use reserve::NAME as RESERVE;
pub use restore::Restored;
pub use schema::Sync;
pub use sinks::{DeadLetter, SinkRow, Stock};
pub use writing::Writing;

use super::clock::Clock;
use super::vital;
use crate::engine::output::Record;
use crate::id::{AskId, CallId};
use crate::limits;
use crate::rng::Rng;

/// The database's name in a data folder.
pub const DATABASE: &str = "strowger.db";
/// A reader waits this long for a lock; only recovery after a crash holds one.
const BUSY: Duration = Duration::from_secs(5);
/// The journal file is cut back to this size after a checkpoint.
const WAL_BYTES: i64 = 64 << 20;

/// Called on the writer's thread when everything before a question is committed.
pub type OnCommitted = Box<dyn FnMut(AskId) + Send>;

/// What the store is opened with.
pub struct StoreOptions {
    /// How safe a commit is.
    pub sync: Sync,
    /// The sinks of the settings; a new one begins with the events that follow.
    pub sinks: Vec<String>,
    /// For the ids of the store's own events.
    pub rng: Rng,
    /// For their times.
    pub clock: Clock,
    /// How soon the callback of a call that a crash cut is due.
    pub callback_due: Duration,
    /// Hears of [`Store::ask_committed`]. It must not wait.
    pub on_committed: OnCommitted,
}

/// One thing for the writer.
enum Job {
    Record(Record),
    Emit {
        kind: &'static str,
        subject: Option<CallId>,
        data: Map<String, Value>,
    },
    Committed(AskId),
    /// Tells when everything before it is committed.
    Kept(Arc<Notify>),
    Cursor {
        sink: Arc<str>,
        seq: u64,
    },
    DeadLetter {
        sink: Arc<str>,
        seq: u64,
        tries: u32,
        why: String,
    },
    Work(writing::Work),
    Unbury {
        sink: Arc<str>,
        seq: u64,
    },
    Rewind {
        sink: Arc<str>,
        seq: u64,
    },
    Prune {
        through: u64,
        sinks: Arc<[String]>,
    },
    /// Somebody of the shell waits until everything before this is on the disk.
    Settled(mpsc::Sender<()>),
    /// Commit what came before, then end.
    Close,
}

/// How the store is doing, for alarms and metrics.
#[derive(Debug, Default)]
pub struct StoreHealth {
    lost: AtomicU64,
    failing: AtomicBool,
    reserved: AtomicU64,
    /// Nobody waits for the disk any more.
    closing: AtomicBool,
}

impl StoreHealth {
    /// Records that found the queue full and are gone. Not zero is an alarm.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Events that the reserve keeps at present, because the database cannot.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Whether the disk refuses to commit at present; records wait in memory, events in the reserve too.
    #[must_use]
    pub fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

/// The handle. Copies share one writer.
#[derive(Clone)]
pub struct Store {
    jobs: SyncSender<Job>,
    health: Arc<StoreHealth>,
    committed: watch::Receiver<u64>,
    database: Arc<Path>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Store {
    /// Opens the data folder, ends the calls that a crash cut, and starts the writer.
    ///
    /// # Errors
    /// One sentence that says what to do: the folder is not writable, another server holds it, or a
    /// later version wrote it.
    pub fn open(
        folder: &Path,
        node: &str,
        options: StoreOptions,
    ) -> anyhow::Result<(Self, Restored)> {
        let lock = lock::FolderLock::take(folder)?;
        let database = Self::database_in(folder);
        let db = schema::open(&database, options.sync)?;
        let syncer = checkpoint::Checkpointer::start(&database, options.sync)?;
        let (reserve, reserved) = match reserve::Reserve::open(folder, limits::LEDGER_RESERVE) {
            Ok((reserve, events)) => (Some(reserve), events),
            Err(error) => {
                tracing::error!("{error:#}; the ledger has no reserve for a full disk");
                (None, Vec::new())
            }
        };
        let (committed_sender, committed) = watch::channel(0);
        let health = Arc::new(StoreHealth::default());
        let mut writer = writer::Writer::new(
            db,
            node,
            options,
            Arc::clone(&health),
            committed_sender,
            syncer,
            reserve,
        )?;
        let restored = writer.restore(&reserved).with_context(|| {
            format!(
                "cannot read what the last run left in {}; give another data folder, or a backup",
                folder.display()
            )
        })?;
        let (jobs, receiver) = sync_channel(limits::STORE_QUEUE);
        let thread = vital::spawn("store", move || {
            writer.run(&receiver);
            drop(lock);
        })?;
        let store = Self {
            jobs,
            health,
            committed,
            database: database.into(),
            writer: Arc::new(Mutex::new(Some(thread))),
        };
        Ok((store, restored))
    }

    /// Keeps a record. Never waits; a full queue loses the record and raises [`StoreHealth::lost`].
    pub fn record(&self, record: Record) {
        self.put(Job::Record(record));
    }

    /// An event of the shell itself, such as `sink.degraded`.
    pub fn emit(&self, kind: &'static str, subject: Option<CallId>, data: Map<String, Value>) {
        self.put(Job::Emit {
            kind,
            subject,
            data,
        });
    }

    /// Asks to hear when everything recorded so far is committed.
    pub fn ask_committed(&self, id: AskId) {
        self.put(Job::Committed(id));
    }

    /// Waits until everything recorded so far is committed; false when it is not in time.
    pub async fn kept_within(&self, bound: Duration) -> bool {
        let kept = Arc::new(Notify::new());
        self.put(Job::Kept(Arc::clone(&kept)));
        tokio::time::timeout(bound, kept.notified()).await.is_ok()
    }

    /// Notes how far a sink has come. One that is lost to a full queue is made good by the next.
    pub(super) fn move_cursor(&self, sink: &Arc<str>, seq: u64) {
        let job = Job::Cursor {
            sink: Arc::clone(sink),
            seq,
        };
        match self.jobs.try_send(job) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    /// Keeps an event that a sink will not take.
    pub(super) fn bury(&self, sink: &Arc<str>, seq: u64, tries: u32, why: String) {
        self.put(Job::DeadLetter {
            sink: Arc::clone(sink),
            seq,
            tries,
            why,
        });
    }

    /// Forgets that a sink would not take an event: it has it now.
    pub(super) fn unbury(&self, sink: &Arc<str>, seq: u64) {
        self.put(Job::Unbury {
            sink: Arc::clone(sink),
            seq,
        });
    }

    /// Has a sink that does not run given everything after `seq` once more.
    pub(super) fn rewind(&self, sink: &Arc<str>, seq: u64) {
        self.put(Job::Rewind {
            sink: Arc::clone(sink),
            seq,
        });
    }

    /// Forgets the events up to and with `through`, whether or not these sinks have them.
    pub(super) fn prune(&self, through: u64, sinks: &Arc<[String]>) {
        self.put(Job::Prune {
            through,
            sinks: Arc::clone(sinks),
        });
    }

    /// Waits until everything said so far is on the disk; whether it is.
    pub async fn settled(&self) -> bool {
        let (answer, mut answered) = mpsc::channel(1);
        self.put(Job::Settled(answer));
        answered.recv().await.is_some()
    }

    fn put(&self, job: Job) {
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.health.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How the store is doing.
    #[must_use]
    pub fn health(&self) -> &Arc<StoreHealth> {
        &self.health
    }

    /// The highest committed sequence, and word of each new one.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.committed.clone()
    }

    /// A reader of the committed events, on a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn reader(&self) -> anyhow::Result<EventReader> {
        EventReader::open(&self.database)
    }

    /// The calls that have ended, on a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn calls(&self) -> anyhow::Result<Calls> {
        Calls::open(&self.database)
    }

    /// The leads, on a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn leads(&self) -> anyhow::Result<StoredLeads> {
        StoredLeads::open(&self.database)
    }

    /// The callbacks, on a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn callbacks(&self) -> anyhow::Result<Callbacks> {
        Callbacks::open(&self.database)
    }

    /// The recordings the store knows, on a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn recordings(&self) -> anyhow::Result<Recordings> {
        Recordings::open(&self.database)
    }

    /// The chain of what happened to recordings, on a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn chain(&self) -> anyhow::Result<chain::Chain> {
        chain::Chain::open(&self.database)
    }

    /// Who looks for the rows of a person, on a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn seeker(&self) -> anyhow::Result<erasing::Seeker> {
        erasing::Seeker::open(&self.database)
    }

    /// Where the database is, for the commands that read it.
    #[must_use]
    pub fn database_in(folder: &Path) -> PathBuf {
        folder.join(DATABASE)
    }

    /// Commits everything recorded so far and ends the writer; records that follow are lost.
    pub fn close(&self) {
        self.health.closing.store(true, Ordering::Relaxed);
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && self.jobs.send(Job::Close).is_ok()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread panicked");
        }
    }
}
