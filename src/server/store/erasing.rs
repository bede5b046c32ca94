//! The rows of one person, so that nothing of them is left but the counts.
//!
//! Events are rewritten in their places: sequence, id, type and time stay, and so does what counts.
//! What was the person's goes: every text with the number in it, and names, comments and tags.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

use super::{Writing, schema};
use crate::id::CallId;
use crate::number::{end_of, named_in};
use crate::time::Wall;

/// Fields that hold what somebody said or wrote of a person.
const PERSONAL: [&str; 5] = ["name", "comment", "tags", "text", "note"];
/// Fields of a callback that stay when its person goes.
const COUNTED: [&str; 10] = [
    "id",
    "call_id",
    "attempts",
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
    /// Calls of others whose rows name the number.
    pub mentioned: Vec<String>,
    /// Callbacks and leads of the number, and callbacks of its calls.
    pub wanted: Vec<String>,
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

impl Traces {
    /// Whether no row knows the person.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.calls.is_empty() && self.mentioned.is_empty() && !self.known
    }
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

    /// What there is of the person with this number, which has these digits.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn traces(&self, phone: &str, digits: &str) -> anyhow::Result<Traces> {
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
        self.mentions(&mut traces, digits)?;
        traces.wanted = self.wanted(phone, &traces.calls)?;
        let mut sinks = self.db.prepare("SELECT name FROM sinks ORDER BY name")?;
        let names = sinks.query_map([], |row| row.get(0))?;
        traces.sinks = names.collect::<rusqlite::Result<_>>()?;
        Ok(traces)
    }

    /// Calls of others that name the number, in a comment or as where somebody was sent.
    fn mentions(&self, traces: &mut Traces, digits: &str) -> anyhow::Result<()> {
        let mut found = self.db.prepare(
            "SELECT call, data, substr(coalesce(data ->> 'started_at', ''), 1, 10) FROM calls
             WHERE instr(data, ?1) > 0 ORDER BY call",
        )?;
        let mut rows = found.query([end_of(digits)])?;
        while let Some(row) = rows.next()? {
            let call: String = row.get(0)?;
            let known = traces.calls.binary_search(&call).is_ok();
            if known || !named_in(row.get_ref(1)?.as_str()?, digits) {
                continue;
            }
            traces.mentioned.push(call);
            let day: String = row.get(2)?;
            if !day.is_empty() && !traces.days.contains(&day) {
                traces.days.push(day);
            }
        }
        Ok(())
    }

    /// Callbacks and leads of a number, also those that were closed without it.
    fn wanted(&self, phone: &str, calls: &[String]) -> anyhow::Result<Vec<String>> {
        let mut of_phone = self.db.prepare(
            "SELECT id FROM callbacks WHERE phone = ?1 UNION SELECT id FROM leads WHERE phone = ?1",
        )?;
        let ids = of_phone.query_map([phone], |row| row.get(0))?;
        let mut wanted = ids.collect::<rusqlite::Result<Vec<String>>>()?;
        let mut of_call = self
            .db
            .prepare("SELECT id FROM callbacks WHERE call = ?1")?;
        for call in calls {
            let ids = of_call.query_map([call], |row| row.get(0))?;
            wanted.extend(ids.collect::<rusqlite::Result<Vec<String>>>()?);
        }
        wanted.sort_unstable();
        wanted.dedup();
        Ok(wanted)
    }

    /// The events that speak of the person: those of the calls, what was said of these, of callbacks and
    /// of leads, and whatever names the number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn events(&self, digits: &str, traces: &Traces) -> anyhow::Result<Vec<i64>> {
        let mut found = Vec::new();
        let mut of_call = self
            .db
            .prepare("SELECT seq FROM events WHERE subject = ?1")?;
        let ids = || traces.calls.iter().chain(&traces.wanted);
        for call in &traces.calls {
            let rows = of_call.query_map([call], |row| row.get::<_, i64>(0))?;
            found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
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
                let said = kind == "audit.action" && ids().any(|id| json.contains(id));
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
    traces: &Traces,
) -> rusqlite::Result<()> {
    let rows = writing.rows();
    // One that was closed without the number is found by its id alone.
    for id in &traces.wanted {
        let data: Option<String> = rows
            .prepare_cached("SELECT data FROM callbacks WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        if let Some(mut data) = data.as_deref().and_then(object) {
            scrub(&mut data, digits);
            rows.prepare_cached("UPDATE callbacks SET data = ?2 WHERE id = ?1")?
                .execute(params![id, Value::Object(data).to_string()])?;
        }
    }
    for call in traces.calls.iter().chain(&traces.mentioned) {
        let data: Option<String> = rows
            .prepare_cached("SELECT data FROM calls WHERE call = ?1")?
            .query_row([call], |row| row.get(0))
            .optional()?;
        let mut data = data.as_deref().and_then(object).unwrap_or_default();
        scrub(&mut data, digits);
        rows.prepare_cached(
            "UPDATE calls SET data = ?3, caller = nullif(caller, ?2), called = nullif(called, ?2)
             WHERE call = ?1",
        )?
        .execute(params![call, phone, Value::Object(data).to_string()])?;
    }
    for table in OF_PERSONS {
        rewrite_table(rows, table, phone, digits)?;
    }
    rows.execute(
        "UPDATE leads SET state = 'closed', data = json_set(data, '$.state', 'closed')
         WHERE phone = '' AND state <> 'closed'",
        [],
    )?;
    rows.execute("DELETE FROM numbers WHERE number = ?1", [phone])?;
    forget_answers(rows, digits)?;
    forget_reasons(rows, digits)
}

/// Forgets the answers that name the number, themselves or by the key that they were asked with.
fn forget_answers(rows: &Connection, digits: &str) -> rusqlite::Result<()> {
    let mut found = rows.prepare(
        "SELECT key, answer FROM answers WHERE instr(answer, ?1) > 0 OR instr(key, ?1) > 0",
    )?;
    let found = found.query_map([end_of(digits)], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    for (key, answer) in found.collect::<rusqlite::Result<Vec<_>>>()? {
        if named_in(&answer, digits) || named_in(&key, digits) {
            rows.execute("DELETE FROM answers WHERE key = ?1", [key])?;
        }
    }
    Ok(())
}

/// Takes the number out of what a sink said of an event that it refused.
fn forget_reasons(rows: &Connection, digits: &str) -> rusqlite::Result<()> {
    let mut found =
        rows.prepare("SELECT sink, seq, why FROM dead_letters WHERE instr(why, ?1) > 0")?;
    let found = found.query_map([end_of(digits)], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, String>(2)?,
        ))
    })?;
    for (sink, seq, why) in found.collect::<rusqlite::Result<Vec<_>>>()? {
        if named_in(&why, digits) {
            let sql = "UPDATE dead_letters SET why = 'erased' WHERE sink = ?1 AND seq = ?2";
            rows.execute(sql, params![sink, seq])?;
        }
    }
    Ok(())
}

/// Closes the callback and the leads of a person whom nobody will call any more.
///
/// # Errors
/// When the database refuses.
pub fn close_open(writing: &mut Writing<'_>, phone: &str, digits: &str) -> rusqlite::Result<()> {
    let open = |writing: &Writing<'_>, sql: &str| {
        let mut found = writing.rows().prepare(sql)?;
        let rows = found.query_map([phone], |row| row.get::<_, String>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let callbacks = "SELECT data FROM callbacks WHERE phone = ?1 AND open = 1";
    for data in open(writing, callbacks)? {
        let mut data = object(&data).unwrap_or_default();
        data.retain(|field, _| COUNTED.contains(&field.as_str()));
        let call = data.get("call_id").and_then(Value::as_str);
        let call: Option<CallId> = call.and_then(|call| call.parse().ok());
        close(&mut data, digits);
        writing.emit("callback.closed", call, &data)?;
    }
    let leads = "SELECT data FROM leads WHERE phone = ?1 AND state <> 'closed'";
    for data in open(writing, leads)? {
        let mut data = object(&data).unwrap_or_default();
        close(&mut data, digits);
        writing.emit("lead.closed", None, &data)?;
    }
    Ok(())
}

/// Says that something is closed, and not about whom it was.
fn close(data: &mut Map<String, Value>, digits: &str) {
    scrub(data, digits);
    data.insert("phone".into(), Value::Null);
    data.insert("state".into(), json!("closed"));
    data.insert("closed_by".into(), json!("erasure"));
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
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
            .query_map([phone, end_of(digits)], |row| {
                let about: bool = row.get(2)?;
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, about))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let sql = format!("UPDATE {table} SET {column} = ?2 WHERE {key} = ?1");
        for (id, text, about) in found {
            let text = match object(&text) {
                Some(mut fields) if about || named_in(&text, digits) => {
                    scrub(&mut fields, digits);
                    Value::Object(fields).to_string()
                }
                None if named_in(&text, digits) => String::new(),
                Some(_) | None => continue,
            };
            rows.execute(&sql, params![id, text])?;
        }
    }
    Ok(())
}

/// Takes out of an event's data, or a call's, what was a person's.
fn scrub(data: &mut Map<String, Value>, digits: &str) {
    forget_fields(data, digits);
    data.insert("erased".into(), json!(true));
}

fn forget_fields(fields: &mut Map<String, Value>, digits: &str) {
    for (key, value) in fields.iter_mut() {
        if !PERSONAL.contains(&key.as_str()) {
            forget(value, digits);
        } else if value.is_array() {
            *value = json!([]);
        } else {
            *value = Value::Null;
        }
    }
}

/// Texts that name the number become null, and a person's fields too, however deep they stand.
fn forget(value: &mut Value, digits: &str) {
    match value {
        Value::String(text) if named_in(text, digits) => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, digits)),
        Value::Object(fields) => forget_fields(fields, digits),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
