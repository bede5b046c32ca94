//! Events for the outside world, before the store gives them a place in the sequence.
//!
//! `data` is built here and nowhere else, so that a field has one name.

use serde_json::{Map, Value, json};

use super::attempts::{attempt_fields, attempt_of};
use crate::call::facts::{AttemptResult, CallFacts, Tried};
use crate::call::message::News;
use crate::id::{CallId, EventId, OperatorName, QueueName, VoicemailName};
use crate::ledger::callbacks::{Callback, State};
use crate::ledger::recalls::Recall;
use crate::media::command::Recorded;
use crate::time::{Duration, Wall};
use crate::words::{Direction, MissedReason, Phrase};

/// One event. The store adds `sequence` when it commits; `source` and `specversion` are the same for
/// every event of a node.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Unique for ever, and the same at each delivery.
    pub id: EventId,
    /// `call.started`, `queue.joined` and so on.
    pub kind: &'static str,
    /// The call; none for `operator.state` and the like.
    pub subject: Option<CallId>,
    /// When it happened.
    pub time: Wall,
    /// The rest.
    pub data: Map<String, Value>,
}

/// Seconds with milliseconds.
pub(super) fn seconds(duration: Duration) -> Value {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a call is far shorter than 2^52 ms"
    )]
    let value = millis as f64 / 1000.0;
    json!(value)
}

fn moment(wall: Option<Wall>) -> Value {
    wall.map_or(Value::Null, |wall| Value::String(wall.to_string()))
}

/// The names of [`call_fields`].
pub const CALL_FIELDS: [&str; 27] = [
    "id",
    "direction",
    "trunk",
    "from",
    "to",
    "site",
    "source",
    "campaign",
    "queue",
    "operator",
    "started_at",
    "answered_at",
    "ended_at",
    "wait_s",
    "talk_s",
    "outcome",
    "result",
    "reason",
    "plan",
    "legs",
    "recording",
    "voicemail",
    "disposition",
    "comment",
    "tags",
    "repeat",
    "callback_requested",
];

/// The call fields of the contract (section 8).
#[must_use]
pub fn call_fields(facts: &CallFacts) -> Map<String, Value> {
    let mut data = Map::new();
    let mut put = |key: &str, value: Value| {
        data.insert(key.to_owned(), value);
    };
    put("id", json!(facts.id.to_string()));
    put("direction", json!(facts.direction));
    put("trunk", json!(facts.trunk));
    put("from", json!(facts.from));
    put("to", json!(facts.to));
    put("site", json!(facts.site));
    put("source", json!(facts.source));
    put("campaign", json!(facts.campaign));
    put("queue", json!(facts.queue));
    put("operator", json!(facts.operator));
    put("started_at", moment(Some(facts.started_at)));
    put("answered_at", moment(facts.answered_at));
    put("ended_at", moment(facts.ended_at));
    put("wait_s", facts.wait.map_or(Value::Null, seconds));
    put("talk_s", facts.talk.map_or(Value::Null, seconds));
    put("outcome", json!(facts.outcome));
    put("result", json!(facts.result));
    put("reason", json!(facts.reason));
    put("plan", json!(facts.plan));
    put("legs", Value::Array(legs(facts)));
    let recording = facts.recorded.then(|| facts.id.to_string());
    put("recording", json!(recording));
    let voicemail = facts.voicemail.as_ref();
    put("voicemail", json!(voicemail.map(|left| &left.voicemail)));
    put("disposition", json!(facts.said.disposition));
    put("comment", json!(facts.said.comment));
    put(
        "tags",
        json!(facts.said.tags.as_deref().unwrap_or_default()),
    );
    put("repeat", json!(facts.repeat));
    put("callback_requested", json!(facts.callback_requested));
    data
}

fn legs(facts: &CallFacts) -> Vec<Value> {
    let mut caller = Map::new();
    caller.insert("leg".into(), json!("caller"));
    caller.insert("at".into(), moment(Some(facts.started_at)));
    if let Some(operator) = &facts.placed_by {
        caller.insert("operator".into(), json!(operator));
    }
    // Whom we call back is no caller: only the attempts are legs.
    let rung_back = facts.direction == Direction::Outbound && facts.placed_by.is_none();
    let caller = (!rung_back).then_some(Value::Object(caller));
    let attempts = facts.attempts.iter().map(|attempt| {
        let result = match attempt.result {
            None => Value::Null,
            Some(AttemptResult::Answered) => json!("answered"),
            Some(AttemptResult::Missed(reason)) => json!(reason),
        };
        let at = moment(Some(attempt.at));
        match &attempt.tried {
            Tried::Operator { operator, queue } => json!({
                "leg": "operator",
                "operator": operator,
                "queue": queue,
                "at": at,
                "result": result,
            }),
            Tried::Trunk(trunk) => {
                json!({ "leg": "trunk", "trunk": trunk, "at": at, "result": result })
            }
        }
    });
    caller.into_iter().chain(attempts).collect()
}

/// The type of an event and its data: the call's fields, and what the news adds.
#[must_use]
pub fn call_event(news: &News, facts: &CallFacts) -> (&'static str, Map<String, Value>) {
    let mut data = call_fields(facts);
    let (kind, more) = match news {
        News::Started => ("call.started", json!({})),
        News::Routed {
            targets,
            rule,
            priority,
        } => (
            "call.routed",
            json!({ "targets": targets, "rule": rule, "priority": priority }),
        ),
        News::Closed { queue, targets } => (
            "call.routed",
            json!({ "targets": targets, "closed": queue }),
        ),
        News::Unrouted => ("number.unrouted", json!({})),
        News::QueueJoined {
            queue,
            position,
            wait,
        } => ("queue.joined", joined(queue, *position, *wait)),
        // Told by its own fields, see [`callback_fields`].
        News::CallbackAsked { .. } => ("callback.opened", json!({})),
        News::RingsPatient => ("callback.dialled", json!({})),
        News::QueueLeft {
            queue,
            reason,
            wait,
        } => (
            "queue.left",
            json!({ "queue": queue, "left_reason": reason, "queue_wait_s": seconds(*wait) }),
        ),
        News::Assigned { operator, queue } => (
            "operator.assigned",
            json!({ "operator": operator, "queue": queue }),
        ),
        News::OperatorAnswered { operator, ring } => (
            "operator.answered",
            json!({ "operator": operator, "ring_s": seconds(*ring) }),
        ),
        News::OperatorMissed {
            operator,
            reason,
            ring,
        } => (
            "operator.missed",
            json!({ "operator": operator, "missed_reason": reason, "ring_s": seconds(*ring) }),
        ),
        News::Whispered {
            operator,
            phrase,
            played,
            whole,
        } => (
            "whisper.played",
            whispered(operator, phrase.as_ref(), *played, *whole),
        ),
        News::Bridged => ("call.bridged", json!({})),
        News::Held { held, by_operator } => (
            if *held { "call.held" } else { "call.resumed" },
            json!({ "by": if *by_operator { "operator" } else { "caller" } }),
        ),
        News::Transferred {
            kind,
            from,
            to,
            result,
        } => ("call.transferred", {
            let transfer = json!({ "kind": kind, "from": from, "to": to, "result": result });
            json!({ "transfer": transfer })
        }),
        News::RecordingStarted { keep } => (
            "recording.started",
            json!({ "keep_s": keep.map(|keep| keep.as_secs()) }),
        ),
        News::RecordingSilenced(Some(silence)) => {
            ("recording.paused", json!({ "silence": silence.as_str() }))
        }
        News::RecordingSilenced(None) => ("recording.resumed", json!({})),
        News::RecordingFinished(recorded) => ("recording.finished", finished(recorded)),
        News::VoicemailRecorded {
            voicemail,
            length,
            file,
        } => (
            "voicemail.recorded",
            message(voicemail, *length, file, facts),
        ),
        News::RecordingTroubled(Some(why)) => {
            ("recording.failed", json!({ "why": why, "final": false }))
        }
        News::RecordingTroubled(None) => ("recording.resumed", json!({ "after": "failure" })),
        News::RecordingFailed(why) => ("recording.failed", json!({ "why": why, "final": true })),
        News::Ended => ("call.ended", ended(facts)),
    };
    if let Value::Object(more) = more {
        data.extend(more);
    }
    (kind, data)
}

fn whispered(
    operator: &OperatorName,
    phrase: Option<&Phrase>,
    played: Duration,
    whole: bool,
) -> Value {
    let (text, language) = match phrase {
        Some(Phrase::Spoken { language, text }) => (Some(text.as_str()), Some(*language)),
        Some(Phrase::File(file)) => (Some(file.as_str()), None),
        Some(Phrase::Tone(_)) | None => (None, None),
    };
    let tone = match phrase {
        Some(Phrase::Tone(tone)) => Some(tone.as_str()),
        Some(Phrase::Spoken { .. } | Phrase::File(_)) | None => None,
    };
    json!({
        "operator": operator,
        "tone": tone,
        "text": text,
        "language": language,
        "played_s": seconds(played),
        "whole": whole,
    })
}

fn joined(queue: &QueueName, position: u32, wait: Option<Duration>) -> Value {
    json!({ "queue": queue, "position": position, "estimated_wait_s": wait.map(seconds) })
}

fn message(voicemail: &VoicemailName, length: Duration, file: &str, facts: &CallFacts) -> Value {
    json!({
        "voicemail": voicemail,
        "duration_s": seconds(length),
        "recording": facts.id.to_string(),
        "file": file,
    })
}

/// Why the plan refused the call; who hung up; and a caller whom nobody took in the end is told apart, though
/// somebody had spoken with them.
fn ended(facts: &CallFacts) -> Value {
    let mut data = Map::new();
    if let Some(note) = &facts.note {
        data.insert("note".into(), json!(note));
    }
    if let Some(reason) = facts.stranded {
        data.insert("stranded".into(), json!(reason));
    }
    if let Some(party) = facts.ended_by {
        data.insert("ended_by".into(), json!(party));
    }
    Value::Object(data)
}

fn finished(recorded: &Recorded) -> Value {
    json!({
        "file": recorded.file,
        "bytes": recorded.bytes,
        "duration_s": seconds(recorded.duration),
        "sha256": recorded.sha256,
        "manifest_sha256": recorded.manifest_sha256,
    })
}

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
pub const CALLBACK_FIELDS: [&str; 18] = [
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
        "opened_at": moment(Some(callback.opened_at)),
        "due_at": moment(Some(callback.due_at)),
        "overdue": callback.overdue,
        "shift_ended_at": moment(callback.shift_ended_at),
        "count": callback.count,
        "attempts": attempts,
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
