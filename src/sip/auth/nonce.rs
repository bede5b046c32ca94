//! Nonces: known again by their seal, and kept only once somebody has used one with success.

use std::collections::BTreeMap;

use subtle::ConstantTimeEq as _;

use super::secret::Secret;
use crate::limits;
use crate::rng::Rng;
use crate::time::Instant;

/// How many nonce counts of one nonce are remembered; an older count is refused.
const COUNTS: usize = 8;

/// Which nonce it is: when it was made, and a random part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NonceId {
    made: Instant,
    salt: u64,
}

/// A new nonce, as it is written.
pub fn issue(secret: &Secret, rng: &mut Rng, now: Instant) -> String {
    let salt = rng.next_u64();
    let made = now.as_nanos();
    format!("{made:016x}{salt:016x}{:032x}", seal(secret, made, salt))
}

/// Reads a nonce; none when it is not one of ours.
#[must_use]
pub fn read(secret: &Secret, nonce: &str) -> Option<NonceId> {
    if nonce.len() != 64 || !nonce.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let made = u64::from_str_radix(nonce.get(..16)?, 16).ok()?;
    let salt = u64::from_str_radix(nonce.get(16..32)?, 16).ok()?;
    let given = u128::from_str_radix(nonce.get(32..)?, 16).ok()?;
    let ours = seal(secret, made, salt);
    bool::from(given.to_be_bytes().ct_eq(&ours.to_be_bytes())).then_some(NonceId {
        made: Instant::from_nanos(made),
        salt,
    })
}

fn seal(secret: &Secret, made: u64, salt: u64) -> u128 {
    secret.sign(&[b"nonce", &made.to_be_bytes(), &salt.to_be_bytes()])
}

/// Whether a nonce may be used with a count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// It is good, or the request is one that was let in already.
    Good,
    /// Too old, or so many came after it that its counts are forgotten.
    Stale,
    /// The count was used by another request.
    Replayed,
}

/// The counts of nonces that were used.
#[derive(Debug, Default)]
pub struct Nonces {
    /// Per nonce the latest counts, each with the request that used it.
    used: BTreeMap<NonceId, Vec<(u32, u128)>>,
    /// Nonces made before this are stale.
    floor: Instant,
}

impl Nonces {
    /// Whether `request` may use `nonce` with `count`.
    #[must_use]
    pub fn check(&self, now: Instant, nonce: NonceId, count: u32, request: u128) -> Use {
        if now.since(nonce.made) > limits::NONCE_LIFE || nonce.made < self.floor || nonce.made > now
        {
            return Use::Stale;
        }
        let Some(counts) = self.used.get(&nonce) else {
            return Use::Good;
        };
        if let Some(&(_, by)) = counts.iter().find(|&&(used, _)| used == count) {
            return if by == request {
                Use::Good
            } else {
                Use::Replayed
            };
        }
        match counts.iter().map(|&(used, _)| used).min() {
            Some(oldest) if counts.len() >= COUNTS && count < oldest => Use::Replayed,
            Some(_) | None => Use::Good,
        }
    }

    /// Remembers a use that was let in.
    pub fn remember(&mut self, now: Instant, nonce: NonceId, count: u32, request: u128) {
        while let Some((oldest, _)) = self.used.first_key_value() {
            let old = now.since(oldest.made) > limits::NONCE_LIFE;
            if !old && self.used.len() < limits::NONCES {
                break;
            }
            if !old {
                self.floor = oldest.made + crate::time::Duration::from_nanos(1);
            }
            self.used.pop_first();
        }
        let counts = self.used.entry(nonce).or_default();
        if counts.iter().any(|&(used, _)| used == count) {
            return;
        }
        if counts.len() >= COUNTS {
            let oldest = counts.iter().map(|&(used, _)| used).min();
            counts.retain(|&(used, _)| Some(used) != oldest);
        }
        counts.push((count, request));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn nonce() -> (Nonces, NonceId) {
        let mut rng = Rng::new([1; 32]);
        let secret = Secret::new(&mut rng);
        let text = issue(&secret, &mut rng, Instant::START);
        (Nonces::default(), read(&secret, &text).unwrap())
    }

    #[test]
    fn a_nonce_is_known_by_its_seal_alone() {
        let mut rng = Rng::new([1; 32]);
        let secret = Secret::new(&mut rng);
        let text = issue(&secret, &mut rng, Instant::START);
        assert!(read(&secret, &text).is_some());
        let other = Secret::new(&mut rng);
        assert!(read(&other, &text).is_none());
        assert!(read(&secret, &text.replacen('0', "1", 1)).is_none());
        assert!(read(&secret, "Одеса").is_none());
    }

    #[test]
    fn a_count_serves_one_request_and_its_repetitions() {
        let (mut nonces, id) = nonce();
        let now = Instant::START;
        assert_eq!(nonces.check(now, id, 1, 100), Use::Good);
        nonces.remember(now, id, 1, 100);
        assert_eq!(nonces.check(now, id, 1, 100), Use::Good);
        assert_eq!(nonces.check(now, id, 1, 101), Use::Replayed);
        assert_eq!(nonces.check(now, id, 2, 101), Use::Good);
        for count in 2..20 {
            nonces.remember(now, id, count, 0);
        }
        assert_eq!(nonces.check(now, id, 1, 100), Use::Replayed);
    }

    #[test]
    fn an_old_nonce_is_stale() {
        let (nonces, id) = nonce();
        let late = Instant::START + limits::NONCE_LIFE + Duration::from_nanos(1);
        assert_eq!(nonces.check(late, id, 1, 1), Use::Stale);
    }

    #[test]
    fn a_full_table_makes_the_oldest_stale_and_never_fresh_again() {
        let mut nonces = Nonces::default();
        let id = |number: u64| NonceId {
            made: Instant::from_nanos(number),
            salt: 0,
        };
        let now = Instant::from_nanos(1_000_000);
        for number in 0..=limits::NONCES as u64 {
            nonces.remember(now, id(number), 1, 7);
        }
        assert_eq!(nonces.used.len(), limits::NONCES);
        assert_eq!(nonces.check(now, id(0), 1, 8), Use::Stale);
        assert_eq!(nonces.check(now, id(1), 1, 8), Use::Replayed);
    }

    #[test]
    fn a_million_nonces_in_their_life_are_no_more_memory_than_the_table_has_room_for() {
        let mut nonces = Nonces::default();
        let now = Instant::from_nanos(1_000_000_000);
        for number in 0..1_000_000_u64 {
            let made = Instant::from_nanos(number * 1_000);
            let salt = number;
            nonces.remember(now, NonceId { made, salt }, 1, u128::from(number));
        }
        assert_eq!(nonces.used.len(), limits::NONCES);
        assert!(nonces.used.values().all(|counts| counts.len() <= COUNTS));
    }
}
