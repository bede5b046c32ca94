//! Who sits on how many connections: in all, by address, and how many have said nothing yet.
//!
//! Not a limiter of requests: that is the engine's. A connection over a bound is closed at once, before
//! anything is read from it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits;

/// How many connections there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// In all.
    pub all: usize,
    /// From one address.
    pub per_address: usize,
    /// That have not said a whole message yet, their handshake included.
    pub fresh: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            all: limits::TCP_CONNECTIONS,
            per_address: limits::TCP_CONNECTIONS_PER_ADDRESS,
            fresh: limits::TCP_FRESH,
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    by_address: BTreeMap<IpAddr, usize>,
    all: usize,
    fresh: usize,
    refused: u64,
}

/// Counts open connections.
#[derive(Debug, Default)]
pub struct Census {
    bounds: Bounds,
    counts: Mutex<Counts>,
}

/// One connection's place; leaving frees it.
#[derive(Debug)]
pub struct Seat {
    census: Arc<Census>,
    address: IpAddr,
    fresh: bool,
}

impl Census {
    /// A census with nobody in it.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            counts: Mutex::default(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `address`, while there is one.
    #[must_use]
    pub fn seat(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let mut counts = self.counts();
        let mine = counts.by_address.get(&address).copied().unwrap_or(0);
        let full = mine >= self.bounds.per_address
            || counts.all >= self.bounds.all
            || counts.fresh >= self.bounds.fresh;
        if full {
            counts.refused += 1;
            return None;
        }
        counts.by_address.insert(address, mine + 1);
        counts.all += 1;
        counts.fresh += 1;
        Some(Seat {
            census: Arc::clone(self),
            address,
            fresh: true,
        })
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counts().all
    }

    /// Connections that were closed because there was no place.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.counts().refused
    }
}

impl Seat {
    /// It has said a whole message.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.fresh) {
            let mut counts = self.census.counts();
            counts.fresh = counts.fresh.saturating_sub(1);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.settle();
        let mut counts = self.census.counts();
        match counts.by_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                counts.by_address.remove(&self.address);
            }
        }
        counts.all = counts.all.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn each_bound_refuses_on_its_own_and_what_leaves_makes_room() {
        let bounds = Bounds {
            all: 4,
            per_address: 2,
            fresh: 3,
        };
        let census = Arc::new(Census::new(bounds));
        let mut first = census.seat(address(1)).unwrap();
        let second = census.seat("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(census.seat(address(1)).is_none(), "two of one address");
        let _third = census.seat(address(2)).unwrap();
        assert!(census.seat(address(3)).is_none(), "three have said nothing");
        first.settle();
        let _fourth = census.seat(address(3)).unwrap();
        first.settle();
        assert!(census.seat(address(4)).is_none(), "four in all");
        assert_eq!((census.open(), census.refused()), (4, 3));
        drop(first);
        drop(second);
        assert_eq!(census.open(), 2);
        assert!(census.seat(address(1)).is_some());
        assert_eq!(census.counts().by_address.len(), 2, "nobody is left behind");
    }
}
