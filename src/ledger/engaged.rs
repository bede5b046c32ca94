//! Who is on the line with us: for each number outside the calls that have to do with it, whoever rang,
//! and whether or not anybody has answered.
//!
//! One rule needs it: a number that any call has to do with is rung by no other call of ours. Nothing is
//! rung or told here. What is known ends with the process, as calls do.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::CallId;

/// The numbers that calls have to do with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Engaged {
    by_number: BTreeMap<String, BTreeSet<CallId>>,
    by_call: BTreeMap<CallId, BTreeSet<String>>,
}

impl Engaged {
    /// This call has to do with the number until it ends.
    pub fn begins(&mut self, number: &str, call: CallId) {
        let calls = self.by_number.entry(number.to_owned()).or_default();
        calls.insert(call);
        let numbers = self.by_call.entry(call).or_default();
        numbers.insert(number.to_owned());
    }

    /// Whoever is in the first call goes on in the other.
    pub fn follows(&mut self, call: CallId, to: CallId) {
        let numbers = self.by_call.get(&call).cloned();
        for number in numbers.unwrap_or_default() {
            self.begins(&number, to);
        }
    }

    /// The call is over. Gives the numbers that no call has to do with any more.
    pub fn ends(&mut self, call: CallId) -> Vec<String> {
        let numbers = self.by_call.remove(&call).unwrap_or_default();
        let freed = numbers.into_iter().filter(|number| {
            let Some(calls) = self.by_number.get_mut(number) else {
                return false;
            };
            calls.remove(&call);
            let free = calls.is_empty();
            if free {
                self.by_number.remove(number);
            }
            free
        });
        freed.collect()
    }

    /// Whether no call has to do with the number.
    #[must_use]
    pub fn is_free(&self, number: &str) -> bool {
        !self.by_number.contains_key(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ulid;
    use crate::rng::Rng;
    use crate::time::Wall;

    #[test]
    fn a_number_is_free_when_the_last_call_with_it_is_over() {
        let mut rng = Rng::new([1; 32]);
        let [a, b, c] = [(); 3].map(|()| CallId(Ulid::new(Wall::default(), &mut rng)));
        let mut engaged = Engaged::default();
        engaged.begins("1", a);
        engaged.begins("1", a);
        engaged.begins("1", b);
        engaged.begins("2", b);
        assert_eq!(engaged.ends(b), ["2"]);
        assert!(!engaged.is_free("1") && engaged.is_free("2"));
        engaged.follows(a, c);
        assert_eq!(engaged.ends(a), Vec::<String>::new());
        assert!(!engaged.is_free("1"));
        assert_eq!(engaged.ends(c), ["1"]);
        assert_eq!(engaged.ends(c), Vec::<String>::new());
        assert_eq!(engaged, Engaged::default());
    }
}
