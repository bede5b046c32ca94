//! How long a sink that fails is left alone: from half a second, doubling, with full jitter; after
//! five minutes a steady probe.

use crate::rng::Rng;
use crate::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(500);
const CEILING: Duration = Duration::from_secs(10);
/// An outage that lasts longer is only probed.
const PATIENCE: Duration = Duration::from_secs(300);
const PROBE: Duration = Duration::from_secs(30);

/// When to try again after `tries` failures of an outage that began at `since`.
pub(super) fn next_try(now: Instant, since: Instant, tries: u32, rng: &mut Rng) -> Instant {
    if now.since(since) >= PATIENCE {
        return now + PROBE;
    }
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    let bound = u64::try_from(doubled.min(CEILING).as_nanos()).unwrap_or(u64::MAX);
    now + Duration::from_nanos(rng.below(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_ceiling_then_become_a_probe() {
        let mut rng = Rng::new([1; 32]);
        let start = Instant::START + Duration::from_secs(1);
        for (tries, bound) in [
            (1, 500),
            (2, 1000),
            (3, 2000),
            (5, 8000),
            (6, 10_000),
            (60, 10_000),
        ] {
            let longest = (0..500)
                .map(|_| next_try(start, start, tries, &mut rng).since(start))
                .max()
                .unwrap();
            assert!(
                longest <= Duration::from_millis(bound),
                "{tries}: {longest:?}"
            );
            assert!(
                longest > Duration::from_millis(bound * 9 / 10),
                "{tries}: {longest:?}"
            );
        }
        let late = start + PATIENCE;
        assert_eq!(next_try(late, start, 3, &mut rng).since(late), PROBE);
    }
}
