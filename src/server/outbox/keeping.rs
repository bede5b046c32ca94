//! Forgets events that every sink has and that are old enough; and, past a bound, the oldest ones
//! whoever still wants them. In small steps, so that no call waits for it.
//!
//! ```text
//! every minute: aged and had by all ──► a step ──► looked at again at once
//!               over the bound ───────► a step, what is given up is counted and told
//!               else ─────────────────► the figures are shown, and nothing goes
//! ```

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Map, json};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::courier::sleep_until;
use crate::limits;
use crate::server::clock::Clock;
use crate::server::settings::Keep;
use crate::server::store::{SinkRow, Stock, Store};
use crate::server::telemetry::Telemetry;
use crate::time::{Duration, Instant, Wall};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(60);
/// Between two steps.
const BREATH: Duration = Duration::from_millis(50);
/// How often it is told that events of a dead sink are given up.
const TOLD_AGAIN: Duration = Duration::from_secs(3_600);

/// What the events will come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Forecast {
    /// How many there will be.
    pub(super) events: u64,
    /// What the database will take then.
    pub(super) bytes: u64,
}

impl Keep {
    /// What the stock grows to at the pace it came in.
    pub(super) fn forecast(&self, stock: &Stock) -> Forecast {
        let events = stock.events();
        let span = stock.last.1.as_millis() - stock.first.1.as_millis();
        // An hour says nothing of a month, but it is what there is.
        let span = u64::try_from(span).unwrap_or(0).max(3_600_000);
        let age = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
        let grown = u128::from(events) * u128::from(age) / u128::from(span);
        let grown = u64::try_from(grown).unwrap_or(u64::MAX);
        let then = grown.max(events.min(self.most)).min(self.most);
        let more = then.saturating_sub(events);
        Forecast {
            events: then,
            bytes: stock
                .bytes
                .saturating_add(more.saturating_mul(stock.bytes_each)),
        }
    }
}

/// What is looked at to decide.
#[derive(Clone, Debug)]
struct Look {
    stock: Stock,
    /// The sinks of the settings alone: what nobody asks for holds nothing.
    sinks: Vec<SinkRow>,
    /// When the last event of the next step happened.
    step_at: Option<Wall>,
}

/// What goes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Step {
    through: u64,
    /// Sinks that lose by it, with how many events.
    given_up: Vec<(String, u64)>,
}

/// The last event of the next step, if there is one that can go: never the newest.
fn end_of_step(stock: &Stock) -> Option<u64> {
    let end = stock
        .first
        .0
        .checked_add(limits::PRUNE_STEP)?
        .checked_sub(1)?;
    let end = end.min(stock.last.0.checked_sub(1)?);
    (end >= stock.first.0).then_some(end)
}

fn decide(keep: Keep, now: Wall, look: &Look) -> Option<Step> {
    let end = end_of_step(&look.stock)?;
    let over = look.stock.events().saturating_sub(keep.most);
    if over > 0 {
        let through = end.min(look.stock.first.0 + over - 1);
        let behind = look.sinks.iter().filter(|sink| sink.cursor < through);
        // What lies before the oldest event that is kept was given up before.
        let from = |sink: &SinkRow| sink.cursor.max(look.stock.first.0 - 1);
        let given_up = behind.map(|sink| (sink.name.clone(), through - from(sink)));
        return Some(Step {
            through,
            given_up: given_up.collect(),
        });
    }
    let age = i64::try_from(keep.age.as_millis()).unwrap_or(i64::MAX);
    let aged = look.step_at? < Wall::from_millis(now.as_millis().saturating_sub(age));
    let had = look.sinks.iter().all(|sink| sink.cursor >= end);
    (aged && had).then(|| Step {
        through: end,
        given_up: Vec::new(),
    })
}

/// Keeps the events within their bounds until it is stopped.
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) telemetry: Telemetry,
    pub(super) clock: Clock,
    pub(super) keep: Keep,
    pub(super) sinks: Arc<[String]>,
}

impl Keeper {
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut told: Option<Instant> = None;
        loop {
            // A disk that refuses lets a step wait, and must not keep the server from stopping.
            let step = tokio::select! {
                _ = stop.wait_for(|&stop| stop) => return,
                step = self.step(&mut told) => step,
            };
            let went = step.unwrap_or_else(|error| {
                tracing::warn!(%error, "it cannot be looked which events may go");
                false
            });
            let pause = if went { BREATH } else { EVERY };
            tokio::select! {
                _ = stop.wait_for(|&stop| stop) => return,
                () = sleep_until(self.clock, Some(self.clock.now().mono + pause)) => {}
            }
        }
    }

    /// Looks once, and lets go what can go. Whether there was something.
    async fn step(&self, told: &mut Option<Instant>) -> anyhow::Result<bool> {
        let look = self.look().await?;
        self.show(&look);
        let now = self.clock.now();
        let Some(step) = decide(self.keep, now.wall, &look) else {
            return Ok(false);
        };
        self.store.prune(step.through, &self.sinks);
        let due = told.is_none_or(|at| now.mono.since(at) >= TOLD_AGAIN);
        if !step.given_up.is_empty() && due {
            *told = Some(now.mono);
            self.tell(&step);
        }
        Ok(self.store.settled().await)
    }

    async fn look(&self) -> anyhow::Result<Look> {
        let (store, names) = (self.store.clone(), Arc::clone(&self.sinks));
        let looked = spawn_blocking(move || {
            let reader = store.reader()?;
            let stock = reader.stock()?;
            let step_at = end_of_step(&stock).map(|end| reader.time_of(end));
            let mut sinks = reader.sinks()?;
            sinks.retain(|sink| names.contains(&sink.name));
            anyhow::Ok(Look {
                stock,
                sinks,
                step_at: step_at.transpose()?.flatten(),
            })
        });
        looked.await.context("the reading thread ended")?
    }

    fn show(&self, look: &Look) {
        let forecast = self.keep.forecast(&look.stock);
        self.telemetry.store_bytes(look.stock.bytes, forecast.bytes);
        for sink in &look.sinks {
            let (letters, dropped) = (sink.dead_letters, sink.dropped);
            self.telemetry.outbox_losses(&sink.name, letters, dropped);
        }
    }

    fn tell(&self, step: &Step) {
        for (sink, events) in &step.given_up {
            let most = self.keep.most;
            let why = format!(
                "it takes no events, and more than {most} are kept for it (`store.max_events`): the oldest are given up"
            );
            tracing::error!(sink, events, "{why}");
            let mut data = Map::new();
            data.insert("sink".into(), json!(sink));
            data.insert("reason".into(), json!(why));
            data.insert("dropped".into(), json!(events));
            self.store.emit("sink.degraded", None, data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const KEEP: Keep = Keep {
        age: Duration::from_secs(30 * 86_400),
        most: 10_000,
    };

    fn look(first: u64, last: u64, days: i64, cursors: &[u64]) -> Look {
        let sinks = cursors.iter().enumerate().map(|(index, cursor)| SinkRow {
            name: format!("s{index}"),
            cursor: *cursor,
            dropped: 0,
            dead_letters: 0,
        });
        Look {
            stock: Stock {
                first: (first, Wall::from_millis(0)),
                last: (last, Wall::from_millis(days * DAY)),
                bytes: 1_000_000,
                bytes_each: 1_000,
            },
            sinks: sinks.collect(),
            step_at: Some(Wall::from_millis(1_000)),
        }
    }

    fn at(days: i64) -> Wall {
        Wall::from_millis(days * DAY)
    }

    #[test]
    fn what_is_old_and_had_by_all_goes_step_by_step_and_never_the_newest() {
        let step = |look: &Look, days| decide(KEEP, at(days), look).map(|it| it.through);
        assert_eq!(step(&look(1, 2_000, 31, &[2_000, 700]), 31), Some(500));
        assert_eq!(step(&look(1, 2_000, 31, &[2_000, 499]), 31), None);
        assert_eq!(step(&look(1, 2_000, 31, &[2_000]), 29), None, "too young");
        assert_eq!(step(&look(1, 2_000, 31, &[]), 31), Some(500));
        assert_eq!(step(&look(1_999, 2_000, 31, &[]), 31), Some(1_999));
        assert_eq!(step(&look(2_000, 2_000, 31, &[]), 31), None);
        assert_eq!(step(&look(0, 0, 0, &[]), 31), None);
    }

    #[test]
    fn past_the_bound_the_oldest_go_and_whoever_loses_by_it_is_named() {
        let look = look(1_001, 11_200, 1, &[11_200, 1_050, 10]);
        let step = decide(KEEP, at(1), &look).unwrap();
        assert_eq!(step.through, 1_200);
        let given_up = [("s1".to_owned(), 150), ("s2".to_owned(), 200)];
        assert_eq!(step.given_up, given_up);
    }

    #[test]
    fn the_forecast_follows_the_pace_and_ends_at_the_bound() {
        let slow = KEEP.forecast(&look(1, 100, 1, &[]).stock);
        assert_eq!(slow.events, 3_000);
        assert_eq!(slow.bytes, 1_000_000 + 2_900 * 1_000);
        let fast = KEEP.forecast(&look(1, 5_000, 1, &[]).stock);
        assert_eq!(fast.events, 10_000);
        assert_eq!(KEEP.forecast(&Stock::default()).events, 0);
    }
}
