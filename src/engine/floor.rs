//! From a dialplan to what the distributor and the SIP endpoint need of it.

use std::collections::BTreeMap;

use crate::acd::message::{Floor, Member, OperatorRules, QueueRules};
use crate::dialplan::plan::{self, Dialplan};
use crate::id::OperatorName;
use crate::sip::endpoint::{Credentials, Directory, TrunkEntry};

/// The floor of a plan.
#[must_use]
pub fn floor(plan: &Dialplan) -> Floor {
    let queues = plan.queues.iter().map(|(name, queue)| {
        let rules = QueueRules {
            operators: members(&queue.operators),
            strategy: queue.strategy,
            ring: queue.ring,
            wrap_up: queue.wrap_up,
            max_wait: queue.max_wait,
            after_decline: queue.after.decline,
            after_busy: queue.after.busy,
            after_no_answer: queue.after.no_answer,
            ..QueueRules::default()
        };
        (name.clone(), rules)
    });
    Floor {
        operators: plan
            .operators
            .keys()
            .map(|name| (name.clone(), OperatorRules::default()))
            .collect(),
        queues: queues.collect(),
    }
}

fn members(listed: &BTreeMap<OperatorName, plan::Member>) -> BTreeMap<OperatorName, Member> {
    let members = listed.iter().map(|(name, member)| {
        let (level, order) = (member.level, member.order);
        (name.clone(), Member { level, order })
    });
    members.collect()
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
