//! Recordings that a crash cut off: their headers made true, their manifests completed.

use std::fs;
use std::path::{Component, Path};

use anyhow::Context as _;

use super::part;
use super::recording::{self, Ending, Written};
use super::vault::Vault;
use crate::id::CallId;
use crate::media::command::Recorded;
use crate::media::manifest::Manifest;

/// A recording that was repaired, or that could not be.
#[derive(Debug)]
pub struct Recovered {
    /// The call.
    pub call: CallId,
    /// The recording as it is now. It may have been reported as finished before the crash.
    pub recorded: anyhow::Result<Recorded>,
}

/// Repairs what the last run left open. To be called before the first recording begins.
pub fn recover(recordings: &Path, vault: &Vault) -> anyhow::Result<Vec<Recovered>> {
    let mut repaired = Vec::new();
    for (call, path) in recording::marks(recordings)? {
        if recordings.join(&path).exists() {
            let recorded = recover_one(recordings, vault, call, &path);
            repaired.push(Recovered { call, recorded });
        } else {
            // The crash came between the mark and the manifest, which is before the first sound.
            recording::remove_mark(recordings, &call.to_string())?;
        }
    }
    Ok(repaired)
}

/// Repairs what was begun by the rows of the store and has no mark: its last word was on the way when the
/// server died. Gives the calls of which there is nothing on the disk.
pub fn recover_unmarked(
    recordings: &Path,
    vault: &Vault,
    unfinished: Vec<(CallId, String)>,
    repaired: &mut Vec<Recovered>,
) -> Vec<CallId> {
    let mut nothing = Vec::new();
    for (call, file) in unfinished {
        if repaired.iter().any(|known| known.call == call) {
            continue;
        }
        let stem = file.split_once('.').map_or(&*file, |(stem, _)| stem);
        let path = format!("{stem}.json");
        if recordings.join(&path).exists() {
            let recorded = recover_one(recordings, vault, call, &path);
            repaired.push(Recovered { call, recorded });
        } else {
            nothing.push(call);
        }
    }
    nothing
}

fn recover_one(root: &Path, vault: &Vault, call: CallId, path: &str) -> anyhow::Result<Recorded> {
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
    let (files, frames) = repair(root, vault, path, &manifest)?;
    let duration = files.last().map(|last| last.starts).unwrap_or_default();
    let duration = duration + recording::duration_of(frames);
    let mut ending = Ending::new(root.to_owned(), path.to_owned(), manifest, duration, files);
    let mut piece = Vec::new();
    loop {
        if let Some(recorded) = ending.step(&mut piece)? {
            return Ok(recorded);
        }
    }
}

/// Makes every file whole that the manifest names, or that the crash came before it could name; gives
/// them, and the frames of the last.
fn repair(
    root: &Path,
    vault: &Vault,
    path: &str,
    manifest: &Manifest,
) -> anyhow::Result<(Vec<Written>, u64)> {
    let stem = path.strip_suffix(".json").unwrap_or(path);
    let sealed = manifest.key_id.is_some();
    let tail = if sealed { ".enc" } else { "" };
    let named = recording::files_of(manifest);
    let (mut files, mut frames) = (Vec::<Written>::new(), 0);
    for number in 1_u32.. {
        let name = match number {
            1 => format!("{stem}.wav{tail}"),
            _ => format!("{stem}.{number}.wav{tail}"),
        };
        let known = named.iter().find(|known| known.name == name);
        if number > 1 && !root.join(&name).exists() {
            break;
        }
        let starts = match (known, files.last()) {
            (Some(known), _) => known.starts,
            (None, Some(before)) => before.starts + recording::duration_of(frames),
            (None, None) => crate::time::Duration::ZERO,
        };
        frames = part::repair(&root.join(&name), vault, manifest.format, sealed)?;
        files.push(Written { name, starts });
    }
    Ok((files, frames))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::sync::Arc;

    use super::super::playback::Playback;
    use super::super::recording::Shelf;
    use super::super::vault::MasterKey;
    use super::*;
    use crate::id::{OperatorName, Ulid};
    use crate::media::command::{RecordPlan, SegmentKind, SoundFormat};
    use crate::media::manifest::manifest_of;
    use crate::rng::Rng;
    use crate::time::{Duration, Instant, Wall};

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

    fn shelf(root: &Path, vault: Vault, longest_file: u64) -> Shelf {
        Shelf {
            root: root.to_owned(),
            vault: Arc::new(vault),
            longest_file,
        }
    }

    fn begin(root: &Path, plan: &RecordPlan, longest: u64) -> recording::Recording {
        let shelf = shelf(root, Vault::default(), longest);
        recording::Recording::begin(&shelf, plan, Instant::START).unwrap()
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
        recording.flush(at(700));
        assert_eq!(frames(root, &file), 4000);
        std::mem::forget(recording);
        // What the kernel had of the time after the last header.
        let mut raw = OpenOptions::new()
            .append(true)
            .open(root.join(&file))
            .unwrap();
        raw.write_all(&[1; 4003]).unwrap();
        assert_eq!(frames(root, &file), 4000);

        let recovered = recover(root, &Vault::default()).unwrap();
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
        assert!(recover(root, &Vault::default()).unwrap().is_empty());
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
        recording.flush(at(900));
        std::mem::forget(recording);
        assert!(
            recover(root, &Vault::default()).unwrap()[0]
                .recorded
                .is_ok()
        );
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
        let recovered = recover(folder.path(), &Vault::default()).unwrap();
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
        let recovered = recover(folder.path(), &Vault::default()).unwrap();
        assert_eq!(recovered.len(), 1);
        assert!(recovered[0].recorded.is_err());
        assert_eq!(fs::read(secret).unwrap(), b"{}");
        assert!(!open.join(early).exists());
        assert!(
            recover(&folder.path().join("absent"), &Vault::default())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_very_long_recording_goes_on_in_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let plan = plan(4);
        let mut recording = begin(root, &plan, 4 * 3000);
        recording.flush(at(700));
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
        let again = shelf(root, Vault::default(), u64::MAX);
        assert!(recording::Recording::begin(&again, &plan, at(0)).is_err());
    }

    #[test]
    fn a_killed_recording_in_a_law_or_sealed_keeps_all_but_the_last_moment() {
        for (format, sealed, kept) in [
            (SoundFormat::Alaw, false, 5496),
            (SoundFormat::Pcm, true, 5000),
            (SoundFormat::Alaw, true, 5000),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            let key = MasterKey::read(&"ab".repeat(32)).filter(|_| sealed);
            let vault = Vault {
                format,
                key,
                old_keys: Vec::new(),
            };
            let plan = plan(7);
            let shelf = shelf(root, vault.clone(), u64::MAX);
            let mut recording = recording::Recording::begin(&shelf, &plan, at(0)).unwrap();
            recording.flush(at(500));
            recording.flush(at(887));
            std::mem::forget(recording);
            let tail = if sealed { ".enc" } else { "" };
            let file = crate::media::manifest::file_of(plan.call, plan.started_at, 1) + tail;
            // A write that was cut.
            let mut raw = OpenOptions::new()
                .append(true)
                .open(root.join(&file))
                .unwrap();
            raw.write_all(&[1; 3]).unwrap();
            let recovered = recover(root, &vault).unwrap();
            let recorded = recovered[0].recorded.as_ref().unwrap();
            assert_eq!(recorded.file, file);
            let frames = recorded.duration.as_millis() * 8;
            assert!(
                (kept..kept + 8).contains(&u64::try_from(frames).unwrap()),
                "{frames}"
            );
            let opened = Playback::open(root, &vault, &file).unwrap().unwrap();
            let sound = (opened.length() - format.header_bytes()) / format.frame_bytes();
            assert!((kept..kept + 8).contains(&sound), "{sound}");
        }
    }

    #[test]
    fn a_finished_recording_whose_last_word_was_lost_is_told_and_one_that_never_came_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let plan = plan(8);
        let mut recording = begin(root, &plan, u64::MAX);
        recording.flush(at(500));
        let (mut ending, _) = recording.end(at(500)).unwrap();
        let mut piece = Vec::new();
        while ending.step(&mut piece).unwrap().is_none() {}
        let file = crate::media::manifest::file_of(plan.call, plan.started_at, 1);
        let never = CallId(Ulid::new(plan.started_at, &mut Rng::new([9; 32])));
        let absent = crate::media::manifest::file_of(never, plan.started_at, 1);
        let rows = vec![(plan.call, file.clone()), (never, absent)];
        let vault = Vault::default();
        let mut repaired = recover(root, &vault).unwrap();
        assert!(repaired.is_empty(), "its mark is gone");
        let nothing = recover_unmarked(root, &vault, rows.clone(), &mut repaired);
        assert_eq!(nothing, [never]);
        let recorded = repaired[0].recorded.as_ref().unwrap();
        assert_eq!((repaired[0].call, &recorded.file), (plan.call, &file));
        assert_eq!(recorded.duration, Duration::from_millis(500));
        // Nothing is repaired twice.
        recover_unmarked(root, &vault, rows, &mut repaired);
        assert_eq!(repaired.len(), 1);
    }
}
