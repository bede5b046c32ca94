//! Connections come and go; a dialog stays (RFC 5626 5.3, RFC 3261 18.2.2).
//!
//! What is sent inside a dialog whose connection closed goes to the newest flow of the same binding,
//! or of the same trunk. Until there is one, an offer or a refresh waits.

use std::collections::{BTreeMap, BTreeSet};

use super::Endpoint;
use crate::id::{FlowId, LegId, OperatorName, TrunkName};
use crate::limits;
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::registrar::Binding;
use crate::sip::session::state::Session;
use crate::sip::transaction::table::{Owner, TransactionId};

/// As many as there can be at once, whatever the settings say: one that is forgotten while it stands
/// would be taken for closed.
pub(super) const MOST: usize = limits::TCP_CONNECTIONS_MOST as usize + limits::CONNECTIONS_OUT;

/// The connections that live, as far as something was heard or sent on them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    live: BTreeSet<FlowId>,
    trunks: BTreeMap<TrunkName, Flow>,
}

impl Streams {
    /// Something came or goes on a flow.
    pub(super) fn note(&mut self, flow: &Flow, trunk: Option<&TrunkName>) {
        if !flow.transport.is_stream() {
            return;
        }
        if self.live.insert(flow.id) && self.live.len() > MOST {
            self.live.pop_first();
        }
        if let Some(trunk) = trunk
            && self.trunks.get(trunk).is_none_or(|known| known != flow)
        {
            self.trunks.insert(trunk.clone(), *flow);
        }
    }

    /// A connection closed.
    pub(super) fn forget(&mut self, flow: FlowId) {
        self.live.remove(&flow);
        self.trunks.retain(|_, known| known.id != flow);
    }

    /// How many connections are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether a flow is a connection that closed.
    pub(super) fn is_dead(&self, flow: &Flow) -> bool {
        flow.transport.is_stream() && !self.live.contains(&flow.id)
    }
}

impl Endpoint {
    /// A connection that we opened is up.
    pub fn handle_flow_up(&mut self, flow: &Flow) {
        let party = self.party(flow);
        self.streams.note(flow, party.trunk.as_ref());
    }

    /// Moves a session to where its peer is now: the stream it lived on may have closed, or a NAT
    /// may have given its phone another port, since when it registered anew.
    pub(super) fn reroute(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        if let Some(trunk) = &session.party.trunk {
            let newest = self.streams.trunks.get(trunk);
            if let Some(newest) = newest
                && self.streams.is_dead(&session.flow)
            {
                session.flow = *newest;
            }
            return;
        }
        let Some(operator) = session.party.operator.clone() else {
            return;
        };
        let Some(session) = self.sessions.get(&leg) else {
            return;
        };
        if self.registrar.is_on(&operator, &session.flow) {
            return;
        }
        let key = session.binding.as_ref();
        let mut bindings = self.registrar.bindings(&operator);
        let same = bindings.find(|binding| Some(&binding.key) == key);
        let way = match same {
            Some(binding) => binding.flow,
            // The phone has a name of its own and is nowhere: another one is not meant.
            None if key.is_some_and(|key| key.starts_with('<')) => session.flow,
            None => self.way_to(&operator, session.flow, &session.dialog),
        };
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.flow = way;
        }
    }

    /// The flow of an operator's dialog: the one it had, unless the phone is elsewhere now.
    pub(super) fn way_to(&self, operator: &OperatorName, flow: Flow, dialog: &Dialog) -> Flow {
        if self.registrar.is_on(operator, &flow) {
            return flow;
        }
        let same = |binding: &&Binding| dialog.is_at(&binding.contact);
        let mut bindings = self.registrar.bindings(operator);
        let only = bindings.next().filter(|_| bindings.next().is_none());
        let found = self.registrar.bindings(operator).find(same).or(only);
        found.map_or(flow, |binding| binding.flow)
    }

    /// The binding of an operator's phone, if it has one on this flow: behind a proxy other operators
    /// have theirs there too.
    pub(super) fn binding_of(
        &self,
        owner: &OperatorName,
        flow: &Flow,
        dialog: &Dialog,
    ) -> Option<String> {
        let here = || {
            let bindings = self.registrar.bindings(owner);
            bindings.filter(|binding| binding.flow == *flow)
        };
        let same = here().find(|binding| dialog.is_at(&binding.contact));
        let found = same.or_else(|| here().next())?;
        Some(found.key.clone())
    }

    /// The same for whoever is at the other end of a session.
    pub(super) fn binding_of_party(&self, session: &Session, flow: &Flow) -> Option<String> {
        let operator = session.party.operator.as_ref()?;
        self.binding_of(operator, flow, &session.dialog)
    }

    /// Whether the way to the peer of a session is closed, and no other is known.
    pub(super) fn is_cut_off(&mut self, leg: LegId) -> bool {
        self.reroute(leg);
        self.sessions
            .get(&leg)
            .is_some_and(|session| self.streams.is_dead(&session.flow))
    }

    /// Moves a transaction whose connection closed to where its session is now.
    pub(super) fn follow(&mut self, id: TransactionId) {
        let Some((flow, Owner::Leg(leg))) = self.transactions.way(id) else {
            return;
        };
        if !self.streams.is_dead(&flow) {
            return;
        }
        self.reroute(leg);
        if let Some(session) = self.sessions.get(&leg) {
            self.transactions.redirect(id, session.flow);
        }
    }
}
