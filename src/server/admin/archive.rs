//! What is done to finished recordings: held, released, swept; and what happened to one.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::Desk;
use super::asked::{Body, Called};
use super::control::Nothing;
use super::problem::Problem;
use crate::engine::command::{Actor, Command};
use crate::server::archive::{Archive, Undone};

/// Does something that may wait for the disk.
async fn done(
    desk: &Desk,
    act: impl FnOnce(&Archive) -> Result<Value, Undone> + Send + 'static,
) -> Result<Response, Problem> {
    let archive = desk.api.archive.clone();
    let done = spawn_blocking(move || act(&archive)).await;
    let ending = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is ending");
    match done.map_err(ending)? {
        Ok(value) => Ok(Json(value).into_response()),
        Err(Undone::Refused(refused)) => Err(refused.into()),
        Err(Undone::Failed(error)) => Err(Problem::unread(&error)),
    }
}

/// Why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    reason: String,
}

/// `POST /v1/recordings/{id}/hold`.
pub(super) async fn hold(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    Body(why): Body<Why>,
) -> Result<Response, Problem> {
    done(&desk, move |archive| {
        archive.hold(&call.to_string(), &why.reason, &actor)
    })
    .await
}

/// `DELETE /v1/recordings/{id}/hold`.
pub(super) async fn release(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
) -> Result<Response, Problem> {
    done(&desk, move |archive| {
        archive.release(&call.to_string(), &actor)
    })
    .await
}

/// `POST /v1/recordings/sweep`.
pub(super) async fn sweep(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, Problem> {
    done(&desk, move |archive| archive.sweep_now(&actor)).await
}

/// Whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whom {
    phone: String,
}

/// `POST /v1/erase`.
pub(super) async fn erase(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Body(whom): Body<Whom>,
) -> Result<Response, Problem> {
    let phone = super::calls::phone(&whom.phone)?;
    let of = phone.clone();
    done(&desk, move |archive| {
        archive.may_erase(&of).map(|_| Value::Null)
    })
    .await?;
    // Nothing that is in memory is told after the rows were rewritten.
    let forget = Command::Erase {
        phone: phone.clone(),
    };
    desk.give(actor.clone(), forget).await?;
    done(&desk, move |archive| archive.erase(&phone, &actor)).await
}

/// `GET /v1/recordings/{id}/certificate`.
pub(super) async fn certificate(
    State(desk): State<Desk>,
    Called(call): Called,
) -> Result<Response, Problem> {
    done(&desk, move |archive| archive.certificate(&call.to_string())).await
}
