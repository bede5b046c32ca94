//! Who sits on how many connections: in all, by address, and how many have said nothing yet; and how fast
//! an address opens them, because a handshake costs more than a request. Of IPv6 a /64 is one address.
//!
//! Not a limiter of requests: that is the engine's. A connection over a bound is closed at once, before
//! anything is read from it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits;
use crate::sip::limiter::{Limiter, prefix};
use crate::time::Instant;

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

#[derive(Debug)]
struct Counts {
    arrivals: Limiter,
    by_address: BTreeMap<IpAddr, usize>,
    all: usize,
    fresh: usize,
    refused: u64,
}

/// Counts open connections.
#[derive(Debug)]
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

impl Default for Census {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl Census {
    /// A census with nobody in it.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let (rate, burst) = limits::TCP_ARRIVALS;
        Self {
            bounds,
            counts: Mutex::new(Counts {
                arrivals: Limiter::new(rate, burst),
                by_address: BTreeMap::new(),
                all: 0,
                fresh: 0,
                refused: 0,
            }),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `address`, while there is one.
    #[must_use]
    pub fn seat(self: &Arc<Self>, now: Instant, address: IpAddr) -> Option<Seat> {
        let address = prefix(address);
        let mut counts = self.counts();
        let fast = !counts.arrivals.admit(now, address);
        let mine = counts.by_address.get(&address).copied().unwrap_or(0);
        let full = fast
            || mine >= self.bounds.per_address
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
        let seat = |address| census.seat(Instant::START, address);
        let mut first = seat(address(1)).unwrap();
        let second = seat("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(seat(address(1)).is_none(), "two of one address");
        let _third = seat(address(2)).unwrap();
        assert!(seat(address(3)).is_none(), "three have said nothing");
        first.settle();
        let _fourth = seat(address(3)).unwrap();
        first.settle();
        assert!(seat(address(4)).is_none(), "four in all");
        assert_eq!((census.open(), census.refused()), (4, 3));
        drop(first);
        drop(second);
        assert_eq!(census.open(), 2);
        assert!(seat(address(1)).is_some());
        assert_eq!(census.counts().by_address.len(), 2, "nobody is left behind");
    }

    #[test]
    fn an_address_opens_connections_no_faster_than_a_hall_of_phones_comes_back() {
        let census = Arc::new(Census::default());
        let (rate, burst) = limits::TCP_ARRIVALS;
        let opened = |now, from: &str, tries: u32| {
            let from = from.parse().unwrap();
            (0..tries)
                .filter(|_| census.seat(now, from).is_some())
                .count()
        };
        let most = usize::try_from(burst).unwrap();
        assert_eq!(opened(Instant::START, "2001:db8::1", burst * 2), most);
        let sister = opened(Instant::START, "2001:db8::2", 10);
        assert_eq!(sister, 0, "a host may use all of its /64");
        assert_eq!(opened(Instant::START, "2001:db8:0:1::1", 10), 10);
        let later = Instant::START + crate::time::Duration::from_secs(1);
        let more = opened(later, "2001:db8::1", burst);
        assert_eq!(more, usize::try_from(rate).unwrap());
    }
}
