//! Events as lines of Asterisk's `queue_log`, for the reports that people have: `unixtime | call | queue
//! | agent | event | its fields`.
//!
//! | event | line |
//! |---|---|
//! | `queue.joined` | `ENTERQUEUE` url, caller, position |
//! | `queue.left` answered | `CONNECT` hold, call, ring |
//! | abandoned, interrupted | `ABANDON` position, original position, wait |
//! | timeout, estimated_wait | `EXITWITHTIMEOUT` the same |
//! | no_operators, queue_full | `EXITEMPTY` the same |
//! | exit_key, callback, moved | `EXITWITHKEY` key, and the same |
//! | `operator.missed` | `RINGNOANSWER` milliseconds |
//! | `call.ended` of who was answered from a queue | `COMPLETECALLER` or `COMPLETEAGENT` hold, talk, original position |
//! | `operator.state` | `ADDMEMBER` `REMOVEMEMBER` `PAUSE` `UNPAUSE` |
//! | `dialplan.applied` | `CONFIGRELOAD` |
//!
//! What a line needs of the call's earlier events is read from the store, so that no memory is lost
//! with a crash. A caller's place is known when they join alone: the other places repeat it.

use serde_json::Value;

use crate::server::store::{EventReader, Store, StoredEvent};

/// Earlier events of a call that are looked at.
const EARLIER: usize = 500;
/// A text in a field.
const FIELD_CHARS: usize = 128;

/// What renders them.
pub(super) struct QueueLog {
    store: Store,
    reader: Option<EventReader>,
}

/// The parts of a line.
struct Line<'e> {
    queue: Option<&'e str>,
    agent: Option<&'e str>,
    event: &'static str,
    fields: Vec<String>,
}

impl QueueLog {
    pub(super) const fn new(store: Store) -> Self {
        Self {
            store,
            reader: None,
        }
    }

    /// The line of an event.
    pub(super) fn line(&mut self, event: &StoredEvent) -> anyhow::Result<Option<String>> {
        let Ok(document) = serde_json::from_str::<Value>(&event.json) else {
            return Ok(None);
        };
        let data = document.get("data").unwrap_or(&Value::Null);
        let before = match event.kind.as_str() {
            "queue.left" | "call.ended" => self.before(event)?,
            _ => Vec::new(),
        };
        let told = match event.kind.as_str() {
            "queue.joined" => Some(joined(data)),
            "queue.left" => left(data, &before),
            "call.ended" => ended(data, &before),
            "operator.missed" => missed(data),
            "operator.state" => state(data),
            "dialplan.applied" => Some(Line {
                queue: None,
                agent: None,
                event: "CONFIGRELOAD",
                fields: Vec::new(),
            }),
            _ => None,
        };
        let at = text(&document, "time").and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let at = at.map_or(0, jiff::Timestamp::as_second);
        // What is of an operator alone has no call, whichever one it came from.
        let call = event.subject.as_deref();
        let call = call.filter(|_| event.kind != "operator.state");
        Ok(told.map(|line| {
            let mut parts = vec![
                at.to_string(),
                clean(call.unwrap_or("NONE")),
                clean(line.queue.unwrap_or("NONE")),
                clean(line.agent.unwrap_or("NONE")),
                line.event.to_owned(),
            ];
            if line.fields.is_empty() {
                parts.push(String::new());
            }
            parts.extend(line.fields);
            parts.join("|")
        }))
    }

    /// The call's events before this one, as their kinds and data.
    fn before(&mut self, event: &StoredEvent) -> anyhow::Result<Vec<(String, Value)>> {
        let Some(call) = &event.subject else {
            return Ok(Vec::new());
        };
        if self.reader.is_none() {
            self.reader = Some(self.store.reader()?);
        }
        let Some(reader) = &self.reader else {
            return Ok(Vec::new());
        };
        let found = reader.of_call(call, event.seq, EARLIER)?;
        let found = found.into_iter().filter_map(|event| {
            let document = serde_json::from_str::<Value>(&event.json).ok()?;
            Some((event.kind, document.get("data")?.clone()))
        });
        Ok(found.collect())
    }
}

fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}

/// Whole seconds of a field.
fn seconds(value: &Value, field: &str) -> u64 {
    let seconds = value.get(field).and_then(Value::as_f64).unwrap_or(0.0);
    whole(seconds)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a call's seconds fit; what is negative or no number becomes zero"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

/// What stands in a field never ends it, nor the line.
fn clean(text: &str) -> String {
    let plain = |letter: char| {
        if letter == '|' || letter.is_control() {
            '_'
        } else {
            letter
        }
    };
    text.chars().take(FIELD_CHARS).map(plain).collect()
}

fn joined(data: &Value) -> Line<'_> {
    let caller = text(data, "from").unwrap_or_default();
    let position = data.get("position").and_then(Value::as_u64).unwrap_or(1);
    Line {
        queue: text(data, "queue"),
        agent: None,
        event: "ENTERQUEUE",
        fields: vec![
            String::new(),
            clean(caller.trim_start_matches('+')),
            position.to_string(),
        ],
    }
}

/// The place at which the caller joined this queue last; none who never joined.
fn place(before: &[(String, Value)], queue: Option<&str>) -> Option<String> {
    let mut joined = before.iter().rev();
    let (_, joined) =
        joined.find(|(kind, data)| kind == "queue.joined" && text(data, "queue") == queue)?;
    let place = joined.get("position").and_then(Value::as_u64);
    Some(place.unwrap_or(1).to_string())
}

fn left<'e>(data: &'e Value, before: &[(String, Value)]) -> Option<Line<'e>> {
    let queue = text(data, "queue");
    // Whom a full queue never let in did not enter the log either.
    let place = place(before, queue)?;
    let wait = seconds(data, "queue_wait_s").to_string();
    let (event, mut fields) = match text(data, "left_reason").unwrap_or_default() {
        "answered" => {
            let mut answered = before.iter().rev();
            let answered = answered.find(|(kind, _)| kind == "operator.answered");
            let ring = answered.map_or(0, |(_, data)| seconds(data, "ring_s"));
            let call = text(data, "id").unwrap_or_default();
            return Some(Line {
                queue,
                agent: text(data, "operator"),
                event: "CONNECT",
                fields: vec![wait, clean(call), ring.to_string()],
            });
        }
        "timeout" | "estimated_wait" => ("EXITWITHTIMEOUT", vec![]),
        "no_operators" | "queue_full" => ("EXITEMPTY", vec![]),
        "exit_key" | "callback" | "moved" => ("EXITWITHKEY", vec![String::new()]),
        _ => ("ABANDON", vec![]),
    };
    fields.extend([place.clone(), place, wait]);
    Some(Line {
        queue,
        agent: None,
        event,
        fields,
    })
}

fn ended<'e>(data: &'e Value, before: &'e [(String, Value)]) -> Option<Line<'e>> {
    let mut left = before.iter().rev();
    let (_, left) = left.find(|(kind, _)| kind == "queue.left")?;
    if text(left, "left_reason") != Some("answered") {
        return None;
    }
    let queue = text(left, "queue");
    let by_caller = text(data, "ended_by") == Some("caller");
    Some(Line {
        queue,
        agent: text(data, "operator"),
        event: if by_caller {
            "COMPLETECALLER"
        } else {
            "COMPLETEAGENT"
        },
        fields: vec![
            seconds(left, "queue_wait_s").to_string(),
            seconds(data, "talk_s").to_string(),
            place(before, queue).unwrap_or_else(|| "1".to_owned()),
        ],
    })
}

fn missed(data: &Value) -> Option<Line<'_>> {
    // Whoever rang for nothing, because another was faster, missed nobody.
    if text(data, "missed_reason") == Some("withdrawn") {
        return None;
    }
    let rang = data.get("ring_s").and_then(Value::as_f64).unwrap_or(0.0);
    Some(Line {
        queue: text(data, "queue"),
        agent: text(data, "operator"),
        event: "RINGNOANSWER",
        fields: vec![whole(rang * 1_000.0).to_string()],
    })
}

fn state(data: &Value) -> Option<Line<'_>> {
    let (from, to) = (text(data, "from")?, text(data, "to")?);
    let reason = clean(text(data, "reason").unwrap_or_default());
    let (event, fields) = match (from, to) {
        (same, other) if same == other => return None,
        ("logged_out", _) => ("ADDMEMBER", vec![]),
        (_, "logged_out") => ("REMOVEMEMBER", vec![]),
        (_, "paused") => ("PAUSE", vec![reason]),
        ("paused", _) => ("UNPAUSE", vec![]),
        _ => return None,
    };
    Some(Line {
        queue: None,
        agent: text(data, "operator"),
        event,
        fields,
    })
}
