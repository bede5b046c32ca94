//! What the API shows: queues, operators and live calls, in the fields of the contract.
//!
//! It looks and changes nothing, and it is asked by people and their programs, never by a call: what it
//! costs, no event pays.

use std::ops::Bound;

use serde_json::{Map, Value, json};

use super::command::{Wanted, WantedState};
use super::commanding::Shown;
use super::engine::Engine;
use super::event;
use crate::acd::operator::Operator;
use crate::call::call::Call;
use crate::call::phase::Phase;
use crate::dialplan::plan;
use crate::id::OperatorName;
use crate::time::Now;
use crate::words::OperatorState;

impl Engine {
    /// What is there now.
    pub(super) fn glance(&self, now: Now, shown: &Shown) -> Value {
        match shown {
            Shown::Told(told) => told.clone(),
            Shown::Queues => self.all_queues(now),
            Shown::Operators => {
                let operators = self.desk.operators();
                let operators: Vec<_> = operators.map(|it| self.operator_fields(it)).collect();
                json!({ "operators": operators })
            }
            Shown::Operator(name) => self.one_operator(name),
            Shown::Attempting => self.attempting(),
            Shown::Callback(id) => self.one_callback(*id),
            Shown::Calls(wanted) => self.some_calls(wanted),
            Shown::Set(name, wanted) => {
                let mut fields = self.one_operator(name);
                let state = self.desk.state(name);
                if let Some(fields) = fields.as_object_mut() {
                    fields.insert("takes_effect".into(), json!(when(wanted, state)));
                }
                fields
            }
            Shown::Erased => json!({}),
            Shown::Said(id, said) => match self.calls.get(id) {
                Some(call) => live_fields(call),
                None => json!({
                    "id": id.to_string(),
                    "disposition": said.disposition,
                    "comment": said.comment,
                    "tags": said.tags,
                }),
            },
            Shown::Call(id) => match self.calls.get(id) {
                Some(call) => live_fields(call),
                // It ended so fast that nothing is left of it here.
                None => json!({ "id": id.to_string() }),
            },
        }
    }

    fn all_queues(&self, now: Now) -> Value {
        let queues = self.plan.queues.values();
        let queues: Vec<_> = queues.map(|queue| self.queue_fields(now, queue)).collect();
        json!({ "queues": queues })
    }

    fn queue_fields(&self, now: Now, queue: &plan::Queue) -> Value {
        let mut operators = Map::new();
        for state in OperatorState::ALL {
            let count = queue
                .operators
                .keys()
                .filter(|name| self.desk.state(name) == Some(state))
                .count();
            operators.insert(state.as_str().to_owned(), json!(count));
        }
        let standing = self.desk.standing(now.mono, &queue.name);
        let standing = standing.unwrap_or_default();
        json!({
            "id": queue.name,
            "waiting": self.desk.waiting(&queue.name),
            "longest_wait_s": event::seconds(standing.longest_wait),
            "operators": operators,
            "service_level": standing.of_answered(),
            "service_level_2": standing.of_all(),
            "service_level_s": queue.service_level.map(|it| it.as_secs()),
            "answered": standing.answered,
            "abandoned": standing.abandoned,
        })
    }

    fn one_operator(&self, name: &OperatorName) -> Value {
        let operator = self.desk.operator(name);
        operator.map_or(Value::Null, |operator| self.operator_fields(operator))
    }

    fn operator_fields(&self, operator: &Operator) -> Value {
        let planned = self.plan.operators.get(operator.name());
        let reason = Some(operator.reason()).filter(|reason| !reason.is_empty());
        json!({
            "id": operator.name(),
            "name": planned.map(|it| it.display.as_str()),
            "number": planned.and_then(|it| it.number.as_deref()),
            "state": operator.state().as_str(),
            "reason": reason,
            "since": operator.since().wall.to_string(),
            "queue": operator.queue(),
            "call_id": operator.call().map(|call| call.to_string()),
            "registered": operator.registered(),
        })
    }

    fn some_calls(&self, wanted: &Wanted) -> Value {
        let from = wanted.after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = wanted.before.map_or(Bound::Unbounded, Bound::Excluded);
        if matches!((wanted.after, wanted.before), (Some(after), Some(before)) if after >= before) {
            return json!({ "calls": [] });
        }
        let range = self.calls.range((from, to)).map(|(_, call)| call);
        let range = range.filter(|call| !(wanted.live_only && call.ended()));
        let fit = range.filter(|call| fits(call, wanted));
        let calls: Vec<_> = if wanted.latest_first {
            fit.rev().take(wanted.limit).map(live_fields).collect()
        } else {
            fit.take(wanted.limit).map(live_fields).collect()
        };
        json!({ "calls": calls })
    }
}

/// When a state that somebody wants is there: a ringing phone and a talk are waited for, and a phone
/// that is to ring.
const fn when(wanted: &WantedState, state: Option<OperatorState>) -> &'static str {
    match (wanted, state) {
        (_, Some(OperatorState::Talking))
        | (
            WantedState::Paused(_) | WantedState::LoggedOut,
            Some(OperatorState::Reserved | OperatorState::Ringing),
        ) => "after_call",
        (WantedState::Available | WantedState::Paused(_), Some(OperatorState::LoggedOut)) => {
            "when_registered"
        }
        (
            WantedState::Available,
            None
            | Some(
                OperatorState::Paused
                | OperatorState::Available
                | OperatorState::Reserved
                | OperatorState::Ringing
                | OperatorState::WrapUp,
            ),
        )
        | (
            WantedState::Paused(_),
            None | Some(OperatorState::Paused | OperatorState::Available | OperatorState::WrapUp),
        )
        | (
            WantedState::LoggedOut,
            None
            | Some(
                OperatorState::LoggedOut
                | OperatorState::Paused
                | OperatorState::Available
                | OperatorState::WrapUp,
            ),
        ) => "now",
    }
}

fn fits(call: &Call, wanted: &Wanted) -> bool {
    let facts = call.facts();
    let phone = wanted.phone.as_deref();
    let phone = phone.is_none_or(|it| facts.from.as_deref() == Some(it) || *facts.to == *it);
    let operator = wanted.operator.as_ref();
    let operator = operator.is_none_or(|it| call.operators_told().any(|told| told == it));
    let queue = wanted.queue.as_ref();
    phone && operator && queue.is_none_or(|it| facts.queue.as_ref() == Some(it))
}

/// The call's fields, and where it stands.
fn live_fields(call: &Call) -> Value {
    let mut fields = event::call_fields(call.facts());
    fields.insert("state".into(), json!(standing(call.phase())));
    let recording = match call.silence() {
        _ if !call.records_talk() => None,
        Some(silence) => Some(silence.as_str()),
        None => Some("on"),
    };
    fields.insert("recording".into(), json!(recording));
    Value::Object(fields)
}

const fn standing(phase: &Phase) -> &'static str {
    match phase {
        Phase::Opening { .. } => "opening",
        Phase::Waiting => "waiting",
        Phase::Confirming(_) => "confirming",
        Phase::Whispering(_) => "whispering",
        Phase::Dialling => "dialling",
        Phase::Voicemail(_) => "voicemail",
        Phase::Talking => "talking",
        Phase::Ended => "ended",
    }
}
