//! An operator being rung: one leg to each phone, until one answers or all have failed.

use std::collections::BTreeMap;

use super::leg::{Leg, Sip};
use super::message::Contact;
use super::screen::Shown;
use crate::dialplan::plan::Spoken;
use crate::id::{LegId, QueueName};
use crate::sip::session::OutgoingInvite;
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

impl Phone {
    /// Its port is open: gives the INVITE that rings it. None when it rings already.
    pub(super) fn rings(&mut self, port: u16, from: &str, shown: Shown) -> Option<OutgoingInvite> {
        if self.leg.is_open() {
            return None;
        }
        self.leg.open(port);
        let sdp = self.leg.offer()?;
        self.leg.sip = Sip::Open;
        let Contact { uri, flow, routes } = self.contact.clone();
        Some(OutgoingInvite {
            from_display: shown.display,
            headers: shown.headers,
            routes,
            ..OutgoingInvite::new(uri, flow, from, sdp)
        })
    }
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
