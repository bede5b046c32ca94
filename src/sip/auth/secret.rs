//! A key of the process, for what it hands out and wants to know again without remembering it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::rng::Rng;

/// The key. It lives as long as the process; after a restart every nonce is stale.
#[derive(Clone)]
pub struct Secret([u8; 64]);

impl Secret {
    /// A new key.
    pub fn new(rng: &mut Rng) -> Self {
        let mut key = [0; 64];
        rng.fill(&mut key);
        Self(key)
    }

    /// A keyed hash of the parts; their lengths are hashed too, so no two lists give the same text.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> u128 {
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        whole
            .iter()
            .take(16)
            .fold(0, |value, &byte| (value << 8) | u128::from(byte))
    }
}
