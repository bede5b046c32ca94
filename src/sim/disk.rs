//! A stand-in for the store: commits a little later, and keeps what a restart needs.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::acd::message::Wish;
use crate::engine::callback_event;
use crate::engine::event::Event;
use crate::engine::lead_event::lead_of;
use crate::engine::output::Record;
use crate::engine::settings::Restored;
use crate::id::{AskId, OperatorName};
use crate::ledger::answers::Answered;
use crate::ledger::callbacks::Callback;
use crate::ledger::leads::Lead;
use crate::rng::Rng;
use crate::sip::registrar::Binding;
use crate::time::{Duration, Instant};

/// How a disk behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskQuality {
    /// A commit takes at most this long.
    pub slowest: Duration,
    /// How many of a thousand commits are never answered.
    pub silent: u32,
}

impl DiskQuality {
    /// Commits at once.
    pub const PERFECT: Self = Self {
        slowest: Duration::from_millis(1),
        silent: 0,
    };
    /// Commits in its own time, and sometimes never.
    pub const TIRED: Self = Self {
        slowest: Duration::from_millis(40),
        silent: 5,
    };
}

/// The stand-in.
#[derive(Debug)]
pub struct Disk {
    quality: DiskQuality,
    rng: Rng,
}

impl Disk {
    /// A disk whose luck is drawn from `rng`.
    #[must_use]
    pub const fn new(quality: DiskQuality, rng: Rng) -> Self {
        Self { quality, rng }
    }

    /// When the question is answered, if ever.
    pub fn asked(&mut self, now: Instant, id: AskId) -> Option<(Instant, AskId)> {
        let slowest = u64::try_from(self.quality.slowest.as_nanos()).unwrap_or(u64::MAX);
        let takes = Duration::from_nanos(self.rng.below(slowest.saturating_add(1)));
        (!self.rng.chance(self.quality.silent)).then_some((now + takes, id))
    }
}

/// What the store knows of phones, pauses, callbacks and leads.
#[derive(Debug, Default)]
pub struct Kept {
    callbacks: BTreeMap<String, Callback>,
    leads: BTreeMap<String, Lead>,
    answers: BTreeMap<String, Answered>,
    bindings: BTreeMap<(OperatorName, String), Binding>,
    wishes: BTreeMap<OperatorName, Wish>,
}

impl Kept {
    /// Keeps a record; events are somebody else's.
    pub fn keep(&mut self, record: Record) {
        match record {
            Record::Event(_) => {}
            Record::Bound(binding) => {
                let key = (binding.user.clone(), binding.key.clone());
                self.bindings.insert(key, *binding);
            }
            Record::Unbound { user, key } => {
                self.bindings.remove(&(user, key));
            }
            Record::Answered(answered) => {
                self.answers.insert(answered.key.clone(), *answered);
            }
            Record::Operator { operator, wish } => {
                self.wishes.insert(operator, wish);
            }
        }
    }

    /// Follows what events say of callbacks and leads.
    pub fn follow(&mut self, event: &Event) {
        if event.kind == "audit.action" {
            return self.remarked(event);
        }
        let Some(id) = event.data.get("id").and_then(Value::as_str) else {
            return;
        };
        if event.kind.starts_with("lead.") {
            let known = lead_of(&event.data);
            self.leads.extend(known.map(|lead| (id.to_owned(), lead)));
        }
        match event.kind {
            "callback.closed" => {
                self.callbacks.remove(id);
            }
            "callback.opened" | "callback.repeated" | "callback.dialled" | "callback.attempted"
            | "callback.overdue" => {
                let known = callback_event::callback_of(&event.data);
                self.callbacks
                    .extend(known.map(|callback| (id.to_owned(), callback)));
            }
            _ => {}
        }
    }

    /// Somebody said something of a callback, or wants the patient to be rung.
    fn remarked(&mut self, event: &Event) {
        let text = |field: &str| event.data.get(field).and_then(Value::as_str);
        let done = text("result") == Some("done");
        let id = text("callback_id").filter(|_| done);
        let Some(callback) = id.and_then(|id| self.callbacks.get_mut(id)) else {
            return;
        };
        if let Some(note) = text("note") {
            callback.note = Some(note.to_owned()).filter(|it| !it.is_empty());
        }
        if let Some(assigned) = text("assigned") {
            callback.assigned = Some(assigned.into()).filter(|_| !assigned.is_empty());
        }
        if let Some(recall) = event.data.get("recall") {
            callback.recall = callback_event::recall_of(recall);
        }
    }

    /// What a new process is given.
    pub fn restore(&self, restored: &mut Restored) {
        restored.callbacks = self.callbacks.values().cloned().collect();
        restored.leads = self.leads.values().cloned().collect();
        restored.answers = self.answers.values().cloned().collect();
        restored.bindings = self.bindings.values().cloned().collect();
        let wishes = self.wishes.iter();
        restored.wishes = wishes
            .map(|(who, wish)| (who.clone(), wish.clone()))
            .collect();
    }
}
