//! What an event changes besides the stream: calls under way, callbacks, recordings. One place, so
//! that a table always agrees with the events it was made from.

use rusqlite::Transaction;
use serde_json::{Map, Value};

use super::{callbacks, calls, leads, live_calls, numbers, recordings};
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
        "audit" => {
            calls::described(transaction, event)?;
            callbacks::remarked(transaction, event)
        }
        "recording" => recordings::apply(transaction, event, verb),
        "callback" => callbacks::apply(transaction, event, verb),
        "lead" => leads::apply(transaction, event),
        _ => Ok(()),
    }
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
