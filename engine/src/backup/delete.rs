//! Deleting a backup, and clearing away the blocks that no other backup needs (formats.md §12).
//!
//! Invariant: **no block goes that any record may need.** Blocks are cleared away only under a lock that no backup or
//! restore holds at the same time; only if every record of the volume could be read, each of them is of a complete
//! backup, and a second listing shows the same records after the blocks were counted. Whatever is in doubt, a file that
//! only looks like a record included, keeps all blocks. Tests: `tests/backups/deletions.rs`.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::backup_record::BackupRecord;
use super::block::Checksum;
use super::lock::{Lock, LockKind, LockTimes};
use super::store::Store;
use super::volume_record::VolumeRecord;
use super::{BackupError, layout, names, store_access};
use crate::crash_point;

/// Blocks that are removed at the same time.
const CONCURRENCY: usize = 16;

/// What a deletion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// It was there.
    pub existed: bool,
    pub removed_blocks: u64,
    /// Compressed.
    pub removed_bytes: u64,
    /// Why no blocks were cleared away, for people; a later deletion does it.
    pub blocks_kept_because: Option<String>,
}

/// Deletes a backup, complete or not. One that is not there is fine: a deletion that was interrupted ends so.
///
/// # Errors
/// [`BackupError::NoVolume`], [`BackupError::Locked`], the store's. Where the record is gone, the backup is.
pub async fn delete_backup(store: &Store, volume: &str, backup: &str) -> Result<Deleted, BackupError> {
    delete_backup_with(store, volume, backup, LockTimes::default()).await
}

/// As [`delete_backup`], with other times of locks.
///
/// # Errors
/// As [`delete_backup`].
pub async fn delete_backup_with(
    store: &Store,
    volume: &str,
    backup: &str,
    times: LockTimes,
) -> Result<Deleted, BackupError> {
    names::check("volume", volume)?;
    names::check("backup", backup)?;
    // Where nothing of the volume is, no lock makes a directory for it.
    if store.facts(&layout::volume_record(volume)).await?.is_none()
        && store.list(&layout::backups(volume)).await?.files.is_empty()
    {
        return Err(BackupError::NoVolume { volume: volume.to_owned() });
    }
    let lock = Lock::acquire(store, volume, LockKind::Deletion, times).await?;
    let outcome = lock.guard(remove(store, volume, backup)).await;
    lock.release().await;
    outcome
}

/// Deletes everything of a volume. One that is not there is fine.
///
/// # Errors
/// [`BackupError::Locked`], or the store's; what is left then is deleted by the next call.
pub async fn delete_volume(store: &Store, volume: &str) -> Result<(), BackupError> {
    delete_volume_with(store, volume, LockTimes::default()).await
}

/// As [`delete_volume`], with other times of locks.
///
/// # Errors
/// As [`delete_volume`].
pub async fn delete_volume_with(store: &Store, volume: &str, times: LockTimes) -> Result<(), BackupError> {
    names::check("volume", volume)?;
    let folder = layout::volume(volume);
    let there = store.list(&folder).await?;
    if there.directories.is_empty() && there.files.is_empty() {
        return Ok(());
    }
    let lock = Lock::acquire(store, volume, LockKind::Deletion, times).await?;
    let removal = async {
        // The records first: without blocks they would promise what is gone.
        store.remove_all(&layout::backups(volume)).await?;
        store.remove_all(&layout::blocks(volume)).await?;
        store.remove(&layout::volume_record(volume)).await?;
        // All else goes, too, but for the locks: somebody may wait for his turn already, and what he writes once this lock
        // is gone must stay.
        let left = store.list(&folder).await?;
        for directory in
            left.directories.iter().filter(|directory| format!("{folder}/{directory}") != layout::locks(volume))
        {
            store.remove_all(&format!("{folder}/{directory}")).await?;
        }
        for file in &left.files {
            store.remove(&format!("{folder}/{}", file.name)).await?;
        }
        lock.clear_dead(store).await
    };
    let outcome = lock.guard(removal).await;
    lock.release().await;
    outcome
}

/// All of it, under the lock.
async fn remove(store: &Store, volume: &str, backup: &str) -> Result<Deleted, BackupError> {
    let path = layout::backup_record(volume, backup);
    let record = BackupRecord::find(store, volume, backup).await;
    if let Err(BackupError::Store(error)) = record {
        return Err(error.into());
    }
    let existed = !matches!(record, Ok(None));
    store.remove(&path).await?;
    crash_point::reached("backup-delete.record-removed");
    if let Ok(Some(record)) = record
        && !record.single_file.file_path.is_empty()
    {
        store.remove(&layout::single_file(volume, backup)).await?;
    }
    let records = Records::read(store, volume).await?;
    forget_last(store, volume, backup, &records).await?;
    let mut deleted = Deleted { existed, removed_blocks: 0, removed_bytes: 0, blocks_kept_because: None };
    deleted.blocks_kept_because = clear_blocks(store, volume, &records, &mut deleted).await?;
    Ok(deleted)
}

/// All records of a volume, as far as clearing up has to know them.
struct Records {
    /// Every file that may be a record, with its version.
    files: BTreeMap<String, String>,
    /// Complete backups in the order of the listing: name, and when they were started.
    complete: Vec<(String, String)>,
    /// What all of them name.
    needed: HashSet<Checksum>,
    /// What keeps blocks from being cleared away.
    doubt: Option<String>,
}

impl Records {
    async fn read(store: &Store, volume: &str) -> Result<Self, BackupError> {
        let files = Self::list(store, volume).await?;
        let mut records = Self { files, complete: Vec::new(), needed: HashSet::new(), doubt: None };
        for file in records.files.keys() {
            let path = format!("{}/{file}", layout::backups(volume));
            let Some(name) = layout::backup_of_file(file) else {
                records.doubt = Some(format!("{path} may be the record of a backup and has no name of one"));
                continue;
            };
            // One after the other: they may be large.
            let outcome = match store_access::read(store, &path).await? {
                Some(text) => BackupRecord::decode_as(&path, &text, volume, name),
                None => Err(BackupError::Damaged { path, why: "it went away meanwhile".to_owned() }),
            };
            match outcome {
                Ok(record) if record.is_in_progress() => {
                    records.doubt = Some(format!("backup {name:?} is being made, or died; delete it if it did"));
                }
                Ok(record) => {
                    records.needed.extend(record.blocks.entries().iter().map(|entry| entry.checksum));
                    records.complete.push((name.to_owned(), record.snapshot_created_at));
                }
                Err(error) => records.doubt = Some(error.to_string()),
            }
        }
        Ok(records)
    }

    async fn list(store: &Store, volume: &str) -> Result<BTreeMap<String, String>, BackupError> {
        let files = store.list(&layout::backups(volume)).await?.files;
        let maybe = files.iter().filter(|entry| entry.name.ends_with(".cfg"));
        Ok(maybe.map(|entry| (entry.name.clone(), store_access::version_of(entry))).collect())
    }

    /// The backup that was started last; the first one listed, of several.
    fn last(&self) -> Option<&(String, String)> {
        let parsed = |time: &str| store_access::parse_time(time);
        self.complete.iter().reduce(|best, other| if parsed(&other.1) > parsed(&best.1) { other } else { best })
    }
}

/// The volume's record names a last backup that is there.
async fn forget_last(store: &Store, volume: &str, backup: &str, records: &Records) -> Result<(), BackupError> {
    let mut record = match VolumeRecord::find(store, volume).await {
        Ok(Some(record)) => record,
        Err(BackupError::Store(error)) => return Err(error.into()),
        // Nobody reads it either.
        Ok(None) | Err(_) => return Ok(()),
    };
    if record.last_backup_name != backup {
        return Ok(());
    }
    (record.last_backup_name, record.last_backup_at) = records.last().cloned().unwrap_or_default();
    record.store(store).await?;
    crash_point::reached("backup-delete.last-forgotten");
    Ok(())
}

/// Removes the blocks that no record names; gives the reason where none may be removed.
async fn clear_blocks(
    store: &Store,
    volume: &str,
    records: &Records,
    deleted: &mut Deleted,
) -> Result<Option<String>, BackupError> {
    if let Some(doubt) = &records.doubt {
        return Ok(Some(doubt.clone()));
    }
    let folder = layout::blocks(volume);
    let mut present = 0;
    let mut spare: Vec<(Checksum, u64)> = Vec::new();
    let mut blocks = store.walk(&folder);
    while let Some(found) = blocks.try_next().await? {
        let below = found.path.strip_prefix(&folder).and_then(|below| below.strip_prefix('/')).unwrap_or_default();
        let parts: Vec<&str> = below.split('/').collect();
        let [first, second, file] = parts[..] else { continue };
        match layout::block_of_file(first, second, file) {
            Some(checksum) if records.needed.contains(&checksum) => present += 1,
            Some(checksum) => spare.push((checksum, found.entry.size)),
            None => {}
        }
    }
    if Records::list(store, volume).await? != records.files {
        return Ok(Some("backups of the volume changed meanwhile".to_owned()));
    }
    let names: Vec<Checksum> = spare.iter().map(|(checksum, _)| *checksum).collect();
    stream::iter(names)
        .map(|checksum| async move {
            store.remove(&layout::block(volume, &checksum)).await?;
            crash_point::reached("backup-delete.block-removed");
            Ok::<_, BackupError>(())
        })
        .buffer_unordered(CONCURRENCY)
        .boxed()
        .try_collect::<()>()
        .await?;
    deleted.removed_blocks = spare.len() as u64;
    deleted.removed_bytes = spare.iter().map(|(_, bytes)| bytes).sum();
    if let Ok(Some(mut record)) = VolumeRecord::find(store, volume).await
        && record.block_count != present
    {
        record.block_count = present;
        record.store(store).await?;
        crash_point::reached("backup-delete.counted");
    }
    Ok(None)
}
