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
    off: u64,
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
        self.compare(view, telemetry);
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

impl Figures {
    /// offered = answered + missed + blocked + test: an offered call without an outcome is one that is
    /// still kept, and no call has two.
    fn compare(&mut self, view: &View, telemetry: &Telemetry) {
        let ended: u64 = view.outcomes.iter().map(|(_, total)| total).sum();
        let kept = u64::try_from(view.calls_kept).unwrap_or(u64::MAX);
        let lost = view.offered.saturating_sub(ended).saturating_sub(kept);
        let off = lost.max(ended.saturating_sub(view.offered));
        if off != self.off {
            telemetry.ledger_broken("sum", usize::try_from(off).unwrap_or(usize::MAX));
            if off > self.off {
                tracing::error!(
                    offered = view.offered,
                    ended,
                    "the outcomes of this run's calls do not add up to the offered ones; please report it"
                );
            }
            self.off = off;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::endpoint::Live;

    fn quiet() -> View {
        View {
            calls_active: 0,
            calls_kept: 0,
            calls_unsettled: 0,
            legs: 0,
            offered: 0,
            outcomes: Vec::new(),
            turned_away: 0,
            faults: 0,
            waiting: Vec::new(),
            operators: Vec::new(),
            tickets: 0,
            trunks: Vec::new(),
            registrations: 0,
            callbacks: 0,
            messages: Vec::new(),
            live: Live::default(),
            held: 0,
            questions: 0,
        }
    }

    #[test]
    fn a_sum_that_is_off_is_shown() {
        let telemetry = Telemetry::new().unwrap();
        let mut figures = Figures::default();
        for (offered, kept, answered, missed, off) in [
            (0, 0, 0, 0, 0),
            (3, 2, 1, 0, 0),
            (3, 0, 1, 2, 0),
            (3, 0, 1, 1, 1),
            (5, 1, 1, 1, 2),
            (5, 1, 5, 1, 1),
            (6, 1, 5, 1, 0),
        ] {
            let view = View {
                offered,
                calls_kept: kept,
                outcomes: vec![(Outcome::Answered, answered), (Outcome::Missed, missed)],
                ..quiet()
            };
            figures.show(&view, &telemetry);
            let line = format!("strowger_ledger_broken{{check=\"sum\"}} {off}\n");
            assert!(telemetry.render().contains(&line), "{line}");
        }
    }

    #[test]
    fn a_queue_and_a_trunk_that_a_plan_took_away_show_nothing() {
        let telemetry = Telemetry::new().unwrap();
        let mut view = View {
            waiting: vec![("odesa".into(), 3)],
            trunks: vec![("carrier".into(), true)],
            ..quiet()
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
