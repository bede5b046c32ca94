//! One recording on the disk: its files, its manifest, its mark that it is open.
//!
//! ```text
//! begin ──▶ Recording ──end──▶ Ending ──step, a piece of the hash at a time──▶ Recorded
//!             │  ▲
//!     disk fails  takes again: another file, silence `lost` in the manifest between
//! ```
//!
//! The mark `open/<call-id>` holds the manifest's path and is there from before the first byte until
//! after the last, so that a start after a crash knows what to repair without reading every folder. What
//! the disk does not take waits in memory for [`limits::RECORDING_PENDING`]; only then is it lost.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rustix::fs::statvfs;
use sha2::{Digest as _, Sha256};

use super::part::{self, PartFile};
use super::tap::Block;
use super::vault::Vault;
use crate::id::CallId;
use crate::limits;
use crate::media::command::{RecordPlan, Recorded, SegmentKind, Silence};
use crate::media::manifest::{Manifest, Part, file_of, manifest_of};
use crate::media::recorder::{Frame, Recorder};
use crate::media::track::samples;
use crate::rtp::g711;
use crate::time::{Duration, Instant, Wall};

/// The folder of the marks.
pub const OPEN: &str = "open";
/// A piece of a file that is hashed at once, short enough not to keep other recordings waiting.
const PIECE: usize = 1 << 20;

/// Where and how recordings are written.
#[derive(Clone)]
pub(super) struct Shelf {
    /// The recordings folder.
    pub(super) root: PathBuf,
    pub(super) vault: Arc<Vault>,
    /// A file goes on in another one at this size.
    pub(super) longest_file: u64,
}

/// A recording that is being written.
pub(super) struct Recording {
    shelf: Shelf,
    call: CallId,
    started_at: Wall,
    manifest: Manifest,
    /// The manifest on the disk is not this one.
    changed: bool,
    /// The mark and the folder are on the disk.
    marked: bool,
    timeline: Recorder,
    part: Option<PartFile>,
    /// Files begun so far.
    parts: u32,
    /// Where [`Self::pending`] begins on the timeline, in frames.
    position: u64,
    /// Frames that no file has.
    pending: Vec<Frame>,
    /// The disk takes nothing, and sound has been lost.
    lost: bool,
    /// Why the parties' own sound is left out.
    silence: Option<Silence>,
    flushed: Instant,
}

/// What came of bringing a recording up to date.
pub(super) enum Flushed {
    /// So many frames went into files.
    Written(u64),
    /// The disk fails, and from now on sound is lost.
    Lost(anyhow::Error),
    /// So many frames went into another file: the disk takes sound again.
    Mended(u64),
    /// It can never go on.
    Over(anyhow::Error),
}

impl Recording {
    /// Begins one. A file that exists already is never written over; a disk that fails is tried again.
    pub(super) fn begin(
        shelf: &Shelf,
        plan: &RecordPlan,
        bridged: Instant,
    ) -> anyhow::Result<Self> {
        let mut manifest = Manifest::begin(plan);
        manifest.format = shelf.vault.format;
        manifest.key_id = shelf.vault.key.as_ref().map(super::vault::MasterKey::id);
        let path = shelf.root.join(manifest_of(plan.call, plan.started_at));
        anyhow::ensure!(!path.exists(), "the call has a recording already");
        let mut recording = Self {
            shelf: shelf.clone(),
            call: plan.call,
            started_at: plan.started_at,
            manifest,
            changed: true,
            marked: false,
            timeline: Recorder::new(bridged),
            part: None,
            parts: 0,
            position: 0,
            pending: Vec::new(),
            lost: false,
            silence: None,
            flushed: bridged,
        };
        recording.manifest.file = recording.file(1);
        if let Err(error) = recording.open_part() {
            anyhow::ensure!(!part::is_there_already(&error), "its file exists already");
            tracing::warn!(call = %plan.call, "a recording cannot begin yet: {error:#}");
        }
        Ok(recording)
    }

    /// Puts packets in their places.
    pub(super) fn take(&mut self, block: &Block) {
        for (side, stamp, codec, payload) in block.packets() {
            self.timeline.take(side, stamp, codec, payload);
        }
    }

    /// Another stretch begins, perhaps with another operator on the right channel.
    pub(super) fn pass_on(
        &mut self,
        at: Instant,
        operator: Option<&str>,
        kind: SegmentKind,
        silence: Option<Silence>,
    ) {
        let after = at.since(self.timeline.bridged());
        self.silence = silence;
        let silence = Some(Silence::Lost).filter(|_| self.lost).or(silence);
        self.manifest.pass_on(after, operator, kind, silence);
        self.changed = true;
    }

    /// The same talk goes on in silence, or heard again.
    pub(super) fn silence(&mut self, at: Instant, silence: Option<Silence>) {
        self.silence = silence;
        if !self.lost {
            let after = at.since(self.timeline.bridged());
            self.manifest.silence(after, silence);
            self.changed = true;
        }
    }

    /// The parties stop hearing each other.
    pub(super) fn pause(&mut self, at: Instant) {
        self.manifest.pause(at.since(self.timeline.bridged()));
        self.changed = true;
    }

    /// Whether the file should be brought up to date.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now.since(self.flushed) >= limits::RECORDING_FLUSH
    }

    /// Brings the file, its header and its manifest up to date.
    pub(super) fn flush(&mut self, now: Instant) -> Flushed {
        self.flushed = now;
        self.timeline.settle(now, &mut self.pending);
        let before = self.position;
        let written = self.write(false);
        let frames = self.position - before;
        match written {
            Ok(()) if self.lost && frames > 0 => {
                self.lost = false;
                self.manifest.silence(duration_of(before), self.silence);
                self.changed = true;
                Flushed::Mended(frames)
            }
            Ok(()) => Flushed::Written(frames),
            Err(error) if self.parts >= limits::RECORDING_PARTS && self.part.is_none() => {
                Flushed::Over(error)
            }
            Err(error) if self.pending.len() > most_pending() => {
                let first = !self.lost;
                self.lose();
                if first {
                    Flushed::Lost(error)
                } else {
                    Flushed::Written(frames)
                }
            }
            Err(_) => Flushed::Written(frames),
        }
    }

    /// What waits is given up, and the file with it: its sound would lie at the wrong time.
    fn lose(&mut self) {
        if let Some(part) = self.part.take() {
            part.trim();
        }
        if !std::mem::replace(&mut self.lost, true) {
            let from = duration_of(self.position);
            self.manifest.silence(from, Some(Silence::Lost));
            self.changed = true;
        }
        self.position += u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
        self.pending.clear();
    }

    /// Writes the rest and closes the file; gives the frames written.
    pub(super) fn end(mut self, at: Instant) -> anyhow::Result<(Ending, u64)> {
        self.timeline.finish(at, &mut self.pending);
        let before = self.position;
        let written = self.write(true);
        let frames = self.position - before;
        if let Err(error) = written {
            if self.parts == 0 {
                return Err(error.context("nothing of it could be written"));
            }
            tracing::warn!(call = %self.call, "the end of a recording is lost: {error:#}");
            self.lose();
        }
        let duration = duration_of(self.position);
        let path = manifest_of(self.call, self.started_at);
        let files = files_of(&self.manifest);
        let root = self.shelf.root;
        let ending = Ending::new(root, path, self.manifest, duration, files);
        Ok((ending, frames))
    }

    /// Writes what waits, into as many files as it takes, and the manifest when it changed.
    fn write(&mut self, last: bool) -> anyhow::Result<()> {
        while !self.pending.is_empty() || last && self.parts == 0 {
            let longest = self.shelf.longest_file;
            let room = self.part.as_ref().map_or(0, |part| part.room(longest));
            if room == 0 {
                self.part = None;
                self.open_part()?;
                continue;
            }
            let Some(part) = &mut self.part else {
                break;
            };
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let now = self.pending.get(..room.min(self.pending.len()));
            let taken = part.append(now.unwrap_or_default(), last)?;
            self.pending.drain(..taken.min(self.pending.len()));
            self.position += u64::try_from(taken).unwrap_or(u64::MAX);
            if taken == 0 {
                break;
            }
        }
        if self.changed {
            let path = manifest_of(self.call, self.started_at);
            write_manifest(&self.shelf.root, &path, &self.manifest)?;
            self.changed = false;
        }
        Ok(())
    }

    fn file(&self, part: u32) -> String {
        let sealed = self.manifest.key_id.is_some();
        let tail = if sealed { ".enc" } else { "" };
        file_of(self.call, self.started_at, part) + tail
    }

    /// Begins another file where the sound that waits begins; the first time everything around it too.
    fn open_part(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.parts < limits::RECORDING_PARTS,
            "it has too many files"
        );
        let root = &self.shelf.root;
        if self.lost {
            has_room(root)?;
        }
        if !self.marked {
            let marks = root.join(OPEN);
            fs::create_dir_all(&marks).with_context(|| cannot_write(&marks))?;
            let path = manifest_of(self.call, self.started_at);
            let folder = root.join(&path);
            if let Some(folder) = folder.parent() {
                fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
            }
            write_whole(&marks.join(self.call.to_string()), path.as_bytes())?;
            write_manifest(root, &path, &self.manifest)?;
            self.marked = true;
        }
        let name = self.file(self.parts + 1);
        let part = PartFile::create(&root.join(&name), &self.shelf.vault);
        // What could not be taken away is in the way of the next try.
        let in_the_way = part.as_ref().err().is_some_and(part::is_there_already);
        self.parts += u32::from(in_the_way && self.parts > 0);
        self.part = Some(part?);
        self.parts += 1;
        let starts = millis(duration_of(self.position));
        if self.parts == 1 {
            self.manifest.file = name;
            self.manifest.file_started_ms = starts;
        } else {
            self.manifest.continued.push(Part {
                file: name,
                bytes: 0,
                sha256: String::new(),
                started_ms: starts,
            });
        }
        // The manifest of a first file from the start on is on the disk already.
        self.changed |= self.parts > 1 || starts > 0;
        Ok(())
    }
}

/// Sound begins anew only where it will not end at once.
fn has_room(root: &Path) -> anyhow::Result<()> {
    let disk = statvfs(root)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    anyhow::ensure!(free >= limits::RECORDING_ROOM, "the disk is full");
    Ok(())
}

fn most_pending() -> usize {
    usize::try_from(samples(limits::RECORDING_PENDING)).unwrap_or(usize::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The files that a manifest names, the first of them first.
pub(super) fn files_of(manifest: &Manifest) -> Vec<Written> {
    let first = Written {
        name: manifest.file.clone(),
        starts: Duration::from_millis(manifest.file_started_ms),
    };
    let more = manifest.continued.iter().map(|part| Written {
        name: part.file.clone(),
        starts: Duration::from_millis(part.started_ms),
    });
    std::iter::once(first).chain(more).collect()
}

/// A recording whose sound is written and whose manifest is not.
pub(super) struct Ending {
    root: PathBuf,
    path: String,
    manifest: Manifest,
    duration: Duration,
    /// Since when its last words cannot be written.
    failing: Option<Instant>,
    /// Files that are not hashed yet, the next one last.
    left: Vec<Written>,
    hashing: Option<Hashing>,
    parts: Vec<Part>,
}

/// A file whose sound is written.
pub(super) struct Written {
    pub(super) name: String,
    /// Where it begins on the timeline.
    pub(super) starts: Duration,
}

struct Hashing {
    of: Written,
    file: File,
    bytes: u64,
    hash: Sha256,
}

impl Ending {
    pub(super) fn new(
        root: PathBuf,
        path: String,
        manifest: Manifest,
        duration: Duration,
        mut files: Vec<Written>,
    ) -> Self {
        files.reverse();
        Self {
            root,
            path,
            manifest,
            duration,
            failing: None,
            left: files,
            hashing: None,
            parts: Vec::new(),
        }
    }

    /// Whether it may be tried again after a failure at this time, as the disk may take it soon.
    pub(super) fn try_again(&mut self, now: Instant) -> bool {
        let since = *self.failing.get_or_insert(now);
        self.hashing.is_none() && now.since(since) < limits::RECORDING_LAST_TRY
    }

    /// Hashes one piece; when nothing is left, writes the manifest and removes the mark.
    pub(super) fn step(&mut self, piece: &mut Vec<u8>) -> anyhow::Result<Option<Recorded>> {
        if let Some(mut hashing) = self.hashing.take() {
            if hashing.step(piece)? {
                self.parts.push(hashing.finish());
            } else {
                self.hashing = Some(hashing);
            }
            return Ok(None);
        }
        if let Some(of) = self.left.pop() {
            self.hashing = Some(Hashing::open(&self.root, of)?);
            return Ok(None);
        }
        if !self.manifest.is_complete() {
            let parts = std::mem::take(&mut self.parts);
            self.manifest.complete(self.duration, parts);
        }
        write_manifest(&self.root, &self.path, &self.manifest)?;
        remove_mark(&self.root, &self.manifest.call_id)?;
        Ok(Some(self.manifest.recorded()))
    }
}

impl Hashing {
    fn open(root: &Path, of: Written) -> anyhow::Result<Self> {
        let path = root.join(&of.name);
        let file = File::open(&path).with_context(|| format!("read {}", path.display()))?;
        // From here on a power cut loses nothing of it.
        file.sync_data().with_context(|| cannot_write(&path))?;
        Ok(Self {
            of,
            file,
            bytes: 0,
            hash: Sha256::new(),
        })
    }

    /// Hashes one piece; true at the end of the file.
    fn step(&mut self, piece: &mut Vec<u8>) -> anyhow::Result<bool> {
        piece.resize(PIECE, 0);
        let count = self.file.read(piece).context("read the recording")?;
        self.hash.update(piece.get(..count).unwrap_or_default());
        self.bytes += u64::try_from(count).unwrap_or(0);
        Ok(count == 0)
    }

    fn finish(self) -> Part {
        let hash = self.hash.finalize();
        let sha256 = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Part {
            file: self.of.name,
            bytes: self.bytes,
            sha256,
            started_ms: u64::try_from(self.of.starts.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The marks of recordings that had not ended: call id and manifest path.
pub(super) fn marks(root: &Path) -> anyhow::Result<Vec<(CallId, String)>> {
    let folder = root.join(OPEN);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut marks = Vec::new();
    let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("read {}", folder.display()))?;
        let name = entry.file_name();
        // Other names are not ours: half-written marks, somebody's notes.
        if let Some(call) = name.to_str().and_then(|name| name.parse::<CallId>().ok()) {
            marks.push((call, fs::read_to_string(entry.path())?));
        }
    }
    marks.sort();
    Ok(marks)
}

/// Removes the mark that a recording is open.
pub(super) fn remove_mark(root: &Path, call: &str) -> anyhow::Result<()> {
    let mark = root.join(OPEN).join(call);
    match fs::remove_file(&mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", mark.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a manifest so that there is always a whole one.
pub(super) fn write_manifest(root: &Path, path: &str, manifest: &Manifest) -> anyhow::Result<()> {
    write_whole(&root.join(path), &manifest.document())
}

/// Writes beside and renames, so that a crash leaves the old file or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let mut file = File::create(&beside).with_context(|| cannot_write(path))?;
    file.write_all(bytes).with_context(|| cannot_write(path))?;
    drop(file);
    fs::rename(&beside, path).with_context(|| cannot_write(path))
}

/// How long so many frames sound.
pub(super) fn duration_of(frames: u64) -> Duration {
    Duration::from_nanos(frames.saturating_mul(1_000_000_000 / u64::from(g711::RATE)))
}

fn cannot_write(path: &Path) -> String {
    format!(
        "cannot write {}: check the disk and its rights",
        path.display()
    )
}
