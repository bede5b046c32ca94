//! Callbacks: what a missed call becomes, so that nobody is forgotten.
//!
//! ```text
//!                         a call of ours rings, or an operator's
//! missed call ──► Open ◄────────────────────────────────────────► Attempting
//!              ▲   │ │ due, and nobody spoke with them               ▲  │ answered
//!    the same ─┘   │ └──────────────────► Overdue ◄─────────────────┘  ▼
//!    number again  └── a later call from the number is answered ──► Closed
//! ```
//! A callback closes on signalling evidence alone. One that was asked for, in a queue or by somebody
//! outside, is rung back by itself, see [`super::recalls`]; the others are people's work. When one is
//! told of again is in [`super::due`].

use std::collections::{BTreeMap, BTreeSet};

use super::attempts::{Attempt, Ringing};
use super::due::Shift;
use super::recalls::{Recall, Standing};
use crate::id::{CallId, CallbackId, OperatorName, QueueName, SiteName, Ulid};
use crate::limits;
use crate::rng::Rng;
use crate::time::{Duration, Now, Wall};
use crate::words::{MissedReason, NoCallback};

/// An open callback.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callback {
    /// Its id.
    pub id: CallbackId,
    /// The call that opened it.
    pub call: CallId,
    /// Whom to ring.
    pub phone: String,
    /// The branch that was called.
    pub site: Option<SiteName>,
    /// The queue where the caller stood last.
    pub queue: Option<QueueName>,
    /// The number that the patient called.
    pub dialled: String,
    /// Why the call was missed.
    pub reason: MissedReason,
    /// When it was opened.
    pub opened_at: Wall,
    /// When it is due.
    pub due_at: Wall,
    /// It was due and nobody had spoken with the patient, which has been told.
    pub overdue: bool,
    /// The last end of a shift that found it open, which has been told.
    pub shift_ended_at: Option<Wall>,
    /// Missed calls folded into it, the first included.
    pub count: u32,
    /// How the patient was tried, the last [`limits::ATTEMPTS_OF_A_CALLBACK`] times.
    pub attempts: Vec<Attempt>,
    /// The attempt that a restart would find begun.
    pub ringing: Option<Ringing>,
    /// What people wrote of it.
    pub note: Option<String>,
    /// Who shall see to it.
    pub assigned: Option<OperatorName>,
    /// The place in a queue, while we ring back by ourselves.
    pub recall: Option<Recall>,
}

/// Where a callback stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nobody has spoken with the patient.
    Open,
    /// The patient is being rung, or about to be.
    Attempting,
    /// It was due.
    Overdue,
    /// Somebody has.
    Closed,
}

impl State {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Attempting => "attempting",
            Self::Overdue => "overdue",
            Self::Closed => "closed",
        }
    }
}

/// What people say of a callback. What nobody said is left as it was; an empty text takes away.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Remark {
    /// In a person's words.
    pub note: Option<String>,
    /// Who shall see to it.
    pub assigned: Option<OperatorName>,
}

/// A missed call, as far as callbacks care.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missed<'a> {
    /// The call.
    pub call: CallId,
    /// The caller's number; none when it is withheld.
    pub phone: Option<&'a str>,
    /// The branch.
    pub site: Option<&'a SiteName>,
    /// The queue the caller stood in last.
    pub queue: Option<&'a QueueName>,
    /// The number that was called.
    pub dialled: &'a str,
    /// Why.
    pub reason: MissedReason,
    /// How long the caller was there.
    pub stayed: Duration,
    /// A callback of it is due this long after.
    pub due: Duration,
    /// A caller who left sooner gets none.
    pub ignores: Duration,
}

/// What becomes of a missed call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A new callback.
    Opened(Callback),
    /// An open one of the same number, counted up.
    Repeated(Callback),
    /// None, and why.
    None(NoCallback),
}

/// All open callbacks, by number.
#[derive(Clone, Debug, Default)]
pub struct Callbacks {
    pub(super) open: BTreeMap<String, Callback>,
    /// Their numbers.
    by_id: BTreeMap<CallbackId, String>,
    /// How many of them each branch has.
    by_site: BTreeMap<SiteName, usize>,
    /// What becomes of those that keep a place, by number.
    pub(super) standing: BTreeMap<String, Standing>,
    /// When to look at them, the earliest place first among those of one moment.
    pub(super) agenda: BTreeSet<(Wall, Wall, String)>,
    /// Calls of others to these numbers.
    pub(super) others: BTreeMap<String, BTreeSet<CallId>>,
    /// Those that are not overdue yet, by when they will be.
    pub(super) due: BTreeSet<(Wall, String)>,
    /// The shift.
    pub(super) shift: Shift,
}

impl Callbacks {
    /// Takes up what was open before a restart. A phone that the last run left ringing may ring on for
    /// a while: nobody is rung back before `not_before`.
    #[must_use]
    pub fn restore(callbacks: Vec<Callback>, not_before: Wall) -> Self {
        let mut restored = Self::default();
        for callback in callbacks {
            let (phone, recall) = (callback.phone.clone(), callback.recall.clone());
            restored.keep(callback);
            if let Some(recall) = recall {
                restored.schedule(&phone, &recall, recall.next_at.max(not_before));
            }
        }
        restored
    }

    /// A call was missed.
    pub fn missed(&mut self, now: Now, missed: &Missed<'_>, rng: &mut Rng) -> Verdict {
        if missed.reason == MissedReason::Unrouted {
            return Verdict::None(NoCallback::Unrouted);
        }
        let Some(phone) = missed.phone else {
            return Verdict::None(NoCallback::Anonymous);
        };
        if missed.reason == MissedReason::Abandoned && missed.stayed < missed.ignores {
            return Verdict::None(NoCallback::Short);
        }
        if let Some(open) = self.open.get_mut(phone) {
            open.count = open.count.saturating_add(1);
            return Verdict::Repeated(open.clone());
        }
        let callback = Callback {
            id: CallbackId(Ulid::new(now.wall, rng)),
            call: missed.call,
            phone: phone.to_owned(),
            site: missed.site.cloned(),
            queue: missed.queue.cloned(),
            dialled: missed.dialled.to_owned(),
            reason: missed.reason,
            opened_at: now.wall,
            due_at: now.wall + missed.due,
            overdue: false,
            shift_ended_at: None,
            count: 1,
            attempts: Vec::new(),
            ringing: None,
            note: None,
            assigned: None,
            recall: None,
        };
        if self.open.len() < limits::OPEN_CALLBACKS {
            self.keep(callback.clone());
        }
        Verdict::Opened(callback)
    }

    /// A call from or to the number was answered: its callback, if any, is closed.
    pub fn answered(&mut self, phone: &str) -> Option<Callback> {
        let closed = self.open.remove(phone)?;
        self.leave_indexes(&closed);
        self.forget_standing(phone);
        self.others.remove(phone);
        Some(closed)
    }

    /// The open callback with this id.
    #[must_use]
    pub fn by_id(&self, id: CallbackId) -> Option<&Callback> {
        self.open.get(self.by_id.get(&id)?)
    }

    /// Somebody says something of an open callback. Gives it as it is now.
    pub fn remark(&mut self, id: CallbackId, remark: &Remark) -> Option<&Callback> {
        let open = self.open.get_mut(self.by_id.get(&id)?)?;
        if let Some(note) = &remark.note {
            open.note = Some(note.clone()).filter(|note| !note.is_empty());
        }
        if let Some(assigned) = &remark.assigned {
            open.assigned = Some(assigned.clone()).filter(|it| !it.as_str().is_empty());
        }
        Some(open)
    }

    /// The patient was tried.
    pub fn note_attempt(&mut self, phone: &str, attempt: Attempt) {
        if let Some(open) = self.open.get_mut(phone) {
            if open.attempts.len() >= limits::ATTEMPTS_OF_A_CALLBACK {
                open.attempts.remove(0);
            }
            open.attempts.push(attempt);
        }
    }

    /// The attempts in which the last run died, each given once.
    pub fn interrupted(&mut self) -> Vec<(String, Attempt)> {
        let open = self.open.iter_mut();
        let cut = open.filter_map(|(phone, callback)| {
            let ringing = callback.ringing.take()?;
            Some((phone.clone(), ringing.interrupted()))
        });
        cut.collect()
    }

    /// Where an open one stands.
    #[must_use]
    pub fn state(&self, callback: &Callback) -> State {
        if self.attempts_now(&callback.phone) {
            State::Attempting
        } else if callback.overdue {
            State::Overdue
        } else {
            State::Open
        }
    }

    /// Whether a call to this number is under way, ours or an operator's.
    pub(super) fn attempts_now(&self, phone: &str) -> bool {
        self.rung_back_by(phone).is_some() || self.others.contains_key(phone)
    }

    /// Those to whom a call is under way.
    pub fn attempting(&self) -> impl Iterator<Item = &Callback> {
        let rung_back = self.standing.keys().chain(self.others.keys());
        let numbers: BTreeSet<&String> = rung_back.filter(|it| self.attempts_now(it)).collect();
        numbers.into_iter().filter_map(|phone| self.open.get(phone))
    }

    /// The open callback of a number.
    #[must_use]
    pub fn of(&self, phone: &str) -> Option<&Callback> {
        self.open.get(phone)
    }

    pub(super) fn keep(&mut self, callback: Callback) {
        if let Some(site) = &callback.site {
            *self.by_site.entry(site.clone()).or_default() += 1;
        }
        if let Some(before) = self.open.remove(&callback.phone) {
            self.leave_indexes(&before);
        }
        self.by_id.insert(callback.id, callback.phone.clone());
        if !callback.overdue {
            self.due.insert((callback.due_at, callback.phone.clone()));
        }
        self.open.insert(callback.phone.clone(), callback);
    }

    fn leave_indexes(&mut self, callback: &Callback) {
        self.by_id.remove(&callback.id);
        self.due.remove(&(callback.due_at, callback.phone.clone()));
        if let Some(site) = &callback.site
            && let Some(count) = self.by_site.get_mut(site)
        {
            *count = count.saturating_sub(1);
        }
    }

    /// How many are open at a branch.
    #[must_use]
    pub fn open_at(&self, site: &SiteName) -> usize {
        self.by_site.get(site).copied().unwrap_or(0)
    }

    /// The branches that have, or had, an open one.
    pub fn sites(&self) -> impl Iterator<Item = &SiteName> {
        self.by_site.keys()
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(phone: Option<&str>, reason: MissedReason, stayed: u64) -> Missed<'_> {
        Missed {
            call: CallId(Ulid::new(Wall::from_millis(1), &mut Rng::new([2; 32]))),
            phone,
            site: None,
            queue: None,
            dialled: "+380800301231",
            reason,
            stayed: Duration::from_secs(stayed),
            due: limits::CALLBACK_DUE,
            ignores: limits::CALLBACK_IGNORES,
        }
    }

    #[test]
    fn repeated_calls_fold_and_an_answered_one_closes() {
        let mut callbacks = Callbacks::default();
        let mut rng = Rng::new([1; 32]);
        let now = Now::default();
        let phone = Some("+380671112233");
        let call = missed(phone, MissedReason::Timeout, 20);
        let Verdict::Opened(first) = callbacks.missed(now, &call, &mut rng) else {
            panic!("the first missed call opens a callback");
        };
        let Verdict::Repeated(second) = callbacks.missed(now, &call, &mut rng) else {
            panic!("the second folds into it");
        };
        assert_eq!((second.id, second.count), (first.id, 2));
        assert_eq!(
            callbacks.answered("+380671112233").map(|it| it.id),
            Some(first.id)
        );
        assert_eq!(callbacks.open(), 0);
    }

    #[test]
    fn each_branch_has_its_own_count() {
        let mut callbacks = Callbacks::default();
        let mut rng = Rng::new([1; 32]);
        let (odesa, kharkiv) = (SiteName::from("odesa"), SiteName::from("kharkiv"));
        for (phone, site) in [
            ("1", &odesa),
            ("2", &odesa),
            ("3", &kharkiv),
            ("1", &kharkiv),
        ] {
            let mut call = missed(Some(phone), MissedReason::Timeout, 20);
            call.site = Some(site);
            callbacks.missed(Now::default(), &call, &mut rng);
        }
        assert_eq!(
            (callbacks.open_at(&odesa), callbacks.open_at(&kharkiv)),
            (2, 1)
        );
        callbacks.answered("1");
        assert_eq!((callbacks.open_at(&odesa), callbacks.open()), (1, 2));
        let kept = callbacks.open.into_values().collect();
        let restored = Callbacks::restore(kept, Wall::default());
        assert_eq!(
            (restored.open_at(&odesa), restored.open_at(&kharkiv)),
            (1, 1)
        );
    }

    #[test]
    fn who_cannot_or_need_not_be_rung_back_is_told_apart() {
        let mut callbacks = Callbacks::default();
        let mut rng = Rng::new([1; 32]);
        for (call, why) in [
            (
                missed(None, MissedReason::Timeout, 20),
                NoCallback::Anonymous,
            ),
            (
                missed(Some("1"), MissedReason::Abandoned, 2),
                NoCallback::Short,
            ),
            (
                missed(Some("1"), MissedReason::Unrouted, 0),
                NoCallback::Unrouted,
            ),
        ] {
            assert_eq!(
                callbacks.missed(Now::default(), &call, &mut rng),
                Verdict::None(why)
            );
        }
    }
}
