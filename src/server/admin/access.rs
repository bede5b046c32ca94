//! Who may use the API: a bearer token with a role (RFC 6750), or, where there are no tokens, whoever is
//! on this machine.
//!
//! Without tokens a page of the open internet could have the browser of somebody on this machine ask for
//! it: by a name that it leads here (DNS rebinding), or by a form. Neither is heard.

use std::net::IpAddr;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Desk;
use super::problem::Problem;
use super::routes;
use crate::engine::command::Actor;
use crate::server::settings::Token;
use crate::words::Role;

/// The tokens, by what their secrets hash to.
#[derive(Debug)]
pub(super) struct Access {
    tokens: Vec<([u8; 32], Actor)>,
}

impl Access {
    /// Those of the settings.
    pub(super) fn new(tokens: &[Token]) -> Self {
        let tokens = tokens.iter().map(|token| {
            let actor = Actor {
                name: token.name.clone(),
                role: token.role,
                operator: token.operator.clone(),
            };
            (hash(token.secret.reveal()), actor)
        });
        Self {
            tokens: tokens.collect(),
        }
    }

    fn who(&self, headers: &HeaderMap) -> Result<Actor, Problem> {
        if self.tokens.is_empty() {
            from_this_machine(headers)?;
            return Ok(Actor {
                name: "loopback".to_owned(),
                role: Role::Admin,
                operator: None,
            });
        }
        let sent = bearer(headers).ok_or_else(|| {
            let why = "send `Authorization: Bearer` with a token of the settings (`http.tokens`)";
            Problem::new(StatusCode::UNAUTHORIZED, why)
        })?;
        let sent = hash(sent);
        // Every token is compared, so that the time tells nothing of which one it was.
        let mut found = None;
        for (known, actor) in &self.tokens {
            if bool::from(known.ct_eq(&sent)) {
                found = Some(actor);
            }
        }
        found.cloned().ok_or_else(|| {
            let why = "nobody has this token; it may have been changed in the settings";
            Problem::new(StatusCode::UNAUTHORIZED, why)
        })
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// The name that was asked is this machine's, and no page of elsewhere asks.
fn from_this_machine(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|it: &HeaderValue| it.to_str().ok())
    };
    let host = text(header::HOST).unwrap_or_default();
    let name = host_of(host);
    let ours = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    if !ours {
        let why = "without tokens the API answers to localhost and to addresses alone; \
                   ask for it by those, or set `http.tokens`";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, why));
    }
    let foreign = headers.contains_key(header::ORIGIN)
        && text(header::ORIGIN)
            .and_then(|it| it.split_once("://"))
            .map(|it| it.1)
            != Some(host);
    if foreign {
        let why = "a page of another site asks; set `http.tokens` for that";
        return Err(Problem::new(StatusCode::FORBIDDEN, why));
    }
    Ok(())
}

/// The host of `host:port`, without the brackets of IPv6.
fn host_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

/// Stands before every page: tells the API who asks, and makes a document of every error.
pub(super) async fn guard(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    let private = request.uri().path().starts_with("/v1");
    if private {
        match admitted(&desk, &request) {
            Ok(actor) => {
                request.extensions_mut().insert(actor);
            }
            Err(problem) => return problem.into_response(),
        }
    }
    let mut response = whole(next.run(request).await);
    if private {
        let headers = response.headers_mut();
        let kept = HeaderValue::from_static("no-store");
        headers.insert(header::CACHE_CONTROL, kept);
        let sniffed = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, sniffed);
    }
    response
}

fn admitted(desk: &Desk, request: &Request) -> Result<Actor, Problem> {
    let headers = request.headers();
    // Whoever came by the socket in the data folder has been let in by the folder's rights.
    let actor = match request.extensions().get::<Actor>() {
        Some(local) => local.clone(),
        None => desk.api.access.who(headers)?,
    };
    let path = request.extensions().get::<MatchedPath>();
    let route = path.and_then(|path| routes::find(request.method(), path.as_str()));
    let Some(route) = route else {
        // There is no such page, or not for this method: that is said behind this door.
        return Ok(actor);
    };
    if !route.roles.contains(&actor.role) {
        if *request.method() != Method::GET {
            journal(desk, &actor, route);
        }
        let role = json!(actor.role);
        let why = format!(
            "the role `{}` does not allow this; use a token of another role",
            role.as_str().unwrap_or_default()
        );
        return Err(Problem::said(StatusCode::FORBIDDEN, why));
    }
    if !accepts(headers, route.gives()) {
        let why = format!("this page is {}", route.gives());
        return Err(Problem::said(StatusCode::NOT_ACCEPTABLE, why));
    }
    Ok(actor)
}

/// Who tried what the role does not allow.
fn journal(desk: &Desk, actor: &Actor, route: &routes::Route) {
    let mut deed = Map::new();
    deed.insert("actor".into(), json!(actor.name));
    deed.insert("role".into(), json!(actor.role));
    deed.insert("action".into(), json!(route.name));
    deed.insert("result".into(), json!("refused"));
    deed.insert("status".into(), json!(403));
    desk.api.store.emit("audit.action", None, deed);
}

/// Whether `Accept` leaves room for what the page gives (RFC 9110 12.5.1).
fn accepts(headers: &HeaderMap, gives: &str) -> bool {
    let mut accept = headers.get_all(header::ACCEPT).iter().peekable();
    if accept.peek().is_none() {
        return true;
    }
    let family = gives.split('/').next().unwrap_or_default();
    accept
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let fits = kind == "*/*"
                || kind.eq_ignore_ascii_case(gives)
                || kind
                    .split_once('/')
                    .is_some_and(|(it, all)| all == "*" && it.eq_ignore_ascii_case(family));
            fits && !refused
        })
}

/// Whatever says no says it in a document.
fn whole(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let told = kind.is_some_and(|kind| kind == "application/problem+json");
    if told || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let detail = "the request cannot be answered as it is";
    let mut problem = Problem::new(status, detail).into_response();
    for name in [header::ALLOW, header::CONTENT_RANGE] {
        if let Some(value) = response.headers().get(&name) {
            problem.headers_mut().insert(name, value.clone());
        }
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (header::HeaderName::from_static(name), value)
        });
        pairs.collect()
    }

    #[test]
    fn without_tokens_only_this_machine_is_heard() {
        let open = Access::new(&[]);
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080"] {
            let who = open.who(&headers(&[("host", host)]));
            assert_eq!(who.unwrap().role, Role::Admin, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:8080", "", "[evil]"] {
            assert!(open.who(&headers(&[("host", host)])).is_err(), "{host}");
        }
        let asked = |origin: &str| {
            let pairs = [("host", "127.0.0.1:8080"), ("origin", origin)];
            open.who(&headers(&pairs)).is_ok()
        };
        assert!(asked("http://127.0.0.1:8080"));
        for origin in ["http://evil.example", "null", "http://127.0.0.1:8081", ""] {
            assert!(!asked(origin), "{origin}");
        }
    }

    #[test]
    fn what_a_client_accepts_is_read() {
        let fits = |accept: &str| accepts(&headers(&[("accept", accept)]), "application/json");
        assert!(accepts(&headers(&[]), "application/json"));
        for accept in [
            "*/*",
            "text/html, application/*;q=0.1",
            "Application/JSON; q=1",
        ] {
            assert!(fits(accept), "{accept}");
        }
        for accept in ["text/html", "application/json;q=0", "audio/*", ""] {
            assert!(!fits(accept), "{accept}");
        }
    }
}
