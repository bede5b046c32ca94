//! From the engine's view to the metrics of the contract.

use std::collections::{BTreeMap, BTreeSet};

use super::telemetry::{Telemetry, Way};
use crate::engine::view::View;
use crate::id::{QueueName, TrunkName};
use crate::words::Outcome;

/// What the metrics have been told so far, so that counters only move by what is new.
#[derive(Default)]
pub struct Figures {
    offered: u64,
    ended: BTreeMap<Outcome, u64>,
    queues: BTreeSet<QueueName>,
    trunks: BTreeSet<TrunkName>,
}

impl Figures {
    /// Brings the metrics up to the view.
    pub fn show(&mut self, view: &View, telemetry: &Telemetry) {
        for _ in self.offered..view.offered {
            telemetry.call_offered();
        }
        self.offered = view.offered;
        for (outcome, total) in &view.outcomes {
            let shown = self.ended.entry(*outcome).or_default();
            for _ in *shown..*total {
                telemetry.call_ended(*outcome);
            }
            *shown = *total;
        }
        telemetry.calls_active(view.calls_active);
        for (queue, waiting) in &view.waiting {
            telemetry.queue_waiting(queue.as_str(), *waiting);
        }
        let queues = view
            .waiting
            .iter()
            .map(|(queue, _)| queue.clone())
            .collect();
        // A queue that is no more has nobody in it, whatever was shown last.
        for gone in self.queues.difference(&queues) {
            telemetry.queue_waiting(gone.as_str(), 0);
        }
        self.queues = queues;
        for (state, count) in &view.operators {
            telemetry.operators(*state, *count);
        }
        for (trunk, up) in &view.trunks {
            telemetry.trunk_up(trunk.as_str(), *up);
        }
        let trunks = view.trunks.iter().map(|(trunk, _)| trunk.clone());
        let trunks = trunks.collect();
        for gone in self.trunks.difference(&trunks) {
            telemetry.trunk_up(gone.as_str(), false);
        }
        self.trunks = trunks;
        telemetry.registrations(view.registrations);
        telemetry.callbacks_open(view.callbacks);
        for (method, received, total) in &view.messages {
            let way = if *received { Way::In } else { Way::Out };
            telemetry.sip_messages(method, way, *total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::endpoint::Live;

    #[test]
    fn a_queue_and_a_trunk_that_a_plan_took_away_show_nothing() {
        let telemetry = Telemetry::new().unwrap();
        let mut view = View {
            calls_active: 0,
            calls_kept: 0,
            calls_unsettled: 0,
            legs: 0,
            offered: 0,
            outcomes: Vec::new(),
            turned_away: 0,
            faults: 0,
            waiting: vec![("odesa".into(), 3)],
            operators: Vec::new(),
            tickets: 0,
            trunks: vec![("carrier".into(), true)],
            registrations: 0,
            callbacks: 0,
            messages: Vec::new(),
            live: Live::default(),
            held: 0,
            questions: 0,
        };
        let mut figures = Figures::default();
        figures.show(&view, &telemetry);
        assert!(telemetry.render().contains("{queue=\"odesa\"} 3"));
        assert!(telemetry.render().contains("{trunk=\"carrier\"} 1"));
        view.trunks = Vec::new();
        view.waiting = vec![("all".into(), 1)];
        figures.show(&view, &telemetry);
        let shown = telemetry.render();
        assert!(shown.contains("{queue=\"odesa\"} 0"), "{shown}");
        assert!(shown.contains("{queue=\"all\"} 1"), "{shown}");
        assert!(shown.contains("{trunk=\"carrier\"} 0"), "{shown}");
    }
}
