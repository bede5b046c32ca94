//! Where operators' phones are, for calls that want to ring them.

use super::engine::Engine;
use crate::acd::operator::Operator;
use crate::call::message::{CallInput, Contact};
use crate::id::{CallId, OperatorName};
use crate::sip::registrar::Binding;
use crate::time::Now;

impl Engine {
    /// Where an operator is whom a call wants outside any queue.
    pub(super) fn reach(&mut self, now: Now, call: CallId, operator: OperatorName) {
        let known = self.desk.operator(&operator).is_some();
        let contacts = if known {
            self.contacts(&operator)
        } else {
            Vec::new()
        };
        let busy = self.desk.operator(&operator).and_then(Operator::call);
        let busy = busy.is_some();
        let reached = CallInput::Reached {
            operator,
            contacts,
            busy,
        };
        self.step(now, call, reached);
    }

    pub(super) fn contacts(&self, operator: &OperatorName) -> Vec<Contact> {
        self.endpoint.bindings(operator).map(contact_of).collect()
    }

    /// A phone came up: it rings too if its operator is being rung.
    pub(super) fn ring_too(&mut self, now: Now, binding: &Binding) {
        let operator = self.desk.operator(&binding.user);
        let calls = operator.map(|operator| operator.tickets().map(|(_, call)| call));
        for call in calls.into_iter().flatten().collect::<Vec<_>>() {
            let phone_up = CallInput::PhoneUp {
                operator: binding.user.clone(),
                contact: contact_of(binding),
            };
            self.step(now, call, phone_up);
        }
    }
}

fn contact_of(binding: &Binding) -> Contact {
    Contact {
        uri: binding.contact.clone(),
        flow: binding.flow,
        routes: binding.path.clone(),
    }
}
