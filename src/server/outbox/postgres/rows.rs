//! A batch of events as the rows they become. Pure: it knows documents, no database.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::engine::event::CALL_FIELDS;
use crate::server::store::StoredEvent;

/// What may be said of a call when it is over.
const SAID: [&str; 3] = ["disposition", "comment", "tags"];

/// The parts of an event's document that have columns of their own.
#[derive(Deserialize)]
struct Document {
    source: String,
    time: String,
    #[serde(default)]
    data: Map<String, Value>,
}

/// The newest that a batch says of one call.
struct Call {
    node: String,
    sequence: u64,
    ended: bool,
    data: Map<String, Value>,
}

/// The rows of the events: one document for the one statement.
///
/// # Errors
/// When an event is no document of ours.
pub(super) fn of(events: &[Arc<StoredEvent>]) -> Result<String, String> {
    let mut appended = Vec::with_capacity(events.len());
    let mut calls: BTreeMap<String, Call> = BTreeMap::new();
    let mut said: BTreeMap<String, (u64, Map<String, Value>)> = BTreeMap::new();
    for event in events {
        let document = document(event)?;
        let subject = event.subject.as_deref().map(clean);
        appended.push(json!({
            "id": clean(&event.id),
            "node": document.source,
            "sequence": event.seq,
            "type": clean(&event.kind),
            "time": document.time,
            "call_id": subject,
            "data": document.data,
        }));
        if let Some((call, words)) = description(event, &document.data) {
            match calls.get_mut(&call) {
                Some(row) => {
                    row.sequence = event.seq;
                    row.data.extend(words);
                }
                None => {
                    let (sequence, known) = said.entry(call).or_default();
                    *sequence = event.seq;
                    known.extend(words);
                }
            }
        } else if let Some(call) = subject.filter(|call| is_snapshot(call, &document.data)) {
            let ended = event.kind == "call.ended";
            if calls.get(&call).is_none_or(|row| ended || !row.ended) {
                said.remove(&call);
                calls.insert(call, snapshot(event, document, ended));
            }
        }
    }
    let calls: Vec<_> = calls
        .into_iter()
        .map(|(id, call)| {
            json!({
                "id": id,
                "node": call.node,
                "sequence": call.sequence,
                "ended": call.ended,
                "data": call.data,
            })
        })
        .collect();
    let said: Vec<_> = said
        .into_iter()
        .map(|(id, (sequence, data))| json!({ "id": id, "sequence": sequence, "data": data }))
        .collect();
    Ok(json!({ "events": appended, "calls": calls, "said": said }).to_string())
}

fn document(event: &StoredEvent) -> Result<Document, String> {
    let no_document = |error| format!("the event is no document of ours ({error})");
    if !event.json.contains("\\u0000") {
        return serde_json::from_str(&event.json).map_err(no_document);
    }
    let mut value: Value = serde_json::from_str(&event.json).map_err(no_document)?;
    clean_all(&mut value);
    serde_json::from_value(value).map_err(no_document)
}

/// Whether an event carries all the fields of its call.
fn is_snapshot(call: &str, data: &Map<String, Value>) -> bool {
    data.get("id").and_then(Value::as_str) == Some(call) && data.contains_key("direction")
}

/// What belongs to one event alone is no field of the call, but for what is said of its end.
fn snapshot(event: &StoredEvent, document: Document, ended: bool) -> Call {
    let mut data = document.data;
    if !ended {
        data.retain(|field, _| CALL_FIELDS.contains(&field.as_str()));
    }
    Call {
        node: document.source,
        sequence: event.seq,
        ended,
        data,
    }
}

/// What somebody said of a call, and of which.
fn description(
    event: &StoredEvent,
    data: &Map<String, Value>,
) -> Option<(String, Map<String, Value>)> {
    let text = |field: &str| data.get(field).and_then(Value::as_str);
    let says = event.kind == "audit.action"
        && text("action") == Some("describe")
        && text("result") == Some("done");
    let call = text("call_id").filter(|_| says)?;
    let words = SAID.iter().filter_map(|&field| {
        let value = data.get(field).filter(|value| !value.is_null())?;
        Some((field.to_owned(), value.clone()))
    });
    Some((call.to_owned(), words.collect()))
}

/// PostgreSQL has no place for a NUL in a text.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn clean_all(value: &mut Value) {
    match value {
        Value::String(text) => *text = clean(text),
        Value::Array(items) => items.iter_mut().for_each(clean_all),
        Value::Object(fields) => {
            let all = std::mem::take(fields).into_iter();
            *fields = all
                .map(|(key, mut value)| {
                    clean_all(&mut value);
                    (clean(&key), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "01K";

    fn event(seq: u64, kind: &str, data: &Value) -> Arc<StoredEvent> {
        let json = json!({ "source": "node", "time": "2026-11-22T08:00:00Z", "data": data });
        Arc::new(StoredEvent {
            seq,
            id: format!("e{seq}"),
            kind: kind.into(),
            subject: Some(CALL.into()),
            json: json.to_string(),
        })
    }

    fn fields(more: &Value) -> Value {
        let mut all = json!({ "id": CALL, "direction": "inbound", "tags": [] });
        let all_fields = all.as_object_mut().unwrap();
        all_fields.extend(more.as_object().unwrap().clone());
        all
    }

    fn rows(events: &[Arc<StoredEvent>]) -> Value {
        serde_json::from_str(&of(events).unwrap()).unwrap()
    }

    fn describe(seq: u64) -> Arc<StoredEvent> {
        let data = json!({ "action": "describe", "result": "done", "call_id": CALL,
            "tags": ["vip"], "comment": null });
        event(seq, "audit.action", &data)
    }

    #[test]
    fn a_call_is_its_newest_fields_and_its_end_is_not_taken_back() {
        let rows = rows(&[
            event(1, "call.started", &fields(&json!({}))),
            event(
                2,
                "queue.left",
                &fields(&json!({ "left_reason": "answered" })),
            ),
            event(
                3,
                "call.ended",
                &fields(&json!({ "outcome": "missed", "callback": "01C" })),
            ),
            event(
                4,
                "recording.finished",
                &fields(&json!({ "file": "a.wav" })),
            ),
            event(5, "call.quality", &json!({ "mos": 4.1 })),
        ]);
        assert_eq!(rows["events"].as_array().unwrap().len(), 5);
        let calls = rows["calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0]["sequence"], 3);
        assert_eq!(calls[0]["ended"], true);
        assert_eq!(calls[0]["data"]["callback"], "01C");
        assert_eq!(calls[0]["data"]["file"], Value::Null);
    }

    #[test]
    fn what_belongs_to_one_event_alone_is_no_field_of_the_call() {
        let left = fields(&json!({ "left_reason": "timeout" }));
        let rows = rows(&[event(2, "queue.left", &left)]);
        assert_eq!(rows["events"][0]["data"]["left_reason"], "timeout");
        assert!(rows["calls"][0]["data"].get("left_reason").is_none());
    }

    #[test]
    fn what_is_said_afterwards_goes_into_the_row_or_to_the_one_that_is_there() {
        let ended = event(3, "call.ended", &fields(&json!({ "comment": "first" })));
        let both = rows(&[ended, describe(4)]);
        assert_eq!(both["calls"][0]["data"]["tags"], json!(["vip"]));
        assert_eq!(both["calls"][0]["data"]["comment"], "first");
        assert_eq!(both["calls"][0]["sequence"], 4);
        assert_eq!(both["said"], json!([]));
        let alone = rows(&[describe(4)]);
        assert_eq!(alone["calls"], json!([]));
        assert_eq!(alone["said"][0]["data"], json!({ "tags": ["vip"] }));
    }

    #[test]
    fn a_nul_is_replaced_and_no_document_is_an_error() {
        let rows = rows(&[event(
            1,
            "call.started",
            &json!({ "a\0b": ["x\0", { "y": "\0" }] }),
        )]);
        assert!(!rows.to_string().contains("\\u0000"));
        assert_eq!(rows["events"][0]["data"]["a\u{fffd}b"][0], "x\u{fffd}");
        let mut broken = (*event(2, "call.started", &json!({}))).clone();
        broken.json = "{".into();
        assert!(of(&[Arc::new(broken)]).is_err());
    }
}
