//! The words between the distributor and the calls. Ids only; a call is known by its ticket.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::time::{Duration, Instant, Wall};
use crate::words::{LeftReason, MissReason, OperatorState, Strategy};

/// An operator's place in a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Lower is asked first.
    pub level: u8,
    /// Where the plan lists the operator, for [`Strategy::Linear`].
    pub order: u32,
}

/// One step of widening: from then on operators up to this level are asked too.
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

/// What the distributor must know of a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueRules {
    /// Who serves it.
    pub operators: BTreeMap<OperatorName, Member>,
    /// How one is picked among the free of one level.
    pub strategy: Strategy,
    /// With [`Strategy::Progressive`], after how long one phone more rings.
    pub step: Duration,
    /// How the levels are opened over time; empty opens all at once, otherwise level 1 comes first.
    pub widen: Vec<Widen>,
    /// Added to the priority of every caller of this queue.
    pub weight: i32,
    /// How long a phone rings.
    pub ring: Duration,
    /// How long a caller rests after a phone that was rung in vain.
    pub retry: Duration,
    /// Paperwork after a talk, of operators who have none of their own.
    pub wrap_up: Duration,
    /// The longest wait in this queue; none waits for ever.
    pub max_wait: Option<Duration>,
    /// Callers at once; none leaves it to the bound of all queues.
    pub max_size: Option<usize>,
    /// What it needs to take a caller in.
    pub join: Need,
    /// What it needs to keep one for whom no phone rings.
    pub leave: Need,
    /// After a decline, or a hang-up in the whisper, the same caller is not offered this long.
    pub after_decline: Duration,
    /// The same after busy.
    pub after_busy: Duration,
    /// The same after ringing out or an unreachable phone.
    pub after_no_answer: Duration,
    /// Within which a caller should have been answered.
    pub service_level: Option<Duration>,
    /// A caller who gave up and comes back within this has the place of before.
    pub resume_within: Option<Duration>,
    /// Whether an operator owes a word on each talk: whoever has not said it when the paperwork is
    /// over is paused until it is said.
    pub disposition: bool,
}

/// The rules of a queue that nobody serves, as the plan has them where it is silent.
impl Default for QueueRules {
    fn default() -> Self {
        Self {
            operators: BTreeMap::new(),
            strategy: Strategy::LongestIdle,
            step: Duration::from_secs(5),
            widen: Vec::new(),
            weight: 0,
            ring: Duration::from_secs(20),
            retry: Duration::ZERO,
            wrap_up: Duration::ZERO,
            max_wait: None,
            max_size: None,
            join: Need::default(),
            leave: Need::default(),
            after_decline: Duration::from_secs(10),
            after_busy: Duration::from_secs(10),
            after_no_answer: Duration::from_secs(5),
            service_level: None,
            resume_within: None,
            disposition: false,
        }
    }
}

/// What the distributor must know of an operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OperatorRules {
    /// Paperwork after a talk, whatever the queue says.
    pub wrap_up: Option<Duration>,
    /// After so many phones rung in vain, one after the other, a pause; none pauses nobody.
    pub max_no_answer: Option<u32>,
}

/// The floor as the dialplan describes it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Floor {
    /// Every operator.
    pub operators: BTreeMap<OperatorName, OperatorRules>,
    /// Every queue.
    pub queues: BTreeMap<QueueName, QueueRules>,
}

/// The operator whom a caller is kept for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prefer {
    /// Who.
    pub operator: OperatorName,
    /// Until then nobody else is rung for the caller.
    pub until: Instant,
    /// Nobody else ever is, and neither level nor skill matters.
    pub alone: bool,
}

/// The states that an operator, or a supervisor, can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Takes calls; paperwork ends at once.
    Available,
    /// Takes none, for this reason.
    Paused(String),
    /// Takes none until somebody wants otherwise, whatever the phones do.
    LoggedOut,
}

/// What was asked of an operator, or is owed by one, and lasts over a restart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    /// Logged out until an explicit login.
    pub logged_out: bool,
    /// Paused, and why.
    pub pause: Option<String>,
    /// The talk of which a disposition is owed.
    pub owes: Option<CallId>,
}

/// What the distributor is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AcdInput {
    /// A new floor plan; tickets and states of those who stay are kept.
    Floor(Box<Floor>),
    /// A caller enters a queue. Ignored while the ticket stands in one.
    Join {
        /// The ticket: a new one, or that of the same caller in the queue before.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// The queue.
        queue: QueueName,
        /// Since when the caller waits, queues before this one included.
        entered: Instant,
        /// Higher is served first.
        priority: i32,
        /// The caller's number, by which one who comes back is known.
        caller: Option<Arc<str>>,
        /// The operator the caller is kept for.
        prefer: Option<Prefer>,
    },
    /// The caller left, or the call ended: withdraw every offer and forget the ticket. Ignored when
    /// the ticket is gone.
    Leave {
        /// The ticket.
        ticket: TicketId,
        /// Why.
        reason: LeftReason,
    },
    /// This operator is the next to be offered this caller, whatever strategy, level, skill and
    /// preference say; nobody else is, until that offer. It lapses when the operator goes home, into a
    /// pause, or is offered or engaged with somebody else, so that no caller waits for one who talks.
    Assign {
        /// The ticket.
        ticket: TicketId,
        /// The operator.
        operator: OperatorName,
    },
    /// A waiting caller's priority is another one now.
    Prioritise {
        /// The ticket.
        ticket: TicketId,
        /// Higher is served first.
        priority: i32,
    },
    /// The operator has just sent this caller on, and is not offered the same one again at once.
    PassedOn {
        /// The operator.
        operator: OperatorName,
        /// The caller's new ticket.
        ticket: TicketId,
    },
    /// The phone rings.
    Ringing {
        /// The operator.
        operator: OperatorName,
        /// For which caller.
        ticket: TicketId,
    },
    /// The operator answered first: the whisper begins, other offers of the ticket are withdrawn. A
    /// second one who answers in that whisper is withdrawn too.
    Answered {
        /// The operator.
        operator: OperatorName,
        /// For which caller.
        ticket: TicketId,
        /// The other phones ring on until the bridge, or until this operator misses the call.
        keep_others: bool,
    },
    /// The operator did not take the call, or hung up in the whisper. The caller keeps the place.
    Missed {
        /// The operator.
        operator: OperatorName,
        /// For which caller.
        ticket: TicketId,
        /// Why.
        reason: MissReason,
    },
    /// The parties hear each other: the ticket leaves its queue as answered.
    Bridged {
        /// The operator.
        operator: OperatorName,
        /// Whose ticket it was.
        ticket: TicketId,
    },
    /// The operator is busy with a call outside any queue: dials, or is rung directly. A phone that
    /// rings for a queue stops. A ticket that holds the operator already goes over to this call.
    Engage {
        /// The operator.
        operator: OperatorName,
        /// Names this engagement.
        ticket: TicketId,
        /// The call.
        call: CallId,
    },
    /// An engaged operator speaks with a caller of a queue, so that its paperwork follows.
    Spoke {
        /// The operator.
        operator: OperatorName,
        /// The engagement.
        ticket: TicketId,
        /// The queue.
        queue: QueueName,
    },
    /// The operator's leg of a bridged call, of a whisper whose caller left, or of an engagement is
    /// over.
    Released {
        /// The operator.
        operator: OperatorName,
        /// Whose ticket it was.
        ticket: TicketId,
    },
    /// A first phone of the operator registered: logged out becomes available.
    PhoneUp {
        /// The operator.
        operator: OperatorName,
    },
    /// The last phone of the operator is gone: logged out, unless in a call.
    PhoneDown {
        /// The operator.
        operator: OperatorName,
    },
    /// The operator, or a supervisor, wants a state. A ringing phone and a talk are waited for;
    /// paperwork ends.
    SetState {
        /// The operator.
        operator: OperatorName,
        /// Which.
        state: Wanted,
    },
    /// The disposition of a talk was said.
    Described {
        /// The operator who owed it.
        operator: OperatorName,
        /// The call.
        call: CallId,
    },
}

/// What the distributor decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AcdEffect {
    /// The caller came to a queue.
    Joined {
        /// The ticket.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// The queue.
        queue: QueueName,
        /// From one.
        position: u32,
        /// How long it will take, where that can be told.
        wait: Option<Duration>,
        /// False when the queue has no place or nobody to serve it: its `Left` follows at once.
        stays: bool,
    },
    /// Ring this operator for this caller; the operator is reserved.
    Offer {
        /// The ticket.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// The operator.
        operator: OperatorName,
        /// The queue it is for.
        queue: QueueName,
        /// How long the phone may ring; the distributor's own timer reports it as missed.
        ring: Duration,
    },
    /// Stop ringing this operator; the operator is free again already.
    Withdraw {
        /// The ticket.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// The operator.
        operator: OperatorName,
        /// [`MissReason::NoAnswer`] when it rang out, [`MissReason::Failed`] when the phone is gone,
        /// [`MissReason::Withdrawn`] when somebody else was faster or the caller left.
        reason: MissReason,
    },
    /// The caller left a queue. Unless it was answered the ticket is forgotten, and its call may join
    /// another queue with it.
    Left {
        /// The ticket.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// The queue.
        queue: QueueName,
        /// Why.
        reason: LeftReason,
        /// How long the caller stood in it.
        wait: Duration,
    },
    /// A caller still waits, and the time in which the queue should have answered is over.
    Breached {
        /// The ticket.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// The queue.
        queue: QueueName,
    },
    /// What is wanted of an operator, or owed by one, changed: to be kept over a restart.
    Wished {
        /// The operator.
        operator: OperatorName,
        /// What holds now.
        wish: Wish,
    },
    /// An operator's state changed.
    State {
        /// The operator.
        operator: OperatorName,
        /// The state before.
        from: OperatorState,
        /// The state now.
        to: OperatorState,
        /// Why, in a word of the event stream.
        reason: String,
        /// How long the state before lasted.
        lasted: Duration,
        /// When it changed.
        at: Wall,
        /// The call that has to do with it.
        call: Option<CallId>,
    },
}
