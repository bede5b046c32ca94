//! Pages of committed events for the sinks, read on a connection that cannot write.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::schema;

/// One committed event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredEvent {
    /// Its place in the sequence.
    pub seq: u64,
    /// Its id, the same at each delivery.
    pub id: String,
    /// `call.ended` and the like.
    pub kind: String,
    /// The call.
    pub subject: Option<String>,
    /// The whole document, on one line.
    pub json: String,
}

/// A reader of its own.
pub struct EventReader {
    db: Connection,
}

impl EventReader {
    pub(super) fn open(database: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            db: schema::open_reader(database)?,
        })
    }

    /// At most `limit` events after `seq`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn after(&self, seq: u64, limit: usize) -> anyhow::Result<Vec<StoredEvent>> {
        let mut statement = self.db.prepare_cached(
            "SELECT seq, id, kind, subject, json FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let bounds = params![
            i64::try_from(seq).unwrap_or(i64::MAX),
            i64::try_from(limit).unwrap_or(i64::MAX)
        ];
        let rows = statement.query_map(bounds, |row| {
            Ok(StoredEvent {
                seq: row.get::<_, i64>(0)?.unsigned_abs(),
                id: row.get(1)?,
                kind: row.get(2)?,
                subject: row.get(3)?,
                json: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The lowest event that `sink` has not acknowledged comes after this one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn cursor(&self, sink: &str) -> anyhow::Result<u64> {
        let cursor: Option<i64> = self
            .db
            .query_row("SELECT cursor FROM sinks WHERE name = ?1", [sink], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(cursor.unwrap_or(0).unsigned_abs())
    }

    /// How many events `sink` would not take.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn dead_letters(&self, sink: &str) -> anyhow::Result<u64> {
        let count: i64 = self.db.query_row(
            "SELECT count(*) FROM dead_letters WHERE sink = ?1",
            [sink],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }
}
