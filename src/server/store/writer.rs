//! The one thread that writes: it drains the queue, commits what it found in one transaction, and
//! answers the questions that were among it.
//!
//! ```text
//! waiting ──a job──► committing ──committed──► answering ──► waiting
//!                        │ the disk refused
//!                        ▼
//!   every second ─► weathering: events go to the reserve and count as kept; everything waits in
//!                   memory, in order, until the database takes it
//! ```
//!
//! Memory and reserve are bounded: what finds the reserve full is kept in memory alone and not
//! answered for, and above `limits::STORE_HELD` jobs nothing more is taken from the queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, params};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::checkpoint::Checkpointer;
use super::outage::{AGAIN, Outage};
use super::reserve::Reserve;
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

/// With calls under way the store notes this often that the process lives, so that a restart knows
/// when it died.
const ALIVE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    db: Connection,
    source: String,
    sinks: Vec<String>,
    callback_due: Duration,
    next_sequence: u64,
    rng: Rng,
    clock: Clock,
    on_committed: OnCommitted,
    health: Arc<StoreHealth>,
    committed: watch::Sender<u64>,
    checkpointer: Checkpointer,
    noted_alive: Instant,
    /// Room for the ledger while the database has none; none when the disk had none for it either.
    reserve: Option<Reserve>,
    outage: Option<Outage>,
}

impl Writer {
    pub(super) fn new(
        db: Connection,
        node: &str,
        options: StoreOptions,
        health: Arc<StoreHealth>,
        committed: watch::Sender<u64>,
        checkpointer: Checkpointer,
        reserve: Option<Reserve>,
    ) -> anyhow::Result<Self> {
        let last: Option<i64> =
            db.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
        Ok(Self {
            db,
            source: format!("/strowger/{node}"),
            sinks: options.sinks,
            callback_due: options.callback_due,
            next_sequence: last.map_or(1, |seq| seq.unsigned_abs() + 1),
            rng: options.rng,
            clock: options.clock,
            on_committed: options.on_committed,
            health,
            committed,
            checkpointer,
            noted_alive: Instant::START,
            reserve,
            outage: None,
        })
    }

    /// Reads what the last run left, its reserve first, and ends the calls it could not.
    pub(super) fn restore(&mut self, reserved: &[Event]) -> anyhow::Result<Restored> {
        let now = self.clock.now().wall;
        let transaction = self.db.transaction()?;
        restore::register_sinks(&transaction, &self.sinks)?;
        let mut next = self.next_sequence;
        for event in reserved {
            write_event(&transaction, &self.source, event, &mut next)?;
        }
        let ended =
            restore::interrupted_calls(&transaction, now, self.callback_due, &mut self.rng)?;
        let interrupted = ended.calls;
        for event in &ended.events {
            write_event(&transaction, &self.source, event, &mut next)?;
        }
        let restored = restore::read(&transaction, now, interrupted)?;
        transaction.commit()?;
        self.announce(next);
        self.clear_reserve();
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
            while (1..limits::STORE_BATCH).contains(&batch.len()) {
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
            self.take(std::mem::take(&mut batch));
            while self.is_full() && !self.health.closing.load(Ordering::Relaxed) {
                std::thread::park_timeout(AGAIN);
                self.weather();
            }
        }
        self.give_up();
    }

    fn is_full(&self) -> bool {
        self.outage.as_ref().is_some_and(|it| !it.has_room())
    }

    /// Commits a batch, or gives it shelter until the disk takes it.
    fn take(&mut self, batch: Vec<Job>) {
        if self.outage.is_some() {
            self.shelter(batch);
            return self.weather();
        }
        if batch.is_empty() {
            return;
        }
        match self.try_commit(&batch) {
            Ok(next) => self.committed(next, &batch),
            Err(error) => {
                self.refused(&error);
                self.shelter(batch);
            }
        }
    }

    fn committed(&mut self, next: u64, batch: &[Job]) {
        self.announce(next);
        self.checkpointer.committed();
        self.answer(batch);
    }

    /// The disk takes nothing: everybody is told, the database itself when it can be.
    fn refused(&mut self, error: &rusqlite::Error) {
        tracing::error!(%error, "the store cannot commit; check free space of the data folder");
        self.health.failing.store(true, Ordering::Relaxed);
        let now = self.clock.now();
        self.outage = Some(Outage::new(now.mono, self.reserve.is_some()));
        let mut data = Map::new();
        data.insert("reason".into(), json!(error.to_string()));
        let event = own_event(&mut self.rng, now.wall, "store.degraded", None, &data);
        self.shelter(vec![Job::Record(Record::Event(Box::new(event)))]);
    }

    /// Keeps a batch in memory, and its events in the reserve; what the reserve has is answered for.
    fn shelter(&mut self, batch: Vec<Job>) {
        let now = self.clock.now().wall;
        let mut jobs = Vec::with_capacity(batch.len());
        for job in batch {
            // Its id must be the same in the reserve and in the database.
            let job = if let Job::Emit {
                kind,
                subject,
                data,
            } = job
            {
                let event = own_event(&mut self.rng, now, kind, subject, &data);
                Job::Record(Record::Event(Box::new(event)))
            } else {
                job
            };
            jobs.push(job);
        }
        let Some(outage) = &mut self.outage else {
            return;
        };
        let events: Vec<_> = jobs.iter().filter_map(event_of).collect();
        if let (true, false, Some(reserve)) =
            (outage.reserved, events.is_empty(), &mut self.reserve)
        {
            match reserve.put(&events) {
                Ok(()) => {
                    let kept = u64::try_from(events.len()).unwrap_or(u64::MAX);
                    self.health.reserved.fetch_add(kept, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::error!(%error, "the ledger's reserve takes no more; from now on a crash loses events");
                    outage.reserved = false;
                }
            }
        }
        if outage.reserved {
            let answered = |job: &mut Job| matches!(job, Job::Committed(_));
            let questions: Vec<_> = jobs.extract_if(.., answered).collect();
            outage.held.extend(jobs);
            return self.answer(&questions);
        }
        outage.held.extend(jobs);
    }

    /// Tries the disk again, once in a while.
    fn weather(&mut self) {
        let now = self.clock.now().mono;
        while let Some(outage) = &mut self.outage {
            if now < outage.again {
                return;
            }
            let size = outage.held.len().min(limits::STORE_BATCH);
            let batch: Vec<_> = outage.held.drain(..size).collect();
            match self.try_commit(&batch) {
                Ok(next) => self.committed(next, &batch),
                Err(error) => {
                    tracing::debug!(%error, "the store still cannot commit");
                    if let Some(outage) = &mut self.outage {
                        outage.again = now + AGAIN;
                        batch
                            .into_iter()
                            .rev()
                            .for_each(|job| outage.held.push_front(job));
                    }
                    return;
                }
            }
            self.recover(now);
        }
    }

    /// When nothing is held any more the outage is over.
    fn recover(&mut self, now: Instant) {
        let Some(outage) = self.outage.take_if(|outage| outage.held.is_empty()) else {
            return;
        };
        let lasted = now.since(outage.since).as_secs();
        tracing::info!("the store commits again, after {lasted} s");
        let mut data = Map::new();
        data.insert("outage_s".into(), json!(lasted));
        let reserved = self.health.reserved.swap(0, Ordering::Relaxed);
        data.insert("reserved".into(), json!(reserved));
        self.health.failing.store(false, Ordering::Relaxed);
        self.clear_reserve();
        self.take(vec![Job::Emit {
            kind: "store.recovered",
            subject: None,
            data,
        }]);
    }

    fn clear_reserve(&mut self) {
        if let Some(reserve) = self.reserve.as_mut().filter(|it| it.is_used())
            && let Err(error) = reserve.clear()
        {
            // Harmless: an event that comes twice is taken once.
            tracing::warn!(%error, "the ledger's reserve could not be cleared");
        }
    }

    /// The server is closing, and the disk still refuses: the next start has what is in the reserve.
    fn give_up(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.again = Instant::START;
        }
        self.weather();
        let Some(outage) = &self.outage else { return };
        if !outage.reserved {
            let lost = u64::try_from(outage.held.len()).unwrap_or(u64::MAX);
            self.health.lost.fetch_add(lost, Ordering::Relaxed);
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
        if self.outage.is_some() || now.mono.since(self.noted_alive) < ALIVE {
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

/// The ledger is its events; the rest comes back by itself.
fn event_of(job: &Job) -> Option<&Event> {
    match job {
        Job::Record(Record::Event(event)) => Some(event),
        Job::Record(
            Record::Bound(_)
            | Record::Unbound { .. }
            | Record::Operator { .. }
            | Record::Answered(_),
        )
        | Job::Emit { .. }
        | Job::Committed(_)
        | Job::Cursor { .. }
        | Job::DeadLetter { .. }
        | Job::Kept(_)
        | Job::Work(_)
        | Job::Unbury { .. }
        | Job::Rewind { .. }
        | Job::Prune { .. }
        | Job::Settled(_)
        | Job::Close => None,
    }
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
