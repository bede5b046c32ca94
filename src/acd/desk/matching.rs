//! Callers and operators find each other.

use std::collections::{BTreeSet, VecDeque};
use std::mem;

use super::{Desk, Timer};
use crate::acd::message::AcdEffect;
use crate::acd::operator::Hold;
use crate::acd::selection;
use crate::acd::ticket::Turn;
use crate::id::{OperatorName, QueueName, TicketId};
use crate::time::Now;
use crate::words::{LeftReason, OperatorState};

impl Desk {
    /// Callers leave queues that nobody serves; then each caller for whom something changed, and
    /// each operator who became free, finds the other, in the one order of turns.
    pub(super) fn settle(&mut self, now: Now, effects: &mut VecDeque<AcdEffect>) {
        while let Some(name) = self.deserted.pop_first() {
            self.empty(now, &name, effects);
        }
        let mut work = BTreeSet::new();
        for id in mem::take(&mut self.fresh) {
            if let Some(ticket) = self.tickets.get(&id) {
                work.insert((ticket.turn(), None));
            }
        }
        for name in mem::take(&mut self.freed) {
            if let Some(turn) = self.first_wanting(now, &name) {
                work.insert((turn, Some(name)));
            }
        }
        while let Some((turn, freed)) = work.pop_first() {
            for name in self.chosen_for(now, turn.ticket) {
                self.offer(now, turn.ticket, &name, effects);
            }
            if let Some(name) = freed
                && let Some(next) = self.first_wanting(now, &name).filter(|next| *next > turn)
            {
                work.insert((next, Some(name)));
            }
        }
    }

    pub(super) fn empty(&mut self, now: Now, name: &QueueName, effects: &mut VecDeque<AcdEffect>) {
        let Some(queue) = self.queues.get(name).filter(|queue| queue.is_deserted()) else {
            return;
        };
        for turn in queue.standing().collect::<Vec<_>>() {
            let ticket = self.tickets.get(&turn.ticket);
            if ticket.is_some_and(|ticket| ticket.offers().is_some()) {
                self.leave(now, turn.ticket, LeftReason::NoOperators, effects);
            }
        }
    }

    /// The caller whose turn it is among all whom this free operator may be offered.
    pub(super) fn first_wanting(&self, now: Now, name: &OperatorName) -> Option<Turn> {
        let operator = self.operators.get(name)?;
        if operator.state() != OperatorState::Available {
            return None;
        }
        let firsts = operator.queues.iter().filter_map(|(queue, level)| {
            let queue = self.queues.get(queue)?;
            queue.wanting().find(|turn| {
                self.tickets.get(&turn.ticket).is_some_and(|ticket| {
                    selection::wants(queue, ticket, *level) && !ticket.excludes(name, now.mono)
                })
            })
        });
        firsts.min()
    }

    pub(super) fn chosen_for(&self, now: Now, id: TicketId) -> Vec<OperatorName> {
        let ticket = self.tickets.get(&id);
        let chosen = ticket.and_then(|ticket| {
            let queue = self.queues.get(ticket.queue())?;
            Some(selection::choose(queue, ticket, now.mono))
        });
        chosen.unwrap_or_default()
    }

    pub(super) fn offer(
        &mut self,
        now: Now,
        id: TicketId,
        name: &OperatorName,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(ring) = self.rules_of(id).map(|rules| rules.ring) else {
            return;
        };
        let (Some(ticket), Some(operator)) =
            (self.tickets.get_mut(&id), self.operators.get_mut(name))
        else {
            return;
        };
        let (call, queue) = (ticket.call, ticket.queue().clone());
        let Some(offers) = ticket.offers_mut() else {
            return;
        };
        offers.insert(name.clone());
        if let Some(line) = self.queues.get_mut(&queue) {
            line.set_wanting(ticket.turn(), selection::is_open(line, ticket));
        }
        operator.hold = Some(Hold {
            ticket: id,
            call,
            queue: queue.clone(),
            wrap_up: None,
        });
        self.timers.set(Timer::Ring(name.clone()), now.mono + ring);
        self.shift(now, name, OperatorState::Reserved, "assigned", effects);
        effects.push_back(AcdEffect::Offer {
            ticket: id,
            call,
            operator: name.clone(),
            queue,
            ring,
        });
    }
}
