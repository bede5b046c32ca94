//! Ringing back: the callbacks that were asked for become calls of ours when their turn may have come,
//! and what came of each goes back into the ledger. What somebody outside wants of callbacks, and when
//! they are told of again, is in [`super::calling_back`].
//!
//! A recall that cannot begin, because its queue is closed, has nobody at work or calls out are not
//! allowed now, is looked at again and again: it waits, and is never lost. What has a place in a queue
//! is a call; this file knows none of its steps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::attempts::{attempt, attempt_fields, ringing};
use super::callback_event;
use super::engine::{Engine, EngineTimer};
use super::output::Level;
use crate::call::call::{Call, Effects};
use crate::call::facts::{CallFacts, Errand, PatientTry};
use crate::call::message::World;
use crate::call::recall::Recalled;
use crate::dialplan::decide::{Decision, Facts};
use crate::dialplan::dial::Dialled;
use crate::dialplan::plan::{Queue, Rung, Target};
use crate::id::{CallId, CallbackId, OperatorName, SiteName, TrunkName, Ulid};
use crate::ledger::attempts::{Attempt, Upshot, without_proof};
use crate::ledger::callbacks::{Callback, Missed, State, Verdict};
use crate::ledger::history::Talk;
use crate::ledger::recalls::Recall;
use crate::limits;
use crate::time::{Duration, Instant, Now, Wall};
use crate::words::{Direction, MissedReason, OperatorState, Outcome};

/// What is due by now, and what is left to tell of, waits so long for the next look.
const SOON: Duration = Duration::from_secs(1);

impl Engine {
    /// Comes back when the next callback wants to be looked at, and now and then before that, as the
    /// clock on the wall may be set.
    pub(super) fn arm_recalls(&mut self, now: Now) {
        let wait = |at: Wall| between(now.wall, at);
        let recall = self.callbacks.next_recall().map(wait);
        let due = self.callbacks.next_due().map(|at| wait(at).max(SOON));
        let shift = self.watches_shift().then_some(limits::RECALL_AGAIN);
        let more = self.callbacks.looks_over_shift().then_some(SOON);
        let next = [recall, due, shift, more].into_iter().flatten().min();
        match next {
            Some(wait) => {
                let at = now.mono + wait.min(limits::RECALL_AGAIN);
                self.timers.set(EngineTimer::Recalls, at);
            }
            None => {
                self.timers.cancel(&EngineTimer::Recalls);
            }
        }
    }

    /// Tells of every callback that is due, and begins every recall that is due and may begin. The
    /// earlier place is in its queue before the next one comes.
    pub(super) fn look_at_callbacks(&mut self, now: Now) {
        self.tell_overdue(now);
        self.tell_left_over(now);
        self.ring_back(now);
    }

    pub(super) fn ring_back(&mut self, now: Now) {
        while let Some(callback) = self.callbacks.pop_recall(now.wall) {
            if let Some(recall) = callback.recall.clone() {
                self.climb(now, &callback, &recall);
                self.settle(now);
            }
        }
        self.arm_recalls(now);
    }

    fn climb(&mut self, now: Now, callback: &Callback, recall: &Recall) {
        if !self.may_ring(&callback.phone) {
            let again = now.wall + limits::RECALL_AGAIN;
            return self.callbacks.look_again(&callback.phone, again);
        }
        let rung = self.rung(recall.rung);
        let wanted = self.callbacks.is_wanted(&callback.phone);
        let show = match rung {
            Some(Rung::Call { show, .. }) => show,
            Some(Rung::Message { .. }) | None if wanted => None,
            Some(Rung::Message { .. }) => {
                let message = Attempt {
                    at: now.wall,
                    operator: None,
                    sip_code: None,
                    ring: Duration::ZERO,
                    result: Upshot::Message,
                };
                return self.attempted(now, &callback.phone, None, message, After::Climbs);
            }
            None => {
                self.callbacks.tried(&callback.phone, None);
                return;
            }
        };
        if self.may_ring_back(now, callback, recall) {
            self.begin_recall(now, callback, recall, show, None);
        } else {
            let again = now.wall + limits::RECALL_AGAIN;
            self.callbacks.look_again(&callback.phone, again);
        }
    }

    /// A plan without a ladder has one rung: the patient is rung once.
    pub(super) fn rung(&self, rung: u32) -> Option<Rung> {
        let ladder = &self.plan.callbacks.attempts;
        if ladder.is_empty() && rung == 0 {
            let after = Duration::ZERO;
            return Some(Rung::Call { show: None, after });
        }
        ladder.get(usize::try_from(rung).ok()?).cloned()
    }

    fn may_ring_back(&self, now: Now, callback: &Callback, recall: &Recall) -> bool {
        let Some(queue) = self.plan.queues.get(&recall.queue) else {
            return false;
        };
        let served = self.is_served(now, queue, callback.site.as_ref());
        served && self.has_room(now, recall) && self.dials(now, &callback.phone)
    }

    /// Whether a queue is open and somebody is at work there: nobody is rung for one that is not.
    pub(super) fn is_served(&self, now: Now, queue: &Queue, site: Option<&SiteName>) -> bool {
        let calendar = queue.calendar.as_ref();
        let open = calendar.is_none_or(|it| self.plan.is_open(it, site, now.wall));
        let mut operators = queue.operators.keys();
        let staffed = operators.any(|operator| {
            let state = self.desk.state(operator);
            state.is_some_and(|state| state != OperatorState::LoggedOut)
        });
        open && staffed
    }

    /// A call that the queue refuses at once would be made and told of again and again.
    pub(super) fn has_room(&self, now: Now, recall: &Recall) -> bool {
        let room = self.active < self.settings.calls && !self.draining;
        let (queue, entered) = (&recall.queue, moment(now, recall.entered));
        room && self.desk.lets_in(now.mono, queue, entered, recall.priority)
    }

    pub(super) fn dials(&self, now: Now, number: &str) -> bool {
        let dialled = self.plan.dialled(number, now.wall);
        dialled.is_ok_and(|dialled| match dialled {
            Dialled::Outside { emergency, .. } => !emergency,
            Dialled::Operator(_) | Dialled::Queues(_) => false,
        })
    }

    /// Makes the call, for one operator alone when one is named.
    pub(super) fn begin_recall(
        &mut self,
        now: Now,
        callback: &Callback,
        recall: &Recall,
        show: Option<String>,
        operator: Option<OperatorName>,
    ) {
        let id = CallId(Ulid::new(now.wall, &mut self.rng));
        let outbound = self.plan.outbound.as_ref();
        let of_site = callback
            .site
            .as_ref()
            .and_then(|site| outbound?.show.get(site));
        let of_site = of_site.or_else(|| outbound?.show_else.as_ref());
        let recalled = Recalled {
            id,
            errand: Errand::Callback(callback.id),
            ticket: self.minted.ticket(),
            plan: Arc::clone(&self.plan),
            number: callback.phone.clone(),
            show: show.or_else(|| of_site.cloned()),
            queue: recall.queue.clone(),
            entered: moment(now, recall.entered),
            priority: recall.priority,
            operator,
            decision: self.decision_of(now, callback, recall),
        };
        if self.place_recall(now, recalled) {
            self.callbacks.begun(&callback.phone, id);
        } else {
            let again = now.wall + limits::RECALL_AGAIN;
            self.callbacks.not_begun(&callback.phone, again);
        }
    }

    /// Begins a call of ours to a patient; a fault of ours is one in which there is none.
    pub(super) fn place_recall(&mut self, now: Now, recalled: Recalled) -> bool {
        let (id, number) = (recalled.id, recalled.number.clone());
        let mut effects = Effects::new();
        let mut world = World {
            now,
            settings: &self.settings.call,
            prompts: &self.prompts,
            history: &self.history,
            takes_recalls: false,
            minted: &mut self.minted,
            rng: &mut self.rng,
        };
        let begun = catch_unwind(AssertUnwindSafe(|| {
            Call::recall(recalled, &mut world, &mut effects)
        }));
        let Ok(call) = begun else {
            self.faults += 1;
            let text = "a fault of ours stopped a call back; please report the panic above it";
            self.log(Level::Error, Some(id), text);
            return false;
        };
        self.active += 1;
        self.calls.insert(id, call);
        self.engaged.begins(&number, id);
        self.queue_effects(id, effects);
        true
    }

    /// What the plan says of the number that the patient called, now.
    fn decision_of(&self, now: Now, callback: &Callback, recall: &Recall) -> Decision {
        let facts = Facts {
            trunk: TrunkName::from(""),
            to: recall.dialled.clone(),
            from: Some(callback.phone.clone()),
        };
        let decided = self.plan.decide(&facts, now.wall);
        Decision {
            targets: vec![Target::Queue(recall.queue.clone())],
            reject: None,
            site: callback.site.clone(),
            whisper: decided.whisper.of_callback(),
            ..decided
        }
    }

    /// A caller pressed the key: the callback is opened, and held until the caller has hung up.
    pub(super) fn callback_asked(
        &mut self,
        now: Now,
        facts: &CallFacts,
        entered: Wall,
        priority: i32,
    ) {
        let Some(queue) = facts.queue.clone() else {
            return;
        };
        let after = match self.rung(0) {
            Some(Rung::Call { after, .. } | Rung::Message { after }) => after,
            None => Duration::ZERO,
        };
        let recall = Recall {
            queue,
            entered,
            priority,
            dialled: facts.to.to_string(),
            rung: 0,
            next_at: now.wall + after,
        };
        let missed = self.missed_of(facts, MissedReason::Abandoned);
        let missed = Missed {
            ignores: Duration::ZERO,
            ..missed
        };
        let verdict = self.callbacks.asked(now, &missed, recall, &mut self.rng);
        let (kind, callback) = match verdict {
            Verdict::Opened(callback) => ("callback.opened", callback),
            Verdict::Repeated(callback) => ("callback.repeated", callback),
            Verdict::None(_) => return,
        };
        self.show_callbacks(now, callback.site.as_ref());
        let fields = callback_event::callback_fields(&callback, self.callbacks.state(&callback));
        self.record(now, kind, Some(facts.id), fields);
    }

    /// A missed call, as far as callbacks care.
    pub(super) fn missed_of<'a>(&self, facts: &'a CallFacts, reason: MissedReason) -> Missed<'a> {
        let rules = &self.plan.callbacks;
        Missed {
            call: facts.id,
            phone: facts.from.as_deref(),
            site: facts.site.as_ref(),
            queue: facts.queue.as_ref(),
            dialled: match facts.direction {
                Direction::Inbound => &facts.to,
                // Whoever was called knows the number that was shown.
                Direction::Outbound | Direction::Internal => {
                    facts.from.as_deref().unwrap_or_default()
                }
            },
            reason,
            stayed: facts.wait.unwrap_or_default(),
            due: rules.due,
            ignores: rules.ignore_shorter_than,
        }
    }

    /// The callback that this call asked for before it ended, while it is open.
    pub(super) fn asked_before(&self, facts: &CallFacts) -> Option<CallbackId> {
        let from = facts.from.as_deref().filter(|_| facts.callback_requested)?;
        self.callbacks.of(from).map(|callback| callback.id)
    }

    /// A call came in. Whoever has a recall in the same queue gets its place, and is rung by nobody
    /// meanwhile.
    pub(super) fn recognise(&mut self, now: Now, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.ended()) else {
            return;
        };
        if call.facts().direction != Direction::Inbound {
            return;
        }
        let Some(from) = call.facts().from.clone() else {
            return;
        };
        let known = self.callbacks.of(&from);
        if let Some(recall) = known.and_then(|callback| callback.recall.as_ref()) {
            call.keep_place(recall.queue.clone(), moment(now, recall.entered));
        }
        self.engage(now, &from, id);
    }

    /// A call is over: what its number is remembered by, and what becomes of a recall of it. A talk
    /// that closes a callback is told after this.
    pub(super) fn note_ended(&mut self, now: Now, facts: &CallFacts) {
        self.remember(facts);
        // The call of a recall is still its own here: what comes of that is said below.
        self.disengage(now, facts.id);
        if facts.direction == Direction::Outbound {
            self.recall_over(now, facts);
            self.lead_over(now, facts);
            self.others_rang(now, facts);
        }
        self.arm_recalls(now);
    }

    fn remember(&mut self, facts: &CallFacts) {
        let talk = facts.answered_at.zip(facts.operator.clone());
        let talk = talk.map(|(at, operator)| Talk { at, operator });
        let (number, from_it) = match (facts.direction, facts.outcome) {
            (Direction::Inbound, Some(Outcome::Answered | Outcome::Missed)) => {
                (facts.from.as_deref(), true)
            }
            (Direction::Outbound, _) if talk.is_some() => (Some(&*facts.to), false),
            (Direction::Inbound | Direction::Outbound | Direction::Internal, _) => (None, false),
        };
        if let Some(number) = number {
            self.history.called(number, facts.started_at, from_it, talk);
        }
    }

    /// A call that rang back is over. When the patient was not rung the rung is tried again, and when the
    /// attempt shows nothing a while later.
    fn recall_over(&mut self, now: Now, facts: &CallFacts) {
        let phone = &facts.to;
        if self.callbacks.rung_back_by(phone) != Some(facts.id) {
            return;
        }
        match &facts.patient {
            Some(tried) => {
                let attempt = attempt(tried, facts.result);
                let known = self.callbacks.of(phone);
                let known = known.map_or(&[][..], |callback| &callback.attempts);
                let unproven = without_proof(known.iter()) + 1 < limits::UNPROVEN_ATTEMPTS;
                let after = if tried.receded {
                    After::Stays
                } else if attempt.reached() {
                    // Whoever was reached and lost again is rung by the next rung.
                    facts.stranded.map_or(After::Stays, |_| After::Climbs)
                } else if attempt.in_vain() || !unproven {
                    After::Climbs
                } else {
                    After::Again
                };
                self.attempted(now, phone, Some(facts.id), attempt, after);
            }
            // A fault of ours ended the call in the middle of it.
            None if self.callbacks.has_dialled(phone) => {
                let tried = PatientTry {
                    at: now.wall,
                    operator: facts.operator.clone(),
                    sip_code: 500,
                    ring: Duration::ZERO,
                    receded: false,
                };
                let attempt = attempt(&tried, facts.result);
                self.attempted(now, phone, Some(facts.id), attempt, After::Climbs);
            }
            None => {
                let again = now.wall + limits::RECALL_AGAIN;
                self.callbacks.not_begun(phone, again);
            }
        }
    }

    /// An operator dials a number: nobody else rings the patient beside them.
    pub(super) fn rung_by_others(&mut self, now: Now, facts: &CallFacts) {
        if facts.direction == Direction::Outbound {
            self.callbacks.others_ring(&facts.to, facts.id);
            self.engage(now, &facts.to, facts.id);
        }
    }

    /// A call to a patient that was none of the callback's own: it is an attempt all the same.
    fn others_rang(&mut self, now: Now, facts: &CallFacts) {
        let phone = &facts.to;
        self.callbacks.others_rang(phone, facts.id);
        let tried = match (&facts.errand, &facts.patient) {
            (Some(Errand::Callback(_)), _) | (_, None) => return,
            (Some(Errand::Lead(_)) | None, Some(tried)) => tried,
        };
        if self.callbacks.of(phone).is_some() {
            let attempt = attempt(tried, facts.result);
            self.tell_attempt(now, phone, Some(facts.id), attempt);
        }
    }

    /// A patient is about to be rung: what a restart would find from now on is kept first.
    pub(super) fn recall_dials(&mut self, now: Now, facts: &CallFacts) {
        if self.callbacks.rung_back_by(&facts.to) != Some(facts.id) {
            return;
        }
        let next = self.next_rung(now, &facts.to);
        if let Some(callback) = self.callbacks.dials(&facts.to, ringing(now, facts), next) {
            let fields = callback_event::callback_fields(&callback, State::Attempting);
            self.record(now, "callback.dialled", Some(facts.id), fields);
        }
    }

    /// When the rung after the present one is due, if there is one.
    fn next_rung(&self, now: Now, phone: &str) -> Option<Wall> {
        let recall = self.callbacks.of(phone)?.recall.as_ref()?;
        match self.rung(recall.rung.saturating_add(1))? {
            Rung::Call { after, .. } | Rung::Message { after } => Some(now.wall + after),
        }
    }

    /// Tells of an attempt of ours, and goes on as it asks for.
    fn attempted(
        &mut self,
        now: Now,
        phone: &str,
        call: Option<CallId>,
        attempt: Attempt,
        after: After,
    ) {
        match after {
            After::Climbs => {
                let next = self.next_rung(now, phone);
                self.callbacks.tried(phone, next);
            }
            After::Again => {
                let again = now.wall + limits::UNPROVEN_AGAIN;
                self.callbacks.look_again(phone, again);
            }
            After::Stays => self.callbacks.look_again(phone, now.wall),
        }
        self.tell_attempt(now, phone, call, attempt);
    }

    /// At the start: attempts in which the last run died.
    pub(super) fn tell_interrupted(&mut self, now: Now) {
        for (phone, attempt) in self.callbacks.interrupted() {
            self.tell_attempt(now, &phone, None, attempt);
        }
        for (lead, attempt) in self.leads.interrupted() {
            self.leads.note_attempt(lead, attempt.clone());
            self.tell_lead_attempt(now, lead, None, &attempt);
        }
    }

    fn tell_attempt(&mut self, now: Now, phone: &str, call: Option<CallId>, attempt: Attempt) {
        let told = attempt_fields(&attempt);
        self.callbacks.note_attempt(phone, attempt);
        let Some(callback) = self.callbacks.of(phone) else {
            return;
        };
        let mut fields = callback_event::callback_fields(callback, self.callbacks.state(callback));
        fields.insert("attempt".into(), told);
        self.record(now, "callback.attempted", call, fields);
    }
}

/// What follows an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum After {
    /// The next rung.
    Climbs,
    /// The same rung, a while later.
    Again,
    /// Nothing by itself.
    Stays,
}

/// From one time to a later one; nothing when it is not later.
pub(super) fn between(from: Wall, to: Wall) -> Duration {
    let millis = to.as_millis().saturating_sub(from.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// A time of the past on the engine's own clock. Before the process began there is its start, and
/// whoever came first has the lower ticket.
pub(super) fn moment(now: Now, wall: Wall) -> Instant {
    now.mono - between(wall, now.wall)
}
