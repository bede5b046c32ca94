//! Two calls of one operator become one (RFC 3891, RFC 5589 7): the other party of the second call
//! takes the operator's place in the first, which keeps its id and its recording.
//!
//! The second call gives the party away and ends as answered; the engine carries the party over.

use super::call::{Call, Effects};
use super::cause;
use super::facts::Attempt;
use super::leg::Leg;
use super::message::{CallEffect, World};
use super::seat::Seat;
use crate::acd::message::AcdInput;
use crate::id::{CallId, LegId};
use crate::media::command::MediaCommand;
use crate::words::Outcome;

/// A party that goes from one call to another.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its leg.
    pub leg: Leg,
    /// Its place on the floor, when it is an operator.
    pub seat: Option<Seat>,
    /// How events name it.
    pub name: String,
    /// How it was reached, when it was called.
    pub attempt: Option<Attempt>,
}

impl Call {
    /// Gives the party that talks with the one of `leg` to another call, and ends.
    pub(super) fn give(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        to: CallId,
        instead: LegId,
        fx: &mut Effects,
    ) {
        let by = self.seats.get(&leg).map(|seat| seat.operator.clone());
        let Some(by) = by.filter(|_| self.is_mergeable(leg)) else {
            return;
        };
        // The one who stays, if only to be hung up, is the caller.
        if self.caller.id != leg
            && let Some(operator) = &mut self.operator
        {
            std::mem::swap(&mut self.caller, operator);
        }
        let Some(given) = self.operator.take() else {
            return;
        };
        let seat = self.seats.remove(&given.id);
        let outside = match self.facts.placed_by {
            Some(_) => Some(self.facts.to.to_string()),
            None => self.patient().map(str::to_owned),
        };
        let name = match &seat {
            Some(seat) => seat.operator.to_string(),
            None => outside.unwrap_or_default(),
        };
        self.adopted.retain(|known| *known != given.id);
        self.open.remove(&given.id);
        let reached = |attempt: &&Attempt| attempt.leg == given.id;
        let attempt = self.facts.attempts.iter().find(reached).cloned();
        let party = Box::new(Party {
            attempt,
            leg: given,
            seat,
            name: name.clone(),
        });
        // Before anything else is heard of this call, so that no fault finds the party between two.
        fx.push_back(CallEffect::Give { party, to, instead });
        self.tell_attended(by, name, fx);
        let farewell = self.farewell_for(cause::NORMAL);
        self.end(world, Outcome::Answered, None, farewell, fx);
    }

    /// Takes a party from another call in the place of the operator of `instead`.
    pub(super) fn take(
        &mut self,
        world: &mut World<'_>,
        party: Party,
        instead: LegId,
        fx: &mut Effects,
    ) {
        let Party {
            leg,
            seat,
            name,
            attempt,
        } = party;
        let id = leg.id;
        self.adopted.push(id);
        self.open.insert(id);
        let by = self.seats.get(&instead).map(|seat| seat.operator.clone());
        let sides = self.sides().filter(|_| self.is_mergeable(instead));
        let (Some(by), Some((caller, operator))) = (by, sides) else {
            self.end_leg(id, leg.sip, cause::NORMAL, fx);
            if let Some(Seat { operator, ticket }) = seat {
                Self::acd(AcdInput::Released { operator, ticket }, fx);
            }
            return;
        };
        self.parked = false;
        Self::media(MediaCommand::Unbridge { caller, operator }, fx);
        self.bring_to_right(instead);
        if let Some(attempt) = attempt {
            self.facts.attempt(attempt);
        }
        if let Some(seat) = seat {
            self.engage(&seat, fx);
            self.seats.insert(id, seat);
        }
        if let Some(before) = self.operator.replace(leg) {
            self.see_off(world, before, fx);
        }
        self.bridge(world, fx);
        self.entertain_the_held(world, fx);
        self.count_paperwork(fx);
        self.tell_attended(by, name, fx);
    }
}
