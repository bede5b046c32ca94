//! The desk's side of the operators: phones, offers and talks.

use std::collections::VecDeque;
use std::mem;

use super::{Desk, Timer};
use crate::acd::message::AcdEffect;
use crate::acd::operator::{Operator, Paperwork};
use crate::acd::ticket::{Offers, Stage, Ticket};
use crate::id::{OperatorName, QueueName, TicketId};
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
            self.shift(now, name, OperatorState::Ringing, "ringing", None, effects);
        }
    }

    pub(super) fn answered(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        keep_others: bool,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        if !self.is_offered(name, id) {
            return;
        }
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        if matches!(ticket.stage, Stage::Whisper(..)) {
            // Somebody was faster, and hears the whisper already.
            self.withdraw(now, name, id, MissReason::Withdrawn, effects);
            return;
        }
        if !keep_others {
            self.withdraw_all(now, id, Some(name), effects);
        }
        self.timers.cancel(&Timer::Ring(name.clone()));
        if let Some(ticket) = self.tickets.get_mut(&id)
            && let Stage::Waiting(offers) = &mut ticket.stage
        {
            let mut others = mem::take(offers);
            others.retain(|(_, other)| other != name);
            ticket.stage = Stage::Whisper(name.clone(), others);
        }
        if let Some(operator) = self.operators.get_mut(name) {
            operator.no_answers = 0;
        }
        self.shift(now, name, OperatorState::Talking, "answered", None, effects);
        self.review(now, id);
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
        self.note_miss(now, name, id, reason, effects);
        self.let_go(now, name, id, reason, effects);
    }

    /// Frees an operator who has not spoken with the caller of this ticket.
    fn let_go(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        reason: MissReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        self.timers.cancel(&Timer::Ring(name.clone()));
        self.take_offer(name, id);
        if let Some(ticket) = self.tickets.get_mut(&id)
            && let Stage::Whisper(who, others) = &mut ticket.stage
            && who == name
        {
            ticket.stage = Stage::Waiting(mem::take(others));
        }
        self.rest(now, name, miss_word(reason), effects);
        self.wait_again(now, id, effects);
    }

    /// A phone was rung in vain: what that means for the caller, and for the operator.
    pub(super) fn note_miss(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        reason: MissReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        self.exclude(now, name, id, reason);
        let queue = self.tickets.get(&id).map(|ticket| &ticket.queue);
        let retry = queue
            .and_then(|queue| self.rules_of(queue))
            .map(|it| it.retry);
        if let Some(ticket) = self.tickets.get_mut(&id)
            && reason != MissReason::Withdrawn
        {
            ticket.rests_until = now.mono + retry.unwrap_or_default();
        }
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        match reason {
            MissReason::NoAnswer => {
                operator.idle_since = now.mono;
                self.count_no_answer(name, effects);
            }
            // Whoever is away from the desk would otherwise be the longest idle for ever, and each
            // caller would begin with a phone that nobody answers.
            MissReason::Failed => operator.idle_since = now.mono,
            MissReason::Declined | MissReason::Busy => operator.no_answers = 0,
            MissReason::Withdrawn => {}
        }
    }

    /// Notes that an operator is not offered this caller again for a while.
    pub(super) fn exclude(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        reason: MissReason,
    ) {
        let queue = self.tickets.get(&id).map(|ticket| &ticket.queue);
        let Some(rules) = queue.and_then(|queue| self.rules_of(queue)) else {
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
            ticket.excluded.insert(name.clone(), until);
        }
    }

    pub(super) fn bridged(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        self.answered(now, name, id, false, effects);
        if !self.whispers(name, id) {
            return;
        }
        self.withdraw_all(now, id, None, effects);
        let queue = self.tickets.get(&id).map(|ticket| ticket.queue.clone());
        let paperwork = self.paperwork(name, queue.as_ref());
        self.step_out(now, id, LeftReason::Answered, effects);
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.stage = Stage::Bridged;
        }
        if let Some(operator) = self.operators.get_mut(name) {
            operator.begins_talk(now.mono, paperwork);
        }
    }

    /// What follows a talk of this operator with a caller of a queue.
    pub(super) fn paperwork(&self, name: &OperatorName, queue: Option<&QueueName>) -> Paperwork {
        let rules = queue.and_then(|queue| self.rules_of(queue));
        let own = self.operators.get(name).and_then(|it| it.rules.wrap_up);
        let of_queue = rules.map_or(Duration::ZERO, |rules| rules.wrap_up);
        Paperwork {
            wrap_up: own.unwrap_or(of_queue),
            owed: rules.is_some_and(|rules| rules.disposition),
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
        let operator = self.operators.get_mut(name);
        let held = operator
            .filter(|operator| operator.holds(id))
            .and_then(|operator| operator.ends_hold(now.mono));
        let Some((hold, paperwork)) = held else {
            self.disengage(now, name, id, effects);
            return;
        };
        let bridged = |ticket: &Ticket| ticket.stage == Stage::Bridged;
        if self.tickets.get(&id).is_some_and(bridged) {
            self.tickets.remove(&id);
        }
        if let (Some(paperwork), Some(queue)) = (paperwork, self.queue_mut(&hold.queue)) {
            let busy = now.mono.since(hold.since);
            queue
                .statistics
                .handled(busy.saturating_add(paperwork.wrap_up));
        }
        self.hang_up(now, name, hold.call, paperwork, effects);
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
        if operator.state() == OperatorState::LoggedOut
            && operator.at_rest() != OperatorState::LoggedOut
        {
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
                    self.miss_and_withdraw(now, name, id, MissReason::Failed, effects);
                }
            }
            OperatorState::Paused | OperatorState::Available | OperatorState::WrapUp => {
                self.rest(now, name, "unregistered", effects);
            }
            OperatorState::LoggedOut | OperatorState::Talking => {}
        }
    }

    pub(super) fn rang_out(
        &mut self,
        now: Now,
        name: &OperatorName,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let ticket = self.operators.get(name).and_then(Operator::ticket);
        if let Some(id) = ticket.filter(|&id| self.is_offered(name, id)) {
            self.miss_and_withdraw(now, name, id, MissReason::NoAnswer, effects);
        }
    }

    /// Stops a phone that was rung in vain; its caller waits on.
    pub(super) fn miss_and_withdraw(
        &mut self,
        now: Now,
        name: &OperatorName,
        id: TicketId,
        reason: MissReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        self.note_miss(now, name, id, reason, effects);
        self.withdraw(now, name, id, reason, effects);
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
        self.take_offer(name, id);
        if let Some(ticket) = self.tickets.get(&id) {
            effects.push_back(AcdEffect::Withdraw {
                ticket: id,
                call: ticket.call,
                operator: name.clone(),
                reason,
            });
        }
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
        for (_, name) in offers.cloned().unwrap_or_else(Offers::new) {
            if Some(&name) != except {
                self.withdraw(now, &name, id, MissReason::Withdrawn, effects);
            }
        }
    }

    /// The phone of this operator is not among those that ring for the caller any more.
    fn take_offer(&mut self, name: &OperatorName, id: TicketId) {
        let hold = self.operators.get(name).and_then(|it| it.hold.as_ref());
        let level = hold.filter(|hold| hold.ticket == id).map(|hold| hold.level);
        let offers = self.tickets.get_mut(&id).and_then(Ticket::offers_mut);
        if let (Some(level), Some(offers)) = (level, offers) {
            offers.remove(&(level, name.clone()));
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
