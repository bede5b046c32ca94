//! The recordings on the disk: which files there are, and whose voice is on which channel.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::sound::{Ear, FRAME, Voice};

/// Every file under `folder`, relative to it, with `/` between the parts.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn files(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let path = folder.join(&inner);
        // Without a bridged call there is no folder yet.
        let Ok(entries) = fs::read_dir(&path) else {
            continue;
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
            let name = inner.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(name);
            } else {
                found.insert(name.display().to_string());
            }
        }
    }
    Ok(found)
}

/// The files with this ending, without it.
pub(super) fn ending(files: &BTreeSet<String>, ending: &str) -> BTreeSet<String> {
    let names = files.iter().filter_map(|file| file.strip_suffix(ending));
    names.map(str::to_owned).collect()
}

/// What is wrong with what the recordings sound like, a sentence each.
pub(super) fn contradictions(folder: &Path, names: &BTreeSet<String>) -> Vec<String> {
    let wrong = names
        .iter()
        .filter(|name| !has_both_voices(&folder.join(format!("{name}.wav"))));
    wrong
        .map(|name| format!("{name}.wav: not the caller on the left and the operator on the right"))
        .collect()
}

/// Whether the caller speaks on the left channel, the operator on the right, and neither on the
/// other's.
fn has_both_voices(file: &Path) -> bool {
    let Ok(reader) = hound::WavReader::open(file) else {
        return false;
    };
    if reader.spec().channels != 2 {
        return false;
    }
    if reader.duration() < reader.spec().sample_rate {
        // Less than a second may be over before both have spoken.
        return true;
    }
    let samples: Vec<i16> = reader
        .into_samples()
        .map(|sample| sample.unwrap_or(0))
        .collect();
    let speaks = |voice: Voice, channel: usize| {
        let side = samples.iter().skip(channel).step_by(2).copied();
        let side: Vec<i16> = side.collect();
        // The recording's frames need not begin where the packets' do.
        (0..FRAME).step_by(FRAME / 4).any(|offset| {
            let mut ear = Ear::new(voice);
            let frames = side.get(offset..).unwrap_or_default().chunks_exact(FRAME);
            for frame in frames {
                ear.hear(frame);
            }
            ear.sure()
        })
    };
    speaks(Voice::Caller, 0)
        && speaks(Voice::Operator, 1)
        && !speaks(Voice::Operator, 0)
        && !speaks(Voice::Caller, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(file: &Path, left: Voice, right: Voice, delay: usize) {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let tune = |voice: Voice| -> Vec<i16> { (0..100).flat_map(|n| voice.frame(n)).collect() };
        let (left, right) = (tune(left), tune(right));
        let mut wav = hound::WavWriter::create(file, spec).unwrap();
        for (index, &left) in left.iter().enumerate() {
            wav.write_sample(left).unwrap();
            let late = index.checked_sub(delay).map_or(0, |index| right[index]);
            wav.write_sample(late).unwrap();
        }
        wav.finalize().unwrap();
    }

    #[test]
    fn each_voice_belongs_on_its_own_channel() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("call.wav");
        record(&file, Voice::Caller, Voice::Operator, 77);
        assert!(has_both_voices(&file));
        record(&file, Voice::Operator, Voice::Caller, 0);
        assert!(!has_both_voices(&file));
        record(&file, Voice::Caller, Voice::Caller, 0);
        assert!(!has_both_voices(&file));
        assert!(!has_both_voices(&folder.path().join("none.wav")));
    }

    #[test]
    fn files_are_found_in_folders_and_told_apart_by_their_endings() {
        let folder = tempfile::tempdir().unwrap();
        assert!(files(&folder.path().join("none")).unwrap().is_empty());
        fs::create_dir_all(folder.path().join("2026/11")).unwrap();
        fs::write(folder.path().join("2026/11/a.wav"), "").unwrap();
        fs::write(folder.path().join("2026/11/a.json"), "").unwrap();
        let found = files(folder.path()).unwrap();
        let name = BTreeSet::from(["2026/11/a".to_owned()]);
        assert_eq!(ending(&found, ".wav"), name);
        assert_eq!(ending(&found, ".json"), name);
    }
}
