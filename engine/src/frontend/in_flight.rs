//! How much may be in flight: requests of one connection, and bytes of all connections of a server (NBD or iSCSI).
//!
//! A request holds memory for its data from before they are read until it is answered. Small requests are bounded by the
//! number of requests of their connection: nobody else can keep them waiting. Larger ones share a pool, so that many
//! connections together hold no more memory than a few; of that no connection takes more than its part, so that one
//! client which does not read its answers leaves room for others.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Deep enough to keep several disks busy (clients seldom go past 64), small enough that one connection can't bury
/// the volume in work.
pub(super) const MAX_REQUESTS: usize = 128;
/// Requests up to this size do not count as bytes. With [`MAX_REQUESTS`] of each connection they take 8 MiB.
pub(super) const SMALL_BYTES: u32 = 64 << 10;
/// Of one connection, for larger requests: the largest one that any server takes, or two of the size that clients are told.
pub(super) const CONNECTION_BYTES: u32 = 64 << 20;
/// Of all connections of a server, for larger requests. With the small ones of 32 NBD connections, or of 32 iSCSI sessions,
/// a server holds about 512 MiB at most, however it is used.
const SERVER_BYTES: u32 = 256 << 20;
/// Permits count in this unit, since a semaphore's permits are `u32` and most requests are whole blocks.
const UNIT_BYTES: u32 = 4096;

/// The right to have one request in flight; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _request: OwnedSemaphorePermit,
    _bytes: Option<[OwnedSemaphorePermit; 2]>,
}

/// Data, and the memory that they count for until they are dropped.
#[derive(Debug)]
pub(super) struct Counted<B> {
    data: B,
    _permit: Option<Permit>,
}

impl<B> Counted<B> {
    pub(super) fn new(data: B, permit: Option<Permit>) -> Self {
        Self { data, _permit: permit }
    }
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Counted<B> {
    fn as_ref(&self) -> &[u8] {
        self.data.as_ref()
    }
}

/// What the connections of a server share. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Pool(Arc<Semaphore>);

impl Pool {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new((SERVER_BYTES / UNIT_BYTES) as usize)))
    }
}

/// The share of one connection. Clones are the same share.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    pool: Pool,
}

impl InFlight {
    pub(super) fn new(pool: Pool) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            bytes: Arc::new(Semaphore::new((CONNECTION_BYTES / UNIT_BYTES) as usize)),
            pool,
        }
    }

    /// Waits until a request that holds `bytes` of memory fits. `bytes` is at most the largest payload.
    ///
    /// # Errors
    /// Never in practice: the semaphores live as long as the connection and are not closed.
    pub(super) async fn admit(&self, bytes: u32) -> Result<Permit, AcquireError> {
        let request = Arc::clone(&self.requests).acquire_owned().await?;
        if bytes <= SMALL_BYTES {
            return Ok(Permit { _request: request, _bytes: None });
        }
        let units = bytes.min(CONNECTION_BYTES).div_ceil(UNIT_BYTES);
        // In this order: whoever waits for the pool is within its own part of it.
        let own = Arc::clone(&self.bytes).acquire_many_owned(units).await?;
        let shared = Arc::clone(&self.pool.0).acquire_many_owned(units).await?;
        Ok(Permit { _request: request, _bytes: Some([own, shared]) })
    }

    /// The same for whoever can't wait. Nobody who waits is overtaken.
    pub(super) fn try_admit(&self, bytes: u32) -> Option<Permit> {
        let request = Arc::clone(&self.requests).try_acquire_owned().ok()?;
        if bytes <= SMALL_BYTES {
            return Some(Permit { _request: request, _bytes: None });
        }
        let units = bytes.min(CONNECTION_BYTES).div_ceil(UNIT_BYTES);
        let own = Arc::clone(&self.bytes).try_acquire_many_owned(units).ok()?;
        let shared = Arc::clone(&self.pool.0).try_acquire_many_owned(units).ok()?;
        Some(Permit { _request: request, _bytes: Some([own, shared]) })
    }

    /// Whether nothing of this connection is in flight.
    pub(super) fn is_nothing(&self) -> bool {
        self.requests.available_permits() == MAX_REQUESTS
    }

    /// Returns when nothing of this connection is in flight. Whoever waits for a permit meanwhile comes after it, so it is
    /// for those who let nothing in beside it.
    pub(super) async fn none_left(&self) {
        // An error means that the semaphore was closed, which nobody does.
        let _ = self.requests.acquire_many(MAX_REQUESTS as u32).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn large_requests_wait_for_each_other_and_small_ones_do_not() {
        let pool = Pool::new();
        let connections: Vec<_> = (0..5).map(|_| InFlight::new(pool.clone())).collect();
        let mut held = Vec::new();
        for connection in &connections[..4] {
            held.push(connection.admit(CONNECTION_BYTES).await.unwrap());
        }
        assert!(connections[4].admit(SMALL_BYTES + 1).now_or_never().is_none(), "the pool is empty");
        assert!(connections[4].admit(SMALL_BYTES).now_or_never().is_some());
        held.pop();
        let large = connections[4].admit(CONNECTION_BYTES / 2).now_or_never();
        assert!(large.is_some());
        assert!(connections[4].admit(CONNECTION_BYTES).now_or_never().is_none(), "more than its part");
        assert!(
            connections[4].try_admit(CONNECTION_BYTES).is_none() && connections[4].try_admit(SMALL_BYTES).is_some()
        );
    }

    #[tokio::test]
    async fn requests_of_a_connection_are_counted() {
        let connection = InFlight::new(Pool::new());
        let held: Vec<_> = (0..MAX_REQUESTS).map(|_| connection.admit(512).now_or_never().unwrap()).collect();
        // A task that never yields is held back by the runtime itself.
        tokio::task::yield_now().await;
        assert!(connection.admit(0).now_or_never().is_none());
        drop(held);
        assert!(connection.admit(0).now_or_never().is_some());
    }
}
