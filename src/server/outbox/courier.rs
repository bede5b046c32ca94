//! Runs the lanes of one webhook: reads pages, sends what the lanes say, tells them the answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Desk;
use super::feed::Feed;
use super::lanes::{Lanes, Note, Step};
use super::webhook::Webhook;
use crate::rng::Rng;
use crate::server::clock::Clock;
use crate::time::{Duration, Instant};

/// A database that cannot be read is asked again after this.
const READ_AGAIN: Duration = Duration::from_secs(5);

type Answer = (u64, Result<(), String>);

/// Delivers until it is stopped.
pub(super) async fn run(
    desk: Desk,
    mut stop: watch::Receiver<bool>,
    types: Option<BTreeSet<String>>,
    webhook: Webhook,
    rng: Rng,
) {
    let opened = Feed::open(&desk.store, Arc::clone(&desk.name), types).await;
    let (mut feed, cursor) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!(sink = %desk.name, %error, "a sink cannot read the events and stays behind");
            return;
        }
    };
    let mut lanes = Lanes::new(cursor, rng);
    let mut under_way = JoinSet::new();
    let mut reached = cursor;
    desk.reached(cursor);
    loop {
        let read_again = fill(&desk, &mut feed, &mut lanes).await;
        let wait = send(&desk, &webhook, &mut lanes, &mut under_way);
        if lanes.cursor() > reached {
            reached = lanes.cursor();
            desk.reached(reached);
        }
        desk.backlog(reached);
        let wait = wait.into_iter().chain(read_again).min();
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return,
            Some(answer) = under_way.join_next() => settle(&desk, &mut lanes, answer),
            changed = feed.committed.changed(), if lanes.room() > 0 => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep_until(desk.clock, wait) => {}
        }
    }
}

/// Fills the lanes as far as they have room. Gives the moment to ask again when the database could
/// not be read.
async fn fill(desk: &Desk, feed: &mut Feed, lanes: &mut Lanes) -> Option<Instant> {
    while lanes.room() > 0 && feed.has_more(lanes.top()) {
        match feed.page(lanes.top(), lanes.room()).await {
            // Committed, and not to be seen: never expected, and no reason to spin.
            Ok(page) if page.looked_at <= lanes.top() => {
                return Some(desk.clock.now().mono + READ_AGAIN);
            }
            Ok(page) => {
                for event in page.wanted {
                    lanes.push(event);
                }
                lanes.skip(page.looked_at);
            }
            Err(error) => {
                tracing::warn!(sink = %desk.name, %error, "the events cannot be read");
                return Some(desk.clock.now().mono + READ_AGAIN);
            }
        }
    }
    None
}

/// Sends whatever may go now; says until when there is nothing to do.
fn send(
    desk: &Desk,
    webhook: &Webhook,
    lanes: &mut Lanes,
    under_way: &mut JoinSet<Answer>,
) -> Option<Instant> {
    loop {
        match lanes.next(desk.clock.now().mono) {
            Step::Send(event) => {
                let webhook = webhook.clone();
                under_way.spawn(async move { (event.seq, webhook.deliver(&event).await) });
            }
            Step::Wait(at) => return Some(at),
            Step::Idle => return None,
        }
    }
}

fn settle(desk: &Desk, lanes: &mut Lanes, answer: Result<Answer, tokio::task::JoinError>) {
    let now = desk.clock.now().mono;
    let note = match answer {
        Ok((seq, Ok(()))) => lanes.acknowledge(seq, now),
        Ok((seq, Err(why))) => lanes.fail(seq, now, why),
        Err(error) => {
            tracing::error!(sink = %desk.name, %error, "a delivery ended badly");
            None
        }
    };
    match note {
        Some(Note::Degraded { why }) => desk.degraded(&why),
        Some(Note::Recovered { lasted }) => desk.recovered(lasted),
        Some(Note::Dead { seq, tries, why }) => {
            tracing::warn!(sink = %desk.name, seq, why, "a sink will not take an event; it is kept as a dead letter");
            desk.store.bury(&desk.name, seq, tries, why);
        }
        None => {}
    }
}

/// Sleeps until `at`, or for ever.
pub(super) async fn sleep_until(clock: Clock, at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(clock.now().mono)).await,
        None => std::future::pending().await,
    }
}
