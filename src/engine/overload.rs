//! What is refused for lack of capacity: packets that are not even read, and calls that are refused in
//! bulk, the 503 first and one row for all of them after it.

use serde_json::{Map, json};

use super::engine::{Engine, EngineTimer};
use crate::id::{LegId, TrunkName};
use crate::limits;
use crate::time::Now;
use crate::words::{Direction, MissedReason, Outcome};

impl Engine {
    /// How many packets were refused unread: strangers above their rate, and those who guess passwords.
    #[must_use]
    pub const fn refused_unread(&self) -> u64 {
        let refused = self.endpoint.refused();
        refused.limited + refused.silenced
    }

    /// Refuses a call that gets no row of its own. It counts as offered and missed all the same.
    pub(super) fn refuse_in_bulk(&mut self, now: Now, leg: LegId, trunk: &TrunkName) {
        self.reject(now, leg, 503, Some(limits::RETRY_AFTER_SECONDS));
        self.outcomes.offered();
        self.outcomes.ended(Outcome::Missed);
        if self.refusals.count(now, trunk) {
            let due = now.mono + limits::REFUSALS_EVERY;
            self.timers.set(EngineTimer::Refusals, due);
        }
    }

    /// Writes the rows of what was refused in bulk.
    pub(super) fn tell_refusals(&mut self, now: Now) {
        self.timers.cancel(&EngineTimer::Refusals);
        for (trunk, batch) in self.refusals.take() {
            let mut data = Map::new();
            data.insert("direction".into(), json!(Direction::Inbound));
            data.insert("trunk".into(), json!(trunk));
            data.insert("count".into(), json!(batch.count));
            data.insert("outcome".into(), json!(Outcome::Missed));
            data.insert("reason".into(), json!(MissedReason::Refused));
            data.insert("no_callback".into(), json!("overload"));
            data.insert("started_at".into(), json!(batch.first.to_string()));
            data.insert("ended_at".into(), json!(batch.last.to_string()));
            self.record(now, "call.refused", None, data);
        }
    }
}
