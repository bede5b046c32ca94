//! From a dialplan to what the distributor and the SIP endpoint need of it.

use crate::acd::message::{Floor, Member, Need, OperatorRules, QueueRules, Widen};
use crate::dialplan::plan::{self, Dialplan};
use crate::sip::endpoint::{Credentials, Directory, TrunkEntry};

/// The floor of a plan.
#[must_use]
pub fn floor(plan: &Dialplan) -> Floor {
    let operators = plan.operators.values().map(|operator| {
        let rules = OperatorRules {
            wrap_up: operator.wrap_up,
            max_no_answer: operator.max_no_answer,
        };
        (operator.name.clone(), rules)
    });
    let queues = plan.queues.values();
    let queues = queues.map(|queue| (queue.name.clone(), rules(queue)));
    Floor {
        operators: operators.collect(),
        queues: queues.collect(),
    }
}

fn rules(queue: &plan::Queue) -> QueueRules {
    let members = queue.operators.iter().map(|(name, member)| {
        let (level, order) = (member.level, member.order);
        (name.clone(), Member { level, order })
    });
    let widen = queue.widen.iter().map(|step| Widen {
        after: step.after,
        level: step.level,
    });
    QueueRules {
        operators: members.collect(),
        strategy: queue.strategy,
        step: queue.step,
        widen: widen.collect(),
        weight: queue.weight,
        ring: queue.ring,
        retry: queue.retry,
        wrap_up: queue.wrap_up,
        max_wait: queue.max_wait,
        max_size: queue.max_size,
        join: need(queue.join_empty),
        leave: need(queue.leave_empty),
        after_decline: queue.after.decline,
        after_busy: queue.after.busy,
        after_no_answer: queue.after.no_answer,
        service_level: queue.service_level,
        resume_within: queue.resume_within,
        disposition: queue.disposition.as_ref().is_some_and(|it| it.require),
    }
}

const fn need(of: plan::Need) -> Need {
    Need {
        logged_in: of.logged_in,
        working: of.working,
        available: of.available,
        wait: of.wait,
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
