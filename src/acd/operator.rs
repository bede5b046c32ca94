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
//! Paused stands beside Available: whoever asked for a pause, let the phone ring too often, or owes a
//! disposition goes there wherever the arrows say Available, and comes back when the pause ends, or
//! the word is said. LoggedOut stands there too for whoever asked for it, until an explicit login. Engaged, with a call outside any queue, is Talking
//! too; only when the last of all calls is over do the arrows from Talking go on.

use std::collections::{BTreeMap, BTreeSet};

use super::free::FreeKey;
use super::message::{AcdEffect, Member, OperatorRules, Wish};
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::time::{Duration, Instant, Now};
use crate::words::{OperatorState, Strategy};

/// What follows a talk with a caller of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Paperwork {
    pub(super) wrap_up: Duration,
    /// The disposition is still to be said.
    pub(super) owed: bool,
}

/// What binds an operator: the caller the phone rings for, or who is spoken with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hold {
    pub(super) ticket: TicketId,
    pub(super) call: CallId,
    pub(super) queue: QueueName,
    /// As it was when the phone was asked to ring.
    pub(super) level: u8,
    pub(super) since: Instant,
    /// Set at the bridge: since when, and what follows. None while nobody has spoken yet.
    pub(super) talk: Option<(Instant, Paperwork)>,
}

/// A call outside any queue that an operator is busy with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Engagement {
    pub(super) call: CallId,
    /// What follows, where the caller came by a queue.
    pub(super) paperwork: Option<Paperwork>,
}

/// A queue that an operator serves.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    /// Where the desk has it, until the next floor.
    pub(super) queue: usize,
    pub(super) member: Member,
    pub(super) strategy: Strategy,
    /// When the queue offered a caller last.
    pub(super) offered: Option<Instant>,
    /// The place among the free of the queue, while free.
    pub(super) key: Option<FreeKey>,
}

/// One operator.
#[derive(Clone, Debug)]
pub struct Operator {
    name: OperatorName,
    state: OperatorState,
    since: Now,
    reason: String,
    pub(super) rules: OperatorRules,
    /// When the last talk ended, the operator came to work, or a phone was rung in vain, whichever
    /// was last.
    pub(super) idle_since: Instant,
    /// Talks with callers of queues since the login, and how long they took.
    talks: u64,
    talked: Duration,
    /// Phones rung in vain, one after the other.
    pub(super) no_answers: u32,
    pub(super) phone: bool,
    pub(super) pause: Option<String>,
    /// By wish, until another one.
    pub(super) logged_out: bool,
    /// The talk of which a disposition is owed.
    pub(super) owes: Option<CallId>,
    pub(super) hold: Option<Hold>,
    /// Calls outside any queue.
    pub(super) engaged: BTreeMap<TicketId, Engagement>,
    /// Paperwork of talks that are over while another one goes on.
    pub(super) paperwork: Option<Duration>,
    /// The call that was over last.
    pub(super) last: Option<CallId>,
    /// Callers who were assigned and not offered yet.
    pub(super) assigned: BTreeSet<TicketId>,
    /// Callers who are kept for this operator, while at work.
    pub(super) awaited: BTreeSet<TicketId>,
    pub(super) queues: Vec<Membership>,
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
            rules: OperatorRules::default(),
            idle_since: now.mono,
            talks: 0,
            talked: Duration::ZERO,
            no_answers: 0,
            phone: false,
            pause: None,
            logged_out: false,
            owes: None,
            hold: None,
            engaged: BTreeMap::new(),
            paperwork: None,
            last: None,
            assigned: BTreeSet::new(),
            awaited: BTreeSet::new(),
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

    /// The call that was over last: the one that paperwork, or a disposition, is about.
    #[must_use]
    pub fn last_call(&self) -> Option<CallId> {
        self.last
    }

    /// The call of which a disposition is owed.
    #[must_use]
    pub const fn owes(&self) -> Option<CallId> {
        self.owes
    }

    /// What is wanted of the operator, or owed, and lasts over a restart.
    #[must_use]
    pub fn wish(&self) -> Wish {
        Wish {
            logged_out: self.logged_out,
            pause: self.pause.clone(),
            owes: self.owes,
        }
    }

    pub(super) fn holds(&self, ticket: TicketId) -> bool {
        self.ticket() == Some(ticket)
    }

    /// Whether the operator is at work: neither logged out nor paused.
    pub(super) fn works(&self) -> bool {
        match self.state {
            OperatorState::LoggedOut | OperatorState::Paused => false,
            OperatorState::Available
            | OperatorState::Reserved
            | OperatorState::Ringing
            | OperatorState::Talking
            | OperatorState::WrapUp => true,
        }
    }

    /// Whether the phone was asked to ring and nobody has answered.
    pub(super) fn is_offered(&self) -> bool {
        matches!(self.state, OperatorState::Reserved | OperatorState::Ringing)
    }

    /// A talk with a caller of a queue begins.
    pub(super) fn begins_talk(&mut self, now: Instant, paperwork: Paperwork) {
        if let Some(hold) = &mut self.hold {
            hold.talk = Some((now, paperwork));
            self.talks += 1;
        }
    }

    /// The call that holds the operator is over: what followed, and how long it took.
    pub(super) fn ends_hold(&mut self, now: Instant) -> Option<(Hold, Option<Paperwork>)> {
        let hold = self.hold.take()?;
        let paperwork = hold.talk.map(|(began, paperwork)| {
            self.talked += now.since(began);
            self.idle_since = now;
            paperwork
        });
        Some((hold, paperwork))
    }

    /// The place among the free of a queue.
    pub(super) fn key(&self, of: &Membership) -> FreeKey {
        let idle = self.idle_since.as_nanos();
        let (first, second) = match of.strategy {
            Strategy::LongestIdle | Strategy::RingAll | Strategy::Progressive => (idle, 0),
            Strategy::RoundRobin => (
                of.offered.map_or(0, |at| at.as_nanos().saturating_add(1)),
                0,
            ),
            Strategy::FewestCalls => (self.talks, idle),
            Strategy::LeastTalkTime => {
                let talked = u64::try_from(self.talked.as_nanos()).unwrap_or(u64::MAX);
                (talked, idle)
            }
            Strategy::Linear => (u64::from(of.member.order), 0),
            Strategy::Random => (0, 0),
        };
        (of.member.level, first, second, self.name.clone())
    }

    /// Where the operator goes when nothing binds any more, but for a word that is owed.
    pub(super) fn wished(&self) -> OperatorState {
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

    /// Where the operator goes when nothing binds any more.
    pub(super) fn at_rest(&self) -> OperatorState {
        match (self.wished(), self.owes) {
            (OperatorState::Available, Some(_)) => OperatorState::Paused,
            (wished, _) => wished,
        }
    }

    /// Why the operator is paused, in the words of the event.
    pub(super) fn why_paused(&self) -> String {
        let owed = || "disposition".to_owned();
        self.pause.clone().unwrap_or_else(owed)
    }

    /// Enters `to` and says so, with the call it is about. What held the operator is let go unless
    /// `to` needs it.
    pub(super) fn enter(
        &mut self,
        now: Now,
        to: OperatorState,
        reason: &str,
        about: Option<CallId>,
    ) -> AcdEffect {
        let from = self.state;
        if from == OperatorState::LoggedOut {
            self.talks = 0;
            self.talked = Duration::ZERO;
        }
        let begins_work = to == OperatorState::Available
            && matches!(from, OperatorState::LoggedOut | OperatorState::Paused);
        if begins_work {
            self.idle_since = now.mono;
        }
        let effect = AcdEffect::State {
            operator: self.name.clone(),
            from,
            to,
            reason: reason.to_owned(),
            lasted: now.mono.since(self.since.mono),
            at: now.wall,
            call: about.or_else(|| self.call()),
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
