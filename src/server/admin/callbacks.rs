//! Callbacks: what is kept of them, with what the engine knows of those that are being rung now; a call
//! to the patient, and what people say.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::asked::{Body, Named, Question};
use super::problem::Problem;
use super::{Desk, calls, pages, words};
use crate::engine::callback_event::CALLBACK_FIELDS;
use crate::engine::command::{Actor, Command};
use crate::id::{CallbackId, OperatorName};
use crate::ledger::callbacks::Remark;
use crate::server::store::CallbackFilter;
use crate::words::Role;

/// Which callbacks.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    state: Option<String>,
    phone: Option<String>,
    site: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

const STATES: [&str; 4] = ["open", "attempting", "overdue", "closed"];

impl Which {
    fn filter(self) -> Result<CallbackFilter, Problem> {
        let state = self.state.as_deref();
        if state.is_some_and(|state| !STATES.contains(&state)) {
            let why = format!("`state` is one of {}", STATES.join(", "));
            return Err(Problem::senseless(why));
        }
        let before = self.cursor.as_deref().map(|cursor| {
            cursor.parse::<CallbackId>().map_err(|_| {
                let why = "`cursor` is what `next` of the page before was";
                Problem::senseless(why.to_owned())
            })
        });
        Ok(CallbackFilter {
            before: before.transpose()?.map(|id| id.to_string()),
            limit: pages::limit(self.limit)? + 1,
            phone: self.phone.as_deref().map(calls::phone).transpose()?,
            site: self.site,
            open: state.map(|state| state != "closed"),
            overdue: match state {
                Some("open") => Some(false),
                Some("overdue") => Some(true),
                Some(_) | None => None,
            },
        })
    }
}

/// `GET /v1/callbacks`.
pub(super) async fn callbacks(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Question(which): Question<Which>,
) -> Result<Response, Problem> {
    let state = which.state.clone();
    let filter = which.filter()?;
    let limit = filter.limit - 1;
    let now = attempting(&desk, actor).await?;
    let ids = now.clone();
    let mut found = if state.as_deref() == Some("attempting") {
        desk.read(move |store| these(&store.callbacks()?, &ids, &filter))
            .await?
    } else {
        desk.read(move |store| store.callbacks()?.page(&filter))
            .await?
    };
    found.iter_mut().for_each(|it| mark(it, &now));
    let mut page = pages::of("callbacks", found, limit);
    if let Some(Value::Array(items)) = page.get_mut("callbacks") {
        let told = |it: &Value| it.get("state").and_then(Value::as_str).map(str::to_owned);
        items.retain(|it| state.is_none() || told(it) == state);
    }
    Ok(Json(page).into_response())
}

/// Those of these ids that fit, the latest first.
fn these(
    callbacks: &crate::server::store::Callbacks,
    ids: &BTreeSet<String>,
    filter: &CallbackFilter,
) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    for id in ids.iter().rev() {
        if filter.before.as_ref().is_some_and(|before| id >= before) {
            continue;
        }
        let fits = |it: &Value| {
            let is = |field: &str, wanted: &Option<String>| {
                let has = it.get(field).and_then(Value::as_str);
                wanted.as_deref().is_none_or(|wanted| has == Some(wanted))
            };
            is("phone", &filter.phone) && is("site", &filter.site)
        };
        found.extend(callbacks.one(id)?.filter(fits));
        if found.len() >= filter.limit {
            break;
        }
    }
    Ok(found)
}

/// `GET /v1/callbacks/{id}`.
pub(super) async fn callback(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let id = known(&id)?;
    let now = attempting(&desk, actor).await?;
    let mut found = stored(&desk, id).await?.ok_or_else(unknown)?;
    mark(&mut found, &now);
    Ok(Json(found).into_response())
}

/// `PATCH /v1/callbacks/{id}`.
pub(super) async fn describe(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
    Body(said): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    let callback = known(&id)?;
    let remark = remark(said)?;
    let command = Command::RemarkCallback { callback, remark };
    done(&desk, actor, callback, command).await
}

fn remark(said: Map<String, Value>) -> Result<Remark, Problem> {
    let mut remark = Remark::default();
    for (key, value) in said {
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            Value::Null => Ok(String::new()),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(
                Problem::senseless(format!("`{key}` is a text, and an empty one takes it away")),
            ),
        };
        match key.as_str() {
            "note" => {
                let note = words::comment("note", Some(text(value)?))?;
                remark.note = Some(note.unwrap_or_default());
            }
            "assigned" => {
                let name = words::word("assigned", Some(text(value)?))?;
                remark.assigned = Some(OperatorName::from(name.unwrap_or_default().as_str()));
            }
            field if CALLBACK_FIELDS.contains(&field) => {
                let why = format!(
                    "`{field}` is no matter of opinion: a callback closes when somebody has spoken with \
                     the patient, by a call of ours or of theirs; `note` and `assigned` can be said"
                );
                return Err(Problem::said(StatusCode::CONFLICT, why));
            }
            field => {
                let field: String = field.chars().take(32).collect();
                let why = format!("unknown field `{field}`, expected `note` or `assigned`");
                return Err(Problem::senseless(why));
            }
        }
    }
    Ok(remark)
}

/// For whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForWhom {
    operator: Option<String>,
}

/// `POST /v1/callbacks/{id}/call`.
pub(super) async fn call(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
    Body(body): Body<ForWhom>,
) -> Result<Response, Problem> {
    let callback = known(&id)?;
    let named = words::word("operator", body.operator)?;
    let named = named.map(|name| OperatorName::from(name.as_str()));
    // Whoever asks for themselves is rung.
    let own = actor
        .operator
        .clone()
        .filter(|_| actor.role == Role::Operator);
    let operator = named.or(own);
    let command = Command::CallBack { callback, operator };
    let done = done(&desk, actor, callback, command).await?;
    Ok((StatusCode::ACCEPTED, done).into_response())
}

/// What came of a command about a callback. One that the engine does not know may be closed.
async fn done(
    desk: &Desk,
    actor: Actor,
    callback: CallbackId,
    command: Command,
) -> Result<Response, Problem> {
    match desk.commands().give(actor, command).await? {
        Err(refused) if refused.status == 404 && refused.why.contains("callback") => {
            let known = stored(desk, callback).await?;
            let closed = known.is_some_and(|it| it.get("state") == Some(&json!("closed")));
            if closed {
                let why = "the callback is closed: somebody has spoken with the patient";
                return Err(Problem::new(StatusCode::CONFLICT, why));
            }
            Err(refused.into())
        }
        done => Ok(Json(done?).into_response()),
    }
}

fn known(id: &str) -> Result<CallbackId, Problem> {
    id.parse().map_err(|_| unknown())
}

fn unknown() -> Problem {
    let why = "there is no such callback; GET /v1/callbacks lists them";
    Problem::new(StatusCode::NOT_FOUND, why)
}

async fn stored(desk: &Desk, id: CallbackId) -> Result<Option<Value>, Problem> {
    desk.read(move |store| store.callbacks()?.one(&id.to_string()))
        .await
}

async fn attempting(desk: &Desk, actor: Actor) -> Result<BTreeSet<String>, Problem> {
    let now = desk.give(actor, Command::Attempting).await?;
    let ids = now.get("attempting").and_then(Value::as_array);
    let ids = ids.into_iter().flatten().filter_map(Value::as_str);
    Ok(ids.map(str::to_owned).collect())
}

fn mark(callback: &mut Value, attempting: &BTreeSet<String>) {
    let rung = pages::id(callback).is_some_and(|id| attempting.contains(id));
    let closed = callback.get("state") == Some(&json!("closed"));
    if let Some(fields) = callback.as_object_mut().filter(|_| rung && !closed) {
        fields.insert("state".into(), json!("attempting"));
    }
}
