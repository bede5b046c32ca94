//! What the engine shows of itself, for metrics and for the invariants of tests.

use super::engine::Engine;
use crate::id::{LegId, QueueName, TrunkName};
use crate::sip::endpoint::Live;
use crate::words::{OperatorState, Outcome};

/// A look at the engine at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// Calls that have not ended.
    pub calls_active: usize,
    /// Calls kept, those whose legs are still closing included.
    pub calls_kept: usize,
    /// Calls that have not ended, or whose last word or recording is still to come.
    pub calls_unsettled: usize,
    /// Legs known.
    pub legs: usize,
    /// Inbound calls of trunks since the start.
    pub offered: u64,
    /// Ended calls by outcome, since the start.
    pub outcomes: Vec<(Outcome, u64)>,
    /// Calls turned away while draining; the carrier retries elsewhere.
    pub turned_away: u64,
    /// Calls whose handling failed by our own fault and were released.
    pub faults: u64,
    /// Callers waiting, by queue.
    pub waiting: Vec<(QueueName, usize)>,
    /// Operators, by state.
    pub operators: Vec<(OperatorState, usize)>,
    /// Tickets in the distributor.
    pub tickets: usize,
    /// Carriers, and whether each can be had.
    pub trunks: Vec<(TrunkName, bool)>,
    /// Bindings.
    pub registrations: usize,
    /// Open callbacks.
    pub callbacks: usize,
    /// Messages by method and whether they came in.
    pub messages: Vec<(&'static str, bool, u64)>,
    /// State that SIP holds.
    pub live: Live,
    /// Packets that wait for the disk.
    pub held: usize,
    /// Questions to the shell that have no answer yet.
    pub questions: usize,
}

impl Engine {
    /// Whether a leg has a session that nobody has ended.
    #[must_use]
    pub fn speaks(&self, leg: LegId) -> bool {
        self.endpoint.is_live(leg)
    }

    /// Counts for metrics and invariants.
    #[must_use]
    pub fn view(&self) -> View {
        View {
            calls_active: self.active,
            calls_kept: self.calls.len(),
            calls_unsettled: self.calls().filter(|call| !call.is_settled()).count(),
            legs: self.legs.len(),
            offered: self.outcomes.total(),
            outcomes: self.outcomes.by_outcome().collect(),
            turned_away: self.turned_away,
            faults: self.faults,
            waiting: self
                .plan
                .queues
                .keys()
                .map(|queue| (queue.clone(), self.desk.waiting(queue)))
                .collect(),
            operators: OperatorState::ALL
                .into_iter()
                .map(|state| (state, self.desk.count(state)))
                .collect(),
            tickets: self.desk.ticket_count(),
            registrations: self.endpoint.registrations(),
            trunks: self
                .trunks
                .standings()
                .map(|(name, up)| (name.clone(), up))
                .collect(),
            callbacks: self.callbacks.open(),
            messages: self.endpoint.messages().collect(),
            live: self.endpoint.live(),
            held: self.held.len(),
            questions: self.asks.len(),
        }
    }
}
