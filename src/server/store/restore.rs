//! The start after a stop or a crash: what was left is read, calls that were cut get their one
//! terminal event.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Transaction};
use serde_json::{Map, Value, json};

use super::projection::{moment, text};
use super::{bindings, callbacks, leads, live_calls, numbers};
use crate::acd::message::Wish;
use crate::engine::callback_event;
use crate::engine::event::{CALL_FIELDS, Event};
use crate::id::{CallId, CallbackId, EventId, OperatorName, Ulid};
use crate::ledger::answers::Answered;
use crate::ledger::callbacks::{Callback, State};
use crate::ledger::history::Past;
use crate::ledger::leads::Lead;
use crate::rng::Rng;
use crate::sip::registrar::Binding;
use crate::time::{Duration, Wall};
use crate::words::{MissedReason, OperatorState};

/// What the last run left.
#[derive(Debug, Default)]
pub struct Restored {
    /// Bindings that have not lapsed. Those of streams are gone with their connections.
    pub bindings: Vec<Binding>,
    /// What was wanted of operators.
    pub wishes: Vec<(OperatorName, Wish)>,
    /// Callbacks nobody has closed.
    pub callbacks: Vec<Callback>,
    /// Leads that are open, and those that came not long ago.
    pub leads: Vec<Lead>,
    /// Answers to requests that may come again.
    pub answers: Vec<Answered>,
    /// The numbers seen last.
    pub numbers: Vec<(String, Past)>,
    /// Calls that the last run could not end and that were ended now.
    pub interrupted: usize,
}

/// The events that end the calls of a crash.
pub(super) struct Ended {
    pub(super) calls: usize,
    pub(super) events: Vec<Event>,
}

/// A sink that is new begins after the last event; a known one goes on where it was.
pub(super) fn register_sinks(
    transaction: &Transaction<'_>,
    sinks: &[String],
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare(
        "INSERT INTO sinks (name, cursor) SELECT ?1, coalesce((SELECT max(seq) FROM events), 0)
         WHERE true ON CONFLICT (name) DO NOTHING",
    )?;
    for sink in sinks {
        statement.execute([sink])?;
    }
    Ok(())
}

/// For each call without an end: how it left its queue, its callback, which is due by the plan, then its
/// one `call.ended`.
pub(super) fn interrupted_calls(
    transaction: &Transaction<'_>,
    now: Wall,
    due: Duration,
    rng: &mut Rng,
) -> rusqlite::Result<Ended> {
    let alive: Option<i64> = transaction
        .query_row("SELECT at FROM alive", [], |row| row.get(0))
        .optional()?;
    let mut opened = BTreeMap::new();
    let mut events = Vec::new();
    let calls = live_calls::all(transaction)?;
    for live in &calls {
        let Ok(call) = live.call.parse::<CallId>() else {
            continue;
        };
        let mut data = match serde_json::from_str(&live.data) {
            Ok(Value::Object(data)) => data,
            Ok(_) | Err(_) => Map::new(),
        };
        // What belonged to the last event alone is no news of the end.
        data.retain(|field, _| CALL_FIELDS.contains(&field.as_str()));
        let last_seen = Wall::from_millis(
            alive
                .unwrap_or(live.seen)
                .clamp(live.seen, now.as_millis().max(live.seen)),
        );
        let mut end = Interrupted {
            call,
            data,
            talking: live.talking,
            last_seen,
            now,
        };
        events.extend(end.queue_left(transaction, rng)?);
        let callback = end.callback(transaction, &mut opened, due, rng)?;
        events.extend(callback);
        events.push(end.event(rng));
    }
    Ok(Ended {
        calls: calls.len(),
        events,
    })
}

/// One call that was cut.
struct Interrupted {
    call: CallId,
    data: Map<String, Value>,
    talking: bool,
    last_seen: Wall,
    now: Wall,
}

impl Interrupted {
    /// Whoever was in a queue left it with the crash, so that every `queue.joined` has its
    /// `queue.left`.
    fn queue_left(
        &self,
        transaction: &Transaction<'_>,
        rng: &mut Rng,
    ) -> rusqlite::Result<Option<Event>> {
        let last: Option<(String, i64)> = transaction
            .prepare_cached(
                "SELECT kind, time FROM events
                 WHERE subject = ?1 AND kind IN ('queue.joined', 'queue.left')
                 ORDER BY seq DESC LIMIT 1",
            )?
            .query_row([self.call.to_string()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((_, joined)) = last.filter(|(kind, _)| kind == "queue.joined") else {
            return Ok(None);
        };
        let mut data = self.data.clone();
        data.insert("left_reason".into(), json!("interrupted"));
        let waited = seconds_between(Wall::from_millis(joined), self.last_seen);
        data.insert("queue_wait_s".into(), json!(waited));
        Ok(Some(Event {
            id: EventId(Ulid::new(self.now, rng)),
            kind: "queue.left",
            subject: Some(self.call),
            time: self.now,
            data,
        }))
    }

    /// Opens a callback for the caller, or counts one up that is open already.
    fn callback(
        &mut self,
        transaction: &Transaction<'_>,
        opened: &mut BTreeMap<String, Callback>,
        due: Duration,
        rng: &mut Rng,
    ) -> rusqlite::Result<Option<Event>> {
        if text(&self.data, "direction").is_some_and(|direction| direction != "inbound") {
            return Ok(None);
        }
        let Some(phone) = text(&self.data, "from").map(str::to_owned) else {
            if !self.talking {
                self.data.insert("no_callback".into(), json!("anonymous"));
            }
            return Ok(None);
        };
        let known = match opened.get(&phone) {
            Some(known) => Some(known.clone()),
            None => callbacks::open_of(transaction, &phone)?,
        };
        let (kind, callback) = match known {
            Some(known) => {
                let count = known.count.saturating_add(1);
                ("callback.repeated", Callback { count, ..known })
            }
            None => ("callback.opened", self.opened(&phone, due, rng)),
        };
        self.data
            .insert("callback".into(), json!(callback.id.to_string()));
        let state = if callback.overdue {
            State::Overdue
        } else {
            State::Open
        };
        let data = callback_event::callback_fields(&callback, state);
        opened.insert(phone, callback);
        Ok(Some(Event {
            id: EventId(Ulid::new(self.now, rng)),
            kind,
            subject: Some(self.call),
            time: self.now,
            data,
        }))
    }

    fn opened(&self, phone: &str, due: Duration, rng: &mut Rng) -> Callback {
        Callback {
            id: CallbackId(Ulid::new(self.now, rng)),
            call: self.call,
            phone: phone.to_owned(),
            site: text(&self.data, "site").map(Into::into),
            queue: text(&self.data, "queue").map(Into::into),
            dialled: text(&self.data, "to").unwrap_or_default().to_owned(),
            reason: MissedReason::Interrupted,
            opened_at: self.now,
            due_at: self.now + due,
            overdue: false,
            shift_ended_at: None,
            count: 1,
            attempts: Vec::new(),
            ringing: None,
            note: None,
            assigned: None,
            recall: None,
        }
    }

    /// The terminal event.
    fn event(mut self, rng: &mut Rng) -> Event {
        let inbound = text(&self.data, "direction").is_none_or(|direction| direction == "inbound");
        if !inbound {
            let result = if self.talking { "answered" } else { "failed" };
            self.data.insert("result".into(), json!(result));
        } else if self.talking {
            self.data.insert("outcome".into(), json!("answered"));
        } else {
            self.data.insert("outcome".into(), json!("missed"));
            self.data.insert("reason".into(), json!("interrupted"));
        }
        self.data.insert("interrupted".into(), json!(true));
        self.data
            .insert("ended_at".into(), json!(self.last_seen.to_string()));
        let since = if self.talking {
            ("answered_at", "talk_s")
        } else {
            ("started_at", "wait_s")
        };
        if let Some(began) = moment(&self.data, since.0) {
            let lasted = seconds_between(began, self.last_seen);
            self.data.insert(since.1.into(), json!(lasted));
        }
        Event {
            id: EventId(Ulid::new(self.now, rng)),
            kind: "call.ended",
            subject: Some(self.call),
            time: self.now,
            data: self.data,
        }
    }
}

fn seconds_between(began: Wall, ended: Wall) -> f64 {
    let lasted = ended.as_millis().saturating_sub(began.as_millis()).max(0);
    f64::from(u32::try_from(lasted).unwrap_or(u32::MAX)) / 1000.0
}

/// Reads what the machines begin with.
pub(super) fn read(
    transaction: &Transaction<'_>,
    now: Wall,
    interrupted: usize,
) -> rusqlite::Result<Restored> {
    Ok(Restored {
        bindings: bindings::restore(transaction, now)?,
        wishes: wishes(transaction)?,
        callbacks: callbacks::restore(transaction)?,
        leads: leads::restore(transaction, now)?,
        answers: leads::restore_answers(transaction)?,
        numbers: numbers::restore(transaction)?,
        interrupted,
    })
}

fn wishes(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(OperatorName, Wish)>> {
    let mut statement = transaction
        .prepare("SELECT operator, state, reason, owes FROM operators ORDER BY operator")?;
    let rows = statement.query_map([], |row| {
        let (operator, state) = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
        let (reason, owes) = (row.get(2)?, row.get::<_, Option<String>>(3)?);
        let wish = Wish {
            logged_out: state == OperatorState::LoggedOut.as_str(),
            pause: (state == OperatorState::Paused.as_str()).then_some(reason),
            owes: owes.and_then(|call| call.parse().ok()).map(CallId),
        };
        Ok((operator.as_str().into(), wish))
    })?;
    rows.collect()
}
