//! Calls under way: a row from `call.started` to `call.ended`, so that the start after a crash can
//! end each of them exactly once.

use rusqlite::{Transaction, params};

use super::projection::text;
use crate::engine::event::Event;

/// What a row says of a call that was cut.
pub(super) struct LiveCall {
    /// The call.
    pub(super) call: String,
    /// Whether the parties had heard each other.
    pub(super) talking: bool,
    /// When the store last heard of it.
    pub(super) seen: i64,
    /// The fields of its last event, as JSON.
    pub(super) data: String,
}

/// Follows the `call.*` events of one call.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    event: &Event,
    verb: &str,
) -> rusqlite::Result<()> {
    let Some(call) = event.subject.map(|call| call.to_string()) else {
        return Ok(());
    };
    let data = || serde_json::Value::Object(event.data.clone()).to_string();
    match verb {
        "started" => transaction
            .prepare_cached("INSERT OR REPLACE INTO live_calls VALUES (?1, 0, ?2, ?3)")?
            .execute(params![call, event.time.as_millis(), data()])?,
        "ended" => {
            transaction
                .prepare_cached("DELETE FROM live_calls WHERE call = ?1")?
                .execute([&call])?;
            super::recordings::call_ended(transaction, &call, event.time)?;
            super::calls::ended(transaction, &call, event)?;
            0
        }
        "quality" => 0,
        _ => transaction
            .prepare_cached(
                "UPDATE live_calls SET talking = max(talking, ?2), seen = ?3, data = ?4 WHERE call = ?1",
            )?
            .execute(params![call, verb == "bridged", event.time.as_millis(), data()])?,
    };
    Ok(())
}

/// Follows other news that carry the fields of a call, such as the queue it stands in.
pub(super) fn follow(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    let call = event.subject.map(|call| call.to_string());
    if let Some(call) = call.filter(|call| text(&event.data, "id") == Some(call)) {
        let data = serde_json::Value::Object(event.data.clone()).to_string();
        transaction
            .prepare_cached("UPDATE live_calls SET seen = ?2, data = ?3 WHERE call = ?1")?
            .execute(params![call, event.time.as_millis(), data])?;
    }
    Ok(())
}

/// Every call without an end, the earliest first.
pub(super) fn all(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<LiveCall>> {
    let mut statement =
        transaction.prepare("SELECT call, talking, seen, data FROM live_calls ORDER BY call")?;
    let rows = statement.query_map([], |row| {
        Ok(LiveCall {
            call: row.get(0)?,
            talking: row.get(1)?,
            seen: row.get(2)?,
            data: row.get(3)?,
        })
    })?;
    rows.collect()
}
