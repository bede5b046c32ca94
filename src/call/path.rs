//! Where a call goes next: the targets ahead of it, walked one queue at a time.
//!
//! ```text
//!           ┌── a queue that is open: joined, with the entry of the first ──► waits
//!  next ────┼── a queue that is closed: its `closed` targets come next
//!    ▲      └── a voicemail box: the caller leaves a message
//!    │
//!    └────── the queue lets the caller go: its `overflow` comes next
//!  nothing is left ──► missed
//! ```
//!
//! Each queue is looked at by the clock of the moment in which its turn comes, so that who waits when
//! the calendar closes is still served, and who comes to a closed queue by overflow is not. The call is
//! missed for the reason of the last queue that let the caller go, `off_hours` when none was open or
//! when a box was the first target; an estimated wait that was too long counts as `queue_full`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::call::{Call, Effects};
use super::cause;
use super::message::{CallEffect, Measured, News, World};
use super::phase::Phase;
use crate::acd::message::AcdInput;
use crate::dialplan::plan::{Dialplan, Target};
use crate::id::{QueueName, SiteName, VoicemailName};
use crate::limits;
use crate::time::{Duration, Instant, Wall};
use crate::words::{Direction, LeftReason, MissedReason, Outcome};

/// The targets ahead, and what came of those behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    ahead: VecDeque<Target>,
    /// The queues behind, and the one the call stands in; none is looked at twice.
    passed: Vec<QueueName>,
    /// Since when the caller waits, whatever the queue.
    entered: Instant,
    reason: Option<MissedReason>,
}

/// What comes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A queue that is open.
    Join(QueueName),
    /// A queue that is closed; what it says for that case is ahead now.
    Closed(QueueName),
    /// A box.
    Voicemail(VoicemailName),
    /// Nothing.
    Over,
}

impl Path {
    /// The path of a caller who begins to wait now.
    #[must_use]
    pub fn new(targets: &[Target], entered: Instant) -> Self {
        Self {
            ahead: targets.iter().cloned().collect(),
            passed: Vec::new(),
            entered,
            reason: None,
        }
    }

    /// Since when the caller waits.
    #[must_use]
    pub const fn entered(&self) -> Instant {
        self.entered
    }

    /// Takes the next step.
    pub fn step(&mut self, plan: &Dialplan, site: Option<&SiteName>, wall: Wall) -> Step {
        while let Some(target) = self.ahead.pop_front() {
            let name = match target {
                Target::Voicemail(name) if plan.voicemail.contains_key(&name) => {
                    self.reason.get_or_insert(MissedReason::OffHours);
                    return Step::Voicemail(name);
                }
                Target::Voicemail(_) => continue,
                Target::Queue(name) => name,
            };
            let over = self.passed.len() >= limits::OVERFLOW_DEPTH || self.passed.contains(&name);
            let Some(queue) = plan.queues.get(&name).filter(|_| !over) else {
                continue;
            };
            self.passed.push(name.clone());
            let calendar = queue.calendar.as_ref();
            if calendar.is_some_and(|calendar| !plan.is_open(calendar, site, wall)) {
                self.reason.get_or_insert(MissedReason::OffHours);
                self.put_first(&queue.closed);
                return Step::Closed(name);
            }
            self.put_first(&queue.overflow);
            return Step::Join(name);
        }
        Step::Over
    }

    fn put_first(&mut self, targets: &[Target]) {
        for target in targets.iter().rev() {
            self.ahead.push_front(target.clone());
        }
    }

    /// The last queue let the caller go.
    const fn note(&mut self, reason: LeftReason) {
        self.reason = Some(match reason {
            LeftReason::Timeout | LeftReason::Answered | LeftReason::Moved => MissedReason::Timeout,
            LeftReason::Abandoned | LeftReason::ExitKey | LeftReason::Callback => {
                MissedReason::Abandoned
            }
            LeftReason::NoOperators => MissedReason::NoOperators,
            LeftReason::QueueFull | LeftReason::EstimatedWait => MissedReason::QueueFull,
        });
    }

    /// Somebody decided where the caller goes: what was ahead is forgotten, the place is not.
    fn turn(&mut self, targets: &[Target]) {
        self.ahead = targets.iter().cloned().collect();
        self.passed.clear();
    }

    /// Why the call is missed, if it ends now.
    #[must_use]
    pub fn reason(&self) -> MissedReason {
        self.reason.unwrap_or(MissedReason::NoOperators)
    }

    fn names(&self) -> Vec<String> {
        self.ahead.iter().map(ToString::to_string).collect()
    }
}

impl Call {
    /// Sets out for these targets.
    pub(super) fn set_out(&mut self, world: &mut World<'_>, targets: &[Target], fx: &mut Effects) {
        self.path = Path::new(targets, world.now.mono);
        self.walk(world, fx);
    }

    /// Goes on to the next target that takes the caller.
    fn walk(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        loop {
            let site = self.decision.site.as_ref();
            match self.path.step(&self.plan, site, world.now.wall) {
                Step::Closed(queue) => {
                    if self.facts.queue.is_none() {
                        self.facts.queue = Some(queue.clone());
                    }
                    let targets = self.path.names();
                    self.tell(News::Closed { queue, targets }, fx);
                }
                Step::Join(queue) => return self.join(world, queue, fx),
                // A talk that can go on is better than a message.
                Step::Voicemail(_) | Step::Over if self.awaits_transferor() => {
                    return self.transfer_failed(world, 480, fx);
                }
                Step::Voicemail(name) => return self.begin_voicemail(world, name, fx),
                Step::Over => return self.nobody_left(world, fx),
            }
        }
    }

    /// Takes a place in a queue.
    pub(super) fn join(&mut self, world: &World<'_>, queue: QueueName, fx: &mut Effects) {
        if let Some(rules) = self.plan.queues.get(&queue) {
            self.greet(rules.answer, fx);
        }
        self.phase = Phase::Waiting;
        self.queued = true;
        let caller = match self.facts.direction {
            Direction::Inbound => self.facts.from.clone(),
            Direction::Outbound => Some(Arc::clone(&self.facts.to)),
            Direction::Internal => None,
        };
        Self::acd(
            AcdInput::Join {
                ticket: self.ticket,
                call: self.id(),
                entered: self.entered_in(&queue),
                prefer: self.prefers(world, &queue),
                queue,
                priority: self.decision.priority,
                caller,
            },
            fx,
        );
    }

    /// The caller is in no queue any more.
    pub(super) fn left(
        &mut self,
        world: &mut World<'_>,
        queue: QueueName,
        reason: LeftReason,
        wait: Duration,
        fx: &mut Effects,
    ) {
        self.stands_in = None;
        let measured = Measured::QueueWait(queue.clone(), wait);
        fx.push_back(CallEffect::Measured(measured));
        self.tell(
            News::QueueLeft {
                queue: queue.clone(),
                reason,
                wait,
            },
            fx,
        );
        match reason {
            LeftReason::Answered | LeftReason::Abandoned | LeftReason::Callback => {}
            LeftReason::Timeout
            | LeftReason::NoOperators
            | LeftReason::QueueFull
            | LeftReason::EstimatedWait
            | LeftReason::ExitKey
            | LeftReason::Moved => {
                if self.phase == Phase::Waiting && self.rings_back() {
                    self.recall_left(world, queue, reason, fx);
                } else if self.phase == Phase::Waiting {
                    self.queued = false;
                    self.stop_announcing(world, fx);
                    self.path.note(reason);
                    self.walk(world, fx);
                }
            }
        }
    }

    /// A waiting caller goes elsewhere, by a key or by somebody's will, and keeps the place. False
    /// when nobody waits.
    pub(super) fn turn(
        &mut self,
        targets: &[Target],
        reason: LeftReason,
        fx: &mut Effects,
    ) -> bool {
        if self.phase != Phase::Waiting || self.stands_in.is_none() {
            return false;
        }
        self.path.turn(targets);
        let ticket = self.ticket;
        Self::acd(AcdInput::Leave { ticket, reason }, fx);
        true
    }

    /// No target is left.
    fn nobody_left(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        if self.transfer.is_some() {
            return self.transfer_failed(world, 480, fx);
        }
        let farewell = self.farewell_for(cause::NOBODY);
        let reason = Some(self.path.reason());
        self.end(world, Outcome::Missed, reason, farewell, fx);
    }
}
