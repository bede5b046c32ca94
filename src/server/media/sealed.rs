//! A sealed file of sound: a header with its own key, then chunks of an eighth of a second.
//!
//! ```text
//! magic 8 │ version 1 │ format 1 │ zero 2 │ frames of a chunk 4 │ master key's id 8 │ nonce 12, key 32, tag 16
//! chunk 0: samples, tag 16 │ chunk 1: … │ the last chunk may be shorter
//! ```
//!
//! AES-256-GCM, the number of a chunk being its nonce: the key is the file's own and no chunk is sealed
//! twice with other samples. Where a file was cut, the whole chunks before stay good, and any of them is
//! read alone. It holds samples only: a WAV header would have to change as the file grows.

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use super::vault::{ID_BYTES, MasterKey, TAG_BYTES, Vault, WRAPPED_BYTES};
use crate::media::command::SoundFormat;

const MAGIC: &[u8; 8] = b"STROWENC";
const VERSION: u8 = 1;
/// What is wrapped with the key: everything before it.
const BEFORE: usize = 16 + ID_BYTES;
/// Bytes before the first chunk.
pub(super) const HEADER_BYTES: u64 = 24 + WRAPPED_BYTES as u64;
/// Frames of a chunk.
pub(super) const CHUNK_FRAMES: u64 = 1_000;

/// What a sealed file's header says.
pub(super) struct Seal {
    key: LessSafeKey,
    format: SoundFormat,
}

impl Seal {
    /// A new file's header, and what seals its chunks.
    pub(super) fn begin(
        master: &MasterKey,
        format: SoundFormat,
    ) -> anyhow::Result<(Self, Vec<u8>)> {
        let mut header = Vec::with_capacity(BEFORE + WRAPPED_BYTES);
        header.extend_from_slice(MAGIC);
        let code = match format {
            SoundFormat::Pcm => 0,
            SoundFormat::Alaw => 1,
        };
        header.extend_from_slice(&[VERSION, code, 0, 0]);
        let frames = u32::try_from(CHUNK_FRAMES).unwrap_or(u32::MAX);
        header.extend_from_slice(&frames.to_le_bytes());
        header.extend_from_slice(&master.id_bytes());
        let minted = master.mint(&header)?;
        header.extend_from_slice(&minted.wrapped);
        let key = minted.key;
        Ok((Self { key, format }, header))
    }

    /// Opens a file by its header.
    pub(super) fn open(vault: &Vault, header: &[u8]) -> anyhow::Result<Self> {
        let (before, wrapped) = header.split_at_checked(BEFORE).unwrap_or_default();
        let (start, id) = before.split_at_checked(16).unwrap_or_default();
        let ours = start.starts_with(MAGIC) && start.get(8) == Some(&VERSION);
        let format = match start.get(9) {
            Some(0) => Some(SoundFormat::Pcm),
            Some(1) => Some(SoundFormat::Alaw),
            Some(_) | None => None,
        };
        let frames = start.get(12..16).map(<[u8]>::to_vec);
        let usual = u32::try_from(CHUNK_FRAMES)
            .unwrap_or(u32::MAX)
            .to_le_bytes();
        let Some(format) = format.filter(|_| ours && frames.as_deref() == Some(&usual)) else {
            anyhow::bail!("it is no sealed recording of this version");
        };
        let Some(master) = vault.find(id) else {
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            anyhow::bail!("it is sealed under the key {id}; add that key to `recordings.old_keys`");
        };
        let Some(key) = master.unwrap(before, wrapped) else {
            anyhow::bail!("its header was changed");
        };
        Ok(Self { key, format })
    }

    /// How the sound in it is written.
    pub(super) const fn format(&self) -> SoundFormat {
        self.format
    }

    /// Seals the chunk of this number.
    pub(super) fn seal(&self, number: u64, samples: &mut Vec<u8>) -> anyhow::Result<()> {
        self.key
            .seal_in_place_append_tag(nonce(number), Aad::empty(), samples)
            .map_err(|_| anyhow::anyhow!("a chunk cannot be sealed"))
    }

    /// Opens the chunk of this number; none when it was changed, cut or is another one.
    pub(super) fn open_chunk<'a>(&self, number: u64, sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let opened = self.key.open_in_place(nonce(number), Aad::empty(), sealed);
        opened.ok().map(|opened| &*opened)
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (to, from) in bytes.iter_mut().zip(number.to_le_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

/// Bytes of a whole chunk on the disk.
pub(super) const fn chunk_bytes(format: SoundFormat) -> u64 {
    CHUNK_FRAMES * format.frame_bytes() + TAG_BYTES as u64
}

/// Frames in a sealed file of this length, whose last chunk may be short.
pub(super) const fn frames_in(format: SoundFormat, length: u64) -> u64 {
    let chunks = length.saturating_sub(HEADER_BYTES);
    let rest = (chunks % chunk_bytes(format)).saturating_sub(TAG_BYTES as u64);
    chunks / chunk_bytes(format) * CHUNK_FRAMES + rest / format.frame_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(digit: &str) -> Vault {
        Vault {
            key: MasterKey::read(&digit.repeat(64)),
            ..Vault::default()
        }
    }

    #[test]
    fn a_chunk_opens_in_its_own_place_of_its_own_file_alone() {
        let here = vault("a");
        let master = here.key.as_ref().unwrap();
        let (seal, header) = Seal::begin(master, SoundFormat::Alaw).unwrap();
        assert_eq!(header.len() as u64, HEADER_BYTES);
        let mut sealed = vec![7; 2000];
        seal.seal(3, &mut sealed).unwrap();
        assert_eq!(sealed.len() as u64, chunk_bytes(SoundFormat::Alaw));
        let again = Seal::open(&here, &header).unwrap();
        assert_eq!(again.format(), SoundFormat::Alaw);
        assert_eq!(again.open_chunk(3, &mut sealed.clone()).unwrap(), [7; 2000]);
        assert!(again.open_chunk(2, &mut sealed.clone()).is_none());
        sealed[5] ^= 1;
        assert!(again.open_chunk(3, &mut sealed).is_none());
        let (other, _) = Seal::begin(master, SoundFormat::Alaw).unwrap();
        let mut of_other = vec![7; 2000];
        other.seal(3, &mut of_other).unwrap();
        assert!(again.open_chunk(3, &mut of_other).is_none());
    }

    #[test]
    fn a_file_opens_with_an_old_key_and_says_which_it_lacks() {
        let old = vault("a");
        let (_, mut header) = Seal::begin(old.key.as_ref().unwrap(), SoundFormat::Pcm).unwrap();
        let turned = Vault {
            old_keys: old.key.into_iter().collect(),
            ..vault("b")
        };
        assert!(Seal::open(&turned, &header).is_ok());
        let why = Seal::open(&vault("c"), &header).err().unwrap().to_string();
        assert!(why.contains(&turned.old_keys[0].id()), "{why}");
        header[9] = 1;
        assert!(Seal::open(&turned, &header).is_err());
        assert!(Seal::open(&turned, b"RIFF").is_err());
    }

    #[test]
    fn frames_are_counted_by_the_length() {
        let format = SoundFormat::Pcm;
        assert_eq!(frames_in(format, 0), 0);
        assert_eq!(frames_in(format, HEADER_BYTES + 10), 0);
        assert_eq!(frames_in(format, HEADER_BYTES + 4016), 1000);
        assert_eq!(frames_in(format, HEADER_BYTES + 2 * 4016 + 16 + 40), 2010);
    }
}
