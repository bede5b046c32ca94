//! When an open callback is told of again: once when it is due and nobody has spoken with the patient,
//! and at the end of every shift that finds it open.
//!
//! ```text
//! not due ──due, nobody rings the patient──► overdue, told        shift ends ──► told, whatever it is
//! ```
//!
//! What was told is part of the callback, so that no restart tells it again. Which calendar makes a
//! shift is not known here.

use std::ops::Bound;

use super::callbacks::{Callback, Callbacks};
use crate::limits;
use crate::time::Wall;

/// The shift at whose end open callbacks are told of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shift {
    /// Whether people are at work, as far as it was looked at.
    open: Option<bool>,
    /// When it ended, and the last number that was looked at since; none when all were.
    ended: Option<(Wall, String)>,
}

impl Callbacks {
    /// When the next one is overdue.
    #[must_use]
    pub fn next_due(&self) -> Option<Wall> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The one that has been due for longest, which is overdue from now on. While the patient is being
    /// rung it is not: either that call closes it, or it is overdue after it.
    pub fn pop_overdue(&mut self, now: Wall) -> Option<Callback> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        let mut found = due.take(limits::CALLBACKS_TOLD_AT_ONCE);
        let (at, phone) = found.find(|(_, phone)| !self.attempts_now(phone))?.clone();
        self.due.remove(&(at, phone.clone()));
        let open = self.open.get_mut(&phone)?;
        open.overdue = true;
        Some(open.clone())
    }

    /// Whether people are at work now; none when nobody says. Gives whether a shift has just ended.
    pub fn shift_is(&mut self, open: Option<bool>) -> bool {
        let before = std::mem::replace(&mut self.shift.open, open);
        before == Some(true) && open == Some(false)
    }

    /// A shift ended at this time: what was opened before it and is open is told of, unless it has been.
    pub fn shift_ended(&mut self, at: Wall) {
        self.shift.ended = Some((at, String::new()));
    }

    /// Whether there is more to look at since the last shift ended.
    #[must_use]
    pub fn looks_over_shift(&self) -> bool {
        self.shift.ended.is_some()
    }

    /// Some of those that the shift left over.
    pub fn left_over(&mut self) -> Vec<Callback> {
        let Some((ended, last)) = self.shift.ended.take() else {
            return Vec::new();
        };
        let mut left = Vec::new();
        let mut seen = None;
        let from = (Bound::Excluded(last), Bound::Unbounded);
        let range = self.open.range_mut::<String, _>(from);
        for (count, (phone, open)) in range.enumerate() {
            if count >= limits::CALLBACKS_TOLD_AT_ONCE {
                self.shift.ended = seen.map(|last: String| (ended, last));
                break;
            }
            seen = Some(phone.clone());
            let told = open.shift_ended_at.is_some_and(|told| told >= ended);
            if open.opened_at < ended && !told {
                open.shift_ended_at = Some(ended);
                left.push(open.clone());
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{CallId, Ulid};
    use crate::ledger::callbacks::Missed;
    use crate::rng::Rng;
    use crate::time::{Duration, Now};
    use crate::words::MissedReason;

    fn at(seconds: u64) -> Wall {
        Wall::default() + Duration::from_secs(seconds)
    }

    fn missed(callbacks: &mut Callbacks, phone: &str, when: u64, rng: &mut Rng) {
        let now = Now {
            wall: at(when),
            ..Now::default()
        };
        let missed = Missed {
            call: CallId(Ulid::new(now.wall, rng)),
            phone: Some(phone),
            site: None,
            queue: None,
            dialled: "1",
            reason: MissedReason::Timeout,
            stayed: Duration::from_secs(60),
            due: Duration::from_secs(900),
            ignores: Duration::ZERO,
        };
        callbacks.missed(now, &missed, rng);
    }

    fn phones(callbacks: &[Callback]) -> Vec<&str> {
        callbacks.iter().map(|it| it.phone.as_str()).collect()
    }

    #[test]
    fn each_is_overdue_once_and_not_while_the_patient_is_rung() {
        let (mut callbacks, mut rng) = (Callbacks::default(), Rng::new([1; 32]));
        missed(&mut callbacks, "2", 0, &mut rng);
        missed(&mut callbacks, "1", 10, &mut rng);
        assert_eq!(callbacks.next_due(), Some(at(900)));
        assert_eq!(callbacks.pop_overdue(at(899)), None);
        let call = CallId(Ulid::new(at(0), &mut rng));
        callbacks.others_ring("2", call);
        let overdue = callbacks.pop_overdue(at(910)).unwrap();
        assert_eq!((overdue.phone.as_str(), overdue.overdue), ("1", true));
        assert_eq!(callbacks.pop_overdue(at(910)), None);
        callbacks.others_rang("2", call);
        // Another call of the same number changes nothing about when it was due.
        missed(&mut callbacks, "2", 915, &mut rng);
        let overdue = callbacks.pop_overdue(at(920)).unwrap();
        assert_eq!((overdue.phone.as_str(), overdue.count), ("2", 2));
        assert_eq!(callbacks.pop_overdue(at(9_000)), None);
        let kept = callbacks.open.values().cloned().collect();
        let mut restored = Callbacks::restore(kept, at(9_000));
        assert_eq!(restored.pop_overdue(at(90_000)), None, "told before");
        restored.answered("1");
        assert_eq!(restored.next_due(), None);
    }

    #[test]
    fn a_shift_leaves_over_what_was_opened_in_it_and_says_so_once() {
        let (mut callbacks, mut rng) = (Callbacks::default(), Rng::new([1; 32]));
        missed(&mut callbacks, "1", 10, &mut rng);
        missed(&mut callbacks, "2", 20, &mut rng);
        assert!(!callbacks.shift_is(Some(true)));
        assert!(callbacks.shift_is(Some(false)) && !callbacks.shift_is(Some(false)));
        callbacks.shift_ended(at(20));
        assert_eq!(phones(&callbacks.left_over()), ["1"]);
        assert_eq!(callbacks.left_over(), []);
        callbacks.shift_ended(at(20));
        assert_eq!(callbacks.left_over(), [], "of the same end");
        callbacks.shift_ended(at(90_000));
        assert_eq!(phones(&callbacks.left_over()), ["1", "2"]);
    }

    #[test]
    fn many_are_told_of_a_few_at_a_time_and_none_is_left_out() {
        let (mut callbacks, mut rng) = (Callbacks::default(), Rng::new([1; 32]));
        let many = limits::CALLBACKS_TOLD_AT_ONCE * 2 + 1;
        for n in 0..many {
            missed(&mut callbacks, &n.to_string(), 0, &mut rng);
        }
        callbacks.shift_ended(at(1));
        let mut told = 0;
        while callbacks.looks_over_shift() {
            let some = callbacks.left_over().len();
            assert!(some <= limits::CALLBACKS_TOLD_AT_ONCE);
            told += some;
        }
        assert_eq!(told, many);
    }
}
