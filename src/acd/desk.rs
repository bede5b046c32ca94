//! The desk: all queues, all tickets, all operators, and who is offered to whom.
//!
//! Tickets and operators have their own diagrams in their files; the desk alone moves both, so that
//! they cannot disagree. After each input [`Desk::settle`] restores the one rule of the house: no
//! operator is free while a caller waits who may be offered to that operator.
//!
//! It sends no SIP, plays nothing and knows no call: the engine carries its words.

mod callers;
mod engagements;
mod floor;
mod matching;
mod staff;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::callers::Joining;
use super::former::Former;
use super::message::{AcdEffect, AcdInput, Wish};
use super::operator::Operator;
use super::queue::Queue;
use super::ticket::{Stage, Ticket};
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::rng::Rng;
use crate::time::{Duration, Instant, Now, Timers, Wakeup};
use crate::words::{MissReason, OperatorState};

/// What the desk waits for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    /// An offered phone rang long enough.
    Ring(OperatorName),
    /// The paperwork after a talk is over.
    WrapUp(OperatorName),
    /// A caller's longest wait in a queue is over.
    MaxWait(TicketId),
    /// A caller may be offered again to somebody who missed the last offer.
    Retry(TicketId),
}

impl Timer {
    const fn name(&self) -> &'static str {
        match self {
            Self::Ring(_) => "ring",
            Self::WrapUp(_) => "wrap-up",
            Self::MaxWait(_) => "max wait",
            Self::Retry(_) => "retry",
        }
    }
}

/// Where a caller stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// From one.
    pub position: u32,
    /// How long it will take, where that can be told.
    pub wait: Option<Duration>,
}

/// How a queue stands, and how it has served its callers since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Callers in it.
    pub waiting: usize,
    /// How long the first of them has waited in it.
    pub longest_wait: Duration,
    /// Callers who were bridged with an operator.
    pub answered: u64,
    /// Those of them who were within the service level.
    pub answered_in_time: u64,
    /// Callers who gave up.
    pub abandoned: u64,
    /// Those of them who gave up before the service level was over.
    pub abandoned_in_time: u64,
}

/// The distributor.
#[derive(Clone, Debug)]
pub struct Desk {
    queues: BTreeMap<QueueName, Queue>,
    operators: BTreeMap<OperatorName, Operator>,
    tickets: BTreeMap<TicketId, Ticket>,
    counts: BTreeMap<OperatorState, usize>,
    timers: Timers<Timer>,
    former: Former,
    /// Callers for whom something changed since the last [`Desk::settle`].
    fresh: BTreeSet<TicketId>,
    /// Operators who became free since then.
    freed: BTreeSet<OperatorName>,
    /// Queues whose last operator logged out since then.
    deserted: BTreeSet<QueueName>,
    /// For the strategy that draws.
    #[expect(dead_code, reason = "no strategy draws yet")]
    rng: Rng,
}

impl Desk {
    /// A desk without a floor: it comes with the first [`AcdInput::Floor`]. Draws come from `rng`.
    #[must_use]
    pub fn new(rng: Rng) -> Self {
        Self {
            queues: BTreeMap::new(),
            operators: BTreeMap::new(),
            tickets: BTreeMap::new(),
            counts: BTreeMap::new(),
            timers: Timers::default(),
            fresh: BTreeSet::new(),
            former: Former::default(),
            freed: BTreeSet::new(),
            deserted: BTreeSet::new(),
            rng,
        }
    }

    /// After the first floor, before the first phone: what was wanted of whom when the process
    /// ended. Nothing else outlives it: calls are gone, and phones are told by `PhoneUp`.
    pub fn restore(&mut self, wishes: impl IntoIterator<Item = (OperatorName, Wish)>) {
        for (name, wish) in wishes {
            if let Some(operator) = self.operators.get_mut(&name) {
                operator.logged_out = wish.logged_out;
                operator.pause = wish.pause;
            }
        }
    }

    /// Takes one input. Words about tickets and operators that are gone are ignored: they crossed
    /// our own on the way.
    pub fn handle(&mut self, now: Now, input: AcdInput, effects: &mut VecDeque<AcdEffect>) {
        match input {
            AcdInput::Floor(floor) => self.lay_out(now, *floor, effects),
            AcdInput::Join {
                ticket,
                call,
                queue,
                entered,
                priority,
                ..
            } => {
                let order = (priority, entered);
                let joining = Joining {
                    ticket,
                    call,
                    queue,
                    order,
                };
                self.join(now, joining, effects);
            }
            AcdInput::Leave { ticket, reason } => self.leave(now, ticket, reason, effects),
            AcdInput::Prioritise { ticket, priority } => self.prioritise(ticket, priority),
            AcdInput::Assign { .. } | AcdInput::Described { .. } => {}
            AcdInput::PassedOn { operator, ticket } => {
                self.exclude(now, &operator, ticket, MissReason::Declined);
                self.arm_retry(now, ticket);
            }
            AcdInput::Ringing { operator, ticket } => {
                self.ringing(now, &operator, ticket, effects);
            }
            AcdInput::Answered {
                operator, ticket, ..
            } => {
                self.answered(now, &operator, ticket, effects);
            }
            AcdInput::Missed {
                operator,
                ticket,
                reason,
            } => self.missed(now, &operator, ticket, reason, effects),
            AcdInput::Bridged { operator, ticket } => {
                self.bridged(now, &operator, ticket, effects);
            }
            AcdInput::Engage {
                operator,
                ticket,
                call,
            } => self.engage(now, &operator, ticket, call, effects),
            AcdInput::Spoke {
                operator,
                ticket,
                queue,
            } => self.spoke(&operator, ticket, &queue),
            AcdInput::Released { operator, ticket } => {
                self.released(now, &operator, ticket, effects);
            }
            AcdInput::PhoneUp { operator } => self.phone_up(now, &operator, effects),
            AcdInput::PhoneDown { operator } => self.phone_down(now, &operator, effects),
            AcdInput::SetState { operator, state } => {
                self.set_state(now, &operator, state, effects);
            }
        }
        self.settle(now, effects);
    }

    /// Fires every timer that is due.
    pub fn handle_timeout(&mut self, now: Now, effects: &mut VecDeque<AcdEffect>) {
        while let Some(timer) = self.timers.pop_due(now.mono) {
            match timer {
                Timer::Ring(operator) => self.rang_out(now, &operator, effects),
                Timer::WrapUp(operator) => {
                    if self.state(&operator) == Some(OperatorState::WrapUp) {
                        self.rest(now, &operator, "wrap_up_over", effects);
                    }
                }
                Timer::MaxWait(ticket) => self.waited_out(now, ticket, effects),
                Timer::Retry(ticket) => {
                    self.arm_retry(now, ticket);
                    self.fresh.insert(ticket);
                }
            }
        }
        self.settle(now, effects);
    }

    /// When the next timer is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let (at, timer) = self.timers.first()?;
        Some(Wakeup {
            at,
            why: timer.name(),
        })
    }

    /// How many callers stand in a queue.
    #[must_use]
    pub fn waiting(&self, queue: &QueueName) -> usize {
        self.queues.get(queue).map_or(0, Queue::len)
    }

    /// Every queue with the number of its callers.
    pub fn queues(&self) -> impl Iterator<Item = (&QueueName, usize)> + '_ {
        self.queues.iter().map(|(name, queue)| (name, queue.len()))
    }

    /// Where a caller stands, and how long it will take.
    #[must_use]
    pub fn place(&self, _now: Instant, ticket: TicketId) -> Option<Place> {
        let ticket = self.tickets.get(&ticket)?;
        let queue = self.queues.get(ticket.queue())?;
        (ticket.stage != Stage::Bridged).then(|| Place {
            position: queue.position(ticket.turn()),
            wait: None,
        })
    }

    /// How a queue stands.
    #[must_use]
    pub fn standing(&self, now: Instant, queue: &QueueName) -> Option<Standing> {
        let queue = self.queues.get(queue)?;
        let first = queue.standing().next();
        let first = first.and_then(|turn| self.tickets.get(&turn.ticket));
        Some(Standing {
            waiting: queue.len(),
            longest_wait: first.map_or(Duration::ZERO, |first| now.since(first.joined)),
            ..Standing::default()
        })
    }

    /// How many operators are in a state.
    #[must_use]
    pub fn count(&self, state: OperatorState) -> usize {
        self.counts.get(&state).copied().unwrap_or(0)
    }

    /// What an operator is doing.
    #[must_use]
    pub fn state(&self, operator: &OperatorName) -> Option<OperatorState> {
        self.operators.get(operator).map(Operator::state)
    }

    /// One operator.
    #[must_use]
    pub fn operator(&self, name: &OperatorName) -> Option<&Operator> {
        self.operators.get(name)
    }

    /// Every operator, by name.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> + '_ {
        self.operators.values()
    }

    /// How many tickets there are.
    #[must_use]
    pub fn ticket_count(&self) -> usize {
        self.tickets.len()
    }

    /// Every ticket with its call and the queue it stands in; none when its caller is bridged.
    pub fn tickets(&self) -> impl Iterator<Item = (TicketId, CallId, Option<&QueueName>)> + '_ {
        self.tickets.iter().map(|(id, ticket)| {
            let queue = match ticket.stage {
                Stage::Waiting(_) | Stage::Whisper(_) => Some(ticket.queue()),
                Stage::Bridged => None,
            };
            (*id, ticket.call, queue)
        })
    }
}

/// What both sides use.
impl Desk {
    /// The state of an operator who is held by this ticket.
    fn held(&self, name: &OperatorName, id: TicketId) -> Option<OperatorState> {
        let operator = self.operators.get(name)?;
        operator.holds(id).then(|| operator.state())
    }

    fn is_offered(&self, name: &OperatorName, id: TicketId) -> bool {
        matches!(
            self.held(name, id),
            Some(OperatorState::Reserved | OperatorState::Ringing)
        )
    }

    /// Whether the operator hears the whisper about a caller who is still there.
    fn whispers(&self, name: &OperatorName, id: TicketId) -> bool {
        let ticket = self.tickets.get(&id);
        ticket.is_some_and(|ticket| ticket.whispers_to(name))
    }

    /// Nothing binds the operator any more.
    fn rest(
        &mut self,
        now: Now,
        name: &OperatorName,
        reason: &str,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get(name) else {
            return;
        };
        let to = operator.at_rest();
        let pause = operator.pause.clone();
        let pause = pause.filter(|_| to == OperatorState::Paused);
        if to != operator.state() || to != OperatorState::Talking {
            self.shift(now, name, to, pause.as_deref().unwrap_or(reason), effects);
        }
        if let Some(operator) = self.operators.get_mut(name) {
            // Whoever is engaged talks on, and is bound by that alone.
            operator.hold = None;
        }
    }

    /// The one place where an operator's state changes: every index follows from here.
    fn shift(
        &mut self,
        now: Now,
        name: &OperatorName,
        to: OperatorState,
        reason: &str,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        let from = operator.state();
        let was_idle = operator.idle_since();
        effects.push_back(operator.enter(now, to, reason));
        if let Some(count) = self.counts.get_mut(&from) {
            *count = count.saturating_sub(1);
        }
        *self.counts.entry(to).or_default() += 1;
        for (queue_name, level) in &operator.queues {
            if let Some(queue) = self.queues.get_mut(queue_name) {
                queue.leaves(from, &(*level, was_idle, name.clone()));
                queue.enters(to, (*level, operator.idle_since(), name.clone()));
                if queue.is_deserted() {
                    self.deserted.insert(queue_name.clone());
                }
            }
        }
        if to == OperatorState::Available {
            self.freed.insert(name.clone());
        }
        if operator.retired && to == OperatorState::LoggedOut {
            self.forget(name);
        }
    }

    fn forget(&mut self, name: &OperatorName) {
        if let Some(operator) = self.operators.remove(name)
            && let Some(count) = self.counts.get_mut(&operator.state())
        {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
