//! Silence for those who guess passwords: a user at an address, or the whole address.
//!
//! The owner of a guessed name, at another address, never notices.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::limits;
use crate::sip::limiter::prefix;
use crate::time::{Duration, Instant};

/// Failures are counted, and silence lasts, this long.
const WINDOW: Duration = Duration::from_secs(60);
/// Failures of one user at one address in a window that bring silence.
const FAILURES: u32 = 20;
/// Users that failed at one address in a window that bring silence to the address.
const USERS: usize = 20;

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    failures: u32,
    silent_until: Instant,
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

        found
            .users
            .retain(|_, count| now.since(count.since) < WINDOW || count.silent_until > now);
        let count = found.users.entry(user).or_insert(Count {
            since: now,
            failures: 0,
            silent_until: Instant::START,
        });
        count.failures += 1;
        if count.failures >= FAILURES {
            *count = Count {
                since: now,
                failures: 0,
                silent_until: now + WINDOW,
            };
        }
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
}
