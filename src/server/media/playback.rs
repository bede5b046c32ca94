//! A recording as one WAV, whatever it lies in: files that continue each other, holes between them,
//! sealed chunks. Any part of it is read alone. The sound that players ask for, not what `verify` hashes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;

use super::part::read_seal;
use super::recording::files_of;
use super::sealed::{self, CHUNK_FRAMES, Seal};
use super::vault::Vault;
use crate::media::command::SoundFormat;
use crate::media::manifest::Manifest;
use crate::media::track::samples;

/// A manifest is far shorter.
const MANIFEST_BYTES: u64 = 1 << 20;
/// A hole shorter than a millisecond is the rounding of the manifest, in frames.
const ROUNDING: u64 = 8;

/// A recording that is heard.
pub struct Playback {
    /// What is not in any file.
    header: Vec<u8>,
    stretches: Vec<Stretch>,
    format: SoundFormat,
    length: u64,
}

struct Stretch {
    /// Where it begins in the whole.
    at: u64,
    bytes: u64,
    source: Source,
}

enum Source {
    Silence,
    /// A file from this byte on.
    Plain(File, u64),
    Sealed {
        file: File,
        seal: Box<Seal>,
        length: u64,
        /// The chunk that was opened last.
        open: Option<(u64, Vec<u8>)>,
    },
}

impl Playback {
    /// Opens the recording of this file, relative to the recordings folder; none when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or no key of the settings opens it.
    pub fn open(root: &Path, vault: &Vault, file: &str) -> anyhow::Result<Option<Self>> {
        // Of a talk that goes on nobody has told yet that it is sealed.
        let sealed = format!("{file}.enc");
        let there = |it: &&str| within(root, it).is_some_and(|path| path.exists());
        let Some(file) = [file, &sealed].into_iter().find(there) else {
            return Ok(None);
        };
        match manifest_of(root, file) {
            Some(manifest) if is_made_up(&manifest) => {
                Self::of_parts(root, vault, &manifest).map(Some)
            }
            Some(_) | None => Self::of_file(&root.join(file)).map(Some),
        }
    }

    /// Its size as one WAV.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    fn of_file(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let source = Source::Plain(file, 0);
        Ok(Self {
            header: Vec::new(),
            stretches: vec![Stretch {
                at: 0,
                bytes,
                source,
            }],
            format: SoundFormat::Pcm,
            length: bytes,
        })
    }

    fn of_parts(root: &Path, vault: &Vault, manifest: &Manifest) -> anyhow::Result<Self> {
        let format = manifest.format;
        let mut playback = Self {
            header: Vec::new(),
            stretches: Vec::new(),
            format,
            length: format.header_bytes(),
        };
        let mut frames = 0;
        for part in files_of(manifest) {
            let path = within(root, &part.name).context("the manifest leads elsewhere")?;
            let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
            let length = file.metadata()?.len();
            let (count, source) = if manifest.key_id.is_some() {
                let seal = Box::new(read_seal(&file, vault)?);
                anyhow::ensure!(seal.format() == format, "the manifest is of another file");
                let open = None;
                let source = Source::Sealed {
                    file,
                    seal,
                    length,
                    open,
                };
                (sealed::frames_in(format, length), source)
            } else {
                let sound = length.saturating_sub(format.header_bytes());
                let source = Source::Plain(file, format.header_bytes());
                (sound / format.frame_bytes(), source)
            };
            let starts = u64::try_from(samples(part.starts)).unwrap_or(0);
            let hole = starts.saturating_sub(frames);
            if hole >= ROUNDING {
                playback.add(hole, Source::Silence);
                frames += hole;
            }
            playback.add(count, source);
            frames += count;
        }
        playback.header = format.header(frames);
        Ok(playback)
    }

    fn add(&mut self, frames: u64, source: Source) {
        let bytes = frames * self.format.frame_bytes();
        self.stretches.push(Stretch {
            at: self.length,
            bytes,
            source,
        });
        self.length += bytes;
    }

    /// Reads from a place on; gives how many bytes there were, none at the end.
    ///
    /// # Errors
    /// When the disk does, or a sealed chunk was changed.
    pub fn read(&mut self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let header = usize::try_from(at)
            .ok()
            .and_then(|at| self.header.get(at..));
        if let Some(header) = header.filter(|header| !header.is_empty()) {
            let count = header.len().min(out.len());
            for (to, from) in out.iter_mut().zip(header) {
                *to = *from;
            }
            return Ok(count);
        }
        let holds = |it: &&mut Stretch| it.at <= at && at < it.at + it.bytes;
        let Some(stretch) = self.stretches.iter_mut().find(holds) else {
            return Ok(0);
        };
        let from = at - stretch.at;
        let left = usize::try_from(stretch.bytes - from).unwrap_or(usize::MAX);
        let room = left.min(out.len());
        let Some(out) = out.get_mut(..room) else {
            return Ok(0);
        };
        match &mut stretch.source {
            Source::Silence => {
                out.fill(self.format.silence());
                Ok(room)
            }
            Source::Plain(file, start) => file.read_at(out, *start + from),
            Source::Sealed {
                file,
                seal,
                length,
                open,
            } => read_chunk(file, seal, *length, open, from, out),
        }
    }
}

/// Reads sound of one chunk, from its place on to its end.
fn read_chunk(
    file: &File,
    seal: &Seal,
    length: u64,
    open: &mut Option<(u64, Vec<u8>)>,
    from: u64,
    out: &mut [u8],
) -> io::Result<usize> {
    let sound = CHUNK_FRAMES * seal.format().frame_bytes();
    let number = from / sound;
    let chunk = match open.take().filter(|(known, _)| *known == number) {
        Some((_, chunk)) => chunk,
        None => {
            let size = sealed::chunk_bytes(seal.format());
            let at = sealed::HEADER_BYTES + number * size;
            let size = size.min(length.saturating_sub(at));
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            file.read_exact_at(&mut bytes, at)?;
            let opened = seal.open_chunk(number, &mut bytes);
            let changed = || io::Error::other("a sealed chunk was changed");
            opened.ok_or_else(changed)?.to_vec()
        }
    };
    let inner = usize::try_from(from % sound).unwrap_or(usize::MAX);
    let there = chunk.get(inner..).unwrap_or_default();
    let count = there.len().min(out.len());
    for (to, from) in out.iter_mut().zip(there) {
        *to = *from;
    }
    *open = Some((number, chunk));
    Ok(count)
}

/// Whether what is heard is not what lies in one file.
const fn is_made_up(manifest: &Manifest) -> bool {
    manifest.key_id.is_some() || !manifest.continued.is_empty() || manifest.file_started_ms > 0
}

/// The manifest beside a recording's file.
#[must_use]
pub fn manifest_of(root: &Path, file: &str) -> Option<Manifest> {
    let stem = file.strip_suffix(".enc").unwrap_or(file);
    let stem = stem.strip_suffix(".wav")?;
    let path = within(root, &format!("{stem}.json"))?;
    if fs::metadata(&path).ok()?.len() > MANIFEST_BYTES {
        return None;
    }
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// A path that leads down from the folder and nowhere else.
fn within(folder: &Path, file: &str) -> Option<PathBuf> {
    let path = Path::new(file);
    let down = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    down.then(|| folder.join(path))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::recording::{Flushed, Recording, Shelf};
    use super::super::tap::{Blocks, Tap, ToRecorder};
    use super::super::vault::MasterKey;
    use super::*;
    use crate::id::{CallId, Ulid};
    use crate::media::command::{RecordPlan, Recorded, SegmentKind, Silence};
    use crate::media::recorder::Side;
    use crate::media::track::Stamp;
    use crate::rng::Rng;
    use crate::time::{Duration, Instant, Wall};
    use crate::words::Codec;

    #[test]
    fn a_path_leads_down_or_nowhere() {
        let folder = Path::new("/data/recordings");
        let down = within(folder, "2026/11/22/a.wav");
        assert_eq!(down.unwrap(), folder.join("2026/11/22/a.wav"));
        for out in ["../strowger.db", "/etc/passwd", "2026/../../x"] {
            assert_eq!(within(folder, out), None, "{out}");
        }
    }

    const LOUD: [u8; 160] = [0x2a; 160];

    fn plan() -> RecordPlan {
        let started_at = Wall::from_millis(1_790_000_000_000);
        RecordPlan {
            call: CallId(Ulid::new(started_at, &mut Rng::new([9; 32]))),
            started_at,
            to: "+380800111222".into(),
            from: None,
            site: None,
            queue: None,
            operator: Some("olena".into()),
            kind: SegmentKind::Talk,
            keep: None,
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }

    /// The caller is loud from here to there.
    fn speak(recording: &mut Recording, from: u64, to: u64) {
        for millis in (from..to).step_by(20) {
            let packet = u16::try_from(millis / 20).unwrap();
            let stamp = Stamp {
                arrival: at(millis),
                ssrc: 1,
                sequence: packet,
                timestamp: u32::from(packet) * 160,
                marker: false,
            };
            let (recorder, orders) = std::sync::mpsc::channel();
            let mut blocks = Blocks::new();
            let mut tap = Tap::new(plan().call);
            tap.take(
                Side::Caller,
                stamp,
                Codec::Pcma,
                &LOUD,
                &mut blocks,
                &recorder,
            );
            tap.hand_over(&mut blocks, &recorder);
            for order in orders.try_iter() {
                if let ToRecorder::Sound { block, .. } = order {
                    recording.take(&block);
                }
            }
        }
    }

    fn finish(recording: Recording, millis: u64) -> Recorded {
        let (mut ending, _) = recording.end(at(millis)).unwrap();
        let mut piece = Vec::new();
        loop {
            if let Some(recorded) = ending.step(&mut piece).unwrap() {
                return recorded;
            }
        }
    }

    fn whole(playback: &mut Playback) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(playback.length()).unwrap()];
        let mut read = 0;
        while read < bytes.len() {
            let count = playback.read(read as u64, &mut bytes[read..]).unwrap();
            assert!(count > 0);
            read += count;
        }
        bytes
    }

    fn vault(format: SoundFormat, sealed: bool) -> Vault {
        Vault {
            format,
            key: MasterKey::read(&"5a".repeat(32)).filter(|_| sealed),
            old_keys: Vec::new(),
        }
    }

    #[test]
    fn a_recording_over_many_files_is_one_wav_in_any_part() {
        let mut heard = Vec::new();
        for (format, sealed) in [
            (SoundFormat::Pcm, false),
            (SoundFormat::Pcm, true),
            (SoundFormat::Alaw, false),
            (SoundFormat::Alaw, true),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let vault = Arc::new(vault(format, sealed));
            let shelf = Shelf {
                root: folder.path().to_owned(),
                vault: Arc::clone(&vault),
                longest_file: 3_000 * format.frame_bytes(),
            };
            let mut recording = Recording::begin(&shelf, &plan(), at(0)).unwrap();
            speak(&mut recording, 100, 900);
            recording.flush(at(700));
            let usual = crate::media::manifest::file_of(plan().call, plan().started_at, 1);
            let live = Playback::open(folder.path(), &vault, &usual).unwrap();
            assert!(live.unwrap().length() > format.header_bytes());
            let recorded = finish(recording, 1_003);
            assert_eq!(recorded.duration, Duration::from_millis(1_003));
            let mut playback = Playback::open(folder.path(), &vault, &recorded.file)
                .unwrap()
                .unwrap();
            let bytes = whole(&mut playback);
            assert_eq!(
                bytes.len() as u64,
                format.header_bytes() + 8_024 * format.frame_bytes()
            );
            assert!(format.is_begun_by(&bytes));
            for (from, size) in [(0, 10), (40, 100), (5_000, 9_000), (16_000, 3)] {
                let mut part = vec![0; size];
                let count = playback.read(from, &mut part).unwrap();
                let from = usize::try_from(from).unwrap();
                assert_eq!(part[..count], bytes[from..from + count]);
            }
            let length = playback.length();
            assert_eq!(playback.read(length, &mut [0; 4]).unwrap(), 0);
            heard.push(bytes);
            let on_disk = fs::read(folder.path().join(&recorded.file)).unwrap();
            assert_eq!(on_disk.starts_with(b"RIFF"), !sealed);
            if sealed {
                let other = Vault::default();
                assert!(Playback::open(folder.path(), &other, &recorded.file).is_err());
            }
        }
        assert_eq!(heard[0], heard[1]);
        assert_eq!(heard[2], heard[3]);
        let frame = |millis: usize| &heard[0][44 + millis * 32..][..4];
        assert_eq!(frame(50), [0; 4]);
        assert_ne!(frame(500), [0; 4]);
        assert_eq!(frame(950), [0; 4]);
    }

    #[test]
    fn a_recording_goes_on_when_the_disk_does_and_its_manifest_says_the_hole() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("recordings");
        let vault = Arc::new(vault(SoundFormat::Pcm, false));
        let shelf = Shelf {
            root: root.clone(),
            vault: Arc::clone(&vault),
            longest_file: 4 * 8_000,
        };
        fs::create_dir(&root).unwrap();
        let mut recording = Recording::begin(&shelf, &plan(), at(0)).unwrap();
        speak(&mut recording, 0, 12_000);
        assert!(matches!(
            recording.flush(at(1_200)),
            Flushed::Written(8_000)
        ));
        // No other file can be begun from now on.
        let away = folder.path().join("away");
        fs::rename(&root, &away).unwrap();
        fs::write(&root, "no folder").unwrap();
        let mut lost = 0;
        for millis in (1_700..8_200).step_by(500) {
            match recording.flush(at(millis)) {
                Flushed::Written(0) => {}
                Flushed::Lost(_) => lost += 1,
                Flushed::Written(_) | Flushed::Mended(_) | Flushed::Over(_) => panic!("{millis}"),
            }
        }
        assert_eq!(lost, 1, "it is said once");
        fs::remove_file(&root).unwrap();
        fs::rename(&away, &root).unwrap();
        assert!(matches!(recording.flush(at(8_200)), Flushed::Mended(_)));
        assert!(matches!(recording.flush(at(8_700)), Flushed::Written(_)));
        let recorded = finish(recording, 10_000);
        assert_eq!(recorded.duration, Duration::from_secs(10));
        let manifest = manifest_of(&root, &recorded.file).unwrap();
        let silent: Vec<_> = manifest.segments.iter().map(|it| it.silent).collect();
        assert_eq!(silent, [None, Some(Silence::Lost), None]);
        let mended = manifest.segments[2].started_ms;
        assert_eq!(manifest.segments[1].started_ms, 1_000);
        assert_eq!(manifest.continued[0].started_ms, mended);
        let mut playback = Playback::open(&root, &vault, &recorded.file)
            .unwrap()
            .unwrap();
        let bytes = whole(&mut playback);
        assert_eq!(bytes.len(), 44 + 10_000 * 32);
        let loud = |millis: u64| {
            let from = 44 + usize::try_from(millis).unwrap() * 32;
            bytes[from..from + 4] != [0; 4]
        };
        assert!(loud(990) && !loud(1_010) && !loud(mended - 10) && loud(mended + 10));
        assert!(loud(9_900));
    }
    #[test]
    fn a_recording_that_began_late_is_heard_at_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("recordings");
        let vault = Arc::new(vault(SoundFormat::Pcm, false));
        let shelf = Shelf {
            root: root.clone(),
            vault: Arc::clone(&vault),
            longest_file: u64::MAX,
        };
        fs::write(&root, "no folder").unwrap();
        let mut recording = Recording::begin(&shelf, &plan(), at(0)).unwrap();
        speak(&mut recording, 0, 8_000);
        assert!(matches!(recording.flush(at(5_000)), Flushed::Lost(_)));
        fs::remove_file(&root).unwrap();
        fs::create_dir(&root).unwrap();
        assert!(matches!(recording.flush(at(5_500)), Flushed::Mended(_)));
        let recorded = finish(recording, 8_000);
        let manifest = manifest_of(&root, &recorded.file).unwrap();
        assert!(manifest.continued.is_empty() && manifest.file_started_ms == 4_800);
        let mut playback = Playback::open(&root, &vault, &recorded.file)
            .unwrap()
            .unwrap();
        let bytes = whole(&mut playback);
        assert_eq!(bytes.len(), 44 + 8_000 * 32);
        let loud = |millis: usize| bytes[44 + millis * 32..][..4] != [0; 4];
        assert!(!loud(4_790) && loud(4_810) && loud(7_990));
    }
}
