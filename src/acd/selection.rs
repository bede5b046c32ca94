//! Which operator is asked first. Pure choice over a queue's index; nothing is changed here.

use super::queue::Queue;
use super::ticket::Ticket;
use crate::id::OperatorName;
use crate::time::Instant;
use crate::words::Strategy;

/// The free operators whose phones shall ring for this caller now, besides those that ring already.
pub(super) fn choose(queue: &Queue, ticket: &Ticket, now: Instant) -> Vec<OperatorName> {
    let mut worst = None;
    let mut chosen = Vec::new();
    for (level, _, operator) in queue.free() {
        if worst.is_some_and(|worst| *level > worst) || !wants(queue, ticket, *level) {
            break;
        }
        if ticket.excludes(operator, now) {
            continue;
        }
        chosen.push(operator.clone());
        match queue.rules.strategy {
            Strategy::LongestIdle
            | Strategy::RoundRobin
            | Strategy::FewestCalls
            | Strategy::LeastTalkTime
            | Strategy::Progressive
            | Strategy::Linear
            | Strategy::Random => break,
            Strategy::RingAll => worst = Some(*level),
        }
    }
    chosen
}

/// Whether the caller can be offered to one more operator at all.
pub(super) fn is_open(queue: &Queue, ticket: &Ticket) -> bool {
    ticket
        .offers()
        .is_some_and(|offers| match queue.rules.strategy {
            Strategy::LongestIdle
            | Strategy::RoundRobin
            | Strategy::FewestCalls
            | Strategy::LeastTalkTime
            | Strategy::Progressive
            | Strategy::Linear
            | Strategy::Random => offers.is_empty(),
            Strategy::RingAll => true,
        })
}

/// Whether an operator of this level could be one phone more for the caller. With `ring_all` the
/// phones of one level ring together; a worse level is asked only when none of a better one rings.
pub(super) fn wants(queue: &Queue, ticket: &Ticket, level: u8) -> bool {
    let Some(offers) = ticket.offers() else {
        return false;
    };
    match queue.rules.strategy {
        Strategy::LongestIdle
        | Strategy::RoundRobin
        | Strategy::FewestCalls
        | Strategy::LeastTalkTime
        | Strategy::Progressive
        | Strategy::Linear
        | Strategy::Random => offers.is_empty(),
        Strategy::RingAll => offers
            .iter()
            .filter_map(|operator| queue.rules.operators.get(operator))
            .map(|member| member.level)
            .min()
            .is_none_or(|best| level <= best),
    }
}
