//! What an event changes besides the stream: calls under way, callbacks, recordings. One place, so
//! that a table always agrees with the events it was made from.

use rusqlite::{Transaction, params};
use serde_json::{Map, Value};

use super::{calls, leads, live_calls, numbers, recordings};
use crate::engine::event::Event;
use crate::time::Wall;

/// Applies what follows from `event`, in its transaction.
pub(super) fn apply(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    let Some((noun, verb)) = event.kind.split_once('.') else {
        return Ok(());
    };
    match noun {
        "call" => {
            if verb == "ended" {
                numbers::call_ended(transaction, event)?;
            }
            live_calls::apply(transaction, event, verb)
        }
        "queue" | "operator" | "whisper" => live_calls::follow(transaction, event),
        "audit" => calls::described(transaction, event),
        "recording" => recordings::apply(transaction, event, verb),
        "callback" => callback(transaction, event, verb),
        "lead" => leads::apply(transaction, event),
        _ => Ok(()),
    }
}

/// `callback.opened`, `.repeated`, `.dialled`, `.attempted`, `.overdue`, `.closed`.
fn callback(transaction: &Transaction<'_>, event: &Event, verb: &str) -> rusqlite::Result<()> {
    let Some(id) = text(&event.data, "id") else {
        return Ok(());
    };
    match verb {
        "opened" => transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO callbacks
                 (id, phone, call, site, reason, opened, due, count, open)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 1)",
            )?
            .execute(params![
                id,
                text(&event.data, "phone").unwrap_or_default(),
                text(&event.data, "call_id").unwrap_or_default(),
                text(&event.data, "site"),
                text(&event.data, "reason").unwrap_or_default(),
                event.time.as_millis(),
                moment(&event.data, "due_at")
                    .unwrap_or(event.time)
                    .as_millis(),
            ])?,
        "repeated" => transaction
            .prepare_cached("UPDATE callbacks SET count = count + 1 WHERE id = ?1")?
            .execute([id])?,
        "closed" => transaction
            .prepare_cached("UPDATE callbacks SET open = 0 WHERE id = ?1")?
            .execute([id])?,
        _ => 0,
    };
    match event.data.get("recall") {
        Some(recall) => keep_recall(transaction, id, recall),
        // Whoever says nothing of it changes nothing about it.
        None => Ok(()),
    }
}

/// The place that is kept for a callback, and how far its ladder is.
fn keep_recall(transaction: &Transaction<'_>, id: &str, recall: &Value) -> rusqlite::Result<()> {
    let kept = recall.is_object().then(|| recall.to_string());
    transaction
        .prepare_cached("UPDATE callbacks SET recall = ?2 WHERE id = ?1")?
        .execute(params![id, kept])?;
    Ok(())
}

/// A text field of an event's data.
pub(super) fn text<'a>(data: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    data.get(field).and_then(Value::as_str)
}

/// A field that holds a moment in RFC 3339.
pub(super) fn moment(data: &Map<String, Value>, field: &str) -> Option<Wall> {
    let stamp: jiff::Timestamp = text(data, field)?.parse().ok()?;
    Some(Wall::from_millis(stamp.as_millisecond()))
}
