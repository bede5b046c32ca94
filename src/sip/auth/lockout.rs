//! Silence for those who guess passwords: a user at an address, or the whole address.
//!
//! The owner of a guessed name, at another address, never notices.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::limits;
use crate::sip::limiter::prefix;
use crate::time::{Duration, Instant};

/// Silence lasts this long, and failures add up over at least as long.
const WINDOW: Duration = Duration::from_secs(60);
/// Failures are counted by slots of this length, so that no minute of any start escapes.
const SLOT: Duration = Duration::from_secs(10);
/// The slots that are looked back over: those of a window and the one under way.
const SLOTS: usize = 7;
/// Failures of one user at one address in a window that bring silence.
const FAILURES: u32 = 20;
/// Users that failed at one address in a window that bring silence to the address.
const USERS: usize = 20;

/// What one user failed at one address.
#[derive(Clone, Copy, Debug)]
struct Count {
    /// Failures of the latest slots, the newest first.
    failures: [u32; SLOTS],
    newest: u64,
    silent_until: Instant,
}

impl Count {
    const fn new(now: Instant) -> Self {
        Self {
            failures: [0; SLOTS],
            newest: slot(now),
            silent_until: Instant::START,
        }
    }

    /// Lets slots that are over grow old.
    fn turn(&mut self, now: Instant) {
        let over = slot(now).saturating_sub(self.newest);
        let over = usize::try_from(over).unwrap_or(SLOTS).min(SLOTS);
        self.newest = self.newest.max(slot(now));
        self.failures.rotate_right(over % SLOTS);
        self.failures.iter_mut().take(over).for_each(|old| *old = 0);
    }

    fn recent(&self) -> u32 {
        self.failures.iter().sum()
    }

    fn fail(&mut self, now: Instant) {
        self.turn(now);
        if let Some(newest) = self.failures.first_mut() {
            *newest += 1;
        }
        if self.recent() >= FAILURES {
            self.failures = [0; SLOTS];
            self.silent_until = now + WINDOW;
        }
    }
}

const fn slot(now: Instant) -> u64 {
    now.as_nanos() / (SLOT.as_secs() * 1_000_000_000)
}

#[derive(Debug, Default)]
struct Address {
    users: BTreeMap<u128, Count>,
    silent_until: Instant,
    seen: u64,
}

/// The table of failures.
#[derive(Debug, Default)]
pub struct Lockout {
    addresses: BTreeMap<IpAddr, Address>,
    /// Addresses by when they last failed.
    order: BTreeMap<u64, IpAddr>,
    clock: u64,
}

impl Lockout {
    /// Whether nothing from this address is answered.
    #[must_use]
    pub fn silences(&self, now: Instant, address: IpAddr) -> bool {
        self.addresses
            .get(&prefix(address))
            .is_some_and(|found| found.silent_until > now)
    }

    /// Whether this user (by a hash of the name) gets no answer at this address.
    #[must_use]
    pub fn silences_user(&self, now: Instant, address: IpAddr, user: u128) -> bool {
        self.addresses
            .get(&prefix(address))
            .and_then(|found| found.users.get(&user))
            .is_some_and(|count| count.silent_until > now)
    }

    /// A digest of this user failed at this address.
    pub fn fail(&mut self, now: Instant, address: IpAddr, user: u128) {
        let address = prefix(address);
        if !self.addresses.contains_key(&address) {
            self.make_room();
        }
        self.clock += 1;
        let found = self.addresses.entry(address).or_default();
        self.order.remove(&found.seen);
        found.seen = self.clock;
        self.order.insert(self.clock, address);

        found.users.retain(|_, count| {
            count.turn(now);
            count.recent() > 0 || count.silent_until > now
        });
        let count = found.users.entry(user).or_insert(Count::new(now));
        count.fail(now);
        if found.users.len() >= USERS {
            found.silent_until = now + WINDOW;
            found.users.clear();
        }
    }

    fn make_room(&mut self) {
        while self.addresses.len() >= limits::LOCKOUT_ADDRESSES {
            let Some((_, oldest)) = self.order.pop_first() else {
                return;
            };
            self.addresses.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn twenty_failures_silence_a_user_at_one_address_for_a_minute() {
        let mut lockout = Lockout::default();
        let now = Instant::START + WINDOW;
        for _ in 0..19 {
            lockout.fail(now, HOME, 1);
        }
        assert!(!lockout.silences_user(now, HOME, 1));
        lockout.fail(now, HOME, 1);
        assert!(lockout.silences_user(now, HOME, 1));
        assert!(!lockout.silences_user(now, HOME, 2));
        assert!(!lockout.silences_user(now, AWAY, 1));
        assert!(!lockout.silences(now, HOME));
        assert!(!lockout.silences_user(now + WINDOW, HOME, 1));
    }

    #[test]
    fn slow_failures_do_not_add_up() {
        let mut lockout = Lockout::default();
        for step in 0..100 {
            let now = Instant::START + Duration::from_secs(step * 4);
            lockout.fail(now, HOME, 1);
            assert!(!lockout.silences_user(now, HOME, 1), "{step}");
        }
    }

    #[test]
    fn no_minute_of_any_start_has_more_than_nineteen_failures() {
        for start in (0..120).step_by(7) {
            let mut lockout = Lockout::default();
            let start = Instant::START + Duration::from_secs(start);
            lockout.fail(start, HOME, 1);
            let burst = start + Duration::from_secs(55);
            (0..18).for_each(|_| lockout.fail(burst, HOME, 1));
            let later = start + Duration::from_secs(62);
            assert!(!lockout.silences_user(later, HOME, 1));
            lockout.fail(later, HOME, 1);
            lockout.fail(later, HOME, 1);
            assert!(lockout.silences_user(later, HOME, 1));
        }
    }

    #[test]
    fn twenty_users_silence_their_address() {
        let mut lockout = Lockout::default();
        let now = Instant::START;
        for user in 0..20 {
            assert!(!lockout.silences(now, HOME));
            lockout.fail(now, HOME, user);
        }
        assert!(lockout.silences(now, HOME));
        assert!(!lockout.silences(now, AWAY));
        assert!(!lockout.silences(now + WINDOW, HOME));
    }

    #[test]
    fn a_user_counts_by_the_last_failure_and_not_by_the_first() {
        let mut lockout = Lockout::default();
        let at = |secs| Instant::START + Duration::from_secs(secs);
        lockout.fail(at(0), HOME, 0);
        lockout.fail(at(59), HOME, 0);
        for user in 1..20 {
            assert!(!lockout.silences(at(62), HOME), "{user}");
            lockout.fail(at(62), HOME, user);
        }
        assert!(lockout.silences(at(62), HOME));
    }

    #[test]
    fn a_million_addresses_are_no_more_memory_than_the_table_has_room_for() {
        let mut lockout = Lockout::default();
        for number in 0..1_000_000_u32 {
            let now = Instant::START + Duration::from_micros(u64::from(number));
            lockout.fail(now, IpAddr::V4((0x0a00_0000 + number).into()), 1);
        }
        assert_eq!(lockout.addresses.len(), limits::LOCKOUT_ADDRESSES);
        assert_eq!(lockout.order.len(), limits::LOCKOUT_ADDRESSES);
        let users = lockout.addresses.values().map(|found| found.users.len());
        assert_eq!(users.sum::<usize>(), limits::LOCKOUT_ADDRESSES);
    }

    #[test]
    fn a_million_users_of_one_ipv6_network_are_one_address_with_few_of_them() {
        let mut lockout = Lockout::default();
        for number in 0..1_000_000_u32 {
            let now = Instant::START + Duration::from_micros(u64::from(number));
            let host = (0x2001_0db8_u128 << 96) + u128::from(number);
            lockout.fail(now, IpAddr::V6(host.into()), u128::from(number));
        }
        assert_eq!((lockout.addresses.len(), lockout.order.len()), (1, 1));
        let found = lockout.addresses.values().next().unwrap();
        assert!(found.users.len() < USERS);
    }
}
