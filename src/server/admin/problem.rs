//! An error as a document: RFC 9457.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::engine::command::Refused;
use crate::server::commands::Unanswered;

/// What went wrong with a request.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    /// A problem that its status names well enough.
    pub(super) const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            status,
            detail: Cow::Borrowed(detail),
        }
    }

    /// The same, with a sentence made for it.
    pub(super) const fn said(status: StatusCode, detail: String) -> Self {
        Self {
            status,
            detail: Cow::Owned(detail),
        }
    }

    /// The request is understood and cannot be: 422.
    pub(super) const fn senseless(detail: String) -> Self {
        Self::said(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// The sentence.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// What the database could not tell.
    pub(super) fn unread(error: &anyhow::Error) -> Self {
        tracing::error!(%error, "the API could not read what the store kept");
        let why = "what is kept cannot be read now; the server's log says why";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }
}

impl From<Refused> for Problem {
    fn from(Refused { status, why }: Refused) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT);
        Self::said(status, why)
    }
}

impl From<Unanswered> for Problem {
    fn from(unanswered: Unanswered) -> Self {
        Self::said(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = match serde_json::to_vec(&document) {
            Ok(body) => (self.status, kind, body).into_response(),
            Err(_) => self.status.into_response(),
        };
        let more = match self.status {
            StatusCode::UNAUTHORIZED => (header::WWW_AUTHENTICATE, "Bearer realm=\"strowger\""),
            StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, "2"),
            _ => return response,
        };
        let value = HeaderValue::from_static(more.1);
        response.headers_mut().insert(more.0, value);
        response
    }
}
