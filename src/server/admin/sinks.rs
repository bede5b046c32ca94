//! How the sinks stand, and what somebody has them given once more. Both orders are journalled.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Desk;
use super::asked::{Body, Named};
use super::problem::Problem;
use crate::engine::command::Actor;
use crate::server::outbox::Refused;
use crate::time::Wall;

/// `GET /v1/sinks`.
pub(super) async fn sinks(State(desk): State<Desk>) -> Result<Response, Problem> {
    let sinks = desk.api.sinks.clone();
    let found = desk.read(move |_| sinks.overview()).await?;
    Ok(Json(found).into_response())
}

/// Since when.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SinceBody {
    since: String,
}

/// `POST /v1/sinks/{id}/replay`.
pub(super) async fn replay(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
    Body(body): Body<SinceBody>,
) -> Result<Response, Problem> {
    let since: jiff::Timestamp = body.since.parse().map_err(|_| {
        let why = "`since` is a moment with its offset, like 2026-11-01T00:00:00+02:00";
        Problem::senseless(why.to_owned())
    })?;
    let since = Wall::from_millis(since.as_millisecond());
    let done = desk.api.sinks.replay(&id, since).await;
    let more = [("since", json!(since.to_string()))];
    journal(&desk, &actor, "replay", &id, more, &done);
    Ok(Json(done?).into_response())
}

/// Nothing to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoBody {}

/// `POST /v1/sinks/{id}/retry`.
pub(super) async fn retry(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
    Body(NoBody {}): Body<NoBody>,
) -> Result<Response, Problem> {
    let done = desk.api.sinks.retry(&id).await;
    journal(&desk, &actor, "retry", &id, [], &done);
    Ok(Json(done?).into_response())
}

fn journal<const N: usize>(
    desk: &Desk,
    actor: &Actor,
    action: &str,
    sink: &str,
    more: [(&str, Value); N],
    done: &Result<Value, Refused>,
) {
    let mut deed = Map::new();
    deed.insert("actor".into(), json!(actor.name));
    deed.insert("role".into(), json!(actor.role));
    deed.insert("action".into(), json!(action));
    deed.insert("sink".into(), json!(sink));
    for (field, value) in more {
        deed.insert(field.to_owned(), value);
    }
    let result = if done.is_ok() { "done" } else { "refused" };
    deed.insert("result".into(), json!(result));
    desk.api.store.emit("audit.action", None, deed);
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match &refused {
            Refused::Unknown(_) => StatusCode::NOT_FOUND,
            Refused::IsFile(_) | Refused::Failed(_) => StatusCode::CONFLICT,
        };
        Self::said(status, refused.to_string())
    }
}
