//! Facts of a call in, a decision out.

use crate::id::{SiteName, TrunkName};
use crate::number::{compact, normalise};
use crate::time::Wall;
use crate::words::Language;

use super::plan::{Dialplan, Number, Position, Target, Whisper};
use super::routes::{Seen, Then};

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

/// A refusal on purpose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reject {
    /// The status code.
    pub code: u16,
    /// Why, for whoever reads the events.
    pub note: Option<String>,
}

/// What the plan says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The dialled number in E.164, or as it came where no rule of the country reads it.
    pub to: String,
    /// The caller's number in E.164, or as it came; none when it is withheld.
    pub from: Option<String>,
    /// Where it goes, in order; empty when nobody routes the number, and when it is refused.
    pub targets: Vec<Target>,
    /// The call is refused on purpose.
    pub reject: Option<Reject>,
    /// Higher is served first.
    pub priority: i32,
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
    /// What a call means at this moment. Numbers are read as the country of its trunk writes them.
    #[must_use]
    pub fn decide(&self, facts: &Facts, wall: Wall) -> Decision {
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
        let from = from.map(read);
        let seen = Seen {
            from: from.as_deref(),
            to: &to,
            trunk: &facts.trunk,
            site: number.and_then(|number| number.site.as_ref()),
            wall,
        };
        let routed = self.route(seen, number);
        Decision {
            targets: routed.targets,
            reject: routed.reject,
            priority: routed.priority,
            rule: routed.rule,
            site: number.and_then(|number| number.site.clone()),
            city: number.and_then(|number| number.city.clone()),
            source: number.and_then(|number| number.source.clone()),
            campaign: number.and_then(|number| number.campaign.clone()),
            language: number.map_or(self.language, |number| number.language),
            whisper: number.map_or_else(Whisper::default, |number| number.whisper.clone()),
            from,
            to,
        }
    }

    /// What `routes` say, and `numbers` where they are silent.
    fn route(&self, seen: Seen<'_>, number: Option<&Number>) -> Routed {
        let mut fitting = self
            .routes
            .iter()
            .filter(|route| route.when.fits(self, seen));
        let mut priority = None;
        let ends = fitting.find(|route| {
            priority = priority.or(route.priority);
            route.then.is_some()
        });
        let (targets, reject) = match ends.and_then(|route| route.then.clone()) {
            Some(Then::To(targets)) => (targets, None),
            Some(Then::Reject(reject)) => (Vec::new(), Some(reject)),
            None => (
                number.map_or_else(Vec::new, |number| number.to.clone()),
                None,
            ),
        };
        let rule = ends.map(|route| &route.position);
        let rule = rule.or_else(|| number.map(|number| &number.position));
        Routed {
            targets,
            reject,
            priority: priority.unwrap_or(0),
            rule: rule.cloned(),
        }
    }
}

/// Where a call goes, and how urgently.
struct Routed {
    targets: Vec<Target>,
    reject: Option<Reject>,
    priority: i32,
    rule: Option<Position>,
}
