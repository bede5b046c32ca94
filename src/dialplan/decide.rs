//! Facts of a call in, a decision out.

use crate::id::{QueueName, SiteName, TrunkName};
use crate::number::{compact, normalise};
use crate::words::Language;

use super::plan::{Dialplan, Position, Whisper};

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

impl Dialplan {
    /// What a call means. Numbers are read as the country of its trunk writes them.
    #[must_use]
    pub fn decide(&self, facts: &Facts) -> Decision {
        let trunk = self.trunks.get(&facts.trunk);
        let country = trunk.map_or(self.country, |trunk| trunk.country);
        let read = |text: &str| match normalise(text, country) {
            Ok(number) => number.to_string(),
            Err(_) => text.to_owned(),
        };
        let to = read(&facts.to);
        let number = self
            .numbers
            .find(&to)
            .or_else(|| self.numbers.find(&compact(&to)?));
        let from = facts.from.as_deref().filter(|from| !from.trim().is_empty());
        Decision {
            from: from.map(read),
            targets: number.map_or_else(Vec::new, |number| number.to.clone()),
            site: number.and_then(|number| number.site.clone()),
            city: number.and_then(|number| number.city.clone()),
            source: number.and_then(|number| number.source.clone()),
            campaign: number.and_then(|number| number.campaign.clone()),
            language: number.map_or(self.language, |number| number.language),
            whisper: number.map_or_else(Whisper::default, |number| number.whisper.clone()),
            rule: number.map(|number| number.position.clone()),
            to,
        }
    }
}
