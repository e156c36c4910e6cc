//! Wrong passwords cost time: the more of them, the longer the wait before the next try.
//!
//! Failures are counted in three ways, each with its own patience, and a try must wait for the slowest of them:
//!
//! | counted by | free tries | longest wait | against |
//! |---|---|---|---|
//! | user and address | 3 | 5 min | guessing one password |
//! | address | 10 | 5 min | guessing many users' passwords |
//! | user | 20 | 30 s | guessing from many addresses |
//!
//! The wait starts with a second and doubles. Nobody else waits: other users log in from the same address until that
//! address is out of patience, and a user who has logged in from an address before is not held up there by what
//! strangers try elsewhere. Memory is bounded; the oldest failures are forgotten first.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// First wait.
const BASE: Duration = Duration::from_secs(1);
/// Failures are forgotten when nothing was tried for this long.
const MEMORY: Duration = Duration::from_secs(15 * 60);
/// A good login vouches for its address for this long.
const TRUST: Duration = Duration::from_secs(24 * 60 * 60);
/// More entries than this are no people any more (each has about 100 bytes).
const ENTRIES_MAXIMUM: usize = 8192;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Pair(String, IpAddr),
    Address(IpAddr),
    User(String),
}

impl Key {
    const fn free_tries(&self) -> u32 {
        match self {
            Self::Pair(..) => 3,
            Self::Address(_) => 10,
            Self::User(_) => 20,
        }
    }

    const fn longest_wait(&self) -> Duration {
        match self {
            Self::Pair(..) | Self::Address(_) => Duration::from_secs(300),
            Self::User(_) => Duration::from_secs(30),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

/// The memory of wrong logins.
#[derive(Debug, Default)]
pub(crate) struct Slowdown {
    failures: HashMap<Key, Failures>,
    good: HashMap<(String, IpAddr), Instant>,
}

impl Slowdown {
    /// How long this user has to wait at this address; zero means: go on.
    pub(crate) fn wait(&self, user: &str, address: IpAddr, now: Instant) -> Duration {
        let address = network_of(address);
        let known = self.good.get(&(user.to_owned(), address)).is_some_and(|at| now < *at + TRUST);
        keys(user, address)
            .filter(|key| !(known && matches!(key, Key::User(_))))
            .filter_map(|key| self.failures.get(&key).map(|failures| failures.wait(&key, now)))
            .max()
            .unwrap_or_default()
    }

    pub(crate) fn failed(&mut self, user: &str, address: IpAddr, now: Instant) {
        if self.failures.len() >= ENTRIES_MAXIMUM {
            self.forget_old(now);
        }
        for key in keys(user, network_of(address)) {
            let failures = self.failures.entry(key).or_insert(Failures { count: 0, last: now });
            if now > failures.last + MEMORY {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
    }

    pub(crate) fn succeeded(&mut self, user: &str, address: IpAddr, now: Instant) {
        let address = network_of(address);
        self.failures.remove(&Key::Pair(user.to_owned(), address));
        if self.good.len() >= ENTRIES_MAXIMUM {
            let oldest = self.good.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.good.remove(&key));
        }
        self.good.insert((user.to_owned(), address), now);
    }

    fn forget_old(&mut self, now: Instant) {
        self.failures.retain(|_, failures| now < failures.last + MEMORY);
        if self.failures.len() < ENTRIES_MAXIMUM {
            return;
        }
        let mut times: Vec<Instant> = self.failures.values().map(|failures| failures.last).collect();
        let quarter = times.len() / 4;
        let (_, limit, _) = times.select_nth_unstable(quarter);
        let limit = *limit;
        self.failures.retain(|_, failures| failures.last > limit);
    }
}

impl Failures {
    fn wait(self, key: &Key, now: Instant) -> Duration {
        let Some(doublings) = self.count.checked_sub(key.free_tries()) else { return Duration::ZERO };
        if now > self.last + MEMORY {
            return Duration::ZERO;
        }
        let wait = BASE.saturating_mul(1 << doublings.min(20)).min(key.longest_wait());
        (self.last + wait).saturating_duration_since(now)
    }
}

fn keys(user: &str, address: IpAddr) -> impl Iterator<Item = Key> {
    [Key::Pair(user.to_owned(), address), Key::Address(address), Key::User(user.to_owned())].into_iter()
}

/// One subscriber has a whole IPv6 /64; counting single addresses of it would count nothing.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let mask = u128::MAX << 64;
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_ends() {
        let mut slowdown = Slowdown::default();
        let now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..14 {
            slowdown.failed("ann", HERE, now);
            waits.push(slowdown.wait("ann", HERE, now).as_secs());
        }
        assert_eq!(waits[..6], [0, 0, 1, 2, 4, 8]);
        assert_eq!(waits[13], 300);
        assert_eq!(slowdown.wait("ann", HERE, now + Duration::from_secs(300)), Duration::ZERO);
    }

    #[test]
    fn others_go_on() {
        let mut slowdown = Slowdown::default();
        let now = Instant::now();
        for _ in 0..8 {
            slowdown.failed("ann", HERE, now);
        }
        assert!(slowdown.wait("ann", HERE, now) > Duration::ZERO);
        assert_eq!(slowdown.wait("ann", THERE, now), Duration::ZERO);
        assert_eq!(slowdown.wait("bob", HERE, now), Duration::ZERO);
    }

    #[test]
    fn strangers_cannot_lock_out_who_logged_in_before() {
        let mut slowdown = Slowdown::default();
        let now = Instant::now();
        slowdown.succeeded("ann", HERE, now);
        for last in 0..40 {
            slowdown.failed("ann", IpAddr::from([10, 1, 0, last]), now);
        }
        assert_eq!(slowdown.wait("ann", HERE, now), Duration::ZERO);
        assert_eq!(slowdown.wait("ann", THERE, now), Duration::from_secs(30));
    }

    #[test]
    fn an_address_that_tries_many_users_waits() {
        let mut slowdown = Slowdown::default();
        let now = Instant::now();
        for user in 0..12 {
            slowdown.failed(&format!("user-{user}"), HERE, now);
        }
        assert!(slowdown.wait("somebody", HERE, now) >= Duration::from_secs(2));
    }

    #[test]
    fn memory_is_bounded() {
        let mut slowdown = Slowdown::default();
        let now = Instant::now();
        for index in 0..20_000_u32 {
            let at = now + Duration::from_millis(u64::from(index));
            slowdown.failed(&format!("user-{index}"), IpAddr::V4(index.into()), at);
        }
        assert!(slowdown.failures.len() <= ENTRIES_MAXIMUM + 3, "{}", slowdown.failures.len());
    }

    #[test]
    fn neighbours_of_one_ipv6_network_are_one() {
        let mut slowdown = Slowdown::default();
        let now = Instant::now();
        for host in 0..5_u128 {
            slowdown.failed("ann", IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | host)), now);
        }
        assert!(slowdown.wait("ann", "2001:db8::ffff".parse().unwrap(), now) > Duration::ZERO);
    }
}
