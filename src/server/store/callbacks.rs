//! Callbacks, open and closed: a row each, as its last event told of it, found by state, number and
//! branch.
//!
//! A row is made of `callback.*` events, and changed besides only by what somebody says or wants of it
//! (`audit.action` with `callback_describe` and `callback_call`). Whether the patient is being rung now
//! is the engine's knowledge, and not in it.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params, params_from_iter};
use serde_json::{Map, Value, json};

use super::projection::{moment, text};
use super::schema;
use crate::engine::callback_event::{self, CALLBACK_FIELDS};
use crate::engine::event::Event;
use crate::ledger::callbacks::Callback;
use crate::limits;

/// Follows `callback.opened`, `.repeated`, `.dialled`, `.attempted`, `.overdue` and `.closed`.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    event: &Event,
    verb: &str,
) -> rusqlite::Result<()> {
    let Some(id) = text(&event.data, "id") else {
        return Ok(());
    };
    let mut data = event.data.clone();
    data.retain(|field, _| CALLBACK_FIELDS.contains(&field.as_str()));
    let open = verb != "closed";
    let overdue = data.get("overdue").and_then(Value::as_bool) == Some(true);
    // That somebody is rung is true as long as the call is there, and no longer.
    let state = match (open, overdue) {
        (false, _) => "closed",
        (true, true) => "overdue",
        (true, false) => "open",
    };
    data.insert("state".into(), json!(state));
    let data_of = |field| text(&event.data, field).unwrap_or_default();
    let at = |field| moment(&event.data, field).unwrap_or(event.time).as_millis();
    let count = event.data.get("count").and_then(Value::as_i64);
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO callbacks
             (id, phone, call, site, reason, opened, due, count, open, overdue, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            id,
            data_of("phone"),
            data_of("call_id"),
            text(&event.data, "site"),
            data_of("reason"),
            at("opened_at"),
            at("due_at"),
            count.unwrap_or(1),
            open,
            overdue,
            Value::Object(data).to_string(),
        ])?;
    Ok(())
}

/// Notes what somebody said of an open callback, or that somebody wants the patient to be rung.
pub(super) fn remarked(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    let said = &event.data;
    let done = text(said, "result") == Some("done");
    let id = text(said, "callback_id").filter(|_| done);
    let Some(id) = id else {
        return Ok(());
    };
    let Some(mut data) = row(transaction, id)? else {
        return Ok(());
    };
    for field in ["note", "assigned"] {
        match said.get(field).and_then(Value::as_str) {
            Some("") => data.insert(field.to_owned(), Value::Null),
            Some(text) => data.insert(field.to_owned(), json!(text)),
            None => None,
        };
    }
    if let Some(recall) = said.get("recall") {
        data.insert("recall".to_owned(), recall.clone());
    }
    transaction
        .prepare_cached("UPDATE callbacks SET data = ?2 WHERE id = ?1 AND open = 1")?
        .execute(params![id, Value::Object(data).to_string()])?;
    Ok(())
}

fn row(db: &Connection, id: &str) -> rusqlite::Result<Option<Map<String, Value>>> {
    let data: Option<String> = db
        .prepare_cached("SELECT data FROM callbacks WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(data.and_then(|data| object(&data)))
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// The open callback of a number.
pub(super) fn open_of(
    transaction: &Transaction<'_>,
    phone: &str,
) -> rusqlite::Result<Option<Callback>> {
    let data: Option<String> = transaction
        .prepare_cached("SELECT data FROM callbacks WHERE phone = ?1 AND open = 1 LIMIT 1")?
        .query_row([phone], |row| row.get(0))
        .optional()?;
    Ok(data
        .and_then(|data| object(&data))
        .and_then(|data| callback_event::callback_of(&data)))
}

/// The open ones, the oldest first.
pub(super) fn restore(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<Callback>> {
    let most = i64::try_from(limits::OPEN_CALLBACKS).unwrap_or(i64::MAX);
    let mut statement = transaction
        .prepare("SELECT data FROM callbacks WHERE open = 1 ORDER BY opened, id LIMIT ?1")?;
    let mut rows = statement.query([most])?;
    let mut callbacks = Vec::new();
    while let Some(row) = rows.next()? {
        let data = object(&row.get::<_, String>(0)?);
        callbacks.extend(data.and_then(|data| callback_event::callback_of(&data)));
    }
    Ok(callbacks)
}

/// Which callbacks are wanted. Ids sort by the time they were opened; the latest come first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackFilter {
    /// Only those opened before this one.
    pub before: Option<String>,
    /// How many at most.
    pub limit: usize,
    /// Of this number.
    pub phone: Option<String>,
    /// Of this branch.
    pub site: Option<String>,
    /// Whether they are open; none takes both.
    pub open: Option<bool>,
    /// Whether they are overdue; none takes both.
    pub overdue: Option<bool>,
}

/// A reader of the table, on a connection of its own.
pub struct Callbacks {
    db: Connection,
}

impl Callbacks {
    pub(super) fn open(database: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            db: schema::open_reader(database)?,
        })
    }

    /// One callback by its id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn one(&self, id: &str) -> anyhow::Result<Option<Value>> {
        Ok(row(&self.db, id)?.map(Value::Object))
    }

    /// A page of callbacks.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn page(&self, filter: &CallbackFilter) -> anyhow::Result<Vec<Value>> {
        let mut sql = "SELECT data FROM callbacks WHERE true".to_owned();
        let mut values: Vec<rusqlite::types::Value> = Vec::new();
        let texts = [
            ("phone =", &filter.phone),
            ("site =", &filter.site),
            ("id <", &filter.before),
        ];
        for (term, value) in texts {
            if let Some(value) = value {
                sql += &format!(" AND {term} ?");
                values.push(value.clone().into());
            }
        }
        for (column, value) in [("open", filter.open), ("overdue", filter.overdue)] {
            if let Some(value) = value {
                sql += &format!(" AND {column} = ?");
                values.push(i64::from(value).into());
            }
        }
        sql += &format!(" ORDER BY id DESC LIMIT {}", filter.limit);
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(0))?;
        let mut callbacks = Vec::new();
        for data in rows {
            callbacks.extend(object(&data?).map(Value::Object));
        }
        Ok(callbacks)
    }
}
