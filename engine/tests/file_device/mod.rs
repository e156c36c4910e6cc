//! A block device over a real, sparse temporary file, which counts what reaches it.

#![expect(dead_code, reason = "each test program uses a part of it")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{Allocation, BlockDevice, Durability, Extent, IoError, IoErrorKind, Unchanged};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};
use tokio::sync::{RwLock, Semaphore};

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) writes: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) stable_writes: AtomicU64,
    pub(crate) discards: AtomicU64,
    pub(crate) zeroes_unmapping: AtomicU64,
    pub(crate) zeroes_keeping: AtomicU64,
    /// Requests that are in the device now, and the most there ever were.
    pub(crate) running: AtomicU64,
    pub(crate) most_running: AtomicU64,
}

pub(crate) struct FileDevice {
    file: Arc<File>,
    path: PathBuf,
    size: AtomicU64,
    pub(crate) counts: Counts,
    /// Requests wait here while a test holds the permits.
    pub(crate) gate: Semaphore,
    /// Writes share it; whoever reads to write has it alone.
    writes: RwLock<()>,
}

const GATE: usize = 1 << 20;
/// Few, so that clients have to ask again.
const EXTENTS_OF_AN_ANSWER: usize = 8;

impl FileDevice {
    pub(crate) fn create(path: &Path, size: u64) -> Arc<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(size).unwrap();
        Arc::new(Self {
            file: Arc::new(file),
            path: path.to_owned(),
            size: size.into(),
            counts: Counts::default(),
            gate: Semaphore::new(GATE),
            writes: RwLock::default(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the device larger, as an expansion does.
    pub(crate) fn grow(&self, size: u64) {
        self.file.set_len(size).unwrap();
        self.size.store(size, Ordering::SeqCst);
    }

    /// Bytes the file occupies.
    pub(crate) fn allocated(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.file.metadata().unwrap().blocks() * 512
    }

    /// Holds back every request that comes from now on, until the guard is dropped.
    pub(crate) async fn hold(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.gate.acquire_many(GATE as u32).await.unwrap()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&File) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, IoError> {
        let running = self.counts.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.counts.most_running.fetch_max(running, Ordering::SeqCst);
        let passed = self.gate.acquire().await.unwrap();
        let file = Arc::clone(&self.file);
        let result = tokio::task::spawn_blocking(move || work(&file)).await.unwrap();
        drop(passed);
        self.counts.running.fetch_sub(1, Ordering::SeqCst);
        result.map_err(|error| IoError::new(IoErrorKind::Io, error.to_string()))
    }
}

impl FileDevice {
    async fn write_alone(&self, offset: u64, data: AlignedBuf, durability: Durability) -> Result<(), IoError> {
        self.counts.writes.fetch_add(1, Ordering::SeqCst);
        if durability == Durability::Stable {
            self.counts.stable_writes.fetch_add(1, Ordering::SeqCst);
        }
        self.run(move |file| {
            file.write_all_at(&data, offset)?;
            if durability == Durability::Stable { file.sync_data() } else { Ok(()) }
        })
        .await
    }
}

impl BlockDevice for FileDevice {
    fn size(&self) -> u64 {
        self.size.load(Ordering::SeqCst)
    }

    async fn read(&self, offset: u64, length: u32) -> Result<AlignedBuf, IoError> {
        self.run(move |file| {
            let mut data = AlignedBuf::zeroed(length as usize);
            file.read_exact_at(&mut data, offset)?;
            Ok(data)
        })
        .await
    }

    async fn write(&self, offset: u64, data: AlignedBuf, durability: Durability) -> Result<(), IoError> {
        let _shared = self.writes.read().await;
        self.write_alone(offset, data, durability).await
    }

    async fn read_modify_write<N: Send + 'static>(
        &self,
        offset: u64,
        length: u32,
        durability: Durability,
        change: impl FnOnce(AlignedBuf) -> Result<AlignedBuf, N> + Send + 'static,
    ) -> Result<(), Unchanged<N>> {
        let _alone = self.writes.write().await;
        let current = self.read(offset, length).await.map_err(Unchanged::NotRead)?;
        let changed = change(current).map_err(Unchanged::Declined)?;
        self.write_alone(offset, changed, durability).await.map_err(Unchanged::NotWritten)
    }

    async fn flush(&self) -> Result<(), IoError> {
        self.counts.flushes.fetch_add(1, Ordering::SeqCst);
        self.run(File::sync_data).await
    }

    async fn discard(&self, offset: u64, length: u64) -> Result<(), IoError> {
        self.counts.discards.fetch_add(1, Ordering::SeqCst);
        let start = offset.next_multiple_of(4096);
        let end = (offset + length) / 4096 * 4096;
        if start >= end {
            return Ok(());
        }
        self.run(move |file| punch(file, start, end - start)).await
    }

    async fn write_zeroes(&self, offset: u64, length: u64, may_unmap: bool, _: Durability) -> Result<(), IoError> {
        let count = if may_unmap { &self.counts.zeroes_unmapping } else { &self.counts.zeroes_keeping };
        count.fetch_add(1, Ordering::SeqCst);
        let flags = if may_unmap { FallocateFlags::FALLOC_FL_PUNCH_HOLE } else { FallocateFlags::FALLOC_FL_ZERO_RANGE };
        self.run(move |file| {
            let flags = flags | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            fallocate(file, flags, offset as i64, length as i64).map_err(Into::into)
        })
        .await
    }

    async fn allocation(&self, offset: u64, length: u64) -> Result<Vec<Extent>, IoError> {
        self.run(move |file| {
            let (mut at, end, mut extents) = (offset, offset + length, Vec::new());
            while at < end && extents.len() < EXTENTS_OF_AN_ANSWER {
                let data = match lseek(file, at as i64, Whence::SeekData) {
                    Ok(data) => (data as u64).min(end),
                    Err(Errno::ENXIO) => end,
                    Err(error) => return Err(error.into()),
                };
                let (state, next) = if data > at {
                    (Allocation::Hole, data)
                } else {
                    (Allocation::Data, (lseek(file, at as i64, Whence::SeekHole)? as u64).min(end))
                };
                extents.push(Extent { length: next - at, state });
                at = next;
            }
            Ok(extents)
        })
        .await
    }
}

fn punch(file: &File, offset: u64, length: u64) -> std::io::Result<()> {
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(file, flags, offset as i64, length as i64).map_err(Into::into)
}

/// Runs a program to its end, off the runtime's threads; panics with its output when it fails.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new(program).args(arguments).kill_on_drop(true).output().await;
    let output = output.unwrap_or_else(|error| panic!("{program} could not be started: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}\n{complaints}", output.status);
    text + &complaints
}
