//! What must hold whatever happens, looked at after inputs and at the end of a run.
//!
//! It judges from two sides: the engine's own machines, and the events that the outside world gets.

mod floor;

use std::collections::{BTreeMap, BTreeSet};

use self::floor::Look;

use crate::call::phase::Phase;
use crate::engine::Engine;
use crate::engine::event::Event;
use crate::id::{CallId, LegId, OperatorName, TicketId};
use crate::time::Instant;
use crate::words::OperatorState;

/// Where not every input is looked at, the floor is at each of so many inspections.
const LOOK_EVERY: u64 = 64;

/// The story of one call, as its events tell it.
#[derive(Clone, Debug, Default)]
struct Story {
    /// The queue the caller stands in.
    queue: Option<String>,
    /// Operators who were assigned and have not missed.
    assigned: BTreeSet<String>,
    joined: u32,
    left: u32,
    bridged: bool,
    ended: bool,
    recording: bool,
}

/// What came of the calls, by outcome and reason.
pub type Tally = BTreeMap<String, u64>;

/// The watch.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    stories: BTreeMap<CallId, Story>,
    states: BTreeMap<String, String>,
    offered: u64,
    outcomes: Tally,
    reasons: Tally,
    callbacks: u64,
    /// How often each queue was joined and left.
    queues: BTreeMap<String, (u64, u64)>,
    /// The floor after the last input, and whether somebody has given an order since.
    floor: Look,
    ordered: bool,
    inspections: u64,
    /// Promises that were broken, in words; the first few.
    pub broken: Vec<String>,
}

impl Watch {
    fn object(&mut self, sentence: String) {
        if self.broken.len() < 20 {
            self.broken.push(sentence);
        }
    }

    fn expect(&mut self, holds: bool, sentence: impl FnOnce() -> String) {
        if !holds {
            self.object(sentence());
        }
    }

    /// Somebody who should hear something hears nothing.
    pub fn silence(&mut self, leg: LegId) {
        self.object(format!("silence on {leg}"));
    }

    /// Calls offered so far.
    #[must_use]
    pub const fn offered(&self) -> u64 {
        self.offered
    }

    /// Ended calls by outcome.
    #[must_use]
    pub const fn outcomes(&self) -> &Tally {
        &self.outcomes
    }

    /// Missed calls by reason.
    #[must_use]
    pub const fn reasons(&self) -> &Tally {
        &self.reasons
    }

    /// Callbacks opened.
    #[must_use]
    pub const fn callbacks(&self) -> u64 {
        self.callbacks
    }

    /// Calls that have begun and not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.stories.values().filter(|story| !story.ended).count()
    }

    /// The process was killed: the store ends the open calls, and the counts begin anew.
    pub fn restart(&mut self) {
        self.stories.clear();
        self.states.clear();
        self.offered = 0;
        self.outcomes.clear();
        self.reasons.clear();
        self.queues.clear();
        self.floor = Look::default();
    }

    /// One event for the outside world.
    pub fn event(&mut self, event: &Event) {
        if event.kind == "operator.state" {
            self.operator_state(event);
            return;
        }
        self.ordered |= event.kind == "audit.action";
        if event.kind == "call.refused" {
            // A flood of calls that were refused is told of in one row.
            let count = event.data.get("count").and_then(serde_json::Value::as_u64);
            let count = count.unwrap_or_default();
            self.offered += count;
            *self.outcomes.entry("missed".to_owned()).or_default() += count;
            *self.reasons.entry("refused".to_owned()).or_default() += count;
        }
        let Some(call) = event.subject else {
            return;
        };
        if event.kind == "call.started" {
            let inbound = text(event, "direction").is_none_or(|it| it == "inbound");
            self.offered += u64::from(inbound);
            let fresh = self.stories.insert(call, Story::default()).is_none();
            self.expect(fresh, || format!("{call} started twice"));
            return;
        }
        let Some(mut story) = self.stories.remove(&call) else {
            self.object(format!("{call}: {} before call.started", event.kind));
            return;
        };
        self.told(call, &mut story, event);
        // A word after the last one is a word before `call.started`.
        if !story.ended || story.recording {
            self.stories.insert(call, story);
        }
    }

    fn told(&mut self, call: CallId, story: &mut Story, event: &Event) {
        let kind = event.kind;
        let late = matches!(
            kind,
            "recording.finished" | "recording.failed" | "voicemail.recorded"
        );
        self.expect(late || !story.ended, || {
            format!("{call}: {kind} after call.ended")
        });
        let operator = text(event, "operator").unwrap_or_default();
        match kind {
            "queue.joined" => {
                self.expect(story.queue.is_none(), || {
                    format!("{call} joined a queue while in {:?}", story.queue)
                });
                story.joined += 1;
                story.queue = text(event, "queue");
                let queue = story.queue.clone().unwrap_or_default();
                self.queues.entry(queue).or_default().0 += 1;
            }
            "queue.left" => {
                let queue = text(event, "queue");
                self.expect(queue.is_some() && story.queue == queue, || {
                    format!("{call} left {queue:?} while in {:?}", story.queue)
                });
                story.left += 1;
                story.queue = None;
                let queue = queue.unwrap_or_default();
                let (joined, left) = self.queues.entry(queue.clone()).or_default();
                *left += 1;
                let (joined, left) = (*joined, *left);
                self.expect(left <= joined, || {
                    format!("{queue} was joined {joined} times and left {left} times")
                });
            }
            "operator.assigned" => {
                self.expect(story.queue.is_some(), || {
                    format!("{call}: operator assigned outside a queue")
                });
                story.assigned.insert(operator);
            }
            "operator.answered" => {
                self.expect(story.assigned.contains(&operator), || {
                    format!("{call}: {operator} answered without an assignment")
                });
            }
            "operator.missed" => {
                story.assigned.remove(&operator);
            }
            "call.bridged" => {
                self.expect(!story.bridged, || format!("{call} bridged twice"));
                self.expect(story.queue.is_none(), || {
                    format!("{call} bridged while in {:?}", story.queue)
                });
                story.bridged = true;
            }
            "recording.started" => story.recording = true,
            "recording.failed" if event.data.get("final") == Some(&false.into()) => {}
            "recording.finished" | "recording.failed" => {
                self.expect(story.recording, || {
                    format!("{call}: {kind} without recording.started")
                });
                story.recording = false;
            }
            "callback.opened" => self.callbacks += 1,
            "call.ended" => self.ended(call, story, event),
            _ => {}
        }
    }

    fn ended(&mut self, call: CallId, story: &mut Story, event: &Event) {
        story.ended = true;
        let result = text(event, "result");
        let outcome = text(event, "outcome").or_else(|| result.clone());
        let outcome = outcome.unwrap_or_default();
        let reason = text(event, "reason");
        self.expect(story.queue.is_none(), || {
            format!("{call} ended in queue {:?}", story.queue)
        });
        self.expect(story.joined == story.left, || {
            format!("{call} joined {} and left {}", story.joined, story.left)
        });
        self.expect(story.bridged == (outcome == "answered"), || {
            format!("{call} is {outcome}, bridged: {}", story.bridged)
        });
        self.expect((outcome == "missed") == reason.is_some(), || {
            format!("{call} is {outcome} with reason {reason:?}")
        });
        let has = |key: &str| event.data.get(key).is_some_and(|value| !value.is_null());
        let promised = has("callback") != has("no_callback");
        let alone = outcome == "missed" || has("stranded");
        self.expect(promised == alone, || {
            format!("{call} is {outcome}: a missed call has a callback or a word why not")
        });
        if let Some(reason) = reason {
            *self.reasons.entry(reason).or_default() += 1;
        }
        if result.is_none() {
            *self.outcomes.entry(outcome).or_default() += 1;
        }
    }

    fn operator_state(&mut self, event: &Event) {
        let operator = text(event, "operator").unwrap_or_default();
        let from = text(event, "from").unwrap_or_default();
        let to = text(event, "to").unwrap_or_default();
        let before = self.states.insert(operator.clone(), to);
        self.expect(before.as_ref().is_none_or(|before| *before == from), || {
            format!("{operator} came from {from} but was {before:?}")
        });
    }

    /// Looks at the floor, and at what has become of it where there was but one input since the last
    /// look.
    fn look(&mut self, now: Instant, engine: &Engine, after_one: bool) {
        let look = Look::at(now, engine, &self.floor);
        for fault in look.faults() {
            self.object(fault);
        }
        if after_one {
            for fault in look.faults_after(&self.floor, self.ordered) {
                self.object(fault);
            }
        }
        (self.floor, self.ordered) = (look, false);
        for (queue, waiting) in engine.desk().queues() {
            let sums = self.queues.get(queue.as_str()).copied();
            let (joined, left) = sums.unwrap_or_default();
            let waiting = u64::try_from(waiting).unwrap_or(u64::MAX);
            self.expect(joined.saturating_sub(left) == waiting, || {
                format!("{queue}: {joined} joined, {left} left, {waiting} wait")
            });
        }
    }

    /// Looks at the machines; `after_one` where it did so after the input before this one too.
    pub fn inspect(&mut self, now: Instant, engine: &Engine, after_one: bool) {
        // On days of thousands of calls the floor is looked at now and then.
        self.inspections += 1;
        if after_one || self.inspections.is_multiple_of(LOOK_EVERY) {
            self.look(now, engine, after_one);
        }
        let desk = engine.desk();
        let mut tickets = BTreeMap::new();
        for (_, call, queue) in desk.tickets() {
            let twice = tickets.insert(call, queue.is_some()).is_some();
            self.expect(!twice, || format!("{call} holds two tickets"));
        }
        let mut held =
            BTreeMap::<CallId, BTreeMap<(TicketId, &OperatorName), OperatorState>>::new();
        for operator in desk.operators() {
            for (ticket, call) in operator.tickets() {
                let holder = (ticket, operator.name());
                let held = held.entry(call).or_default();
                held.insert(holder, operator.state());
            }
        }
        for call in engine.calls() {
            let id = call.id();
            let ticket = tickets.remove(&id);
            let mut operators = held.remove(&id).unwrap_or_default();
            for seat in call.seats() {
                let seated = operators.remove(&(seat.ticket, &seat.operator));
                let right = seated == Some(OperatorState::Talking);
                self.expect(right, || {
                    let who = &seat.operator;
                    format!("{id} has {who} on the line, the distributor {seated:?}")
                });
            }
            // Whoever is left is rung for the queue.
            let rung = operators
                .values()
                .all(|state| matches!(state, OperatorState::Reserved | OperatorState::Ringing));
            let right = match call.phase() {
                Phase::Opening { .. } | Phase::Dialling => operators.is_empty(),
                Phase::Voicemail(_) | Phase::Confirming(_) => {
                    ticket.is_none() && operators.is_empty()
                }
                Phase::Waiting => ticket == Some(true) && rung,
                Phase::Whispering(_) => ticket == Some(true) && rung,
                Phase::Talking => ticket != Some(true) && operators.is_empty(),
                Phase::Ended => ticket.is_none() && operators.is_empty(),
            };
            self.expect(right, || {
                let phase = call.phase();
                format!("{id} in {phase:?} has ticket {ticket:?} and operators {operators:?}")
            });
        }
        for call in tickets.into_keys().chain(held.into_keys()) {
            self.object(format!("{call} is dead and still held by the distributor"));
        }
    }

    /// Looks at what is left when everybody has gone home.
    pub fn finish(&mut self, now: Instant, engine: &Engine) {
        self.inspect(now, engine, false);
        self.look(now, engine, false);
        let view = engine.view();
        let sum = view.outcomes.iter().map(|(_, count)| count).sum::<u64>();
        self.expect(view.offered == sum && self.offered == sum, || {
            format!("offered {} is not the sum {sum}", view.offered)
        });
        for (what, left) in [
            ("calls", view.calls_kept),
            ("legs", view.legs),
            ("tickets", view.tickets),
            ("held packets", view.held),
            ("open stories", self.open()),
        ] {
            self.expect(left == 0, || format!("{left} {what} are left"));
        }
        let sums = self.queues.clone();
        for (queue, (joined, left)) in sums {
            self.expect(joined == left, || {
                format!("{queue} was joined {joined} times and left {left} times")
            });
        }
        self.expect(view.faults == 0, || format!("{} faults", view.faults));
        let live = view.live;
        self.expect(live == crate::sip::endpoint::Live::default(), || {
            format!("SIP still holds {live:?}")
        });
        let unfinished = self.stories.values().filter(|story| story.recording);
        let unfinished = unfinished.count();
        self.expect(unfinished == 0, || {
            format!("{unfinished} recordings were never finished")
        });
    }
}

fn text(event: &Event, key: &str) -> Option<String> {
    event.data.get(key)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    use crate::id::{EventId, Ulid};
    use crate::rng::Rng;
    use crate::time::Wall;

    fn told(stories: &[(&'static str, Value)]) -> Vec<String> {
        let mut rng = Rng::new([1; 32]);
        let call = CallId(Ulid::new(Wall::default(), &mut rng));
        let mut watch = Watch::default();
        for (kind, data) in stories {
            watch.event(&Event {
                id: EventId(Ulid::new(Wall::default(), &mut rng)),
                kind,
                subject: Some(call),
                time: Wall::default(),
                data: data.as_object().cloned().unwrap_or_default(),
            });
        }
        watch.broken
    }

    #[test]
    fn a_whole_story_is_no_objection_and_each_gap_is_one() {
        let none = || serde_json::json!({});
        let odesa = || serde_json::json!({ "queue": "odesa" });
        let answered = || serde_json::json!({ "outcome": "answered" });
        let missed = || {
            serde_json::json!({
                "outcome": "missed", "reason": "abandoned", "no_callback": "short"
            })
        };
        let whole = [
            ("call.started", none()),
            ("queue.joined", odesa()),
            ("operator.assigned", none()),
            ("operator.answered", none()),
            ("queue.left", odesa()),
            ("call.bridged", none()),
            ("call.ended", answered()),
        ];
        assert_eq!(told(&whole), Vec::<String>::new());
        for gap in [0, 1, 2, 4, 5] {
            let mut story = whole.to_vec();
            story.remove(gap);
            assert!(!told(&story).is_empty(), "without {:?}", whole[gap]);
        }
        for (at, more) in [
            (7, ("call.ended", answered())),
            (7, ("queue.joined", odesa())),
            (6, ("call.ended", missed())),
            (6, ("call.bridged", none())),
            (2, ("queue.joined", odesa())),
            (1, ("call.started", none())),
        ] {
            let mut story = whole.to_vec();
            story.insert(at, more.clone());
            assert!(!told(&story).is_empty(), "with {more:?} at {at}");
        }
    }
}
