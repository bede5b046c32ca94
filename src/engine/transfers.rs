//! REFER and Replaces: whether they may be, and between which calls.

use super::engine::Engine;
use super::output::{Level, Output};
use crate::acd::message::AcdInput;
use crate::call::cause;
use crate::call::merge::Party;
use crate::call::message::CallInput;
use crate::call::seat::Seat;
use crate::id::{CallId, LegId, OperatorName};
use crate::media::command::MediaCommand;
use crate::number::Masked;
use crate::sip::identity::number_of;
use crate::sip::session::{IncomingInvite, Refer, Replaced, SessionCommand};
use crate::time::Now;

impl Engine {
    /// A REFER. Only an operator on the line may refer, and only to whom that operator may dial.
    pub(super) fn handle_refer(&mut self, now: Now, leg: LegId, refer: &Refer) {
        let on_line = self.operator_on(leg);
        let Some((call, operator)) = on_line else {
            return self.answer_refer(now, leg, Err(403));
        };
        match refer.replaces {
            Some(Replaced::Leg(other)) => self.merge(now, (call, leg), other),
            Some(Replaced::Unknown) => self.answer_refer(now, leg, Err(481)),
            None => {
                let to = number_of(&refer.target);
                let of_call = self.calls.get(&call);
                let plan = of_call.map_or(&self.plan, |call| call.plan());
                match plan.dialled(&to, now.wall) {
                    Ok(dialled) => {
                        // One who can send nobody on dials nothing, and is refused by the call.
                        let sends = of_call.is_some_and(|call| call.is_mergeable(leg));
                        if sends && let Err(code) = self.meter(now, call, &operator, &dialled) {
                            return self.answer_refer(now, leg, Err(code));
                        }
                        let transfer = CallInput::Transfer { leg, dialled, to };
                        self.step(now, call, transfer);
                    }
                    Err(barred) => {
                        let to = Masked(&to);
                        let text = format!("{operator} sent a call to {to}, which {barred}");
                        self.log(Level::Info, Some(call), &text);
                        self.answer_refer(now, leg, Err(403));
                    }
                }
            }
        }
    }

    /// The call of a leg, and the operator who talks on it.
    fn operator_on(&self, leg: LegId) -> Option<(CallId, OperatorName)> {
        let id = *self.legs.get(&leg)?;
        let operator = self.calls.get(&id)?.operator_on(leg)?;
        Some((id, operator.clone()))
    }

    fn answer_refer(&mut self, now: Now, leg: LegId, answer: Result<(), u16>) {
        let command = SessionCommand::AnswerRefer { leg, answer };
        self.endpoint.handle_command(now, command);
    }

    /// Two talks of one operator become one. The call that is older keeps its id, whichever of the
    /// two the REFER came in.
    fn merge(&mut self, now: Now, (call, leg): (CallId, LegId), other: LegId) {
        let mergeable = |id: &CallId, leg| {
            let call = self.calls.get(id);
            call.is_some_and(|call| call.is_mergeable(leg))
        };
        let whose = self.operator_on(leg).map(|(_, operator)| operator);
        let second = self.operator_on(other);
        let second = second.filter(|(_, operator)| Some(operator) == whose.as_ref());
        let Some((second, _)) = second.filter(|(second, _)| {
            *second != call && mergeable(&call, leg) && mergeable(second, other)
        }) else {
            return self.answer_refer(now, leg, Err(603));
        };
        self.answer_refer(now, leg, Ok(()));
        let code = 200;
        let progress = SessionCommand::ReferProgress { leg, code };
        self.endpoint.handle_command(now, progress);
        let mut sides = [(call, leg), (second, other)];
        sides.sort_unstable();
        let [(to, instead), (from, leg)] = sides;
        self.step(now, from, CallInput::Give { leg, to, instead });
    }

    /// Carries a party from the call that gave it to the one that takes it.
    pub(super) fn hand_over(&mut self, now: Now, party: Box<Party>, to: CallId, instead: LegId) {
        let leg = party.leg.id;
        if !self.calls.contains_key(&to) {
            return self.drop_party(now, *party);
        }
        self.legs.insert(leg, to);
        let adopt = MediaCommand::Adopt { leg, call: to };
        self.outputs.push_back(Output::Media(adopt));
        let seat = party.seat.clone();
        self.step(now, to, CallInput::Take { party, instead });
        if !self.calls.contains_key(&to) {
            // A fault of ours took the party's place on the floor with it: it is filed under the call
            // that gave the party away.
            self.rise(now, seat);
        }
    }

    fn rise(&mut self, now: Now, seat: Option<Seat>) {
        if let Some(Seat { operator, ticket }) = seat {
            self.desk_input(now, AcdInput::Released { operator, ticket });
        }
    }

    /// The call that was to take a party is gone.
    fn drop_party(&mut self, now: Now, party: Party) {
        let (leg, cause) = (party.leg.id, cause::NORMAL);
        self.legs.remove(&leg);
        let hang_up = SessionCommand::HangUp { leg, cause };
        self.endpoint.handle_command(now, hang_up);
        let close = MediaCommand::Close { leg };
        self.outputs.push_back(Output::Media(close));
        self.rise(now, party.seat);
    }

    /// An INVITE with Replaces: another phone of an operator on the line.
    pub(super) fn handle_replaces(
        &mut self,
        now: Now,
        leg: LegId,
        old: LegId,
        invite: &IncomingInvite,
        operator: &OperatorName,
    ) {
        match self.operator_on(old) {
            Some((call, on_line)) if on_line == *operator => {
                let invite = Box::new(invite.clone());
                self.step(now, call, CallInput::Replace { leg, old, invite });
            }
            Some(_) | None => self.reject(now, leg, 481, None),
        }
    }
}
