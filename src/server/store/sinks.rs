//! How far each sink has come, what it would not take, and how much is kept for its sake.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::backlog::{EventReader, StoredEvent};
use crate::time::Wall;

/// A sink as the store knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SinkRow {
    /// Its name.
    pub name: String,
    /// It has everything up to this event.
    pub cursor: u64,
    /// Events that were given up because it took none for too long.
    pub dropped: u64,
    /// Events it would not take.
    pub dead_letters: u64,
}

/// An event that a sink would not take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// The event.
    pub event: StoredEvent,
    /// When it was given up.
    pub at: Wall,
    /// After so many tries.
    pub tries: u32,
    /// What the sink said last.
    pub why: String,
}

/// The events that are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stock {
    /// The oldest, and when it happened.
    pub first: (u64, Wall),
    /// The newest, and when it happened.
    pub last: (u64, Wall),
    /// The database on the disk, without its journal.
    pub bytes: u64,
    /// What one event takes there, by those that came last.
    pub bytes_each: u64,
}

/// Events whose size is looked at to tell what one takes.
const SAMPLE: u32 = 256;
/// What an event takes beside its text: its other columns, two indices, and half-empty pages.
const OVERHEAD: u64 = 240;

impl Stock {
    /// How many there are: the sequence has no gaps.
    #[must_use]
    pub const fn events(&self) -> u64 {
        if self.last.0 == 0 {
            return 0;
        }
        self.last.0 - self.first.0 + 1
    }
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl EventReader {
    /// Every sink that ever was, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sinks(&self) -> anyhow::Result<Vec<SinkRow>> {
        let mut statement = self.db().prepare_cached(
            "SELECT name, cursor, dropped,
                 (SELECT count(*) FROM dead_letters WHERE sink = name)
             FROM sinks ORDER BY name",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(SinkRow {
                name: row.get(0)?,
                cursor: row.get::<_, i64>(1)?.unsigned_abs(),
                dropped: row.get::<_, i64>(2)?.unsigned_abs(),
                dead_letters: row.get::<_, i64>(3)?.unsigned_abs(),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// At most `limit` events after `seq` that `sink` would not take, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn letters(&self, sink: &str, seq: u64, limit: usize) -> anyhow::Result<Vec<DeadLetter>> {
        let mut statement = self.db().prepare_cached(
            "SELECT seq, id, kind, subject, json, at, tries, why
             FROM dead_letters JOIN events USING (seq)
             WHERE sink = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![sink, integer(seq), limit], |row| {
            Ok(DeadLetter {
                event: StoredEvent::of(row)?,
                at: Wall::from_millis(row.get(5)?),
                tries: row.get(6)?,
                why: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The first event that happened at `since` or later; none when all are older.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn first_since(&self, since: Wall) -> anyhow::Result<Option<u64>> {
        let found: Option<i64> = self
            .db()
            .query_row(
                "SELECT seq FROM events WHERE time >= ?1 ORDER BY seq LIMIT 1",
                [since.as_millis()],
                |row| row.get(0),
            )
            .optional()?;
        Ok(found.map(i64::unsigned_abs))
    }

    /// When an event happened.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn time_of(&self, seq: u64) -> anyhow::Result<Option<Wall>> {
        let time: Option<i64> = self
            .db()
            .query_row(
                "SELECT time FROM events WHERE seq = ?1",
                [integer(seq)],
                |row| row.get(0),
            )
            .optional()?;
        Ok(time.map(Wall::from_millis))
    }

    /// The events of a call before `seq`, in order, at most `limit` of them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of_call(&self, call: &str, seq: u64, limit: usize) -> anyhow::Result<Vec<StoredEvent>> {
        let mut statement = self.db().prepare_cached(
            "SELECT seq, id, kind, subject, json FROM events
             WHERE subject = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![call, integer(seq), limit], StoredEvent::of)?;
        let mut found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        found.reverse();
        Ok(found)
    }

    /// What is kept, and what it takes on the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn stock(&self) -> anyhow::Result<Stock> {
        let end = |order: &str| {
            let query = format!("SELECT seq, time FROM events ORDER BY seq {order} LIMIT 1");
            self.db()
                .query_row(&query, [], |row| {
                    let seq = row.get::<_, i64>(0)?.unsigned_abs();
                    Ok((seq, Wall::from_millis(row.get(1)?)))
                })
                .optional()
        };
        let text: Option<f64> = self.db().query_row(
            "SELECT avg(octet_length(json)) FROM (SELECT json FROM events ORDER BY seq DESC LIMIT ?1)",
            [SAMPLE],
            |row| row.get(0),
        )?;
        let pragma = |name: &str| {
            self.db()
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        let pages = pragma("page_count")?.saturating_mul(pragma("page_size")?);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the mean length of a text is small and positive"
        )]
        let text = text.unwrap_or(0.0) as u64;
        Ok(Stock {
            first: end("ASC")?.unwrap_or_default(),
            last: end("DESC")?.unwrap_or_default(),
            bytes: pages.unsigned_abs(),
            bytes_each: text + OVERHEAD,
        })
    }
}

/// The oldest events go, up to and with `through`; never the newest, whose place the next one counts
/// from. A sink that had not all of them is moved on, and what it lost is counted.
pub(super) fn prune(
    transaction: &Transaction<'_>,
    through: u64,
    sinks: &[String],
) -> rusqlite::Result<()> {
    let through = integer(through);
    let mut moved = transaction.prepare_cached(
        "UPDATE sinks SET dropped = dropped + ?2 - cursor, cursor = ?2
         WHERE name = ?1 AND cursor < ?2",
    )?;
    for sink in sinks {
        moved.execute(params![sink, through])?;
    }
    transaction
        .prepare_cached("DELETE FROM dead_letters WHERE seq <= ?1")?
        .execute([through])?;
    transaction
        .prepare_cached(
            "DELETE FROM events WHERE seq <= ?1 AND seq < (SELECT max(seq) FROM events)",
        )?
        .execute([through])?;
    Ok(())
}

/// A sink shall have everything after `seq` once more.
pub(super) fn rewind(transaction: &Transaction<'_>, sink: &str, seq: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE sinks SET cursor = min(cursor, ?2) WHERE name = ?1")?
        .execute(params![sink, integer(seq)])?;
    Ok(())
}

/// A sink has taken at last what it would not take.
pub(super) fn unbury(transaction: &Transaction<'_>, sink: &str, seq: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM dead_letters WHERE sink = ?1 AND seq = ?2")?
        .execute(params![sink, integer(seq)])?;
    Ok(())
}
