//! Events for the outside world, before the store gives them a place in the sequence.
//!
//! `data` is built here and nowhere else, so that a field has one name.

use serde_json::{Map, Value, json};

use crate::call::facts::{AttemptResult, CallFacts, Tried};
use crate::call::message::News;
use crate::id::{CallId, EventId, OperatorName, QueueName, VoicemailName};
use crate::media::command::Recorded;
use crate::time::{Duration, Wall};
use crate::words::{Direction, Phrase};

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

pub(super) fn moment(wall: Option<Wall>) -> Value {
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
    if let Value::Object(more) = added(news, facts) {
        data.extend(more);
    }
    (kind(news), data)
}

const fn kind(news: &News) -> &'static str {
    match news {
        News::Started => "call.started",
        News::Routed { .. } | News::Closed { .. } => "call.routed",
        News::Unrouted => "number.unrouted",
        News::QueueJoined { .. } => "queue.joined",
        // Told by its own fields, see [`super::callback_event`].
        News::CallbackAsked { .. } => "callback.opened",
        News::RingsPatient => "callback.dialled",
        News::QueueLeft { .. } => "queue.left",
        News::Assigned { .. } => "operator.assigned",
        News::OperatorAnswered { .. } => "operator.answered",
        News::OperatorMissed { .. } => "operator.missed",
        News::Whispered { .. } => "whisper.played",
        News::Bridged => "call.bridged",
        News::Held { held: true, .. } => "call.held",
        News::Held { held: false, .. } => "call.resumed",
        News::Transferred { .. } => "call.transferred",
        News::RecordingStarted { .. } => "recording.started",
        News::RecordingSilenced(Some(_)) => "recording.paused",
        News::RecordingSilenced(None) | News::RecordingTroubled(None) => "recording.resumed",
        News::RecordingFinished(_) => "recording.finished",
        News::VoicemailRecorded { .. } => "voicemail.recorded",
        News::RecordingTroubled(Some(_)) | News::RecordingFailed(_) => "recording.failed",
        News::Ended => "call.ended",
    }
}

fn added(news: &News, facts: &CallFacts) -> Value {
    match news {
        News::Started
        | News::Unrouted
        | News::CallbackAsked { .. }
        | News::RingsPatient
        | News::Bridged
        | News::RecordingSilenced(None) => json!({}),
        News::Routed {
            targets,
            rule,
            priority,
        } => json!({ "targets": targets, "rule": rule, "priority": priority }),
        News::Closed { queue, targets } => json!({ "targets": targets, "closed": queue }),
        News::QueueJoined {
            queue,
            position,
            wait,
        } => joined(queue, *position, *wait),
        News::QueueLeft {
            queue,
            reason,
            wait,
        } => json!({ "queue": queue, "left_reason": reason, "queue_wait_s": seconds(*wait) }),
        News::Assigned { operator, queue } => json!({ "operator": operator, "queue": queue }),
        News::OperatorAnswered { operator, ring } => {
            json!({ "operator": operator, "ring_s": seconds(*ring) })
        }
        News::OperatorMissed {
            operator,
            reason,
            ring,
        } => json!({ "operator": operator, "missed_reason": reason, "ring_s": seconds(*ring) }),
        News::Whispered {
            operator,
            phrase,
            played,
            whole,
        } => whispered(operator, phrase.as_ref(), *played, *whole),
        News::Held { by_operator, .. } => {
            json!({ "by": if *by_operator { "operator" } else { "caller" } })
        }
        News::Transferred {
            kind,
            from,
            to,
            result,
        } => {
            let transfer = json!({ "kind": kind, "from": from, "to": to, "result": result });
            json!({ "transfer": transfer })
        }
        News::RecordingStarted { keep } => json!({ "keep_s": keep.map(|keep| keep.as_secs()) }),
        News::RecordingSilenced(Some(silence)) => json!({ "silence": silence.as_str() }),
        News::RecordingFinished(recorded) => finished(recorded),
        News::VoicemailRecorded {
            voicemail,
            length,
            file,
        } => message(voicemail, *length, file, facts),
        News::RecordingTroubled(Some(why)) => json!({ "why": why, "final": false }),
        News::RecordingTroubled(None) => json!({ "after": "failure" }),
        News::RecordingFailed(why) => json!({ "why": why, "final": true }),
        News::Ended => ended(facts),
    }
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
