//! The engine: every machine, and the carrying of messages between them.
//!
//! One input is handled to quiescence: a step's effects are applied before anything that came after
//! it, depth first, so that the story of a call reads in the order in which things happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::codes::Codes;
use super::fault::Before;
use super::floor;
use super::input::{Answer, Input};
use super::output::{Level, LogLine, Output, Question};
#[cfg(test)]
use super::sabotage;
use super::settings::EngineSettings;
use super::toll::Toll;
use crate::acd::desk::Desk;
use crate::acd::message::{AcdEffect, AcdInput};
use crate::call::call::{Call, Effects};
use crate::call::cause;
use crate::call::message::{CallEffect, CallInput, CallTimer, Gate, Minted, World};
use crate::dialplan::plan::Dialplan;
use crate::id::{AskId, CallId, FlowId, LegId};
use crate::ledger::answers::Answers;
use crate::ledger::callbacks::Callbacks;
use crate::ledger::engaged::Engaged;
use crate::ledger::history::History;
use crate::ledger::leads::Leads;
use crate::ledger::outcomes::Outcomes;
use crate::ledger::refusals::Refusals;
use crate::limits;
use crate::media::command::{MediaCommand, MediaEvent};
use crate::rng::Rng;
use crate::sip::endpoint::{Endpoint, EndpointEvent, HoldId, Transmit};
use crate::sip::resolve::Query;
use crate::sip::trunk::{TargetKey, Trunks};
use crate::time::{Instant, Now, Timers, Wakeup};
use crate::words::{Phrase, Prompt};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum EngineTimer {
    /// A call's own timer.
    Call(CallId, CallTimer),
    /// A packet has waited long enough for the disk.
    Hold(HoldId),
    /// Somebody may be rung back, or a callback be told of.
    Recalls,
    /// A lead may be called.
    Leads,
    /// Calls that were refused in bulk are told.
    Refusals,
    /// A phone has heard how its code went for long enough.
    Code(LegId),
}

#[derive(Clone, Debug)]
pub(super) enum Asked {
    Gate(CallId, Gate),
    Hold(HoldId),
    Records(Query),
    Connect(TargetKey),
    Render(CallId, Vec<Phrase>),
}

#[derive(Debug)]
pub(super) enum Work {
    Call(CallId, CallEffect),
    Desk(AcdEffect),
    Sip(EndpointEvent),
}

/// The engine.
pub struct Engine {
    pub(super) settings: EngineSettings,
    pub(super) rng: Rng,
    pub(super) endpoint: Endpoint,
    pub(super) trunks: Trunks,
    pub(super) desk: Desk,
    pub(super) callbacks: Callbacks,
    pub(super) leads: Leads,
    pub(super) engaged: Engaged,
    pub(super) answers: Answers,
    pub(super) history: History,
    pub(super) outcomes: Outcomes,
    pub(super) plan: Arc<Dialplan>,
    pub(super) prompts: Arc<BTreeMap<Phrase, Prompt>>,
    /// Those of the live plan alone.
    plan_prompts: Arc<BTreeMap<Phrase, Prompt>>,
    pub(super) calls: BTreeMap<CallId, Call>,
    pub(super) active: usize,
    pub(super) legs: BTreeMap<LegId, CallId>,
    pub(super) minted: Minted,
    pub(super) asks: BTreeMap<AskId, Asked>,
    last_ask: u64,
    pub(super) held: BTreeMap<HoldId, Vec<Transmit>>,
    pub(super) timers: Timers<EngineTimer>,
    pub(super) work: VecDeque<Work>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) next_arrival: Instant,
    pub(super) clock: Now,
    pub(super) draining: bool,
    pub(super) turned_away: u64,
    pub(super) refusals: Refusals,
    pub(super) faults: u64,
    pub(super) toll: Toll,
    pub(super) codes: Codes,
    #[cfg(test)]
    pub(crate) sabotage: sabotage::Sabotage,
}

impl Engine {
    /// An engine with its first plan; the same settings, seed and inputs give the same outputs.
    #[must_use]
    pub fn new(settings: EngineSettings, seed: [u8; 32], now: Now) -> Self {
        let mut rng = Rng::new(seed);
        let endpoint = Endpoint::new(settings.endpoint.clone(), rng.fork(), now);
        let restored = settings.restored.clone();
        let not_before = now.wall + limits::RECALL_AFTER_RESTART;
        let mut engine = Self {
            endpoint,
            // A stream of its own, so that carriers do not move the ids of calls.
            trunks: Trunks::new(Rng::new(seed.map(|byte| !byte))),
            desk: Desk::new(Rng::new(seed.map(|byte| byte.rotate_left(3)))),
            callbacks: Callbacks::restore(restored.callbacks, not_before),
            leads: Leads::restore(restored.leads, not_before),
            engaged: Engaged::default(),
            answers: Answers::restore(restored.answers, now.wall),
            history: History::restore(restored.numbers),
            outcomes: Outcomes::default(),
            plan: Arc::clone(&settings.plan),
            prompts: Arc::clone(&settings.prompts),
            plan_prompts: Arc::clone(&settings.prompts),
            settings,
            rng,
            calls: BTreeMap::new(),
            active: 0,
            legs: BTreeMap::new(),
            minted: Minted::default(),
            asks: BTreeMap::new(),
            last_ask: 0,
            held: BTreeMap::new(),
            timers: Timers::default(),
            work: VecDeque::new(),
            outputs: VecDeque::new(),
            next_arrival: Instant::START,
            clock: now,
            draining: false,
            turned_away: 0,
            refusals: Refusals::default(),
            faults: 0,
            toll: Toll::default(),
            codes: Codes::default(),
            #[cfg(test)]
            sabotage: sabotage::Sabotage::default(),
        };
        engine.apply_plan(now);
        engine.show_all_callbacks(now);
        engine.desk.restore(restored.wishes);
        engine.forgive(now);
        let users = restored.bindings.iter();
        let users: BTreeSet<_> = users.map(|it| it.user.clone()).collect();
        engine.endpoint.restore(restored.bindings);
        for operator in users {
            if engine.endpoint.bindings(&operator).next().is_some() {
                engine.desk_input(now, AcdInput::PhoneUp { operator });
            }
        }
        engine.settle(now);
        engine.find_shift(now);
        engine.arm_recalls(now);
        engine.tell_interrupted(now);
        engine.close_leads_left(now);
        engine
    }

    /// Handles one input to quiescence.
    pub fn handle_input(&mut self, now: Now, input: Input<'_>) {
        self.look_at_clock(now);
        match input {
            Input::Sip { flow, bytes } => self.endpoint.handle_packet(now, flow, bytes),
            Input::FlowDown { flow } => {
                self.endpoint.handle_flow_down(now, flow);
                self.trunks.handle_flow_down(now.mono, flow);
            }
            Input::Media(event) => self.handle_media(now, event),
            Input::Answer { id, answer } => self.handle_answer(now, id, answer),
            Input::FlowUp { flow } => self.endpoint.handle_flow_up(&flow),
            Input::Timeout => self.handle_timeout(now),
            Input::Plan { plan, prompts } => {
                self.plan = plan;
                self.take_prompts(prompts);
                self.apply_plan(now);
                self.note_shift(now);
                self.tell_plan_applied(now);
            }
            Input::PlanRejected { problems, first } => {
                self.tell_plan_rejected(now, problems, &first);
            }
            Input::Command { id, actor, command } => {
                self.handle_command(now, id, &actor, command);
            }
            Input::Drain => self.draining = true,
            Input::HangUpAll => {
                self.tell_refusals(now);
                let calls: Vec<_> = self.calls.keys().copied().collect();
                for call in calls {
                    self.step(now, call, CallInput::HangUp(cause::STOPPING));
                    self.settle(now);
                }
            }
        }
        self.settle(now);
    }

    /// The next thing for the shell to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let own = self.timers.next().map(|at| Wakeup { at, why: "call" });
        let trunks = self.trunks.poll_timeout();
        let trunks = trunks.map(|at| Wakeup { at, why: "a trunk" });
        let (endpoint, desk) = (self.endpoint.poll_timeout(), self.desk.poll_timeout());
        [endpoint, desk, trunks, own]
            .into_iter()
            .flatten()
            .min_by_key(|wakeup| wakeup.at)
    }

    /// The live plan.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Dialplan> {
        &self.plan
    }

    /// The distributor, for looking only.
    #[must_use]
    pub const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The calls, for looking only.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// The flows that something lives on; a stream that is quiet and not among them may be closed.
    #[must_use]
    pub fn flows_in_use(&self) -> BTreeSet<FlowId> {
        let mut used = self.endpoint.flows_in_use();
        used.extend(self.trunks.flows());
        used
    }

    fn apply_plan(&mut self, now: Now) {
        self.codes.forget_all_but(&self.plan);
        self.apply_trunks(now);
        self.apply_directory();
        self.desk_input(now, AcdInput::Floor(Box::new(floor::floor(&self.plan))));
        self.forgive(now);
    }

    /// The prompts of a new plan, and those of the one before it: callers who wait by that one still
    /// hear its music and are announced in its words.
    fn take_prompts(&mut self, prompts: Arc<BTreeMap<Phrase, Prompt>>) {
        let mut all = (*prompts).clone();
        for (phrase, prompt) in self.plan_prompts.iter() {
            all.entry(phrase.clone()).or_insert(*prompt);
        }
        self.prompts = Arc::new(all);
        self.plan_prompts = prompts;
    }

    fn handle_timeout(&mut self, now: Now) {
        self.endpoint.handle_timeout(now);
        self.settle(now);
        self.trunks.handle_timeout(now.mono);
        self.settle(now);
        let mut effects = VecDeque::new();
        self.desk.handle_timeout(now, &mut effects);
        self.work.extend(effects.into_iter().map(Work::Desk));
        self.settle(now);
        while let Some(timer) = self.timers.pop_due(now.mono) {
            match timer {
                EngineTimer::Call(call, timer) => {
                    if timer == CallTimer::Length {
                        self.tell_too_long(now, call);
                    }
                    self.step(now, call, CallInput::Timer(timer));
                }
                EngineTimer::Code(leg) => self.end_code(now, leg),
                EngineTimer::Hold(hold) => {
                    self.log(Level::Error, None, "the store is slow: a registration is confirmed before it is on disk; check the disk of the data folder");
                    self.release_hold(hold);
                }
                EngineTimer::Leads => self.work_leads(now),
                EngineTimer::Recalls => self.look_at_callbacks(now),
                EngineTimer::Refusals => self.tell_refusals(now),
            }
            self.settle(now);
        }
    }

    fn handle_media(&mut self, now: Now, event: MediaEvent) {
        if self.hears_code_media(now, &event) {
            return;
        }
        let call = match &event {
            MediaEvent::Opened { leg, .. }
            | MediaEvent::OpenFailed { leg }
            | MediaEvent::Played { leg, .. }
            | MediaEvent::Digit { leg, .. }
            | MediaEvent::Silent { leg } => self.legs.get(leg).copied(),
            MediaEvent::Recorded { call, .. }
            | MediaEvent::RecordTroubled { call, .. }
            | MediaEvent::RecordFailed { call, .. } => Some(*call),
        };
        match call {
            Some(call) if self.calls.contains_key(&call) => {
                self.step(now, call, CallInput::Media(event));
            }
            Some(call) => self.tell_late_recording(now, call, event),
            None => {
                if let MediaEvent::Opened { leg, .. } = event {
                    self.outputs
                        .push_back(Output::Media(MediaCommand::Close { leg }));
                }
            }
        }
    }

    fn handle_answer(&mut self, now: Now, id: AskId, answer: Answer) {
        match (self.asks.remove(&id), answer) {
            (Some(Asked::Gate(call, gate)), Answer::Committed) => {
                self.step(now, call, CallInput::Committed(gate));
            }
            (Some(Asked::Hold(hold)), Answer::Committed) => {
                self.timers.cancel(&EngineTimer::Hold(hold));
                self.release_hold(hold);
            }
            (Some(Asked::Records(query)), Answer::Records(records)) => {
                self.trunks.handle_records(now.mono, &query, records);
            }
            (Some(Asked::Connect(target)), Answer::Connected(way)) => {
                self.trunks.handle_connected(now.mono, &target, way);
            }
            (Some(Asked::Render(call, asked)), Answer::Rendered(prompts)) => {
                self.step(now, call, CallInput::Rendered { asked, prompts });
            }
            (
                _,
                Answer::Committed | Answer::Records(_) | Answer::Connected(_) | Answer::Rendered(_),
            ) => {}
        }
    }

    fn release_hold(&mut self, hold: HoldId) {
        for Transmit { flow, bytes, .. } in self.held.remove(&hold).unwrap_or_default() {
            self.outputs.push_back(Output::Transmit { flow, bytes });
        }
    }

    pub(super) fn ask(&mut self, asked: Asked, question: Question) {
        self.last_ask += 1;
        let id = AskId(self.last_ask);
        self.asks.insert(id, asked);
        if self.asks.len() > limits::QUESTIONS {
            self.asks.pop_first();
        }
        self.outputs.push_back(Output::Ask { id, question });
    }

    pub(super) fn settle(&mut self, now: Now) {
        loop {
            let work = match self.work.pop_front() {
                Some(work) => work,
                None => match self.endpoint.poll_event() {
                    Some(event) => Work::Sip(event),
                    None if self.carry_trunks(now) => continue,
                    None => break,
                },
            };
            match work {
                Work::Call(call, effect) => self.apply(now, call, effect),
                Work::Desk(effect) => self.carry(now, effect),
                Work::Sip(event) => self.handle_endpoint(now, event),
            }
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            match transmit.hold {
                Some(hold) if self.timers.due(&EngineTimer::Hold(hold)).is_some() => {
                    self.held.entry(hold).or_default().push(transmit);
                }
                Some(_) | None => self.outputs.push_back(Output::Transmit {
                    flow: transmit.flow,
                    bytes: transmit.bytes,
                }),
            }
        }
    }

    /// Lets one call handle one input. A panic in it costs this call alone.
    pub(super) fn step(&mut self, now: Now, id: CallId, input: CallInput) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let before = Before::of(call, &input);
        let mut effects = Effects::new();
        let mut world = World {
            now,
            settings: &self.settings.call,
            prompts: &self.prompts,
            history: &self.history,
            takes_recalls: self.callbacks.takes_recalls(),
            minted: &mut self.minted,
            rng: &mut self.rng,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            self.sabotage.strike(sabotage::When::Before);
            call.handle(&mut world, input, &mut effects);
            #[cfg(test)]
            self.sabotage.strike(sabotage::When::After);
        }));
        if outcome.is_err() {
            self.release_call(now, id, before);
            return;
        }
        if !before.ended && call.ended() {
            self.active = self.active.saturating_sub(1);
        }
        self.queue_effects(id, effects);
    }

    pub(super) fn log(&mut self, level: Level, call: Option<CallId>, text: &str) {
        self.outputs.push_back(Output::Log(LogLine {
            level,
            call,
            text: text.to_owned(),
        }));
    }
}

#[cfg(test)]
mod tests;
