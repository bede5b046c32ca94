//! The stream of events, page by page: gap-free, in order, for as long as they are kept.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::Question;
use super::problem::Problem;
use super::{Desk, pages};

/// From where on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/events`.
pub(super) async fn events(
    State(desk): State<Desk>,
    Question(from): Question<From>,
) -> Result<Response, Problem> {
    let limit = pages::limit(from.limit)?;
    let after = from.after.as_deref().unwrap_or("0");
    let after: u64 = after.parse().map_err(|_| {
        let why = "`after` is what `next` of the page before was, or the `sequence` of an event";
        Problem::senseless(why.to_owned())
    })?;
    let found = desk
        .read(move |store| store.reader()?.after(after, limit))
        .await?;
    let next = found.last().map_or(after, |event| event.seq);
    let events = found
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(&event.json).ok());
    let events: Vec<_> = events.collect();
    Ok(Json(json!({ "events": events, "next": next.to_string() })).into_response())
}
