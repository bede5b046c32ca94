//! Callers and operators find each other.

use std::collections::{BTreeSet, VecDeque};
use std::mem;

use super::{Desk, Timer};
use crate::acd::message::AcdEffect;
use crate::acd::operator::Hold;
use crate::acd::ticket::{Seeks, Turn};
use crate::id::{OperatorName, TicketId};
use crate::time::Now;
use crate::words::OperatorState;

impl Desk {
    /// Each caller for whom something changed, and each operator who became free, finds the other, in
    /// the one order of turns; then queues let go whom they cannot keep.
    pub(super) fn settle(&mut self, now: Now, effects: &mut VecDeque<AcdEffect>) {
        let mut work = BTreeSet::new();
        self.note_fresh(&mut work);
        for name in mem::take(&mut self.freed) {
            if let Some(turn) = self.first_for(now, &name) {
                work.insert((turn, Some(name)));
            }
        }
        while let Some((turn, freed)) = work.pop_first() {
            while let Some((level, name)) = self.chosen_for(now, turn.ticket) {
                self.offer(now, turn.ticket, level, &name, effects);
            }
            // Whoever was assigned to somebody who has just been offered another caller.
            self.note_fresh(&mut work);
            if let Some(name) = freed
                && let Some(next) = self.first_for(now, &name)
            {
                work.insert((next, Some(name)));
            }
        }
        while let Some(number) = self.touched.pop_first() {
            self.let_go_of(now, number, effects);
        }
        // Who was let go seeks nobody and frees nobody.
        self.fresh.clear();
    }

    fn note_fresh(&mut self, work: &mut BTreeSet<(Turn, Option<OperatorName>)>) {
        for id in mem::take(&mut self.fresh) {
            let ticket = self.tickets.get(&id);
            if let Some(ticket) = ticket.filter(|ticket| ticket.seeks != Seeks::Nobody) {
                work.insert((ticket.turn, None));
            }
        }
    }

    fn let_go_of(&mut self, now: Now, number: usize, effects: &mut VecDeque<AcdEffect>) {
        let Some(queue) = self.queues.get_mut(number) else {
            return;
        };
        match queue.lets_go(now.mono) {
            Some((turn, reason)) => {
                self.touched.insert(number);
                self.leave(now, turn.ticket, reason, effects);
            }
            None => queue.note_backlog(now.mono),
        }
    }

    /// The caller whose turn it is among all whom this operator, if free, may be offered.
    pub(super) fn first_for(&self, now: Now, name: &OperatorName) -> Option<Turn> {
        let operator = self.operators.get(name)?;
        if operator.state() != OperatorState::Available {
            return None;
        }
        let kept = self.kept.get(name).and_then(BTreeSet::first).copied();
        let firsts = operator.queues.iter().filter_map(|membership| {
            let queue = self.queues.get(membership.queue)?;
            queue.first_seeking(membership.member.level, |turn| {
                let ticket = self.tickets.get(&turn.ticket);
                ticket.is_none_or(|ticket| ticket.excluded.has(name, now.mono))
            })
        });
        firsts.chain(kept).min()
    }

    /// The free operator whom this caller is offered next, with the level.
    pub(super) fn chosen_for(&mut self, now: Now, id: TicketId) -> Option<(u8, OperatorName)> {
        let ticket = self.tickets.get(&id)?;
        let queue = self.queues.get(*self.numbers.get(&ticket.queue)?)?;
        match &ticket.seeks {
            Seeks::Nobody => None,
            Seeks::One(name) => {
                let operator = self.operators.get(name)?;
                let member = queue.rules.operators.get(name);
                // Whoever was assigned from outside the queue comes behind its last level.
                let level = member.map_or(u8::MAX, |member| member.level);
                let free = operator.state() == OperatorState::Available;
                free.then(|| (level, name.clone()))
            }
            Seeks::UpTo(ceiling) => {
                let refused = |name: &OperatorName| ticket.excluded.has(name, now.mono);
                let chosen = queue.free.choose(*ceiling, refused, &mut self.rng);
                chosen.map(|(level, _, _, name)| (*level, name.clone()))
            }
        }
    }

    fn offer(
        &mut self,
        now: Now,
        id: TicketId,
        level: u8,
        name: &OperatorName,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let (Some(ticket), Some(operator)) =
            (self.tickets.get_mut(&id), self.operators.get_mut(name))
        else {
            return;
        };
        let (call, queue) = (ticket.call, ticket.queue.clone());
        let number = self.numbers.get(&queue).copied();
        let Some(line) = number.and_then(|number| self.queues.get(number)) else {
            return;
        };
        let left = line.rules.max_wait.map(|longest| {
            let ends = ticket.joined + longest;
            ends.since(now.mono)
        });
        let ring = left.map_or(line.rules.ring, |left| left.min(line.rules.ring));
        ticket.steps_at = now.mono + line.rules.step;
        if ticket.assigned.as_ref() == Some(name) {
            ticket.assigned = None;
            operator.assigned.remove(&id);
        }
        // Whoever else was to be this operator's next would wait for somebody who is not free.
        let passed_over = mem::take(&mut operator.assigned);
        if let Some(offers) = ticket.offers_mut() {
            offers.insert((level, name.clone()));
        }
        let found = operator
            .queues
            .binary_search_by_key(&number, |membership| Some(membership.queue));
        if let Some(membership) = found.ok().and_then(|at| operator.queues.get_mut(at)) {
            membership.offered = Some(now.mono);
        }
        operator.hold = Some(Hold {
            ticket: id,
            call,
            queue: queue.clone(),
            level,
            since: now.mono,
            talk: None,
        });
        self.timers.set(Timer::Ring(name.clone()), now.mono + ring);
        self.shift(
            now,
            name,
            OperatorState::Reserved,
            "assigned",
            None,
            effects,
        );
        effects.push_back(AcdEffect::Offer {
            ticket: id,
            call,
            operator: name.clone(),
            queue,
            ring,
        });
        self.review(now, id);
        self.unassign(now, passed_over);
    }
}
