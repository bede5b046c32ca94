//! One recording on the disk: its files, its manifest, its mark that it is open.
//!
//! ```text
//! begin ──▶ Recording ──end──▶ Ending ──step, a piece of the hash at a time──▶ Recorded
//! ```
//!
//! The mark `open/<call-id>` holds the manifest's path and is there from before the first byte until
//! after the last, so that a start after a crash knows what to repair without reading every folder.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hound::{SampleFormat, WavSpec, WavWriter};
use sha2::{Digest as _, Sha256};

use super::tap::Block;
use crate::id::CallId;
use crate::limits;
use crate::media::command::{RecordPlan, Recorded, SegmentKind, Silence};
use crate::media::manifest::{Manifest, Part, file_of, manifest_of};
use crate::media::recorder::{Frame, Recorder};
use crate::rtp::g711;
use crate::time::{Duration, Instant, Wall};

/// Stereo, 8 kHz, 16 bits.
pub(super) const SPEC: WavSpec = WavSpec {
    channels: 2,
    sample_rate: g711::RATE,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};
/// Both channels of one sample.
pub(super) const FRAME_BYTES: u64 = 4;
/// The folder of the marks.
pub const OPEN: &str = "open";
/// A piece of a file that is hashed at once, short enough not to keep other recordings waiting.
const PIECE: usize = 1 << 20;

/// A recording that is being written.
pub(super) struct Recording {
    root: PathBuf,
    call: CallId,
    started_at: Wall,
    manifest: Manifest,
    /// The manifest on the disk is not this one.
    changed: bool,
    timeline: Recorder,
    writer: WavWriter<BufWriter<File>>,
    parts: u32,
    /// The parts before the one that is written.
    full: Vec<Written>,
    part_frames: u64,
    frames: u64,
    settled: Vec<Frame>,
    flushed: Instant,
    longest_file: u64,
}

impl Recording {
    /// Creates the files. A file that exists already is never written over.
    pub(super) fn begin(
        root: &Path,
        plan: &RecordPlan,
        bridged: Instant,
        longest_file: u64,
    ) -> anyhow::Result<Self> {
        let manifest = Manifest::begin(plan);
        let marks = root.join(OPEN);
        fs::create_dir_all(&marks).with_context(|| cannot_write(&marks))?;
        let path = manifest_of(plan.call, plan.started_at);
        let folder = root.join(&path);
        if let Some(folder) = folder.parent() {
            fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
        }
        write_whole(&marks.join(plan.call.to_string()), path.as_bytes())?;
        write_manifest(root, &path, &manifest)?;
        let writer = create(&root.join(&manifest.file))?;
        Ok(Self {
            root: root.to_owned(),
            call: plan.call,
            started_at: plan.started_at,
            manifest,
            changed: false,
            timeline: Recorder::new(bridged),
            writer,
            parts: 1,
            full: Vec::new(),
            part_frames: 0,
            frames: 0,
            settled: Vec::new(),
            flushed: bridged,
            longest_file,
        })
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
        self.manifest.pass_on(after, operator, kind, silence);
        self.changed = true;
    }

    /// The same talk goes on in silence, or heard again.
    pub(super) fn silence(&mut self, at: Instant, silence: Option<Silence>) {
        let after = at.since(self.timeline.bridged());
        self.manifest.silence(after, silence);
        self.changed = true;
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

    /// Brings the file, its header and its manifest up to date; gives the bytes of sound written.
    pub(super) fn flush(&mut self, now: Instant) -> anyhow::Result<u64> {
        self.flushed = now;
        self.timeline.settle(now, &mut self.settled);
        let written = self.write_settled()?;
        self.writer.flush().context("write the recording")?;
        if std::mem::take(&mut self.changed) {
            let path = manifest_of(self.call, self.started_at);
            write_manifest(&self.root, &path, &self.manifest)?;
        }
        Ok(written)
    }

    /// Writes the rest and closes the file; gives the bytes of sound written.
    pub(super) fn end(mut self, at: Instant) -> anyhow::Result<(Ending, u64)> {
        self.timeline.finish(at, &mut self.settled);
        let written = self.write_settled()?;
        let last = self.part();
        self.writer.finalize().context("finish the recording")?;
        let mut files = self.full;
        files.push(last);
        let path = manifest_of(self.call, self.started_at);
        let duration = duration_of(self.frames);
        Ok((
            Ending::new(self.root, path, self.manifest, duration, files),
            written,
        ))
    }

    /// The part that is written now.
    fn part(&self) -> Written {
        Written {
            name: file_of(self.call, self.started_at, self.parts),
            starts: duration_of(self.frames - self.part_frames),
        }
    }

    fn write_settled(&mut self) -> anyhow::Result<u64> {
        let mut frames = std::mem::take(&mut self.settled);
        let written = self.write(&frames);
        frames.clear();
        self.settled = frames;
        written
    }

    fn write(&mut self, mut frames: &[Frame]) -> anyhow::Result<u64> {
        let mut written = 0;
        while !frames.is_empty() {
            let room = (self.longest_file / FRAME_BYTES).saturating_sub(self.part_frames);
            if room == 0 {
                self.next_part()?;
                continue;
            }
            let count = frames
                .len()
                .min(usize::try_from(room).unwrap_or(usize::MAX));
            let (now, later) = frames.split_at(count);
            let samples = u32::try_from(now.len() * 2).context("too many samples at once")?;
            let mut out = self.writer.get_i16_writer(samples);
            for &[left, right] in now {
                out.write_sample(left);
                out.write_sample(right);
            }
            out.flush().context("write the recording")?;
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            self.part_frames += count;
            self.frames += count;
            written += count * FRAME_BYTES;
            frames = later;
        }
        Ok(written)
    }

    fn next_part(&mut self) -> anyhow::Result<()> {
        self.writer.flush().context("write the recording")?;
        let file = file_of(self.call, self.started_at, self.parts + 1);
        self.writer = create(&self.root.join(file))?;
        self.full.push(self.part());
        self.parts += 1;
        self.part_frames = 0;
        Ok(())
    }
}

/// A recording whose sound is written and whose manifest is not.
pub(super) struct Ending {
    root: PathBuf,
    path: String,
    manifest: Manifest,
    duration: Duration,
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
            left: files,
            hashing: None,
            parts: Vec::new(),
        }
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
        let parts = std::mem::take(&mut self.parts);
        self.manifest.complete(self.duration, parts);
        write_manifest(&self.root, &self.path, &self.manifest)?;
        remove_mark(&self.root, &self.manifest.call_id)?;
        Ok(Some(self.manifest.recorded()))
    }
}

impl Hashing {
    fn open(root: &Path, of: Written) -> anyhow::Result<Self> {
        let path = root.join(&of.name);
        let file = File::open(&path).with_context(|| format!("read {}", path.display()))?;
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
    fs::remove_file(&mark).with_context(|| format!("remove {}", mark.display()))
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

/// A new WAV file with a valid header.
pub(super) fn create(path: &Path) -> anyhow::Result<WavWriter<BufWriter<File>>> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| cannot_write(path))?;
    let mut writer = WavWriter::new(BufWriter::with_capacity(1 << 15, file), SPEC)?;
    writer.flush().with_context(|| cannot_write(path))?;
    Ok(writer)
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
