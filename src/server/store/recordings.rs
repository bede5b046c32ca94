//! The recordings the store knows: what retention goes by, never a folder listing.
//!
//! A row is made by `recording.started`, completed by `recording.finished` and closed by
//! `recording.deleted`, or at the next start when a kill left nothing of it. Age counts from the end of the call.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::{Map, Value, json};

use super::projection::{moment, text};
use super::{Writing, chain, schema};
use crate::engine::event::Event;
use crate::id::CallId;
use crate::limits;
use crate::time::Wall;

/// One recording on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredRecording {
    /// The call, and the id of the recording.
    pub call: String,
    /// The file, relative to the recordings folder.
    pub file: String,
    /// Its size, as far as known.
    pub bytes: u64,
    /// When it may be deleted; none keeps it.
    pub keep_until: Option<Wall>,
    /// When it began.
    pub started: Option<Wall>,
    /// When it ended, or its call; none while it goes on.
    pub ended: Option<Wall>,
    /// The caller's number, once the call is over.
    pub from: Option<String>,
    /// The dialled number, once the call is over.
    pub to: Option<String>,
    /// Why it must not be deleted, if somebody said so.
    pub hold: Option<String>,
}

const DAY_MS: i64 = 86_400_000;
const DAY_MS_F: f64 = 86_400_000.0;
const WEEK_MS: i64 = 7 * DAY_MS;

/// How the archive grows and shrinks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Growth {
    /// Bytes recorded a day, by the last week.
    pub per_day: u64,
    /// How many days new recordings are kept, on average; none keeps them for ever.
    pub keep_days: Option<usize>,
    /// Bytes that retention frees, by days from now.
    pub frees: Vec<u64>,
}

/// A row as it stands, for whoever compares it with the files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownRecording {
    /// The call.
    pub call: String,
    /// The file, relative to the recordings folder.
    pub file: String,
    /// Its size, as far as known.
    pub bytes: u64,
    /// Its call is over.
    pub ended: bool,
    /// It is gone.
    pub deleted: bool,
    /// Why it must not be deleted.
    pub hold: Option<String>,
}

/// Which recordings are wanted, the latest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordingFilter {
    /// Of calls with this number on either side.
    pub phone: Option<String>,
    /// Of earlier calls than this one.
    pub before: Option<String>,
    /// How many at most.
    pub limit: usize,
}

/// What is told of a recording that has no file.
const NEVER_CAME: &str = "the server was killed before the first sound was on the disk";

const COLUMNS: &str =
    "recordings.call, file, bytes, keep_until, started, ended, caller, called, hold
     FROM recordings LEFT JOIN calls ON calls.call = recordings.call";

/// Follows the `recording.*` events of one call.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    event: &Event,
    verb: &str,
) -> rusqlite::Result<()> {
    let Some(call) = event.subject.map(|call| call.to_string()) else {
        return Ok(());
    };
    let file =
        text(&event.data, "file").map_or_else(|| usual_file(&call, event.time), str::to_owned);
    let bytes = event.data.get("bytes").and_then(Value::as_i64);
    match verb {
        "started" => {
            transaction
                .prepare_cached(
                    "INSERT INTO recordings (call, file, bytes, started, keep_ms, keep_until)
                     VALUES (?1, ?2, 0, ?3, ?4, ?5) ON CONFLICT (call) DO NOTHING",
                )?
                .execute(params![
                    call,
                    file,
                    event.time.as_millis(),
                    keep(event),
                    moment(&event.data, "keep_until").map(Wall::as_millis),
                ])?;
        }
        "finished" => finished(transaction, event, &call, &file, bytes)?,
        "deleted" | "erased" => {
            transaction
                .prepare_cached("UPDATE recordings SET deleted = ?2 WHERE call = ?1")?
                .execute(params![call, event.time.as_millis()])?;
            gone(transaction, event, verb, &call)?;
        }
        _ => {}
    }
    Ok(())
}

fn finished(
    transaction: &Transaction<'_>,
    event: &Event,
    call: &str,
    file: &str,
    bytes: Option<i64>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO recordings (call, file, bytes, started, ended, keep_ms, keep_until)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, coalesce(?6, ?4 + ?5))
             ON CONFLICT (call) DO UPDATE SET
                 file = excluded.file,
                 bytes = excluded.bytes,
                 ended = coalesce(ended, excluded.ended),
                 keep_ms = coalesce(excluded.keep_ms, keep_ms),
                 keep_until = coalesce(?6, keep_until,
                     coalesce(ended, excluded.ended) + coalesce(excluded.keep_ms, keep_ms))",
        )?
        .execute(params![
            call,
            file,
            bytes.unwrap_or(0),
            event.time.as_millis(),
            keep(event),
            moment(&event.data, "keep_until").map(Wall::as_millis),
        ])?;
    chained(transaction, event, call)
}

/// The hash of a finished recording goes into the chain. One that a restart tells of again is there.
fn chained(transaction: &Transaction<'_>, event: &Event, call: &str) -> rusqlite::Result<()> {
    let mut says = Map::new();
    for field in ["file", "bytes", "sha256", "manifest_sha256"] {
        let value = event.data.get(field).cloned().unwrap_or_default();
        says.insert(field.to_owned(), value);
    }
    let last = chain::last_of(transaction, call)?.map(|link| link.fields());
    let known = last.is_some_and(|last| says.iter().all(|(field, it)| last.get(field) == Some(it)));
    if !known {
        chain::append(transaction, event.time, "finished", Some(call), &says)?;
    }
    Ok(())
}

/// What is deleted leaves its hashes, and why it went.
fn gone(
    transaction: &Transaction<'_>,
    event: &Event,
    verb: &str,
    call: &str,
) -> rusqlite::Result<()> {
    let last = chain::last_of(transaction, call)?.map(|link| link.fields());
    let kind = last.as_ref().and_then(|last| text(last, "kind"));
    if matches!(kind, Some("deleted" | "erased")) {
        return Ok(());
    }
    let mut says = Map::new();
    for field in ["file", "sha256", "manifest_sha256"] {
        let value = last.as_ref().and_then(|last| last.get(field)).cloned();
        says.insert(field.to_owned(), value.unwrap_or_default());
    }
    for field in ["bytes", "reason", "by"] {
        let value = event.data.get(field).cloned().unwrap_or_default();
        says.insert(field.to_owned(), value);
    }
    chain::append(transaction, event.time, verb, Some(call), &says)?;
    Ok(())
}

/// Whether somebody holds a recording, and why; said in the chain as well.
pub fn hold(
    rows: &Connection,
    at: Wall,
    call: &str,
    reason: Option<&str>,
    by: &str,
    manifest_sha256: &str,
) -> rusqlite::Result<()> {
    rows.execute(
        "UPDATE recordings SET hold = ?2 WHERE call = ?1",
        params![call, reason],
    )?;
    let mut says = chain::last_of(rows, call)?.map_or_else(Map::new, |link| link.fields());
    says.retain(|field, _| matches!(field.as_str(), "file" | "bytes" | "sha256"));
    says.insert("manifest_sha256".into(), json!(manifest_sha256));
    says.insert("reason".into(), json!(reason));
    says.insert("by".into(), json!(by));
    let kind = if reason.is_some() { "held" } else { "released" };
    chain::append(rows, at, kind, Some(call), &says)?;
    Ok(())
}

/// The call is over: from now on the recording ages.
pub(super) fn call_ended(
    transaction: &Transaction<'_>,
    call: &str,
    at: Wall,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE recordings SET ended = ?2, keep_until = coalesce(keep_until, ?2 + keep_ms)
             WHERE call = ?1 AND ended IS NULL",
        )?
        .execute(params![call, at.as_millis()])?;
    Ok(())
}

/// Closes recordings that were begun and of which nothing ever reached the disk, as the server was killed
/// in between: each is told once, and its call says that it has none.
///
/// # Errors
/// When the database refuses.
pub fn never_came(writing: &mut Writing<'_>, calls: &[CallId]) -> rusqlite::Result<()> {
    for call in calls {
        let id = call.to_string();
        let told: bool = writing
            .rows()
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM events WHERE subject = ?1
                 AND kind = 'recording.failed' AND json ->> '$.data.final' = 1)",
            )?
            .query_row([&id], |row| row.get(0))?;
        if !told {
            let mut says = Map::new();
            says.insert("id".into(), json!(id));
            says.insert("recording".into(), Value::Null);
            says.insert("why".into(), json!(NEVER_CAME));
            says.insert("final".into(), json!(true));
            writing.emit("recording.failed", Some(*call), &says)?;
        }
        let now = writing.now().as_millis();
        let rows = writing.rows();
        rows.prepare_cached("UPDATE recordings SET deleted = ?2 WHERE call = ?1 AND bytes = 0")?
            .execute(params![id, now])?;
        rows.prepare_cached(
            "UPDATE calls SET data = json_replace(data, '$.recording', NULL) WHERE call = ?1",
        )?
        .execute([&id])?;
    }
    Ok(())
}

/// `keep_s` in milliseconds.
fn keep(event: &Event) -> Option<i64> {
    event
        .data
        .get("keep_s")
        .and_then(Value::as_i64)
        .and_then(|seconds| seconds.checked_mul(1000))
}

/// Where the contract puts a recording that began at `started`.
fn usual_file(call: &str, started: Wall) -> String {
    let day = started.to_string();
    let day = day.split('T').next().unwrap_or("").replace('-', "/");
    format!("{day}/{call}.wav")
}

/// A reader of the table, on a connection of its own.
pub struct Recordings {
    db: Connection,
}

impl Recordings {
    pub(super) fn open(database: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            db: schema::open_reader(database)?,
        })
    }

    /// Finished recordings whose time is over, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn due(&self, now: Wall, limit: usize) -> anyhow::Result<Vec<StoredRecording>> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS}
             WHERE deleted IS NULL AND ended IS NOT NULL AND keep_until <= ?1 AND hold IS NULL
             ORDER BY keep_until, recordings.call LIMIT ?2",
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![now.as_millis(), limit], stored)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// One recording that is still there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn one(&self, call: &str) -> anyhow::Result<Option<StoredRecording>> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} WHERE recordings.call = ?1 AND deleted IS NULL"
        ))?;
        Ok(statement.query_row([call], stored).optional()?)
    }

    /// A page of recordings that are still there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn page(&self, filter: &RecordingFilter) -> anyhow::Result<Vec<StoredRecording>> {
        let of_phone = "AND recordings.call IN (SELECT call FROM calls WHERE caller = ?3
                         UNION SELECT call FROM calls WHERE called = ?3)";
        let of_phone = filter.phone.as_ref().map_or("AND ?3 IS NULL", |_| of_phone);
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} WHERE deleted IS NULL AND recordings.call < ?1 {of_phone}
             ORDER BY recordings.call DESC LIMIT ?2"
        ))?;
        // No id begins with a higher letter.
        let before = filter.before.as_deref().unwrap_or("~");
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![before, limit, filter.phone], stored)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How the archive grows and shrinks, by the last week and by what each recording is kept for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn growth(&self, now: Wall) -> anyhow::Result<Growth> {
        let now = now.as_millis();
        let week = now.saturating_sub(WEEK_MS);
        let (bytes, since, keep) = self.db.query_row(
            "SELECT coalesce(sum(bytes), 0), coalesce(min(started), ?1), avg(keep_ms)
             FROM recordings WHERE started > ?2 AND started <= ?1",
            [now, week],
            |row| {
                let keep: Option<f64> = row.get(2)?;
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, keep))
            },
        )?;
        // A young archive is measured by the days it has, one at least.
        let days = now.saturating_sub(since).max(DAY_MS);
        let per_day = i128::from(bytes) * i128::from(DAY_MS) / i128::from(days);
        let mut frees = vec![0; limits::FORECAST_DAYS];
        let mut statement = self.db.prepare_cached(
            "SELECT max(keep_until - ?1, 0) / ?2 AS day, sum(bytes) FROM recordings
             WHERE deleted IS NULL AND hold IS NULL AND keep_until IS NOT NULL
             GROUP BY day ORDER BY day LIMIT ?3",
        )?;
        let most = i64::try_from(limits::FORECAST_DAYS).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![now, DAY_MS, most])?;
        while let Some(row) = rows.next()? {
            let (day, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            let slot = usize::try_from(day).ok().and_then(|day| frees.get_mut(day));
            if let Some(slot) = slot {
                *slot = bytes.unsigned_abs();
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a mean of times that are kept is within ten years, and never negative"
        )]
        let keep_days = keep.map(|keep| (keep / DAY_MS_F).ceil() as usize);
        Ok(Growth {
            per_day: u64::try_from(per_day).unwrap_or(0),
            keep_days,
            frees,
        })
    }

    /// How many are due, and held.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn due_and_held(&self, now: Wall) -> anyhow::Result<u64> {
        let held: i64 = self.db.query_row(
            "SELECT count(*) FROM recordings
             WHERE deleted IS NULL AND ended IS NOT NULL AND keep_until <= ?1 AND hold IS NOT NULL",
            [now.as_millis()],
            |row| row.get(0),
        )?;
        Ok(held.unsigned_abs())
    }

    /// What is known of recordings after this one by their ids, those that are gone included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn known(&self, after: &str, limit: usize) -> anyhow::Result<Vec<KnownRecording>> {
        self.known_by("> ?1 ORDER BY call LIMIT ?2", after, limit)
    }

    /// What is known of one recording, there or gone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn known_one(&self, call: &str) -> anyhow::Result<Option<KnownRecording>> {
        Ok(self.known_by("= ?1 LIMIT ?2", call, 1)?.pop())
    }

    fn known_by(
        &self,
        which: &str,
        call: &str,
        limit: usize,
    ) -> anyhow::Result<Vec<KnownRecording>> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT call, file, bytes, ended IS NOT NULL, deleted IS NOT NULL, hold
             FROM recordings WHERE call {which}"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![call, limit], |row| {
            Ok(KnownRecording {
                call: row.get(0)?,
                file: row.get(1)?,
                bytes: row.get::<_, i64>(2)?.unsigned_abs(),
                ended: row.get(3)?,
                deleted: row.get(4)?,
                hold: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Recordings that were begun and never finished: the call, and the file that was to be.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn unfinished(&self) -> anyhow::Result<Vec<(CallId, String)>> {
        let mut statement = self.db.prepare(
            "SELECT call, file FROM recordings WHERE bytes = 0 AND deleted IS NULL ORDER BY call",
        )?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut unfinished = Vec::new();
        for row in rows {
            let (call, file) = row?;
            unfinished.extend(call.parse().ok().map(|call| (call, file)));
        }
        Ok(unfinished)
    }

    /// How many recordings are kept, and how many of them are due.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn stock(&self, now: Wall) -> anyhow::Result<(u64, u64)> {
        let stock = self.db.query_row(
            "SELECT count(*), coalesce(sum(ended IS NOT NULL AND keep_until <= ?1 AND hold IS NULL), 0)
             FROM recordings WHERE deleted IS NULL",
            [now.as_millis()],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        )?;
        Ok((stock.0.unsigned_abs(), stock.1.unsigned_abs()))
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredRecording> {
    Ok(StoredRecording {
        call: row.get(0)?,
        file: row.get(1)?,
        bytes: row.get::<_, i64>(2)?.unsigned_abs(),
        keep_until: row.get::<_, Option<i64>>(3)?.map(Wall::from_millis),
        started: row.get::<_, Option<i64>>(4)?.map(Wall::from_millis),
        ended: row.get::<_, Option<i64>>(5)?.map(Wall::from_millis),
        from: row.get(6)?,
        to: row.get(7)?,
        hold: row.get(8)?,
    })
}
