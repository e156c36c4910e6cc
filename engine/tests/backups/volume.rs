//! A volume in memory, to back up and to restore into.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use aurochs_engine::backup::block::Compression;
use aurochs_engine::backup::source::Ranges;
use aurochs_engine::backup::{
    BackupRecord, Base, BlockSink, BlockSource, CreateRequest, Held, Mode, RestoreRequest, SinkError, SourceError,
    Store,
};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

pub(crate) const MIB: u64 = 1 << 20;

/// A snapshot, with what changed since others.
pub(crate) struct Snapshot {
    pub(crate) content: Vec<u8>,
    /// What layers of its own hold.
    pub(crate) data: Vec<(u64, u64)>,
    /// What changed since each ancestor.
    pub(crate) changed: BTreeMap<String, Vec<(u64, u64)>>,
    pub(crate) reads: AtomicU64,
    pub(crate) taken_at: Option<OffsetDateTime>,
    /// Reads at or after this many bytes fail.
    pub(crate) broken_from: u64,
}

impl Snapshot {
    pub(crate) fn new(content: Vec<u8>, data: &[(u64, u64)]) -> Self {
        Self {
            content,
            data: data.to_vec(),
            changed: BTreeMap::new(),
            reads: AtomicU64::default(),
            taken_at: None,
            broken_from: u64::MAX,
        }
    }

    /// Its data is where its content is not zeros, in units of 4096 bytes.
    pub(crate) fn of(content: Vec<u8>) -> Self {
        let held = |index: usize| content[index * 4096..(index + 1) * 4096].iter().any(|byte| *byte != 0);
        let data: Vec<_> =
            (0..content.len() / 4096).filter(|index| held(*index)).map(|index| (index as u64 * 4096, 4096)).collect();
        Self::new(content, &data)
    }

    pub(crate) fn since(mut self, snapshot: &str, changed: &[(u64, u64)]) -> Self {
        self.changed.insert(snapshot.to_owned(), changed.to_vec());
        self
    }
}

impl BlockSource for Snapshot {
    fn size(&self) -> u64 {
        self.content.len() as u64
    }

    fn taken_at(&self) -> Option<OffsetDateTime> {
        self.taken_at
    }

    fn ranges<'call>(
        &'call self,
        base: Option<&'call Base>,
        from: u64,
    ) -> BoxFuture<'call, Result<Option<Ranges>, SourceError>> {
        let all = match base {
            None => Some(&self.data),
            Some(base) => self.changed.get(&base.snapshot),
        };
        // A few at a time, as a volume would.
        let some = all.map(|all| all.iter().filter(|(offset, _)| *offset >= from).take(3).copied().collect::<Vec<_>>());
        std::future::ready(Ok(some)).boxed()
    }

    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        self.reads.fetch_add(u64::from(length), Ordering::Relaxed);
        let end = offset as usize + length as usize;
        let result = if end as u64 > self.broken_from {
            Err("the disk is broken".into())
        } else {
            Ok(Bytes::copy_from_slice(&self.content[offset as usize..end]))
        };
        std::future::ready(result).boxed()
    }
}

/// Counts what is done with it. Stops at a number of writes, as if the process had died.
pub(crate) struct Memory {
    pub(crate) content: Mutex<Vec<u8>>,
    pub(crate) written: AtomicU64,
    pub(crate) read: AtomicU64,
    pub(crate) zeroed: Mutex<Vec<(u64, u64)>>,
    pub(crate) writes_left: AtomicU64,
    pub(crate) flushed: AtomicU64,
}

impl Memory {
    pub(crate) fn of(content: Vec<u8>) -> Self {
        Self {
            content: Mutex::new(content),
            written: AtomicU64::default(),
            read: AtomicU64::default(),
            zeroed: Mutex::default(),
            writes_left: AtomicU64::new(u64::MAX),
            flushed: AtomicU64::default(),
        }
    }

    pub(crate) fn empty(size: u64) -> Self {
        Self::of(vec![0; size as usize])
    }

    pub(crate) fn sha256(&self) -> String {
        sha256(&self.content.lock().unwrap())
    }
}

pub(crate) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl BlockSink for Memory {
    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, SinkError>> {
        self.read.fetch_add(u64::from(length), Ordering::Relaxed);
        let content = self.content.lock().unwrap();
        let part = Bytes::copy_from_slice(&content[offset as usize..offset as usize + length as usize]);
        std::future::ready(Ok(part)).boxed()
    }

    fn write(&self, offset: u64, data: Bytes) -> BoxFuture<'_, Result<(), SinkError>> {
        let left = self.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            return std::future::ready(Err("killed".into())).boxed();
        }
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.content.lock().unwrap()[offset as usize..offset as usize + data.len()].copy_from_slice(&data);
        std::future::ready(Ok(())).boxed()
    }

    fn zero(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<(), SinkError>> {
        self.zeroed.lock().unwrap().push((offset, length));
        self.content.lock().unwrap()[offset as usize..(offset + length) as usize].fill(0);
        std::future::ready(Ok(())).boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), SinkError>> {
        self.flushed.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(())).boxed()
    }
}

/// Bytes that no codec makes smaller; the same for the same seed.
pub(crate) fn noise(length: u64, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length as usize).collect()
}

/// A volume of `blocks` blocks of 1 MiB, of which these have noise of their own seed.
pub(crate) fn content(blocks: u64, seeds: &[(u64, u64)]) -> Vec<u8> {
    let mut content = vec![0; (blocks * MIB) as usize];
    for (block, seed) in seeds {
        let start = (block * MIB) as usize;
        content[start..start + MIB as usize].copy_from_slice(&noise(MIB, *seed));
    }
    content
}

/// A request for blocks of 1 MiB.
pub(crate) fn request(volume: &str, backup: &str, snapshot: &str, size: u64) -> CreateRequest {
    CreateRequest {
        volume: volume.to_owned(),
        backup: backup.to_owned(),
        snapshot: snapshot.to_owned(),
        size,
        labels: BTreeMap::new(),
        compression: Compression::Lz4,
        block_size: MIB,
        mode: Mode::Incremental,
        backing_image_name: String::new(),
        backing_image_checksum: String::new(),
        storage_class: String::new(),
        concurrency: 0,
    }
}

/// A sink of `size` bytes that holds this backup as the store has it now.
pub(crate) async fn holding(store: &Store, volume: &str, backup: &str, size: u64) -> Option<Held> {
    let created = BackupRecord::load_complete(store, volume, backup).await.unwrap().created_time;
    Some(Held { backup: backup.to_owned(), created, size })
}

pub(crate) fn restoring(volume: &str, backup: &str) -> RestoreRequest {
    RestoreRequest { volume: volume.to_owned(), backup: backup.to_owned(), ..RestoreRequest::default() }
}
