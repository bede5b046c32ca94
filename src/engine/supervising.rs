//! Supervisors: whether somebody may hear a call now, and what the journal is told of it.

use serde_json::{Map, json};

use super::command::{Actor, Refused};
use super::commanding::{Shown, refused};
use super::engine::Engine;
use crate::acd::operator::Operator;
use crate::call::message::CallInput;
use crate::call::orders::Order;
use crate::call::supervise::{Aim, Overseen, Overseer, Oversight};
use crate::id::{CallId, OperatorName};
use crate::time::Now;

impl Engine {
    /// A supervisor takes part in a talk by their own phone, takes part in another way than before, or
    /// takes the caller over.
    pub(super) fn supervise(
        &mut self,
        now: Now,
        actor: &Actor,
        id: CallId,
        supervisor: OperatorName,
        aim: Aim,
    ) -> Result<Shown, Refused> {
        self.known_operator(&supervisor)?;
        let call = self.live_call(id)?;
        if call.supervisable().is_none() {
            let why = "nobody talks in this call now; try again once an operator does";
            return Err(refused(409, why));
        }
        let known = call.supervised_by();
        let party = call.seats().any(|seat| seat.operator == supervisor);
        if party && known != Some(&supervisor) {
            return Err(refused(409, "the supervisor is a party of this call"));
        }
        if known.is_some_and(|known| *known != supervisor) {
            let why = "somebody supervises this call already; a call has one supervisor";
            return Err(refused(409, why));
        }
        let mut contacts = Vec::new();
        if known.is_none() {
            let operator = self.desk.operator(&supervisor);
            if operator.and_then(Operator::call).is_some() {
                let why = "the supervisor talks, or is being rung; hang up first";
                return Err(refused(409, why));
            }
            contacts = self.contacts(&supervisor);
            if contacts.is_empty() {
                let why = "no phone of the supervisor is registered; register one first";
                return Err(refused(409, why));
            }
        }
        let by = Overseer {
            name: actor.name.clone(),
            role: actor.role,
        };
        let oversight = Box::new(Oversight {
            supervisor,
            aim,
            by,
            contacts,
        });
        let order = Order::Supervise(oversight);
        self.step(now, id, CallInput::Ordered(order));
        Ok(Shown::Call(id))
    }

    /// A supervisor's part in a call began, ended, or came to nothing.
    pub(super) fn tell_overseen(&mut self, now: Now, call: CallId, overseen: &Overseen) {
        let mut deed = Map::new();
        deed.insert("actor".into(), json!(overseen.by.name));
        deed.insert("role".into(), json!(overseen.by.role));
        deed.insert("action".into(), json!(overseen.aim.as_str()));
        deed.insert("call_id".into(), json!(call.to_string()));
        deed.insert("operator".into(), json!(overseen.supervisor));
        deed.insert("supervised".into(), json!(overseen.operator));
        deed.insert("result".into(), json!(overseen.part.as_str()));
        if let Some(lasted) = overseen.lasted {
            deed.insert("duration_s".into(), json!(lasted.as_secs_f64()));
        }
        self.tell_deed(now, deed);
    }
}
