//! Keys of recordings: the master key that new files are sealed under, and those that older ones were.
//!
//! ```text
//! master key (settings) ── wraps ─▶ data key (one a file, random) ── seals ─▶ chunks of sound
//! ```
//!
//! A master key is named by the first bytes of its hash, which says nothing of it.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use anyhow::Context as _;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};

use crate::media::command::SoundFormat;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes that sealing adds.
pub(super) const TAG_BYTES: usize = 16;
/// Bytes of a master key's name.
pub(super) const ID_BYTES: usize = 8;
/// A data key as a file carries it: the nonce, then the sealed key.
pub(super) const WRAPPED_BYTES: usize = NONCE_LEN + KEY_BYTES + TAG_BYTES;

/// A key of the settings.
#[derive(Clone)]
pub struct MasterKey {
    id: [u8; ID_BYTES],
    key: Arc<LessSafeKey>,
}

/// How recordings are written, and what older ones are opened with.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    /// How the sound is written.
    pub format: SoundFormat,
    /// What new files are sealed under; none writes them in clear.
    pub key: Option<MasterKey>,
    /// What older files may be sealed under.
    pub old_keys: Vec<MasterKey>,
}

/// The key of one file, and how the file carries it.
pub(super) struct DataKey {
    pub(super) key: LessSafeKey,
    pub(super) wrapped: [u8; WRAPPED_BYTES],
}

impl MasterKey {
    /// A key as the settings have it: 64 hex digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != 2 * KEY_BYTES || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; KEY_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        let mut id = [0; ID_BYTES];
        let hash = Sha256::new()
            .chain_update(b"strowger recording key")
            .chain_update(bytes)
            .finalize();
        for (to, from) in id.iter_mut().zip(hash) {
            *to = from;
        }
        let key = Arc::new(usable(&bytes)?);
        Some(Self { id, key })
    }

    /// Its name in manifests, lower-case hex.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) const fn id_bytes(&self) -> [u8; ID_BYTES] {
        self.id
    }

    /// A new data key, wrapped together with what stands before it in the file.
    pub(super) fn mint(&self, before: &[u8]) -> anyhow::Result<DataKey> {
        let failed = "this machine gives no random numbers";
        let random = SystemRandom::new();
        let mut clear = [0; KEY_BYTES];
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut clear).ok().context(failed)?;
        random.fill(&mut nonce).ok().context(failed)?;
        let key = usable(&clear).context("the key cannot be used")?;
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(before),
                &mut clear,
            )
            .ok()
            .context("the key cannot be wrapped")?;
        let mut wrapped = [0; WRAPPED_BYTES];
        let parts = nonce.iter().chain(&clear).chain(tag.as_ref());
        for (to, from) in wrapped.iter_mut().zip(parts) {
            *to = *from;
        }
        Ok(DataKey { key, wrapped })
    }

    /// The data key of a file; none when it is not this key's, or was changed.
    pub(super) fn unwrap(&self, before: &[u8], wrapped: &[u8]) -> Option<LessSafeKey> {
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let clear = self
            .key
            .open_in_place(nonce, Aad::from(before), &mut sealed)
            .ok()?;
        usable(clear)
    }
}

impl Vault {
    /// The master key of this name.
    pub(super) fn find(&self, id: &[u8]) -> Option<&MasterKey> {
        self.key.iter().chain(&self.old_keys).find(|it| it.id == id)
    }
}

impl Debug for MasterKey {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKey({})", self.id())
    }
}

fn usable(bytes: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes)
        .ok()
        .map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_hex_digits_and_never_shown() {
        let key = MasterKey::read(&"0f".repeat(32)).unwrap();
        assert_eq!(key.id().len(), 16);
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
        assert_ne!(key.id(), MasterKey::read(&"0e".repeat(32)).unwrap().id());
        for bad in [
            "",
            "0f",
            &"0g".repeat(32),
            &"0f".repeat(33),
            &"ї".repeat(32),
        ] {
            assert!(MasterKey::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_data_key_opens_with_its_own_master_key_and_its_own_file_alone() {
        let master = MasterKey::read(&"0f".repeat(32)).unwrap();
        let minted = master.mint(b"before").unwrap();
        assert!(master.unwrap(b"before", &minted.wrapped).is_some());
        assert!(master.unwrap(b"others", &minted.wrapped).is_none());
        assert!(master.unwrap(b"before", &minted.wrapped[1..]).is_none());
        let other = MasterKey::read(&"0e".repeat(32)).unwrap();
        assert!(other.unwrap(b"before", &minted.wrapped).is_none());
        assert_ne!(minted.wrapped, master.mint(b"before").unwrap().wrapped);
    }
}
