//! Runs one sink that is a file: page after page into the file, in the order of the sequence.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::Desk;
use super::backoff::next_try;
use super::courier::sleep_until;
use super::feed::Feed;
use super::line_file::LineFile;
use crate::limits;
use crate::rng::Rng;
use crate::server::store::StoredEvent;
use crate::time::Instant;

/// An outage of the file.
struct Outage {
    since: Instant,
    tries: u32,
}

/// Writes until it is stopped.
pub(super) async fn run(
    desk: Desk,
    mut stop: watch::Receiver<bool>,
    types: Option<BTreeSet<String>>,
    file: Option<LineFile>,
    mut rng: Rng,
) {
    let opened = Feed::open(&desk.store, Arc::clone(&desk.name), types).await;
    let (mut feed, mut cursor) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!(sink = %desk.name, %error, "a sink cannot read the events and stays behind");
            return;
        }
    };
    desk.reached(cursor);
    let mut file = file;
    let mut outage: Option<Outage> = None;
    loop {
        let mut wait = None;
        if feed.has_more(cursor) {
            match step(&mut feed, &mut file, cursor).await {
                Ok(reached) => {
                    cursor = reached;
                    desk.reached(cursor);
                    if let Some(outage) = outage.take() {
                        desk.recovered(desk.clock.now().mono.since(outage.since));
                    }
                    if feed.has_more(cursor) && !*stop.borrow() {
                        continue;
                    }
                }
                Err(error) => {
                    let now = desk.clock.now().mono;
                    if outage.is_none() {
                        desk.degraded(&error.to_string());
                    }
                    let outage = outage.get_or_insert(Outage {
                        since: now,
                        tries: 0,
                    });
                    outage.tries = outage.tries.saturating_add(1);
                    wait = Some(next_try(now, outage.since, outage.tries, &mut rng));
                    desk.backlog(cursor);
                }
            }
        }
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return,
            changed = feed.committed.changed(), if wait.is_none() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep_until(desk.clock, wait) => {}
        }
    }
}

/// Writes one page; says how far the file has come.
async fn step(feed: &mut Feed, file: &mut Option<LineFile>, cursor: u64) -> anyhow::Result<u64> {
    let page = feed.page(cursor, limits::SINK_PAGE).await?;
    if page.wanted.is_empty() {
        return Ok(page.looked_at);
    }
    append(file, page.wanted).await?;
    Ok(page.looked_at)
}

/// Writes on a thread that may wait for the disk.
async fn append(file: &mut Option<LineFile>, events: Vec<StoredEvent>) -> io::Result<()> {
    let Some(mut lines) = file.take() else {
        return Err(io::Error::other("the writing thread ended"));
    };
    let (lines, written) = spawn_blocking(move || {
        let written = lines.append(&events);
        (lines, written)
    })
    .await
    .map_err(io::Error::other)?;
    *file = Some(lines);
    written
}
