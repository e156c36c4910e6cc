//! Deleting the backup of an image, and the blocks that no other image needs.
//!
//! Invariant: **no block goes that any record may need.** Blocks go under a lock that no backup or restore of an image
//! holds at the same time, and only if every record could be read, each is of a complete backup, and a second listing
//! shows the same records. Whatever is in doubt keeps all blocks.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::BackingImageRecord;
use crate::backup::block::Checksum;
use crate::backup::delete::Deleted;
use crate::backup::lock::{Lock, LockKind, LockTimes};
use crate::backup::store::Store;
use crate::backup::{BackupError, layout, names, store_access};

/// Blocks that are removed at the same time.
const CONCURRENCY: usize = 16;

/// Deletes the backup of an image, complete or not. One that is not there is fine.
///
/// # Errors
/// [`BackupError::Locked`], or the store's.
pub async fn delete(store: &Store, name: &str) -> Result<Deleted, BackupError> {
    delete_with(store, name, LockTimes::default()).await
}

/// As [`delete`], with other times of locks.
///
/// # Errors
/// As [`delete`].
pub async fn delete_with(store: &Store, name: &str, times: LockTimes) -> Result<Deleted, BackupError> {
    names::check("backing image", name)?;
    let lock = Lock::acquire(store, layout::BACKING_IMAGE_LOCKS, LockKind::Deletion, times).await?;
    let outcome = lock.guard(remove(store, name)).await;
    lock.release().await;
    outcome
}

async fn remove(store: &Store, name: &str) -> Result<Deleted, BackupError> {
    let path = layout::backing_image_record(name);
    let existed = store.facts(&path).await?.is_some();
    store.remove(&path).await?;
    store.remove_all(&format!("{}/{name}", layout::BACKING_IMAGES)).await?;
    let mut deleted = Deleted { existed, removed_blocks: 0, removed_bytes: 0, blocks_kept_because: None };
    let before = versions(store).await?;
    let needed = match needed(store, before.keys()).await? {
        Ok(needed) => needed,
        Err(doubt) => {
            deleted.blocks_kept_because = Some(doubt);
            return Ok(deleted);
        }
    };
    let mut spare: Vec<(String, u64)> = Vec::new();
    let mut blocks = store.walk(layout::BACKING_IMAGE_BLOCKS);
    while let Some(found) = blocks.try_next().await? {
        let below = found.path.strip_prefix(layout::BACKING_IMAGE_BLOCKS).unwrap_or_default();
        let parts: Vec<&str> = below.trim_start_matches('/').split('/').collect();
        let [first, second, file] = parts[..] else { continue };
        if let Some(checksum) = layout::block_of_file(first, second, file)
            && !needed.contains(&checksum)
        {
            spare.push((found.path, found.entry.size));
        }
    }
    if versions(store).await? != before {
        deleted.blocks_kept_because = Some("backups of backing images changed meanwhile".to_owned());
        return Ok(deleted);
    }
    deleted.removed_blocks = spare.len() as u64;
    deleted.removed_bytes = spare.iter().map(|(_, bytes)| bytes).sum();
    stream::iter(spare)
        .map(|(path, _)| async move { store.remove(&path).await })
        .buffer_unordered(CONCURRENCY)
        .boxed()
        .try_collect::<()>()
        .await?;
    Ok(deleted)
}

/// Every directory of an image with the version of its record, also of one that has no record, or no name of one.
async fn versions(store: &Store) -> Result<BTreeMap<String, String>, BackupError> {
    let mut versions = BTreeMap::new();
    for name in store.list(layout::BACKING_IMAGES).await?.directories {
        let facts = store.facts(&layout::backing_image_record(&name)).await?;
        versions.insert(name, facts.as_ref().map(store_access::version_of).unwrap_or_default());
    }
    Ok(versions)
}

/// What all records name; or what keeps blocks from being cleared away.
async fn needed(
    store: &Store,
    names: impl Iterator<Item = &String>,
) -> Result<Result<HashSet<Checksum>, String>, BackupError> {
    let mut needed = HashSet::new();
    for name in names {
        // One after the other: they may be large.
        match BackingImageRecord::find(store, name).await {
            Ok(Some(record)) if record.is_in_progress() => {
                return Ok(Err(format!(
                    "backing image {name:?} is being backed up, or that died; delete it if it did"
                )));
            }
            Ok(Some(record)) => needed.extend(record.blocks.entries().iter().map(|entry| entry.checksum)),
            // A directory without a record names nothing.
            Ok(None) => {}
            Err(BackupError::Store(error)) => return Err(error.into()),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    Ok(Ok(needed))
}
