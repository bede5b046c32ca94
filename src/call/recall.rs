//! A recall: a call of ours back to a patient who asked for it in a queue and kept the place there.
//!
//! ```text
//!          answered              whisper over             answered         notice over
//! Waiting ─────────► Whispering ─────────────► Dialling ───────────► Whispering ──────► Talking
//!   ▲   misses, hangs up │                        │ not reached, or the operator hangs up
//!   └────────────────────┘                        └──────► Ended; the ledger climbs its ladder
//! ```
//!
//! The operator is rung first and hears the whisper; nobody stands on the caller's side until the
//! patient answers. From then on it is a call like any other: a patient who has answered is not rung
//! again, and waits for the next operator if this one is gone. Whoever gets no answer has no paperwork.
//! That the patient is about to be rung is kept before the INVITE leaves, so that no restart rings twice.
//!
//! When to ring back, and how often, is not decided here. Nor is a caller's wish for a callback: that
//! is in [`super::callback`].

use std::sync::Arc;

use super::call::{Beginning, Call, Effects};
use super::cause;
use super::dial::Dial;
use super::entry::notice;
use super::facts::{CallFacts, Errand, PatientTry};
use super::leg::Leg;
use super::message::{CallEffect, CallTimer, Gate, News, World};
use super::path::{Path, Step};
use super::phase::{Notice, Phase, Stage, Whispering};
use crate::dialplan::decide::Decision;
use crate::dialplan::dial::Dialled;
use crate::dialplan::plan::{Dialplan, Target};
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::limits;
use crate::media::command::MediaCommand;
use crate::time::{Instant, Wall};
use crate::words::{Direction, LeftReason, MissedReason, Outcome};

/// What a recall is made of.
#[derive(Debug)]
pub struct Recalled {
    /// Its new id.
    pub id: CallId,
    /// What it is for.
    pub errand: Errand,
    /// Its new ticket.
    pub ticket: TicketId,
    /// The plan that is live.
    pub plan: Arc<Dialplan>,
    /// What it says of the number that the patient called.
    pub decision: Decision,
    /// The patient's number.
    pub number: String,
    /// The number shown to the patient.
    pub show: Option<String>,
    /// The queue.
    pub queue: QueueName,
    /// When the patient came into it.
    pub entered: Instant,
    /// The priority there.
    pub priority: i32,
    /// Only this operator is rung, at once; the call ends when they do not take it.
    pub operator: Option<OperatorName>,
}

/// How far a recall is.
#[derive(Clone, Debug)]
pub struct Recall {
    /// The number shown to the patient.
    show: Option<String>,
    /// Who alone is rung before the patient.
    only: Option<OperatorName>,
    /// That we ring the patient is not on disk yet.
    unkept: bool,
}

/// How the phone outside rings: a patient's whom we call back, or whom an operator dialled.
#[derive(Clone, Debug)]
pub struct Outside {
    /// When it was asked to.
    begun: Wall,
    /// Since when it is heard.
    rings: Option<Instant>,
}

impl Call {
    /// A call back to a patient, which joins the queue at once.
    pub fn recall(recalled: Recalled, world: &mut World<'_>, fx: &mut Effects) -> Self {
        let Recalled {
            id,
            ticket,
            errand,
            plan,
            mut decision,
            number,
            show,
            queue,
            entered,
            priority,
            operator,
        } = recalled;
        decision.priority = priority;
        let lead = matches!(errand, Errand::Lead(_));
        let past = world.history.past(&number);
        let repeat = past.is_some_and(|past| past.repeats(world.now.wall, plan.repeat_within));
        let facts = CallFacts {
            direction: Direction::Outbound,
            lead,
            repeat: lead && repeat,
            errand: Some(errand),
            from: show.as_deref().map(Arc::from),
            to: Arc::from(number),
            plan: Arc::from(plan.hash.as_str()),
            ..CallFacts::of(id, &decision, world.now.wall)
        };
        let notice = notice(&plan);
        let beginning = Beginning {
            facts,
            plan,
            decision,
            path: Path::new(&[], entered),
            phase: Phase::Waiting,
            notice,
            caller: Leg::nobody(world.minted.leg()),
            ticket,
        };
        let mut call = Self::begin(beginning, world.now.mono);
        call.greeted = true;
        call.recall = Some(Recall {
            show,
            only: operator,
            unkept: false,
        });
        call.tell(News::Started, fx);
        call.tell_routed(vec![format!("queue.{queue}")], fx);
        call.limit_length(world, fx);
        call.join(world, queue, fx);
        call
    }

    fn limit_length(&self, world: &World<'_>, fx: &mut Effects) {
        let longest = world.now.mono + world.settings.call_length;
        fx.push_back(CallEffect::SetTimer(CallTimer::Length, longest));
    }

    /// Whether the patient whom this call rings back has not answered yet.
    #[must_use]
    pub fn rings_back(&self) -> bool {
        self.recall.is_some() && self.caller.is_nobody()
    }

    /// The number of the one who wants to talk to us: who called, or is called back.
    pub(super) fn patient(&self) -> Option<&str> {
        match self.recall {
            Some(_) => Some(&self.facts.to),
            None => self.facts.from.as_deref(),
        }
    }

    /// The number shown to the patient.
    pub(super) fn recall_shows(&self) -> Option<&str> {
        let recall = self.recall.as_ref().filter(|_| self.rings_back());
        recall.and_then(|recall| recall.show.as_deref())
    }

    /// Who alone is rung.
    pub(super) fn only_operator(&self) -> Option<&OperatorName> {
        self.recall.as_ref()?.only.as_ref()
    }

    /// The operator who was rung did not take it. When nobody else is to be rung the patient is left
    /// alone; one who has answered waits for anybody.
    pub(super) fn operator_let_down(&mut self, world: &World<'_>, fx: &mut Effects) {
        let waits = self.phase == Phase::Waiting;
        let only = self.recall.as_mut().filter(|_| waits);
        if only.and_then(|recall| recall.only.take()).is_none() {
            return;
        }
        if self.rings_back() {
            let farewell = self.farewell_for(cause::NOBODY);
            let reason = Some(MissedReason::NoOperators);
            self.end(world, Outcome::Missed, reason, farewell, fx);
        } else if let Some(queue) = self.stands_in.clone() {
            self.turn(&[Target::Queue(queue)], LeftReason::Moved, fx);
        }
    }

    /// The queue let the recall go. One that waited too long takes its place again at once; for
    /// anything else the ledger tries again later.
    pub(super) fn recall_left(
        &mut self,
        world: &World<'_>,
        queue: QueueName,
        reason: LeftReason,
        fx: &mut Effects,
    ) {
        if reason == LeftReason::Moved
            && let Some(queue) = self.moved_to(world)
        {
            return self.join(world, queue, fx);
        }
        match reason {
            LeftReason::Timeout => self.join(world, queue, fx),
            LeftReason::NoOperators
            | LeftReason::QueueFull
            | LeftReason::EstimatedWait
            | LeftReason::ExitKey
            | LeftReason::Answered
            | LeftReason::Abandoned
            | LeftReason::Callback
            | LeftReason::Moved => {
                self.queued = false;
                let farewell = self.farewell_for(cause::NOBODY);
                let reason = Some(MissedReason::NoOperators);
                self.end(world, Outcome::Missed, reason, farewell, fx);
            }
        }
    }

    /// The first open queue on the way that somebody chose.
    fn moved_to(&mut self, world: &World<'_>) -> Option<QueueName> {
        loop {
            let site = self.decision.site.as_ref();
            match self.path.step(&self.plan, site, world.now.wall) {
                Step::Join(queue) => return Some(queue),
                Step::Closed(_) => {}
                Step::Voicemail(_) | Step::Over => return None,
            }
        }
    }

    /// The operator has heard the whisper: now the patient is rung, and the operator hears music.
    pub(super) fn ring_patient(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let Some(operator) = self.operator.as_ref().map(|leg| leg.id) else {
            return;
        };
        let number = self.facts.to.to_string();
        if let Some(recall) = &mut self.recall {
            recall.unkept = true;
        }
        self.begin_outside(world);
        self.limit_length(world, fx);
        self.entertain(world, operator, fx);
        self.phase = Phase::Dialling;
        let dialled = Dialled::Outside {
            number,
            emergency: false,
        };
        self.dial = Some(Dial::new(dialled, world.now.mono));
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Dial,
            world.now.mono + limits::RECALL_RINGS,
        ));
        self.tell(News::RingsPatient, fx);
        fx.push_back(CallEffect::Commit(Gate::RingsPatient));
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Gate(Gate::RingsPatient),
            world.now.mono + limits::COMMIT_BEFORE_RECALL,
        ));
    }

    /// The attempt is on disk: now the INVITE may leave.
    pub(super) fn dial_patient(&mut self, fx: &mut Effects) {
        let dials = self.phase == Phase::Dialling && self.rings_back();
        let recall = self.recall.as_mut().filter(|it| dials && it.unkept);
        if let Some(recall) = recall {
            recall.unkept = false;
            let number = self.facts.to.to_string();
            fx.push_back(CallEffect::Ways { number });
        }
    }

    /// The phone outside shall ring.
    fn begin_outside(&mut self, world: &World<'_>) {
        self.outside.get_or_insert(Outside {
            begun: world.now.wall,
            rings: None,
        });
    }

    /// An operator dials a number outside: how it goes is written down as for a patient of ours. One to
    /// whom a call is sent on is somebody else.
    pub(super) fn operator_dials_outside(&mut self, world: &World<'_>) {
        let placed = self.facts.placed_by.is_some() && self.transfer.is_none();
        if placed && self.facts.direction == Direction::Outbound {
            self.begin_outside(world);
        }
    }

    /// Whether an operator's call to somebody outside has not been answered yet.
    fn seeks_outside(&self) -> bool {
        self.recall.is_none() && self.bridged.is_none() && self.facts.patient.is_none()
    }

    /// The number that an operator dialled has answered, or will not.
    pub(super) fn outside_tried(&mut self, world: &World<'_>, code: u16) {
        if self.seeks_outside() {
            self.patient_tried(world, code);
        }
    }

    /// The phone outside rings.
    pub(super) fn patient_rings(&mut self, world: &World<'_>, code: u16) {
        if let Some(outside) = self.outside.as_mut().filter(|_| code >= 180) {
            outside.rings.get_or_insert(world.now.mono);
        }
    }

    /// The patient answered: the notice, if there is one, and then the operator.
    pub(super) fn patient_answered(
        &mut self,
        world: &mut World<'_>,
        leg: Leg,
        heard_early: bool,
        fx: &mut Effects,
    ) {
        self.caller = leg;
        self.patient_tried(world, 200);
        let sides = self.sides();
        let seat = sides.and_then(|(_, operator)| self.seats.get(&operator));
        let (Some((caller, right)), Some(seat)) = (sides, seat) else {
            let farewell = self.farewell_for(cause::NOBODY);
            let reason = Some(MissedReason::NoOperators);
            return self.end(world, Outcome::Missed, reason, farewell, fx);
        };
        let operator = seat.operator.clone();
        // Nobody is heard by the patient before the notice.
        if heard_early && self.notice == Notice::Due {
            let unbridge = MediaCommand::Unbridge {
                caller,
                operator: right,
            };
            Self::media(unbridge, fx);
            self.entertain(world, right, fx);
        }
        self.phase = Phase::Whispering(Whispering {
            operator,
            spoken: self.spoken(world),
            since: world.now.mono,
            stage: Stage::Over,
            told: true,
        });
        self.play_notice(world, fx);
        self.bridge_if_ready(world, fx);
    }

    /// The patient was not reached.
    pub(super) fn patient_missed(&mut self, world: &World<'_>, code: u16, fx: &mut Effects) {
        self.patient_tried(world, code);
        self.facts.result.get_or_insert(cause::result_of(code));
        let (outcome, reason) = (Outcome::Missed, Some(MissedReason::Timeout));
        let farewell = self.farewell_for(cause::of_response(code));
        self.end(world, outcome, reason, farewell, fx);
    }

    /// The operator is gone, or the patient calls in, while the patient's phone rings.
    pub(super) fn give_up_patient(&mut self, world: &World<'_>, receded: bool, fx: &mut Effects) {
        self.patient_tried(world, 487);
        if let Some(tried) = &mut self.facts.patient {
            tried.receded = receded;
        }
        let farewell = self.farewell_for(cause::NORMAL);
        let reason = Some(MissedReason::Abandoned);
        self.end(world, Outcome::Missed, reason, farewell, fx);
    }

    /// The patient calls in: there is nobody to ring back. One who has answered is not let go.
    pub(super) fn recede(&mut self, world: &World<'_>, fx: &mut Effects) {
        if self.rings_back() && !self.ended() {
            self.give_up_patient(world, true, fx);
        }
    }

    /// The call ends while the phone outside rings, by nobody's doing there: it has been rung all the
    /// same. A stop of the server's is no attempt.
    pub(super) fn end_of_ringing(&mut self, world: &World<'_>, reason: Option<MissedReason>) {
        let stops = reason == Some(MissedReason::Interrupted);
        let rings = self.rings_back() && self.facts.patient.is_none() || self.seeks_outside();
        if rings && !stops {
            self.patient_tried(world, 487);
        }
    }

    /// Writes the attempt down, once; before the phone outside is rung there is none.
    fn patient_tried(&mut self, world: &World<'_>, sip_code: u16) {
        let Some(outside) = &self.outside else {
            return;
        };
        let operator = self.operator.as_ref().and_then(|it| self.seats.get(&it.id));
        let operator = operator.map(|seat| seat.operator.clone());
        self.facts.patient = Some(PatientTry {
            at: outside.begun,
            operator: operator.or_else(|| self.facts.placed_by.clone()),
            sip_code,
            ring: outside
                .rings
                .map(|rings| world.now.mono.since(rings))
                .unwrap_or_default(),
            receded: false,
        });
    }
}
