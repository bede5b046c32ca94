//! The files of the trace: appended to, never changed, deleted from the oldest on by age and by size.
//!
//! A file begins with each start of the server, so that only the end of a file can be torn, and again
//! when it is large or old, so that what is deleted is never much at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use rustix::fs::statvfs;

use super::entry::{Entry, MAGIC};
use super::mask::masked;
use crate::limits;
use crate::server::clock::Clock;
use crate::time::{Duration, Wall};

/// How a file's name ends.
pub const EXTENSION: &str = "sip";
/// The age is looked at this often.
const LOOK: Duration = Duration::from_secs(60);
/// A file that cannot be written is left, and a new one tried after this.
const AGAIN: Duration = Duration::from_secs(10);
/// Bytes gathered before they are written, unless nothing more waits.
const GATHER: usize = 256 << 10;

/// The files, and the one that is written.
#[derive(Debug)]
pub struct Ring {
    folder: PathBuf,
    keep: Duration,
    size: u64,
    open: Option<Segment>,
    failed: Option<Wall>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    written: u64,
    begun: Wall,
}

impl Ring {
    /// The ring in a folder, with a new file.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(folder: &Path, keep: Duration, size: u64, now: Wall) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut ring = Self {
            folder: folder.to_owned(),
            keep,
            size,
            open: None,
            failed: None,
        };
        ring.begin(now)?;
        Ok(ring)
    }

    /// Writes what comes until nobody can send any more.
    pub fn run(&mut self, waiting: &Receiver<Entry>, clock: Clock, taken: impl Fn(&Entry)) {
        let mut bytes = Vec::new();
        let mut looked = clock.now().mono;
        loop {
            match waiting.recv_timeout(LOOK) {
                Ok(entry) => {
                    let mut next = Some(entry);
                    while let Some(entry) = next {
                        taken(&entry);
                        without_secrets(entry).encode(&mut bytes);
                        next = (bytes.len() < GATHER)
                            .then(|| waiting.try_recv().ok())
                            .flatten();
                    }
                    self.append(&bytes, clock.now().wall);
                    bytes.clear();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = clock.now();
            if now.mono.since(looked) >= LOOK {
                looked = now.mono;
                self.sweep(now.wall);
            }
        }
    }

    /// Writes whole entries. What cannot be written is lost; the file it was for is left, because it may
    /// end in half an entry now.
    pub fn append(&mut self, bytes: &[u8], now: Wall) {
        if let Err(error) = self.try_append(bytes, now) {
            self.open = None;
            if self.failed.is_none() {
                tracing::warn!(%error, "the SIP trace cannot be written; calls go on without it");
            }
            self.failed = Some(now);
        } else if self.failed.take().is_some() {
            tracing::info!("the SIP trace is written again");
        }
    }

    fn try_append(&mut self, bytes: &[u8], now: Wall) -> io::Result<()> {
        let full = self.open.as_ref().is_some_and(|open| {
            open.written >= self.segment_size() || age(open.begun, now) >= self.segment_age()
        });
        if full {
            self.open = None;
        }
        if self.open.is_none() {
            let waits = self.failed.is_some_and(|failed| age(failed, now) < AGAIN);
            if waits {
                return Err(io::Error::other("it could not be written before"));
            }
            self.begin(now)?;
            self.sweep(now);
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        open.file.write_all(bytes)?;
        open.written += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// So many files make up the whole that deleting one is deleting little.
    fn segment_size(&self) -> u64 {
        self.size / u64::from(limits::TRACE_SEGMENTS)
    }

    fn segment_age(&self) -> Duration {
        self.keep / limits::TRACE_SEGMENTS
    }

    fn begin(&mut self, now: Wall) -> io::Result<()> {
        let mut number = now.as_millis().max(0);
        let mut file = loop {
            // Names sort as they were begun, whatever the clock did.
            let last = segments(&self.folder)?.pop();
            let last = last.and_then(|path| path.file_stem()?.to_str()?.parse::<i64>().ok());
            number = number.max(last.map_or(0, |last| last.saturating_add(1)));
            let path = self.folder.join(format!("{number:020}.{EXTENSION}"));
            let created = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o640)
                .open(path);
            match created {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => break created?,
            }
        };
        file.write_all(MAGIC)?;
        self.open = Some(Segment {
            file,
            written: 0,
            begun: now,
        });
        Ok(())
    }

    /// Deletes what is too old, and the oldest of what is too much; never the file that is written.
    pub fn sweep(&self, now: Wall) {
        let free = statvfs(&self.folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        self.sweep_beside(now, free.unwrap_or(u64::MAX));
    }

    /// The same on a disk with so many bytes free.
    pub(super) fn sweep_beside(&self, now: Wall, free: u64) {
        let mut found = segments(&self.folder).unwrap_or_default();
        if self.open.is_some() {
            found.pop();
        }
        let lengths = found.iter().filter_map(|path| fs::metadata(path).ok());
        let held: u64 = lengths.map(|about| about.len()).sum();
        let left = held.saturating_add(free);
        let room = self.size.saturating_sub(self.segment_size());
        let room = room.min(left.saturating_sub(limits::TRACE_LEAVES_FREE));
        let mut sum = 0_u64;
        for path in found.iter().rev() {
            let about = fs::metadata(path);
            sum = sum.saturating_add(about.as_ref().map_or(0, fs::Metadata::len));
            let written = about.and_then(|about| about.modified());
            let written = written.ok().and_then(|at| {
                let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
                i64::try_from(since.as_millis()).ok()
            });
            let old = written.is_some_and(|at| age(Wall::from_millis(at), now) > self.keep);
            if old || sum > room {
                let _gone_already = fs::remove_file(path);
            }
        }
    }
}

fn age(since: Wall, now: Wall) -> Duration {
    let millis = now.as_millis().saturating_sub(since.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn without_secrets(entry: Entry) -> Entry {
    match entry {
        Entry::Message(mut seen) => {
            seen.bytes = masked(&seen.bytes).into();
            Entry::Message(seen)
        }
        leg @ Entry::Leg { .. } => leg,
    }
}

/// The files in a folder, oldest first.
///
/// # Errors
/// The folder cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<_> = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == EXTENSION))
        // What somebody else put here is no part of the ring: neither read nor deleted.
        .filter(|path| {
            let name = path.file_stem().and_then(|name| name.to_str());
            name.is_some_and(|name| name.parse::<i64>().is_ok())
        })
        .collect();
    found.sort();
    Ok(found)
}
