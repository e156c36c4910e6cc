//! How many connections there may be.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The seats of all connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    taken: Arc<Mutex<Taken>>,
    all: usize,
    of_one_client: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// The right to a connection; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    taken: Arc<Mutex<Taken>>,
    client: Option<IpAddr>,
}

impl Seats {
    pub(super) fn new(all: usize, of_one_client: usize) -> Self {
        Self { taken: Arc::default(), all, of_one_client }
    }

    /// None when there is none left, for anybody or for this client. Who speaks for many has no limit of its own.
    pub(super) fn take(&self, client: IpAddr, speaks_for_many: bool) -> Option<Seat> {
        let client = (!speaks_for_many).then(|| network_of(client));
        let mut taken = lock(&self.taken);
        let full = |client| taken.by_client.get(client).is_some_and(|count| *count >= self.of_one_client);
        if taken.all >= self.all || client.as_ref().is_some_and(full) {
            return None;
        }
        taken.all += 1;
        if let Some(client) = client {
            *taken.by_client.entry(client).or_default() += 1;
        }
        Some(Seat { taken: Arc::clone(&self.taken), client })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        let Some(client) = self.client else { return };
        if let Some(count) = taken.by_client.get_mut(&client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_client.remove(&client);
            }
        }
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
fn network_of(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_does_not_take_all_seats_and_what_is_left_is_free_again() {
        let seats = Seats::new(4, 2);
        let take = |client: &str, many: bool| seats.take(client.parse().unwrap(), many);
        let mut held = vec![take("10.0.0.1", false).unwrap(), take("10.0.0.1", false).unwrap()];
        assert!(take("10.0.0.1", false).is_none(), "a third of one client");
        held.push(take("2001:db8::1", false).unwrap());
        held.push(take("2001:db8::2", false).unwrap());
        assert!(take("10.0.0.2", false).is_none() && take("10.0.0.9", true).is_none(), "a fifth of all");
        held.pop();
        assert!(take("10.0.0.1", false).is_none(), "still two of this client");
        assert!(take("10.0.0.2", false).is_some());
        held.clear();
        let proxy: Vec<_> = (0..4).map(|_| take("10.0.0.9", true).unwrap()).collect();
        assert_eq!(lock(&seats.taken).by_client.len(), 0, "nothing is kept of who is gone");
        drop(proxy);
        assert_eq!(lock(&seats.taken).all, 0);
    }
}
