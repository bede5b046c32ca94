//! Facts of a call in, a decision out.

use crate::id::{QueueName, SiteName, TrunkName};
use crate::words::Language;

use super::plan::{Position, Whisper};

/// What is known of a call when it arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The carrier that brought it.
    pub trunk: TrunkName,
    /// The dialled number as the carrier wrote it.
    pub to: String,
    /// The caller's number as the carrier wrote it; none when it is withheld.
    pub from: Option<String>,
}

/// What the plan says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The dialled number in E.164, or as it came where no rule of the country reads it.
    pub to: String,
    /// The caller's number in E.164, or as it came; none when it is withheld.
    pub from: Option<String>,
    /// The queues, in order; empty when nobody routes the number.
    pub targets: Vec<QueueName>,
    /// The branch.
    pub site: Option<SiteName>,
    /// The city.
    pub city: Option<String>,
    /// Where the caller saw the number.
    pub source: Option<String>,
    /// The campaign.
    pub campaign: Option<String>,
    /// The language of whisper and announcements.
    pub language: Language,
    /// What the operator hears.
    pub whisper: Whisper,
    /// The rule that decided; none when nobody routes the number.
    pub rule: Option<Position>,
}
