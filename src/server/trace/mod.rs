//! The trace: every SIP message of the last hours on disk, and which belong to which call, for
//! `strowger trace`.
//!
//! Not a record of calls: it is bounded by age and size, it may lose messages when the disk is slow, and
//! nothing else reads it. It never delays a message: who sends one puts it into a bounded queue, and a
//! thread of its own writes.

pub mod entry;
pub mod erase;
pub mod mask;
pub mod read;
pub mod ring;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use anyhow::{Context as _, Result};

use self::entry::Entry;
use self::ring::Ring;
use super::clock::Clock;
use super::settings::Trace as Settings;
use crate::limits;

/// The folder of the trace in a data folder.
pub const FOLDER: &str = "trace";

/// Where messages are handed in.
#[derive(Clone, Default)]
pub struct Tracer(Option<Desk>);

#[derive(Clone)]
struct Desk {
    queue: SyncSender<Entry>,
    load: Arc<Load>,
}

/// What waits to be written.
#[derive(Debug, Default)]
struct Load {
    bytes: AtomicUsize,
    lost: AtomicU64,
}

impl Tracer {
    /// Starts the writer below the data folder; none when the settings want no trace.
    ///
    /// # Errors
    /// One sentence that says what to do: the folder cannot be written.
    pub fn start(
        data: &Path,
        settings: Settings,
        clock: Clock,
    ) -> Result<(Self, Option<JoinHandle<()>>)> {
        if !settings.write {
            return Ok((Self::default(), None));
        }
        let folder = data.join(FOLDER);
        let mut ring = Ring::open(&folder, settings.keep, settings.size, clock.now().wall)
            .with_context(|| {
                let folder = folder.display();
                format!("cannot write the trace in {folder}; give it to the user the server runs as, or set `trace.write: false`")
            })?;
        let (queue, waiting) = sync_channel(limits::TRACE_QUEUE);
        let load = Arc::new(Load::default());
        let read = Arc::clone(&load);
        let thread = Builder::new()
            .name("trace".to_owned())
            .spawn(move || ring.run(&waiting, clock, |entry| read.taken(entry)))
            .context("cannot start the thread of the trace")?;
        Ok((Self(Some(Desk { queue, load })), Some(thread)))
    }

    /// Hands in an entry; never waits. One that finds no room is lost and counted.
    pub fn keep(&self, entry: impl FnOnce() -> Entry) {
        let Some(desk) = &self.0 else {
            return;
        };
        let entry = entry();
        let weight = entry.weight();
        let load = &desk.load;
        if load.bytes.fetch_add(weight, Ordering::Relaxed) + weight > limits::TRACE_QUEUE_BYTES {
            load.bytes.fetch_sub(weight, Ordering::Relaxed);
            load.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match desk.queue.try_send(entry) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                load.bytes.fetch_sub(weight, Ordering::Relaxed);
                load.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Entries that were lost because the disk was slow.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let desk = self.0.as_ref();
        desk.map_or(0, |desk| desk.load.lost.load(Ordering::Relaxed))
    }
}

impl Load {
    fn taken(&self, entry: &Entry) {
        self.bytes.fetch_sub(entry.weight(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
