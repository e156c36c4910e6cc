//! One volume: who its members are, how requests reach them, and what survives when one of them doesn't.
//!
//! [`Volume`] is what frontends and the gRPC service hold. The way of a request: [`ordering`] gives it its turn,
//! [`fan_out`] sends it to the members of the current [`membership::View`], and before a write or flush is
//! acknowledged [`membership`] has recorded every member that failed it. [`start`] brings a volume up, `close` takes it
//! down, [`barrier`] does what needs all I/O to pause, [`reconcile`] makes members equal after an unclean stop, [`hash`] has snapshots
//! hashed. [`backup`] and [`restore`] move snapshots to backup stores and back, [`lazy`] while the volume is in use. `salvage` is what a person may decide when every member is lost.

mod absent;
mod allocation;
pub mod backup;
pub mod barrier;
pub(crate) mod changes;
pub mod clone;
mod close;
pub mod counters;
pub mod exclusive_work;
pub mod expand;
pub mod fan_out;
pub mod fill;
pub(crate) mod generation;
mod growth_at_start;
pub mod hash;
mod latency;
pub mod lazy;
pub mod membership;
pub mod ordering;
pub mod purge;
pub(crate) mod purge_pause;
pub mod read_choice;
mod read_modify_write;
pub mod reconcile;
pub mod record;
mod region_rounds;
pub(crate) mod repair;
pub mod restore;
mod runs_on;
mod salvage;
pub mod snapshot_labels;
pub mod snapshot_limits;
pub mod snapshot_read;
mod standstill;
pub mod start;
pub mod status;
mod transfer;
pub(crate) mod unequal;
pub mod unmap_chain;
pub mod watchdog;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as MemoryOrdering};

use crate::disk::AlignedBuf;
use crate::frontend::{BlockDevice, Durability, Extent, IoError, IoErrorKind, Unchanged};
use changes::Changes;
use counters::Counters;
use membership::Membership;
use ordering::Ordering;
use runs_on::RunsOn;
use status::LayerCache;
use unequal::Unequal;

/// A running volume. Cheap to clone.
#[derive(Clone)]
pub struct Volume {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) name: String,
    /// Bytes. Grows only, under a barrier, after every member has grown: see [`expand`].
    size: AtomicU64,
    pub(crate) session: String,
    pub(crate) ordering: Ordering,
    pub(crate) membership: Membership,
    pub(crate) unequal: Unequal,
    pub(crate) repairs: repair::Repairs,
    pub(crate) region_rounds: region_rounds::RegionRounds,
    pub(crate) counters: Counters,
    pub(crate) layers: LayerCache,
    pub(crate) rebuilds: crate::rebuild::Rebuilds,
    pub(crate) expansion: expand::Expansion,
    offered: growth_at_start::Offered,
    pub(crate) snapshot_limits: snapshot_limits::Current,
    pub(crate) passes: snapshot_read::Passes,
    pub(crate) filling: fill::FillMark,
    pub(crate) clones: clone::Clones,
    pub(crate) backups: backup::list::Backups,
    pub(crate) restores: restore::shown::Restores,
    pub(crate) lazy: lazy::Lazy,
    pub(crate) hashes: hash::Hashes,
    /// What a salvage chose at the start, and why; empty after an ordinary start.
    pub(crate) salvaged: String,
    pub(crate) work: exclusive_work::ExclusiveWork,
    pub(crate) purges: purge::Purges,
    pub(crate) unmap_chain: unmap_chain::UnmapChain,
    pub(crate) patience: watchdog::Patience,
    /// Held by the one snapshot that is being taken.
    pub(crate) snapshotting: tokio::sync::Mutex<()>,
    /// Something that the status shows has changed.
    pub(crate) changed: Changes,
    /// Why the frontend that serves the volume to the kernel can't go on, if it is so.
    broken_frontend: tokio::sync::watch::Sender<Option<String>>,
}

impl Shared {
    pub(crate) fn size(&self) -> u64 {
        self.size.load(MemoryOrdering::Acquire)
    }
}

impl Volume {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Resolves when a newer engine owns the volume.
    pub async fn fenced(&self) {
        self.shared.membership.fenced().await;
    }

    /// Resolves when the frontend that serves the volume to the kernel can't go on, with the reason.
    pub async fn frontend_failure(&self) -> String {
        let mut broken = self.shared.broken_frontend.subscribe();
        match broken.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
            Ok(Some(reason)) => reason,
            // The sender lives as long as the volume.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Runs a write-like request to its end even when the caller goes away: its turn must not be given up while
    /// replicas may still be working on it.
    async fn uncancelled<F>(&self, work: F) -> Result<(), IoError>
    where
        F: Future<Output = Result<(), IoError>> + Send + 'static,
    {
        RunsOn::new(work).await
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<(), IoError> {
        if offset.checked_add(length).is_some_and(|end| end <= self.shared.size()) {
            return Ok(());
        }
        let message = format!(
            "a request for {length} bytes at {offset} reaches past the end of volume {} ({} bytes)",
            self.shared.name,
            self.shared.size()
        );
        Err(IoError::new(IoErrorKind::OutOfRange, message))
    }
}

impl BlockDevice for Volume {
    fn size(&self) -> u64 {
        self.shared.size()
    }

    fn frontend_broke(&self, reason: &str) {
        self.shared.broken_frontend.send_if_modified(|broken| {
            let is_first = broken.is_none();
            broken.get_or_insert_with(|| reason.to_owned());
            is_first
        });
    }

    async fn read(&self, offset: u64, length: u32) -> Result<AlignedBuf, IoError> {
        self.check_range(offset, u64::from(length))?;
        let started = std::time::Instant::now();
        let data = fan_out::read(&self.shared, offset, length).await?;
        self.shared.counters.read(u64::from(length), started.elapsed());
        Ok(data)
    }

    async fn write(&self, offset: u64, data: AlignedBuf, durability: Durability) -> Result<(), IoError> {
        let length = data.len() as u64;
        self.check_range(offset, length)?;
        if length == 0 {
            return Ok(());
        }
        let started = std::time::Instant::now();
        let shared = Arc::clone(&self.shared);
        self.uncancelled(async move { fan_out::write(&shared, offset, data, durability).await }).await?;
        self.shared.counters.write(length, started.elapsed());
        Ok(())
    }

    async fn flush(&self) -> Result<(), IoError> {
        let started = std::time::Instant::now();
        let shared = Arc::clone(&self.shared);
        // A member that failed to sync says so once only; nobody else may be told that it did.
        self.uncancelled(async move { fan_out::flush(&shared).await }).await?;
        self.shared.counters.flush(started.elapsed());
        Ok(())
    }

    async fn discard(&self, offset: u64, length: u64) -> Result<(), IoError> {
        self.check_range(offset, length)?;
        let started = std::time::Instant::now();
        let shared = Arc::clone(&self.shared);
        self.uncancelled(async move { fan_out::discard(&shared, offset, length).await }).await?;
        self.shared.counters.discard(started.elapsed());
        Ok(())
    }

    async fn write_zeroes(
        &self,
        offset: u64,
        length: u64,
        may_unmap: bool,
        durability: Durability,
    ) -> Result<(), IoError> {
        self.check_range(offset, length)?;
        let started = std::time::Instant::now();
        let shared = Arc::clone(&self.shared);
        self.uncancelled(async move { fan_out::write_zeroes(&shared, offset, length, may_unmap, durability).await })
            .await?;
        self.shared.counters.write(length, started.elapsed());
        Ok(())
    }

    async fn read_modify_write<N: Send + 'static>(
        &self,
        offset: u64,
        length: u32,
        durability: Durability,
        change: impl FnOnce(AlignedBuf) -> Result<AlignedBuf, N> + Send + 'static,
    ) -> Result<(), Unchanged<N>> {
        self.check_range(offset, u64::from(length)).map_err(Unchanged::NotRead)?;
        let started = std::time::Instant::now();
        let shared = Arc::clone(&self.shared);
        // To its end even when the caller goes away, as any write.
        let work = tokio::spawn(async move {
            read_modify_write::read_modify_write(&shared, offset, length, durability, change).await
        });
        work.await.unwrap_or_else(|error| {
            let message = format!("the request ended unexpectedly: {error}");
            Err(Unchanged::NotWritten(IoError::new(IoErrorKind::Io, message)))
        })?;
        self.shared.counters.write(u64::from(length), started.elapsed());
        Ok(())
    }

    async fn allocation(&self, offset: u64, length: u64) -> Result<Vec<Extent>, IoError> {
        self.check_range(offset, length)?;
        allocation::extents(&self.shared, offset, length).await
    }
}
