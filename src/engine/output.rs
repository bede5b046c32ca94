//! What the engine asks the shell to do, in order.

use std::net::SocketAddr;

use bytes::Bytes;

use super::command::Reply;
use super::event::Event;
use crate::acd::message::Wish;
use crate::id::{AskId, CallId, CommandId, OperatorName};
use crate::ledger::answers::Answered;
use crate::media::command::MediaCommand;
use crate::sip::flow::{Flow, Transport};
use crate::sip::registrar::Binding;
use crate::sip::resolve::RecordKind;
use crate::time::Duration;
use crate::words::Phrase;

/// One output.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send these bytes; a failure comes back as [`super::input::Input::FlowDown`] on a stream and is
    /// silent on UDP.
    Transmit {
        /// The way.
        flow: Flow,
        /// The bytes.
        bytes: Bytes,
    },
    /// For the media threads.
    Media(MediaCommand),
    /// For the store, in this order.
    Record(Record),
    /// A question; its answer is [`super::input::Input::Answer`].
    Ask {
        /// Names it.
        id: AskId,
        /// What is asked.
        question: Question,
    },
    /// What came of a command.
    Reply {
        /// Which command.
        id: CommandId,
        /// What is there now, or why it was not done.
        reply: Reply,
    },
    /// A dialog belongs to a call from now on; said before its next message leaves.
    Leg {
        /// The call.
        call: CallId,
        /// The dialog's Call-ID.
        sip_call_id: String,
    },
    /// For a histogram.
    Observe(Observation),
    /// For the log.
    Log(LogLine),
}

/// A question whose answer the engine waits for, within a bound of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// Are all records before this one committed?
    Committed,
    /// Which records does a name have?
    Records {
        /// The name.
        name: String,
        /// Of which kind.
        kind: RecordKind,
    },
    /// Can these phrases be made ready, soon?
    Render {
        /// The phrases.
        phrases: Vec<Phrase>,
    },
    /// Can a connection be made?
    Connect {
        /// TCP or TLS.
        transport: Transport,
        /// To where.
        peer: SocketAddr,
        /// Whose certificate it must show, on TLS.
        server_name: String,
    },
}

/// What the store keeps. Applied in order, several in one transaction.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// One event, for the outbox; it gets the next number of the sequence.
    Event(Box<Event>),
    /// A phone's binding is new or changed.
    Bound(Box<Binding>),
    /// A binding is gone.
    Unbound {
        /// Whose.
        user: OperatorName,
        /// The key of the binding: its contact, or its instance and reg-id.
        key: String,
    },
    /// The answer to a request that may come again.
    Answered(Box<Answered>),
    /// What is wanted of an operator, so that a restart knows who was paused, and who had gone.
    Operator {
        /// Who.
        operator: OperatorName,
        /// What holds now.
        wish: Wish,
    },
}

/// A measured value for a histogram of the contract.
#[derive(Clone, PartialEq, Debug)]
pub enum Observation {
    /// `strowger_queue_wait_seconds{queue}`.
    QueueWait {
        /// The queue.
        queue: crate::id::QueueName,
        /// The wait.
        wait: Duration,
    },
    /// `strowger_dispatch_seconds`: operator free → INVITE sent.
    Dispatch(Duration),
    /// `strowger_setup_seconds`: INVITE received → first response above 100 sent.
    Setup(Duration),
}

/// How much a line matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Somebody must act.
    Error,
    /// Worth a look.
    Warn,
    /// One a call.
    Info,
}

/// One line for the log. Numbers in it are masked already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The call it is about.
    pub call: Option<CallId>,
    /// The sentence.
    pub text: String,
}
