//! What the media threads count. Numbers only grow, but for the recordings that are open.

use std::sync::atomic::{AtomicU64, Ordering};

/// The live counts, written by every media thread and the recorder.
#[derive(Default, Debug)]
pub(super) struct Tally {
    pub(super) packets_in: AtomicU64,
    pub(super) packets_out: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) strangers: AtomicU64,
    pub(super) garbage: AtomicU64,
    pub(super) forged: AtomicU64,
    pub(super) ports_open: AtomicU64,
    pub(super) recordings_open: AtomicU64,
    pub(super) recording_bytes: AtomicU64,
    pub(super) recording_lost: AtomicU64,
    pub(super) recording_failures: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets that came, strangers' and garbage included.
    pub packets_in: u64,
    /// Packets that were sent.
    pub packets_out: u64,
    /// Packets of our peers that never came.
    pub lost: u64,
    /// Packets of somebody who is no party; dropped.
    pub strangers: u64,
    /// Packets of a party that were no RTP of the agreed kind; dropped.
    pub garbage: u64,
    /// Packets of a party that failed their authentication, or came twice; dropped.
    pub forged: u64,
    /// Ports in use.
    pub ports_open: u64,
    /// Recordings that have not ended.
    pub recordings_open: u64,
    /// Bytes of sound written to recordings.
    pub recording_bytes: u64,
    /// Packets that a recording lost because its disk was too slow.
    pub recording_lost: u64,
    /// How often a recording lost sound or failed.
    pub recording_failures: u64,
}

impl Tally {
    pub(super) fn snapshot(&self) -> Counters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counters {
            packets_in: read(&self.packets_in),
            packets_out: read(&self.packets_out),
            lost: read(&self.lost),
            strangers: read(&self.strangers),
            garbage: read(&self.garbage),
            forged: read(&self.forged),
            ports_open: read(&self.ports_open),
            recordings_open: read(&self.recordings_open),
            recording_bytes: read(&self.recording_bytes),
            recording_lost: read(&self.recording_lost),
            recording_failures: read(&self.recording_failures),
        }
    }
}

/// Adds to a count.
pub(super) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

/// Takes one from a count.
pub(super) fn take_one(count: &AtomicU64) {
    count.fetch_sub(1, Ordering::Relaxed);
}
