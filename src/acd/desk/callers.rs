//! The desk's side of the callers: coming, leaving, moving along the way, waiting again.

use std::collections::VecDeque;

use super::{Desk, Timer};
use crate::acd::message::{AcdEffect, QueueRules};
use crate::acd::selection;
use crate::acd::ticket::{Stage, Ticket};
use crate::id::{CallId, QueueName, TicketId};
use crate::time::{Duration, Now};
use crate::words::LeftReason;

impl Desk {
    pub(super) fn join(
        &mut self,
        now: Now,
        id: TicketId,
        call: CallId,
        way: Vec<QueueName>,
        priority: i32,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        if self.tickets.contains_key(&id) {
            return;
        }
        let ticket = Ticket::new(id, call, way, priority, now.mono);
        self.tickets.insert(id, ticket);
        self.enter(now, id, effects);
    }

    /// Walks along the way until a queue takes the caller, or the way ends.
    pub(super) fn enter(&mut self, now: Now, id: TicketId, effects: &mut VecDeque<AcdEffect>) {
        let mut last = LeftReason::NoOperators;
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        while let Some(name) = ticket.queue().cloned() {
            let queue = self.queues.get_mut(&name);
            let turn = ticket.turn();
            ticket.joined = now.mono;
            let refused = match &queue {
                Some(queue) if queue.is_deserted() => Some(LeftReason::NoOperators),
                Some(queue) if queue.is_full() => Some(LeftReason::QueueFull),
                Some(_) => None,
                None => Some(LeftReason::NoOperators),
            };
            effects.push_back(AcdEffect::Joined {
                ticket: id,
                call: ticket.call,
                queue: name.clone(),
                position: queue.as_ref().map_or(1, |queue| queue.position(turn)),
                stays: refused.is_none(),
            });
            if let (Some(queue), None) = (queue, refused) {
                queue.admit(turn);
                queue.set_wanting(turn, true);
                if let Some(longest) = queue.rules.max_wait {
                    self.timers.set(Timer::MaxWait(id), now.mono + longest);
                }
                self.fresh.insert(id);
                self.arm_retry(now, id);
                return;
            }
            last = refused.unwrap_or(LeftReason::NoOperators);
            effects.push_back(AcdEffect::Left {
                ticket: id,
                call: ticket.call,
                queue: name,
                reason: last,
                wait: Duration::ZERO,
            });
            ticket.advance();
        }
        self.exhaust(id, last, effects);
    }

    pub(super) fn exhaust(
        &mut self,
        id: TicketId,
        reason: LeftReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        if let Some(ticket) = self.tickets.remove(&id) {
            effects.push_back(AcdEffect::Exhausted {
                ticket: id,
                call: ticket.call,
                reason,
            });
        }
    }

    pub(super) fn leave(&mut self, now: Now, id: TicketId, effects: &mut VecDeque<AcdEffect>) {
        self.withdraw_all(now, id, None, effects);
        self.step_out(now, id, LeftReason::Abandoned, effects);
        self.tickets.remove(&id);
    }

    /// Leaves the queue for the next one of the way.
    pub(super) fn move_on(
        &mut self,
        now: Now,
        id: TicketId,
        reason: LeftReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        self.withdraw_all(now, id, None, effects);
        self.step_out(now, id, reason, effects);
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        ticket.advance();
        if ticket.queue().is_some() {
            self.enter(now, id, effects);
        } else {
            self.exhaust(id, reason, effects);
        }
    }

    /// Takes the caller out of the queue, if in one.
    pub(super) fn step_out(
        &mut self,
        now: Now,
        id: TicketId,
        reason: LeftReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(ticket) = self.tickets.get(&id) else {
            return;
        };
        let Some(name) = ticket.queue().filter(|_| ticket.stage != Stage::Bridged) else {
            return;
        };
        if let Some(queue) = self.queues.get_mut(name) {
            queue.dismiss(ticket.turn());
        }
        self.timers.cancel(&Timer::MaxWait(id));
        self.timers.cancel(&Timer::Retry(id));
        effects.push_back(AcdEffect::Left {
            ticket: id,
            call: ticket.call,
            queue: name.clone(),
            reason,
            wait: now.mono.since(ticket.joined),
        });
    }

    /// `max_wait` is over. Somebody who hears the whisper already is not interrupted.
    pub(super) fn waited_out(&mut self, now: Now, id: TicketId, effects: &mut VecDeque<AcdEffect>) {
        match self.tickets.get_mut(&id) {
            Some(ticket) if ticket.offers().is_some() => {
                self.move_on(now, id, LeftReason::Timeout, effects);
            }
            Some(ticket) => ticket.overdue = true,
            None => {}
        }
    }

    /// The caller waits for an operator again, in the place held all along; moves on if there is no
    /// such place any more.
    pub(super) fn wait_again(&mut self, now: Now, id: TicketId, effects: &mut VecDeque<AcdEffect>) {
        let Some(ticket) = self.tickets.get(&id) else {
            return;
        };
        let queue = ticket.queue().and_then(|name| self.queues.get_mut(name));
        match queue {
            Some(queue) if !queue.is_deserted() && !ticket.overdue => {
                queue.set_wanting(ticket.turn(), selection::is_open(queue, ticket));
                self.fresh.insert(id);
                self.arm_retry(now, id);
            }
            Some(queue) if !queue.is_deserted() => {
                self.move_on(now, id, LeftReason::Timeout, effects);
            }
            Some(_) | None => self.move_on(now, id, LeftReason::NoOperators, effects),
        }
    }

    pub(super) fn arm_retry(&mut self, now: Now, id: TicketId) {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        match ticket.next_exclusion_end(now.mono) {
            Some(at) => self.timers.set(Timer::Retry(id), at),
            None => {
                self.timers.cancel(&Timer::Retry(id));
            }
        }
    }

    pub(super) fn rules_of(&self, id: TicketId) -> Option<&QueueRules> {
        let name = self.tickets.get(&id)?.queue()?;
        self.queues.get(name).map(|queue| &queue.rules)
    }
}
