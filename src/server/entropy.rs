//! The operating system's entropy: the seed of the one generator, and a secret.

use std::fs::File;
use std::io::Read as _;

use anyhow::Context as _;

use crate::rng::Rng;

/// A generator seeded by the kernel.
///
/// # Errors
/// When the kernel's generator cannot be read, as in a container without `/dev/urandom`.
pub fn rng() -> anyhow::Result<Rng> {
    let mut seed = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut seed))
        .context(
            "cannot read /dev/urandom, which seeds nonces and ids; mount /dev in the container",
        )?;
    Ok(Rng::new(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generators_differ() {
        assert_ne!(rng().unwrap().next_u64(), rng().unwrap().next_u64());
    }
}
