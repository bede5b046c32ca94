//! Leads: those who asked for a call on a website, and lists of people to be called.
//!
//! A lead is answered for once it is on disk. A program that heard nothing sends the same again with the
//! same `Idempotency-Key`, and gets the same answer.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::asked::{Body, Named, Question};
use super::problem::Problem;
use super::{Desk, calls, control, pages, words};
use crate::engine::command::{Actor, Command, LeadAsked, LeadsAsked, Once, Rows};
use crate::id::{LeadId, QueueName, SiteName};
use crate::limits;
use crate::server::store::LeadFilter;
use crate::time::Wall;

/// One lead.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    phone: String,
    name: Option<String>,
    site: Option<String>,
    city: Option<String>,
    source: Option<String>,
    campaign: Option<String>,
    queue: Option<String>,
    priority: Option<i32>,
    comment: Option<String>,
    not_before: Option<String>,
}

/// A list of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Many {
    list: String,
    leads: Vec<Value>,
}

impl One {
    fn asked(self) -> Result<LeadAsked, Problem> {
        let site = words::word("site", self.site)?;
        let queue = words::word("queue", self.queue)?;
        let phone = words::word("phone", Some(self.phone))?;
        Ok(LeadAsked {
            phone: phone.ok_or_else(|| Problem::senseless("`phone` is empty".to_owned()))?,
            name: words::word("name", self.name)?,
            site: site.map(|site| SiteName::from(site.as_str())),
            city: words::word("city", self.city)?,
            source: words::word("source", self.source)?,
            campaign: words::word("campaign", self.campaign)?,
            queue: queue.map(|queue| QueueName::from(queue.as_str())),
            priority: control::priority(self.priority.unwrap_or(0))?,
            comment: words::comment("comment", self.comment)?,
            not_before: self.not_before.as_deref().map(moment).transpose()?,
        })
    }
}

fn moment(text: &str) -> Result<Wall, Problem> {
    let stamp: Result<jiff::Timestamp, _> = text.parse();
    let stamp = stamp.map_err(|_| {
        Problem::senseless("`not_before` is a time like 2026-11-22T08:00:00Z".to_owned())
    })?;
    Ok(Wall::from_millis(stamp.as_millisecond()))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    if !value.is_object() {
        let why = "a lead is an object like {\"phone\": \"067 111 22 33\"}";
        return Err(Problem::senseless(why.to_owned()));
    }
    serde_json::from_value(value).map_err(|error| {
        let why = format!("a lead cannot be: {error}; several are a `list` and its `leads`");
        Problem::senseless(why)
    })
}

fn rows(body: Value) -> Result<Rows, Problem> {
    if body.get("list").is_none() && body.get("leads").is_none() {
        let one: One = read(body)?;
        return Ok(Rows::One(Box::new(one.asked()?)));
    }
    let Many { list, leads } = read(body)?;
    let name = words::word("list", Some(list))?;
    let name = name.ok_or_else(|| Problem::senseless("`list` is empty".to_owned()))?;
    let most = limits::LEAD_ROWS;
    if leads.is_empty() || leads.len() > most {
        return Err(Problem::senseless(format!(
            "`leads` of a list are 1 to {most}; send more in several requests"
        )));
    }
    let row = |value| {
        let asked = read(value).and_then(One::asked);
        asked.map_err(|problem| problem.detail().to_owned())
    };
    let rows = leads.into_iter().map(row).collect();
    Ok(Rows::List { name, rows })
}

/// The `Idempotency-Key`, and what tells this body from any other.
fn once(headers: &HeaderMap, body: &Value) -> Result<Option<Once>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().map(str::trim).unwrap_or_default();
    let most = limits::KEY_CHARS;
    if key.is_empty() || key.len() > most {
        return Err(Problem::senseless(format!(
            "an `Idempotency-Key` is of 1 to {most} ASCII characters"
        )));
    }
    let digest = Sha256::digest(body.to_string());
    let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(Once {
        key: key.to_owned(),
        fingerprint,
    }))
}

/// `POST /v1/leads`.
pub(super) async fn take(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Response, Problem> {
    let once = once(&headers, &body)?;
    let rows = rows(body)?;
    let asked = LeadsAsked { once, rows };
    let told = desk.give(actor, Command::Leads(Box::new(asked))).await?;
    if !desk
        .api
        .store
        .kept_within(limits::COMMIT_BEFORE_REPLY)
        .await
    {
        let why = "the disk is slow, and what was sent is not on it yet; send it again with the same \
                   Idempotency-Key";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why));
    }
    let known = told.get("duplicate") == Some(&json!(true));
    let status = if known {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Json(told)).into_response())
}

/// Which leads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    state: Option<String>,
    phone: Option<String>,
    list: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

const STATES: [&str; 4] = ["open", "attempting", "connected", "closed"];

/// `GET /v1/leads`.
pub(super) async fn leads(
    State(desk): State<Desk>,
    Question(which): Question<Which>,
) -> Result<Response, Problem> {
    let limit = pages::limit(which.limit)?;
    if let Some(state) = &which.state
        && !STATES.contains(&state.as_str())
    {
        let why = format!("`state` is one of {}", STATES.join(", "));
        return Err(Problem::senseless(why));
    }
    let before = which.cursor.as_deref().map(|cursor| {
        let why = "`cursor` is what `next` of the page before was";
        cursor
            .parse()
            .map_err(|_| Problem::senseless(why.to_owned()))
    });
    let filter = LeadFilter {
        before: before.transpose()?,
        limit: limit + 1,
        state: which.state,
        phone: which.phone.as_deref().map(calls::phone).transpose()?,
        list: which.list,
    };
    let leads = desk.read(move |store| store.leads()?.page(&filter)).await?;
    Ok(Json(pages::of("leads", leads, limit)).into_response())
}

/// `GET /v1/leads/{id}`.
pub(super) async fn lead(State(desk): State<Desk>, Named(id): Named) -> Result<Response, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "there is no such lead");
    let id: LeadId = id.parse().map_err(|_| unknown())?;
    let lead = desk.read(move |store| store.leads()?.one(id)).await?;
    Ok(Json(lead.ok_or_else(unknown)?).into_response())
}

/// `GET /v1/numbers/{id}`.
pub(super) async fn number(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(number): Named,
) -> Result<Response, Problem> {
    let number = calls::phone(&number)?;
    let told = desk.give(actor, Command::Number(number)).await?;
    Ok(Json(told).into_response())
}
