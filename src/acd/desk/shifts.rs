//! An operator goes from one state to another: the one place where every index follows.

use std::collections::{BTreeSet, VecDeque};

use super::{Desk, Timer};
use crate::acd::message::AcdEffect;
use crate::id::{CallId, OperatorName, TicketId};
use crate::time::Now;
use crate::words::OperatorState;

impl Desk {
    /// The state of an operator who is held by this ticket.
    pub(super) fn held(&self, name: &OperatorName, id: TicketId) -> Option<OperatorState> {
        let operator = self.operators.get(name)?;
        operator.holds(id).then(|| operator.state())
    }

    pub(super) fn is_offered(&self, name: &OperatorName, id: TicketId) -> bool {
        matches!(
            self.held(name, id),
            Some(OperatorState::Reserved | OperatorState::Ringing)
        )
    }

    /// Whether the operator hears the whisper about a caller who is still there.
    pub(super) fn whispers(&self, name: &OperatorName, id: TicketId) -> bool {
        let ticket = self.tickets.get(&id);
        ticket.is_some_and(|ticket| ticket.whispers_to(name))
    }

    /// Nothing binds the operator any more.
    pub(super) fn rest(
        &mut self,
        now: Now,
        name: &OperatorName,
        reason: &str,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let operator = self.operators.get(name);
        let wraps_up = operator.filter(|it| it.state() == OperatorState::WrapUp);
        let about = wraps_up.and_then(|operator| operator.last);
        self.rest_after(now, name, reason, about, effects);
    }

    /// The same, after this call.
    pub(super) fn rest_after(
        &mut self,
        now: Now,
        name: &OperatorName,
        reason: &str,
        about: Option<CallId>,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get(name) else {
            return;
        };
        let (from, to) = (operator.state(), operator.at_rest());
        let paused = (to == OperatorState::Paused).then(|| operator.why_paused());
        self.timers.cancel(&Timer::WrapUp(name.clone()));
        if to != from || to != OperatorState::Talking {
            let reason = paused.as_deref().unwrap_or(reason);
            self.shift(now, name, to, reason, about, effects);
        }
        if let Some(operator) = self.operators.get_mut(name) {
            // Whoever is engaged talks on, and is bound by that alone.
            operator.hold = None;
        }
    }

    /// An operator's state changes, and every index with it.
    pub(super) fn shift(
        &mut self,
        now: Now,
        name: &OperatorName,
        to: OperatorState,
        reason: &str,
        about: Option<CallId>,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        let from = operator.state();
        effects.push_back(operator.enter(now, to, reason, about));
        if let Some(count) = self.counts.get_mut(&from) {
            *count = count.saturating_sub(1);
        }
        *self.counts.entry(to).or_default() += 1;
        if !(is_bound(from) && is_bound(to)) {
            let mut memberships = std::mem::take(&mut operator.queues);
            for membership in &mut memberships {
                let Some(queue) = self.queues.get_mut(membership.queue) else {
                    continue;
                };
                let free = to == OperatorState::Available;
                let key = free.then(|| operator.key(membership));
                queue.leaves(from, membership.key.as_ref());
                queue.enters(to, key.clone());
                membership.key = key;
                if !queue.keeps_all() {
                    self.touched.insert(membership.queue);
                }
            }
            operator.queues = memberships;
        }
        let gone = matches!(to, OperatorState::LoggedOut | OperatorState::Paused);
        let (mut assigned, mut awaited) = (BTreeSet::new(), BTreeSet::new());
        if gone {
            assigned.append(&mut operator.assigned);
            awaited.append(&mut operator.awaited);
        }
        if to == OperatorState::Available {
            self.freed.insert(name.clone());
        }
        if operator.retired && to == OperatorState::LoggedOut {
            self.forget(name);
        }
        self.unassign(now, assigned);
        self.keep_no_more(now, awaited);
    }

    /// Callers who were assigned to an operator may be offered to everybody again.
    pub(super) fn unassign(&mut self, now: Now, callers: BTreeSet<TicketId>) {
        for id in callers {
            if let Some(ticket) = self.tickets.get_mut(&id) {
                ticket.assigned = None;
                self.review(now, id);
            }
        }
    }

    /// Callers who were kept for somebody who is gone are anybody's.
    fn keep_no_more(&mut self, now: Now, callers: BTreeSet<TicketId>) {
        for id in callers {
            if let Some(ticket) = self.tickets.get_mut(&id) {
                ticket.prefer = None;
                self.review(now, id);
            }
        }
    }

    pub(super) fn forget(&mut self, name: &OperatorName) {
        if let Some(operator) = self.operators.remove(name)
            && let Some(count) = self.counts.get_mut(&operator.state())
        {
            *count = count.saturating_sub(1);
        }
    }
}

/// Works, and is not free: between such states no index of a queue changes.
const fn is_bound(state: OperatorState) -> bool {
    match state {
        OperatorState::Reserved
        | OperatorState::Ringing
        | OperatorState::Talking
        | OperatorState::WrapUp => true,
        OperatorState::LoggedOut | OperatorState::Paused | OperatorState::Available => false,
    }
}
