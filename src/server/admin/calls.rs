//! Calls: those under way as the engine knows them, those that ended as the store does, in one list.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::{Body, Called, Question};
use super::problem::Problem;
use super::{Desk, pages, recordings, words};
use crate::engine::command::{Actor, Command, Past, Wanted};
use crate::id::{CallId, OperatorName, QueueName, Ulid};
use crate::number::asked_for;
use crate::server::store::CallFilter;
use crate::time::Wall;
use crate::words::Role;

/// Which calls.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    since: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
    phone: Option<String>,
    operator: Option<String>,
    queue: Option<String>,
    outcome: Option<String>,
}

const ENDS: [&str; 9] = [
    "answered",
    "missed",
    "blocked",
    "test",
    "busy",
    "no_answer",
    "failed",
    "cancelled",
    "live",
];

impl Which {
    fn filter(self, actor: &Actor) -> Result<CallFilter, Problem> {
        let filter = CallFilter {
            latest_first: self.since.is_none(),
            limit: pages::limit(self.limit)? + 1,
            after: self.since.as_deref().map(moment).transpose()?,
            before: self.cursor.as_deref().map(call_id).transpose()?,
            phone: self.phone.as_deref().map(phone).transpose()?,
            operator: self.operator,
            queue: self.queue,
            outcome: self.outcome,
        };
        if filter.after.is_some() && filter.before.is_some() {
            let why = "`since` goes on from a call, `cursor` goes back from one: give one of them";
            return Err(Problem::senseless(why.to_owned()));
        }
        if let Some(outcome) = &filter.outcome
            && !ENDS.contains(&outcome.as_str())
        {
            let why = format!("`outcome` is one of {}", ENDS.join(", "));
            return Err(Problem::senseless(why));
        }
        own_only(filter, actor)
    }
}

/// An operator sees the own calls.
fn own_only(mut filter: CallFilter, actor: &Actor) -> Result<CallFilter, Problem> {
    if actor.role != Role::Operator {
        return Ok(filter);
    }
    let own = actor.operator.as_ref().map(|own| own.as_str().to_owned());
    let other = filter.operator.is_some() && filter.operator != own;
    if own.is_none() || other {
        let why = "a token of role operator sees the calls of its own `operator` alone";
        return Err(Problem::new(StatusCode::FORBIDDEN, why));
    }
    filter.operator = own;
    Ok(filter)
}

/// The id of a call, or the time from which on.
fn moment(text: &str) -> Result<CallId, Problem> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(CallId(Ulid::first_of(Wall::from_millis(
            stamp.as_millisecond(),
        ))));
    }
    call_id(text).map_err(|_| {
        let why = "`since` is the id of a call, or a time like 2026-11-22T08:00:00Z";
        Problem::senseless(why.to_owned())
    })
}

fn call_id(text: &str) -> Result<CallId, Problem> {
    text.parse().map_err(|_| {
        let why = "`cursor` is what `next` of the page before was";
        Problem::senseless(why.to_owned())
    })
}

/// A number as calls have it. The `+` of a query that nobody encoded reads as a space.
pub(super) fn phone(text: &str) -> Result<String, Problem> {
    asked_for(text).ok_or_else(|| {
        let why = "`phone` is a number like +380671112233";
        Problem::senseless(why.to_owned())
    })
}

/// `GET /v1/calls`.
pub(super) async fn calls(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Question(which): Question<Which>,
) -> Result<Response, Problem> {
    let filter = which.filter(&actor)?;
    let limit = filter.limit - 1;
    let latest_first = filter.latest_first;
    let live_only = filter.outcome.as_deref() == Some("live");
    let mut found = BTreeMap::new();
    // The live ones first: a call that ends between the two questions is in both, and not in neither.
    if filter.outcome.is_none() || live_only {
        let live = desk
            .give(actor, Command::LiveCalls(wanted(&filter)))
            .await?;
        for call in array(live, "calls") {
            if let Some(id) = pages::id(&call) {
                found.insert(id.to_owned(), call);
            }
        }
    }
    if !live_only {
        let stored = desk.read(move |store| store.calls()?.page(&filter)).await?;
        for call in stored.into_iter().map(ended) {
            if let Some(id) = pages::id(&call) {
                found.insert(id.to_owned(), call);
            }
        }
    }
    let mut calls: Vec<_> = found.into_values().collect();
    if latest_first {
        calls.reverse();
    }
    Ok(Json(pages::of("calls", calls, limit)).into_response())
}

fn wanted(filter: &CallFilter) -> Wanted {
    Wanted {
        after: filter.after,
        before: filter.before,
        latest_first: filter.latest_first,
        limit: filter.limit,
        live_only: filter.outcome.as_deref() == Some("live"),
        phone: filter.phone.clone(),
        operator: filter.operator.as_deref().map(OperatorName::from),
        queue: filter.queue.as_deref().map(QueueName::from),
    }
}

fn array(mut value: Value, key: &str) -> Vec<Value> {
    match value.get_mut(key).map(Value::take) {
        Some(Value::Array(items)) => items,
        Some(_) | None => Vec::new(),
    }
}

fn ended(mut call: Value) -> Value {
    if let Some(call) = call.as_object_mut() {
        call.insert("state".into(), json!("ended"));
    }
    call
}

/// `GET /v1/calls/{id}`.
pub(super) async fn call(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(id): Called,
) -> Result<Response, Problem> {
    let mut call = known(&desk, &actor, id).await?;
    let recordings = recordings::of_call(&desk, id).await?;
    if let Some(call) = call.as_object_mut() {
        call.insert("recordings".into(), json!(recordings));
    }
    Ok(Json(call).into_response())
}

/// A call, live or over, as far as this actor may see it.
pub(super) async fn known(desk: &Desk, actor: &Actor, id: CallId) -> Result<Value, Problem> {
    let asked = Command::LiveCall(id);
    let live = desk.commands().give(actor.clone(), asked).await?;
    if let Ok(call) = &live
        && call.get("state") != Some(&json!("ended"))
    {
        return Ok(call.clone());
    }
    match (stored(desk, id).await?, live) {
        (Some(call), _) => {
            if actor.role == Role::Operator && !concerns(&call, actor) {
                let why = "a token of role operator sees the calls of its own `operator` alone";
                return Err(Problem::new(StatusCode::FORBIDDEN, why));
            }
            Ok(ended(call))
        }
        (None, live) => Ok(live?),
    }
}

async fn stored(desk: &Desk, id: CallId) -> Result<Option<Value>, Problem> {
    desk.read(move |store| store.calls()?.one(&id.to_string()))
        .await
}

fn concerns(call: &Value, actor: &Actor) -> bool {
    let own = actor.operator.as_ref().map(|own| json!(own));
    let is_own = |value: &Value| Some(value) == own.as_ref();
    let legs = call.get("legs").and_then(Value::as_array);
    let legs = legs
        .into_iter()
        .flatten()
        .filter_map(|leg| leg.get("operator"));
    call.get("operator").into_iter().chain(legs).any(is_own)
}

/// What somebody says of a call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    disposition: Option<String>,
    comment: Option<String>,
    tags: Option<Vec<String>>,
    priority: Option<i32>,
}

/// `PATCH /v1/calls/{id}`.
pub(super) async fn describe(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(said): Body<Said>,
) -> Result<Response, Problem> {
    let describe = |past| -> Result<Command, Problem> {
        Ok(Command::Describe {
            call,
            past,
            disposition: words::word("disposition", said.disposition.clone())?,
            comment: words::comment("comment", said.comment.clone())?,
            tags: words::tags(said.tags.clone())?,
        })
    };
    let described = said.disposition.is_some() || said.comment.is_some() || said.tags.is_some();
    if !described && said.priority.is_none() {
        let why = "say `disposition`, `comment`, `tags` or `priority`";
        return Err(Problem::senseless(why.to_owned()));
    }
    // What cannot be said is refused before anything is done.
    let description = describe(None)?;
    let mut found = Value::Null;
    if let Some(priority) = said.priority {
        let priority = super::control::priority(priority)?;
        let command = Command::Priority { call, priority };
        found = desk.give(actor.clone(), command).await?;
    }
    if described {
        let first = desk.commands().give(actor.clone(), description).await?;
        found = match first {
            Err(refused) if refused.status == 404 => {
                let known = stored(&desk, call).await?;
                let known = known.ok_or_else(|| Problem::from(refused))?;
                let done = desk.give(actor, describe(Some(past(&known)))?).await?;
                over(known, &done)
            }
            done => done?,
        };
    }
    Ok(Json(found).into_response())
}

fn past(call: &Value) -> Past {
    let text = |key: &str| call.get(key).and_then(Value::as_str);
    Past {
        queue: text("queue").map(QueueName::from),
        operator: text("operator").map(OperatorName::from),
    }
}

/// What is known, with what has just been said.
fn over(known: Value, said: &Value) -> Value {
    let mut call = ended(known);
    if let (Some(call), Some(said)) = (call.as_object_mut(), said.as_object()) {
        let said = said.iter().filter(|(_, value)| !value.is_null());
        call.extend(said.map(|(key, value)| (key.clone(), value.clone())));
    }
    call
}
