//! Queues and operators: how the floor stands, and the states that somebody sets.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;

use super::asked::{Body, Named, Question};
use super::problem::Problem;
use super::{Desk, pages, words};
use crate::engine::command::{Actor, Command, WantedState};
use crate::id::OperatorName;

/// Which part of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/queues`.
pub(super) async fn queues(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Question(part): Question<Part>,
) -> Result<Response, Problem> {
    list(&desk, actor, Command::Queues, "queues", part).await
}

/// `GET /v1/operators`.
pub(super) async fn operators(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Question(part): Question<Part>,
) -> Result<Response, Problem> {
    list(&desk, actor, Command::Operators, "operators", part).await
}

async fn list(
    desk: &Desk,
    actor: Actor,
    command: Command,
    name: &str,
    part: Part,
) -> Result<Response, Problem> {
    let mut found = desk.give(actor, command).await?;
    let items = found.get_mut(name).map(Value::take);
    let items = match items {
        Some(Value::Array(items)) => items,
        Some(_) | None => Vec::new(),
    };
    let page = pages::of_all(name, items, part.cursor.as_deref(), part.limit)?;
    Ok(Json(page).into_response())
}

/// `GET /v1/queues/{id}`.
pub(super) async fn queue(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let found = desk.give(actor, Command::Queues).await?;
    let queues = found.get("queues").and_then(Value::as_array);
    let mut queues = queues.into_iter().flatten();
    let queue = queues.find(|queue| pages::id(queue) == Some(&id));
    let queue = queue.ok_or_else(|| {
        let why = "there is no such queue; GET /v1/queues lists them";
        Problem::new(StatusCode::NOT_FOUND, why)
    })?;
    Ok(Json(queue).into_response())
}

/// `GET /v1/operators/{id}`.
pub(super) async fn operator(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let operator = OperatorName::from(id.as_str());
    let found = desk.give(actor, Command::Operator(operator)).await?;
    Ok(Json(found).into_response())
}

/// The state that is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedBody {
    state: Word,
    reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Available,
    Paused,
    LoggedOut,
}

/// `PUT /v1/operators/{id}/state`.
pub(super) async fn set_state(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
    Body(wanted): Body<WantedBody>,
) -> Result<Response, Problem> {
    let reason = words::word("reason", wanted.reason)?;
    let state = match (wanted.state, &reason) {
        (Word::Available, _) => WantedState::Available,
        (Word::LoggedOut, _) => WantedState::LoggedOut,
        (Word::Paused, Some(reason)) => WantedState::Paused(reason.clone()),
        (Word::Paused, None) => {
            let why =
                "a pause needs a `reason`, like {\"state\": \"paused\", \"reason\": \"lunch\"}";
            return Err(Problem::senseless(why.to_owned()));
        }
    };
    let operator = OperatorName::from(id.as_str());
    let command = Command::SetState {
        operator,
        state,
        reason,
    };
    let found = desk.give(actor, command).await?;
    Ok(Json(found).into_response())
}
