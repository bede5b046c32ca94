//! The desk's side of the callers: coming, leaving, waiting again.

use std::collections::VecDeque;

use super::{Desk, Timer};
use crate::acd::message::{AcdEffect, QueueRules};
use crate::acd::selection;
use crate::acd::ticket::{Stage, Ticket};
use crate::id::{CallId, QueueName, TicketId};
use crate::time::{Duration, Instant, Now};
use crate::words::LeftReason;

/// Who comes, to which queue, and in which order: priority and time of entry.
pub(super) struct Joining {
    pub(super) ticket: TicketId,
    pub(super) call: CallId,
    pub(super) queue: QueueName,
    pub(super) order: (i32, Instant),
}

impl Desk {
    pub(super) fn join(&mut self, now: Now, joining: Joining, effects: &mut VecDeque<AcdEffect>) {
        let Joining {
            ticket: id,
            call,
            queue: name,
            order,
        } = joining;
        if self.tickets.contains_key(&id) {
            return;
        }
        let mut ticket = Ticket::new(id, call, name.clone(), order, now.mono);
        ticket.set_excluded(self.former.returns(id));
        let turn = ticket.turn();
        let queue = self.queues.get_mut(&name);
        let refused = match &queue {
            Some(queue) if queue.is_deserted() => Some(LeftReason::NoOperators),
            Some(queue) if queue.is_full() => Some(LeftReason::QueueFull),
            Some(_) => None,
            None => Some(LeftReason::NoOperators),
        };
        effects.push_back(AcdEffect::Joined {
            ticket: id,
            call,
            queue: name.clone(),
            position: queue.as_ref().map_or(1, |queue| queue.position(turn)),
            wait: None,
            stays: refused.is_none(),
        });
        if let Some(reason) = refused {
            self.former.leaves(id, ticket.take_excluded());
            effects.push_back(AcdEffect::Left {
                ticket: id,
                call,
                queue: name,
                reason,
                wait: Duration::ZERO,
            });
        } else if let Some(queue) = queue {
            queue.admit(turn);
            queue.set_wanting(turn, true);
            if let Some(longest) = queue.rules.max_wait {
                self.timers.set(Timer::MaxWait(id), now.mono + longest);
            }
            self.tickets.insert(id, ticket);
            self.fresh.insert(id);
            self.arm_retry(now, id);
        }
    }

    /// Another priority: the caller stands elsewhere in the same queue.
    pub(super) fn prioritise(&mut self, id: TicketId, priority: i32) {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        let before = ticket.turn();
        ticket.prioritise(priority);
        if let Some(queue) = self.queues.get_mut(ticket.queue())
            && ticket.stage != Stage::Bridged
        {
            queue.dismiss(before);
            queue.admit(ticket.turn());
            queue.set_wanting(ticket.turn(), selection::is_open(queue, ticket));
            self.fresh.insert(id);
        }
    }

    /// Takes the caller out of the queue and forgets the ticket.
    pub(super) fn leave(
        &mut self,
        now: Now,
        id: TicketId,
        reason: LeftReason,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        self.withdraw_all(now, id, None, effects);
        self.step_out(now, id, reason, effects);
        if let Some(mut ticket) = self.tickets.remove(&id) {
            self.former.leaves(id, ticket.take_excluded());
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
        if ticket.stage == Stage::Bridged {
            return;
        }
        let name = ticket.queue();
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
                self.leave(now, id, LeftReason::Timeout, effects);
            }
            Some(ticket) => ticket.overdue = true,
            None => {}
        }
    }

    /// The caller waits for an operator again, in the place held all along; leaves if there is no
    /// such place any more.
    pub(super) fn wait_again(&mut self, now: Now, id: TicketId, effects: &mut VecDeque<AcdEffect>) {
        let Some(ticket) = self.tickets.get(&id) else {
            return;
        };
        let queue = self.queues.get_mut(ticket.queue());
        match queue {
            Some(queue) if !queue.is_deserted() && !ticket.overdue => {
                queue.set_wanting(ticket.turn(), selection::is_open(queue, ticket));
                self.fresh.insert(id);
                self.arm_retry(now, id);
            }
            Some(queue) if !queue.is_deserted() => {
                self.leave(now, id, LeftReason::Timeout, effects);
            }
            Some(_) | None => self.leave(now, id, LeftReason::NoOperators, effects),
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
        let name = self.tickets.get(&id)?.queue();
        self.queues.get(name).map(|queue| &queue.rules)
    }
}
