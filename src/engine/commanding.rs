//! Commands from outside: who may want what, whether it makes sense now, and which machine does it.
//!
//! Every command is answered once, in the step that it came in; whatever would change something is
//! journalled, done or refused. Who somebody is has been proved before (`server::admin`, or the digest
//! of a phone that dials a feature code).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::command::{Actor, Command, Past, Refused, WantedState};
use super::engine::Engine;
use super::output::Output;
use crate::acd::message::{AcdInput, Wanted};
use crate::call::call::Call;
use crate::call::cause;
use crate::call::facts::Description;
use crate::call::message::CallInput;
use crate::call::orders::Order;
use crate::call::phase::Phase;
use crate::call::supervise::Aim;
use crate::dialplan::plan::Target;
use crate::id::{CallId, CallbackId, CommandId, LegId, OperatorName, QueueName};
use crate::media::command::Silence;
use crate::time::Now;
use crate::words::{OperatorState, Role};

/// What a command that went well is answered with, once everything has settled.
pub(super) enum Shown {
    /// Every queue.
    Queues,
    /// Every operator.
    Operators,
    /// One operator.
    Operator(OperatorName),
    /// Some live calls.
    Calls(super::command::Wanted),
    /// One call.
    Call(CallId),
    /// One operator, for whom a state was wanted.
    Set(OperatorName, WantedState),
    /// The callbacks whose patients are being rung.
    Attempting,
    /// One callback.
    Callback(CallbackId),
    /// A person who is forgotten.
    Erased,
    /// One call, of which something was said.
    Said(CallId, Description),
    /// What was told already.
    Told(Value),
}

impl Engine {
    /// Handles one command and answers it.
    pub(super) fn handle_command(
        &mut self,
        now: Now,
        id: CommandId,
        actor: &Actor,
        command: Command,
    ) {
        let done = self.obey(now, actor, command);
        self.settle(now);
        let reply = done.map(|shown| self.glance(now, &shown));
        self.outputs.push_back(Output::Reply { id, reply });
    }

    /// Does what somebody wants, or says why not.
    pub(super) fn obey(
        &mut self,
        now: Now,
        actor: &Actor,
        command: Command,
    ) -> Result<Shown, Refused> {
        let deed = deed(&command);
        let asks_again = matches!(&command, Command::Describe { past: None, .. });
        let done = self
            .permit(actor, &command)
            .and_then(|()| self.carry_command(now, actor, command));
        // A call that is forgotten here is asked for once more, with what the store knows of it.
        let elsewhere = matches!(&done, Err(Refused { status: 404, .. })) && asks_again;
        if let Some(mut deed) = deed.filter(|_| !elsewhere) {
            deed.insert("actor".into(), json!(actor.name));
            deed.insert("role".into(), json!(actor.role));
            match &done {
                Ok(shown) => {
                    self.add_to_deed(shown, &mut deed);
                    deed.insert("result".into(), json!("done"))
                }
                Err(refused) => {
                    deed.insert("status".into(), json!(refused.status));
                    deed.insert("why".into(), json!(refused.why));
                    deed.insert("result".into(), json!("refused"))
                }
            };
            self.tell_deed(now, deed);
        }
        done
    }

    /// Whether the role allows it at all.
    fn permit(&self, actor: &Actor, command: &Command) -> Result<(), Refused> {
        let own = |operator: &OperatorName| actor.operator.as_ref() == Some(operator);
        let own_call = |call: &CallId| {
            let call = self.calls.get(call);
            let mut named = call.into_iter().flat_map(Call::operators_told);
            named.any(own)
        };
        let allowed = match (actor.role, command) {
            (Role::Supervisor, Command::Erase { .. }) => false,
            (
                _,
                Command::Queues | Command::Operators | Command::Operator(_) | Command::Attempting,
            )
            | (Role::Admin | Role::Supervisor, _)
            | (Role::Auditor | Role::Integration, Command::LiveCalls(_) | Command::LiveCall(_))
            | (Role::Auditor | Role::Integration, Command::Number(_))
            | (
                Role::Integration,
                Command::Describe { .. }
                | Command::Silence { .. }
                | Command::Leads(_)
                | Command::CallBack { .. }
                | Command::RemarkCallback { .. },
            )
            | (Role::Operator, Command::RemarkCallback { .. }) => true,
            (Role::Operator, Command::CallBack { operator, .. }) => {
                operator.as_ref().is_some_and(own)
            }
            (Role::Operator, Command::LiveCalls(wanted)) => {
                wanted.operator.as_ref().is_some_and(own)
            }
            (Role::Operator, Command::LiveCall(call)) => own_call(call),
            (Role::Operator, Command::Silence { call, .. }) => {
                let live = self.calls.get(call);
                live.is_none_or(|call| call.seats().any(|seat| own(&seat.operator)))
            }
            (Role::Operator, Command::SetState { operator, .. }) => own(operator),
            (Role::Operator, Command::Describe { call, past, .. }) => {
                let live = self.calls.get(call);
                let heard = live.is_some_and(|call| call.operators_heard().any(own));
                // What is in neither is asked for once more, with its past.
                heard
                    || match past {
                        Some(past) => past.operator.as_ref().is_some_and(own),
                        None => live.is_none(),
                    }
            }
            (
                Role::Operator | Role::Auditor | Role::Integration,
                Command::HangUp(_)
                | Command::Hold { .. }
                | Command::Transfer { .. }
                | Command::Supervise { .. }
                | Command::TakeOver { .. }
                | Command::Move { .. }
                | Command::Pull { .. }
                | Command::Priority { .. }
                | Command::Erase { .. },
            )
            | (Role::Auditor | Role::Integration, Command::SetState { .. })
            | (Role::Operator, Command::Leads(_) | Command::Number(_))
            | (
                Role::Auditor,
                Command::Describe { .. }
                | Command::Silence { .. }
                | Command::Leads(_)
                | Command::CallBack { .. }
                | Command::RemarkCallback { .. },
            ) => false,
        };
        if allowed {
            return Ok(());
        }
        let role = json!(actor.role);
        let role = role.as_str().unwrap_or_default();
        Err(Refused {
            status: 403,
            why: format!("the role `{role}` does not allow this; use a token of another role"),
        })
    }

    fn carry_command(
        &mut self,
        now: Now,
        actor: &Actor,
        command: Command,
    ) -> Result<Shown, Refused> {
        match command {
            Command::Queues => Ok(Shown::Queues),
            Command::Operators => Ok(Shown::Operators),
            Command::Operator(operator) => {
                self.known_operator(&operator)?;
                Ok(Shown::Operator(operator))
            }
            Command::Attempting => Ok(Shown::Attempting),
            Command::CallBack { callback, operator } => {
                self.order_callback(now, callback, operator)
            }
            Command::RemarkCallback { callback, remark } => self.remark_callback(callback, &remark),
            Command::LiveCalls(wanted) => Ok(Shown::Calls(wanted)),
            Command::LiveCall(call) => {
                self.known_call(call)?;
                Ok(Shown::Call(call))
            }
            Command::Supervise {
                call,
                supervisor,
                mode,
            } => self.supervise(now, actor, call, supervisor, Aim::TakePart(mode)),
            Command::TakeOver { call, supervisor } => {
                self.supervise(now, actor, call, supervisor, Aim::TakeOver)
            }
            Command::HangUp(call) => {
                self.live_call(call)?;
                let order = Order::HangUp(cause::NORMAL);
                self.step(now, call, CallInput::Ordered(order));
                Ok(Shown::Call(call))
            }
            Command::SetState {
                operator, state, ..
            } => self.order_state(now, operator, state),
            Command::Pull { call, operator } => self.order_pull(now, call, operator),
            Command::Move { call, queue } => self.order_move(now, call, queue),
            Command::Priority { call, priority } => {
                self.waiting(call)?;
                let order = Order::Priority(priority);
                self.step(now, call, CallInput::Ordered(order));
                Ok(Shown::Call(call))
            }
            Command::Describe {
                call,
                past,
                disposition,
                comment,
                tags,
            } => {
                let said = Description {
                    disposition,
                    comment,
                    tags,
                };
                self.describe(now, actor, call, past, said)
            }
            Command::Hold { call, held } => {
                self.talking(call)?;
                self.step(now, call, CallInput::Ordered(Order::Hold(held)));
                Ok(Shown::Call(call))
            }
            Command::Silence { call, silence } => self.order_silence(now, call, silence),
            Command::Transfer { call, to } => self.order_transfer(now, call, to),
            Command::Leads(asked) => self.take_leads(now, actor, *asked),
            Command::Number(number) => self.number_history(now, &number),
            Command::Erase { phone } => self.erase(now, &phone),
        }
    }

    fn order_state(
        &mut self,
        now: Now,
        operator: OperatorName,
        state: WantedState,
    ) -> Result<Shown, Refused> {
        self.known_operator(&operator)?;
        let wanted = match &state {
            WantedState::Available => Wanted::Available,
            WantedState::Paused(reason) => Wanted::Paused(reason.clone()),
            WantedState::LoggedOut => Wanted::LoggedOut,
        };
        let set = AcdInput::SetState {
            operator: operator.clone(),
            state: wanted,
        };
        self.desk_input(now, set);
        Ok(Shown::Set(operator, state))
    }

    fn order_pull(
        &mut self,
        now: Now,
        call: CallId,
        operator: OperatorName,
    ) -> Result<Shown, Refused> {
        let ticket = self.waiting(call)?.ticket();
        self.known_operator(&operator)?;
        let state = self.desk.state(&operator);
        if state != Some(OperatorState::Available) {
            let state = state.map_or("unknown", OperatorState::as_str);
            let why = format!("{operator} is {state}; a caller is given to a free operator alone");
            return Err(refused(409, &why));
        }
        self.desk_input(now, AcdInput::Assign { ticket, operator });
        Ok(Shown::Call(call))
    }

    fn order_move(&mut self, now: Now, call: CallId, queue: QueueName) -> Result<Shown, Refused> {
        let waiting = self.waiting(call)?;
        if !waiting.plan().queues.contains_key(&queue) {
            let why = "there is no such queue; GET /v1/queues lists them";
            return Err(refused(404, why));
        }
        if waiting.stands_in() == Some(&queue) {
            return Err(refused(409, "the caller waits in this queue already"));
        }
        let order = Order::Move(Target::Queue(queue));
        self.step(now, call, CallInput::Ordered(order));
        Ok(Shown::Call(call))
    }

    /// What somebody says of a call, live or over. The codes are those of the live plan: one that it
    /// forgot is no code any more.
    fn describe(
        &mut self,
        now: Now,
        actor: &Actor,
        call: CallId,
        past: Option<Past>,
        said: Description,
    ) -> Result<Shown, Refused> {
        let facts = self.calls.get(&call).map(Call::facts);
        let live = facts.map(|facts| Past {
            queue: facts.queue.clone(),
            operator: facts.operator.clone(),
        });
        // Whoever dials a code speaks of their own talk, wherever the caller went afterwards.
        let known = past.or(live);
        let known = known.ok_or_else(|| refused(404, "there is no such call"))?;
        if let Some(code) = &said.disposition {
            self.known_code(known.queue.as_ref(), code)?;
        }
        let order = Order::Describe(said.clone());
        self.step(now, call, CallInput::Ordered(order));
        if said.disposition.is_some() {
            for operator in self.described_for(actor, call, known.operator) {
                self.desk_input(now, AcdInput::Described { operator, call });
            }
        }
        Ok(Shown::Said(call, said))
    }

    /// Whose duty a disposition does: that of the operator who says it; said by anybody else, that of
    /// everybody who had to do with the call.
    fn described_for(
        &self,
        actor: &Actor,
        call: CallId,
        known: Option<OperatorName>,
    ) -> BTreeSet<OperatorName> {
        if let (Role::Operator, Some(own)) = (actor.role, &actor.operator) {
            return BTreeSet::from([own.clone()]);
        }
        let told = self.calls.get(&call).into_iter();
        let told = told.flat_map(Call::operators_told).cloned();
        told.chain(known).collect()
    }

    /// Nobody owes a word for which no queue of the plan asks any more.
    pub(super) fn forgive(&mut self, now: Now) {
        let mut queues = self.plan.queues.values();
        if queues.any(|queue| queue.disposition.as_ref().is_some_and(|it| it.require)) {
            return;
        }
        let operators = self.desk.operators();
        let owing = operators.filter_map(|it| Some((it.name().clone(), it.owes()?)));
        for (operator, call) in owing.collect::<Vec<_>>() {
            self.desk_input(now, AcdInput::Described { operator, call });
        }
    }

    fn known_code(&self, queue: Option<&QueueName>, code: &str) -> Result<(), Refused> {
        let queue = queue.and_then(|queue| self.plan.queues.get(queue));
        let codes = queue.and_then(|queue| queue.disposition.as_ref());
        let codes = codes.map(|disposition| &disposition.codes).ok_or_else(|| {
            let why = "the call's queue has no `disposition` codes; add them to the plan";
            refused(422, why)
        })?;
        if codes.contains_key(code) {
            return Ok(());
        }
        let known: Vec<_> = codes.keys().map(String::as_str).collect();
        let why = format!(
            "there is no such disposition; the queue has {}",
            known.join(", ")
        );
        Err(refused(422, &why))
    }

    /// The leg of the operator who talks with a caller.
    fn talking(&self, call: CallId) -> Result<(LegId, OperatorName), Refused> {
        let call = self.live_call(call)?;
        let leg = call.talker();
        let operator = leg.and_then(|leg| call.operator_on(leg)).cloned();
        leg.zip(operator)
            .ok_or_else(|| refused(409, "no operator talks with a caller in this call now"))
    }

    /// What the operator of the call could do by their phone, and no more.
    fn order_transfer(&mut self, now: Now, call: CallId, to: String) -> Result<Shown, Refused> {
        let (leg, operator) = self.talking(call)?;
        let plan = self.live_call(call)?.plan();
        let dialled = plan.dialled(&to, now.wall).map_err(|barred| {
            refused(
                422,
                &format!("nobody can be sent there: the number {barred}"),
            )
        })?;
        if self.meter(now, call, &operator, &dialled).is_err() {
            let why = format!("{operator} has reached a bound of `outbound`");
            return Err(refused(409, &why));
        }
        let order = Order::Transfer { leg, dialled, to };
        self.step(now, call, CallInput::Ordered(order));
        Ok(Shown::Call(call))
    }

    fn order_silence(
        &mut self,
        now: Now,
        call: CallId,
        silence: Option<Silence>,
    ) -> Result<Shown, Refused> {
        if !self.live_call(call)?.records_talk() {
            return Err(refused(409, "no talk of this call is recorded now"));
        }
        let order = Order::Silence(silence);
        self.step(now, call, CallInput::Ordered(order));
        Ok(Shown::Call(call))
    }

    /// A call whose caller stands in a queue.
    fn waiting(&self, call: CallId) -> Result<&Call, Refused> {
        let call = self.live_call(call)?;
        if call.phase() == &Phase::Waiting && call.stands_in().is_some() {
            return Ok(call);
        }
        Err(refused(409, "the caller waits in no queue"))
    }

    pub(super) fn known_operator(&self, operator: &OperatorName) -> Result<(), Refused> {
        if self.desk.operator(operator).is_some() {
            return Ok(());
        }
        let why = "there is no such operator; GET /v1/operators lists them";
        Err(refused(404, why))
    }

    fn known_call(&self, call: CallId) -> Result<&Call, Refused> {
        let call = self.calls.get(&call);
        call.ok_or_else(|| refused(404, "there is no such call"))
    }

    /// A call that has not ended.
    pub(super) fn live_call(&self, call: CallId) -> Result<&Call, Refused> {
        let call = self.known_call(call)?;
        if call.ended() {
            return Err(refused(409, "the call has ended"));
        }
        Ok(call)
    }
}

pub(super) fn refused(status: u16, why: &str) -> Refused {
    Refused {
        status,
        why: why.to_owned(),
    }
}

fn of_callback(action: &str, callback: &CallbackId, more: Value) -> Option<Map<String, Value>> {
    let mut deed = Map::new();
    deed.insert("action".into(), json!(action));
    deed.insert("callback_id".into(), json!(callback.to_string()));
    if let Value::Object(more) = more {
        deed.extend(more);
    }
    Some(deed)
}

/// What the journal says of a command; nothing of one that changes nothing.
fn deed(command: &Command) -> Option<Map<String, Value>> {
    let of_call = |action: &str, call: &CallId, more: Value| {
        let mut deed = Map::new();
        deed.insert("action".into(), json!(action));
        deed.insert("call_id".into(), json!(call.to_string()));
        if let Value::Object(more) = more {
            deed.extend(more);
        }
        Some(deed)
    };
    match command {
        Command::Queues
        | Command::Operators
        | Command::Operator(_)
        | Command::LiveCalls(_)
        | Command::LiveCall(_)
        | Command::Attempting
        // Told with all that is erased elsewhere, and without the number.
        | Command::Erase { .. }
        | Command::Number(_) => None,
        Command::Leads(asked) => Some(super::intake::deed(asked)),
        Command::CallBack { callback, operator } => {
            of_callback("callback_call", callback, json!({ "operator": operator }))
        }
        Command::RemarkCallback { callback, remark } => of_callback(
            "callback_describe",
            callback,
            json!({ "note": remark.note, "assigned": remark.assigned }),
        ),
        Command::SetState {
            operator,
            state,
            reason,
        } => {
            let state = match state {
                WantedState::Available => "available",
                WantedState::Paused(_) => "paused",
                WantedState::LoggedOut => "logged_out",
            };
            let mut deed = Map::new();
            deed.insert("action".into(), json!("state"));
            deed.insert("operator".into(), json!(operator));
            deed.insert("state".into(), json!(state));
            deed.insert("reason".into(), json!(reason));
            Some(deed)
        }
        Command::HangUp(call) => of_call("hangup", call, json!({})),
        Command::Hold { call, held } => of_call("hold", call, json!({ "held": held })),
        Command::Silence { call, silence } => {
            let silence = silence.map(Silence::as_str);
            of_call("recording", call, json!({ "silence": silence }))
        }
        Command::Transfer { call, to } => of_call("transfer", call, json!({ "to": to })),
        Command::Supervise {
            call,
            supervisor,
            mode,
        } => of_call(mode.as_str(), call, json!({ "operator": supervisor })),
        Command::TakeOver { call, supervisor } => {
            of_call("takeover", call, json!({ "operator": supervisor }))
        }
        Command::Move { call, queue } => of_call("move", call, json!({ "queue": queue })),
        Command::Pull { call, operator } => of_call("pull", call, json!({ "operator": operator })),
        Command::Priority { call, priority } => {
            of_call("priority", call, json!({ "priority": priority }))
        }
        Command::Describe {
            call,
            disposition,
            comment,
            tags,
            ..
        } => of_call(
            "describe",
            call,
            json!({ "disposition": disposition, "comment": comment, "tags": tags }),
        ),
    }
}
