//! The engine thread's inbox: one lane for the server's own words, one bounded lane for the network.
//!
//! Own words are few and never lost; a flood from outside fills its own lane and is dropped there,
//! counted. Not a general channel: one reader, and no order between the lanes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

struct Lanes<T> {
    own: VecDeque<T>,
    network: VecDeque<T>,
}

/// An inbox with two lanes.
pub struct Mailbox<T> {
    lanes: Mutex<Lanes<T>>,
    wake: Condvar,
    bound: usize,
    dropped: AtomicU64,
}

impl<T> Mailbox<T> {
    /// An inbox whose network lane holds `bound` messages.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            lanes: Mutex::new(Lanes {
                own: VecDeque::new(),
                network: VecDeque::new(),
            }),
            wake: Condvar::new(),
            bound,
            dropped: AtomicU64::new(0),
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes<T>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A word of the server's own parts.
    pub fn post(&self, message: T) {
        self.lanes().own.push_back(message);
        self.wake.notify_one();
    }

    /// A message from the network; false when the lane is full and it was dropped.
    pub fn post_network(&self, message: T) -> bool {
        let taken = self.offer(message);
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// A message of a sender who can wait; false when the lane is full, and then it is to come again.
    pub fn offer(&self, message: T) -> bool {
        let mut lanes = self.lanes();
        if lanes.network.len() >= self.bound {
            return false;
        }
        lanes.network.push_back(message);
        drop(lanes);
        self.wake.notify_one();
        true
    }

    /// A word that must not overtake the network's messages before it, and is never dropped: the end of
    /// a connection. There are no more of them than connections.
    pub fn post_behind(&self, message: T) {
        self.lanes().network.push_back(message);
        self.wake.notify_one();
    }

    /// Takes all that is there, own words first, into `taken`; waits up to `patience` for the first.
    pub fn take(&self, patience: Duration, most: usize, taken: &mut Vec<T>) {
        let mut lanes = self.lanes();
        if lanes.own.is_empty() && lanes.network.is_empty() {
            let waited = self.wake.wait_timeout_while(lanes, patience, |lanes| {
                lanes.own.is_empty() && lanes.network.is_empty()
            });
            lanes = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        taken.extend(lanes.own.drain(..));
        let room = most.min(lanes.network.len());
        taken.extend(lanes.network.drain(..room));
    }

    /// How many messages of the network were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_fills_its_own_lane_alone() {
        let mailbox = Mailbox::new(2);
        assert!(mailbox.post_network("n1") && mailbox.post_network("n2"));
        assert!(!mailbox.post_network("n3"));
        assert!(!mailbox.offer("n3"), "who can wait is not counted as lost");
        mailbox.post_behind("end");
        mailbox.post("own");
        let mut taken = Vec::new();
        mailbox.take(Duration::ZERO, 10, &mut taken);
        assert_eq!(taken, ["own", "n1", "n2", "end"]);
        assert_eq!(mailbox.dropped(), 1);
    }
}
