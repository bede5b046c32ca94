//! What is done with a call under way.

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::asked::{Body, Called};
use super::problem::Problem;
use super::{Desk, words};
use crate::engine::command::{Actor, Command};
use crate::id::{CallId, OperatorName, QueueName};
use crate::limits;
use crate::media::command::Silence;
use crate::words::Supervision;

async fn done(desk: &Desk, actor: Actor, command: Command) -> Result<Response, Problem> {
    Ok(Json(desk.give(actor, command).await?).into_response())
}

/// A body that says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// `POST /v1/calls/{id}/hangup`.
pub(super) async fn hang_up(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, Problem> {
    done(&desk, actor, Command::HangUp(call)).await
}

/// Held, or taken back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Held {
    held: Option<bool>,
}

/// `POST /v1/calls/{id}/hold`.
pub(super) async fn hold(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<Held>,
) -> Result<Response, Problem> {
    let held = body.held.unwrap_or(true);
    done(&desk, actor, Command::Hold { call, held }).await
}

/// What becomes of a recording.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recording {
    action: RecordingAction,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordingAction {
    Pause,
    Resume,
    Mask,
}

/// `POST /v1/calls/{id}/recording`.
pub(super) async fn recording(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<Recording>,
) -> Result<Response, Problem> {
    let silence = match body.action {
        RecordingAction::Pause => Some(Silence::Paused),
        RecordingAction::Mask => Some(Silence::Masked),
        RecordingAction::Resume => None,
    };
    done(&desk, actor, Command::Silence { call, silence }).await
}

/// To whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct To {
    to: String,
}

/// `POST /v1/calls/{id}/transfer`.
pub(super) async fn transfer(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<To>,
) -> Result<Response, Problem> {
    let to = needed("to", body.to)?;
    done(&desk, actor, Command::Transfer { call, to }).await
}

/// Another queue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToQueue {
    queue: String,
}

/// `POST /v1/calls/{id}/move`.
pub(super) async fn move_to(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<ToQueue>,
) -> Result<Response, Problem> {
    let queue = QueueName::from(needed("queue", body.queue)?.as_str());
    done(&desk, actor, Command::Move { call, queue }).await
}

/// An operator; a token that stands for one need not say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    operator: Option<String>,
}

fn whose(actor: &Actor, body: Whose) -> Result<OperatorName, Problem> {
    let named = words::word("operator", body.operator)?;
    let named = named.map(|name| OperatorName::from(name.as_str()));
    named.or_else(|| actor.operator.clone()).ok_or_else(|| {
        let why = "say whose phone shall ring: {\"operator\": \"olena\"}";
        Problem::senseless(why.to_owned())
    })
}

/// `POST /v1/calls/{id}/pull`.
pub(super) async fn pull(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<Whose>,
) -> Result<Response, Problem> {
    let operator = whose(&actor, body)?;
    done(&desk, actor, Command::Pull { call, operator }).await
}

/// How soon.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HowSoon {
    priority: i32,
}

/// `POST /v1/calls/{id}/priority`.
pub(super) async fn prioritise(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<HowSoon>,
) -> Result<Response, Problem> {
    let priority = priority(body.priority)?;
    done(&desk, actor, Command::Priority { call, priority }).await
}

/// A priority within its bounds.
pub(super) fn priority(asked: i32) -> Result<i32, Problem> {
    let most = limits::PRIORITY;
    if (-most..=most).contains(&asked) {
        return Ok(asked);
    }
    Err(Problem::senseless(format!(
        "`priority` is from -{most} to {most}"
    )))
}

/// `POST /v1/calls/{id}/listen`.
pub(super) async fn listen(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<Whose>,
) -> Result<Response, Problem> {
    supervise(&desk, actor, call, body, Supervision::Listen).await
}

/// `POST /v1/calls/{id}/coach`.
pub(super) async fn coach(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<Whose>,
) -> Result<Response, Problem> {
    supervise(&desk, actor, call, body, Supervision::Coach).await
}

/// `POST /v1/calls/{id}/barge`.
pub(super) async fn barge(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<Whose>,
) -> Result<Response, Problem> {
    supervise(&desk, actor, call, body, Supervision::Barge).await
}

async fn supervise(
    desk: &Desk,
    actor: Actor,
    call: CallId,
    body: Whose,
    mode: Supervision,
) -> Result<Response, Problem> {
    let supervisor = whose(&actor, body)?;
    let command = Command::Supervise {
        call,
        supervisor,
        mode,
    };
    done(desk, actor, command).await
}

/// `POST /v1/calls/{id}/takeover`.
pub(super) async fn take_over(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(body): Body<Whose>,
) -> Result<Response, Problem> {
    let supervisor = whose(&actor, body)?;
    done(&desk, actor, Command::TakeOver { call, supervisor }).await
}

fn needed(key: &str, text: String) -> Result<String, Problem> {
    let text = words::word(key, Some(text))?;
    text.ok_or_else(|| Problem::senseless(format!("`{key}` is empty")))
}
