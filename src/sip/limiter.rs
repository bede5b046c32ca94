//! The limiter in front of the parser: so many requests a second from an address nobody knows.
//!
//! The generic cell rate algorithm with the engine's own time. It holds one instant an address and
//! forgets the address unseen for longest when its table is full. It does not know who is exempt.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::limits;
use crate::time::{Duration, Instant};

/// One address, or the /64 of an IPv6 one: a host may use all of it.
#[must_use]
pub fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// When the bucket will be empty again (the theoretical arrival time).
    empty_at: Instant,
    seen: u64,
}

/// The limiter.
#[derive(Debug)]
pub struct Limiter {
    /// The time one request costs.
    cost: Duration,
    /// How far ahead of the clock a bucket may be filled.
    depth: Duration,
    cells: BTreeMap<IpAddr, Cell>,
    /// Addresses by when they were last seen.
    order: BTreeMap<u64, IpAddr>,
    clock: u64,
    capacity: usize,
}

impl Limiter {
    /// `rate` requests a second, `burst` of them at once.
    #[must_use]
    pub fn new(rate: u32, burst: u32) -> Self {
        Self::with_capacity(rate, burst, limits::LIMITER_ADDRESSES)
    }

    fn with_capacity(rate: u32, burst: u32, capacity: usize) -> Self {
        let cost = Duration::from_secs(1)
            .checked_div(rate.max(1))
            .unwrap_or(Duration::ZERO);
        Self {
            cost,
            depth: cost.saturating_mul(burst.max(1)),
            cells: BTreeMap::new(),
            order: BTreeMap::new(),
            clock: 0,
            capacity,
        }
    }

    /// Whether a request from `address` may pass now.
    pub fn admit(&mut self, now: Instant, address: IpAddr) -> bool {
        let address = prefix(address);
        self.clock += 1;
        let empty_at = match self.cells.get(&address) {
            Some(cell) => {
                self.order.remove(&cell.seen);
                cell.empty_at.max(now)
            }
            None => {
                self.make_room();
                now
            }
        };
        let filled = empty_at + self.cost;
        let admitted = filled.since(now) <= self.depth;
        let cell = Cell {
            empty_at: if admitted { filled } else { empty_at },
            seen: self.clock,
        };
        self.cells.insert(address, cell);
        self.order.insert(self.clock, address);
        admitted
    }

    fn make_room(&mut self) {
        while self.cells.len() >= self.capacity {
            let Some((_, oldest)) = self.order.pop_first() else {
                return;
            };
            self.cells.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut limiter = Limiter::new(10, 5);
        let passed = (0..20).filter(|_| limiter.admit(at(0), address(1))).count();
        assert_eq!(passed, 5);
        assert!(!limiter.admit(at(99), address(1)));
        assert!(limiter.admit(at(100), address(1)));
        assert!(!limiter.admit(at(101), address(1)));
        let sustained = (0..1000)
            .filter(|step| limiter.admit(at(10_000 + step * 10), address(1)))
            .count();
        assert!((100..=105).contains(&sustained), "{sustained}");
    }

    #[test]
    fn one_address_never_pays_for_another() {
        let mut limiter = Limiter::new(1, 1);
        assert!(limiter.admit(at(0), address(1)));
        assert!(!limiter.admit(at(0), address(1)));
        assert!(limiter.admit(at(0), address(2)));
    }

    #[test]
    fn a_full_table_forgets_the_one_unseen_for_longest() {
        let mut limiter = Limiter::with_capacity(1, 1, 2);
        assert!(limiter.admit(at(0), address(1)));
        assert!(limiter.admit(at(0), address(2)));
        assert!(!limiter.admit(at(0), address(1)));
        assert!(limiter.admit(at(0), address(3)));
        assert_eq!(limiter.cells.len(), 2);
        assert!(!limiter.admit(at(0), address(1)));
        assert!(limiter.admit(at(0), address(2)));
    }

    #[test]
    fn the_hosts_of_one_ipv6_network_share_a_bucket() {
        let mut limiter = Limiter::new(1, 1);
        assert!(limiter.admit(at(0), "2001:db8::1".parse().unwrap()));
        assert!(!limiter.admit(at(0), "2001:db8::2".parse().unwrap()));
        assert!(limiter.admit(at(0), "2001:db8:0:1::2".parse().unwrap()));
    }

    #[test]
    fn a_million_addresses_are_no_more_memory_than_the_table_has_room_for() {
        let mut limiter = Limiter::new(50, 200);
        for number in 0..1_000_000_u32 {
            let now = Instant::from_nanos(u64::from(number) * 1_000);
            assert!(limiter.admit(now, IpAddr::V4((0x0a00_0000 + number).into())));
        }
        assert_eq!(limiter.cells.len(), limits::LIMITER_ADDRESSES);
        assert_eq!(limiter.order.len(), limits::LIMITER_ADDRESSES);
    }

    #[test]
    fn a_million_hosts_of_one_ipv6_network_are_one_address() {
        let mut limiter = Limiter::new(50, 200);
        let admitted = (0..1_000_000_u32).filter(|number| {
            let host = (0x2001_0db8_u128 << 96) + u128::from(*number);
            limiter.admit(at(0), IpAddr::V6(host.into()))
        });
        assert_eq!(admitted.count(), 200);
        assert_eq!((limiter.cells.len(), limiter.order.len()), (1, 1));
    }
}
