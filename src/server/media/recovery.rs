//! Recordings that a crash cut off: their headers made true, their manifests completed.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Component, Path};

use anyhow::Context as _;

use super::recording::{self, Ending, FRAME_BYTES, Written};
use crate::id::CallId;
use crate::media::command::Recorded;
use crate::media::manifest::Manifest;
use crate::time::Duration;

/// The header that the `hound` crate writes for 16-bit stereo: `RIFF`, `fmt ` and `data` without
/// anything between.
const HEADER_BYTES: u64 = 44;
const RIFF_LENGTH_AT: u64 = 4;
const DATA_LENGTH_AT: u64 = 40;

/// A recording that was repaired, or that could not be.
#[derive(Debug)]
pub struct Recovered {
    /// The call.
    pub call: CallId,
    /// The recording as it is now. It may have been reported as finished before the crash.
    pub recorded: anyhow::Result<Recorded>,
}

/// Repairs what the last run left open. To be called before the first recording begins.
pub fn recover(recordings: &Path) -> anyhow::Result<Vec<Recovered>> {
    let mut repaired = Vec::new();
    for (call, path) in recording::marks(recordings)? {
        if recordings.join(&path).exists() {
            let recorded = recover_one(recordings, call, &path);
            repaired.push(Recovered { call, recorded });
        } else {
            // The crash came between the mark and the manifest, which is before the first sound.
            recording::remove_mark(recordings, &call.to_string())?;
        }
    }
    Ok(repaired)
}

fn recover_one(root: &Path, call: CallId, path: &str) -> anyhow::Result<Recorded> {
    let plain = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    anyhow::ensure!(
        plain,
        "the mark of {call} names a path outside the recordings"
    );
    let text = fs::read_to_string(root.join(path))
        .with_context(|| format!("read the manifest of {call}"))?;
    let manifest: Manifest =
        serde_json::from_str(&text).with_context(|| format!("read the manifest of {call}"))?;
    if manifest.is_complete() {
        // What is hashed is what this version writes.
        recording::write_manifest(root, path, &manifest)?;
        recording::remove_mark(root, &call.to_string())?;
        return Ok(manifest.recorded());
    }
    let stem = path.strip_suffix(".json").unwrap_or(path);
    let mut files = vec![Written {
        name: format!("{stem}.wav"),
        starts: Duration::ZERO,
    }];
    let mut frames = repair(&root.join(format!("{stem}.wav")))?;
    for part in 2_u32.. {
        let name = format!("{stem}.{part}.wav");
        if !root.join(&name).exists() {
            break;
        }
        let starts = recording::duration_of(frames);
        frames += repair(&root.join(&name))?;
        files.push(Written { name, starts });
    }
    let duration = recording::duration_of(frames);
    let mut ending = Ending::new(root.to_owned(), path.to_owned(), manifest, duration, files);
    let mut piece = Vec::new();
    loop {
        if let Some(recorded) = ending.step(&mut piece)? {
            return Ok(recorded);
        }
    }
}

/// Makes the header say how much sound the file holds; gives the frames. A file without a whole
/// header is begun anew.
fn repair(path: &Path) -> anyhow::Result<u64> {
    let about = || format!("repair {}", path.display());
    if !path.exists() || fs::metadata(path)?.len() < HEADER_BYTES {
        if path.exists() {
            fs::remove_file(path).with_context(about)?;
        }
        recording::create(path)?.finalize().with_context(about)?;
        return Ok(0);
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .with_context(about)?;
    check_header(&mut file).with_context(about)?;
    let length = file.metadata().with_context(about)?.len();
    let data = (length - HEADER_BYTES) / FRAME_BYTES * FRAME_BYTES;
    file.set_len(HEADER_BYTES + data).with_context(about)?;
    put(&mut file, RIFF_LENGTH_AT, HEADER_BYTES - 8 + data).with_context(about)?;
    put(&mut file, DATA_LENGTH_AT, data).with_context(about)?;
    Ok(data / FRAME_BYTES)
}

fn check_header(file: &mut File) -> anyhow::Result<()> {
    let mut header = [0; 44];
    file.read_exact(&mut header)?;
    let ours = header.starts_with(b"RIFF") && header.get(36..40) == Some(b"data");
    anyhow::ensure!(ours, "it is no recording of ours; move it away");
    Ok(())
}

fn put(file: &mut File, at: u64, length: u64) -> anyhow::Result<()> {
    let length = u32::try_from(length).context("the file is longer than a WAV can be")?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&length.to_le_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{OperatorName, Ulid};
    use crate::media::command::{RecordPlan, SegmentKind};
    use crate::media::manifest::manifest_of;
    use crate::rng::Rng;
    use crate::time::{Instant, Wall};

    fn plan(seed: u8) -> RecordPlan {
        let started_at = Wall::from_millis(1_790_000_000_000);
        RecordPlan {
            call: CallId(Ulid::new(started_at, &mut Rng::new([seed; 32]))),
            started_at,
            to: "+380800111222".into(),
            from: None,
            site: None,
            queue: None,
            operator: Some(OperatorName::from("olena")),
            kind: SegmentKind::Talk,
            keep: Some(Duration::from_secs(3600)),
        }
    }

    fn begin(root: &Path, plan: &RecordPlan, longest: u64) -> recording::Recording {
        recording::Recording::begin(root, plan, Instant::START, longest).unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }

    fn frames(root: &Path, file: &str) -> u32 {
        hound::WavReader::open(root.join(file)).unwrap().duration()
    }

    #[test]
    fn a_killed_recording_opens_at_any_moment_and_is_completed_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let plan = plan(1);
        let mut recording = begin(root, &plan, u64::MAX);
        let file = crate::media::manifest::file_of(plan.call, plan.started_at, 1);
        assert_eq!(frames(root, &file), 0);
        recording.pause(at(400));
        recording.pass_on(at(500), Some("iryna"), SegmentKind::Transfer, None);
        recording.flush(at(700)).unwrap();
        assert_eq!(frames(root, &file), 4000);
        std::mem::forget(recording);
        // What the kernel had of the time after the last header.
        let mut raw = OpenOptions::new()
            .append(true)
            .open(root.join(&file))
            .unwrap();
        raw.write_all(&[1; 4003]).unwrap();
        assert_eq!(frames(root, &file), 4000);

        let recovered = recover(root).unwrap();
        let recorded = recovered[0].recorded.as_ref().unwrap();
        assert_eq!(recovered[0].call, plan.call);
        assert_eq!(recorded.bytes, 44 + 5000 * 4);
        assert_eq!(recorded.duration, Duration::from_millis(625));
        assert_eq!(frames(root, &file), 5000);
        let json = fs::read(root.join(manifest_of(plan.call, plan.started_at))).unwrap();
        let manifest: Manifest = serde_json::from_slice(&json).unwrap();
        assert!(manifest.is_complete());
        let segments: Vec<_> = manifest
            .segments
            .iter()
            .map(|part| (part.started_ms, part.ended_ms, part.operator.as_deref()))
            .collect();
        assert_eq!(
            segments,
            [
                (0, Some(400), Some("olena")),
                (500, Some(625), Some("iryna"))
            ]
        );
        assert_eq!(manifest.sha256.as_deref(), Some(recorded.sha256.as_str()));
        assert!(recover(root).unwrap().is_empty());
    }

    #[test]
    fn a_killed_message_is_completed_without_an_operator() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let plan = RecordPlan {
            operator: None,
            kind: SegmentKind::Voicemail,
            ..plan(6)
        };
        let mut recording = begin(root, &plan, u64::MAX);
        recording.flush(at(900)).unwrap();
        std::mem::forget(recording);
        assert!(recover(root).unwrap()[0].recorded.is_ok());
        let json = fs::read(root.join(manifest_of(plan.call, plan.started_at))).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            manifest["segments"],
            serde_json::json!([
                { "started_ms": 0, "ended_ms": 700, "operator": null, "kind": "voicemail" }
            ])
        );
    }

    #[test]
    fn a_recording_killed_at_its_very_beginning_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(2);
        std::mem::forget(begin(folder.path(), &plan, u64::MAX));
        let file = crate::media::manifest::file_of(plan.call, plan.started_at, 1);
        fs::write(folder.path().join(&file), b"RIFF").unwrap();
        let recovered = recover(folder.path()).unwrap();
        assert_eq!(recovered[0].recorded.as_ref().unwrap().bytes, 44);
        assert_eq!(frames(folder.path(), &file), 0);
    }

    #[test]
    fn a_mark_that_points_elsewhere_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("open")).unwrap();
        let call = plan(3).call.to_string();
        let secret = folder.path().join("secret.json");
        fs::write(&secret, "{}").unwrap();
        let open = folder.path().join("open");
        fs::write(open.join(call), "open/../secret.json").unwrap();
        fs::write(open.join("Одеса"), "x").unwrap();
        let early = plan(5).call.to_string();
        fs::write(open.join(&early), "2026/09/21/absent.json").unwrap();
        let recovered = recover(folder.path()).unwrap();
        assert_eq!(recovered.len(), 1);
        assert!(recovered[0].recorded.is_err());
        assert_eq!(fs::read(secret).unwrap(), b"{}");
        assert!(!open.join(early).exists());
        assert!(recover(&folder.path().join("absent")).unwrap().is_empty());
    }

    #[test]
    fn a_very_long_recording_goes_on_in_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let plan = plan(4);
        let mut recording = begin(root, &plan, 4 * 3000);
        recording.flush(at(700)).unwrap();
        let (mut ending, _) = recording.end(at(1000)).unwrap();
        let mut piece = Vec::new();
        let recorded = std::iter::repeat_with(|| ending.step(&mut piece).unwrap())
            .flatten()
            .next()
            .unwrap();
        assert_eq!(recorded.duration, Duration::from_secs(1));
        assert_eq!(recorded.bytes, 3 * 44 + 8000 * 4);
        let lengths: Vec<u32> = (1..=3)
            .map(|part| crate::media::manifest::file_of(plan.call, plan.started_at, part))
            .map(|file| frames(root, &file))
            .collect();
        assert_eq!(lengths, [3000, 3000, 2000]);
        assert!(recording::Recording::begin(root, &plan, at(0), u64::MAX).is_err());
    }
}
