//! What was synthesised once, kept in the data folder: `DATA/prompts/<hash>.wav`, named by what was
//! asked for. A file is a WAV any player opens, followed by a chunk with the hash of its samples; one
//! that is damaged counts as absent.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::sound::RATE;
use crate::limits;

/// The name of the chunk that follows the samples.
const CHUNK: [u8; 8] = *b"hash\x20\0\0\0";
/// Changes when the same speech would be kept in another form.
const FORM: &str = "1";

/// The folder.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens the folder, making it where it is missing.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name for what this voice says in this language: one hash over all three.
    pub(crate) fn name(voice: &str, language: &str, text: &str) -> String {
        let mut hash = Sha256::new();
        for part in [FORM, voice, language, text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        format!("{}.wav", hex(&hash.finalize()))
    }

    /// What is kept under `name`, if it is whole.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<i16>> {
        let bytes = fs::read(self.folder.join(name)).ok()?;
        let body = bytes.strip_prefix(header(bytes.len().checked_sub(44 + 40)?).as_slice())?;
        let (data, tail) = body.split_at_checked(body.len().checked_sub(40)?)?;
        let hash = tail.strip_prefix(CHUNK.as_slice())?;
        if hash != Sha256::digest(data).as_slice() {
            return None;
        }
        let samples = data.chunks_exact(2).filter_map(|pair| pair.try_into().ok());
        Some(samples.map(i16::from_le_bytes).collect())
    }

    /// Keeps `samples` under `name`: written beside, flushed, then renamed, so that no reader ever
    /// meets a half-written file.
    pub(crate) fn put(&self, name: &str, samples: &[i16]) -> io::Result<()> {
        let data: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let mut bytes = header(data.len());
        bytes.extend_from_slice(&data);
        bytes.extend_from_slice(&CHUNK);
        bytes.extend_from_slice(&Sha256::digest(&data));
        let beside = self
            .folder
            .join(format!("{name}.{}.tmp", std::process::id()));
        let written =
            write_whole(&beside, &bytes).and_then(|()| fs::rename(&beside, self.folder.join(name)));
        if written.is_err() {
            // The space it took is worth more than the reason it cannot be removed.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    /// When more is kept than `limits::PROMPTS_KEPT`, deletes what `used` does not name.
    pub(crate) fn sweep(&self, used: &BTreeSet<String>) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            match name.to_str() {
                Some(name) if name.ends_with(".wav") => kept.push(name.to_owned()),
                _ => {}
            }
        }
        if kept.len() > limits::PROMPTS_KEPT {
            for name in kept.iter().filter(|name| !used.contains(*name)) {
                fs::remove_file(self.folder.join(name))?;
            }
        }
        Ok(())
    }
}

/// Writes a new file and waits until it is on the disk.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

/// The 44 bytes before `length` bytes of samples; the RIFF length counts the chunk that follows.
fn header(length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(44);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&length.saturating_add(36 + 40).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    header.extend_from_slice(&RATE.to_le_bytes());
    header.extend_from_slice(&(2 * RATE).to_le_bytes());
    header.extend_from_slice(b"\x02\0\x10\0data");
    header.extend_from_slice(&length.to_le_bytes());
    header
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_opens_in_a_player() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("prompts")).unwrap();
        let name = Cache::name("espeak", "uk", "Дзвінок з Одеси");
        let samples: Vec<i16> = (0..8_000).map(|n| (n % 251) as i16 * 100).collect();
        assert_eq!(cache.get(&name), None);
        cache.put(&name, &samples).unwrap();
        assert_eq!(cache.get(&name).as_deref(), Some(samples.as_slice()));
        let mut player = hound::WavReader::open(cache.folder().join(&name)).unwrap();
        assert_eq!(
            (player.spec().sample_rate, player.spec().channels),
            (8_000, 1)
        );
        assert_eq!(player.samples::<i16>().count(), 8_000);
        assert_eq!(fs::read_dir(cache.folder()).unwrap().count(), 1);
    }

    #[test]
    fn one_flipped_bit_is_noticed_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().to_owned()).unwrap();
        cache.put("a.wav", &[1, -2, 3, -4]).unwrap();
        let whole = fs::read(folder.path().join("a.wav")).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(folder.path().join("a.wav"), &bytes).unwrap();
            assert_eq!(cache.get("a.wav"), None, "byte {at}");
            fs::write(folder.path().join("a.wav"), &whole[..at]).unwrap();
            assert_eq!(cache.get("a.wav"), None, "{at} bytes");
        }
        fs::write(folder.path().join("a.wav"), &whole).unwrap();
        assert_eq!(cache.get("a.wav"), Some(vec![1, -2, 3, -4]));
    }

    #[test]
    fn voice_language_and_text_each_make_another_name() {
        let names = [
            ("a", "uk", "b"),
            ("au", "k", "b"),
            ("a", "u", "kb"),
            ("a", "ru", "b"),
            ("a", "uk", "в"),
        ];
        let names: BTreeSet<_> = names.iter().map(|(v, l, t)| Cache::name(v, l, t)).collect();
        assert_eq!(names.len(), 5);
    }

    #[test]
    fn the_folder_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().to_owned()).unwrap();
        for n in 0..=limits::PROMPTS_KEPT {
            fs::write(folder.path().join(format!("{n}.wav")), b"").unwrap();
        }
        fs::write(folder.path().join("note.txt"), b"").unwrap();
        cache.sweep(&BTreeSet::from(["7.wav".to_owned()])).unwrap();
        let left: BTreeSet<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, BTreeSet::from(["7.wav".into(), "note.txt".into()]));
    }
}
