//! Bounds on the memory and processors of one running backup, restore or verification.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::BackupError;

/// Memory is counted in these.
const UNIT: u64 = 1 << 10;

/// A pool of memory, of which each block in work takes its part before it takes the memory.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    total: u32,
}

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
#[derive(Clone, Debug)]
pub(super) struct Processors(Arc<Semaphore>);

impl Default for Processors {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new(processors)))
    }
}

impl Processors {
    /// Runs `work` on a thread that may take its time. Work that has begun ends also where nobody waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BackupError> {
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(|error| internal(&error))?;
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
