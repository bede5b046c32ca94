//! What the engine remembers of one person is forgotten: the past of the number, its callback, its leads.

use serde_json::{Value, json};

use super::callback_event;
use super::command::Refused;
use super::commanding::{Shown, refused};
use super::engine::Engine;
use crate::ledger::callbacks::State;
use crate::ledger::leads::LeadEnd;
use crate::time::Now;

impl Engine {
    /// Forgets a number. Whoever is in a call now is not forgotten in the middle of it.
    pub(super) fn erase(&mut self, now: Now, phone: &str) -> Result<Shown, Refused> {
        let talks = self.calls.values().any(|call| {
            let facts = call.facts();
            facts.from.as_deref() == Some(phone) || &*facts.to == phone
        });
        let rung = self
            .callbacks
            .rung_back_by(phone)
            .or_else(|| self.leads.rung_by(phone));
        if talks || rung.is_some() {
            let why = "a call with this number is under way or has only just ended; try again a minute after its end";
            return Err(refused(409, why));
        }
        self.history.forget(phone);
        self.desk.forget_caller(phone);
        if let Some(lead) = self.leads.of(phone).map(|lead| lead.id) {
            self.close_lead(now, lead, LeadEnd::NotReached, None);
        }
        self.leads.erase(phone);
        self.answers.erase(phone);
        if let Some(callback) = self.callbacks.answered(phone) {
            self.arm_recalls(now);
            self.show_callbacks(now, callback.site.as_ref());
            let mut fields = callback_event::callback_fields(&callback, State::Closed);
            fields.insert("phone".into(), Value::Null);
            fields.insert("note".into(), Value::Null);
            fields.insert("closed_by".into(), json!("erasure"));
            self.record(now, "callback.closed", Some(callback.call), fields);
        }
        Ok(Shown::Erased)
    }
}
