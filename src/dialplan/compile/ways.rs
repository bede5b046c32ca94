//! Callers must not go round in circles, nor pass more queues than a call may.

use std::collections::{BTreeMap, BTreeSet};

use crate::dialplan::diagnose::{Place, Problems};
use crate::dialplan::plan::{Dialplan, Queue, Target};
use crate::dialplan::read::{Fields, listed};
use crate::dialplan::routes::Then;
use crate::dialplan::yaml::{Entry, Value};
use crate::id::QueueName;
use crate::limits;

type Queues = BTreeMap<QueueName, Queue>;

/// Where a queue can send its callers, each with the words that say so.
fn leads(queue: &Queue) -> impl Iterator<Item = (&'static str, &QueueName)> {
    let exit = queue.exit.as_ref().map(|exit| exit.to.as_slice());
    let ways: [(&str, &[Target]); 3] = [
        ("overflow", &queue.overflow),
        ("closed", &queue.closed),
        ("exit", exit.unwrap_or_default()),
    ];
    ways.into_iter().flat_map(|(word, targets)| {
        let queues = targets.iter().filter_map(Target::queue);
        queues.map(move |queue| (word, queue))
    })
}

/// Following the plan from any queue never comes back to it.
pub(super) fn check_loops(top: &Fields<'_>, queues: &Queues, problems: &mut Problems<'_>) {
    let mut done = BTreeSet::new();
    for start in queues.keys() {
        // The stack holds the way so far, each queue with how many of its leads were followed.
        let mut way = vec![(start, 0_usize)];
        while let Some((name, followed)) = way.last_mut() {
            let name = *name;
            let queue = queues.get(name);
            let next = queue.and_then(|queue| leads(queue).nth(*followed));
            *followed += 1;
            match next {
                _ if done.contains(name) => {
                    way.pop();
                }
                None => {
                    done.insert(name);
                    way.pop();
                }
                Some((word, next)) => {
                    if let Some(first) = way.iter().position(|(known, _)| *known == next) {
                        let circle = way.iter().skip(first).map(|(name, _)| *name);
                        let circle = listed(circle.chain([next]));
                        let message = format!("callers would go in a circle: {circle}");
                        problems.error(place_of(top, name, word), message);
                    } else if !done.contains(next) {
                        way.push((next, 0));
                    }
                }
            }
        }
    }
}

fn place_of(top: &Fields<'_>, name: &QueueName, word: &str) -> Place {
    let mut queues = entries_of(top, "queues").iter();
    let queue = queues.find(|entry| entry.key == name.as_str());
    queue.map_or(top.at, |entry| word_of(entry, word))
}

/// Where a word of an entry stands; the entry itself where it has no such word.
fn word_of(entry: &Entry, word: &str) -> Place {
    let words = match &entry.value.value {
        Value::Map(words) => words.as_slice(),
        Value::Null | Value::Scalar(_) | Value::List(_) => &[],
    };
    let word = words.iter().find(|entry| entry.key == word);
    word.map_or(entry.at, |word| word.value.at)
}

/// Refuses a way that is longer than a call may go. Circles have been found before.
pub(super) fn check_lengths(plan: &Dialplan, top: &Fields<'_>, problems: &mut Problems<'_>) {
    if problems.has_errors() {
        return;
    }
    let mut lengths = Lengths {
        queues: &plan.queues,
        known: BTreeMap::new(),
    };
    let mut check = |at: Place, targets: &[Target]| {
        if lengths.of_targets(targets, 0) > limits::OVERFLOW_DEPTH && reaches_many(plan, targets) {
            let limit = limits::OVERFLOW_DEPTH;
            let message = format!("with what follows them these are more than {limit} queues");
            problems.error(at, message);
        }
    };
    let numbers = entries_of(top, "numbers").iter().zip(plan.numbers.iter());
    for (entry, number) in numbers {
        check(word_of(entry, "to"), &number.to);
    }
    for entry in entries_of(top, "queues") {
        let queue = Target::Queue(QueueName::from(entry.key.as_str()));
        check(word_of(entry, "overflow"), &[queue]);
    }
    for (node, route) in top.one_or_many("routes").iter().zip(&plan.routes) {
        if let Some(Then::To(targets)) = &route.then {
            check(node.at, targets);
        }
    }
}

fn entries_of<'n>(top: &Fields<'n>, section: &str) -> &'n [Entry] {
    match top.get(section).map(|node| &node.value) {
        Some(Value::Map(entries)) => entries,
        _ => &[],
    }
}

/// How many queues a call can pass at most, counted along each way.
struct Lengths<'q> {
    queues: &'q Queues,
    known: BTreeMap<QueueName, usize>,
}

impl Lengths<'_> {
    fn of_targets(&mut self, targets: &[Target], deep: usize) -> usize {
        let queues = targets.iter().filter_map(Target::queue);
        queues.fold(0_usize, |sum, name| {
            sum.saturating_add(self.of_queue(name, deep))
        })
    }

    /// A way that is too long is not followed to its end.
    fn of_queue(&mut self, name: &QueueName, deep: usize) -> usize {
        if let Some(length) = self.known.get(name) {
            return *length;
        }
        let Some(queue) = self.queues.get(name) else {
            return 0;
        };
        if deep > limits::OVERFLOW_DEPTH {
            return 1;
        }
        let exit = queue.exit.as_ref().map(|exit| exit.to.as_slice());
        let ways = [&queue.overflow, &queue.closed, exit.unwrap_or_default()];
        let after = ways.map(|targets| self.of_targets(targets, deep + 1));
        let length = after.into_iter().max().unwrap_or(0).saturating_add(1);
        self.known.insert(name.clone(), length);
        length
    }
}

/// Whether more queues than a call may pass can be reached at all: no call passes one twice.
fn reaches_many(plan: &Dialplan, targets: &[Target]) -> bool {
    let mut reached = BTreeSet::new();
    let mut next = targets.iter().filter_map(Target::queue).collect::<Vec<_>>();
    while let Some(name) = next.pop() {
        if reached.len() <= limits::OVERFLOW_DEPTH
            && reached.insert(name)
            && let Some(queue) = plan.queues.get(name)
        {
            next.extend(leads(queue).map(|(_, queue)| queue));
        }
    }
    reached.len() > limits::OVERFLOW_DEPTH
}
