//! What operators dial outside, counted: calls at once and calls a day. Emergency calls are counted and
//! never held up.

use std::collections::BTreeMap;

use crate::dialplan::plan::Dialplan;
use crate::id::{CallId, OperatorName};
use crate::time::Wall;

/// Why a call out is held up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// `outbound.max_calls`.
    AtOnce,
    /// `outbound.per_day`.
    PerDay,
}

impl Bound {
    /// The word of events: the key of the plan.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtOnce => "outbound.max_calls",
            Self::PerDay => "outbound.per_day",
        }
    }
}

/// Whose calls out there are. Operators of the plan alone get in here.
#[derive(Debug, Default)]
pub struct Toll {
    live: BTreeMap<CallId, OperatorName>,
    at_once: BTreeMap<OperatorName, u32>,
    today: BTreeMap<OperatorName, u32>,
    day: i64,
}

impl Toll {
    /// Whether the operator may dial one more number now; `within` a call out of the same operator's
    /// it takes that one's place.
    pub fn may(
        &mut self,
        plan: &Dialplan,
        operator: &OperatorName,
        wall: Wall,
        within: Option<CallId>,
    ) -> Result<(), Bound> {
        let day = plan.day_of(wall);
        if day != self.day {
            self.day = day;
            self.today.clear();
        }
        let Some(outbound) = &plan.outbound else {
            return Ok(());
        };
        let count = |counts: &BTreeMap<_, u32>| counts.get(operator).copied().unwrap_or(0);
        let own = within.and_then(|call| self.live.get(&call)) == Some(operator);
        if count(&self.at_once).saturating_sub(u32::from(own)) >= outbound.max_calls {
            return Err(Bound::AtOnce);
        }
        match outbound.per_day {
            Some(most) if count(&self.today) >= most => Err(Bound::PerDay),
            Some(_) | None => Ok(()),
        }
    }

    /// A call dials outside for this operator.
    pub fn begins(&mut self, call: CallId, operator: OperatorName) {
        *self.today.entry(operator.clone()).or_default() += 1;
        if let Some(before) = self.live.insert(call, operator.clone()) {
            self.discount(&before);
        }
        *self.at_once.entry(operator).or_default() += 1;
    }

    /// A call gave its party to another one, and is counted as that one now: whoever put two parties
    /// through could dial without end otherwise.
    pub fn follows(&mut self, call: CallId, to: CallId) {
        if let Some(operator) = self.live.remove(&call)
            && let Some(before) = self.live.insert(to, operator)
        {
            self.discount(&before);
        }
    }

    /// Whether a call is counted.
    #[must_use]
    pub fn counts(&self, call: CallId) -> bool {
        self.live.contains_key(&call)
    }

    /// A call is over.
    pub fn ends(&mut self, call: CallId) {
        if let Some(operator) = self.live.remove(&call) {
            self.discount(&operator);
        }
    }

    fn discount(&mut self, operator: &OperatorName) {
        if let Some(count) = self.at_once.get_mut(operator) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.at_once.remove(operator);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ulid;
    use crate::rng::Rng;

    #[test]
    fn calls_at_once_and_calls_a_day_are_counted_by_operator() {
        let plan = crate::dialplan::plan::Outbound {
            via: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            emergency: Vec::new(),
            max_calls: 1,
            per_day: Some(2),
            hours: None,
            show: BTreeMap::new(),
            show_else: None,
        };
        let plan = dialplan(plan);
        let (olena, iryna) = (OperatorName::from("olena"), OperatorName::from("iryna"));
        let mut rng = Rng::new([1; 32]);
        let mut call = || CallId(Ulid::new(Wall::default(), &mut rng));
        let (first, second) = (call(), call());
        let noon = Wall::from_millis(1_791_183_600_000);
        let mut toll = Toll::default();
        assert_eq!(toll.may(&plan, &olena, noon, None), Ok(()));
        toll.begins(first, olena.clone());
        assert_eq!(toll.may(&plan, &olena, noon, None), Err(Bound::AtOnce));
        assert_eq!(toll.may(&plan, &olena, noon, Some(first)), Ok(()));
        assert_eq!(toll.may(&plan, &iryna, noon, None), Ok(()));
        toll.ends(first);
        assert_eq!(toll.may(&plan, &olena, noon, None), Ok(()));
        toll.begins(second, olena.clone());
        let third = call();
        toll.follows(second, third);
        toll.ends(second);
        assert_eq!(toll.may(&plan, &olena, noon, None), Err(Bound::AtOnce));
        toll.ends(third);
        assert_eq!(toll.may(&plan, &olena, noon, None), Err(Bound::PerDay));
        let tomorrow = Wall::from_millis(noon.as_millis() + 86_400_000);
        assert_eq!(toll.may(&plan, &olena, tomorrow, None), Ok(()));
    }

    fn dialplan(outbound: crate::dialplan::plan::Outbound) -> Dialplan {
        use crate::dialplan::compile::{Options, Source, compile};
        use crate::dialplan::diagnose::Severity;
        use crate::dialplan::secrets::Secrets;
        struct Nothing;
        impl Secrets for Nothing {
            fn env(&self, _name: &str) -> Option<String> {
                None
            }
            fn file(&self, _path: &str) -> Option<String> {
                None
            }
        }
        let text = "version: 1\ncountry: UA\noperators: { olena: { password: x } }\n";
        let sources = [Source {
            name: "plan.yaml",
            text,
        }];
        let (unset, whole) = (Severity::Error, true);
        let mut plan = compile(&sources, &Nothing, Options { unset, whole });
        let mut plan = plan.plan.take().expect("the plan compiles");
        plan.outbound = Some(outbound);
        plan
    }
}
