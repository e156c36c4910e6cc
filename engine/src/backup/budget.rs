//! Bounds on the memory and processors of one running backup, restore or verification.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::BackupError;
use super::block::{self, Checksum, Compression, Encoder};
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
    hashing: Arc<Hashing>,
}

/// Blocks that wait to be hashed. Whoever gets a thread for one of them takes others along, since several together take less
/// time than one after the other.
#[derive(Default)]
struct Hashing(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    next: u64,
    waiting: Vec<Waiting>,
}

struct Waiting {
    id: u64,
    pieces: Vec<Bytes>,
    hashed: oneshot::Sender<(Checksum, Vec<Bytes>)>,
}

impl Waiting {
    fn length(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
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
        Self { free: Arc::new(Semaphore::new(count)), count, encoders: Arc::default(), hashing: Arc::default() }
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
            let kept = lock(&encoders).pop();
            let mut encoder = kept.unwrap_or_default();
            let file = encoder.encode(compression, pieces);
            lock(&encoders).push(encoder);
            file
        });
        let failed = |error: io::Error| BackupError::Internal { what: "compressing a block", why: error.to_string() };
        file.await?.map_err(failed)
    }

    /// The checksum of a block, which is given back.
    pub(super) async fn hash(&self, pieces: Vec<Bytes>) -> Result<(Checksum, Vec<Bytes>), BackupError> {
        let (hashed, mut answer) = oneshot::channel();
        let place = Place { queue: &self.hashing, id: self.hashing.push(pieces, hashed) };
        let (queue, id, free) = (Arc::clone(&self.hashing), place.id, Arc::clone(&self.free));
        let own = self.run(move || queue.hash(id, free.available_permits()));
        tokio::select! {
            // Somebody who hashed another one has taken it along.
            hashed = &mut answer => return hashed.map_err(|error| internal(&error)),
            own = own => own?,
        }
        answer.await.map_err(|error| internal(&error))
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Lists: every state of them that a panic may leave is a true one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A block's place in the queue; one that is given up leaves it.
struct Place<'queue> {
    queue: &'queue Hashing,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.queue.0).waiting.retain(|block| block.id != self.id);
    }
}

impl Hashing {
    fn push(&self, pieces: Vec<Bytes>, hashed: oneshot::Sender<(Checksum, Vec<Bytes>)>) -> u64 {
        let mut queue = lock(&self.0);
        let id = queue.next;
        queue.next += 1;
        queue.waiting.push(Waiting { id, pieces, hashed });
        id
    }

    /// Hashes this block, if nobody has, and others of its length besides, as far as that is worth it. So many threads are free
    /// to hash some of them.
    fn hash(&self, id: u64, free: usize) {
        let some = self.take(id, free);
        let (blocks, hashed): (Vec<_>, Vec<_>) = some.into_iter().map(|block| (block.pieces, block.hashed)).unzip();
        let checksums = block::checksums(&blocks);
        for ((pieces, checksum), hashed) in blocks.into_iter().zip(checksums).zip(hashed) {
            // Given up meanwhile: then nobody wants it.
            let _ = hashed.send((checksum, pieces));
        }
    }

    fn take(&self, id: u64, free: usize) -> Vec<Waiting> {
        let mut queue = lock(&self.0);
        let Some(own) = queue.waiting.iter().position(|block| block.id == id) else { return Vec::new() };
        let most = queue.waiting.len().div_ceil(free + 1).min(aurochs_sha512::at_once());
        let mut some = vec![queue.waiting.remove(own)];
        let length = some[0].length();
        while some.len() < most
            && let Some(at) = queue.waiting.iter().position(|block| block.length() == length)
        {
            some.push(queue.waiting.remove(at));
        }
        some
    }
}

fn internal(error: &impl std::fmt::Display) -> BackupError {
    BackupError::Internal { what: "working on blocks", why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    /// Of many at once, some of another length, some that nobody waits for any more.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_block_gets_its_own_checksum() {
        let processors = Processors::default();
        let block = |number: usize| vec![Bytes::from(vec![number as u8; 4096 * (1 + number / 50)])];
        let given_up = (0..20).map(|number| processors.hash(block(number)).now_or_never());
        assert!(given_up.count() == 20);
        let hashed = (0..100).map(|number| processors.hash(block(number)));
        let hashed = futures::future::try_join_all(hashed);
        let hashed = tokio::time::timeout(Duration::from_secs(60), hashed).await.expect("none is left behind").unwrap();
        for (number, (checksum, pieces)) in hashed.into_iter().enumerate() {
            assert_eq!((checksum, &pieces), (Checksum::of(&pieces[0]), &block(number)));
        }
        assert!(lock(&processors.hashing.0).waiting.is_empty(), "also of those that were given up");
    }
}
