//! An operator being rung: one leg to each phone, until one answers or all have failed.

use std::collections::BTreeMap;

use super::leg::Leg;
use super::message::Contact;
use crate::dialplan::plan::Spoken;
use crate::id::{LegId, QueueName};
use crate::time::Instant;
use crate::words::MissReason;

/// One phone that rings, or will as soon as its port is open.
#[derive(Clone, Debug)]
pub struct Phone {
    /// The leg.
    pub leg: Leg,
    /// Where it is.
    pub contact: Contact,
}

/// An operator being rung.
#[derive(Clone, Debug)]
pub struct Offer {
    /// For which queue.
    pub queue: QueueName,
    /// What the operator will be told of the caller.
    pub spoken: Spoken,
    /// When the distributor asked.
    pub since: Instant,
    /// A phone has said that it rings.
    pub ringing: bool,
    /// The phones still in play.
    pub phones: BTreeMap<LegId, Phone>,
    /// The best reason of those that are not: a person's word counts more than a dead device.
    pub failed: Option<MissReason>,
}

impl Offer {
    /// Takes a phone out that failed. Gives the operator's answer when it was the last one.
    pub fn phone_failed(&mut self, leg: LegId, reason: MissReason) -> Option<MissReason> {
        self.phones.remove(&leg);
        let worth = |reason| match reason {
            MissReason::Declined => 4,
            MissReason::Busy => 3,
            MissReason::NoAnswer => 2,
            MissReason::Failed => 1,
            MissReason::Withdrawn => 0,
        };
        let best = match self.failed {
            Some(before) if worth(before) >= worth(reason) => before,
            Some(_) | None => reason,
        };
        self.failed = Some(best);
        self.phones.is_empty().then_some(best)
    }
}
