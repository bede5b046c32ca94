//! The rows of one person, so that nothing of them is left but the counts.
//!
//! Events are rewritten in their places: sequence, id, type and time stay, and so does what counts.
//! What was the person's goes: every text with the number in it, and names, comments and tags.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

use super::{Writing, schema};
use crate::number::named_in;
use crate::time::Wall;

/// Fields that hold what somebody said or wrote of a person.
const PERSONAL: [&str; 5] = ["name", "comment", "tags", "text", "note"];
/// Fields of a callback that stay when its person goes.
const COUNTED: [&str; 7] = [
    "site",
    "queue",
    "reason",
    "opened_at",
    "due_at",
    "overdue",
    "count",
];
/// Tables whose rows are about persons: their texts are rewritten as those of events are.
const OF_PERSONS: [&str; 2] = ["callbacks", "leads"];
/// Events that are looked through at once.
const PAGE: usize = 1_000;

/// What there is of a person.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Traces {
    /// The calls from and to the number.
    pub calls: Vec<String>,
    /// Recordings of these calls that are there.
    pub recordings: Vec<Trace>,
    /// Recordings of these calls that somebody holds.
    pub held: Vec<String>,
    /// The days of these calls, as closed exports name them (UTC).
    pub days: Vec<String>,
    /// Whether patients ring this number: then it is one of ours.
    pub ours: bool,
    /// Whether a call with the number has not ended.
    pub live: bool,
    /// Whether callbacks, leads or the past know the number, also when no call and no event is kept.
    pub known: bool,
    /// Where events went.
    pub sinks: Vec<String>,
}

/// A recording of a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    /// The call.
    pub call: String,
    /// The first file, relative to the recordings folder.
    pub file: String,
    /// When it ended; none while it goes on.
    pub ended: Option<Wall>,
}

/// A reader that looks for a person, on a connection of its own.
pub struct Seeker {
    db: Connection,
}

impl Seeker {
    pub(super) fn open(database: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            db: schema::open_reader(database)?,
        })
    }

    /// What there is of the person with this number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn traces(&self, phone: &str) -> anyhow::Result<Traces> {
        let mut traces = Traces::default();
        let mut statement = self.db.prepare(
            "SELECT call, data ->> 'direction' = 'inbound' AND called = ?1,
                    substr(coalesce(data ->> 'started_at', ''), 1, 10)
             FROM calls WHERE caller = ?1
             UNION SELECT call, data ->> 'direction' = 'inbound' AND called = ?1,
                    substr(coalesce(data ->> 'started_at', ''), 1, 10)
             FROM calls WHERE called = ?1 ORDER BY 1",
        )?;
        let mut rows = statement.query([phone])?;
        while let Some(row) = rows.next()? {
            traces.calls.push(row.get(0)?);
            traces.ours |= row.get::<_, Option<bool>>(1)?.unwrap_or(false);
            let day: String = row.get(2)?;
            if !day.is_empty() && !traces.days.contains(&day) {
                traces.days.push(day);
            }
        }
        traces.live = self.db.query_row(
            "SELECT EXISTS (SELECT 1 FROM live_calls
             WHERE data ->> 'from' = ?1 OR data ->> 'to' = ?1)",
            [phone],
            |row| row.get(0),
        )?;
        traces.known = self.db.query_row(
            "SELECT EXISTS (SELECT 1 FROM callbacks WHERE phone = ?1)
                 OR EXISTS (SELECT 1 FROM leads WHERE phone = ?1)
                 OR EXISTS (SELECT 1 FROM numbers WHERE number = ?1)",
            [phone],
            |row| row.get(0),
        )?;
        let mut one = self.db.prepare(
            "SELECT file, hold, ended FROM recordings WHERE call = ?1 AND deleted IS NULL",
        )?;
        for call in &traces.calls {
            let found = one.query_row([call], |row| {
                let (file, hold): (String, Option<String>) = (row.get(0)?, row.get(1)?);
                let ended: Option<i64> = row.get(2)?;
                Ok((file, hold, ended.map(Wall::from_millis)))
            });
            let Some((file, hold, ended)) = found.optional()? else {
                continue;
            };
            if hold.is_some() {
                traces.held.push(call.clone());
            }
            let call = call.clone();
            traces.recordings.push(Trace { call, file, ended });
        }
        let mut sinks = self.db.prepare("SELECT name FROM sinks ORDER BY name")?;
        let names = sinks.query_map([], |row| row.get(0))?;
        traces.sinks = names.collect::<rusqlite::Result<_>>()?;
        Ok(traces)
    }

    /// The events that speak of the person: those of the calls, and whatever has the number in it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn events(&self, digits: &str, calls: &[String]) -> anyhow::Result<Vec<i64>> {
        let mut found = Vec::new();
        let mut of_call = self
            .db
            .prepare("SELECT seq FROM events WHERE subject = ?1")?;
        for call in calls {
            let rows = of_call.query_map([call], |row| row.get::<_, i64>(0))?;
            found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        let mut theirs = calls.to_vec();
        let mut of_call = self
            .db
            .prepare("SELECT id FROM callbacks WHERE call = ?1")?;
        for call in calls {
            let ids = of_call.query_map([call], |row| row.get::<_, String>(0))?;
            theirs.extend(ids.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        let mut page = self
            .db
            .prepare("SELECT seq, kind, json FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let (mut last, most) = (0_i64, i64::try_from(PAGE).unwrap_or(i64::MAX));
        loop {
            let mut rows = page.query(params![last, most])?;
            let before = last;
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                let (kind, json) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
                // What was said of a call after its end, or of a callback, names it in the data alone.
                let said = kind == "audit.action" && theirs.iter().any(|id| json.contains(id));
                if said || named_in(json, digits) {
                    found.push(last);
                }
            }
            if last == before {
                break;
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// Rewrites events in their places; gives how many there were.
///
/// # Errors
/// When the database refuses.
pub fn rewrite_events(writing: &Writing<'_>, seqs: &[i64], digits: &str) -> rusqlite::Result<u64> {
    let rows = writing.rows();
    let mut read = rows.prepare_cached("SELECT json FROM events WHERE seq = ?1")?;
    let mut write = rows.prepare_cached("UPDATE events SET json = ?2 WHERE seq = ?1")?;
    let mut count = 0;
    for seq in seqs {
        let json: Option<String> = read.query_row([seq], |row| row.get(0)).optional()?;
        let document = json.and_then(|json| serde_json::from_str::<Value>(&json).ok());
        let Some(mut document) = document else {
            continue;
        };
        if let Some(data) = document.get_mut("data").and_then(Value::as_object_mut) {
            scrub(data, digits);
        }
        write.execute(params![seq, document.to_string()])?;
        count += 1;
    }
    Ok(count)
}

/// Takes the person out of every other row.
///
/// # Errors
/// When the database refuses.
pub fn rewrite_rows(
    writing: &Writing<'_>,
    phone: &str,
    digits: &str,
    calls: &[String],
) -> rusqlite::Result<()> {
    let rows = writing.rows();
    for call in calls {
        let data: Option<String> = rows
            .prepare_cached("SELECT data FROM calls WHERE call = ?1")?
            .query_row([call], |row| row.get(0))
            .optional()?;
        let data = data.and_then(|data| serde_json::from_str::<Map<String, Value>>(&data).ok());
        let mut data = data.unwrap_or_default();
        scrub(&mut data, digits);
        rows.prepare_cached(
            "UPDATE calls SET data = ?3, caller = nullif(caller, ?2), called = nullif(called, ?2)
             WHERE call = ?1",
        )?
        .execute(params![call, phone, Value::Object(data).to_string()])?;
        // One that was closed without the number is found by its call alone.
        rows.prepare_cached(
            "UPDATE callbacks SET data = json_set(data, '$.note', NULL) WHERE call = ?1",
        )?
        .execute([call])?;
    }
    for table in OF_PERSONS {
        rewrite_table(rows, table, phone, digits)?;
    }
    rows.execute(
        "UPDATE leads SET state = 'closed', data = json_set(data, '$.state', 'closed')
         WHERE phone = '' AND state <> 'closed'",
        [],
    )?;
    let mut found = rows.prepare("SELECT key, answer FROM answers WHERE instr(answer, ?1) > 0")?;
    let found = found.query_map([digits], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    for (key, answer) in found.collect::<rusqlite::Result<Vec<_>>>()? {
        if named_in(&answer, digits) {
            rows.execute("DELETE FROM answers WHERE key = ?1", [key])?;
        }
    }
    rows.execute("DELETE FROM numbers WHERE number = ?1", [phone])?;
    rows.execute(
        "UPDATE dead_letters SET why = 'erased' WHERE instr(why, ?1) > 0",
        [digits],
    )?;
    Ok(())
}

/// Closes the callback and the leads of a person whom nobody will call any more.
///
/// # Errors
/// When the database refuses.
pub fn close_open(writing: &mut Writing<'_>, phone: &str) -> rusqlite::Result<()> {
    let mut found = writing
        .rows()
        .prepare("SELECT id, call, data FROM callbacks WHERE phone = ?1 AND open = 1")?;
    let open = found
        .query_map([phone], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
        })?
        .collect::<rusqlite::Result<Vec<(String, String, String)>>>()?;
    drop(found);
    for (id, call, data) in open {
        let mut data = serde_json::from_str::<Map<String, Value>>(&data).unwrap_or_default();
        data.retain(|field, _| COUNTED.contains(&field.as_str()));
        data.insert("id".into(), json!(id));
        data.insert("call_id".into(), json!(call));
        data.insert("phone".into(), Value::Null);
        data.insert("state".into(), json!("closed"));
        data.insert("closed_by".into(), json!("erasure"));
        writing.emit("callback.closed", call.parse().ok(), &data)?;
    }
    let mut found = writing
        .rows()
        .prepare("SELECT id FROM leads WHERE phone = ?1 AND state <> 'closed'")?;
    let open = found
        .query_map([phone], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    drop(found);
    for id in open {
        let mut data = Map::new();
        data.insert("id".into(), json!(id));
        data.insert("phone".into(), Value::Null);
        data.insert("state".into(), json!("closed"));
        data.insert("closed_by".into(), json!("erasure"));
        writing.emit("lead.closed", None, &data)?;
    }
    Ok(())
}

/// Rewrites the rows of a table that are about this number, or have it in a text. Its first column is
/// the key.
fn rewrite_table(
    rows: &Connection,
    table: &str,
    phone: &str,
    digits: &str,
) -> rusqlite::Result<()> {
    let mut columns = rows
        .prepare("SELECT name FROM pragma_table_info(?1) WHERE type = 'TEXT' ORDER BY cid DESC")?;
    let columns = columns
        .query_map([table], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let Some((key, texts)) = columns.split_last() else {
        return Ok(());
    };
    // `phone`, by which rows are found, comes after what was said of the person.
    for column in texts {
        let sql = format!(
            "SELECT {key}, {column}, phone = ?1 FROM {table}
             WHERE {column} IS NOT NULL AND (phone = ?1 OR instr({column}, ?2) > 0)"
        );
        let found = rows
            .prepare(&sql)?
            .query_map([phone, digits], |row| {
                let about: bool = row.get(2)?;
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, about))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let sql = format!("UPDATE {table} SET {column} = ?2 WHERE {key} = ?1");
        for (id, text, about) in found {
            let fields = serde_json::from_str::<Map<String, Value>>(&text);
            let text = match fields {
                Ok(mut fields) if about || named_in(&text, digits) => {
                    scrub(&mut fields, digits);
                    Value::Object(fields).to_string()
                }
                Err(_) if named_in(&text, digits) => String::new(),
                Ok(_) | Err(_) => continue,
            };
            rows.execute(&sql, params![id, text])?;
        }
    }
    Ok(())
}

/// Takes out of an event's data, or a call's, what was a person's.
pub(super) fn scrub(data: &mut Map<String, Value>, digits: &str) {
    for (key, value) in data.iter_mut() {
        if PERSONAL.contains(&key.as_str()) {
            *value = if value.is_array() {
                json!([])
            } else {
                Value::Null
            };
        } else {
            forget(value, digits);
        }
    }
    data.insert("erased".into(), json!(true));
}

/// Texts with the number in them become null, however deep they stand.
fn forget(value: &mut Value, digits: &str) {
    match value {
        Value::String(text) if named_in(text, digits) => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, digits)),
        Value::Object(fields) => fields.values_mut().for_each(|field| forget(field, digits)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
