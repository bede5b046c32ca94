//! Recordings whose time is over are deleted, and nothing else.
//!
//! A sweep goes by the store's own rows, never by what lies in a folder, by names or by file times.
//! It follows no link and leaves the recordings folder by no path. When more would go at once than
//! the settings allow it deletes nothing and raises an alarm: a clock that jumped or a plan that says
//! one day in place of one year must not cost the archive.

use std::path::Path;

use anyhow::Context as _;
use rustix::fs::statvfs;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::forecast::Told;
use super::{Archive, files};
use crate::id::CallId;
use crate::limits;
use crate::server::store::{Recordings, Store, StoredRecording};
use crate::server::telemetry::Telemetry;
use crate::time::{Duration, Wall};

/// Fewer files than this may always go at once.
const ALWAYS: u64 = 100;
/// Deletions that are told in one transaction.
const TOLD_AT_ONCE: usize = 500;

/// What a sweep did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Swept {
    /// Recordings deleted.
    pub deleted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Recordings that could not be deleted; they are tried again.
    pub failed: u64,
    /// So many were due that nothing was deleted.
    pub stopped: bool,
}

/// Sweeps at once, then so often, until `stop` turns true.
pub async fn run(
    archive: Archive,
    telemetry: Telemetry,
    every: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut told = false;
    let mut foretold = Told::default();
    loop {
        let (again, shown, mut forecast) = (archive.clone(), telemetry.clone(), foretold.clone());
        let swept = spawn_blocking(move || {
            if let Err(error) = again.close_day() {
                tracing::warn!(%error, "the root of the day that is over could not be told");
            }
            let swept = again.sweep("retention", told);
            if let Err(error) = again.tell_forecast(&shown, &mut forecast) {
                tracing::warn!(%error, "how long the disk lasts is not known");
            }
            swept.map(|swept| (swept, forecast))
        })
        .await;
        match swept {
            Ok(Ok((swept, forecast))) => {
                foretold = forecast;
                told = swept.stopped;
                if swept != Swept::default() {
                    tracing::info!(?swept, "swept the recordings");
                }
            }
            Ok(Err(error)) => tracing::error!(%error, "the recordings could not be swept"),
            Err(error) => tracing::error!(%error, "a sweep ended badly"),
        }
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// One sweep. `told` says that the alarm of a stopped sweep was raised already.
///
/// # Errors
/// When the store or the recordings folder cannot be read.
pub fn sweep(
    store: &Store,
    recordings: &Path,
    stop_above: u8,
    now: Wall,
    told: bool,
    by: &str,
) -> anyhow::Result<Swept> {
    let rows = store.recordings()?;
    let (stock, due) = rows.stock(now)?;
    if due == 0 {
        return Ok(Swept::default());
    }
    if too_many(stock, due, stop_above) {
        if !told {
            stopped(store, stock, due, stop_above);
        }
        return Ok(Swept {
            stopped: true,
            ..Swept::default()
        });
    }
    let folder = files::root(recordings)
        .with_context(|| format!("cannot open the recordings in {}", recordings.display()))?;
    let mut swept = Swept::default();
    let mut gone = Vec::new();
    for recording in rows.due(now, limits::SWEEP_FILES)? {
        // A clock that jumped makes it due before its last word is written.
        if files::is_being_written(recordings, &recording.call, recording.ended, now) {
            continue;
        }
        match files::delete(&folder, &recording.file, now) {
            Ok(bytes) => {
                swept.deleted += 1;
                swept.bytes = swept.bytes.saturating_add(bytes);
                gone.push(deleted(&recording, bytes, by));
                if gone.len() >= TOLD_AT_ONCE {
                    tell(store, std::mem::take(&mut gone))?;
                }
            }
            Err(error) => {
                swept.failed += 1;
                tracing::warn!(call = %recording.call, %error, "a recording could not be deleted");
            }
        }
    }
    tell(store, gone)?;
    Ok(swept)
}

/// Tells of files that are gone, and comes back when that is on the disk. Should a crash come before,
/// the next sweep finds them gone and tells it.
fn tell(store: &Store, gone: Vec<(Option<CallId>, Map<String, Value>)>) -> anyhow::Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    store.write(move |writing| {
        for (call, data) in &gone {
            writing.emit("recording.deleted", *call, data)?;
        }
        Ok(())
    })
}

/// Whether so many are due that a mistake is likelier than so many ends.
const fn too_many(stock: u64, due: u64, stop_above: u8) -> bool {
    let share = due.saturating_mul(100) > stock.saturating_mul(stop_above as u64);
    due > ALWAYS && share
}

/// What the next sweep would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Recordings that are kept.
    pub stock: u64,
    /// How many of them are due.
    pub due: u64,
    /// How many would be due, and somebody holds them.
    pub held: u64,
    /// So many are due that nothing would be deleted.
    pub stops: bool,
    /// Those that would go, the oldest first.
    pub goes: Vec<StoredRecording>,
}

/// Looks what the next sweep would do, and does nothing.
///
/// # Errors
/// When the rows cannot be read.
pub fn plan(rows: &Recordings, stop_above: u8, now: Wall) -> anyhow::Result<Planned> {
    let (stock, due) = rows.stock(now)?;
    let stops = too_many(stock, due, stop_above);
    let goes = if stops { 0 } else { limits::SWEEP_FILES };
    Ok(Planned {
        stock,
        due,
        held: rows.due_and_held(now)?,
        stops,
        goes: rows.due(now, goes)?,
    })
}

fn stopped(store: &Store, stock: u64, due: u64, stop_above: u8) {
    tracing::error!(
        stock,
        due,
        stop_above,
        "too many recordings are due at once, nothing was deleted; check the clock and `recording.keep`"
    );
    let mut data = Map::new();
    data.insert("stock".into(), json!(stock));
    data.insert("due".into(), json!(due));
    data.insert("stop_above_percent".into(), json!(stop_above));
    store.emit("retention.stopped", None, data);
}

fn deleted(
    recording: &StoredRecording,
    bytes: u64,
    by: &str,
) -> (Option<CallId>, Map<String, Value>) {
    let mut data = Map::new();
    data.insert("recording".into(), json!(recording.call));
    data.insert("file".into(), json!(recording.file));
    data.insert("reason".into(), json!("expired"));
    data.insert("by".into(), json!(by));
    data.insert("bytes".into(), json!(bytes));
    (recording.call.parse().ok(), data)
}

/// Shows the free space of the data folder at each scrape.
pub fn watch_disk(data: &Path, telemetry: &Telemetry) {
    let data = data.to_owned();
    telemetry.before_scrape(move |telemetry| {
        if let Ok(disk) = statvfs(&data) {
            telemetry.disk_free(disk.f_bavail.saturating_mul(disk.f_frsize));
        }
    });
}

#[cfg(test)]
mod tests;
