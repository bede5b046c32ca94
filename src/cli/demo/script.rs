//! The demo's script: who calls which number, and what the operators do with it.
//!
//! The same for the same number of calls. Every sixth caller or so makes trouble, as in life.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::sound::Voice;
use crate::time::Duration;

/// What the operators do when a caller's call rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mood {
    /// Whoever it rings at answers.
    Answers,
    /// The first one declines, the next one answers.
    Declines,
    /// The first one hangs up while the whisper plays, the next one answers.
    Regrets,
    /// Nobody picks up.
    Silent,
}

/// One caller's way through the demo.
#[derive(Debug)]
pub(super) struct Caller {
    /// The number, as the carrier sends it.
    pub(super) from: String,
    /// The dialled number, as the carrier sends it.
    pub(super) to: &'static str,
    /// After the demo's first call.
    pub(super) at: Duration,
    /// Hangs up when nobody has spoken by then.
    pub(super) patience: Duration,
    /// How long the talk is.
    pub(super) talk: Duration,
    /// What the operators do.
    pub(super) mood: Mood,
    /// Who hangs up after the talk.
    pub(super) ends: Voice,
    called: AtomicBool,
    offers: AtomicUsize,
}

impl Caller {
    /// This caller dials now.
    pub(super) fn calls(&self) {
        self.called.store(true, Ordering::Relaxed);
    }

    /// Whose call with this number rings: a number that has called twice is at its second call.
    pub(super) fn behind<'a>(callers: &'a [Self], number: &str) -> Option<&'a Self> {
        let mut latest_first = callers.iter().rev();
        latest_first.find(|caller| caller.from == number && caller.called.load(Ordering::Relaxed))
    }

    /// What the phone that rings now shall do; the first one is the one that makes trouble.
    pub(super) fn offered(&self) -> Mood {
        let first = self.offers.fetch_add(1, Ordering::Relaxed) == 0;
        match self.mood {
            Mood::Declines | Mood::Regrets if !first => Mood::Answers,
            Mood::Answers | Mood::Declines | Mood::Regrets | Mood::Silent => self.mood,
        }
    }
}

const ODESA: &str = "0800301231";
const ODESA_MAPS: &str = "0487053204";
const KHARKIV: &str = "0800301232";
const KRASNODAR: &str = "+78612003040";
const MAIN: &str = "0800301230";
const NOBODYS: &str = "0800301299";

/// Waits for a while, and would wait longer.
const PATIENT: Duration = Duration::from_secs(25);

/// A round of callers: the number dialled, what the operators do, and how long the caller waits.
const ROUND: [(&str, Mood, Duration); 20] = [
    (ODESA, Mood::Answers, PATIENT),
    (KHARKIV, Mood::Silent, Duration::from_secs(4)),
    (KRASNODAR, Mood::Answers, PATIENT),
    (ODESA_MAPS, Mood::Declines, PATIENT),
    (KHARKIV, Mood::Regrets, PATIENT),
    (NOBODYS, Mood::Answers, PATIENT),
    // The one who gave up calls again, and the callback is closed.
    (MAIN, Mood::Answers, PATIENT),
    (KHARKIV, Mood::Answers, PATIENT),
    (ODESA, Mood::Answers, Duration::from_millis(500)),
    (KRASNODAR, Mood::Answers, PATIENT),
    (ODESA_MAPS, Mood::Answers, PATIENT),
    (ODESA, Mood::Regrets, PATIENT),
    (KHARKIV, Mood::Answers, PATIENT),
    (MAIN, Mood::Answers, PATIENT),
    (KRASNODAR, Mood::Declines, PATIENT),
    (ODESA, Mood::Answers, PATIENT),
    (KHARKIV, Mood::Silent, Duration::from_secs(5)),
    (ODESA_MAPS, Mood::Answers, PATIENT),
    (KHARKIV, Mood::Answers, PATIENT),
    (ODESA, Mood::Answers, PATIENT),
];
/// The caller of a round who gave up, and the place at which that number calls again.
const AGAIN: (usize, usize) = (1, 6);

/// The last call comes when this much of the time is over, in per mille.
const LAST_AT: u32 = 850;

/// The callers of a demo of `calls` calls within `time`.
pub(super) fn callers(calls: usize, time: Duration) -> Vec<Caller> {
    let count = u32::try_from(calls.max(1)).unwrap_or(u32::MAX);
    let gap = time * LAST_AT / 1000 / count;
    ROUND
        .iter()
        .cycle()
        .take(calls)
        .enumerate()
        .map(|(index, &(to, mood, patience))| {
            let place = index % ROUND.len();
            let who = if place == AGAIN.1 {
                index - AGAIN.1 + AGAIN.0
            } else {
                index
            };
            let turn = u32::try_from(index).unwrap_or(u32::MAX);
            let talk = 2500 + 700 * (u64::from(turn) * 3 % 5);
            Caller {
                from: number(to, who),
                to,
                at: gap.saturating_mul(turn),
                patience,
                talk: Duration::from_millis(talk),
                mood,
                ends: if index % 3 == 2 {
                    Voice::Operator
                } else {
                    Voice::Caller
                },
                called: AtomicBool::new(false),
                offers: AtomicUsize::new(0),
            }
        })
        .collect()
}

/// A mobile number of the caller's country.
fn number(to: &str, who: usize) -> String {
    let subscriber = (who * 7919 + 1_234_567) % 10_000_000;
    if to == KRASNODAR {
        return format!("+7918{subscriber:07}");
    }
    let operator = ["067", "050", "063"].get(who % 3).copied();
    format!("+38{}{subscriber:07}", operator.unwrap_or("067"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_number_calls_twice_and_every_other_once() {
        let callers = callers(20, Duration::from_secs(30));
        let numbers: BTreeSet<_> = callers.iter().map(|caller| &caller.from).collect();
        assert_eq!(numbers.len(), 19);
        assert_eq!(callers[1].from, callers[6].from);
        assert!(callers[6].at - callers[1].at > callers[1].patience);
    }

    #[test]
    fn the_time_is_kept_whatever_the_number_of_calls() {
        for calls in [0, 1, 6, 200] {
            let callers = callers(calls, Duration::from_secs(10));
            assert_eq!(callers.len(), calls);
            assert!(
                callers
                    .iter()
                    .all(|caller| caller.at < Duration::from_secs(10))
            );
            assert!(callers.is_sorted_by_key(|caller| caller.at));
        }
    }

    #[test]
    fn a_number_that_calls_again_is_at_its_second_call() {
        let callers = callers(20, Duration::from_secs(30));
        let from = callers[1].from.as_str();
        assert!(Caller::behind(&callers, from).is_none());
        callers[1].calls();
        assert_eq!(Caller::behind(&callers, from).unwrap().mood, Mood::Silent);
        callers[6].calls();
        assert_eq!(Caller::behind(&callers, from).unwrap().mood, Mood::Answers);
    }

    #[test]
    fn only_the_first_phone_makes_trouble() {
        let callers = callers(20, Duration::from_secs(30));
        let declined = &callers[3];
        assert_eq!(declined.offered(), Mood::Declines);
        assert_eq!(declined.offered(), Mood::Answers);
        let silent = &callers[1];
        assert_eq!([silent.offered(), silent.offered()], [Mood::Silent; 2]);
    }
}
