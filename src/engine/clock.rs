//! The clock on the wall, which is set, and goes on while the machine sleeps.
//!
//! Callbacks, leads and kept answers outlive the process, so they wait for times on that clock; what is
//! meant is a while. When the clock is set, what they wait for is set with it: nothing is due all at
//! once, and nothing an hour late. What somebody named as a time stays: calendars, and when a lead wants
//! its first call.

use super::engine::Engine;
use super::output::Level;
use crate::limits;
use crate::time::{Duration, Now};

impl Engine {
    /// Looks whether the clock was set since the last input.
    pub(super) fn look_at_clock(&mut self, now: Now) {
        let before = std::mem::replace(&mut self.clock, now);
        let millis = now.set_since(before);
        if Duration::from_millis(millis.unsigned_abs()) < limits::CLOCK_SET {
            return;
        }
        self.callbacks.clock_set(millis);
        self.leads.clock_set(before.wall, millis);
        self.answers.clock_set(millis);
        self.arm_recalls(now);
        self.arm_leads(now, false);
        let seconds = millis / 1_000;
        self.log(Level::Warn, None, &format!("the clock was set by {seconds} s, or the machine slept: callbacks and leads wait as long as they would have"));
    }
}
