//! How much one connection may have in flight: requests and bytes.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Deep enough to keep several disks busy (clients seldom go past 64), small enough that one connection can't bury
/// the volume in work.
pub(super) const MAX_REQUESTS: usize = 128;
/// Two of the largest requests, so that one can be read from the socket while another is on the disks. With
/// `MAX_CONNECTIONS` of the listener it bounds the memory of a server.
const MAX_BYTES: u32 = 64 << 20;
/// Permits count in this unit, since a semaphore's permits are `u32` and most requests are whole blocks.
const UNIT_BYTES: u32 = 4096;

/// The right to have one request in flight; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _request: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

#[derive(Clone, Debug)]
pub(super) struct InFlight {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl InFlight {
    pub(super) fn new() -> Self {
        Self {
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            bytes: Arc::new(Semaphore::new((MAX_BYTES / UNIT_BYTES) as usize)),
        }
    }

    /// Waits until a request that holds `bytes` of memory fits. `bytes` is at most the largest payload.
    ///
    /// # Errors
    /// Never in practice: the semaphores live as long as the connection and are not closed.
    pub(super) async fn admit(&self, bytes: u32) -> Result<Permit, AcquireError> {
        let units = bytes.div_ceil(UNIT_BYTES).min(MAX_BYTES / UNIT_BYTES);
        let request = Arc::clone(&self.requests).acquire_owned().await?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(units).await?;
        Ok(Permit { _request: request, _bytes: bytes })
    }
}
