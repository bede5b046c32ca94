//! How those who asked for a call on the website are called, and those who stand on lists.

use std::collections::BTreeMap;

use super::Rung;
use crate::dialplan::whisper::Template;
use crate::id::{CalendarName, QueueName};
use crate::time::Duration;
use crate::words::Language;

/// The rules for leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leads {
    /// The same number within this is the same lead.
    pub dedupe: Duration,
    /// Whose operators call, where a lead does not say.
    pub queue: Option<QueueName>,
    /// Calls for lists at once.
    pub at_once: usize,
    /// The ladder; none is that of callbacks.
    pub attempts: Option<Vec<Rung>>,
    /// When leads are called; none is whenever their queue is open.
    pub hours: Option<CalendarName>,
    /// What operators hear, by language, as the plan writes it.
    pub whispers: BTreeMap<Language, Template>,
}

impl Leads {
    /// How long the same number is the same lead.
    pub const DEDUPE: Duration = Duration::from_secs(600);
    /// Calls for lists at once.
    pub const AT_ONCE: usize = 3;
}
