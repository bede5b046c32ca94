//! The engine's way of telling: events, counts, and one log line a call.

use serde_json::{Map, Value, json};

use super::callback_event;
use super::engine::Engine;
use super::event::{self, Event};
use super::output::{Level, Output, Record};
use crate::acd::message::AcdEffect;
use crate::call::facts::CallFacts;
use crate::call::message::{CallInput, News, Told};
use crate::id::{CallId, EventId, OperatorName, QueueName, TrunkName, Ulid};
use crate::ledger::callbacks::{Missed, Verdict};
use crate::media::command::MediaEvent;
use crate::number::Masked;
use crate::sip::registrar::Binding;
use crate::time::{Duration, Now};
use crate::words::{CallResult, Direction, MissedReason, Outcome};

impl Engine {
    /// News of a call: an event, and what the ledger makes of it.
    pub(super) fn tell(&mut self, now: Now, told: &Told) {
        let facts = &told.facts;
        let (kind, mut data) = event::call_event(&told.news, facts);
        if matches!(
            told.news,
            News::Bridged | News::Transferred { .. } | News::Ended
        ) {
            self.codes.note(facts);
        }
        match told.news {
            News::Started if facts.direction == Direction::Inbound => self.outcomes.offered(),
            News::Started if facts.errand.is_none() => self.rung_by_others(now, facts),
            News::Ended => {
                self.toll.ends(facts.id);
                if let Some(outcome) = facts.outcome {
                    self.outcomes.ended(outcome);
                }
                self.note_ended(now, facts);
                self.settle_callback(now, facts, &mut data);
                self.log_call(facts);
            }
            News::CallbackAsked { entered, priority } => {
                return self.callback_asked(now, facts, entered, priority);
            }
            News::RingsPatient => {
                self.recall_dials(now, facts);
                return self.lead_dials(now, facts);
            }
            News::Started
            | News::Routed { .. }
            | News::Closed { .. }
            | News::Unrouted
            | News::QueueJoined { .. }
            | News::QueueLeft { .. }
            | News::Assigned { .. }
            | News::OperatorAnswered { .. }
            | News::OperatorMissed { .. }
            | News::Whispered { .. }
            | News::Bridged
            | News::Held { .. }
            | News::Transferred { .. }
            | News::RecordingStarted { .. }
            | News::RecordingSilenced(_)
            | News::RecordingFinished(_)
            | News::VoicemailRecorded { .. }
            | News::RecordingTroubled(_)
            | News::RecordingFailed(_) => {}
        }
        self.record(now, kind, Some(facts.id), data);
        if told.news == News::Bridged {
            self.lead_connected(now, facts);
        }
    }

    /// Every missed call has a callback or a word why it has none, and so has a caller who was sent on
    /// and whom nobody took; an answered one closes its own, whoever of the two rang.
    fn settle_callback(&mut self, now: Now, facts: &CallFacts, data: &mut Map<String, Value>) {
        let rang_back =
            facts.direction == Direction::Outbound && facts.result == Some(CallResult::Answered);
        if let Some(reason) = facts.stranded {
            return self.open_callback(now, facts, reason, data);
        }
        match facts.outcome {
            Some(Outcome::Missed) => {
                if let Some(callback) = self.asked_before(facts) {
                    data.insert("callback".into(), json!(callback.to_string()));
                    return;
                }
                let reason = facts.reason.unwrap_or(MissedReason::Interrupted);
                self.open_callback(now, facts, reason, data);
            }
            Some(Outcome::Answered) => self.spoke(now, facts, facts.from.as_deref()),
            None if rang_back => self.spoke(now, facts, Some(&facts.to)),
            Some(Outcome::Blocked | Outcome::Test) | None => {}
        }
    }

    fn open_callback(
        &mut self,
        now: Now,
        facts: &CallFacts,
        reason: MissedReason,
        data: &mut Map<String, Value>,
    ) {
        let phone = match facts.direction {
            Direction::Inbound => facts.from.as_deref(),
            Direction::Outbound => Some(&*facts.to),
            Direction::Internal => return,
        };
        // Whoever left a message has not just tried.
        let spoke = facts
            .voicemail
            .as_ref()
            .is_some_and(|it| it.length.is_some());
        let asked = self.missed_of(facts, reason);
        let missed = Missed {
            phone,
            ignores: if spoke { Duration::ZERO } else { asked.ignores },
            stayed: facts.wait.unwrap_or_default() + facts.talk.unwrap_or_default(),
            ..asked
        };
        let verdict = self.callbacks.missed(now, &missed, &mut self.rng);
        let (kind, callback) = match &verdict {
            Verdict::Opened(callback) => {
                self.show_callbacks(now, callback.site.as_ref());
                ("callback.opened", callback)
            }
            Verdict::Repeated(callback) => ("callback.repeated", callback),
            Verdict::None(why) => {
                data.insert("no_callback".into(), json!(why));
                return;
            }
        };
        data.insert("callback".into(), json!(callback.id.to_string()));
        let fields = callback_event::callback_fields(callback, self.callbacks.state(callback));
        self.record(now, kind, Some(facts.id), fields);
        self.arm_recalls(now);
    }

    /// Somebody has spoken with this number.
    fn spoke(&mut self, now: Now, facts: &CallFacts, phone: Option<&str>) {
        self.lead_answered(now, facts, phone);
        self.close_callback(now, facts, phone);
    }

    fn close_callback(&mut self, now: Now, facts: &CallFacts, phone: Option<&str>) {
        let live = phone.and_then(|phone| self.callbacks.rung_back_by(phone));
        let Some(callback) = phone.and_then(|phone| self.callbacks.answered(phone)) else {
            return;
        };
        // Whoever has been reached is rung by nobody else.
        if let Some(live) = live.filter(|live| *live != facts.id) {
            self.step(now, live, CallInput::Recede);
        }
        self.arm_recalls(now);
        self.show_callbacks(now, callback.site.as_ref());
        let fields = callback_event::closed_callback_fields(&callback, facts.id);
        self.record(now, "callback.closed", Some(facts.id), fields);
    }

    fn log_call(&mut self, facts: &CallFacts) {
        let word = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let text = format!(
            "{} -> {} {} queue={} operator={} wait={}s talk={}s",
            facts
                .from
                .as_deref()
                .map_or_else(|| "withheld".to_owned(), |from| Masked(from).to_string()),
            Masked(&facts.to),
            word(ending(facts)),
            word(facts.queue.as_ref().map(ToString::to_string)),
            word(facts.operator.as_ref().map(ToString::to_string)),
            facts.wait.unwrap_or_default().as_secs(),
            facts.talk.unwrap_or_default().as_secs(),
        );
        self.log(Level::Info, Some(facts.id), &text);
    }

    /// A recording that was finished after its call was forgotten.
    pub(super) fn tell_late_recording(&mut self, now: Now, call: CallId, event: MediaEvent) {
        let (kind, more) = match event {
            MediaEvent::Recorded { recorded, .. } => (
                "recording.finished",
                json!({
                    "id": call.to_string(),
                    "recording": call.to_string(),
                    "file": recorded.file,
                    "bytes": recorded.bytes,
                    "duration_s": recorded.duration.as_secs_f64(),
                    "sha256": recorded.sha256,
                    "manifest_sha256": recorded.manifest_sha256,
                }),
            ),
            MediaEvent::RecordFailed { why, .. } => (
                "recording.failed",
                json!({ "id": call.to_string(), "recording": call.to_string(), "why": why, "final": true }),
            ),
            MediaEvent::Opened { .. }
            | MediaEvent::OpenFailed { .. }
            | MediaEvent::Played { .. }
            | MediaEvent::Digit { .. }
            | MediaEvent::RecordTroubled { .. }
            | MediaEvent::Silent { .. } => return,
        };
        if let Value::Object(data) = more {
            self.record(now, kind, Some(call), data);
        }
    }

    /// An operator's new state.
    pub(super) fn tell_operator(&mut self, effect: AcdEffect) {
        let AcdEffect::State {
            operator,
            from,
            to,
            reason,
            lasted,
            at,
            call,
        } = effect
        else {
            return;
        };
        let data = json!({
            "operator": operator,
            "from": from,
            "to": to,
            "reason": reason,
            "since": at.to_string(),
            "lasted_s": lasted.as_secs_f64(),
            "call_id": call.map(|call| call.to_string()),
        });
        if let Value::Object(data) = data {
            let now = Now {
                wall: at,
                ..Now::default()
            };
            self.record(now, "operator.state", call, data);
        }
    }

    /// A caller still waits when the queue should have answered.
    pub(super) fn tell_breach(&mut self, now: Now, call: CallId, queue: &QueueName) {
        let mut data = self
            .calls
            .get(&call)
            .map_or_else(Map::new, |call| event::call_fields(call.facts()));
        let within = self
            .plan()
            .queues
            .get(queue)
            .and_then(|it| it.service_level);
        data.insert("queue".into(), json!(queue));
        data.insert(
            "service_level_s".into(),
            json!(within.unwrap_or_default().as_secs_f64()),
        );
        self.record(now, "queue.sla_breached", Some(call), data);
    }

    /// A phone that registered or moved.
    pub(super) fn tell_binding(&mut self, now: Now, binding: &Binding, changed: bool) {
        if changed {
            let address = binding.flow.peer.to_string();
            self.tell_phone(
                now,
                "operator.registered",
                &binding.user,
                json!({
                    "address": address,
                    "transport": binding.flow.transport.as_str().to_ascii_lowercase(),
                    "user_agent": binding.user_agent,
                    "expires": binding.expires.to_string(),
                }),
            );
        }
    }

    /// A phone that is gone.
    pub(super) fn tell_unbound(&mut self, now: Now, user: &OperatorName, why: &str) {
        self.tell_phone(now, "operator.unregistered", user, json!({ "why": why }));
    }

    fn tell_phone(&mut self, now: Now, kind: &'static str, user: &OperatorName, more: Value) {
        let mut data = Map::new();
        data.insert("operator".into(), json!(user));
        if let Value::Object(more) = more {
            data.extend(more);
        }
        self.record(now, kind, None, data);
    }

    /// A carrier can be had, or cannot.
    pub(super) fn tell_trunk(&mut self, now: Now, trunk: &TrunkName, up: bool, why: &str) {
        let mut data = Map::new();
        data.insert("trunk".into(), json!(trunk));
        data.insert("why".into(), json!(why));
        let (kind, level, word) = match up {
            true => ("trunk.up", Level::Info, "is up"),
            false => ("trunk.down", Level::Error, "is down"),
        };
        self.record(now, kind, None, data);
        self.log(level, None, &format!("trunk {trunk} {word}: {why}"));
    }

    /// What somebody outside did, or was not allowed to do, goes into the journal: one `audit.action`.
    pub(super) fn tell_deed(&mut self, now: Now, deed: Map<String, Value>) {
        let named = deed.get("call_id").and_then(Value::as_str);
        let named = named.and_then(|id| id.parse().ok());
        // A call that nobody knows is nobody's subject.
        let subject = named.filter(|call| self.calls.contains_key(call));
        self.record(now, "audit.action", subject, deed);
    }

    /// An operator reached a bound of the plan.
    pub(super) fn tell_bound(&mut self, now: Now, operator: &OperatorName, bound: &'static str) {
        let mut data = Map::new();
        data.insert("actor".into(), json!(operator));
        data.insert("action".into(), json!("dial"));
        data.insert("result".into(), json!("refused"));
        data.insert("bound".into(), json!(bound));
        self.record(now, "audit.action", None, data);
    }

    /// A new plan is live.
    pub(super) fn tell_plan_applied(&mut self, now: Now) {
        let mut data = Map::new();
        data.insert("plan".into(), json!(self.plan().hash));
        self.record(now, "dialplan.applied", None, data);
    }

    /// A changed plan does not load.
    pub(super) fn tell_plan_rejected(&mut self, now: Now, problems: usize, first: &str) {
        let mut data = Map::new();
        data.insert("problems".into(), json!(problems));
        data.insert("first".into(), json!(first));
        data.insert("plan".into(), json!(self.plan().hash));
        self.record(now, "dialplan.rejected", None, data);
    }

    pub(super) fn record(
        &mut self,
        now: Now,
        kind: &'static str,
        subject: Option<CallId>,
        data: Map<String, Value>,
    ) {
        let event = Event {
            id: EventId(Ulid::new(now.wall, &mut self.rng)),
            kind,
            subject,
            time: now.wall,
            data,
        };
        self.outputs
            .push_back(Output::Record(Record::Event(Box::new(event))));
    }
}

/// How a call ended, in a word or two.
fn ending(facts: &CallFacts) -> Option<String> {
    let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
    let Some(outcome) = facts.outcome else {
        return facts.result.map(|result| word(json!(result)));
    };
    let outcome = outcome.as_str();
    Some(match facts.reason {
        Some(reason) => format!("{outcome} ({})", word(json!(reason))),
        None => outcome.to_owned(),
    })
}
