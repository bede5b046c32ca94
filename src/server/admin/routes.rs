//! Every page of the API: its method, its path, who may use it. The router, the door and the description
//! for programs (`/openapi.json`) are all made of this one table.

use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::routing::{self, MethodRouter};
use serde_json::{Value, json};

use super::{
    Desk, archive, callbacks, calls, control, events, floor, leads, openapi, recordings, sinks,
};
use crate::limits;
use crate::words::Role::{self, Admin, Auditor, Integration, Operator, Supervisor};

/// One page.
pub(super) struct Route {
    /// Names it, in the journal and for programs.
    pub(super) name: &'static str,
    /// By which method.
    pub(super) method: Method,
    /// Where.
    pub(super) path: &'static str,
    /// Who may.
    pub(super) roles: &'static [Role],
    /// What it does, in a sentence.
    pub(super) does: &'static str,
    /// What the query may say.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// What the body may say.
    pub(super) body: fn() -> Value,
    /// What answers.
    page: fn() -> MethodRouter<Desk>,
}

const EVERYBODY: &[Role] = &[Admin, Supervisor, Operator, Auditor, Integration];
const SEES_EVENTS: &[Role] = &[Admin, Supervisor, Auditor, Integration];
const SEES_SINKS: &[Role] = &[Admin, Supervisor, Auditor];
const RUNS: &[Role] = &[Admin];
const HEARS: &[Role] = &[Admin, Supervisor, Auditor];
const MOVES: &[Role] = &[Admin, Supervisor];
const ADMINISTERS: &[Role] = &[Admin];
const MOVES_OWN: &[Role] = &[Admin, Supervisor, Operator];
const SENDS: &[Role] = &[Admin, Supervisor, Integration];
const DESCRIBES: &[Role] = &[Admin, Supervisor, Operator, Integration];

const PAGE: &[(&str, &str)] = &[
    ("cursor", "`next` of the page before"),
    ("limit", "items of a page, 200 at most"),
];
const CALLS: &[(&str, &str)] = &[
    (
        "since",
        "a call's id or a time: the calls that came in after it, the earliest first; `next` is the following `since`",
    ),
    (
        "cursor",
        "`next` of the page before, when the latest come first, as they do without `since`",
    ),
    ("limit", "calls of a page, 200 at most, 50 unless said"),
    ("phone", "calls with this number on either side"),
    ("operator", "calls of this operator"),
    ("queue", "calls in this queue, now or last"),
    (
        "outcome",
        "answered, missed, blocked, test; busy, no_answer, failed, cancelled of calls out; live of those under way",
    ),
];
const CALLBACKS: &[(&str, &str)] = &[
    ("state", "open, attempting, overdue or closed"),
    ("phone", "of this number"),
    ("site", "of this branch"),
    ("cursor", "`next` of the page before"),
    ("limit", "callbacks of a page, 200 at most, 50 unless said"),
];
const RECORDINGS: &[(&str, &str)] = &[
    ("phone", "of calls with this number on either side"),
    ("cursor", "`next` of the page before"),
    ("limit", "recordings of a page, 200 at most, 50 unless said"),
];
const LEADS: &[(&str, &str)] = &[
    ("state", "open, attempting, connected or closed"),
    ("phone", "of this number"),
    ("list", "of this list"),
    ("cursor", "`next` of the page before"),
    ("limit", "leads of a page, 200 at most, 50 unless said"),
];
const EVENTS: &[(&str, &str)] = &[
    ("after", "the sequence of the last event that is known"),
    ("limit", "events of a page, 200 at most, 50 unless said"),
];

fn nothing() -> Value {
    Value::Null
}

fn text(what: &str) -> Value {
    json!({ "type": "string", "maxLength": 64, "description": what })
}

fn body(needed: &[&str], fields: Value) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": needed,
        "properties": fields,
    })
}

fn lead() -> Value {
    let priority = json!({ "type": "integer", "minimum": -1000, "maximum": 1000 });
    let comment = json!({ "type": "string", "maxLength": 2000 });
    let rows = json!({
        "type": "array",
        "maxItems": limits::LEAD_ROWS,
        "items": { "type": "object" },
        "description": "the leads of a `list`, each with the other fields of this body",
    });
    body(
        &[],
        json!({
            "phone": text("whom to call; needed, unless there is a `list`"),
            "name": text("the name"),
            "site": text("the branch"),
            "city": text("the city, as the operator hears it; that of the branch unless said"),
            "source": text("where they came from"),
            "campaign": text("the campaign"),
            "queue": text("whose operators call"),
            "priority": priority,
            "comment": comment,
            "not_before": { "type": "string", "format": "date-time" },
            "list": text("the name of a list; then there are `leads`"),
            "leads": rows,
        }),
    )
}

fn whose() -> Value {
    let what = "whose phone rings; the token's own operator unless said";
    body(&[], json!({ "operator": text(what) }))
}

macro_rules! route {
    ($name:literal, $method:ident $path:literal, $roles:expr, $query:expr, $body:expr, $page:expr, $does:literal) => {
        Route {
            name: $name,
            method: Method::$method,
            path: $path,
            roles: $roles,
            does: $does,
            query: $query,
            body: $body,
            page: $page,
        }
    };
}

/// The table.
pub(super) static ROUTES: [Route; 39] = [
    route!("queues", GET "/v1/queues", EVERYBODY, PAGE, nothing,
        || routing::get(floor::queues), "Every queue, as it stands now"),
    route!("queue", GET "/v1/queues/{id}", EVERYBODY, &[], nothing,
        || routing::get(floor::queue), "One queue, as it stands now"),
    route!("operators", GET "/v1/operators", EVERYBODY, PAGE, nothing,
        || routing::get(floor::operators), "Every operator, and what they are doing"),
    route!("operator", GET "/v1/operators/{id}", EVERYBODY, &[], nothing,
        || routing::get(floor::operator), "One operator, and what they are doing"),
    route!("state", PUT "/v1/operators/{id}/state", MOVES_OWN, &[], || {
            let state = json!({ "type": "string", "enum": ["available", "paused", "logged_out"] });
            let reason = text("why; a pause needs one");
            body(&["state"], json!({ "state": state, "reason": reason }))
        }, || routing::put(floor::set_state),
        "Put an operator into a state; a token of role operator moves its own alone"),
    route!("calls", GET "/v1/calls", EVERYBODY, CALLS, nothing,
        || routing::get(calls::calls), "Calls under way and calls that ended"),
    route!("call", GET "/v1/calls/{id}", EVERYBODY, &[], nothing,
        || routing::get(calls::call), "One call with its legs, attempts and recordings"),
    route!("describe", PATCH "/v1/calls/{id}", DESCRIBES, &[], || {
            let tags = json!({ "type": "array", "maxItems": 16, "items": text("a tag") });
            let comment = json!({ "type": "string", "maxLength": 2000 });
            let priority = json!({ "type": "integer", "minimum": -1000, "maximum": 1000 });
            body(&[], json!({
                "disposition": text("one of the codes of the call's queue"),
                "comment": comment,
                "tags": tags,
                "priority": priority,
            }))
        }, || routing::patch(calls::describe),
        "Say how a call went, live or over: its disposition, a comment, tags"),
    route!("hangup", POST "/v1/calls/{id}/hangup", MOVES, &[], || body(&[], json!({})),
        || routing::post(control::hang_up), "End a call"),
    route!("hold", POST "/v1/calls/{id}/hold", MOVES, &[], || {
            body(&[], json!({ "held": { "type": "boolean", "default": true } }))
        }, || routing::post(control::hold),
        "Let the caller of a talk hear music, or take the caller back"),
    route!("transfer", POST "/v1/calls/{id}/transfer", MOVES, &[], || {
            body(&["to"], json!({ "to": text("a name or a number, as an operator dials it") }))
        }, || routing::post(control::transfer),
        "Send the caller of a talk to somebody else, as the operator could"),
    route!("recording", POST "/v1/calls/{id}/recording", DESCRIBES, &[], || {
            let action = json!({ "type": "string", "enum": ["pause", "resume", "mask"] });
            body(&["action"], json!({ "action": action }))
        }, || routing::post(control::recording),
        "Leave what is said out of a talk's recording, or take it in again"),
    route!("move", POST "/v1/calls/{id}/move", MOVES, &[], || {
            body(&["queue"], json!({ "queue": text("the id of the queue") }))
        }, || routing::post(control::move_to),
        "Send a waiting caller to another queue; the time waited counts there"),
    route!("pull", POST "/v1/calls/{id}/pull", MOVES, &[], whose,
        || routing::post(control::pull), "Offer a waiting caller to this operator next"),
    route!("priority", POST "/v1/calls/{id}/priority", MOVES, &[], || {
            let priority = json!({ "type": "integer", "minimum": -1000, "maximum": 1000 });
            body(&["priority"], json!({ "priority": priority }))
        }, || routing::post(control::prioritise),
        "Give a waiting caller another priority; higher is served first"),
    route!("listen", POST "/v1/calls/{id}/listen", MOVES, &[], whose,
        || routing::post(control::listen), "Hear a talk, heard by nobody"),
    route!("coach", POST "/v1/calls/{id}/coach", MOVES, &[], whose,
        || routing::post(control::coach), "Hear a talk, heard by the operator alone"),
    route!("barge", POST "/v1/calls/{id}/barge", MOVES, &[], whose,
        || routing::post(control::barge), "Hear a talk, heard by both"),
    route!("takeover", POST "/v1/calls/{id}/takeover", MOVES, &[], whose,
        || routing::post(control::take_over), "Take the caller over from the operator"),
    route!("recordings", GET "/v1/recordings", HEARS, RECORDINGS, nothing,
        || routing::get(recordings::recordings), "Recordings and messages, the latest first"),
    route!("callbacks", GET "/v1/callbacks", EVERYBODY, CALLBACKS, nothing,
        || routing::get(callbacks::callbacks), "Missed calls and what came of them, the latest first"),
    route!("callback", GET "/v1/callbacks/{id}", EVERYBODY, &[], nothing,
        || routing::get(callbacks::callback), "One callback with its attempts"),
    route!("describe_callback", PATCH "/v1/callbacks/{id}", DESCRIBES, &[], || {
            let note = json!({ "type": "string", "maxLength": 2000 });
            body(&[], json!({ "note": note, "assigned": text("who shall see to it") }))
        }, || routing::patch(callbacks::describe),
        "Write a note, or hand it over; a callback closes only when somebody spoke with the patient"),
    route!("call_back", POST "/v1/callbacks/{id}/call", DESCRIBES, &[], || {
            let whose = "whose phone rings first; unless said whoever the queue picks";
            body(&[], json!({ "operator": text(whose) }))
        }, || routing::post(callbacks::call),
        "Ring the operator, and then the patient"),
    route!("audio", GET "/v1/recordings/{id}/audio", HEARS, &[], nothing,
        || routing::get(recordings::audio), "The sound of a recording; every access is journalled"),
    route!("certificate", GET "/v1/recordings/{id}/certificate", HEARS, &[], nothing,
        || routing::get(archive::certificate),
        "What happened to a recording, chained by hashes; of one that is gone, who and why"),
    route!("recording_hold", POST "/v1/recordings/{id}/hold", MOVES, &[], || {
            body(&["reason"], json!({ "reason": text("why it must not be deleted") }))
        }, || routing::post(archive::hold),
        "Hold a recording: neither retention nor erasure touches it"),
    route!("recording_release", DELETE "/v1/recordings/{id}/hold", MOVES, &[], nothing,
        || routing::delete(archive::release), "Release a recording that is held"),
    route!("sweep", POST "/v1/recordings/sweep", ADMINISTERS, &[], || body(&[], json!({})),
        || routing::post(archive::sweep), "Delete what is due now, without waiting for the hour"),
    route!("leads", POST "/v1/leads", SENDS, &[], lead,
        || routing::post(leads::take).layer(DefaultBodyLimit::max(limits::LEADS_BODY)),
        "Have somebody called who asked for it, or a list of people; with an Idempotency-Key it is safe to repeat"),
    route!("find_leads", GET "/v1/leads", SEES_EVENTS, LEADS, nothing,
        || routing::get(leads::leads), "Leads, the latest first"),
    route!("lead", GET "/v1/leads/{id}", SEES_EVENTS, &[], nothing,
        || routing::get(leads::lead), "One lead with its attempts"),
    route!("number", GET "/v1/numbers/{id}", SEES_EVENTS, &[], nothing,
        || routing::get(leads::number), "What is known of a number: how often it called, and who spoke with it"),
    route!("erase", POST "/v1/erase", ADMINISTERS, &[], || {
            body(&["phone"], json!({ "phone": text("the person's number, like +380671112233") }))
        }, || routing::post(archive::erase),
        "Forget a person everywhere, and keep the counts; refused while a recording is held"),
    route!("events", GET "/v1/events", SEES_EVENTS, EVENTS, nothing,
        || routing::get(events::events), "Events in their sequence, gap-free"),
    route!("sinks", GET "/v1/sinks", SEES_SINKS, &[], nothing,
        || routing::get(sinks::sinks), "Every sink: its backlog, its dead letters, what is kept for it"),
    route!("sinks_retry", POST "/v1/sinks/{id}/retry", RUNS, &[], || body(&[], json!({})),
        || routing::post(sinks::retry), "Deliver the dead letters of a sink again"),
    route!("sinks_replay", POST "/v1/sinks/{id}/replay", RUNS, &[], || {
            body(&["since"], json!({ "since": { "type": "string", "format": "date-time" } }))
        }, || routing::post(sinks::replay), "Deliver all events since a moment again"),
    route!("openapi", GET "/openapi.json", EVERYBODY, &[], nothing,
        || routing::get(openapi::page), "This description"),
];

impl Route {
    /// What kind of page it is.
    pub(super) fn gives(&self) -> &'static str {
        if self.name == "audio" {
            "audio/wav"
        } else {
            "application/json"
        }
    }
}

/// The page of a path and a method; HEAD goes where GET goes.
pub(super) fn find(method: &Method, path: &str) -> Option<&'static Route> {
    let method = if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    ROUTES
        .iter()
        .find(|route| route.method == *method && route.path == path)
}

/// The router of the table.
pub(super) fn router() -> axum::Router<Desk> {
    ROUTES.iter().fold(axum::Router::new(), |router, route| {
        router.route(route.path, (route.page)())
    })
}
