//! Bounds on the memory and processors of one running backup, restore or verification.

use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::BackupError;
use super::block::{Compression, Encoder};
use crate::sys::memory;

/// Memory is counted in these.
const UNIT: u64 = 1 << 10;

/// A pool of memory, of which each block in work takes its part before it takes the memory.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    total: u32,
}

/// To be called by whoever is about to work on blocks of this many bytes: large ones must not stay in the heap when they
/// are free.
pub(super) fn prepare_for(block_size: u64) {
    static PREPARED: Once = Once::new();
    if block_size > ORDINARY_BLOCK {
        PREPARED.call_once(memory::return_large_pieces);
    }
}

/// Blocks up to this many bytes are kept by the allocator for the next ones.
const ORDINARY_BLOCK: u64 = 4 << 20;

/// A part of a [`Budget`].
#[derive(Debug)]
pub(super) struct Share(OwnedSemaphorePermit);

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        let total = units(bytes);
        Self { free: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Waits for so many bytes; all there are, where it is more than that.
    pub(super) async fn take(&self, bytes: u64) -> Result<Share, BackupError> {
        let wanted = units(bytes).min(self.total);
        let permit = Arc::clone(&self.free).acquire_many_owned(wanted).await;
        permit.map(Share).map_err(|error| internal(&error))
    }
}

impl Share {
    /// Keeps only so many bytes.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        let spare = self.0.num_permits().saturating_sub(units(bytes) as usize);
        drop(self.0.split(spare));
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// As many threads for hashing and compressing as there are processors.
#[derive(Clone)]
pub(super) struct Processors {
    free: Arc<Semaphore>,
    count: usize,
    /// Those that nobody works with; at most as many as there are threads.
    encoders: Arc<Mutex<Vec<Encoder>>>,
}

impl Default for Processors {
    fn default() -> Self {
        Self::at_most(usize::MAX)
    }
}

impl Processors {
    /// Of them no more than so many.
    fn at_most(limit: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = processors.min(limit);
        Self { free: Arc::new(Semaphore::new(count)), count, encoders: Arc::default() }
    }

    /// For compressing blocks of `block_size` bytes: few enough that what the encoders keep is little beside the blocks.
    pub(super) fn for_encoding(block_size: u64) -> Self {
        Self::at_most(if block_size > ORDINARY_BLOCK { 2 } else { 4 })
    }

    /// Bytes that the encoders keep.
    pub(super) fn encoders_memory(&self, block_size: u64) -> u64 {
        self.count as u64 * Encoder::memory(block_size)
    }

    /// [`Encoder::encode`].
    pub(super) async fn encode(&self, compression: Compression, pieces: Vec<Bytes>) -> Result<Vec<u8>, BackupError> {
        let encoders = Arc::clone(&self.encoders);
        let file = self.run(move || {
            let kept = encoders.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut encoder = kept.unwrap_or_default();
            let file = encoder.encode(compression, pieces);
            encoders.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
            file
        });
        let failed = |error: io::Error| BackupError::Internal { what: "compressing a block", why: error.to_string() };
        file.await?.map_err(failed)
    }

    /// Runs `work` on a thread that may take its time. Work that has begun ends also where nobody waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BackupError> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|error| internal(&error))?;
        let outcome = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        outcome.await.map_err(|error| internal(&error))
    }
}

fn internal(error: &impl std::fmt::Display) -> BackupError {
    BackupError::Internal { what: "working on blocks", why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn more_than_there_is_is_all_there_is() {
        let budget = Budget::new(10 * UNIT);
        let mut all = budget.take(1 << 40).await.unwrap();
        assert!(budget.take(1).now_or_never().is_none());
        all.shrink_to(4 * UNIT);
        let six = budget.take(6 * UNIT).now_or_never().unwrap().unwrap();
        assert!(budget.take(1).now_or_never().is_none());
        drop(all);
        assert!(budget.take(4 * UNIT).now_or_never().is_some());
        drop(six);
    }
}
