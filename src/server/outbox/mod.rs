//! Events on their way out: one task a sink, each with a cursor of its own in the store.
//!
//! Delivered at least once, in order for each call. A sink that is slow, dead or lying costs its own
//! task and nothing else: calls only ever write to the store.

mod address;
mod backoff;
mod carrier;
mod cell;
mod control;
mod courier;
mod feed;
mod form;
mod keeping;
mod lanes;
mod line_file;
mod master_csv;
mod nats;
mod postgres;
mod queue_log;
mod report;
mod scribe;
mod secure;
mod signature;
mod template;
mod webhook;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use reqwest::Url;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::carrier::Carrier;
use super::clock::Clock;
use super::settings::{Keep, Sink, SinkKind};
use super::store::Store;
use super::telemetry::Telemetry;
use crate::dialplan::plan::Secret;
use crate::rng::Rng;
use crate::time::Duration;

pub use cell::defused;
pub use control::{Refused, Sinks, overview, replay_at_rest, retry_at_rest};
pub use template::Template;

use control::{Wires, attend};
use form::Form;
use line_file::LineFile;

/// Whether the address of a webhook can be seen to be private without asking for a name.
#[must_use]
pub fn is_plainly_private(url: &Url) -> bool {
    webhook::literal(url).is_some_and(|address| !address::is_public(address))
}

/// Whether a signing secret can be used: what follows `whsec_` must be base64.
#[must_use]
pub fn is_usable(secret: &Secret) -> bool {
    signature::Key::new(secret).is_some()
}

/// What every sink's task is given.
#[derive(Clone)]
struct Desk {
    name: Arc<str>,
    store: Store,
    telemetry: Telemetry,
    clock: Clock,
    progress: watch::Sender<BTreeMap<Arc<str>, u64>>,
}

/// The running sinks.
pub struct Outbox {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    progress: watch::Receiver<BTreeMap<Arc<str>, u64>>,
    store: Store,
    sinks: Sinks,
}

impl Outbox {
    /// Starts a task for each sink, on the current runtime.
    ///
    /// # Errors
    /// When a sink's settings cannot work at all: a private address without `allow_private`, a
    /// secret that is no base64, HTTPS without root certificates.
    pub fn start(
        sinks: &[Sink],
        keep: Keep,
        store: &Store,
        telemetry: &Telemetry,
        clock: Clock,
        rng: &mut Rng,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (progress_sender, progress) = watch::channel(BTreeMap::new());
        let mut tasks = JoinSet::new();
        let mut wires = Wires::new();
        for sink in sinks {
            let name: Arc<str> = sink.name.as_str().into();
            telemetry.outbox_backlog(&name, 0);
            let desk = Desk {
                name: Arc::clone(&name),
                store: store.clone(),
                telemetry: telemetry.clone(),
                clock,
                progress: progress_sender.clone(),
            };
            progress_sender.send_modify(|all| {
                all.insert(Arc::clone(&name), 0);
            });
            let types = sink.types.clone();
            let mut rng = rng.fork();
            if file(sink, store).is_some() {
                let orders = wires.lay(&name, None);
                let (sink, store) = (sink.clone(), store.clone());
                let run = move |desk, halt| {
                    let file = file(&sink, &store);
                    scribe::run(desk, halt, sink.types.clone(), file, rng.fork())
                };
                tasks.spawn(attend(desk, stopped.clone(), orders, run));
                continue;
            }
            let carrier = carrier(sink, clock).with_context(|| format!("sink {name}"))?;
            if let Some(carrier) = carrier {
                let orders = wires.lay(&name, Some(carrier.clone()));
                let run = move |desk, halt| {
                    courier::run(desk, halt, types.clone(), carrier.clone(), rng.fork())
                };
                tasks.spawn(attend(desk, stopped.clone(), orders, run));
            }
        }
        let keeper = keeping::Keeper {
            store: store.clone(),
            telemetry: telemetry.clone(),
            clock,
            keep,
            sinks: sinks.iter().map(|sink| sink.name.clone()).collect(),
        };
        tasks.spawn(keeper.run(stopped));
        Ok(Self {
            tasks,
            stop,
            progress,
            store: store.clone(),
            sinks: Sinks::new(store, sinks, keep, wires),
        })
    }

    /// What can be asked of the sinks.
    #[must_use]
    pub const fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// Waits until every sink has everything committed by now, at most `bound`; says whether it has.
    pub async fn drained(&self, bound: Duration) -> bool {
        let target = *self.store.committed().borrow();
        let mut progress = self.progress.clone();
        let all = progress.wait_for(|all| all.values().all(|&cursor| cursor >= target));
        matches!(tokio::time::timeout(bound, all).await, Ok(Ok(_)))
    }

    /// Stops every sink. What is under way may be delivered again at the next start.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a sink's task ended badly");
            }
        }
    }
}

/// The file that a sink is; none for one that answers.
fn file(sink: &Sink, store: &Store) -> Option<LineFile> {
    let (path, form) = match &sink.kind {
        SinkKind::Jsonl { path } => (path, Form::Jsonl),
        SinkKind::QueueLog { path } => (
            path,
            Form::QueueLog(queue_log::QueueLog::new(store.clone())),
        ),
        SinkKind::CdrCsv { path, zone } => (
            path,
            Form::MasterCsv(master_csv::MasterCsv::new(zone.clone())),
        ),
        SinkKind::Webhook { .. } | SinkKind::Nats { .. } | SinkKind::Postgres { .. } => {
            return None;
        }
    };
    Some(LineFile::new(path.clone(), form))
}

/// The way to a sink that answers; none for one that is a file.
fn carrier(sink: &Sink, clock: Clock) -> anyhow::Result<Option<Carrier>> {
    Ok(match &sink.kind {
        SinkKind::Jsonl { .. } | SinkKind::QueueLog { .. } | SinkKind::CdrCsv { .. } => None,
        SinkKind::Webhook {
            url,
            secret,
            allow_private,
            template,
        } => {
            let key = secret.as_ref().map(|secret| {
                signature::Key::new(secret)
                    .context("what follows `whsec_` in its secret is no base64")
            });
            let webhook = webhook::Webhook::new(url, key.transpose()?, *allow_private, clock)?;
            let webhook = webhook.with(template.clone());
            Some(Carrier::Webhook(Box::new(webhook)))
        }
        SinkKind::Nats {
            servers,
            login,
            credentials,
            ca,
            subject,
            stream,
        } => Some(Carrier::Nats(nats::Nats::new(nats::Place {
            servers: servers.clone(),
            login: login.clone(),
            credentials: credentials.clone(),
            ca: ca.clone(),
            subject: subject.clone(),
            stream: stream.clone(),
        }))),
        SinkKind::Postgres { database, ca } => {
            let key = format!("sinks.{}.ca", sink.name);
            let postgres = postgres::Postgres::new(database, ca.as_deref(), &key);
            Some(Carrier::Postgres(postgres.map_err(anyhow::Error::msg)?))
        }
    })
}
