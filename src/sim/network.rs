//! The network between the parties and the server: delay, loss, duplication; reordering follows from
//! delays that differ. It carries datagrams and knows nothing of what they say.

use crate::rng::Rng;
use crate::time::{Duration, Instant};

/// How well datagrams travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quality {
    /// The shortest and the longest way.
    pub delay: (Duration, Duration),
    /// How many of a thousand are lost.
    pub lost: u32,
    /// How many of a thousand arrive twice.
    pub doubled: u32,
}

impl Quality {
    /// A cable: a millisecond, always.
    pub const PERFECT: Self = Self {
        delay: (Duration::from_millis(1), Duration::from_millis(1)),
        lost: 0,
        doubled: 0,
    };
    /// A bad day on the internet: 5 % lost, 2 % twice, in any order.
    pub const LOSSY: Self = Self {
        delay: (Duration::from_millis(2), Duration::from_millis(60)),
        lost: 50,
        doubled: 20,
    };
}

/// A network of one quality.
#[derive(Debug)]
pub struct Network {
    quality: Quality,
    rng: Rng,
}

impl Network {
    /// A network whose luck is drawn from `rng`.
    #[must_use]
    pub const fn new(quality: Quality, rng: Rng) -> Self {
        Self { quality, rng }
    }

    /// When a datagram sent now arrives: never, once or twice.
    pub fn carry(&mut self, now: Instant) -> impl Iterator<Item = Instant> + use<> {
        let mut arrivals = [None, None];
        if !self.rng.chance(self.quality.lost) {
            arrivals[0] = Some(now + self.delay());
        }
        if self.quality.doubled > 0 && self.rng.chance(self.quality.doubled) {
            arrivals[1] = Some(now + self.delay());
        }
        arrivals.into_iter().flatten()
    }

    fn delay(&mut self) -> Duration {
        let (least, most) = self.quality.delay;
        let spread = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
        least + Duration::from_nanos(self.rng.below(spread.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_network_delivers_each_once_and_a_lossy_one_as_it_says() {
        let mut perfect = Network::new(Quality::PERFECT, Rng::new([1; 32]));
        let at = Instant::START + Duration::from_millis(1);
        assert_eq!(perfect.carry(Instant::START).collect::<Vec<_>>(), [at]);
        let mut lossy = Network::new(Quality::LOSSY, Rng::new([1; 32]));
        let arrived = (0..10_000).map(|_| lossy.carry(Instant::START).count());
        let arrived = arrived.sum::<usize>();
        assert!((9_500..9_900).contains(&arrived), "{arrived}");
    }
}
