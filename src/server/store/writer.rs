//! The one thread that writes: it drains the queue, commits what it found in one transaction, and
//! answers the questions that were among it.
//!
//! ```text
//! waiting ──a job──► applying ──committed──► answering ──► waiting
//!                        ▲
//!                        └──1 s── failing ◄── the disk refused
//! ```
//!
//! A batch that the disk refuses stays in memory, in order, and is tried again until it is
//! committed; meanwhile the queue fills and no question is answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, params};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::checkpoint::Checkpointer;
use super::{Job, OnCommitted, Restored, StoreHealth, StoreOptions, bindings, cloud_event, leads};
use super::{Writing, projection, restore, sinks};
use crate::acd::message::Wish;
use crate::engine::event::Event;
use crate::engine::output::Record;
use crate::id::{CallId, EventId, OperatorName, Ulid};
use crate::limits;
use crate::rng::Rng;
use crate::server::clock::Clock;
use crate::time::Instant;
use crate::words::OperatorState;

/// A refused batch is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// With calls under way the store notes this often that the process lives, so that a restart knows
/// when it died.
const ALIVE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    db: Connection,
    source: String,
    sinks: Vec<String>,
    next_sequence: u64,
    rng: Rng,
    clock: Clock,
    on_committed: OnCommitted,
    health: Arc<StoreHealth>,
    committed: watch::Sender<u64>,
    checkpointer: Checkpointer,
    noted_alive: Instant,
}

impl Writer {
    pub(super) fn new(
        db: Connection,
        node: &str,
        options: StoreOptions,
        health: Arc<StoreHealth>,
        committed: watch::Sender<u64>,
        checkpointer: Checkpointer,
    ) -> anyhow::Result<Self> {
        let last: Option<i64> =
            db.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
        Ok(Self {
            db,
            source: format!("/strowger/{node}"),
            sinks: options.sinks,
            next_sequence: last.map_or(1, |seq| seq.unsigned_abs() + 1),
            rng: options.rng,
            clock: options.clock,
            on_committed: options.on_committed,
            health,
            committed,
            checkpointer,
            noted_alive: Instant::START,
        })
    }

    /// Reads what the last run left and ends the calls it could not.
    pub(super) fn restore(&mut self) -> anyhow::Result<Restored> {
        let now = self.clock.now().wall;
        let transaction = self.db.transaction()?;
        restore::register_sinks(&transaction, &self.sinks)?;
        let ended = restore::interrupted_calls(&transaction, now, &mut self.rng)?;
        let interrupted = ended.calls;
        let mut next = self.next_sequence;
        for event in &ended.events {
            write_event(&transaction, &self.source, event, &mut next)?;
        }
        let restored = restore::read(&transaction, now, interrupted)?;
        transaction.commit()?;
        self.announce(next);
        Ok(restored)
    }

    /// Works until it is told to close, or until every handle is gone.
    pub(super) fn run(&mut self, jobs: &Receiver<Job>) {
        let mut batch = Vec::new();
        let mut open = true;
        while open {
            match jobs.recv_timeout(ALIVE) {
                Ok(job) => batch.push(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
            self.note_alive();
            if batch.is_empty() {
                continue;
            }
            while batch.len() < limits::STORE_BATCH {
                match jobs.try_recv() {
                    Ok(job) => batch.push(job),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        open = false;
                        break;
                    }
                }
            }
            open &= !batch.iter().any(|job| matches!(job, Job::Close));
            self.commit(&batch, open);
            batch.clear();
        }
    }

    /// Commits a batch, however often the disk refuses; gives up only when the server is closing.
    fn commit(&mut self, batch: &[Job], open: bool) {
        loop {
            match self.try_commit(batch) {
                Ok(next) => {
                    if self.health.failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("the store commits again");
                    }
                    self.announce(next);
                    self.checkpointer.committed();
                    self.answer(batch);
                    return;
                }
                Err(error) => {
                    if !self.health.failing.swap(true, Ordering::Relaxed) {
                        tracing::error!(%error, "the store cannot commit; check free space of the data folder");
                    }
                    if !open {
                        let lost = u64::try_from(batch.len()).unwrap_or(u64::MAX);
                        self.health.lost.fetch_add(lost, Ordering::Relaxed);
                        return;
                    }
                    std::thread::park_timeout(RETRY);
                }
            }
        }
    }

    fn try_commit(&mut self, batch: &[Job]) -> rusqlite::Result<u64> {
        let now = self.clock.now().wall;
        let mut next = self.next_sequence;
        let transaction = self.db.transaction()?;
        for job in batch {
            match job {
                Job::Record(Record::Event(event)) => {
                    write_event(&transaction, &self.source, event, &mut next)?;
                }
                Job::Record(Record::Bound(binding)) => bindings::save(&transaction, binding)?,
                Job::Record(Record::Answered(answered)) => {
                    leads::answered(&transaction, answered)?;
                }
                Job::Record(Record::Unbound { user, key }) => {
                    bindings::forget(&transaction, user, key)?;
                }
                Job::Record(Record::Operator { operator, wish }) => {
                    keep_wish(&transaction, operator, wish)?;
                }
                Job::Emit {
                    kind,
                    subject,
                    data,
                } => {
                    let event = own_event(&mut self.rng, now, kind, *subject, data);
                    write_event(&transaction, &self.source, &event, &mut next)?;
                }
                Job::Cursor { sink, seq } => {
                    transaction
                        .prepare_cached(
                            "UPDATE sinks SET cursor = max(cursor, ?2) WHERE name = ?1",
                        )?
                        .execute(params![sink, i64::try_from(*seq).unwrap_or(i64::MAX)])?;
                }
                Job::DeadLetter {
                    sink,
                    seq,
                    tries,
                    why,
                } => {
                    transaction
                        .prepare_cached(
                            "INSERT OR REPLACE INTO dead_letters VALUES (?1, ?2, ?3, ?4, ?5)",
                        )?
                        .execute(params![
                            sink,
                            i64::try_from(*seq).unwrap_or(i64::MAX),
                            now.as_millis(),
                            tries,
                            why
                        ])?;
                }
                Job::Work(work) => work.run(&mut Writing {
                    transaction: &transaction,
                    now,
                    source: &self.source,
                    rng: &mut self.rng,
                    next: &mut next,
                })?,
                Job::Unbury { sink, seq } => sinks::unbury(&transaction, sink, *seq)?,
                Job::Rewind { sink, seq } => sinks::rewind(&transaction, sink, *seq)?,
                Job::Prune { through, sinks } => sinks::prune(&transaction, *through, sinks)?,
                Job::Committed(_) | Job::Kept(_) | Job::Settled(_) | Job::Close => {}
            }
        }
        transaction.commit()?;
        Ok(next)
    }

    /// Says that everything under `next` is on the disk.
    fn announce(&mut self, next: u64) {
        self.next_sequence = next;
        self.committed.send_replace(next.saturating_sub(1));
    }

    fn answer(&mut self, batch: &[Job]) {
        for job in batch {
            match job {
                Job::Committed(id) => (self.on_committed)(*id),
                Job::Kept(kept) => kept.notify_one(),
                Job::Settled(answer) => {
                    // Whoever asked may have given up; nobody else is told.
                    let _gone = answer.try_send(());
                }
                Job::Work(work) => work.committed(),
                Job::Record(_)
                | Job::Emit { .. }
                | Job::Cursor { .. }
                | Job::DeadLetter { .. }
                | Job::Unbury { .. }
                | Job::Rewind { .. }
                | Job::Prune { .. }
                | Job::Close => {}
            }
        }
    }

    fn note_alive(&mut self) {
        let now = self.clock.now();
        if now.mono.since(self.noted_alive) < ALIVE {
            return;
        }
        self.noted_alive = now.mono;
        let noted = self
            .db
            .prepare_cached(
                "INSERT OR REPLACE INTO alive SELECT 1, ?1 WHERE EXISTS (SELECT 1 FROM live_calls)",
            )
            .and_then(|mut statement| statement.execute([now.wall.as_millis()]));
        if let Err(error) = noted {
            tracing::debug!(%error, "the store could not note that it lives");
        }
    }
}

/// What is wanted of an operator, until somebody wants something else.
fn keep_wish(
    transaction: &Transaction<'_>,
    operator: &OperatorName,
    wish: &Wish,
) -> rusqlite::Result<()> {
    let state = match (wish.logged_out, &wish.pause) {
        (true, _) => OperatorState::LoggedOut,
        (false, Some(_)) => OperatorState::Paused,
        (false, None) => OperatorState::Available,
    };
    let reason = wish.pause.as_deref().unwrap_or_default();
    let owes = wish.owes.map(|call| call.to_string());
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO operators (operator, state, reason, owes) \
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![operator.as_str(), state.as_str(), reason, owes])?;
    Ok(())
}

/// An event of the shell or of recovery.
pub(super) fn own_event(
    rng: &mut Rng,
    time: crate::time::Wall,
    kind: &'static str,
    subject: Option<CallId>,
    data: &Map<String, Value>,
) -> Event {
    Event {
        id: EventId(Ulid::new(time, rng)),
        kind,
        subject,
        time,
        data: data.clone(),
    }
}

/// Writes one event and what follows from it, and takes the next number of the sequence. An event
/// that is there already changes nothing.
pub(super) fn write_event(
    transaction: &Transaction<'_>,
    source: &str,
    event: &Event,
    next: &mut u64,
) -> rusqlite::Result<()> {
    let json = cloud_event::document(event, source, *next)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let written = transaction
        .prepare_cached(
            "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            i64::try_from(*next).unwrap_or(i64::MAX),
            event.id.to_string(),
            event.kind,
            event.subject.map(|call| call.to_string()),
            event.time.as_millis(),
            json
        ])?;
    if written > 0 {
        *next += 1;
        projection::apply(transaction, event)?;
    }
    Ok(())
}
