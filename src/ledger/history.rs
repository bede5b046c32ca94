//! What is remembered of a number: how often it called, when it was last seen, and who spoke with it
//! last.
//!
//! It keeps no calls: those are in the store, which brings this back after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::OperatorName;
use crate::limits;
use crate::time::{Duration, Wall};

/// One number's past.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// Calls from it.
    pub calls: u32,
    /// When it was first seen.
    pub first: Wall,
    /// When it was last seen.
    pub last: Wall,
    /// The last talk with it: when it began, and with whom.
    pub talk: Option<Talk>,
}

/// The last talk with a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Talk {
    /// When it began.
    pub at: Wall,
    /// With whom.
    pub operator: OperatorName,
}

impl Past {
    /// Whether a call now comes from somebody who has called within this.
    #[must_use]
    pub fn repeats(&self, now: Wall, within: Duration) -> bool {
        self.calls > 0 && now < self.last + within
    }
}

/// The past of every number that is remembered.
#[derive(Clone, Debug)]
pub struct History {
    numbers: BTreeMap<Arc<str>, Past>,
    by_last: BTreeSet<(Wall, Arc<str>)>,
    most: usize,
}

impl Default for History {
    fn default() -> Self {
        Self::bounded(limits::NUMBERS_REMEMBERED)
    }
}

impl History {
    /// A history of at most so many numbers.
    #[must_use]
    pub const fn bounded(most: usize) -> Self {
        Self {
            numbers: BTreeMap::new(),
            by_last: BTreeSet::new(),
            most,
        }
    }

    /// Takes up what was known before a restart.
    #[must_use]
    pub fn restore(known: Vec<(String, Past)>) -> Self {
        let mut restored = Self::default();
        for (number, past) in known {
            restored.keep(Arc::from(number), past);
        }
        restored
    }

    /// What is known of a number.
    #[must_use]
    pub fn past(&self, number: &str) -> Option<&Past> {
        self.numbers.get(number)
    }

    /// A call from the number, or one to it that was answered, is over. It began at `at`; `talk` is
    /// with whom they spoke, when anybody did.
    pub fn called(&mut self, number: &str, at: Wall, from_it: bool, talk: Option<Talk>) {
        let (key, before) = match self.numbers.remove_entry(number) {
            Some((key, before)) => {
                self.by_last.remove(&(before.last, Arc::clone(&key)));
                (key, Some(before))
            }
            None => (Arc::from(number), None),
        };
        let mut past = before.unwrap_or(Past {
            calls: 0,
            first: at,
            last: at,
            talk: None,
        });
        past.calls = past.calls.saturating_add(u32::from(from_it));
        past.first = past.first.min(at);
        past.last = past.last.max(at);
        let newer = |talk: &Talk| past.talk.as_ref().is_none_or(|known| known.at <= talk.at);
        if let Some(talk) = talk.filter(newer) {
            past.talk = Some(talk);
        }
        self.keep(key, past);
    }

    /// Forgets a number.
    pub fn forget(&mut self, number: &str) {
        if let Some((key, past)) = self.numbers.remove_entry(number) {
            self.by_last.remove(&(past.last, key));
        }
    }

    fn keep(&mut self, number: Arc<str>, past: Past) {
        self.by_last.insert((past.last, Arc::clone(&number)));
        if let Some(before) = self.numbers.insert(Arc::clone(&number), past.clone())
            && before.last != past.last
        {
            self.by_last.remove(&(before.last, number));
        }
        while self.numbers.len() > self.most {
            let Some((_, oldest)) = self.by_last.pop_first() else {
                break;
            };
            self.numbers.remove(&oldest);
        }
    }

    /// How many numbers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether no number is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u32) -> Wall {
        Wall::default() + Duration::from_secs(86_400) * day
    }

    fn with(operator: &str, at: Wall) -> Option<Talk> {
        let operator = operator.into();
        Some(Talk { at, operator })
    }

    #[test]
    fn a_number_is_remembered_with_whoever_spoke_last() {
        let mut history = History::default();
        history.called("1", day(1), true, with("olena", day(1)));
        history.called("1", day(2), true, None);
        history.called("1", day(3), false, with("iryna", day(3)));
        let past = history.past("1").unwrap();
        assert_eq!((past.calls, past.first, past.last), (2, day(1), day(3)));
        assert_eq!(past.talk, with("iryna", day(3)));
        // A call that began earlier and ended later does not set the talk back.
        history.called("1", day(2), true, with("olena", day(2)));
        let past = history.past("1").unwrap();
        assert_eq!(
            (past.last, past.talk.clone()),
            (day(3), with("iryna", day(3)))
        );
    }

    #[test]
    fn who_has_called_within_six_months_repeats() {
        let mut history = History::default();
        history.called("1", day(0), true, None);
        history.called("2", day(0), false, with("olena", day(0)));
        let within = limits::REPEAT_WITHIN;
        let repeats = |number: &str, on| history.past(number).unwrap().repeats(day(on), within);
        assert!(repeats("1", 1) && repeats("1", 182));
        assert!(!repeats("1", 184));
        assert!(!repeats("2", 1), "we called, they never did");
    }

    #[test]
    fn the_number_unseen_for_longest_is_forgotten_first() {
        let mut history = History::bounded(2);
        history.called("1", day(1), true, None);
        history.called("2", day(2), true, None);
        history.called("1", day(3), true, None);
        history.called("3", day(4), true, None);
        assert!(history.past("2").is_none() && history.len() == 2);
        assert_eq!(history.past("1").map(|past| past.calls), Some(2));
        assert_eq!(history.by_last.len(), 2);
    }
}
