//! What can be asked of the sinks: how they stand, their dead letters once more, all events since a day
//! once more. The same for sinks that run and for those of a server that is stopped.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;

use super::carrier::{Answer, Carrier};
use super::{Desk, carrier};
use crate::limits;
use crate::server::clock::Clock;
use crate::server::settings::{Keep, Sink};
use crate::server::store::{EventReader, SinkRow, Store};
use crate::time::{Duration, Wall};

/// Dead letters that are shown of a sink.
const SHOWN: usize = 10;
/// So many failures in a row are the sink's, not the letters'.
const HOPELESS: usize = 3;
/// The disk has this long to take an order.
const SETTLED: Duration = Duration::from_secs(10);

/// Why a sink cannot do what was asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// There is no sink of this name.
    #[error("there is no sink `{0}` in the settings")]
    Unknown(String),
    /// A file takes everything.
    #[error("`{0}` is a file: it has no dead letters, use replay")]
    IsFile(String),
    /// What went wrong.
    #[error("{0}")]
    Failed(String),
}

impl From<anyhow::Error> for Refused {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }
}

/// A running sink shall begin again after this event.
pub(super) struct Order {
    after: u64,
    done: oneshot::Sender<bool>,
}

struct Known {
    name: Arc<str>,
    carrier: Option<Carrier>,
    orders: mpsc::Sender<Order>,
}

/// The running sinks, by name. Copies share them.
#[derive(Clone)]
pub struct Sinks {
    store: Store,
    settings: Arc<[Sink]>,
    keep: Keep,
    known: Arc<BTreeMap<String, Known>>,
}

/// The ends of the wires to the sinks' tasks.
pub(super) struct Wires(BTreeMap<String, Known>);

impl Wires {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// A wire to one more sink.
    pub(super) fn lay(
        &mut self,
        name: &Arc<str>,
        carrier: Option<Carrier>,
    ) -> mpsc::Receiver<Order> {
        let (orders, taken) = mpsc::channel(1);
        let known = Known {
            name: Arc::clone(name),
            carrier,
            orders,
        };
        self.0.insert(name.to_string(), known);
        taken
    }
}

impl Sinks {
    pub(super) fn new(store: &Store, settings: &[Sink], keep: Keep, wires: Wires) -> Self {
        Self {
            store: store.clone(),
            settings: settings.into(),
            keep,
            known: Arc::new(wires.0),
        }
    }

    /// How the sinks stand.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn overview(&self) -> anyhow::Result<Value> {
        overview(&self.store.reader()?, &self.settings, self.keep)
    }

    fn known(&self, name: &str) -> Result<&Known, Refused> {
        let unknown = || Refused::Unknown(name.to_owned());
        self.known.get(name).ok_or_else(unknown)
    }

    /// Gives a sink everything since an instant once more.
    ///
    /// # Errors
    /// When there is no such sink, no such event, or the disk does not take it.
    pub async fn replay(&self, name: &str, since: Wall) -> Result<Value, Refused> {
        let known = self.known(name)?;
        let (after, told) = place(&self.store, since).await?;
        let (done, settled) = oneshot::channel();
        let gone = || Refused::Failed("the sink has ended; restart the server".to_owned());
        let order = Order { after, done };
        known.orders.send(order).await.map_err(|_| gone())?;
        if !settled.await.map_err(|_| gone())? {
            let why = "the disk takes nothing at present; ask again when it does".to_owned();
            return Err(Refused::Failed(why));
        }
        Ok(told)
    }

    /// Delivers the dead letters of a sink once more.
    ///
    /// # Errors
    /// When there is no such sink, or it is a file.
    pub async fn retry(&self, name: &str) -> Result<Value, Refused> {
        let known = self.known(name)?;
        let is_file = || Refused::IsFile(name.to_owned());
        let carrier = known.carrier.as_ref().ok_or_else(is_file)?;
        Ok(retry(&self.store, &known.name, carrier).await?)
    }
}

/// The same for a sink that does not run, as its server is stopped.
///
/// # Errors
/// When there is no such sink, no such event, or the disk does not take it.
pub async fn replay_at_rest(
    store: &Store,
    sinks: &[Sink],
    name: &str,
    since: Wall,
) -> Result<Value, Refused> {
    let sink = find(sinks, name)?;
    let (after, told) = place(store, since).await?;
    store.rewind(&sink.name.as_str().into(), after);
    if !settled(store).await {
        return Err(Refused::Failed("the disk takes nothing at present".into()));
    }
    Ok(told)
}

/// The same for a sink that does not run.
///
/// # Errors
/// When there is no such sink, or it is a file, or its settings cannot work.
pub async fn retry_at_rest(
    store: &Store,
    sinks: &[Sink],
    name: &str,
    clock: Clock,
) -> Result<Value, Refused> {
    let sink = find(sinks, name)?;
    let is_file = || Refused::IsFile(name.to_owned());
    let carrier = carrier(sink, clock)?.ok_or_else(is_file)?;
    let told = retry(store, &name.into(), &carrier).await?;
    settled(store).await;
    Ok(told)
}

fn find<'s>(sinks: &'s [Sink], name: &str) -> Result<&'s Sink, Refused> {
    let found = sinks.iter().find(|sink| sink.name == name);
    found.ok_or_else(|| Refused::Unknown(name.to_owned()))
}

async fn settled(store: &Store) -> bool {
    let settled = tokio::time::timeout(SETTLED, store.settled());
    settled.await.unwrap_or(false)
}

/// After which event a replay begins, and what is told of it.
async fn place(store: &Store, since: Wall) -> Result<(u64, Value), Refused> {
    let store = store.clone();
    let looked = spawn_blocking(move || {
        let reader = store.reader()?;
        anyhow::Ok((reader.first_since(since)?, reader.stock()?))
    });
    let (first, stock) = looked.await.context("the reading thread ended")??;
    let Some(first) = first else {
        let why = format!("no event is as late as {since}");
        return Err(Refused::Failed(why));
    };
    // Whoever asks for more than is kept is told so.
    let whole = stock.first.0 <= 1 || stock.first.1 < since;
    let told = json!({
        "from": first.to_string(),
        "events": stock.last.0.saturating_sub(first) + 1,
        "oldest_kept": stock.first.1.to_string(),
        "whole": whole,
    });
    Ok((first.saturating_sub(1), told))
}

/// Delivers the dead letters of a sink, one after another, so that each is told apart.
async fn retry(store: &Store, name: &Arc<str>, carrier: &Carrier) -> anyhow::Result<Value> {
    let (mut delivered, mut refused, mut in_a_row) = (0_usize, 0_usize, 0_usize);
    let mut last = None;
    let letters = {
        let (store, name) = (store.clone(), Arc::clone(name));
        let most = limits::LETTERS_AT_ONCE;
        spawn_blocking(move || store.reader()?.letters(&name, 0, most))
    };
    let letters = letters.await.context("the reading thread ended")??;
    let found = letters.len();
    for letter in letters {
        let seq = letter.event.seq;
        let batch = vec![Arc::new(letter.event)];
        let answer = carrier.deliver(&batch).await.into_iter().next();
        let why = match answer {
            Some(Answer::Taken) => {
                store.unbury(name, seq);
                delivered += 1;
                in_a_row = 0;
                continue;
            }
            Some(Answer::Failed(why) | Answer::Refused(why) | Answer::Later { why, .. }) => why,
            Some(Answer::Untried) | None => "it was not tried".to_owned(),
        };
        store.bury(name, seq, letter.tries.saturating_add(1), why.clone());
        refused += 1;
        in_a_row += 1;
        last = Some(why);
        if in_a_row >= HOPELESS {
            break;
        }
    }
    Ok(json!({
        "delivered": delivered,
        "refused": refused,
        "left": found - delivered,
        "more": found == limits::LETTERS_AT_ONCE,
        "why": last,
    }))
}

/// How the sinks of the settings stand, what is kept for them, and what it will come to.
///
/// # Errors
/// When the database cannot be read.
pub fn overview(reader: &EventReader, sinks: &[Sink], keep: Keep) -> anyhow::Result<Value> {
    let stock = reader.stock()?;
    let mut told = Vec::new();
    for row in reader.sinks()? {
        let sink = sinks.iter().find(|sink| sink.name == row.name);
        told.push(told_of(reader, &row, sink, stock.last.0)?);
    }
    let forecast = keep.forecast(&stock);
    Ok(json!({
        "sinks": told,
        "next": null,
        "store": {
            "events": stock.events(),
            "oldest": (stock.last.0 > 0).then(|| stock.first.1.to_string()),
            "bytes": stock.bytes,
            "keep_events_s": keep.age.as_secs(),
            "max_events": keep.most,
            "forecast_events": forecast.events,
            "forecast_bytes": forecast.bytes,
        },
    }))
}

fn told_of(
    reader: &EventReader,
    row: &SinkRow,
    sink: Option<&Sink>,
    last: u64,
) -> anyhow::Result<Value> {
    let letters = reader.letters(&row.name, 0, SHOWN)?;
    let letters = letters.iter().map(|letter| {
        json!({
            "sequence": letter.event.seq.to_string(),
            "id": letter.event.id,
            "type": letter.event.kind,
            "call_id": letter.event.subject,
            "at": letter.at.to_string(),
            "tries": letter.tries,
            "reason": letter.why,
        })
    });
    Ok(json!({
        "id": row.name,
        "name": row.name,
        "kind": sink.map(|sink| sink.kind.word()),
        "cursor": row.cursor.to_string(),
        "backlog": last.saturating_sub(row.cursor),
        "dropped": row.dropped,
        "dead_letters": row.dead_letters,
        "letters": letters.collect::<Vec<_>>(),
    }))
}

/// Has a sink run until all are stopped; an order stops it, moves its cursor back, and has it begin
/// again, so that no cursor of before overtakes the order.
pub(super) async fn attend<F: Future<Output = ()>>(
    desk: Desk,
    mut stop: watch::Receiver<bool>,
    mut orders: mpsc::Receiver<Order>,
    mut run: impl FnMut(Desk, watch::Receiver<bool>) -> F,
) {
    loop {
        let (halt, halted) = watch::channel(false);
        let mut running = pin!(run(desk.clone(), halted));
        let order = tokio::select! {
            () = &mut running => return,
            _ = stop.wait_for(|&stop| stop) => None,
            order = orders.recv() => order,
        };
        halt.send_replace(true);
        running.await;
        let Some(Order { after, done }) = order else {
            return;
        };
        desk.store.rewind(&desk.name, after);
        // Nobody may wait any more for what has been done all the same.
        let _gone = done.send(settled(&desk.store).await);
    }
}
