//! The pulse of the engine's thread, and whether new calls are taken.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::server::clock::Clock;
use crate::time::{Duration, Instant};

/// Without a beat for this long the engine counts as dead. The driver wakes at least once a second.
const PULSE: Duration = Duration::from_secs(5);

/// Where in its life the server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Listeners are not open yet.
    Starting,
    /// New calls are taken.
    Ready,
    /// Calls under way finish, new ones get 503.
    Draining,
}

/// Written by the driver, read by `/healthz` and `/readyz`.
#[derive(Debug)]
pub struct Health {
    clock: Clock,
    beat: AtomicU64,
    phase: AtomicU8,
}

impl Health {
    /// Starting, and alive.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            beat: AtomicU64::new(clock.now().mono.as_nanos()),
            phase: AtomicU8::new(0),
        }
    }

    /// The driver has come round once more; at least once a second.
    pub fn beat(&self, now: Instant) {
        self.beat.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// A new part of its life begins.
    pub fn enter(&self, phase: Phase) {
        let number = match phase {
            Phase::Starting => 0,
            Phase::Ready => 1,
            Phase::Draining => 2,
        };
        self.phase.store(number, Ordering::Relaxed);
    }

    /// Where in its life the server is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Whether the driver came round lately.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let beat = Instant::from_nanos(self.beat.load(Ordering::Relaxed));
        self.clock.now().mono.since(beat) < PULSE
    }
}
