//! A new floor plan under a running desk: whoever stays keeps state, place and levels.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use super::Desk;
use crate::acd::message::{AcdEffect, Floor, QueueRules};
use crate::acd::operator::{Membership, Operator};
use crate::acd::queue::Queue;
use crate::acd::ticket::{Seeks, Stage};
use crate::id::{OperatorName, QueueName};
use crate::time::{Instant, Now};
use crate::words::{LeftReason, MissReason, OperatorState};

impl Desk {
    /// Takes a new floor.
    pub(super) fn lay_out(&mut self, now: Now, floor: Floor, effects: &mut VecDeque<AcdEffect>) {
        for name in self.operators.keys().cloned().collect::<Vec<_>>() {
            if !floor.operators.contains_key(&name) {
                self.retire(now, &name, effects);
            }
        }
        for (name, rules) in floor.operators {
            let operator = self.operators.entry(name.clone()).or_insert_with(|| {
                *self.counts.entry(OperatorState::LoggedOut).or_default() += 1;
                Operator::new(name, now)
            });
            operator.retired = false;
            operator.rules = rules;
        }
        self.number(floor.queues);
        self.stand_again(now, effects);
    }

    /// An operator is no longer in the plan.
    fn retire(&mut self, now: Now, name: &OperatorName, effects: &mut VecDeque<AcdEffect>) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        operator.retired = true;
        match (operator.state(), operator.ticket()) {
            (OperatorState::Talking, _) => {}
            (OperatorState::Reserved | OperatorState::Ringing, Some(id)) => {
                self.withdraw(now, name, id, MissReason::Withdrawn, effects);
            }
            (OperatorState::LoggedOut, _) => self.forget(name),
            (
                OperatorState::Paused
                | OperatorState::Available
                | OperatorState::WrapUp
                | OperatorState::Reserved
                | OperatorState::Ringing,
                _,
            ) => self.rest(now, name, "removed", effects),
        }
    }

    /// Numbers the queues anew and puts every operator where the state says.
    fn number(&mut self, rules: BTreeMap<QueueName, QueueRules>) {
        let before = mem::take(&mut self.queues);
        let names = before.iter().map(|queue| queue.name.clone());
        let names = names.collect::<Vec<_>>();
        let mut offered = BTreeMap::new();
        for operator in self.operators.values_mut() {
            for membership in mem::take(&mut operator.queues) {
                if let (Some(at), Some(queue)) = (membership.offered, names.get(membership.queue)) {
                    offered.insert((operator.name().clone(), queue.clone()), at);
                }
            }
        }
        let before = before.into_iter().map(|queue| (queue.name.clone(), queue));
        let mut before = before.collect::<BTreeMap<_, _>>();
        self.numbers.clear();
        self.kept.clear();
        self.touched.clear();
        for (number, (name, rules)) in rules.into_iter().enumerate() {
            let mut queue = Queue::new(name.clone(), rules);
            if let Some(before) = before.remove(&name) {
                queue.statistics = before.statistics;
                queue.abandoned = before.abandoned;
            }
            self.serve(number, &mut queue, &offered);
            self.queues.push(queue);
            self.numbers.insert(name, number);
            self.touched.insert(number);
        }
    }

    /// Everybody who serves a queue does so from now on.
    fn serve(
        &mut self,
        number: usize,
        queue: &mut Queue,
        offered: &BTreeMap<(OperatorName, QueueName), Instant>,
    ) {
        for (name, member) in queue.rules.operators.clone() {
            let Some(operator) = self.operators.get_mut(&name) else {
                continue;
            };
            let mut membership = Membership {
                queue: number,
                member,
                strategy: queue.rules.strategy,
                offered: offered.get(&(name, queue.name.clone())).copied(),
                key: None,
            };
            let free = operator.state() == OperatorState::Available;
            membership.key = free.then(|| operator.key(&membership));
            queue.enters(operator.state(), membership.key.clone());
            operator.queues.push(membership);
        }
    }

    /// Puts every caller who waits back into the queue, if it is still there.
    fn stand_again(&mut self, now: Now, effects: &mut VecDeque<AcdEffect>) {
        for id in self.tickets.keys().copied().collect::<Vec<_>>() {
            let Some(ticket) = self.tickets.get_mut(&id).filter(|it| it.stands()) else {
                continue;
            };
            ticket.seeks = Seeks::Nobody;
            let astray = !self.numbers.contains_key(&ticket.queue);
            match ticket.stage {
                Stage::Waiting(_) if astray => {
                    self.leave(now, id, LeftReason::NoOperators, effects);
                }
                Stage::Waiting(_) | Stage::Whisper(..) => {
                    self.arm(now, id);
                    self.stand_elsewhere(now, id);
                }
                Stage::Bridged => {}
            }
        }
    }
}
