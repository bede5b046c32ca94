//! What an engine is made with.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::acd::message::Wish;
use crate::call::message::CallSettings;
use crate::dialplan::plan::Dialplan;
use crate::id::OperatorName;
use crate::ledger::answers::Answered;
use crate::ledger::callbacks::Callback;
use crate::ledger::history::Past;
use crate::ledger::leads::Lead;
use crate::sip::endpoint::EndpointConfig;
use crate::sip::registrar::Binding;
use crate::words::{Phrase, Prompt};

/// Settings that last as long as the process, and what a restart brings back.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// For SIP.
    pub endpoint: EndpointConfig,
    /// For every call.
    pub call: CallSettings,
    /// Calls at once; one more gets 503.
    pub calls: usize,
    /// New calls a second; more get 503.
    pub calls_per_second: u32,
    /// The plan to begin with.
    pub plan: Arc<Dialplan>,
    /// Its prompts that are ready.
    pub prompts: Arc<BTreeMap<Phrase, Prompt>>,
    /// What the store kept.
    pub restored: Restored,
}

/// What the store kept over a restart.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Where phones were.
    pub bindings: Vec<Binding>,
    /// What was wanted of whom: pauses and logouts.
    pub wishes: Vec<(OperatorName, Wish)>,
    /// Callbacks that are still open.
    pub callbacks: Vec<Callback>,
    /// Leads that are open, and those closed not long ago.
    pub leads: Vec<Lead>,
    /// The answers to requests that may come again.
    pub answers: Vec<Answered>,
    /// The past of the numbers that called, those seen last.
    pub numbers: Vec<(String, Past)>,
}
