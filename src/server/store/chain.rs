//! What happened to recordings, link by link: each carries the hash of the one before it, so that none
//! can be changed, left out or put between without all that follow showing it.
//!
//! ```text
//! link n:  says = {"link": n, "at": …, "kind": …, "recording": …, hashes}     hash = SHA-256(hash of n-1, says)
//! root of a day:  the hash of its last link, told as `recording.root` to whoever keeps it elsewhere
//! ```
//!
//! The chain runs over hashes of files and manifests: a recording that is deleted or erased leaves its
//! hash and why it went, and nothing that was said. No phone number stands in a link.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::schema;
use crate::time::Wall;

/// What the first link follows.
const NOTHING: &str = "";

/// One link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its place, from one.
    pub number: u64,
    /// The recording it is about; none for what is about several.
    pub recording: Option<String>,
    /// What happened, as JSON; the text that is hashed.
    pub says: String,
    /// Over the link before and what this one says.
    pub hash: String,
}

impl Link {
    /// The fields of what it says.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        match serde_json::from_str(&self.says) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => Map::new(),
        }
    }
}

/// The hash of the last link of a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Root {
    /// The day, UTC, as `2026-11-22`.
    pub day: String,
    /// The link.
    pub link: u64,
    /// Its hash.
    pub hash: String,
}

/// What a link is hashed to.
#[must_use]
pub fn hash(before: &str, says: &str) -> String {
    hex(&[before.as_bytes(), b"\n", says.as_bytes()])
}

/// SHA-256 in lower-case hex.
fn hex(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds a link.
pub fn append(
    rows: &Connection,
    at: Wall,
    kind: &str,
    recording: Option<&str>,
    more: &Map<String, Value>,
) -> rusqlite::Result<Link> {
    let last: Option<(i64, String)> = rows
        .prepare_cached("SELECT link, hash FROM archive_links ORDER BY link DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (number, before) = last.map_or((1, NOTHING.to_owned()), |(last, hash)| (last + 1, hash));
    let mut says = Map::new();
    says.insert("link".into(), json!(number));
    says.insert("at".into(), json!(at.to_string()));
    says.insert("kind".into(), json!(kind));
    says.insert("recording".into(), json!(recording));
    says.extend(more.clone());
    let says = Value::Object(says).to_string();
    let hash = hash(&before, &says);
    rows.prepare_cached("INSERT INTO archive_links VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![number, recording, says, hash])?;
    Ok(Link {
        number: number.unsigned_abs(),
        recording: recording.map(str::to_owned),
        says,
        hash,
    })
}

/// The last link of a recording.
pub(super) fn last_of(rows: &Connection, recording: &str) -> rusqlite::Result<Option<Link>> {
    rows.prepare_cached(
        "SELECT link, recording, says, hash FROM archive_links
         WHERE recording = ?1 ORDER BY link DESC LIMIT 1",
    )?
    .query_row([recording], link)
    .optional()
}

/// Gives the days before `today` the root they lack: only the last of them, as it stands for all before
/// it. None when nothing happened since the last root.
pub fn close_day(
    rows: &Connection,
    yesterday: &str,
    today_began: &str,
) -> rusqlite::Result<Option<Root>> {
    let rooted: i64 = rows.query_row(
        "SELECT coalesce(max(link), 0) FROM archive_roots",
        [],
        |row| row.get(0),
    )?;
    let known: bool = rows.query_row(
        "SELECT EXISTS (SELECT 1 FROM archive_roots WHERE day >= ?1)",
        [yesterday],
        |row| row.get(0),
    )?;
    if known {
        return Ok(None);
    }
    let last: Option<(i64, String)> = rows
        .query_row(
            "SELECT link, hash FROM archive_links
             WHERE link > ?1 AND json_extract(says, '$.at') < ?2 ORDER BY link DESC LIMIT 1",
            params![rooted, today_began],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((link, hash)) = last else {
        return Ok(None);
    };
    rows.execute(
        "INSERT INTO archive_roots VALUES (?1, ?2, ?3)",
        params![yesterday, link, hash],
    )?;
    Ok(Some(Root {
        day: yesterday.to_owned(),
        link: link.unsigned_abs(),
        hash,
    }))
}

/// A reader of the chain, on a connection of its own.
pub struct Chain {
    db: Connection,
}

impl Chain {
    pub(super) fn open(database: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            db: schema::open_reader(database)?,
        })
    }

    /// At most `limit` links after `number`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn after(&self, number: u64, limit: usize) -> anyhow::Result<Vec<Link>> {
        let mut statement = self.db.prepare_cached(
            "SELECT link, recording, says, hash FROM archive_links
             WHERE link > ?1 ORDER BY link LIMIT ?2",
        )?;
        let bounds = params![
            i64::try_from(number).unwrap_or(i64::MAX),
            i64::try_from(limit).unwrap_or(i64::MAX)
        ];
        let rows = statement.query_map(bounds, link)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Every link about a recording, in order: its history, and its certificate when it is gone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of(&self, recording: &str) -> anyhow::Result<Vec<Link>> {
        let mut statement = self.db.prepare_cached(
            "SELECT link, recording, says, hash FROM archive_links
             WHERE recording = ?1 ORDER BY link",
        )?;
        let rows = statement.query_map([recording], link)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Every root, by day.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn roots(&self) -> anyhow::Result<Vec<Root>> {
        let mut statement = self
            .db
            .prepare("SELECT day, link, hash FROM archive_roots ORDER BY day")?;
        let rows = statement.query_map([], |row| {
            Ok(Root {
                day: row.get(0)?,
                link: row.get::<_, i64>(1)?.unsigned_abs(),
                hash: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn link(row: &rusqlite::Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        recording: row.get(1)?,
        says: row.get(2)?,
        hash: row.get(3)?,
    })
}
