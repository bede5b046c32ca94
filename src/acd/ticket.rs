//! One ticket: a caller's place in a queue.
//!
//! ```text
//!            offer              Answered             Bridged
//! Waiting ◀────────▶ Waiting ─────────────▶ Whisper ─────────▶ Bridged ──▶ gone
//! (no offers) missed (offers)  ◀──────────    │
//!    │                         hung up in it  │ Leave
//!    └── Leave, or the queue lets go ─────────┴──▶ gone
//! ```
//!
//! With `accept: key` the other phones ring on during the whisper; whoever of them is there when it
//! fails goes on ringing.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::excluded::Excluded;
use super::message::{Prefer, QueueRules};
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::time::Instant;
use crate::words::Strategy;

/// The one order in which callers are served: priority, then the time of entry, then the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Turn {
    priority: Reverse<i64>,
    pub(super) entered: Instant,
    pub(super) ticket: TicketId,
}

impl Turn {
    /// `priority` is the caller's, `weight` the queue's.
    pub(super) fn new(priority: i32, weight: i32, entered: Instant, ticket: TicketId) -> Self {
        Self {
            priority: Reverse(i64::from(priority) + i64::from(weight)),
            entered,
            ticket,
        }
    }

    /// The caller's priority and the queue's weight.
    pub(super) const fn priority(self) -> i64 {
        self.priority.0
    }
}

/// The phones that are asked to ring, each with its operator's level.
pub(super) type Offers = BTreeSet<(u8, OperatorName)>;

/// How far the caller has come in the queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Waits; these phones are asked to ring.
    Waiting(Offers),
    /// This operator answered and hears the whisper; the other phones ring on.
    Whisper(OperatorName, Offers),
    /// The caller speaks with an operator and stands in no queue.
    Bridged,
}

/// Whom one more phone is sought among.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Seeks {
    /// None is.
    Nobody,
    /// This operator alone.
    One(OperatorName),
    /// Anybody of the queue, up to this level.
    UpTo(u8),
}

/// One caller's place.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) call: CallId,
    pub(super) queue: QueueName,
    pub(super) priority: i32,
    pub(super) turn: Turn,
    pub(super) caller: Option<Arc<str>>,
    pub(super) prefer: Option<Prefer>,
    /// Who is offered this caller next, whatever the rules say.
    pub(super) assigned: Option<OperatorName>,
    /// When the caller came into the queue.
    pub(super) joined: Instant,
    pub(super) stage: Stage,
    /// `max_wait` was over during a whisper: the caller moves on if the whisper fails.
    pub(super) overdue: bool,
    /// It was told that the queue should have answered by now.
    pub(super) breached: bool,
    /// Who is not offered this caller, and until when.
    pub(super) excluded: Excluded,
    /// After a miss no phone is asked before this.
    pub(super) rests_until: Instant,
    /// With `progressive`, one phone more is asked from then on.
    pub(super) steps_at: Instant,
    /// As the indexes have it.
    pub(super) seeks: Seeks,
}

impl Ticket {
    /// The phones that are asked to ring for this caller.
    pub(super) fn offers(&self) -> Option<&Offers> {
        match &self.stage {
            Stage::Waiting(offers) | Stage::Whisper(_, offers) => Some(offers),
            Stage::Bridged => None,
        }
    }

    pub(super) fn offers_mut(&mut self) -> Option<&mut Offers> {
        match &mut self.stage {
            Stage::Waiting(offers) | Stage::Whisper(_, offers) => Some(offers),
            Stage::Bridged => None,
        }
    }

    pub(super) fn whispers_to(&self, operator: &OperatorName) -> bool {
        matches!(&self.stage, Stage::Whisper(who, _) if who == operator)
    }

    /// Waits, and no phone rings.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(&self.stage, Stage::Waiting(offers) if offers.is_empty())
    }

    pub(super) fn stands(&self) -> bool {
        match self.stage {
            Stage::Waiting(_) | Stage::Whisper(..) => true,
            Stage::Bridged => false,
        }
    }

    /// The worst level that is asked by now.
    fn allowed(&self, rules: &QueueRules, now: Instant) -> u8 {
        if rules.widen.is_empty() {
            return u8::MAX;
        }
        let steps = rules.widen.iter();
        let due = steps.filter(|step| self.joined + step.after <= now);
        due.map(|step| step.level).max().unwrap_or(1).max(1)
    }

    /// Whom one more phone is sought among now.
    pub(super) fn sought(&self, rules: &QueueRules, now: Instant) -> Seeks {
        let Stage::Waiting(offers) = &self.stage else {
            return Seeks::Nobody;
        };
        let wants_one = match rules.strategy {
            Strategy::LongestIdle
            | Strategy::RoundRobin
            | Strategy::FewestCalls
            | Strategy::LeastTalkTime
            | Strategy::Linear
            | Strategy::Random => offers.is_empty(),
            Strategy::Progressive => offers.is_empty() || self.steps_at <= now,
            Strategy::RingAll => true,
        };
        if !wants_one || self.rests_until > now {
            return Seeks::Nobody;
        }
        if let Some(operator) = &self.assigned {
            return Seeks::One(operator.clone());
        }
        // With `ring_all` the phones of one level ring together; a worse level is asked only when
        // none of a better one rings.
        let ringing = match rules.strategy {
            Strategy::RingAll => offers.first().map(|(level, _)| *level),
            Strategy::LongestIdle
            | Strategy::RoundRobin
            | Strategy::FewestCalls
            | Strategy::LeastTalkTime
            | Strategy::Progressive
            | Strategy::Linear
            | Strategy::Random => None,
        };
        let ceiling = self.allowed(rules, now).min(ringing.unwrap_or(u8::MAX));
        let kept = |prefer: &&Prefer| prefer.alone || prefer.until > now;
        let Some(prefer) = self.prefer.as_ref().filter(kept) else {
            return Seeks::UpTo(ceiling);
        };
        let member = rules.operators.get(&prefer.operator);
        let welcome = (prefer.alone || member.is_some_and(|member| member.level <= ceiling))
            && !self.excluded.has(&prefer.operator, now);
        match welcome {
            true => Seeks::One(prefer.operator.clone()),
            false => Seeks::Nobody,
        }
    }

    /// When the answer of [`Ticket::sought`], or who is refused, changes by itself.
    pub(super) fn next_change(&mut self, rules: &QueueRules, now: Instant) -> Option<Instant> {
        let Stage::Waiting(offers) = &self.stage else {
            return None;
        };
        let several = match rules.strategy {
            Strategy::LongestIdle
            | Strategy::RoundRobin
            | Strategy::FewestCalls
            | Strategy::LeastTalkTime
            | Strategy::Linear
            | Strategy::Random => false,
            Strategy::Progressive | Strategy::RingAll => true,
        };
        if !offers.is_empty() && !several {
            return None;
        }
        let stepping = rules.strategy == Strategy::Progressive && !offers.is_empty();
        let widening = rules.widen.iter().map(|step| self.joined + step.after);
        let others = [
            Some(self.rests_until),
            stepping.then_some(self.steps_at),
            self.prefer.as_ref().map(|prefer| prefer.until),
            self.excluded.next_end(now),
        ];
        let all = others.into_iter().flatten().chain(widening);
        all.filter(|at| *at > now).min()
    }
}
