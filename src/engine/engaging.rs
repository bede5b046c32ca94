//! The one rule for calls of ours to people outside: a number is rung by at most one of them at a time,
//! whatever it is for, and by none while any other call has to do with it: the patient's own, or one
//! that an operator dialled.
//!
//! Whatever finds a number engaged waits; whatever was about to ring it recedes. Which numbers are is
//! kept in [`crate::ledger::engaged`].

use super::engine::Engine;
use crate::call::call::Call;
use crate::call::message::CallInput;
use crate::id::CallId;
use crate::time::Now;

impl Engine {
    /// Whether a call of ours to this number may begin.
    pub(super) fn may_ring(&self, number: &str) -> bool {
        self.engaged.is_free(number)
    }

    /// Somebody else's call has to do with this number from now on: what is about to ring it recedes. A
    /// patient who has answered is not let go.
    pub(super) fn engage(&mut self, now: Now, number: &str, call: CallId) {
        if self.calls.get(&call).is_none_or(Call::ended) {
            return;
        }
        self.engaged.begins(number, call);
        let callback = self.callbacks.rung_back_by(number);
        let lead = self.leads.rung_by(number);
        for live in callback.into_iter().chain(lead) {
            if live != call {
                self.step(now, live, CallInput::Recede);
            }
        }
    }

    /// The call is over: whatever waited for a number of its to be free goes on.
    pub(super) fn disengage(&mut self, now: Now, call: CallId) {
        for number in self.engaged.ends(call) {
            self.callbacks.line_is_free(&number, now.wall);
            if self.leads.line_is_free(&number, now.wall) {
                self.leads_now(now);
            }
        }
        self.arm_recalls(now);
    }
}
