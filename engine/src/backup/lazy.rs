//! A backup whose blocks are fetched one by one, as somebody needs them, for hours or days.
//!
//! A backup that is deleted meanwhile, or made anew under the same name, must not be taken for the one it was: its
//! [`identity`](RemoteBackup::identity) tells. And every block is checked against the checksum that the record names
//! ([`super::block`]), whatever has become of the store.

use sha2::{Digest, Sha512};

use super::BackupError;
use super::backup_record::{BackupRecord, BlockEntry};
use super::fetch::Fetcher;
use super::lock::{Lock, LockKind, LockTimes};
use super::names;
use super::store::Store;
use super::target::Target;
use super::volume_record::VolumeRecord;
use bytes::Bytes;

/// Who waits for a block. Each kind has memory of its own, so that what is fetched ahead holds up nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nobody yet.
    Ahead,
    /// A request of the volume.
    Demanded,
}

/// A backup that can be read, complete when it was opened.
pub struct RemoteBackup {
    store: Store,
    volume: String,
    record: BackupRecord,
    /// Bytes of the volume.
    size: u64,
    block_size: u64,
    demanded: Fetcher,
    ahead: Fetcher,
}

/// A block that has its checksum. It counts as memory in use as long as it lives.
pub struct RemoteBlock {
    /// Bytes, from the volume.
    pub offset: u64,
    /// A whole block, also where the volume ends within it.
    pub content: Bytes,
    _share: super::budget::Share,
}

impl RemoteBackup {
    /// # Errors
    /// The store's, and those of a restore: there is no such backup, or it is not complete or damaged.
    pub async fn open(target: &Target, volume: &str, backup: &str) -> Result<Self, BackupError> {
        names::check("volume", volume)?;
        names::check("backup", backup)?;
        let store = Store::open(target).await?;
        let size = VolumeRecord::load(&store, volume).await?.size;
        let record = BackupRecord::load_complete(&store, volume, backup).await?;
        record.check_within(size)?;
        let (block_size, compression) = (record.block_size()?, record.compression()?);
        let fetcher = || Fetcher::new(&store, volume, compression).without_pauses();
        let (demanded, ahead) = (fetcher(), fetcher());
        Ok(Self { volume: volume.to_owned(), size, block_size, demanded, ahead, record, store })
    }

    /// Bytes of the volume that was backed up.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn block_size(&self) -> u64 {
        self.block_size
    }

    /// Sorted by offset; each offset is a multiple of the block size, within the volume.
    #[must_use]
    pub fn blocks(&self) -> &[BlockEntry] {
        self.record.blocks.entries()
    }

    /// Tells this backup from any other, also one of the same name: a digest of what it holds, where, and when it was made.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut hasher = Sha512::new();
        let facts = (&self.record.name, &self.record.created_time, &self.record.snapshot_created_at);
        hasher.update(format!("{facts:?} {} {}", self.size, self.block_size));
        for entry in self.blocks() {
            hasher.update(format!(" {} {}", entry.offset, entry.checksum));
        }
        hasher.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The block at this offset; `None`: the backup holds none there. Tries once, but for what the store tries itself.
    ///
    /// # Errors
    /// The store's, [`BackupError::BlockMissing`], [`BackupError::BlockDamaged`].
    pub async fn fetch(&self, offset: u64, urgency: Urgency) -> Result<Option<RemoteBlock>, BackupError> {
        let Ok(found) = self.blocks().binary_search_by_key(&offset, |entry| entry.offset) else { return Ok(None) };
        let fetcher = match urgency {
            Urgency::Ahead => &self.ahead,
            Urgency::Demanded => &self.demanded,
        };
        let fetched = fetcher.fetch(self.blocks()[found].checksum, self.block_size).await?;
        Ok(Some(RemoteBlock { offset, content: fetched.content, _share: fetched.share }))
    }

    /// Does `work` under the lock that keeps deletions out, and ends it where the lock is lost.
    ///
    /// # Errors
    /// That of `work`, or of the lock.
    pub async fn locked<T>(
        &self,
        times: LockTimes,
        work: impl Future<Output = Result<T, BackupError>>,
    ) -> Result<T, BackupError> {
        let lock = Lock::acquire(&self.store, &self.volume, LockKind::Use, times).await?;
        let outcome = lock.guard(work).await;
        lock.release().await;
        outcome
    }
}
