//! An event as the outside world reads it: CloudEvents 1.0 in structured mode.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::engine::event::Event;

/// Digits of `sequence`, so that its text sorts like the number.
const SEQUENCE_DIGITS: usize = 20;

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    datacontenttype: &'static str,
    sequence: String,
    data: &'a Map<String, Value>,
}

/// The whole document, on one line.
pub(super) fn document(event: &Event, source: &str, sequence: u64) -> serde_json::Result<String> {
    serde_json::to_string(&CloudEvent {
        specversion: "1.0",
        id: event.id.to_string(),
        source,
        kind: event.kind,
        time: event.time.to_string(),
        subject: event.subject.map(|call| call.to_string()),
        datacontenttype: "application/json",
        sequence: format!("{sequence:0SEQUENCE_DIGITS$}"),
        data: &event.data,
    })
}
