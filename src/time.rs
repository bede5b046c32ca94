//! Time as the engine knows it: a monotonic instant, the wall clock beside it, and named timers.
//!
//! This file reads no clock. The shell (or the simulator) says what time it is with every input, so
//! a run can be repeated to the nanosecond.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, Sub};

pub use std::time::Duration;

/// Nanoseconds since the process (or the simulation) started; never steps back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The start of the process.
    pub const START: Self = Self(0);

    /// The instant `nanos` nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}s",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

/// Wall-clock time, UTC, milliseconds since 1970. It may step; durations never come from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Wall(i64);

impl Wall {
    /// From milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl Wall {
    /// The same moment on a clock that was set by so many milliseconds.
    #[must_use]
    pub const fn moved(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl Add<Duration> for Wall {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

/// RFC 3339 in UTC with milliseconds, as CloudEvents' `time` wants it.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(stamp) => write!(f, "{stamp:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// The two clocks, read together by the shell at the moment an input is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Durations and timers go by this one.
    pub mono: Instant,
    /// What people and other systems call the time.
    pub wall: Wall,
}

impl Now {
    /// By how many milliseconds the wall clock was set since `earlier`: what it moved by beside the time
    /// that passed.
    #[must_use]
    pub fn set_since(self, earlier: Self) -> i64 {
        let expected = earlier.wall + self.mono.since(earlier.mono);
        self.wall.as_millis().saturating_sub(expected.as_millis())
    }
}

/// When the engine wants to be called again, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wakeup {
    /// The earliest instant at which something is due.
    pub at: Instant,
    /// Which timer it is, for traces.
    pub why: &'static str,
}

/// A set of timers by key; setting a key again moves it. Equal instants fire in the order they were
/// set, so that a run is the same each time.
#[derive(Debug, Clone)]
pub struct Timers<K: Ord + Clone> {
    by_time: BTreeMap<(Instant, u64), K>,
    by_key: BTreeMap<K, (Instant, u64)>,
    next: u64,
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Self {
            by_time: BTreeMap::new(),
            by_key: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Starts or moves the timer `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        self.cancel(&key);
        let slot = (at, self.next);
        self.next += 1;
        self.by_time.insert(slot, key.clone());
        self.by_key.insert(key, slot);
    }

    /// Stops the timer `key`; says whether it ran.
    pub fn cancel(&mut self, key: &K) -> bool {
        match self.by_key.remove(key) {
            Some(slot) => self.by_time.remove(&slot).is_some(),
            None => false,
        }
    }

    /// When `key` is due, if it runs.
    #[must_use]
    pub fn due(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).map(|slot| slot.0)
    }

    /// The earliest instant at which a timer is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|((at, _), _)| *at)
    }

    /// The timer that is due first, and when.
    #[must_use]
    pub fn first(&self) -> Option<(Instant, &K)> {
        let ((at, _), key) = self.by_time.first_key_value()?;
        Some((*at, key))
    }

    /// Takes one timer that is due at `now`, the earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (slot, _) = self.by_time.first_key_value()?;
        if slot.0 > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// How many timers run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no timer runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_of_time_then_of_setting() {
        let mut timers = Timers::default();
        timers.set("b", Instant::from_nanos(5));
        timers.set("a", Instant::from_nanos(5));
        timers.set("c", Instant::from_nanos(1));
        timers.set("b", Instant::from_nanos(5));
        let mut fired = Vec::new();
        while let Some(key) = timers.pop_due(Instant::from_nanos(5)) {
            fired.push(key);
        }
        assert_eq!(fired, ["c", "a", "b"]);
        assert!(timers.is_empty());
    }

    #[test]
    fn wall_time_is_rfc_3339_with_milliseconds() {
        assert_eq!(
            Wall::from_millis(1_700_000_000_120).to_string(),
            "2023-11-14T22:13:20.120Z"
        );
    }
}
