//! The desk's side of the operators: phones, offers, talks and pauses.

use std::collections::{BTreeSet, VecDeque};

use super::{Desk, Timer};
use crate::acd::message::{AcdEffect, Wanted};
use crate::acd::operator::Operator;
use crate::acd::ticket::{Stage, Ticket};
use crate::id::{OperatorName, TicketId};
use crate::limits;
use crate::time::{Duration, Now};
use crate::words::{LeftReason, MissReason, OperatorState};

impl Desk {
    pub(super) fn ringing(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        if self.held(name, id) == Some(OperatorState::Reserved) {
            self.shift(now, name, OperatorState::Ringing, "ringing", effects);
        }
    }

    pub(super) fn answered(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        if !self.is_offered(name, id) {
            return;
        }
        self.withdraw_all(now, id, Some(name), effects);
        self.timers.cancel(&Timer::Ring(name.clone()));
        self.timers.cancel(&Timer::Retry(id));
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.stage = Stage::Whisper(name.clone());
            if let Some(queue) = self.queues.get_mut(ticket.queue()) {
                queue.set_wanting(ticket.turn(), false);
            }
        }
        self.shift(now, name, OperatorState::Talking, "answered", effects);
    }

    pub(super) fn missed(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        reason: MissReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        if !self.is_offered(name, id) && !self.whispers(name, id) {
            self.released(now, name, id, effects);
            return;
        }
        self.exclude(now, name, id, reason);
        self.let_go(now, name, id, reason, effects);
    }

    /// Frees an operator who has not spoken with the caller of this ticket.
    pub(super) fn let_go(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        reason: MissReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        self.timers.cancel(&Timer::Ring(name.clone()));
        self.rest(now, name, miss_word(reason), effects);
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        if let Some(offers) = ticket.offers_mut() {
            offers.remove(name);
        } else {
            ticket.stage = Stage::Waiting(BTreeSet::new());
        }
        self.wait_again(now, id, effects);
    }

    /// Notes that an operator did not take this caller.
    pub(super) fn exclude(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        reason: MissReason,
    ) {
        if matches!(reason, MissReason::NoAnswer | MissReason::Failed)
            && let Some(operator) = self.operators.get_mut(name)
        {
            operator.rung_in_vain(now.mono);
        }
        let Some(rules) = self.rules_of(id) else {
            return;
        };
        let pause = match reason {
            MissReason::Declined => rules.after_decline,
            MissReason::Busy => rules.after_busy,
            MissReason::NoAnswer | MissReason::Failed => rules.after_no_answer,
            MissReason::Withdrawn => return,
        };
        let until = now.mono + pause.max(limits::REOFFER_AFTER);
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.exclude(name.clone(), until);
        }
    }

    pub(super) fn bridged(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        self.answered(now, name, id, effects);
        if !self.whispers(name, id) {
            return;
        }
        let wrap_up = self.rules_of(id).map_or(Duration::ZERO, |r| r.wrap_up);
        self.step_out(now, id, LeftReason::Answered, effects);
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.stage = Stage::Bridged;
        }
        let operator = self.operators.get_mut(name);
        if let Some(hold) = operator.and_then(|operator| operator.hold.as_mut()) {
            hold.wrap_up = Some(wrap_up);
        }
    }

    pub(super) fn released(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        if self.is_offered(name, id) || self.whispers(name, id) {
            self.missed(now, name, id, MissReason::Failed, effects);
            return;
        }
        let Some(operator) = self.operators.get(name).filter(|o| o.holds(id)) else {
            self.disengage(now, name, id, effects);
            return;
        };
        if self
            .tickets
            .get(&id)
            .is_some_and(|t| t.stage == Stage::Bridged)
        {
            self.tickets.remove(&id);
        }
        let wrap_up = operator.hold.as_ref().and_then(|hold| hold.wrap_up);
        self.hang_up(now, name, id, wrap_up, effects);
    }

    pub(super) fn phone_up(
        &mut self,
        now: Now,
        name: &OperatorName,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        operator.phone = true;
        if operator.state() == OperatorState::LoggedOut {
            self.rest(now, name, "registered", effects);
        }
    }

    pub(super) fn phone_down(
        &mut self,
        now: Now,
        name: &OperatorName,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        operator.phone = false;
        let ticket = operator.ticket().filter(|_| operator.is_offered());
        match operator.state() {
            OperatorState::Reserved | OperatorState::Ringing => {
                if let Some(id) = ticket {
                    self.exclude(now, name, id, MissReason::Failed);
                    self.withdraw(now, name, id, MissReason::Failed, effects);
                    self.wait_again(now, id, effects);
                }
            }
            OperatorState::Paused | OperatorState::Available | OperatorState::WrapUp => {
                self.timers.cancel(&Timer::WrapUp(name.clone()));
                self.rest(now, name, "unregistered", effects);
            }
            OperatorState::LoggedOut | OperatorState::Talking => {}
        }
    }

    /// A wish waits for a ringing phone and for a talk; paperwork it ends.
    pub(super) fn set_state(
        &mut self,
        now: Now,
        name: &OperatorName,
        wanted: Wanted,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        let (logged_out, pause, reason) = match wanted {
            Wanted::Available => (false, None, "resumed"),
            Wanted::Paused(reason) => (false, Some(reason), "paused"),
            Wanted::LoggedOut => (true, None, "logged_out"),
        };
        let same = (operator.logged_out, &operator.pause) == (logged_out, &pause);
        (operator.logged_out, operator.pause) = (logged_out, pause);
        let rests = match operator.state() {
            OperatorState::Available | OperatorState::Paused | OperatorState::LoggedOut => !same,
            OperatorState::WrapUp => true,
            OperatorState::Reserved | OperatorState::Ringing | OperatorState::Talking => false,
        };
        let stays = operator.state() == OperatorState::LoggedOut
            && operator.at_rest() == OperatorState::LoggedOut;
        if !same {
            effects.push_back(AcdEffect::Wished {
                operator: name.clone(),
                wish: operator.wish(),
            });
        }
        if rests && !stays {
            self.timers.cancel(&Timer::WrapUp(name.clone()));
            self.rest(now, name, reason, effects);
        }
    }

    pub(super) fn rang_out(
        &mut self,
        now: Now,
        name: &OperatorName,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let ticket = self.operators.get(name).and_then(Operator::ticket);
        let Some(id) = ticket.filter(|&id| self.is_offered(name, id)) else {
            return;
        };
        self.exclude(now, name, id, MissReason::NoAnswer);
        self.withdraw(now, name, id, MissReason::NoAnswer, effects);
        self.wait_again(now, id, effects);
    }

    /// Stops a phone that was asked to ring; its operator is free at once.
    pub(super) fn withdraw(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        reason: MissReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        self.timers.cancel(&Timer::Ring(name.clone()));
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        if let Some(offers) = ticket.offers_mut() {
            offers.remove(name);
        }
        effects.push_back(AcdEffect::Withdraw {
            ticket: id,
            call: ticket.call,
            operator: name.clone(),
            reason,
        });
        self.rest(now, name, miss_word(reason), effects);
    }

    pub(super) fn withdraw_all(
        &mut self,
        now: Now,
        id: TicketId,
        except: Option<&OperatorName>,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let offers = self.tickets.get(&id).and_then(Ticket::offers);
        for name in offers.cloned().unwrap_or_default() {
            if Some(&name) != except {
                self.withdraw(now, &name, id, MissReason::Withdrawn, effects);
            }
        }
    }
}

const fn miss_word(reason: MissReason) -> &'static str {
    match reason {
        MissReason::Declined => "declined",
        MissReason::Busy => "busy",
        MissReason::NoAnswer => "no_answer",
        MissReason::Failed => "failed",
        MissReason::Withdrawn => "withdrawn",
    }
}
