//! Calls that have ended: one row each, found by number, operator, queue or outcome.
//!
//! A row is made of `call.ended`, and changed only by what somebody says of the call afterwards
//! (`audit.action` with `describe`), so that the table can be made again from the events.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params, params_from_iter};
use serde_json::{Map, Value, json};

use super::projection::text;
use super::schema;
use crate::engine::event::Event;
use crate::id::CallId;

/// Makes a row of the end of a call.
pub(super) fn ended(
    transaction: &Transaction<'_>,
    call: &str,
    event: &Event,
) -> rusqlite::Result<()> {
    let data = &event.data;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO calls (call, caller, called, operator, queue, outcome, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            call,
            text(data, "from"),
            text(data, "to"),
            operator(data),
            text(data, "queue"),
            text(data, "outcome").or_else(|| text(data, "result")),
            Value::Object(data.clone()).to_string(),
        ])?;
    Ok(())
}

/// Who talked; else who placed the call.
fn operator(data: &Map<String, Value>) -> Option<&str> {
    let placed_by = || data.get("legs")?.get(0)?.get("operator")?.as_str();
    text(data, "operator").or_else(placed_by)
}

/// Notes what somebody said of a call that has ended. What is said of a live one is among its own
/// fields.
pub(super) fn described(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    let data = &event.data;
    let says = text(data, "action") == Some("describe") && text(data, "result") == Some("done");
    let Some(call) = text(data, "call_id").filter(|_| says) else {
        return Ok(());
    };
    let known: Option<String> = transaction
        .prepare_cached("SELECT data FROM calls WHERE call = ?1")?
        .query_row([call], |row| row.get(0))
        .optional()?;
    let Some(mut fields) = known.and_then(|known| object(&known)) else {
        return Ok(());
    };
    for key in ["disposition", "comment", "tags"] {
        if let Some(value) = data.get(key).filter(|value| !value.is_null()) {
            fields.insert(key.to_owned(), value.clone());
        }
    }
    transaction
        .prepare_cached("UPDATE calls SET data = ?2 WHERE call = ?1")?
        .execute(params![call, Value::Object(fields).to_string()])?;
    Ok(())
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// Which calls are wanted. Ids sort by the time a call came in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallFilter {
    /// Only later ones.
    pub after: Option<CallId>,
    /// Only earlier ones.
    pub before: Option<CallId>,
    /// The latest first; else the earliest.
    pub latest_first: bool,
    /// How many at most.
    pub limit: usize,
    /// With this number on either side.
    pub phone: Option<String>,
    /// With this operator.
    pub operator: Option<String>,
    /// Last in this queue.
    pub queue: Option<String>,
    /// That ended so: an outcome, or the result of a call that an operator placed.
    pub outcome: Option<String>,
}

/// A reader of the table, on a connection of its own.
pub struct Calls {
    db: Connection,
}

impl Calls {
    pub(super) fn open(database: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            db: schema::open_reader(database)?,
        })
    }

    /// One call by its id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn one(&self, call: &str) -> anyhow::Result<Option<Value>> {
        let mut statement = self
            .db
            .prepare_cached("SELECT data FROM calls WHERE call = ?1")?;
        let data: Option<String> = statement.query_row([call], |row| row.get(0)).optional()?;
        Ok(data.and_then(|data| object(&data)).map(Value::Object))
    }

    /// A page of calls. A number is looked for on either side by an index of its own.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn page(&self, filter: &CallFilter) -> anyhow::Result<Vec<Value>> {
        let mut rows = Vec::new();
        if filter.phone.is_some() {
            for side in ["caller", "called"] {
                rows.extend(self.rows(filter, Some(side))?);
            }
        } else {
            rows = self.rows(filter, None)?;
        }
        rows.sort();
        rows.dedup();
        if filter.latest_first {
            rows.reverse();
        }
        rows.truncate(filter.limit);
        let calls = rows.iter().filter_map(|(_, data)| object(data));
        Ok(calls.map(Value::Object).collect())
    }

    fn rows(
        &self,
        filter: &CallFilter,
        side: Option<&str>,
    ) -> anyhow::Result<Vec<(String, String)>> {
        // One column leads the search; the others only sift, or SQLite would sort a whole index.
        let mut led = false;
        let mut lead = || {
            if std::mem::replace(&mut led, true) {
                "+"
            } else {
                ""
            }
        };
        let mut sql = "SELECT call, data FROM calls WHERE true".to_owned();
        let mut values = Vec::new();
        let columns = [
            (side, &filter.phone),
            (Some("operator"), &filter.operator),
            (Some("queue"), &filter.queue),
            (Some("outcome"), &filter.outcome),
        ];
        for (column, value) in columns {
            if let (Some(column), Some(value)) = (column, value) {
                sql += &format!(" AND {}{column} = ?", lead());
                values.push(json!(value));
            }
        }
        for (sign, bound) in [(">", &filter.after), ("<", &filter.before)] {
            if let Some(bound) = bound {
                sql += &format!(" AND call {sign} ?");
                values.push(json!(bound.to_string()));
            }
        }
        let order = if filter.latest_first { "DESC" } else { "ASC" };
        sql += &format!(" ORDER BY call {order} LIMIT {}", filter.limit);
        let mut statement = self.db.prepare_cached(&sql)?;
        let values = values.iter().filter_map(Value::as_str);
        let rows = statement.query_map(params_from_iter(values), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
