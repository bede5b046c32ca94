//! An attempt to reach a patient: as the call that made it knows it, and in the words of the contract.

use serde_json::{Value, json};

use super::event;
use crate::call::facts::{CallFacts, PatientTry};
use crate::ledger::attempts::{Attempt, Ringing, Upshot};
use crate::time::{Duration, Now, Wall};
use crate::words::CallResult;

/// An attempt, as the call that made it knows it.
pub(super) fn attempt(tried: &PatientTry, result: Option<CallResult>) -> Attempt {
    Attempt {
        at: tried.at,
        operator: tried.operator.clone(),
        sip_code: Some(tried.sip_code),
        ring: tried.ring,
        result: Upshot::Call(result.unwrap_or(CallResult::Failed)),
    }
}

/// The fields of an attempt.
#[must_use]
pub fn attempt_fields(attempt: &Attempt) -> Value {
    json!({
        "at": attempt.at.to_string(),
        "operator": attempt.operator,
        "sip_code": attempt.sip_code,
        "ring_s": event::seconds(attempt.ring),
        "result": attempt.result.as_str(),
    })
}

/// The attempt that this call is about to make.
pub(super) fn ringing(now: Now, facts: &CallFacts) -> Ringing {
    Ringing {
        at: now.wall,
        operator: facts.operator.clone(),
    }
}

/// The fields of an attempt that is under way.
pub(super) fn ringing_fields(ringing: Option<&Ringing>) -> Value {
    ringing.map_or(
        Value::Null,
        |ringing| json!({ "at": ringing.at.to_string(), "operator": ringing.operator }),
    )
}

/// Reads what [`ringing_fields`] wrote; none when it is something else.
pub(super) fn ringing_of(fields: &Value) -> Option<Ringing> {
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let at: jiff::Timestamp = text("at")?.parse().ok()?;
    Some(Ringing {
        at: Wall::from_millis(at.as_millisecond()),
        operator: text("operator").map(Into::into),
    })
}

/// Reads what [`attempt_fields`] wrote; none when it is something else.
#[must_use]
pub fn attempt_of(fields: &Value) -> Option<Attempt> {
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let at: jiff::Timestamp = text("at")?.parse().ok()?;
    let code = fields.get("sip_code").and_then(Value::as_u64);
    let ring = fields.get("ring_s").and_then(Value::as_f64);
    Some(Attempt {
        at: Wall::from_millis(at.as_millisecond()),
        operator: text("operator").map(Into::into),
        sip_code: code.and_then(|code| u16::try_from(code).ok()),
        ring: ring.map_or(Duration::ZERO, |ring| {
            Duration::try_from_secs_f64(ring).unwrap_or_default()
        }),
        result: Upshot::of(text("result")?)?,
    })
}
