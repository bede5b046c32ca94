//! What somebody outside wants done with the floor or with a call: by the API, or by a feature code.
//!
//! Who asks has proved who it is, and the shell has read the request; whether the role allows it, and
//! whether it makes sense now, is judged by the engine, which answers every command once.

use serde_json::Value;

use crate::id::{CallId, CallbackId, OperatorName, QueueName, SiteName};
use crate::ledger::callbacks::Remark;
use crate::media::command::Silence;
use crate::time::Wall;
use crate::words::{Role, Supervision};

/// Who asks, for the audit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// The name of the token, or of the operator who dialled.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The operator whom a token of role `operator` stands for.
    pub operator: Option<OperatorName>,
}

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Every queue, as it is now.
    Queues,
    /// Every operator, as they are now.
    Operators,
    /// One operator.
    Operator(OperatorName),
    /// Live calls.
    LiveCalls(Wanted),
    /// One live call.
    LiveCall(CallId),
    /// An operator shall be in a state.
    SetState {
        /// Who.
        operator: OperatorName,
        /// In which.
        state: WantedState,
        /// Why, for the journal.
        reason: Option<String>,
    },
    /// A call shall end.
    HangUp(CallId),
    /// The operator of a call holds the caller, or takes the caller back.
    Hold {
        /// The call.
        call: CallId,
        /// Held, or taken back.
        held: bool,
    },
    /// The recording of a talk shall hold silence, or sound again.
    Silence {
        /// The call.
        call: CallId,
        /// Why; none takes in again what is said.
        silence: Option<Silence>,
    },
    /// A talking caller shall go to somebody: a name or number as an operator would dial it.
    Transfer {
        /// The call.
        call: CallId,
        /// To whom.
        to: String,
    },
    /// A supervisor takes part in a call by their own phone.
    Supervise {
        /// The call.
        call: CallId,
        /// Whose phone is rung.
        supervisor: OperatorName,
        /// How.
        mode: Supervision,
    },
    /// A supervisor takes the caller over from the operator.
    TakeOver {
        /// The call.
        call: CallId,
        /// Whose phone is rung.
        supervisor: OperatorName,
    },
    /// A waiting caller goes to another queue.
    Move {
        /// The call.
        call: CallId,
        /// The queue.
        queue: QueueName,
    },
    /// A waiting caller is offered to this operator next.
    Pull {
        /// The call.
        call: CallId,
        /// The operator.
        operator: OperatorName,
    },
    /// A waiting caller's priority is another one.
    Priority {
        /// The call.
        call: CallId,
        /// Higher is served first.
        priority: i32,
    },
    /// Somebody asked for a call, or a list of people shall be called.
    Leads(Box<LeadsAsked>),
    /// What is known of a number.
    Number(String),
    /// The callbacks whose patients are being rung.
    Attempting,
    /// The patient of a callback shall be rung now.
    CallBack {
        /// The callback.
        callback: CallbackId,
        /// For whom alone; none lets the queue pick.
        operator: Option<OperatorName>,
    },
    /// Somebody says something of a callback.
    RemarkCallback {
        /// The callback.
        callback: CallbackId,
        /// What.
        remark: Remark,
    },
    /// A person is forgotten, by their number.
    Erase {
        /// The number, as calls have it.
        phone: String,
    },
    /// What an operator says of a call.
    Describe {
        /// The call.
        call: CallId,
        /// What the store knows of a call that the engine has forgotten.
        past: Option<Past>,
        /// The code, one of the queue's; none leaves it.
        disposition: Option<String>,
        /// A comment; none leaves it.
        comment: Option<String>,
        /// Words to find it by; none leaves them.
        tags: Option<Vec<String>>,
    },
}

/// A call that is over, as far as a word about it needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// The queue the caller stood in last.
    pub queue: Option<QueueName>,
    /// Who talked with the caller.
    pub operator: Option<OperatorName>,
}

/// Which live calls are wanted, by their ids, which sort by time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Only later ones.
    pub after: Option<CallId>,
    /// Only earlier ones.
    pub before: Option<CallId>,
    /// The latest first; else the earliest.
    pub latest_first: bool,
    /// How many at most.
    pub limit: usize,
    /// Without those that have ended and are not forgotten yet.
    pub live_only: bool,
    /// With this number on either side, as the call has it.
    pub phone: Option<String>,
    /// With this operator.
    pub operator: Option<OperatorName>,
    /// In this queue now, or last.
    pub queue: Option<QueueName>,
}

/// The states that can be asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WantedState {
    /// Takes calls; paperwork ends at once.
    Available,
    /// Takes none, for this reason.
    Paused(String),
    /// Takes none, and is not at work.
    LoggedOut,
}

/// Leads that somebody sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeadsAsked {
    /// The request may come again, and is answered the same then.
    pub once: Option<Once>,
    /// Who shall be called.
    pub rows: Rows,
}

/// What tells a request from any other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Once {
    /// What its sender calls it.
    pub key: String,
    /// Of its body.
    pub fingerprint: String,
}

/// One lead, or a list of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rows {
    /// One.
    One(Box<LeadAsked>),
    /// A list.
    List {
        /// Its name.
        name: String,
        /// The rows, each as it could be read, or why it could not.
        rows: Vec<Result<LeadAsked, String>>,
    },
}

/// Who shall be called.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LeadAsked {
    /// The number, as people write it.
    pub phone: String,
    /// The name.
    pub name: Option<String>,
    /// The branch.
    pub site: Option<SiteName>,
    /// The city.
    pub city: Option<String>,
    /// Where they came from.
    pub source: Option<String>,
    /// The campaign.
    pub campaign: Option<String>,
    /// Whose operators shall call.
    pub queue: Option<QueueName>,
    /// Higher is called first.
    pub priority: i32,
    /// In their words.
    pub comment: Option<String>,
    /// Not before this.
    pub not_before: Option<Wall>,
}

/// Why a command was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The status of HTTP: 403, 404, 409, 422 or 503.
    pub status: u16,
    /// A sentence that says what to do.
    pub why: String,
}

/// What came of a command: what is there now.
pub type Reply = Result<Value, Refused>;
