//! What people and programs want of callbacks: a call now, a note, another person who shall see to it;
//! and when the outside world is told that one is still open.
//!
//! Nobody closes a callback by a command: that somebody spoke with the patient is what closes it. How a
//! recall goes on once it is wanted is in [`super::recalling`].

use serde_json::{Map, Value, json};

use super::callback_event;
use super::command::Refused;
use super::commanding::{Shown, refused};
use super::engine::Engine;
use crate::dialplan::decide::Facts;
use crate::dialplan::dial::Dialled;
use crate::dialplan::plan::{Rung, Target};
use crate::id::{CallbackId, OperatorName, QueueName, TrunkName};
use crate::ledger::callbacks::{Callback, Remark};
use crate::ledger::recalls::Recall;
use crate::limits;
use crate::time::{Duration, Now, Wall};
use crate::words::OperatorState;

/// So far back a shift that ended while nobody looked is looked for.
const SHIFT_LOOKS_BACK: Duration = Duration::from_secs(8 * 86_400);
/// In steps of this first, then by the minute, which is what calendars are written in.
const SHIFT_STEP: Duration = Duration::from_secs(15 * 60);
const MINUTE: Duration = Duration::from_secs(60);

/// Why nobody outside can be rung by a plan that says nothing of it.
pub(super) const NO_OUTBOUND: &str = "the plan has no `outbound`, so nobody outside can be called; write \
                                      there which carrier calls go by and which numbers are allowed";

impl Engine {
    /// The patient of a callback shall be rung now: for this operator, or for whoever the queue picks.
    pub(super) fn order_callback(
        &mut self,
        now: Now,
        id: CallbackId,
        operator: Option<OperatorName>,
    ) -> Result<Shown, Refused> {
        let callback = self.known_callback(id)?.clone();
        self.may_be_rung(now, &callback)?;
        let recall = self.recall_for(now, &callback, operator.as_ref())?;
        let show = match self.rung(recall.rung) {
            Some(Rung::Call { show, .. }) => show,
            Some(Rung::Message { .. }) | None => None,
        };
        let Some(operator) = operator else {
            let recall = Recall {
                next_at: now.wall,
                ..recall
            };
            self.callbacks.wants(&callback.phone, recall, false);
            self.ring_back(now);
            return Ok(Shown::Callback(id));
        };
        self.known_operator(&operator)?;
        let state = self.desk.state(&operator);
        if state != Some(OperatorState::Available) {
            let state = state.map_or("unknown", OperatorState::as_str);
            let why =
                format!("{operator} is {state}; a callback is given to a free operator alone");
            return Err(refused(409, &why));
        }
        if !self.has_room(now, &recall) {
            let why = format!("the queue {} takes nobody now", recall.queue);
            return Err(refused(409, &why));
        }
        let lent = callback.recall.is_none();
        let phone = &callback.phone;
        self.callbacks.wants(phone, recall.clone(), lent);
        self.begin_recall(now, &callback, &recall, show, Some(operator));
        self.arm_recalls(now);
        Ok(Shown::Callback(id))
    }

    /// Somebody says something of a callback.
    pub(super) fn remark_callback(
        &mut self,
        id: CallbackId,
        remark: &Remark,
    ) -> Result<Shown, Refused> {
        self.known_callback(id)?;
        let assigned = remark.assigned.as_ref();
        if let Some(operator) = assigned.filter(|it| !it.as_str().is_empty()) {
            self.known_operator(operator)?;
        }
        self.callbacks.remark(id, remark);
        Ok(Shown::Callback(id))
    }

    fn known_callback(&self, id: CallbackId) -> Result<&Callback, Refused> {
        let known = self.callbacks.by_id(id);
        known.ok_or_else(|| refused(404, "there is no such open callback"))
    }

    fn may_be_rung(&self, now: Now, callback: &Callback) -> Result<(), Refused> {
        let phone = callback.phone.as_str();
        if !self.may_ring(phone) || self.callbacks.is_wanted(phone) {
            let why =
                "the patient is being called, or on the line, already; wait for the end of it";
            return Err(refused(409, why));
        }
        if self.plan.outbound.is_none() {
            return Err(refused(409, NO_OUTBOUND));
        }
        let why = match self.plan.dialled(phone, now.wall) {
            Ok(Dialled::Outside {
                emergency: false, ..
            }) => return Ok(()),
            Ok(_) => "the number is nobody's outside; no patient can be rung there".to_owned(),
            Err(barred) => format!("the patient cannot be rung: the number {barred}"),
        };
        Err(refused(409, &why))
    }

    /// The ladder goes on where it is; where it has not begun, or is over, it begins.
    fn recall_for(
        &self,
        now: Now,
        callback: &Callback,
        operator: Option<&OperatorName>,
    ) -> Result<Recall, Refused> {
        let queue = self.queue_for(now, callback, operator).ok_or_else(|| {
            let why = "no queue of the plan is for this callback; name an operator who serves one";
            refused(409, why)
        })?;
        let is_call = |rung: &u32| matches!(self.rung(*rung), Some(Rung::Call { .. }));
        let rungs = u32::try_from(limits::CALLBACK_ATTEMPTS).unwrap_or(u32::MAX);
        if let Some(recall) = &callback.recall {
            // A message that comes next comes after this call.
            let rung = (0..=recall.rung).rev().find(is_call);
            return Ok(Recall {
                rung: rung.unwrap_or(recall.rung),
                queue: operator.map_or(recall.queue.clone(), |_| queue),
                ..recall.clone()
            });
        }
        Ok(Recall {
            queue,
            entered: now.wall,
            priority: self.decided(now, callback).priority,
            dialled: callback.dialled.clone(),
            rung: (0..rungs).find(is_call).unwrap_or(0),
            next_at: now.wall,
        })
    }

    /// Where the caller stood last, else where the plan sends callers of that number now, else the only
    /// queue there is; of these the first that the operator serves, where one is named.
    fn queue_for(
        &self,
        now: Now,
        callback: &Callback,
        operator: Option<&OperatorName>,
    ) -> Option<QueueName> {
        let kept = callback.recall.as_ref().map(|recall| recall.queue.clone());
        let targets = self.decided(now, callback).targets;
        let known = kept.into_iter().chain(callback.queue.clone());
        let known: Vec<_> = known
            .chain(targets.iter().filter_map(|target| match target {
                Target::Queue(queue) => Some(queue.clone()),
                Target::Voicemail(_) => None,
            }))
            .filter(|queue| self.plan.queues.contains_key(queue))
            .collect();
        let serves = |queue: &&QueueName| {
            let rules = self.plan.queues.get(*queue);
            rules.is_some_and(|rules| operator.is_none_or(|it| rules.operators.contains_key(it)))
        };
        let only = Some(&self.plan.queues).filter(|queues| queues.len() == 1 || operator.is_some());
        let all = only.into_iter().flat_map(|queues| queues.keys());
        let found = known
            .iter()
            .find(serves)
            .or_else(|| all.clone().find(serves));
        found.or_else(|| known.first()).cloned()
    }

    fn decided(&self, now: Now, callback: &Callback) -> crate::dialplan::decide::Decision {
        let facts = Facts {
            trunk: TrunkName::from(""),
            to: callback.dialled.clone(),
            from: Some(callback.phone.clone()),
        };
        self.plan.decide(&facts, now.wall)
    }

    /// What the journal says besides, so that a restart knows what was wanted.
    pub(super) fn add_to_deed(&self, shown: &Shown, deed: &mut Map<String, Value>) {
        if let Shown::Callback(id) = shown
            && let Some(callback) = self.callbacks.by_id(*id)
            && let Some(recall) = self.callbacks.lasting_recall(&callback.phone)
        {
            deed.insert("recall".into(), callback_event::recall_fields(Some(recall)));
        }
    }

    /// A callback as it is now.
    pub(super) fn one_callback(&self, id: CallbackId) -> Value {
        match self.callbacks.by_id(id) {
            Some(callback) => {
                let state = self.callbacks.state(callback);
                Value::Object(callback_event::callback_fields(callback, state))
            }
            None => json!({ "id": id.to_string() }),
        }
    }

    /// The callbacks whose patients are being rung.
    pub(super) fn attempting(&self) -> Value {
        let ids = self.callbacks.attempting().map(|it| it.id.to_string());
        json!({ "attempting": ids.collect::<Vec<_>>() })
    }

    /// Tells of callbacks that are due, a few at a time. The call is over, and has had its last word.
    pub(super) fn tell_overdue(&mut self, now: Now) {
        for _ in 0..limits::CALLBACKS_TOLD_AT_ONCE {
            let Some(callback) = self.callbacks.pop_overdue(now.wall) else {
                return;
            };
            let fields =
                callback_event::callback_fields(&callback, self.callbacks.state(&callback));
            self.record(now, "callback.overdue", None, fields);
        }
    }

    /// Tells of what a shift that has ended leaves over, a few at a time.
    pub(super) fn tell_left_over(&mut self, now: Now) {
        if self.callbacks.shift_is(self.shift_open(now.wall)) {
            self.callbacks.shift_ended(now.wall);
        }
        for callback in self.callbacks.left_over() {
            let mut fields =
                callback_event::callback_fields(&callback, self.callbacks.state(&callback));
            fields.insert("shift_end".into(), json!(true));
            self.record(now, "callback.overdue", None, fields);
        }
    }

    /// Whether the end of a shift is waited for.
    pub(super) fn watches_shift(&self) -> bool {
        self.plan.callbacks.shift_end.is_some()
    }

    fn shift_open(&self, wall: Wall) -> Option<bool> {
        let calendar = self.plan.callbacks.shift_end.as_ref()?;
        Some(self.plan.is_open(calendar, None, wall))
    }

    /// Another plan: whatever its calendar says now is no end of a shift.
    pub(super) fn note_shift(&mut self, now: Now) {
        self.callbacks.shift_is(None);
        self.callbacks.shift_is(self.shift_open(now.wall));
        self.arm_recalls(now);
    }

    /// At the start: a shift that ended while the server was down leaves over what it leaves over.
    pub(super) fn find_shift(&mut self, now: Now) {
        let open = self.shift_open(now.wall);
        self.callbacks.shift_is(open);
        if open != Some(false) {
            return;
        }
        let back = |wall: Wall, by: Duration| {
            let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            Wall::from_millis(wall.as_millis().saturating_sub(millis))
        };
        let (mut closed, first) = (now.wall, back(now.wall, SHIFT_LOOKS_BACK));
        for step in [SHIFT_STEP, MINUTE] {
            while self.shift_open(back(closed, step)) == Some(false) {
                closed = back(closed, step);
                if closed < first {
                    return;
                }
            }
        }
        self.callbacks.shift_ended(closed);
    }
}
