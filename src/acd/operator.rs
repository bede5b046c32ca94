//! One operator's state machine. It does not know queues' callers, only the ticket it is held by.
//!
//! ```text
//!            PhoneUp           offered          180          answered
//! LoggedOut ────────▶ Available ──────▶ Reserved ──▶ Ringing ───────▶ Talking
//!     ▲                ▲  ▲  ▲             │            │              │   │
//!     │ PhoneDown      │  │  └─────────────┴────────────┘   declined   │   │ released
//!     │ (after a talk, │  │      missed, withdrawn         in whisper  │   ▼
//!     │  when it ends) │  └────────────────────────────────────────────┘ WrapUp
//!     └── any          └──────────────────────────────────────────────────┘
//! ```
//!
//! Paused stands beside Available: whoever asked for a pause goes there wherever the arrows say
//! Available, and comes back when the pause ends. Engaged, with a call outside any queue, is Talking
//! too; only when the last of all calls is over do the arrows from Talking go on.

use std::collections::BTreeMap;

use super::message::{AcdEffect, Wish};
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::time::{Duration, Instant, Now};
use crate::words::OperatorState;

/// What binds an operator: the caller the phone rings for, or who is spoken with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hold {
    pub(super) ticket: TicketId,
    pub(super) call: CallId,
    pub(super) queue: QueueName,
    /// Set at the bridge: the paperwork that follows. None while nobody has spoken yet.
    pub(super) wrap_up: Option<Duration>,
}

/// A call outside any queue that an operator is busy with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Engagement {
    pub(super) call: CallId,
    /// The paperwork that follows, where the caller came by a queue.
    pub(super) wrap_up: Option<Duration>,
}

/// One operator.
#[derive(Clone, Debug)]
pub struct Operator {
    name: OperatorName,
    state: OperatorState,
    since: Now,
    reason: String,
    /// When the last talk ended, the operator came to work, or a phone was rung in vain, whichever
    /// was last.
    idle_since: Instant,
    pub(super) phone: bool,
    pub(super) pause: Option<String>,
    /// By wish, until another one.
    pub(super) logged_out: bool,
    pub(super) hold: Option<Hold>,
    /// Calls outside any queue.
    pub(super) engaged: BTreeMap<TicketId, Engagement>,
    /// Paperwork of talks that are over while another one goes on.
    pub(super) paperwork: Option<Duration>,
    /// The queues served, with the level.
    pub(super) queues: Vec<(QueueName, u8)>,
    /// No longer in the plan; forgotten when the talk is over.
    pub(super) retired: bool,
}

impl Operator {
    pub(super) fn new(name: OperatorName, now: Now) -> Self {
        Self {
            name,
            state: OperatorState::LoggedOut,
            since: now,
            reason: String::new(),
            idle_since: now.mono,
            phone: false,
            pause: None,
            logged_out: false,
            hold: None,
            engaged: BTreeMap::new(),
            paperwork: None,
            queues: Vec::new(),
            retired: false,
        }
    }

    /// Who it is.
    #[must_use]
    pub fn name(&self) -> &OperatorName {
        &self.name
    }

    /// What the operator is doing.
    #[must_use]
    pub fn state(&self) -> OperatorState {
        self.state
    }

    /// Since when.
    #[must_use]
    pub fn since(&self) -> Now {
        self.since
    }

    /// Why, in the word that the last [`AcdEffect::State`] carried.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether a phone is registered.
    #[must_use]
    pub fn registered(&self) -> bool {
        self.phone
    }

    /// The ticket that reserves the operator, or whose caller is spoken with.
    #[must_use]
    pub fn ticket(&self) -> Option<TicketId> {
        self.hold.as_ref().map(|hold| hold.ticket)
    }

    /// The call of that ticket, or else the first of those the operator is engaged with.
    #[must_use]
    pub fn call(&self) -> Option<CallId> {
        self.tickets().map(|(_, call)| call).next()
    }

    /// Every ticket that binds the operator, with its call: the queue's, then the engagements.
    pub fn tickets(&self) -> impl Iterator<Item = (TicketId, CallId)> + '_ {
        let held = self.hold.iter().map(|hold| (hold.ticket, hold.call));
        let engaged = self.engaged.iter();
        held.chain(engaged.map(|(ticket, engagement)| (*ticket, engagement.call)))
    }

    /// The queue of that ticket.
    #[must_use]
    pub fn queue(&self) -> Option<&QueueName> {
        self.hold.as_ref().map(|hold| &hold.queue)
    }

    /// What is wanted of the operator, over a restart.
    pub(super) fn wish(&self) -> Wish {
        Wish {
            logged_out: self.logged_out,
            pause: self.pause.clone(),
            owes: None,
        }
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    pub(super) fn holds(&self, ticket: TicketId) -> bool {
        self.ticket() == Some(ticket)
    }

    /// A talk outside any queue is over.
    pub(super) fn hung_up(&mut self, now: Instant) {
        self.idle_since = now;
    }

    /// The phone was rung in vain. Whoever is away from the desk would otherwise be the longest idle
    /// for ever, and each caller would begin with a phone that nobody answers.
    pub(super) fn rung_in_vain(&mut self, now: Instant) {
        self.idle_since = now;
    }

    /// Whether the phone was asked to ring and nobody has answered.
    pub(super) fn is_offered(&self) -> bool {
        matches!(self.state, OperatorState::Reserved | OperatorState::Ringing)
    }

    /// Where the operator goes when nothing binds any more.
    pub(super) fn at_rest(&self) -> OperatorState {
        if !self.engaged.is_empty() {
            OperatorState::Talking
        } else if !self.phone || self.logged_out || self.retired {
            OperatorState::LoggedOut
        } else if self.pause.is_some() {
            OperatorState::Paused
        } else {
            OperatorState::Available
        }
    }

    /// Enters `to` and says so. What held the operator is let go unless `to` needs it.
    pub(super) fn enter(&mut self, now: Now, to: OperatorState, reason: &str) -> AcdEffect {
        let from = self.state;
        let spoke = self.hold.as_ref().is_some_and(|h| h.wrap_up.is_some());
        let begins_work = to == OperatorState::Available
            && matches!(from, OperatorState::LoggedOut | OperatorState::Paused);
        if begins_work || (spoke && from == OperatorState::Talking) {
            self.idle_since = now.mono;
        }
        let effect = AcdEffect::State {
            operator: self.name.clone(),
            from,
            to,
            reason: reason.to_owned(),
            lasted: now.mono.since(self.since.mono),
            at: now.wall,
            call: self.call(),
        };
        self.state = to;
        self.since = now;
        reason.clone_into(&mut self.reason);
        match to {
            OperatorState::Reserved | OperatorState::Ringing | OperatorState::Talking => {}
            OperatorState::LoggedOut
            | OperatorState::Paused
            | OperatorState::Available
            | OperatorState::WrapUp => self.hold = None,
        }
        effect
    }
}
