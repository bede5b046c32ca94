//! What an operator's dialling means: a colleague, a queue, a branch, a number of ours, or one outside.
//!
//! Whoever dials has proved who it is. What the plan does not allow is barred here, before anything is
//! rung; how often and how much an operator may dial is counted by the engine.

use std::collections::BTreeMap;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::plan::{Dialplan, Outbound, Target};
use crate::id::OperatorName;
use crate::number::{compact, normalise};
use crate::time::Wall;

/// What was dialled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dialled {
    /// A colleague.
    Operator(OperatorName),
    /// Queues and what follows them, in order; never empty.
    Queues(Vec<Target>),
    /// A number outside.
    Outside {
        /// In E.164; as it was dialled when it calls for help.
        number: String,
        /// It calls for help: no limit holds it up.
        emergency: bool,
    },
}

impl Dialled {
    /// Whether it calls for help.
    #[must_use]
    pub const fn is_emergency(&self) -> bool {
        match self {
            Self::Outside { emergency, .. } => *emergency,
            Self::Operator(_) | Self::Queues(_) => false,
        }
    }
}

/// Why it was barred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Barred {
    /// Nobody here has that name or number, and `outbound` does not allow it.
    #[error("is nobody's name or number and not allowed by `outbound`")]
    Unknown,
    /// `outbound.deny` has it.
    #[error("is denied by `outbound`")]
    Denied,
    /// Outside `outbound.hours`.
    #[error("is outside the hours of `outbound`")]
    Closed,
}

/// Names and short numbers, with what each means.
pub type Keypad = BTreeMap<String, Dialled>;

/// The keypad of a plan. Where one text is several names an operator comes before a queue, and a
/// queue before a branch.
#[must_use]
pub fn keypad(plan: &Dialplan) -> Keypad {
    let mut keypad = Keypad::new();
    for number in plan.numbers.iter() {
        if let (Some(site), false) = (&number.site, number.to.is_empty()) {
            keypad
                .entry(site.to_string())
                .or_insert_with(|| Dialled::Queues(number.to.clone()));
        }
    }
    for queue in plan.queues.values() {
        let dialled = Dialled::Queues(vec![Target::Queue(queue.name.clone())]);
        let number = queue.number.clone();
        for text in number.into_iter().chain([queue.name.to_string()]) {
            keypad.insert(text, dialled.clone());
        }
    }
    for operator in plan.operators.values() {
        let dialled = Dialled::Operator(operator.name.clone());
        let number = operator.number.clone();
        for text in number.into_iter().chain([operator.name.to_string()]) {
            keypad.insert(text, dialled.clone());
        }
    }
    keypad
}

impl Dialplan {
    /// What the user part of a SIP address means when an operator dials it, or refers to it.
    pub fn dialled(&self, text: &str, wall: Wall) -> Result<Dialled, Barred> {
        let plain = compact(text);
        let outbound = self.outbound.as_ref();
        if let (Some(plain), Some(outbound)) = (&plain, outbound)
            && outbound.emergency.contains(plain)
        {
            return Ok(Dialled::Outside {
                number: plain.clone(),
                emergency: true,
            });
        }
        if let Some(dialled) = self.keypad.get(text) {
            return Ok(dialled.clone());
        }
        let number = normalise(text, self.country).ok();
        let number = number.as_ref().map(|number| number.as_str());
        // One of our own numbers stays in the house: a carrier would bring the call back, and bill it.
        let own = number.or(plain.as_deref());
        if let Some(own) = own.and_then(|own| self.numbers.find(own))
            && !own.to.is_empty()
        {
            return Ok(Dialled::Queues(own.to.clone()));
        }
        let outbound = outbound.ok_or(Barred::Unknown)?;
        let number = number.ok_or(Barred::Unknown)?;
        if outbound.deny.iter().any(|pattern| fits(pattern, number)) {
            return Err(Barred::Denied);
        }
        if !outbound.allow.iter().any(|pattern| fits(pattern, number)) {
            return Err(Barred::Unknown);
        }
        if !self.open_for_calls_out(outbound, wall) {
            return Err(Barred::Closed);
        }
        Ok(Dialled::Outside {
            number: number.to_owned(),
            emergency: false,
        })
    }

    /// The number that a call out of this operator's shows.
    #[must_use]
    pub fn shown_for(&self, operator: &OperatorName) -> Option<&str> {
        let outbound = self.outbound.as_ref()?;
        let site = self.operators.get(operator)?.site.as_ref();
        let of_site = site.and_then(|site| outbound.show.get(site));
        of_site.or(outbound.show_else.as_ref()).map(String::as_str)
    }

    /// The number of days since 1970 by the plan's clock: what `per_day` counts by.
    #[must_use]
    pub fn day_of(&self, wall: Wall) -> i64 {
        let (day, _) = self.local(wall);
        day
    }

    fn open_for_calls_out(&self, outbound: &Outbound, wall: Wall) -> bool {
        let Some((from, to)) = outbound.hours else {
            return true;
        };
        let (_, minute) = self.local(wall);
        if from < to {
            (from..to).contains(&minute)
        } else {
            !(to..from).contains(&minute)
        }
    }

    /// The day since 1970 and the minute of the day that the clock on the wall shows.
    fn local(&self, wall: Wall) -> (i64, u16) {
        let zone = TimeZoneDatabase::bundled()
            .get(&self.timezone)
            .unwrap_or(TimeZone::UTC);
        let stamp = jiff::Timestamp::from_millisecond(wall.as_millis()).unwrap_or_default();
        let seconds = wall.as_secs() + i64::from(zone.to_offset(stamp).seconds());
        let minute = seconds.rem_euclid(86_400) / 60;
        (
            seconds.div_euclid(86_400),
            u16::try_from(minute).unwrap_or(0),
        )
    }
}

/// Whether a number is the pattern, or begins with what stands before its `*`.
fn fits(pattern: &str, number: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => number.starts_with(prefix),
        None => pattern == number,
    }
}
