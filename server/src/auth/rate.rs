//! How many requests one user sends from one address: a bucket of tokens for each, which a request takes one of.
//!
//! Generous: people, dashboards and scripts never meet it, a client that runs wild does, before it takes the machine from
//! the others. Who is not logged in is counted by address alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::slowdown::network_of;

/// Requests a second that a client may send for ever.
pub const PER_SECOND: u32 = 200;
/// So many seconds' worth it may send at once.
const BURST_SECONDS: u32 = 20;
/// More clients than this at a time share one bucket (each has about 100 bytes).
const CLIENTS_MAXIMUM: usize = 8192;

type Key = (Option<String>, IpAddr);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// The buckets.
#[derive(Debug)]
pub(super) struct Requests {
    per_second: f64,
    buckets: HashMap<Key, Bucket>,
    /// Of all for whom there is none.
    others: Option<Bucket>,
}

impl Default for Requests {
    fn default() -> Self {
        Self::new(PER_SECOND)
    }
}

impl Requests {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second.max(1)), buckets: HashMap::new(), others: None }
    }

    /// Takes a token; else how long until there is one.
    pub(super) fn take(&mut self, user: Option<&str>, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let (rate, burst) = (self.per_second, self.burst());
        let bucket = self.bucket((user.map(str::to_owned), network_of(address)), now);
        bucket.fill(rate, burst, now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / rate))
    }

    fn burst(&self) -> f64 {
        self.per_second * f64::from(BURST_SECONDS)
    }

    fn bucket(&mut self, key: Key, now: Instant) -> &mut Bucket {
        let full = Bucket { tokens: self.burst(), filled: now };
        if !self.buckets.contains_key(&key) && self.buckets.len() >= CLIENTS_MAXIMUM {
            // Who sent nothing for so long has a full one again, as if it were new.
            let refill = Duration::from_secs(u64::from(BURST_SECONDS));
            self.buckets.retain(|_, bucket| now.saturating_duration_since(bucket.filled) < refill);
            if self.buckets.len() >= CLIENTS_MAXIMUM {
                return self.others.get_or_insert(full);
            }
        }
        self.buckets.entry(key).or_insert(full)
    }
}

impl Bucket {
    fn fill(&mut self, rate: f64, burst: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = passed.mul_add(rate, self.tokens).min(burst);
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut requests = Requests::new(10);
        let now = Instant::now();
        assert!((0..200).all(|_| requests.take(Some("ann"), HERE, now).is_ok()));
        let wait = requests.take(Some("ann"), HERE, now).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(100), "{wait:?}");
        assert!(requests.take(Some("bob"), HERE, now).is_ok(), "another user has a bucket of its own");
        assert!(requests.take(Some("ann"), IpAddr::from([10, 0, 0, 2]), now).is_ok(), "and so has another address");
        assert!(requests.take(Some("ann"), HERE, now + wait).is_ok());
        assert!(requests.take(Some("ann"), HERE, now + wait).is_err());
    }

    #[test]
    fn memory_is_bounded_and_nobody_new_is_locked_out_by_what_is_past() {
        let mut requests = Requests::new(1);
        let now = Instant::now();
        for index in 0..2 * u32::try_from(CLIENTS_MAXIMUM).unwrap() {
            let _ = requests.take(None, IpAddr::V4(index.into()), now);
        }
        assert!(requests.buckets.len() <= CLIENTS_MAXIMUM);
        assert!(requests.take(None, IpAddr::from([255, 0, 0, 1]), now).is_err(), "all others share one");
        let later = now + Duration::from_secs(u64::from(BURST_SECONDS));
        assert!(requests.take(None, IpAddr::from([255, 0, 0, 1]), later).is_ok());
        assert_eq!(requests.buckets.len(), 1);
    }
}
