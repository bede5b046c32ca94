//! What a request says: parts of its path, its query, its body; each strictly, and each fault a document.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::problem::Problem;
use crate::id::CallId;
use crate::limits;

/// The `{id}` of the path.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "the path is no UTF-8 once decoded")
        })?;
        // No name of a plan is like that, and the journal keeps what was asked for.
        if id.chars().count() > limits::NAME_CHARS || id.chars().any(char::is_control) {
            let why = "there is no such name: it is longer than any, or no text";
            return Err(Problem::new(StatusCode::NOT_FOUND, why));
        }
        Ok(Self(id))
    }
}

/// The `{id}` of the path, of a call.
pub(super) struct Called(pub(super) CallId);

impl<S: Send + Sync> FromRequestParts<S> for Called {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Named(id) = Named::from_request_parts(parts, state).await?;
        let call = id.parse().map_err(|_| {
            let why = "there is no such call: an id is 26 characters of 0-9 and A-Z";
            Problem::new(StatusCode::NOT_FOUND, why)
        })?;
        Ok(Self(call))
    }
}

/// The query, whose keys are all known.
pub(super) struct Question<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Question<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|rejection| {
            let text = rejection.body_text();
            let text = text
                .rsplit_once("query string: ")
                .map_or(text.as_str(), |it| it.1);
            Problem::senseless(format!("the query cannot be read: {text}"))
        })?;
        Ok(Self(query))
    }
}

/// The body: JSON whose keys are all known; nothing stands for `{}`.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).cloned();
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let (most, leads) = (limits::HTTP_BODY, limits::LEADS_BODY);
                let why = format!("a body is of {most} bytes at most, one with leads of {leads}");
                Problem::said(StatusCode::PAYLOAD_TOO_LARGE, why)
            } else {
                Problem::new(StatusCode::BAD_REQUEST, "the body did not come whole")
            }
        })?;
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        let json = kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
        if !json && !body.is_empty() {
            let why = "send the body as `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
        let read = serde_json::from_slice(body).map_err(|error| {
            // What stands where something else belongs is JSON all the same.
            match serde_json::from_slice::<IgnoredAny>(body) {
                Ok(_) => Problem::senseless(format!("the body cannot be: {error}")),
                Err(error) => {
                    let why = format!("the body is no JSON: {error}");
                    Problem::said(StatusCode::BAD_REQUEST, why)
                }
            }
        })?;
        // A list of values would be taken for the fields in their order, which nobody means.
        if body.trim_ascii_start().first() != Some(&b'{') {
            let why = "the body is no object; send one, like {\"field\": \"value\"}";
            return Err(Problem::senseless(why.to_owned()));
        }
        Ok(Self(read))
    }
}
