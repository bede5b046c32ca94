//! Leads: one row each, which follows the events of the lead; and the answers to requests that may
//! come again.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params, params_from_iter};
use serde_json::{Map, Value};

use super::schema;
use crate::engine::event::Event;
use crate::engine::lead_event::lead_of;
use crate::id::{LeadId, Ulid};
use crate::ledger::answers::Answered;
use crate::ledger::leads::Lead;
use crate::limits;
use crate::time::Wall;

/// Follows an event of a lead: its fields are all there is to know.
pub(super) fn apply(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    let Some(lead) = lead_of(&event.data) else {
        return Ok(());
    };
    let mut data = event.data.clone();
    // What belongs to this event alone.
    data.remove("attempt");
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO leads (id, phone, list, state, data)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            lead.id.to_string(),
            lead.phone,
            lead.list,
            lead.state.as_str(),
            Value::Object(data).to_string(),
        ])?;
    Ok(())
}

/// Keeps the answer to a request that may come again, and forgets the old ones.
pub(super) fn answered(transaction: &Transaction<'_>, answered: &Answered) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO answers VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            answered.key,
            answered.fingerprint,
            answered.at.as_millis(),
            answered.answer
        ])?;
    let kept = i64::try_from(limits::ANSWERS_KEPT.as_millis()).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "DELETE FROM answers WHERE at <= ?1
                OR at < (SELECT at FROM answers ORDER BY at DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![
            answered.at.as_millis().saturating_sub(kept),
            i64::try_from(limits::ANSWERS).unwrap_or(i64::MAX) - 1,
        ])?;
    Ok(())
}

/// The leads that are open, and those that came not long ago.
pub(super) fn restore(transaction: &Transaction<'_>, now: Wall) -> rusqlite::Result<Vec<Lead>> {
    let kept = i64::try_from(limits::LEAD_DEDUPE.as_millis()).unwrap_or(i64::MAX);
    let since = Wall::from_millis(now.as_millis().saturating_sub(kept).max(0));
    let mut statement = transaction.prepare(
        "SELECT id, data FROM leads WHERE state IN ('open', 'attempting', 'connected')
         UNION ALL SELECT id, data FROM leads WHERE state = 'closed' AND id >= ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([Ulid::first_of(since).to_string()], |row| {
        row.get::<_, String>(1)
    })?;
    let mut leads = Vec::new();
    for row in rows {
        leads.extend(object(&row?).as_ref().and_then(lead_of));
    }
    Ok(leads)
}

/// The answers of the last day.
pub(super) fn restore_answers(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<Answered>> {
    let mut statement =
        transaction.prepare("SELECT key, fingerprint, at, answer FROM answers ORDER BY at, key")?;
    let rows = statement.query_map([], |row| {
        Ok(Answered {
            key: row.get(0)?,
            fingerprint: row.get(1)?,
            at: Wall::from_millis(row.get(2)?),
            answer: row.get(3)?,
        })
    })?;
    rows.collect()
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// Which leads are wanted; the latest come first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LeadFilter {
    /// Only earlier ones.
    pub before: Option<LeadId>,
    /// How many at most.
    pub limit: usize,
    /// In this state.
    pub state: Option<String>,
    /// Of this number.
    pub phone: Option<String>,
    /// On this list.
    pub list: Option<String>,
}

/// A reader of the table, on a connection of its own.
pub struct StoredLeads {
    db: Connection,
}

impl StoredLeads {
    pub(super) fn open(database: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            db: schema::open_reader(database)?,
        })
    }

    /// One lead by its id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn one(&self, lead: LeadId) -> anyhow::Result<Option<Value>> {
        let mut statement = self
            .db
            .prepare_cached("SELECT data FROM leads WHERE id = ?1")?;
        let data: Option<String> = statement
            .query_row([lead.to_string()], |row| row.get(0))
            .optional()?;
        Ok(data.and_then(|data| object(&data)).map(Value::Object))
    }

    /// A page of leads.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn page(&self, filter: &LeadFilter) -> anyhow::Result<Vec<Value>> {
        // One column leads the search; the others only sift, or SQLite would sort a whole index.
        let mut sql = "SELECT data FROM leads WHERE true".to_owned();
        let mut values = Vec::new();
        let columns = [
            ("phone", &filter.phone),
            ("list", &filter.list),
            ("state", &filter.state),
        ];
        for (column, value) in columns {
            if let Some(value) = value {
                let sifts = if values.is_empty() { "" } else { "+" };
                sql += &format!(" AND {sifts}{column} = ?");
                values.push(value.clone());
            }
        }
        if let Some(before) = filter.before {
            sql += " AND id < ?";
            values.push(before.to_string());
        }
        sql += &format!(" ORDER BY id DESC LIMIT {}", filter.limit);
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(0))?;
        let mut leads = Vec::new();
        for row in rows {
            leads.extend(object(&row?).map(Value::Object));
        }
        Ok(leads)
    }
}
