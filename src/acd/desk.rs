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
mod shifts;
pub mod sight;
mod staff;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::callers::Joining;
use super::excluded::Former;
use super::message::{AcdEffect, AcdInput, Wish};
use super::operator::Operator;
use super::queue::Queue;
use super::ticket::{Ticket, Turn};
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
    /// A caller should have been answered by now.
    Breach(TicketId),
    /// A caller may be offered to others than before: the queue widens, a rest, a preference or an
    /// exclusion is over, or it is time for one phone more.
    Review(TicketId),
}

impl Timer {
    const fn name(&self) -> &'static str {
        match self {
            Self::Ring(_) => "ring",
            Self::WrapUp(_) => "wrap-up",
            Self::MaxWait(_) => "max wait",
            Self::Breach(_) => "service level",
            Self::Review(_) => "review",
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
    /// How long the one who came first has stood in it.
    pub longest_wait: Duration,
    /// How long one who came now would wait, where that can be told.
    pub estimated_wait: Option<Duration>,
    /// Within which a caller should be answered.
    pub service_level: Option<Duration>,
    /// Callers who were bridged with an operator.
    pub answered: u64,
    /// Those of them who were within the service level.
    pub answered_in_time: u64,
    /// Callers who gave up.
    pub abandoned: u64,
    /// Those of them who gave up within it.
    pub abandoned_in_time: u64,
}

impl Standing {
    /// The service level among those who were answered; none while nobody was, or where none is set.
    #[must_use]
    pub fn of_answered(&self) -> Option<f64> {
        self.share(self.answered_in_time, self.answered)
    }

    /// The service level among all who came, where giving up in time is no fault of the queue.
    #[must_use]
    pub fn of_all(&self) -> Option<f64> {
        let in_time = self.answered_in_time.saturating_add(self.abandoned_in_time);
        self.share(in_time, self.answered.saturating_add(self.abandoned))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a share needs no more digits than a float has"
    )]
    fn share(&self, part: u64, whole: u64) -> Option<f64> {
        let known = self.service_level.is_some() && whole > 0;
        known.then(|| part as f64 / whole as f64)
    }
}

/// The distributor.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Every queue, in the order of the names; a new floor numbers them anew.
    queues: Vec<Queue>,
    numbers: BTreeMap<QueueName, usize>,
    operators: BTreeMap<OperatorName, Operator>,
    tickets: BTreeMap<TicketId, Ticket>,
    /// Callers who seek one operator alone, by whom.
    kept: BTreeMap<OperatorName, BTreeSet<Turn>>,
    former: Former,
    counts: BTreeMap<OperatorState, usize>,
    timers: Timers<Timer>,
    /// Callers for whom something changed since the last [`Desk::settle`].
    fresh: BTreeSet<TicketId>,
    /// Operators who became free since then.
    freed: BTreeSet<OperatorName>,
    /// Queues that may have to let callers go.
    touched: BTreeSet<usize>,
    /// For the strategy that draws.
    rng: Rng,
}

impl Desk {
    /// A desk without a floor: it comes with the first [`AcdInput::Floor`]. Draws come from `rng`.
    #[must_use]
    pub fn new(rng: Rng) -> Self {
        Self {
            queues: Vec::new(),
            numbers: BTreeMap::new(),
            operators: BTreeMap::new(),
            tickets: BTreeMap::new(),
            kept: BTreeMap::new(),
            former: Former::default(),
            counts: BTreeMap::new(),
            timers: Timers::default(),
            fresh: BTreeSet::new(),
            freed: BTreeSet::new(),
            touched: BTreeSet::new(),
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
                operator.owes = wish.owes;
                operator.last = wish.owes;
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
                caller,
                prefer,
            } => {
                let joining = Joining {
                    ticket,
                    call,
                    queue,
                    entered,
                    priority,
                    caller,
                    prefer,
                };
                self.join(now, joining, effects);
            }
            AcdInput::Leave { ticket, reason } => self.leave(now, ticket, reason, effects),
            AcdInput::Assign { ticket, operator } => self.assign(now, ticket, &operator),
            AcdInput::Prioritise { ticket, priority } => self.prioritise(now, ticket, priority),
            AcdInput::PassedOn { operator, ticket } => {
                self.exclude(now, &operator, ticket, MissReason::Declined);
                self.review(now, ticket);
            }
            AcdInput::Ringing { operator, ticket } => {
                self.ringing(now, &operator, ticket, effects);
            }
            AcdInput::Answered {
                operator,
                ticket,
                keep_others,
            } => self.answered(now, &operator, ticket, keep_others, effects),
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
            AcdInput::Described { operator, call } => {
                self.described(now, &operator, call, effects);
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
                Timer::Breach(ticket) => self.breached(ticket, effects),
                Timer::Review(ticket) => self.review(now, ticket),
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
        self.queue(queue).map_or(0, Queue::len)
    }

    /// Every queue with the number of its callers.
    pub fn queues(&self) -> impl Iterator<Item = (&QueueName, usize)> + '_ {
        self.queues.iter().map(|queue| (&queue.name, queue.len()))
    }

    /// Where a caller stands, and how long it will take; none when not in a queue.
    #[must_use]
    pub fn place(&self, now: Instant, ticket: TicketId) -> Option<Place> {
        let ticket = self.tickets.get(&ticket).filter(|ticket| ticket.stands())?;
        let queue = self.queue(&ticket.queue)?;
        let position = queue.position(ticket.turn);
        Some(Place {
            position,
            wait: queue.estimate(now, position),
        })
    }

    /// Whether a queue would take, and keep, somebody who came so long ago.
    #[must_use]
    pub fn lets_in(
        &self,
        now: Instant,
        queue: &QueueName,
        entered: Instant,
        priority: i32,
    ) -> bool {
        self.queue(queue).is_some_and(|queue| {
            let turn = Turn::new(priority, queue.rules.weight, entered, TicketId(u64::MAX));
            queue.refuses(now, turn).is_none() && queue.is_staffed(&queue.rules.leave)
        })
    }

    /// How a queue stands.
    #[must_use]
    pub fn standing(&self, now: Instant, queue: &QueueName) -> Option<Standing> {
        let queue = self.queue(queue)?;
        let waiting = queue.len();
        let next = u32::try_from(waiting).unwrap_or(u32::MAX).saturating_add(1);
        let since = queue.longest();
        Some(Standing {
            waiting,
            longest_wait: since.map_or(Duration::ZERO, |since| now.since(since)),
            estimated_wait: queue.estimate(now, next),
            service_level: queue.rules.service_level,
            answered: queue.statistics.answered,
            answered_in_time: queue.statistics.answered_in_time,
            abandoned: queue.statistics.abandoned,
            abandoned_in_time: queue.statistics.abandoned_in_time,
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
            let queue = ticket.stands().then_some(&ticket.queue);
            (*id, ticket.call, queue)
        })
    }

    fn queue(&self, name: &QueueName) -> Option<&Queue> {
        self.queues.get(*self.numbers.get(name)?)
    }

    fn queue_mut(&mut self, name: &QueueName) -> Option<&mut Queue> {
        self.queues.get_mut(*self.numbers.get(name)?)
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
