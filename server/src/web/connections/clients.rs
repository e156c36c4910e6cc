//! How many connections one client has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Counts = HashMap<IpAddr, usize>;

/// The clients that have connections.
#[derive(Debug)]
pub(super) struct Clients {
    counts: Arc<Mutex<Counts>>,
    of_one: usize,
}

/// A connection of a client; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    counts: Arc<Mutex<Counts>>,
    client: Option<IpAddr>,
}

impl Clients {
    pub(super) fn new(of_one: usize) -> Self {
        Self { counts: Arc::default(), of_one }
    }

    /// None when the client has as many as it may. Who speaks for many has no limit of its own.
    pub(super) fn take(&self, client: IpAddr, speaks_for_many: bool) -> Option<Share> {
        let client = (!speaks_for_many).then(|| network_of(client));
        if let Some(client) = client {
            let mut counts = lock(&self.counts);
            let count = counts.entry(client).or_default();
            if *count >= self.of_one {
                return None;
            }
            *count += 1;
        }
        Some(Share { counts: Arc::clone(&self.counts), client })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&client);
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

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_its_share_and_a_proxy_all_it_asks_for() {
        let clients = Clients::new(2);
        let take = |client: &str, many: bool| clients.take(client.parse().unwrap(), many);
        let mut held = vec![take("10.0.0.1", false).unwrap(), take("10.0.0.1", false).unwrap()];
        assert!(take("10.0.0.1", false).is_none(), "a third of one client");
        held.push(take("2001:db8::1", false).unwrap());
        held.push(take("2001:db8::2", false).unwrap());
        assert!(take("2001:db8::3", false).is_none(), "the same client by another of its addresses");
        assert!((0..9).all(|_| take("10.0.0.9", true).is_some()));
        held.remove(0);
        assert!(take("10.0.0.1", false).is_some(), "one place is free again");
        held.clear();
        assert!(lock(&clients.counts).is_empty(), "nothing is kept of who is gone");
    }
}
