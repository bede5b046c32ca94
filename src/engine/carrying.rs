//! What calls and the distributor want, carried to whom it is for, one effect at a time.
//!
//! Nothing is decided here: an effect has one receiver, and the order of effects is the engine's own,
//! see [`super::engine`].

use std::collections::VecDeque;

use super::engine::{Asked, Engine, EngineTimer, Work};
use super::output::{Level, Observation, Output, Question, Record};
use crate::acd::desk::Place;
use crate::acd::message::{AcdEffect, AcdInput};
use crate::call::call::{Call, Effects};
use crate::call::message::{CallEffect, CallInput, CallTimer, Measured};
use crate::id::CallId;
use crate::time::Now;

impl Engine {
    pub(super) fn queue_effects(&mut self, id: CallId, effects: Effects) {
        for effect in effects.into_iter().rev() {
            self.work.push_front(Work::Call(id, effect));
        }
    }

    pub(super) fn desk_input(&mut self, now: Now, input: AcdInput) {
        let mut effects = VecDeque::new();
        self.desk.handle(now, input, &mut effects);
        for effect in effects.into_iter().rev() {
            self.work.push_front(Work::Desk(effect));
        }
    }

    pub(super) fn apply(&mut self, now: Now, id: CallId, effect: CallEffect) {
        match effect {
            CallEffect::Session(command) => self.command(now, id, command),
            CallEffect::Media(command) => self.outputs.push_back(Output::Media(command)),
            CallEffect::Acd(input) => self.desk_input(now, input),
            CallEffect::Ways { number } => {
                let ways = self.ways_of(now, id, &number);
                self.step(now, id, CallInput::Ways(ways));
            }
            CallEffect::Place => {
                let ticket = self.calls.get(&id).map(Call::ticket);
                let place = ticket.and_then(|ticket| self.desk.place(now.mono, ticket));
                if let Some(Place { position, wait }) = place {
                    self.step(now, id, CallInput::Place { position, wait });
                }
            }
            CallEffect::Tell(told) => self.tell(now, &told),
            CallEffect::Reach { operator } => self.reach(now, id, operator),
            CallEffect::Commit(gate) => self.ask(Asked::Gate(id, gate), Question::Committed),
            CallEffect::Render { phrases } => {
                let asked = Asked::Render(id, phrases.clone());
                self.ask(asked, Question::Render { phrases });
            }
            CallEffect::SetTimer(timer, at) => self.timers.set(EngineTimer::Call(id, timer), at),
            CallEffect::StopTimer(timer) => {
                self.timers.cancel(&EngineTimer::Call(id, timer));
            }
            CallEffect::Adopt(leg) => {
                self.legs.insert(leg, id);
                self.tell_leg(id, leg);
            }
            CallEffect::Disown(leg) => {
                self.legs.remove(&leg);
            }
            CallEffect::Give { party, to, instead } => {
                if self.calls.get(&to).is_some_and(|to| !to.ended()) {
                    self.toll.follows(id, to);
                    self.engaged.follows(id, to);
                }
                self.hand_over(now, party, to, instead);
            }
            CallEffect::Overseen(overseen) => self.tell_overseen(now, id, &overseen),
            CallEffect::Measured(measured) => {
                let observation = match measured {
                    Measured::Setup(time) => Observation::Setup(time),
                    Measured::Dispatch(time) => Observation::Dispatch(time),
                    Measured::QueueWait(queue, wait) => Observation::QueueWait { queue, wait },
                };
                self.outputs.push_back(Output::Observe(observation));
            }
            CallEffect::Note(text) => self.log(Level::Warn, Some(id), &text),
            CallEffect::Done => self.forget(id),
        }
    }

    fn forget(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        self.engaged.ends(id);
        for leg in call.legs() {
            self.legs.remove(&leg);
            for timer in [CallTimer::MediaOpen(leg), CallTimer::TrunkSilent(leg)] {
                self.timers.cancel(&EngineTimer::Call(id, timer));
            }
        }
        for timer in CallTimer::OF_A_CALL {
            self.timers.cancel(&EngineTimer::Call(id, timer));
        }
    }

    pub(super) fn carry(&mut self, now: Now, effect: AcdEffect) {
        match effect {
            AcdEffect::Joined {
                call,
                queue,
                position,
                wait,
                stays,
                ..
            } => {
                let joined = CallInput::Joined {
                    queue,
                    position,
                    wait,
                    stays,
                };
                self.step(now, call, joined);
            }
            AcdEffect::Offer {
                call,
                operator,
                queue,
                ..
            } => {
                let contacts = self.contacts(&operator);
                self.step(
                    now,
                    call,
                    CallInput::Offer {
                        operator,
                        queue,
                        contacts,
                    },
                );
            }
            AcdEffect::Withdraw {
                call,
                operator,
                reason,
                ..
            } => self.step(now, call, CallInput::Withdraw { operator, reason }),
            AcdEffect::Left {
                call,
                queue,
                reason,
                wait,
                ..
            } => self.step(
                now,
                call,
                CallInput::Left {
                    queue,
                    reason,
                    wait,
                },
            ),
            AcdEffect::Breached { call, queue, .. } => self.tell_breach(now, call, &queue),
            AcdEffect::Wished { operator, wish } => {
                self.outputs
                    .push_back(Output::Record(Record::Operator { operator, wish }));
            }
            AcdEffect::State { .. } => {
                self.show_operator(now, &effect);
                self.tell_operator(effect);
            }
        }
    }
}
