//! A caller who comes back: the place of an earlier call, and the operator who knows them.

use super::call::Call;
use super::message::World;
use crate::acd::message::Prefer;
use crate::id::QueueName;
use crate::ledger::history::Talk;
use crate::time::Instant;
use crate::words::Direction;

impl Call {
    /// The caller had a place in this queue, and takes it up again there.
    pub fn keep_place(&mut self, queue: QueueName, since: Instant) {
        self.place = Some((queue, since));
    }

    /// Since when the caller waits, as this queue counts.
    pub(super) fn entered_in(&self, queue: &QueueName) -> Instant {
        let entered = self.path.entered();
        let kept = self.place.as_ref().filter(|(of, _)| of == queue);
        kept.map_or(entered, |(_, since)| entered.min(*since))
    }

    /// Who is waited for: the one operator whom a call of ours is for; else whoever spoke with the caller
    /// last, where the queue keeps callers for them.
    pub(super) fn prefers(&self, world: &World<'_>, queue: &QueueName) -> Option<Prefer> {
        if let Some(operator) = self.only_operator() {
            return Some(Prefer {
                operator: operator.clone(),
                until: world.now.mono,
                alone: true,
            });
        }
        let queue = self.plan.queues.get(queue)?;
        let sticky = queue.sticky?;
        let outside = match self.facts.direction {
            Direction::Inbound | Direction::Outbound => self.patient()?,
            Direction::Internal => return None,
        };
        let Talk { at, operator } = world.history.past(outside)?.talk.as_ref()?;
        let lately = world.now.wall < *at + sticky.within;
        (lately && queue.operators.contains_key(operator)).then(|| Prefer {
            operator: operator.clone(),
            until: world.now.mono + sticky.wait,
            alone: false,
        })
    }
}
