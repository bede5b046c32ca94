//! From a dialplan to what the distributor and the SIP endpoint need of it.

use crate::acd::message::{Floor, QueueRules};
use crate::dialplan::plan::Dialplan;
use crate::sip::endpoint::{Credentials, Directory, TrunkEntry};

/// The floor of a plan.
#[must_use]
pub fn floor(plan: &Dialplan) -> Floor {
    let queues = plan.queues.iter().map(|(name, queue)| {
        let rules = QueueRules {
            operators: queue
                .operators
                .iter()
                .map(|(name, member)| (name.clone(), member.level))
                .collect(),
            strategy: queue.strategy,
            ring: queue.ring,
            wrap_up: queue.wrap_up,
            max_wait: queue.max_wait,
            after_decline: queue.after.decline,
            after_busy: queue.after.busy,
            after_no_answer: queue.after.no_answer,
        };
        (name.clone(), rules)
    });
    Floor {
        operators: plan.operators.keys().cloned().collect(),
        queues: queues.collect(),
    }
}

/// Whom SIP knows by a plan; what is known of its carriers comes from [`super::trunks`].
#[must_use]
pub fn directory(plan: &Dialplan, realm: &str, trunks: Vec<TrunkEntry>) -> Directory {
    let users = plan.operators.values().filter_map(|operator| {
        let password = operator.password.as_ref()?.reveal();
        let credentials = Credentials::from_password(operator.name.as_str(), realm, password);
        Some((operator.name.clone(), credentials))
    });
    let numbers = plan.operators.values().filter_map(|operator| {
        let number = operator.number.clone()?;
        Some((number, operator.name.clone()))
    });
    let sites = plan.operators.values().filter_map(|operator| {
        let site = operator.site.clone()?;
        Some((operator.name.clone(), site))
    });
    Directory {
        trunks,
        users: users.collect(),
        numbers: numbers.collect(),
        sites: sites.collect(),
    }
}
