//! The fields of a callback, as its events and the API have them, and how they are read back.

use serde_json::{Map, Value, json};

use super::attempts::{attempt_fields, attempt_of, ringing_fields, ringing_of};
use super::event;
use crate::id::CallId;
use crate::ledger::callbacks::{Callback, State};
use crate::ledger::recalls::Recall;
use crate::time::Wall;
use crate::words::MissedReason;

/// The place that is kept for a patient.
#[must_use]
pub fn recall_fields(recall: Option<&Recall>) -> Value {
    recall.map_or(Value::Null, |recall| {
        json!({
            "queue": recall.queue,
            "entered_at": recall.entered.to_string(),
            "priority": recall.priority,
            "to": recall.dialled,
            "rung": recall.rung,
            "next_at": recall.next_at.to_string(),
        })
    })
}

/// Reads what [`callback_fields`] wrote; none when it is something else.
#[must_use]
pub fn callback_of(data: &Map<String, Value>) -> Option<Callback> {
    let text = |field: &str| data.get(field).and_then(Value::as_str);
    let reason = text("reason")?;
    let attempts = data.get("attempts").and_then(Value::as_array);
    Some(Callback {
        id: text("id")?.parse().ok()?,
        call: text("call_id")?.parse().ok()?,
        phone: text("phone")?.to_owned(),
        site: text("site").map(Into::into),
        queue: text("queue").map(Into::into),
        dialled: text("to").unwrap_or_default().to_owned(),
        reason: MissedReason::of(reason),
        opened_at: wall(text("opened_at")?)?,
        due_at: wall(text("due_at")?)?,
        overdue: data.get("overdue").and_then(Value::as_bool) == Some(true),
        shift_ended_at: text("shift_ended_at").and_then(wall),
        count: u32::try_from(data.get("count")?.as_u64()?).ok()?,
        attempts: attempts
            .into_iter()
            .flatten()
            .filter_map(attempt_of)
            .collect(),
        ringing: data.get("ringing").and_then(ringing_of),
        note: text("note").map(str::to_owned),
        assigned: text("assigned").map(Into::into),
        recall: data.get("recall").and_then(recall_of),
    })
}

/// Reads the recall of a callback.
#[must_use]
pub fn recall_of(fields: &Value) -> Option<Recall> {
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let number = |field: &str| fields.get(field).and_then(Value::as_i64);
    Some(Recall {
        queue: text("queue")?.into(),
        entered: wall(text("entered_at")?)?,
        priority: number("priority").and_then(|it| i32::try_from(it).ok())?,
        dialled: text("to")?.to_owned(),
        rung: number("rung").and_then(|it| u32::try_from(it).ok())?,
        next_at: wall(text("next_at")?)?,
    })
}

fn wall(text: &str) -> Option<Wall> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(Wall::from_millis(stamp.as_millisecond()))
}

/// The names of [`callback_fields`].
pub const CALLBACK_FIELDS: [&str; 19] = [
    "id",
    "call_id",
    "phone",
    "site",
    "queue",
    "to",
    "reason",
    "state",
    "opened_at",
    "due_at",
    "overdue",
    "shift_ended_at",
    "count",
    "attempts",
    "ringing",
    "note",
    "assigned",
    "closed_by",
    "recall",
];

/// The fields of a callback, and by which call it was closed.
#[must_use]
pub fn closed_callback_fields(callback: &Callback, by: CallId) -> Map<String, Value> {
    let mut fields = callback_fields(callback, State::Closed);
    fields.insert("closed_by".into(), json!(by.to_string()));
    fields
}

/// The fields of a callback.
#[must_use]
pub fn callback_fields(callback: &Callback, state: State) -> Map<String, Value> {
    let attempts: Vec<_> = callback.attempts.iter().map(attempt_fields).collect();
    let fields = json!({
        "id": callback.id.to_string(),
        "call_id": callback.call.to_string(),
        "phone": callback.phone,
        "site": callback.site,
        "queue": callback.queue,
        "to": callback.dialled,
        "reason": callback.reason,
        "state": state.as_str(),
        "opened_at": event::moment(Some(callback.opened_at)),
        "due_at": event::moment(Some(callback.due_at)),
        "overdue": callback.overdue,
        "shift_ended_at": event::moment(callback.shift_ended_at),
        "count": callback.count,
        "attempts": attempts,
        "ringing": ringing_fields(callback.ringing.as_ref()),
        "note": callback.note,
        "assigned": callback.assigned,
        "closed_by": Value::Null,
        "recall": recall_fields(callback.recall.as_ref()),
    });
    match fields {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
