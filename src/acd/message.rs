//! The words between the distributor and the calls. Ids only; a call is known by its ticket.

use std::collections::BTreeMap;

use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::time::{Duration, Wall};
use crate::words::{LeftReason, MissReason, OperatorState, Strategy};

/// What the distributor must know of a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueRules {
    /// Who serves it, with the level: lower is asked first.
    pub operators: BTreeMap<OperatorName, u8>,
    /// How one is picked among the free of one level.
    pub strategy: Strategy,
    /// How long a phone rings.
    pub ring: Duration,
    /// Paperwork after a talk.
    pub wrap_up: Duration,
    /// The longest wait in this queue; none waits for ever.
    pub max_wait: Option<Duration>,
    /// After a decline, or a hang-up in the whisper, the same caller is not offered this long.
    pub after_decline: Duration,
    /// The same after busy.
    pub after_busy: Duration,
    /// The same after ringing out or an unreachable phone.
    pub after_no_answer: Duration,
}

/// The floor as the dialplan describes it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Floor {
    /// Every operator.
    pub operators: Vec<OperatorName>,
    /// Every queue.
    pub queues: BTreeMap<QueueName, QueueRules>,
}

/// What the distributor is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AcdInput {
    /// A new floor plan; tickets and states of those who stay are kept.
    Floor(Box<Floor>),
    /// A caller enters the first queue of a way and moves along it when `max_wait` is over, or when
    /// nobody serves a queue.
    Join {
        /// The new ticket.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// The queues, in order, overflow included; never empty.
        way: Vec<QueueName>,
        /// Higher is served first.
        priority: i32,
    },
    /// The caller left, or the call ended: withdraw every offer and forget the ticket. Ignored when
    /// the ticket is gone.
    Leave {
        /// The ticket.
        ticket: TicketId,
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
    /// The operator answered first: the whisper begins, other offers of the ticket are withdrawn.
    Answered {
        /// The operator.
        operator: OperatorName,
        /// For which caller.
        ticket: TicketId,
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
    /// The operator asks for a pause, or for work again.
    Pause {
        /// The operator.
        operator: OperatorName,
        /// A reason begins or renews a pause; none ends it.
        reason: Option<String>,
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
    /// The caller left a queue; a `Joined` of the next one may follow.
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
    /// The way is at its end: the call is missed for the reason of its last `Left`.
    Exhausted {
        /// The ticket, which is gone now.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// Why.
        reason: LeftReason,
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
