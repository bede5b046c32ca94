//! What was answered to a request that came with a key: the same request again is answered the same,
//! and nothing is done twice.
//!
//! It knows nothing of what was asked, only its fingerprint. A key is forgotten after
//! [`limits::ANSWERS_KEPT`], or when there are too many younger ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits;
use crate::number::named_in;
use crate::time::Wall;

/// One answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered {
    /// Whose key it is, and the key.
    pub key: String,
    /// Of the request.
    pub fingerprint: String,
    /// When.
    pub at: Wall,
    /// The answer, as JSON.
    pub answer: String,
}

/// What is known of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Met<'a> {
    /// Nothing.
    New,
    /// The same was asked, and this was the answer.
    Same(&'a str),
    /// Something else was asked with it.
    Other,
}

/// The answers of the last day.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    by_key: BTreeMap<String, Answered>,
    by_age: BTreeSet<(Wall, String)>,
    bytes: usize,
}

impl Answers {
    /// Takes up what was answered before a restart.
    #[must_use]
    pub fn restore(answered: Vec<Answered>, now: Wall) -> Self {
        let mut restored = Self::default();
        for answer in answered {
            restored.keep(answer, now);
        }
        restored
    }

    /// What is known of a key now.
    #[must_use]
    pub fn meet(&self, key: &str, fingerprint: &str, now: Wall) -> Met<'_> {
        match self.by_key.get(key) {
            Some(known) if known.at + limits::ANSWERS_KEPT <= now => Met::New,
            Some(known) if known.fingerprint == fingerprint => Met::Same(&known.answer),
            Some(_) => Met::Other,
            None => Met::New,
        }
    }

    /// Keeps an answer, in place of an older one with its key.
    pub fn keep(&mut self, answered: Answered, now: Wall) {
        self.forget(&answered.key);
        self.bytes = self.bytes.saturating_add(weight(&answered));
        self.by_age.insert((answered.at, answered.key.clone()));
        self.by_key.insert(answered.key.clone(), answered);
        while let Some((at, key)) = self.by_age.first().cloned() {
            let old = at + limits::ANSWERS_KEPT <= now;
            let full = self.by_key.len() > limits::ANSWERS || self.bytes > limits::ANSWERS_BYTES;
            if !old && !full {
                break;
            }
            self.forget(&key);
        }
    }

    /// The clock on the wall was set by so many milliseconds: no answer is older for it.
    pub fn clock_set(&mut self, millis: i64) {
        for known in self.by_key.values_mut() {
            known.at = known.at.moved(millis);
        }
        let keys = self.by_key.values().map(|it| (it.at, it.key.clone()));
        self.by_age = keys.collect();
    }

    fn forget(&mut self, key: &str) {
        if let Some(known) = self.by_key.remove(key) {
            self.bytes = self.bytes.saturating_sub(weight(&known));
            self.by_age.remove(&(known.at, known.key));
        }
    }

    /// Forgets the answers that name this number; an answer without its request tells nobody anything.
    /// Gives how many.
    pub fn erase(&mut self, phone: &str) -> usize {
        let digits = phone.trim_start_matches('+');
        let answers = self.by_key.values();
        let found = answers.filter(|it| named_in(&it.answer, digits) || named_in(&it.key, digits));
        let keys: Vec<_> = found.map(|it| it.key.clone()).collect();
        for key in &keys {
            self.forget(key);
        }
        keys.len()
    }
}

const fn weight(answered: &Answered) -> usize {
    answered.key.len() + answered.fingerprint.len() + answered.answer.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    #[test]
    fn a_clock_that_is_set_by_a_day_forgets_nothing() {
        let mut answers = Answers::default();
        answers.keep(answered("a", 0, "first"), hour(0));
        answers.keep(answered("b", 1, "second"), hour(1));
        answers.clock_set(24 * 3_600_000);
        assert_eq!(answers.meet("a", "f", hour(25)), Met::Same("first"));
        answers.keep(answered("c", 48, "third"), hour(48));
        assert_eq!(answers.meet("a", "f", hour(48)), Met::New);
        assert_eq!(answers.meet("b", "f", hour(48)), Met::Same("second"));
    }

    fn answered(key: &str, at: u64, answer: &str) -> Answered {
        Answered {
            key: key.to_owned(),
            fingerprint: "f".to_owned(),
            at: hour(at),
            answer: answer.to_owned(),
        }
    }

    fn hour(hour: u64) -> Wall {
        Wall::default() + Duration::from_secs(3_600 * hour)
    }

    #[test]
    fn a_key_is_answered_the_same_for_a_day() {
        let mut answers = Answers::default();
        answers.keep(answered("a", 0, "one"), hour(0));
        assert_eq!(answers.meet("a", "f", hour(23)), Met::Same("one"));
        assert_eq!(answers.meet("a", "g", hour(23)), Met::Other);
        assert_eq!(answers.meet("b", "f", hour(23)), Met::New);
        assert_eq!(answers.meet("a", "g", hour(24)), Met::New);
        answers.keep(answered("b", 24, "two"), hour(24));
        assert_eq!(answers.by_key.len(), 1, "the old one is gone");
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut answers = Answers::default();
        let long = "x".repeat(limits::ANSWERS_BYTES / 4);
        for key in ["a", "b", "c", "d", "e"] {
            answers.keep(answered(key, 1, &long), hour(1));
        }
        assert!(answers.bytes <= limits::ANSWERS_BYTES);
        assert_eq!(answers.meet("a", "f", hour(1)), Met::New);
        assert_eq!(answers.meet("e", "f", hour(1)), Met::Same(&long));
        for key in 0..limits::ANSWERS + 5 {
            answers.keep(answered(&key.to_string(), 2, "x"), hour(2));
        }
        assert_eq!(answers.by_key.len(), limits::ANSWERS);
        assert_eq!(answers.by_age.len(), limits::ANSWERS);
    }

    #[test]
    fn who_is_erased_is_in_no_answer() {
        let mut answers = Answers::default();
        answers.keep(answered("a", 0, "+380671112233"), hour(0));
        answers.keep(answered("b", 0, "+380671112244"), hour(0));
        answers.keep(answered("site +380671112233", 0, "{}"), hour(0));
        assert_eq!(answers.erase("+380671112233"), 2);
        assert_eq!(answers.meet("a", "f", hour(1)), Met::New);
        assert!(matches!(answers.meet("b", "f", hour(1)), Met::Same(_)));
    }
}
