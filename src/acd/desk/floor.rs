//! A new floor plan under a running desk: whoever stays keeps state and place.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Desk, Timer};
use crate::acd::message::{AcdEffect, Floor, Member, QueueRules};
use crate::acd::operator::Operator;
use crate::acd::queue::Queue;
use crate::acd::selection;
use crate::acd::ticket::Stage;
use crate::id::{OperatorName, QueueName};
use crate::time::Now;
use crate::words::{LeftReason, MissReason, OperatorState};

impl Desk {
    /// Takes a new floor.
    pub(super) fn lay_out(&mut self, now: Now, floor: Floor, effects: &mut VecDeque<AcdEffect>) {
        let stay = floor.operators.into_keys().collect::<BTreeSet<_>>();
        self.retire_all_but(now, &stay, effects);
        for name in stay {
            if !self.operators.contains_key(&name) {
                *self.counts.entry(OperatorState::LoggedOut).or_default() += 1;
                self.operators
                    .insert(name.clone(), Operator::new(name, now));
            }
        }
        self.index(floor.queues);
        self.stand_again(now, effects);
    }

    pub(super) fn retire_all_but(
        &mut self,
        now: Now,
        stay: &BTreeSet<OperatorName>,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        for name in self.operators.keys().cloned().collect::<Vec<_>>() {
            let Some(operator) = self.operators.get_mut(&name) else {
                continue;
            };
            operator.retired = !stay.contains(&name);
            if !operator.retired {
                continue;
            }
            match (operator.state(), operator.ticket()) {
                (OperatorState::Talking, _) => {}
                (OperatorState::Reserved | OperatorState::Ringing, Some(id)) => {
                    self.withdraw(now, &name, id, MissReason::Withdrawn, effects);
                }
                (OperatorState::LoggedOut, _) => self.forget(&name),
                (
                    OperatorState::Paused
                    | OperatorState::Available
                    | OperatorState::WrapUp
                    | OperatorState::Reserved
                    | OperatorState::Ringing,
                    _,
                ) => {
                    self.timers.cancel(&Timer::WrapUp(name.clone()));
                    self.rest(now, &name, "removed", effects);
                }
            }
        }
    }

    /// Builds the queues anew and puts every operator where the state says.
    pub(super) fn index(&mut self, queues: BTreeMap<QueueName, QueueRules>) {
        self.queues.clear();
        for operator in self.operators.values_mut() {
            operator.queues.clear();
        }
        for (queue_name, rules) in queues {
            let mut queue = Queue::new(rules.clone());
            for (name, Member { level, .. }) in rules.operators {
                if let Some(operator) = self.operators.get_mut(&name)
                    && !operator.retired
                {
                    operator.queues.push((queue_name.clone(), level));
                    queue.enters(operator.state(), (level, operator.idle_since(), name));
                }
            }
            self.queues.insert(queue_name, queue);
        }
    }

    /// Puts every caller who waits back into the queue, if it is still there.
    pub(super) fn stand_again(&mut self, now: Now, effects: &mut VecDeque<AcdEffect>) {
        let mut astray = Vec::new();
        for (id, ticket) in &self.tickets {
            let waits = match ticket.stage {
                Stage::Waiting(_) => true,
                Stage::Whisper(_) => false,
                Stage::Bridged => continue,
            };
            match self.queues.get_mut(ticket.queue()) {
                Some(queue) => {
                    queue.admit(ticket.turn());
                    queue.set_wanting(ticket.turn(), selection::is_open(queue, ticket));
                    self.fresh.insert(*id);
                }
                None if waits => astray.push(*id),
                None => {}
            }
        }
        for id in astray {
            self.leave(now, id, LeftReason::NoOperators, effects);
        }
        self.deserted.extend(self.queues.keys().cloned());
    }
}
