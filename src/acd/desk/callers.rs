//! The desk's side of the callers: coming, leaving, standing elsewhere, waiting again.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Desk, Timer};
use crate::acd::message::{AcdEffect, Prefer, QueueRules};
use crate::acd::ticket::{Offers, Seeks, Stage, Ticket, Turn};
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::time::{Duration, Instant, Now};
use crate::words::LeftReason;

/// Who comes, and to which queue.
pub(super) struct Joining {
    pub(super) ticket: TicketId,
    pub(super) call: CallId,
    pub(super) queue: QueueName,
    pub(super) entered: Instant,
    pub(super) priority: i32,
    pub(super) caller: Option<Arc<str>>,
    pub(super) prefer: Option<Prefer>,
}

impl Desk {
    /// No queue knows any more that this caller gave up there.
    pub fn forget_caller(&mut self, caller: &str) {
        for queue in &mut self.queues {
            queue.abandoned.forget(caller);
        }
    }

    pub(super) fn join(&mut self, now: Now, joining: Joining, effects: &mut VecDeque<AcdEffect>) {
        let id = joining.ticket;
        if self.tickets.contains_key(&id) {
            return;
        }
        let mut ticket = self.new_ticket(now, joining);
        let (call, turn, name) = (ticket.call, ticket.turn, ticket.queue.clone());
        let queue = self.queue_mut(&name);
        let position = queue.as_ref().map_or(1, |queue| queue.position(turn));
        let wait = queue
            .as_ref()
            .and_then(|queue| queue.estimate(now.mono, position));
        let refused = match &queue {
            Some(queue) => queue.refuses(now.mono, turn),
            None => Some(LeftReason::NoOperators),
        };
        if let (Some(queue), None) = (queue, refused) {
            queue.admit(turn, now.mono);
            if let Some(caller) = &ticket.caller {
                queue.abandoned.comes_back(caller);
            }
        }
        effects.push_back(AcdEffect::Joined {
            ticket: id,
            call,
            queue: name.clone(),
            position,
            wait,
            stays: refused.is_none(),
        });
        if let Some(reason) = refused {
            self.former.leaves(id, std::mem::take(&mut ticket.excluded));
            effects.push_back(AcdEffect::Left {
                ticket: id,
                call,
                queue: name,
                reason,
                wait: Duration::ZERO,
            });
            return;
        }
        self.await_preferred(id, &mut ticket);
        self.tickets.insert(id, ticket);
        self.arm(now, id);
        self.review(now, id);
    }

    fn new_ticket(&mut self, now: Now, joining: Joining) -> Ticket {
        let excluded = self.former.returns(joining.ticket);
        let queue = self.queue(&joining.queue);
        let weight = queue.as_ref().map_or(0, |queue| queue.rules.weight);
        let before = queue.and_then(|queue| {
            let within = queue.rules.resume_within?;
            let caller = joining.caller.as_deref()?;
            queue.abandoned.before(caller, within, now.mono)
        });
        let entered = before.map_or(joining.entered, |before| before.min(joining.entered));
        Ticket {
            call: joining.call,
            queue: joining.queue,
            priority: joining.priority,
            turn: Turn::new(joining.priority, weight, entered, joining.ticket),
            caller: joining.caller,
            prefer: joining.prefer,
            assigned: None,
            joined: now.mono,
            stage: Stage::Waiting(Offers::new()),
            overdue: false,
            breached: false,
            excluded,
            rests_until: Instant::START,
            steps_at: Instant::START,
            seeks: Seeks::Nobody,
        }
    }

    /// Starts, or starts anew, what a caller's time in the queue is measured by.
    pub(super) fn arm(&mut self, now: Now, id: TicketId) {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        let number = self.numbers.get(&ticket.queue);
        let queue = number.and_then(|number| self.queues.get(*number));
        let after = |time: Option<Duration>| time.map(|time| ticket.joined + time);
        let leaves = after(queue.and_then(|queue| queue.rules.max_wait));
        let breaches = after(queue.and_then(|queue| queue.rules.service_level));
        ticket.overdue &= leaves.is_some_and(|at| at <= now.mono);
        // What has come to pass does not do so again.
        let leaves = leaves.filter(|_| !ticket.overdue);
        let breaches = breaches.filter(|_| !ticket.breached);
        for (timer, at) in [(Timer::MaxWait(id), leaves), (Timer::Breach(id), breaches)] {
            if at == self.timers.due(&timer) {
                continue;
            }
            self.timers.cancel(&timer);
            if let Some(at) = at {
                self.timers.set(timer, at);
            }
        }
    }

    /// Another priority: the caller stands elsewhere in the same queue.
    pub(super) fn prioritise(&mut self, now: Now, id: TicketId, priority: i32) {
        let ticket = self.tickets.get_mut(&id).filter(|ticket| ticket.stands());
        if let Some(ticket) = ticket {
            ticket.priority = priority;
            self.stand_elsewhere(now, id);
        }
    }

    /// Places a caller anew, by what the queue and the ticket say now.
    pub(super) fn stand_elsewhere(&mut self, now: Now, id: TicketId) {
        self.unlist(id);
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        let number = self.numbers.get(&ticket.queue);
        if let Some(queue) = number.and_then(|number| self.queues.get_mut(*number)) {
            let (weight, entered) = (queue.rules.weight, ticket.turn.entered);
            queue.dismiss(ticket.turn, ticket.joined);
            ticket.turn = Turn::new(ticket.priority, weight, entered, id);
            queue.admit(ticket.turn, ticket.joined);
        }
        self.review(now, id);
    }

    /// A supervisor, or an operator, picks a caller.
    pub(super) fn assign(&mut self, now: Now, id: TicketId, name: &OperatorName) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        let works = operator.works();
        let Some(ticket) = self.tickets.get_mut(&id).filter(|it| it.stands() && works) else {
            return;
        };
        operator.assigned.insert(id);
        let before = ticket.assigned.replace(name.clone());
        self.lapse(id, before.filter(|before| before != name));
        self.review(now, id);
    }

    /// A caller is kept for nobody who is not at work, unless nobody else would do.
    fn await_preferred(&mut self, id: TicketId, ticket: &mut Ticket) {
        let Some(prefer) = ticket.prefer.take() else {
            return;
        };
        if prefer.alone {
            ticket.prefer = Some(prefer);
            return;
        }
        let operator = self.operators.get_mut(&prefer.operator);
        if let Some(operator) = operator.filter(|operator| operator.works()) {
            operator.awaited.insert(id);
            ticket.prefer = Some(prefer);
        }
    }

    /// Whoever was to be offered this caller is not any more.
    fn lapse(&mut self, id: TicketId, assigned: Option<OperatorName>) {
        let operator = assigned.and_then(|name| self.operators.get_mut(&name));
        if let Some(operator) = operator {
            operator.assigned.remove(&id);
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
        if let Some(ticket) = self.tickets.remove(&id) {
            self.former.leaves(id, ticket.excluded);
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
        self.unlist(id);
        let ticket = self.tickets.get_mut(&id).filter(|ticket| ticket.stands());
        let Some(ticket) = ticket else {
            return;
        };
        let wait = now.mono.since(ticket.joined);
        let number = self.numbers.get(&ticket.queue).copied();
        if let Some(queue) = number.and_then(|number| self.queues.get_mut(number)) {
            queue.dismiss(ticket.turn, ticket.joined);
            let within = queue.rules.service_level;
            match reason {
                LeftReason::Answered => queue.statistics.answered(now.mono, wait, within),
                LeftReason::Abandoned => {
                    queue.statistics.abandoned(wait, within);
                    let resumes = queue.rules.resume_within.is_some();
                    if let Some(caller) = ticket.caller.clone().filter(|_| resumes) {
                        let entered = ticket.turn.entered;
                        queue.abandoned.gives_up(caller, entered, now.mono);
                    }
                }
                LeftReason::Timeout
                | LeftReason::NoOperators
                | LeftReason::QueueFull
                | LeftReason::EstimatedWait
                | LeftReason::ExitKey
                | LeftReason::Callback
                | LeftReason::Moved => {}
            }
        }
        self.touched.extend(number);
        effects.push_back(AcdEffect::Left {
            ticket: id,
            call: ticket.call,
            queue: ticket.queue.clone(),
            reason,
            wait,
        });
        let (assigned, prefer) = (ticket.assigned.take(), ticket.prefer.take());
        self.lapse(id, assigned);
        let awaited = prefer.and_then(|it| self.operators.get_mut(&it.operator));
        if let Some(operator) = awaited {
            operator.awaited.remove(&id);
        }
        for timer in [Timer::MaxWait(id), Timer::Breach(id), Timer::Review(id)] {
            self.timers.cancel(&timer);
        }
    }

    /// `max_wait` is over. Somebody who hears the whisper already is not interrupted.
    pub(super) fn waited_out(&mut self, now: Now, id: TicketId, effects: &mut VecDeque<AcdEffect>) {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        match ticket.stage {
            Stage::Waiting(_) => self.leave(now, id, LeftReason::Timeout, effects),
            Stage::Whisper(..) => ticket.overdue = true,
            Stage::Bridged => {}
        }
    }

    /// The time in which the queue should have answered is over.
    pub(super) fn breached(&mut self, id: TicketId, effects: &mut VecDeque<AcdEffect>) {
        let ticket = self.tickets.get_mut(&id).filter(|ticket| ticket.stands());
        if let Some(ticket) = ticket {
            ticket.breached = true;
            effects.push_back(AcdEffect::Breached {
                ticket: id,
                call: ticket.call,
                queue: ticket.queue.clone(),
            });
        }
    }

    /// The caller waits for an operator again, in the place held all along; leaves if there is no
    /// such place any more.
    pub(super) fn wait_again(&mut self, now: Now, id: TicketId, effects: &mut VecDeque<AcdEffect>) {
        let Some(ticket) = self.tickets.get(&id) else {
            return;
        };
        let waits = matches!(ticket.stage, Stage::Waiting(_));
        if !self.numbers.contains_key(&ticket.queue) && waits {
            self.leave(now, id, LeftReason::NoOperators, effects);
        } else if ticket.overdue && waits {
            self.leave(now, id, LeftReason::Timeout, effects);
        } else {
            self.review(now, id);
        }
    }

    /// Something changed for a caller: whom one more phone is sought among, and until when.
    pub(super) fn review(&mut self, now: Now, id: TicketId) {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        let number = self.numbers.get(&ticket.queue).copied();
        let queue = number.and_then(|number| self.queues.get_mut(number));
        let Some(queue) = queue.filter(|_| ticket.stands()) else {
            return;
        };
        let sought = ticket.sought(&queue.rules, now.mono);
        let next = ticket.next_change(&queue.rules, now.mono);
        queue.set_quiet(ticket.turn, ticket.is_quiet());
        self.fresh.insert(id);
        self.touched.extend(number);
        let timer = Timer::Review(id);
        if self.timers.due(&timer) != next {
            self.timers.cancel(&timer);
            if let Some(at) = next {
                self.timers.set(timer, at);
            }
        }
        if ticket.seeks == sought {
            return;
        }
        self.unlist(id);
        self.list(id, sought);
    }

    fn list(&mut self, id: TicketId, sought: Seeks) {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        match &sought {
            Seeks::Nobody => {}
            Seeks::One(name) => {
                let kept = self.kept.entry(name.clone()).or_default();
                kept.insert(ticket.turn);
            }
            Seeks::UpTo(ceiling) => {
                let number = self.numbers.get(&ticket.queue);
                if let Some(queue) = number.and_then(|number| self.queues.get_mut(*number)) {
                    queue.seeks(ticket.turn, *ceiling);
                }
            }
        }
        ticket.seeks = sought;
    }

    /// Takes a caller out of the lists of those who seek somebody.
    pub(super) fn unlist(&mut self, id: TicketId) {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut ticket.seeks, Seeks::Nobody) {
            Seeks::Nobody => {}
            Seeks::One(name) => {
                if let Some(kept) = self.kept.get_mut(&name) {
                    kept.remove(&ticket.turn);
                    if kept.is_empty() {
                        self.kept.remove(&name);
                    }
                }
            }
            Seeks::UpTo(ceiling) => {
                let number = self.numbers.get(&ticket.queue);
                if let Some(queue) = number.and_then(|number| self.queues.get_mut(*number)) {
                    queue.seeks_no_more(ticket.turn, ceiling);
                }
            }
        }
    }

    pub(super) fn rules_of(&self, queue: &QueueName) -> Option<&QueueRules> {
        self.queue(queue).map(|queue| &queue.rules)
    }
}
