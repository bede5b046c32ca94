//! Pages of committed events for the sinks, read on a connection that cannot write.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

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

/// A text that a broken disk made no UTF-8 of has replacement characters: it must not hold up what comes
/// after it.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    })
}

impl StoredEvent {
    /// The first five columns of a row.
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get::<_, i64>(0)?.unsigned_abs(),
            id: text(row, 1)?.unwrap_or_default(),
            kind: text(row, 2)?.unwrap_or_default(),
            subject: text(row, 3)?,
            json: text(row, 4)?.unwrap_or_default(),
        })
    }
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

    pub(super) const fn db(&self) -> &Connection {
        &self.db
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
        let rows = statement.query_map(bounds, StoredEvent::of)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::store::Sync;

    #[test]
    fn a_text_that_is_no_utf_8_does_not_hold_up_what_comes_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("strowger.db");
        let db = schema::open(&path, Sync::Normal).unwrap();
        db.execute_batch(
            "INSERT INTO events VALUES
             (1, 'a', 'call.ended', CAST(x'61ff' AS TEXT), 0, CAST(x'7b22ff227d' AS TEXT)),
             (2, 'b', 'call.ended', NULL, 0, 'x' || char(0) || 'y')",
        )
        .unwrap();
        let events = EventReader::open(&path).unwrap().after(0, 10).unwrap();
        assert_eq!(events[0].subject.as_deref(), Some("a\u{fffd}"));
        assert_eq!(events[0].json, "{\"\u{fffd}\"}");
        assert_eq!(
            (events[1].subject.as_deref(), events[1].json.as_str()),
            (None, "x\0y")
        );
    }
}
