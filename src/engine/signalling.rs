//! What the SIP endpoint says, carried to the call or the operator it is about.

use super::engine::{Asked, Engine, EngineTimer};
use super::output::{Level, Output, Question, Record};
use crate::acd::message::AcdInput;
use crate::call::message::CallInput;
use crate::id::{CallId, LegId};
use crate::limits;
use crate::sip::endpoint::{EndpointEvent, HoldId};
use crate::sip::session::{SessionCommand, SessionEvent};
use crate::time::Now;

impl Engine {
    /// Takes one event of the endpoint.
    pub(super) fn handle_endpoint(&mut self, now: Now, event: EndpointEvent) {
        match event {
            EndpointEvent::Session(SessionEvent::Incoming { leg, invite }) => {
                self.handle_arrival(now, leg, &invite);
            }
            EndpointEvent::Session(SessionEvent::Refer { leg, refer }) => {
                self.handle_refer(now, leg, &refer);
            }
            EndpointEvent::Session(event) => {
                self.watch_event(now, &event);
                if self.hears_code(now, &event) {
                    return;
                }
                if let Some(&call) = self.legs.get(&leg_of(&event)) {
                    self.step(now, call, CallInput::Session(event));
                }
            }
            EndpointEvent::Registered {
                binding,
                first,
                changed,
                hold,
            } => {
                let operator = binding.user.clone();
                self.tell_binding(now, &binding, changed);
                if changed {
                    self.ring_too(now, &binding);
                }
                self.outputs
                    .push_back(Output::Record(Record::Bound(binding)));
                self.hold(now, hold);
                if first {
                    self.desk_input(now, AcdInput::PhoneUp { operator });
                }
            }
            EndpointEvent::Unregistered {
                user,
                key,
                last,
                why,
                hold,
            } => {
                self.tell_unbound(now, &user, why);
                self.outputs.push_back(Output::Record(Record::Unbound {
                    user: user.clone(),
                    key,
                }));
                self.hold(now, hold);
                if last {
                    self.desk_input(now, AcdInput::PhoneDown { operator: user });
                }
            }
            EndpointEvent::Silent { user, last } => {
                self.tell_unbound(now, &user, "unreachable");
                if last {
                    self.desk_input(now, AcdInput::PhoneDown { operator: user });
                }
            }
            EndpointEvent::Heard { binding, first } => {
                self.tell_binding(now, &binding, true);
                self.ring_too(now, &binding);
                if first {
                    let operator = binding.user.clone();
                    self.desk_input(now, AcdInput::PhoneUp { operator });
                }
            }
            EndpointEvent::Probed { id, status } => {
                self.trunks.handle_probed(now.mono, id, status);
            }
            EndpointEvent::Noted(text) => self.log(Level::Info, None, &text),
        }
    }

    /// Lets the endpoint carry out what a call wants of a session.
    pub(super) fn command(&mut self, now: Now, call: CallId, command: SessionCommand) {
        let begun = if let SessionCommand::Invite { leg, .. } = &command {
            Some(*leg)
        } else {
            None
        };
        self.watch_command(now, &command);
        self.endpoint.handle_command(now, command);
        if let Some(leg) = begun {
            self.tell_leg(call, leg);
        }
    }

    /// Says which dialog a leg of a call is, as soon as there is one.
    pub(super) fn tell_leg(&mut self, call: CallId, leg: LegId) {
        if let Some(sip_call_id) = self.endpoint.sip_call_id(leg).map(str::to_owned) {
            self.outputs.push_back(Output::Leg { call, sip_call_id });
        }
    }

    fn hold(&mut self, now: Now, hold: Option<HoldId>) {
        if let Some(hold) = hold {
            self.timers.set(
                EngineTimer::Hold(hold),
                now.mono + limits::COMMIT_BEFORE_END,
            );
            self.ask(Asked::Hold(hold), Question::Committed);
        }
    }
}

const fn leg_of(event: &SessionEvent) -> LegId {
    match event {
        SessionEvent::Incoming { leg, .. }
        | SessionEvent::Cancelled { leg, .. }
        | SessionEvent::Progress { leg, .. }
        | SessionEvent::Answered { leg, .. }
        | SessionEvent::Rejected { leg, .. }
        | SessionEvent::Confirmed { leg, .. }
        | SessionEvent::Reoffer { leg, .. }
        | SessionEvent::ReofferAnswered { leg, .. }
        | SessionEvent::Refer { leg, .. }
        | SessionEvent::Digit { leg, .. }
        | SessionEvent::Bye { leg }
        | SessionEvent::Failed { leg, .. }
        | SessionEvent::Closed { leg } => *leg,
    }
}
