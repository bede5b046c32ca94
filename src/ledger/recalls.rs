//! Callbacks that were asked for: in a queue, where each keeps its place, or by somebody outside. They
//! are rung back when their turn comes, up a ladder of attempts.
//!
//! ```text
//! wanted by somebody outside ─────────────────────────────┐
//! asked for ──► Held by the call that asked ──it ended──► Waiting ──due──► Live, a call of ours
//!                 ▲                                        ▲   │            │  │
//!                 └── the patient calls in ────────────────│───┘            │  └ reached ──► closed
//!                                                          └── not reached ─┘
//!                                             the ladder is over: the callback stays open, for people
//! ```
//!
//! One number has one recall, and a recall has at most one call. A recall is held while any other call
//! has to do with its number, see [`super::engaged`]. What a recall says, a restart brings back; which
//! call is its own ends with the process.

use super::attempts::Ringing;
use super::callbacks::{Callback, Callbacks, Missed, Verdict};
use crate::id::{CallId, QueueName};
use crate::limits;
use crate::rng::Rng;
use crate::time::{Now, Wall};

/// The place that is kept for a patient, and how far the ladder is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recall {
    /// The queue.
    pub queue: QueueName,
    /// When the patient came into it.
    pub entered: Wall,
    /// The priority there.
    pub priority: i32,
    /// The number that the patient called.
    pub dialled: String,
    /// The next rung of the ladder, from zero.
    pub rung: u32,
    /// When it is due.
    pub next_at: Wall,
}

impl Recall {
    /// The same on the next rung, which is due at `next_at`.
    fn after(self, next_at: Wall) -> Self {
        Self {
            rung: self.rung.saturating_add(1),
            next_at,
            ..self
        }
    }
}

/// What becomes of a recall in this run.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The call that rings back.
    live: Option<CallId>,
    /// It is about to ring the patient, or has.
    dialled: bool,
    /// Somebody wants a call now, whatever the next rung is.
    wanted: bool,
    /// The ladder was begun for one operator, and is forgotten when they do not take the call.
    lent: bool,
    /// Where it stands on the agenda.
    at: Option<(Wall, Wall)>,
}

impl Callbacks {
    /// Somebody outside wants the patient to be rung by this recall. `lent` when it is for one operator
    /// alone, and there was none before.
    pub fn wants(&mut self, phone: &str, recall: Recall, lent: bool) {
        let Some(open) = self.open.get_mut(phone) else {
            return;
        };
        let at = recall.next_at;
        open.recall = Some(recall.clone());
        let standing = self.standing.entry(phone.to_owned()).or_default();
        standing.wanted = true;
        standing.lent = lent;
        self.schedule(phone, &recall, at);
    }

    /// Whether somebody outside wants a call that has not begun to ring the patient.
    #[must_use]
    pub fn is_wanted(&self, phone: &str) -> bool {
        self.standing.get(phone).is_some_and(|it| it.wanted)
    }

    /// What a restart shall know of a ladder: nothing of one that is lent.
    #[must_use]
    pub fn lasting_recall(&self, phone: &str) -> Option<&Recall> {
        let lent = self.standing.get(phone).is_some_and(|it| it.lent);
        self.open.get(phone)?.recall.as_ref().filter(|_| !lent)
    }

    /// The call for one operator alone, or for whoever the queue picked, ended before the patient was
    /// rung. A lent ladder is forgotten; any other goes on.
    pub fn not_begun(&mut self, phone: &str, again: Wall) {
        if self.standing.get(phone).is_some_and(|it| it.lent) {
            if let Some(open) = self.open.get_mut(phone) {
                open.recall = None;
            }
            return self.forget_standing(phone);
        }
        self.look_again(phone, again);
    }

    /// Somebody else rings the patient: an operator who dialled the number.
    pub fn others_ring(&mut self, phone: &str, call: CallId) {
        if self.open.contains_key(phone) {
            let calls = self.others.entry(phone.to_owned()).or_default();
            calls.insert(call);
        }
    }

    /// That call is over.
    pub fn others_rang(&mut self, phone: &str, call: CallId) {
        if let Some(calls) = self.others.get_mut(phone) {
            calls.remove(&call);
            if calls.is_empty() {
                self.others.remove(phone);
            }
        }
    }

    /// Whether one more can be asked for.
    #[must_use]
    pub fn takes_recalls(&self) -> bool {
        self.standing.len() < limits::RECALLS && self.open.len() < limits::OPEN_CALLBACKS
    }

    /// A caller asks for a callback and keeps the place.
    pub fn asked(
        &mut self,
        now: Now,
        missed: &Missed<'_>,
        mut recall: Recall,
        rng: &mut Rng,
    ) -> Verdict {
        let verdict = self.missed(now, missed, rng);
        let Some(phone) = missed.phone else {
            return verdict;
        };
        let Some(open) = self.open.get_mut(phone) else {
            return verdict;
        };
        if let Some(before) = open.recall.as_ref().filter(|it| it.queue == recall.queue) {
            recall.entered = recall.entered.min(before.entered);
        }
        open.recall = Some(recall);
        let callback = open.clone();
        self.look_at(phone, now.wall);
        match verdict {
            Verdict::Opened(_) => Verdict::Opened(callback),
            Verdict::Repeated(_) => Verdict::Repeated(callback),
            Verdict::None(why) => Verdict::None(why),
        }
    }

    /// Nobody is on the line with this number any more: its recall, if one waits, is looked at.
    pub fn line_is_free(&mut self, phone: &str, now: Wall) {
        if self.standing.get(phone).is_some_and(|it| it.live.is_none()) {
            self.look_at(phone, now);
        }
    }

    /// When the next recall wants to be looked at.
    #[must_use]
    pub fn next_recall(&self) -> Option<Wall> {
        self.agenda.first().map(|(at, _, _)| *at)
    }

    /// A recall whose time has come, taken from the agenda: the one with the earliest place of those
    /// that were due first.
    pub fn pop_recall(&mut self, now: Wall) -> Option<Callback> {
        loop {
            let (at, _, phone) = self.agenda.first()?;
            if *at > now {
                return None;
            }
            let phone = phone.clone();
            self.unschedule(&phone);
            if let Some(callback) = self.open.get(&phone) {
                return Some(callback.clone());
            }
        }
    }

    /// A recall cannot begin now, or left its queue unserved: it is looked at again.
    pub fn look_again(&mut self, phone: &str, at: Wall) {
        if let Some(standing) = self.standing.get_mut(phone) {
            standing.live = None;
            standing.dialled = false;
            self.look_at(phone, at);
        }
    }

    /// A call of ours rings back. Nobody else does until it is over.
    pub fn begun(&mut self, phone: &str, call: CallId) {
        self.unschedule(phone);
        if let Some(standing) = self.standing.get_mut(phone) {
            standing.live = Some(call);
            standing.dialled = false;
        }
    }

    /// The call that rings back, if any.
    #[must_use]
    pub fn rung_back_by(&self, phone: &str) -> Option<CallId> {
        self.standing.get(phone)?.live
    }

    /// The patient is about to be rung. Gives the callback as a restart is to find it: the rung is
    /// behind it, and `next` is when the one after it is due, none when the ladder is over.
    pub fn dials(&mut self, phone: &str, ringing: Ringing, next: Option<Wall>) -> Option<Callback> {
        let standing = self.standing.get_mut(phone)?;
        (standing.dialled, standing.wanted, standing.lent) = (true, false, false);
        let mut callback = self.open.get(phone)?.clone();
        callback.recall = callback
            .recall
            .zip(next)
            .map(|(recall, next)| recall.after(next));
        callback.ringing = Some(ringing);
        Some(callback)
    }

    /// Whether the call that rings back has rung the patient, or was about to.
    #[must_use]
    pub fn has_dialled(&self, phone: &str) -> bool {
        self.standing.get(phone).is_some_and(|it| it.dialled)
    }

    /// A rung of the ladder was tried in vain. `next` is when the rung after it is due, none when the
    /// ladder is over. Gives the callback as it is now.
    pub fn tried(&mut self, phone: &str, next: Option<Wall>) -> Option<Callback> {
        let open = self.open.get_mut(phone)?;
        match next {
            Some(next_at) => {
                open.recall = Some(open.recall.take()?.after(next_at));
                let callback = open.clone();
                self.look_again(phone, next_at);
                Some(callback)
            }
            None => {
                open.recall = None;
                let callback = open.clone();
                self.forget_standing(phone);
                Some(callback)
            }
        }
    }

    fn look_at(&mut self, phone: &str, now: Wall) {
        let recall = self.open.get(phone).and_then(|it| it.recall.clone());
        if let Some(recall) = recall {
            self.schedule(phone, &recall, recall.next_at.max(now));
        }
    }

    pub(super) fn schedule(&mut self, phone: &str, recall: &Recall, at: Wall) {
        self.unschedule(phone);
        let standing = self.standing.entry(phone.to_owned()).or_default();
        standing.at = Some((at, recall.entered));
        self.agenda.insert((at, recall.entered, phone.to_owned()));
    }

    fn unschedule(&mut self, phone: &str) {
        let at = self.standing.get_mut(phone).and_then(|it| it.at.take());
        if let Some((at, entered)) = at {
            self.agenda.remove(&(at, entered, phone.to_owned()));
        }
    }

    /// The clock on the wall was set by so many milliseconds: what waits for a time on it waits as long
    /// as before, and keeps its place.
    pub fn clock_set(&mut self, millis: i64) {
        for open in self.open.values_mut() {
            if !open.overdue {
                open.due_at = open.due_at.moved(millis);
            }
            if let Some(recall) = &mut open.recall {
                recall.entered = recall.entered.moved(millis);
                recall.next_at = recall.next_at.moved(millis);
            }
        }
        for standing in self.standing.values_mut() {
            let at = standing.at.take();
            standing.at = at.map(|(at, entered)| (at.moved(millis), entered.moved(millis)));
        }
        let due = std::mem::take(&mut self.due).into_iter();
        self.due = due.map(|(at, phone)| (at.moved(millis), phone)).collect();
        let agenda = std::mem::take(&mut self.agenda).into_iter();
        self.agenda = agenda
            .map(|(at, entered, phone)| (at.moved(millis), entered.moved(millis), phone))
            .collect();
    }

    pub(super) fn forget_standing(&mut self, phone: &str) {
        self.unschedule(phone);
        self.standing.remove(phone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ulid;
    use crate::ledger::callbacks::State;
    use crate::time::{Duration, Instant};
    use crate::words::MissedReason;

    struct Book {
        callbacks: Callbacks,
        rng: Rng,
    }

    const PHONE: &str = "+380671112233";

    fn after(seconds: u64) -> Now {
        let passed = Duration::from_secs(seconds);
        Now {
            mono: Instant::START + passed,
            wall: Wall::default() + passed,
        }
    }

    impl Book {
        fn new() -> Self {
            Self {
                callbacks: Callbacks::default(),
                rng: Rng::new([1; 32]),
            }
        }

        fn call(&mut self) -> CallId {
            CallId(Ulid::new(Wall::default(), &mut self.rng))
        }

        /// A call came into the queue at one time and asks at another.
        fn ask(&mut self, phone: &str, entered: u64, at: u64) -> CallId {
            let call = self.call();
            let missed = Missed {
                call,
                phone: Some(phone),
                site: None,
                queue: None,
                dialled: "+380800301231",
                reason: MissedReason::Abandoned,
                stayed: Duration::from_secs(30),
                due: limits::CALLBACK_DUE,
                ignores: limits::CALLBACK_IGNORES,
            };
            let recall = Recall {
                queue: "odesa".into(),
                entered: after(entered).wall,
                priority: 0,
                dialled: "+380800301231".to_owned(),
                rung: 0,
                next_at: after(at).wall,
            };
            self.callbacks
                .asked(after(at), &missed, recall, &mut self.rng);
            call
        }

        fn due(&mut self, at: u64) -> Option<String> {
            let due = self.callbacks.pop_recall(after(at).wall);
            due.map(|callback| callback.phone)
        }
    }

    #[test]
    fn what_could_not_begin_is_looked_at_again_and_at_once_when_the_line_is_free() {
        let mut book = Book::new();
        book.ask(PHONE, 0, 30);
        assert_eq!(book.due(40).as_deref(), Some(PHONE));
        book.callbacks.look_again(PHONE, after(55).wall);
        assert_eq!(book.due(50), None);
        book.callbacks.line_is_free(PHONE, after(50).wall);
        assert_eq!(book.due(50).as_deref(), Some(PHONE));
        assert_eq!(book.due(60), None, "once");
        let live = book.call();
        book.callbacks.begun(PHONE, live);
        book.callbacks.line_is_free(PHONE, after(60).wall);
        assert_eq!(book.due(60), None, "it is being rung");
    }

    #[test]
    fn an_earlier_place_comes_first_and_is_never_lost() {
        let mut book = Book::new();
        book.ask("1", 20, 50);
        book.ask("2", 10, 50);
        assert_eq!(book.due(50).as_deref(), Some("2"));
        assert_eq!(book.due(50).as_deref(), Some("1"));
        // Whoever asks again keeps the better place, and has one callback.
        book.ask("1", 60, 90);
        let callback = book.callbacks.of("1").unwrap();
        assert_eq!(callback.recall.as_ref().unwrap().entered, after(20).wall);
        assert_eq!((callback.count, book.callbacks.open()), (2, 2));
        assert_eq!(book.due(90).as_deref(), Some("1"));
        assert_eq!(book.due(90), None);
    }

    #[test]
    fn the_ladder_is_climbed_rung_by_rung_and_the_callback_outlives_it() {
        let mut book = Book::new();
        book.ask(PHONE, 0, 30);
        assert!(book.due(30).is_some());
        let live = book.call();
        book.callbacks.begun(PHONE, live);
        assert_eq!(book.due(10_000), None, "it is being rung");
        let tried = book.callbacks.tried(PHONE, Some(after(900).wall)).unwrap();
        assert_eq!(tried.recall.as_ref().unwrap().rung, 1);
        assert_eq!(book.due(899), None);
        assert!(book.due(900).is_some());
        let over = book.callbacks.tried(PHONE, None).unwrap();
        assert_eq!(over.recall, None);
        assert_eq!(book.due(100_000), None);
        assert_eq!(book.callbacks.open(), 1, "people go on with it");
        assert_eq!(
            book.callbacks.standing.len() + book.callbacks.agenda.len(),
            0
        );
    }

    #[test]
    fn a_talk_with_the_patient_ends_it_whoever_rang() {
        let mut book = Book::new();
        book.ask(PHONE, 0, 30);
        assert!(book.callbacks.answered(PHONE).is_some());
        book.callbacks.line_is_free(PHONE, after(40).wall);
        assert_eq!(book.due(100), None);
        assert!(book.callbacks.standing.is_empty());
    }

    #[test]
    fn a_ladder_that_is_lent_to_one_operator_is_forgotten_when_they_do_not_take_it() {
        let mut book = Book::new();
        book.ask(PHONE, 0, 30);
        let recall = book.callbacks.of(PHONE).unwrap().recall.clone().unwrap();
        for (lent, dials) in [(true, false), (true, true), (false, false)] {
            book.callbacks.tried(PHONE, None);
            book.callbacks.wants(PHONE, recall.clone(), lent);
            assert_eq!(book.callbacks.lasting_recall(PHONE).is_none(), lent);
            let call = book.call();
            book.callbacks.begun(PHONE, call);
            let callback = book.callbacks.of(PHONE).unwrap();
            assert_eq!(book.callbacks.state(callback), State::Attempting);
            if dials {
                let ringing = Ringing {
                    at: after(40).wall,
                    operator: None,
                };
                let lease = book.callbacks.dials(PHONE, ringing.clone(), None).unwrap();
                assert_eq!(lease.ringing, Some(ringing));
            }
            book.callbacks.not_begun(PHONE, after(50).wall);
            let callback = book.callbacks.of(PHONE).unwrap();
            assert_eq!(callback.recall.is_none(), lent && !dials);
            assert_eq!(book.callbacks.state(callback), State::Open);
        }
    }

    #[test]
    fn a_callback_is_attempted_while_an_operator_rings_the_patient() {
        let mut book = Book::new();
        book.ask(PHONE, 0, 30);
        let dials = book.call();
        book.callbacks.others_ring(PHONE, dials);
        book.callbacks.others_ring("2", dials);
        let callback = book.callbacks.of(PHONE).unwrap();
        assert_eq!(book.callbacks.state(callback), State::Attempting);
        assert_eq!(book.callbacks.attempting().count(), 1);
        book.callbacks.others_rang(PHONE, dials);
        book.callbacks.others_rang(PHONE, dials);
        let callback = book.callbacks.of(PHONE).unwrap();
        assert_eq!(book.callbacks.state(callback), State::Open);
        assert!(book.callbacks.others.is_empty());
    }

    #[test]
    fn a_restart_brings_each_back_once() {
        let mut book = Book::new();
        for (n, phone) in ["1", "2"].into_iter().enumerate() {
            book.ask(phone, 20 - n as u64, 30);
        }
        let live = book.call();
        assert!(book.due(30).is_some());
        book.callbacks.begun("2", live);
        let kept = book.callbacks.open.values().cloned().collect();
        book.callbacks = Callbacks::restore(kept, after(50).wall);
        assert_eq!(book.callbacks.rung_back_by("2"), None);
        assert_eq!(book.due(49), None, "the phone of 2 may still ring");
        assert_eq!(book.due(60).as_deref(), Some("2"));
        assert_eq!(book.due(60).as_deref(), Some("1"));
        assert_eq!(book.due(60), None);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut book = Book::new();
        for n in 0..limits::RECALLS {
            assert!(book.callbacks.takes_recalls());
            book.ask(&n.to_string(), 0, 1);
        }
        assert!(!book.callbacks.takes_recalls());
        book.callbacks.answered("0");
        assert!(book.callbacks.takes_recalls());
    }
}
