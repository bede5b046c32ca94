//! What the writer holds while the disk takes nothing.

use std::collections::VecDeque;

use super::Job;
use crate::limits;
use crate::time::{Duration, Instant};

/// The disk is tried again after this.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// From the first refusal until everything is in the database.
pub(super) struct Outage {
    /// Since when.
    pub(super) since: Instant,
    /// When the disk is tried again.
    pub(super) again: Instant,
    /// Everything that was not committed, in order.
    pub(super) held: VecDeque<Job>,
    /// The reserve has every event among them.
    pub(super) reserved: bool,
}

impl Outage {
    /// It begins.
    pub(super) fn new(now: Instant, reserved: bool) -> Self {
        Self {
            since: now,
            again: now + AGAIN,
            held: VecDeque::new(),
            reserved,
        }
    }

    /// Whether more may be held.
    pub(super) fn has_room(&self) -> bool {
        self.held.len() < limits::STORE_HELD
    }
}
