//! What is tried before `numbers`: who is refused, who goes first, who is sent elsewhere.
//!
//! Routes are read in order. The first that fits and has targets or a refusal ends the search; the
//! first that fits and has a priority gives it, and the search goes on.

use super::decide::Reject;
use super::lists::NumberList;
use super::plan::{Dialplan, Position, Target};
use crate::id::{CalendarName, ListName, SiteName, TrunkName};
use crate::time::Wall;

/// One of `routes`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// What a call must be; everything that is asked holds.
    pub when: When,
    /// What becomes of it; none goes on to the next route, and at last to `numbers`.
    pub then: Option<Then>,
    /// Higher is served first.
    pub priority: Option<i32>,
    /// Where it is written.
    pub position: Position,
}

/// What becomes of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Then {
    /// It is refused.
    Reject(Reject),
    /// It goes there, in order.
    To(Vec<Target>),
}

/// What a call must be. What is none is not asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct When {
    /// Who calls: any of these.
    pub caller: Option<Callers>,
    /// The dialled number.
    pub to: Option<NumberList>,
    /// The carrier: any of these.
    pub trunk: Option<Vec<TrunkName>>,
    /// The branch of the dialled number: any of these.
    pub site: Option<Vec<SiteName>>,
    /// Calendars that must be open (true) or closed.
    pub calendar: Vec<(CalendarName, bool)>,
}

/// Who calls.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Callers {
    /// Whoever withholds the number.
    pub anonymous: bool,
    /// Whoever is on one of these lists.
    pub lists: Vec<ListName>,
    /// Whoever has one of these numbers.
    pub numbers: NumberList,
}

/// A call as routes see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The caller's number in E.164; none when it is withheld.
    pub from: Option<&'a str>,
    /// The dialled number in E.164, or bare digits.
    pub to: &'a str,
    /// The carrier.
    pub trunk: &'a TrunkName,
    /// The branch of the dialled number.
    pub site: Option<&'a SiteName>,
    /// When it comes.
    pub wall: Wall,
}

impl When {
    /// Whether a call is all of this.
    #[must_use]
    pub fn fits(&self, plan: &Dialplan, seen: Seen<'_>) -> bool {
        let caller = |callers: &Callers| callers.hold(plan, seen.from);
        let site = |sites: &Vec<SiteName>| seen.site.is_some_and(|site| sites.contains(site));
        self.caller.as_ref().is_none_or(caller)
            && self.to.as_ref().is_none_or(|to| to.contains(seen.to))
            && (self.trunk.as_ref()).is_none_or(|trunks| trunks.contains(seen.trunk))
            && self.site.as_ref().is_none_or(site)
            && self
                .calendar
                .iter()
                .all(|(name, open)| plan.is_open(name, seen.site, seen.wall) == *open)
    }
}

impl Callers {
    fn hold(&self, plan: &Dialplan, from: Option<&str>) -> bool {
        let Some(from) = from else {
            return self.anonymous;
        };
        let mut lists = self.lists.iter().filter_map(|name| plan.lists.get(name));
        self.numbers.contains(from) || lists.any(|list| list.contains(from))
    }
}
