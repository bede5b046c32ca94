//! What the engine can be told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::command::{Actor, Command};
use crate::dialplan::plan::Dialplan;
use crate::id::{AskId, CommandId, FlowId};
use crate::media::command::MediaEvent;
use crate::sip::flow::Flow;
use crate::sip::resolve::DnsRecord;
use crate::words::{Phrase, Prompt};

/// The answer to a question of the engine's.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Every record before the question is on disk.
    Committed,
    /// The records of a name, or why there are none to be had; an empty list is an answer.
    Records(Result<Vec<DnsRecord>, String>),
    /// The phrases that are ready now; those that nothing says are missing.
    Rendered(BTreeMap<Phrase, Prompt>),
    /// The connection stands, or why it does not.
    Connected(Result<Flow, String>),
}

/// One input. Borrowed bytes: a packet that is dropped is never copied.
#[derive(Debug)]
pub enum Input<'a> {
    /// One datagram, or one framed message of a stream.
    Sip {
        /// The way it came.
        flow: Flow,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A stream stands: somebody connected, or [`super::output::Question::Connect`] was answered.
    FlowUp {
        /// The way.
        flow: Flow,
    },
    /// A stream is gone.
    FlowDown {
        /// Which one.
        flow: FlowId,
    },
    /// The media threads have something to say.
    Media(MediaEvent),
    /// A question of ours was answered.
    Answer {
        /// Which question.
        id: AskId,
        /// What it is.
        answer: Answer,
    },
    /// Something set by [`super::output::Output`]'s wake-up is due.
    Timeout,
    /// A new dialplan is live from now on; calls under way keep what was decided.
    Plan {
        /// The plan.
        plan: Arc<Dialplan>,
        /// Its prompts that are ready.
        prompts: Arc<BTreeMap<Phrase, Prompt>>,
    },
    /// A changed dialplan does not load; the live one stays.
    PlanRejected {
        /// How many problems it has.
        problems: usize,
        /// The first of them.
        first: String,
    },
    /// Somebody outside wants something: answered by exactly one
    /// [`super::output::Output::Reply`] of this id.
    Command {
        /// Names it.
        id: CommandId,
        /// Who wants it.
        actor: Actor,
        /// What.
        command: Command,
    },
    /// Take no new calls: 503 with Retry-After from now on.
    Drain,
    /// The drain's bound is reached: end every call.
    HangUpAll,
}
