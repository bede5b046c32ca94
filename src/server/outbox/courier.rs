//! Runs the lanes of one sink: reads pages, sends what the lanes say, tells them the answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{self, JoinError, JoinSet};

use super::Desk;
use super::carrier::{Answer, Carrier};
use super::feed::Feed;
use super::lanes::{Batch, Lanes, Note, Step};
use crate::rng::Rng;
use crate::server::clock::Clock;
use crate::time::{Duration, Instant};

/// A database that cannot be read is asked again after this.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// The deliveries under way, and what each carries, so that one that ends badly has failed.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<Vec<Answer>>,
    batches: Vec<(task::Id, Batch)>,
}

/// Delivers until it is stopped.
pub(super) async fn run(
    desk: Desk,
    mut stop: watch::Receiver<bool>,
    types: Option<BTreeSet<String>>,
    carrier: Carrier,
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
    let mut lanes = Lanes::new(cursor, carrier.pace(), rng);
    let mut under_way = UnderWay::default();
    let mut reached = cursor;
    desk.reached(cursor);
    loop {
        let read_again = fill(&desk, &mut feed, &mut lanes).await;
        let wait = send(&desk, &carrier, &mut lanes, &mut under_way);
        if lanes.cursor() > reached {
            reached = lanes.cursor();
            desk.reached(reached);
        }
        desk.backlog(reached);
        let wait = wait.into_iter().chain(read_again).min();
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return,
            Some(answered) = under_way.tasks.join_next_with_id() => {
                settle(&desk, &mut lanes, &mut under_way.batches, answered);
            }
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
    carrier: &Carrier,
    lanes: &mut Lanes,
    under_way: &mut UnderWay,
) -> Option<Instant> {
    loop {
        match lanes.next(desk.clock.now().mono) {
            Step::Send(batch) => {
                let (carrier, carried) = (carrier.clone(), batch.clone());
                let task = under_way
                    .tasks
                    .spawn(async move { carrier.deliver(&carried).await });
                under_way.batches.push((task.id(), batch));
            }
            Step::Wait(at) => return Some(at),
            Step::Idle => return None,
        }
    }
}

/// Tells the lanes what became of a batch.
fn settle(
    desk: &Desk,
    lanes: &mut Lanes,
    batches: &mut Vec<(task::Id, Batch)>,
    answered: Result<(task::Id, Vec<Answer>), JoinError>,
) {
    let (id, answers) = match answered {
        Ok(answered) => answered,
        Err(error) => {
            tracing::error!(sink = %desk.name, %error, "a delivery ended badly");
            (error.id(), Vec::new())
        }
    };
    let now = desk.clock.now().mono;
    let broken = || Answer::Failed("the delivery ended badly".to_owned());
    let answers = answers.into_iter().chain(std::iter::repeat_with(broken));
    let Some(place) = batches.iter().position(|(task, _)| *task == id) else {
        return;
    };
    let (_, batch) = batches.swap_remove(place);
    for (event, answer) in batch.iter().zip(answers) {
        let note = match answer {
            Answer::Taken => lanes.acknowledge(event.seq, now),
            Answer::Failed(why) => lanes.fail(event.seq, now, why),
            Answer::Refused(why) => lanes.refuse(event.seq, now, why),
            Answer::Later { why, wait } => lanes.postpone(event.seq, now, now + wait, why),
            Answer::Untried => {
                lanes.release(event.seq);
                None
            }
        };
        tell(desk, note);
    }
}

fn tell(desk: &Desk, note: Option<Note>) {
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
