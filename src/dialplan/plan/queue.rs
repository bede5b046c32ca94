//! Queues as the plan describes them: who serves them, how, and where callers go who are not served.

use std::collections::BTreeMap;

use crate::id::{CalendarName, OperatorName, QueueName, VoicemailName};
use crate::time::Duration;
use crate::words::{Phrase, Strategy};

/// A queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queue {
    /// Its key.
    pub name: QueueName,
    /// The short number for keypads.
    pub number: Option<String>,
    /// Its opening hours; none is always open.
    pub calendar: Option<CalendarName>,
    /// Where the caller goes outside them, in order.
    pub closed: Vec<Target>,
    /// Who serves it.
    pub operators: BTreeMap<OperatorName, Member>,
    /// Levels that are asked later; empty asks all of them at once, the better ones first.
    pub widen: Vec<Widen>,
    /// How one is picked among the free of one level.
    pub strategy: Strategy,
    /// After so long `progressive` lets one phone more ring.
    pub step: Duration,
    /// What every caller of this queue has on top of their own priority.
    pub weight: i32,
    /// How long a phone rings.
    pub ring: Duration,
    /// How long a caller whom a phone missed waits before the next one rings.
    pub retry: Duration,
    /// Paperwork after a talk.
    pub wrap_up: Duration,
    /// The longest wait in this queue; none waits for ever.
    pub max_wait: Option<Duration>,
    /// Where the caller goes then, in order.
    pub overflow: Vec<Target>,
    /// The most callers who wait; one more goes on to the overflow.
    pub max_size: Option<usize>,
    /// What it needs to take a caller in.
    pub join_empty: Need,
    /// What it needs to keep one.
    pub leave_empty: Need,
    /// What waiting callers are told.
    pub announce: Option<Announce>,
    /// How they ask to be called back.
    pub callback: Option<QueueCallback>,
    /// The key that leads elsewhere.
    pub exit: Option<Exit>,
    /// Who spoke with somebody here comes back to them.
    pub sticky: Option<Sticky>,
    /// How soon a caller should be answered.
    pub service_level: Option<Duration>,
    /// Whoever gave up and rings again within this gets the place back.
    pub resume_within: Option<Duration>,
    /// What an operator must say of a talk.
    pub disposition: Option<Disposition>,
    /// How long recordings of its calls are kept; none says nothing of it.
    pub keep: Option<Duration>,
    /// What the caller hears.
    pub music: Phrase,
    /// When the caller's INVITE is answered.
    pub answer: Answer,
    /// When the same caller is offered to the same phone again.
    pub after: After,
}

/// An operator's place in a queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Member {
    /// Lower is asked first.
    pub level: u8,
    /// Which one of the queue's operators this is, as the plan lists them.
    pub order: u32,
}

/// When a caller's INVITE gets its 200.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Answer {
    /// On entering the queue.
    Queue,
    /// When an operator speaks; music goes as early media.
    Operator,
}

/// How long a phone is not offered the same caller again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct After {
    /// After a decline, or a hang-up in the whisper.
    pub decline: Duration,
    /// After busy.
    pub busy: Duration,
    /// After ringing out, and after a phone that could not be reached.
    pub no_answer: Duration,
}

/// Where a call can go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// To operators.
    Queue(QueueName),
    /// To a box where the caller leaves a message.
    Voicemail(VoicemailName),
}

impl Target {
    /// The queue, if it is one.
    #[must_use]
    pub const fn queue(&self) -> Option<&QueueName> {
        match self {
            Self::Queue(name) => Some(name),
            Self::Voicemail(_) => None,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Queue(name) => write!(out, "queue.{name}"),
            Self::Voicemail(name) => write!(out, "voicemail.{name}"),
        }
    }
}

/// One step of `widen`: from then on operators up to this level are asked too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Widen {
    /// Counted from the moment the caller came into the queue.
    pub after: Duration,
    /// The worst level asked.
    pub level: u8,
}

/// What a queue needs to take a caller in, or to keep one. Zero asks for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    /// Operators who are not logged out, those paused included.
    pub logged_in: u32,
    /// Operators who are neither logged out nor paused.
    pub working: u32,
    /// Operators who are free.
    pub available: u32,
    /// The longest estimated wait.
    pub wait: Option<Duration>,
}

impl Default for Need {
    fn default() -> Self {
        Self {
            logged_in: 1,
            working: 0,
            available: 0,
            wait: None,
        }
    }
}

/// What waiting callers are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announce {
    /// Their place.
    pub position: bool,
    /// How long it will take.
    pub wait: bool,
    /// How often.
    pub every: Duration,
}

/// How a caller asks to be called back without losing the place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueCallback {
    /// The key that asks for it.
    pub key: char,
    /// It is offered after so long; none does not offer it by time.
    pub offer_after: Option<Duration>,
    /// It is offered to whoever would wait longer than this.
    pub offer_over: Option<Duration>,
}

/// A key that leads out of a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// The key.
    pub key: char,
    /// Where it leads.
    pub to: Vec<Target>,
}

/// Callers who come back are kept for the operator they spoke with last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sticky {
    /// How long ago that may have been.
    pub within: Duration,
    /// How long they wait for that operator before anybody may take them.
    pub wait: Duration,
}

/// What an operator must say of a talk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disposition {
    /// Whoever has not said it when the paperwork is over is paused until it is said.
    pub require: bool,
    /// The codes, each with the digits that a keypad gives for it.
    pub codes: BTreeMap<String, Option<String>>,
}
