//! Backing up one snapshot of a volume (formats.md §12).
//!
//! | file | holds |
//! |---|---|
//! | `plan` | which blocks to read: what changed since the last backup, or everything |
//! | `upload` | the way of one block, and how many are on it |

mod plan;
mod upload;

use std::collections::BTreeMap;

use self::plan::Plan;
use self::upload::Upload;
use super::backup_record::{BLOCK_SIZE_PARAMETER, BackupRecord, Ignored, MODE_PARAMETER};
use super::block::{Compression, LARGEST_BLOCK};
use super::lock::{Lock, LockKind, LockTimes};
use super::source::BlockSource;
use super::store::Store;
use super::volume_record::VolumeRecord;
use super::{BackupError, Progress, labels, layout, names, store_access};
use crate::crash_point;

/// Longhorn's default, in bytes.
pub const DEFAULT_BLOCK_SIZE: u64 = 2 << 20;

/// What to read again, and what to store again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What changed since the last backup, if that can be told; blocks that are there already are not stored again.
    #[default]
    Incremental,
    /// Everything, stored again even where it is there: heals blocks that the store lost or damaged.
    Full,
}

/// What to back up, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    /// Name of the backup volume: that of the volume.
    pub volume: String,
    /// Name of the backup. One that died goes on under its name.
    pub backup: String,
    /// Name of the snapshot that the source reads.
    pub snapshot: String,
    /// Bytes of the volume now: what a restore makes. A multiple of `block_size`.
    pub size: u64,
    pub labels: BTreeMap<String, String>,
    /// For the first backup of a volume; later ones are compressed as that was.
    pub compression: Compression,
    /// Bytes; whole MiB, at most 64 MiB. [`DEFAULT_BLOCK_SIZE`] unless there is a reason.
    pub block_size: u64,
    pub mode: Mode,
    /// Name and checksum of the image under the volume; empty for none.
    pub backing_image_name: String,
    pub backing_image_checksum: String,
    /// Empty where it is not known.
    pub storage_class: String,
    /// Blocks in work at the same time, as far as memory allows; 0: as many as this machine can use.
    pub concurrency: usize,
}

/// A backup that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub backup: String,
    pub is_incremental: bool,
    /// Bytes of all blocks in its list: what a restore of it writes.
    pub size: u64,
    /// Bytes that were read, in whole blocks.
    pub read_bytes: u64,
    /// Blocks, and compressed bytes, that were not there.
    pub new_blocks: u64,
    pub newly_uploaded_bytes: u64,
    /// Compressed bytes that were stored again, in full mode or because what was there could not be right.
    pub reuploaded_bytes: u64,
    /// RFC 3339, UTC: when it was started, which orders backups.
    pub snapshot_created_at: String,
    /// RFC 3339, UTC: when it was complete.
    pub created: String,
}

/// Makes a backup. Dropping the future cancels it; what it stored stays for the next try under the same name, which
/// does not store it again. A backup that is complete under that name, of the very same snapshot, is left as it is.
///
/// ```text
///   lock ─► volume.cfg ─► base, changed blocks ─► record "in progress" ─► blocks ─► record ─► volume.cfg ─► unlock
/// ```
/// Invariant: **a record with a time of completion names only blocks that are in the store.** The blocks are durable
/// before it is written, and whoever removes blocks sees the record in progress before. Test: `a_crash_at_any_change…`
/// in `tests/backups/crashes.rs`.
///
/// # Errors
/// [`BackupError`]; nothing was completed then.
pub async fn create(
    store: &Store,
    request: &CreateRequest,
    source: &dyn BlockSource,
    progress: &Progress,
) -> Result<Created, BackupError> {
    create_with(store, request, source, progress, LockTimes::default()).await
}

/// As [`create`], with other times of locks.
///
/// # Errors
/// As [`create`].
pub async fn create_with(
    store: &Store,
    request: &CreateRequest,
    source: &dyn BlockSource,
    progress: &Progress,
    times: LockTimes,
) -> Result<Created, BackupError> {
    names::check("volume", &request.volume)?;
    names::check("backup", &request.backup)?;
    check_block_size(request, source.size())?;
    labels::check(&request.labels)?;
    let started = store_access::now_text();
    // Getting the lock takes seconds; meanwhile it is found out how much there is to do.
    let (lock, draft) = tokio::join!(
        Lock::acquire(store, &request.volume, LockKind::Use, times),
        Draft::make(store, request, source, progress)
    );
    let lock = lock?;
    let outcome = lock.guard(make(store, request, source, progress, &started, draft)).await;
    lock.release().await;
    outcome
}

/// A plan that was made without the lock: good if nothing changed until the lock was had.
struct Draft {
    volume: VolumeRecord,
    plan: Plan,
}

impl Draft {
    /// `None` where anything is in the way: it will be told when it is tried under the lock.
    async fn make(
        store: &Store,
        request: &CreateRequest,
        source: &dyn BlockSource,
        progress: &Progress,
    ) -> Option<Self> {
        let volume = VolumeRecord::find(store, &request.volume).await.ok()?.unwrap_or_default();
        let plan = Plan::make(store, request, &volume, source).await.ok()?;
        progress.plan(plan.blocks() * request.block_size);
        Some(Self { volume, plan })
    }

    /// The plan, if the volume's record is as it was and the base is still there. Its blocks are then, too: nobody can
    /// have begun to clear them away since the lock was had, and who did before removed the base's record first.
    async fn confirm(self, store: &Store, volume: &VolumeRecord) -> Result<Option<Plan>, BackupError> {
        if self.volume != *volume {
            return Ok(None);
        }
        let Some(base) = &self.plan.base else { return Ok(Some(self.plan)) };
        let there = BackupRecord::find(store, &volume.name, &base.name).await?;
        Ok((there.as_ref() == Some(base)).then_some(self.plan))
    }
}

fn check_block_size(request: &CreateRequest, source_size: u64) -> Result<(), BackupError> {
    let block_size = request.block_size;
    let why = if block_size == 0 || !block_size.is_multiple_of(1 << 20) || block_size > LARGEST_BLOCK {
        "blocks have whole MiB, at most 64".to_owned()
    } else if request.size == 0 || !request.size.is_multiple_of(block_size) {
        format!("the volume's {} bytes are no multiple of it; choose another, or expand the volume", request.size)
    } else if source_size > request.size {
        format!("the snapshot has {source_size} bytes and the volume only {}", request.size)
    } else {
        return Ok(());
    };
    Err(BackupError::BlockSize { block_size, why })
}

/// All of it, under the lock.
async fn make(
    store: &Store,
    request: &CreateRequest,
    source: &dyn BlockSource,
    progress: &Progress,
    started: &str,
    draft: Option<Draft>,
) -> Result<Created, BackupError> {
    let volume = begin_volume(store, request, started).await?;
    let compression = volume.compression()?;
    if let Some(record) = find_complete(store, request, source).await? {
        finish_volume(store, request, &record, 0).await?;
        return Ok(created(&record, 0, 0));
    }
    let confirmed = match draft {
        Some(draft) => draft.confirm(store, &volume).await?,
        None => None,
    };
    let plan = match confirmed {
        Some(plan) => plan,
        None => Plan::make(store, request, &volume, source).await?,
    };
    let read_bytes = plan.blocks() * request.block_size;
    progress.plan(read_bytes);
    let path = layout::backup_record(&request.volume, &request.backup);
    let unfinished = BackupRecord::in_progress(&request.volume, &request.backup, compression);
    store.write(&path, unfinished.encode()?.into()).await?;
    crash_point::reached("backup.begun");
    let upload = Upload::new(store, request, source, compression, progress);
    let (read, counts) = upload.run(plan.runs).await?;
    drop(upload);
    let is_incremental = plan.base.is_some();
    let blocks = match plan.base {
        Some(base) => base.blocks.overlaid(&read),
        None => read,
    };
    let record = BackupRecord {
        snapshot_name: request.snapshot.clone(),
        snapshot_created_at: started.to_owned(),
        created_time: store_access::now_text(),
        size: blocks.len() as u64 * request.block_size,
        labels: labels_or_null(&request.labels),
        parameters: Some(parameters(request)),
        is_incremental,
        newly_uploaded_data_size: counts.new_bytes,
        re_uploaded_data_size: counts.stored_again_bytes,
        processing_blocks: (!is_incremental).then_some(Ignored {}),
        blocks,
        ..unfinished
    };
    store.write(&path, record.encode()?.into()).await?;
    crash_point::reached("backup.recorded");
    finish_volume(store, request, &record, counts.new_blocks).await?;
    Ok(created(&record, read_bytes, counts.new_blocks))
}

/// The volume's record, made where this is the first backup: its compression is that of all later ones.
async fn begin_volume(store: &Store, request: &CreateRequest, started: &str) -> Result<VolumeRecord, BackupError> {
    if let Some(record) = VolumeRecord::find(store, &request.volume).await? {
        return Ok(record);
    }
    let record = VolumeRecord {
        name: request.volume.clone(),
        size: request.size,
        labels: labels_or_null(&request.labels),
        created_time: started.to_owned(),
        compression_method: request.compression.to_string(),
        data_engine: "v1".to_owned(),
        backing_image_name: request.backing_image_name.clone(),
        backing_image_checksum: request.backing_image_checksum.clone(),
        storage_class_name: request.storage_class.clone(),
        ..VolumeRecord::default()
    };
    record.store(store).await?;
    crash_point::reached("backup.volume-made");
    Ok(record)
}

/// A backup of that name that was completed, perhaps by a process that died right after. One that was begun before the
/// snapshot was taken is of another snapshot: names are used again.
async fn find_complete(
    store: &Store,
    request: &CreateRequest,
    source: &dyn BlockSource,
) -> Result<Option<BackupRecord>, BackupError> {
    let Some(record) = BackupRecord::find(store, &request.volume, &request.backup).await? else { return Ok(None) };
    if record.is_in_progress() {
        return Ok(None);
    }
    let (backup, snapshot) = (request.backup.clone(), record.snapshot_name.clone());
    if snapshot != request.snapshot {
        return Err(BackupError::Exists { backup, snapshot });
    }
    // Records have whole seconds.
    let taken = source.taken_at().map(|taken| taken.replace_nanosecond(0).unwrap_or(taken));
    match (taken, store_access::parse_time(&record.snapshot_created_at)) {
        (Some(taken), Some(begun)) if taken > begun => Err(BackupError::ExistsOfEarlier { backup, snapshot }),
        _ => Ok(Some(record)),
    }
}

/// The volume's record tells of the backup. It is read again: another backup may have changed it meanwhile.
async fn finish_volume(
    store: &Store,
    request: &CreateRequest,
    backup: &BackupRecord,
    new_blocks: u64,
) -> Result<(), BackupError> {
    let mut volume = VolumeRecord::load(store, &request.volume).await?;
    let before = volume.clone();
    // A backup that is completed late is not the last one where a later one was completed meanwhile.
    if is_not_older(&backup.snapshot_created_at, &volume.last_backup_at) {
        volume.last_backup_name.clone_from(&backup.name);
        volume.last_backup_at.clone_from(&backup.snapshot_created_at);
        volume.labels.clone_from(&backup.labels);
        volume.backing_image_name.clone_from(&request.backing_image_name);
        volume.backing_image_checksum.clone_from(&request.backing_image_checksum);
        volume.storage_class_name.clone_from(&request.storage_class);
    }
    volume.size = volume.size.max(request.size);
    volume.block_count += new_blocks;
    if volume == before {
        return Ok(());
    }
    volume.store(store).await?;
    crash_point::reached("backup.volume-told");
    Ok(())
}

fn is_not_older(time: &str, last: &str) -> bool {
    match (store_access::parse_time(time), store_access::parse_time(last)) {
        (Some(time), Some(last)) => time >= last,
        _ => true,
    }
}

fn parameters(request: &CreateRequest) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::from([(BLOCK_SIZE_PARAMETER.to_owned(), request.block_size.to_string())]);
    if request.mode == Mode::Full {
        parameters.insert(MODE_PARAMETER.to_owned(), "full".to_owned());
    }
    parameters
}

fn labels_or_null(labels: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!labels.is_empty()).then(|| labels.clone())
}

fn created(record: &BackupRecord, read_bytes: u64, new_blocks: u64) -> Created {
    Created {
        backup: record.name.clone(),
        is_incremental: record.is_incremental,
        size: record.size,
        read_bytes,
        new_blocks,
        newly_uploaded_bytes: record.newly_uploaded_data_size,
        reuploaded_bytes: record.re_uploaded_data_size,
        snapshot_created_at: record.snapshot_created_at.clone(),
        created: record.created_time.clone(),
    }
}
