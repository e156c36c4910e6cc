//! What is in a target, and how it goes: the one place where the library of the backup store is called.

pub mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aurochs_engine::backup::browse::source::BackupSource;
use aurochs_engine::backup::{self as library, BackupUrl, Store};

use futures::StreamExt;
use tokio::time::Instant;

use super::{Fault, fault};

/// A volume's list with its records. Each request to the store has a shorter limit of its own. What was read until then is
/// kept, so that the next look goes on behind it.
const LOOK_TIMEOUT: Duration = Duration::from_secs(600);
/// A deletion reads the records of all backups of the volume, and removes blocks one by one.
const DELETE_TIMEOUT: Duration = Duration::from_secs(6 * 3600);
/// Records in a row that can't be read: then it is the store, and the rest is not asked for.
const FAILURES_MAXIMUM: usize = 8;
/// What a person waits for.
const TEST_TIMEOUT: Duration = Duration::from_secs(50);
/// A person waits for this one, too, and the API gives up a little later; the record of a backup of a TiB has 50 MiB.
const OPEN_TIMEOUT: Duration = Duration::from_secs(50);
/// Blocks on their way while a backup is verified: enough for a slow line, and little for the processors.
const VERIFY_CONCURRENCY: usize = 8;

/// Parameter of a backup: `full` or `incremental`.
const PARAMETER_MODE: &str = "backup-mode";

/// What was read of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read<T> {
    /// It has the version that is known.
    Unchanged,
    Is(T),
    Damaged(Fault),
}

/// A volume's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeFacts {
    /// Bytes.
    pub size: u64,
    pub labels: BTreeMap<String, String>,
    pub created: String,
    pub last_backup: String,
    pub last_backup_at: String,
    pub block_count: u64,
    pub backing_image_name: String,
    pub backing_image_checksum: String,
    pub storage_class: String,
}

/// A backup's record, without its blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupFacts {
    pub snapshot: String,
    pub snapshot_created_at: String,
    /// Empty: it is being made, or its making broke off.
    pub created: String,
    /// Bytes of its blocks.
    pub size: u64,
    pub labels: BTreeMap<String, String>,
    pub is_full: bool,
    /// Bytes; 0 where it is not known.
    pub block_size: u64,
    pub compression: String,
    /// Bytes as they are kept.
    pub newly_uploaded: u64,
    pub re_uploaded: u64,
}

/// A backup in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// Tells the record from a changed one.
    pub version: String,
    pub record: Read<BackupFacts>,
}

/// The backup's address, without secrets.
#[must_use]
pub fn url(store: &Store, volume: &str, backup: &str) -> String {
    BackupUrl::backup(store.url().clone(), volume, backup).to_string()
}

async fn within<T, E: Into<Fault>>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, work).await {
        Ok(ended) => ended.map_err(Into::into),
        Err(_) => Err(Fault::timeout(doing, limit)),
    }
}

/// Names of all volumes that have something in the target, sorted.
pub async fn volumes(store: &Store) -> Result<Vec<String>, Fault> {
    within(LOOK_TIMEOUT, "listing the target", library::list_volumes(store)).await
}

/// The volume's record and its version; none where there is no record.
pub async fn volume(store: &Store, volume: &str, known: &str) -> Result<Option<(String, Read<VolumeFacts>)>, Fault> {
    let doing = format!("reading the record of volume {volume}");
    let known = Some(known).filter(|known| !known.is_empty());
    let read = within(LOOK_TIMEOUT, &doing, library::read_volume(store, volume, known)).await;
    let read = match read {
        Err(fault) if fault.is_missing => return Ok(None),
        read => read?,
    };
    if read.version.is_empty() {
        return Ok(None);
    }
    let record = match read.record {
        library::Read::Unchanged => Read::Unchanged,
        library::Read::Damaged(error) => Read::Damaged(error.into()),
        library::Read::Is(record) => Read::Is(VolumeFacts {
            size: record.size,
            labels: library::labels::shown(record.labels),
            created: record.created_time,
            last_backup: record.last_backup_name,
            last_backup_at: record.last_backup_at,
            block_count: record.block_count,
            backing_image_name: record.backing_image_name,
            backing_image_checksum: record.backing_image_checksum,
            storage_class: record.storage_class_name,
        }),
    };
    Ok(Some((read.version, record)))
}

/// What was read of a volume's backups.
#[derive(Debug, Default)]
pub struct Listing {
    /// Names of all that are there.
    pub names: BTreeSet<String>,
    pub read: Vec<Listed>,
    /// Why some were not read, the first reason.
    pub fault: Option<Fault>,
}

/// All backups of a volume, as far as they can be read now. `known`: versions of records that need not be read again.
///
/// # Errors
/// The volume can't be listed.
pub async fn backups(store: &Store, volume: &str, known: &BTreeMap<String, String>) -> Result<Listing, Fault> {
    let end = Instant::now() + LOOK_TIMEOUT;
    let doing = format!("listing the backups of volume {volume}");
    let mut records = within(LOOK_TIMEOUT, &doing, library::read_backups(store, volume, known)).await?;
    let mut listing = Listing { names: records.names.into_iter().collect(), ..Listing::default() };
    let mut failures = 0;
    while failures < FAILURES_MAXIMUM {
        match tokio::time::timeout_at(end, records.read.next()).await {
            Ok(None) => break,
            Ok(Some((_, Ok(read)))) => {
                failures = 0;
                listing.read.extend(read.map(listed));
            }
            Ok(Some((_, Err(error)))) => {
                failures += 1;
                listing.fault.get_or_insert(error.into());
            }
            Err(_) => {
                let (read, all) = (listing.read.len(), listing.names.len());
                let doing = format!("reading the backups of volume {volume}, of which {read} of {all} are read,");
                listing.fault.get_or_insert(Fault::timeout(doing, LOOK_TIMEOUT));
                break;
            }
        }
    }
    Ok(listing)
}

fn listed(listed: library::ListedBackup) -> Listed {
    Listed {
        name: listed.name,
        version: listed.version,
        record: match listed.record {
            library::Read::Unchanged => Read::Unchanged,
            library::Read::Damaged(error) => Read::Damaged(error.into()),
            library::Read::Is(summary) => Read::Is(facts(summary)),
        },
    }
}

/// Whether the target as a whole answers.
pub async fn answers(store: &Store) -> Result<(), Fault> {
    within(TEST_TIMEOUT, "listing the target", store.list(library::layout::ROOT)).await.map(drop)
}

fn facts(summary: library::BackupSummary) -> BackupFacts {
    BackupFacts {
        snapshot: summary.snapshot,
        snapshot_created_at: summary.snapshot_created_at,
        created: summary.created,
        size: summary.size,
        labels: summary.labels,
        is_full: summary.parameters.get(PARAMETER_MODE).is_some_and(|mode| mode == "full"),
        block_size: summary.block_size,
        compression: summary.compression_method,
        newly_uploaded: summary.newly_uploaded_bytes,
        re_uploaded: summary.reuploaded_bytes,
    }
}

/// The record of a backup that is complete; a fault that is missing where there is none.
pub async fn backup(store: &Store, volume: &str, backup: &str) -> Result<BackupFacts, Fault> {
    library::names::check("volume", volume)?;
    library::names::check("backup", backup)?;
    let doing = format!("reading the record of backup {backup}");
    let record = within(LOOK_TIMEOUT, &doing, library::BackupRecord::load_complete(store, volume, backup)).await?;
    let parameters = record.parameters.clone().unwrap_or_default();
    Ok(BackupFacts {
        block_size: record.block_size()?,
        compression: record.compression()?.to_string(),
        snapshot: record.snapshot_name,
        snapshot_created_at: record.snapshot_created_at,
        created: record.created_time,
        size: record.size,
        labels: library::labels::shown(record.labels),
        is_full: parameters.get(PARAMETER_MODE).is_some_and(|mode| mode == "full"),
        newly_uploaded: record.newly_uploaded_data_size,
        re_uploaded: record.re_uploaded_data_size,
    })
}

/// The disk as the backup has it: its records are read now, its blocks when something in them is asked for.
pub async fn disk(store: &Store, volume: &str, backup: &str) -> Result<BackupSource, Fault> {
    let doing = format!("reading the record of backup {backup}");
    within(OPEN_TIMEOUT, &doing, BackupSource::open(store, volume, backup)).await
}

/// What was found in a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Different blocks, and how many of them were read.
    pub blocks: u64,
    pub checked: u64,
    /// Those that can't be restored: the first byte that each belongs to, and why.
    pub damaged: Vec<(u64, String)>,
}

/// Reads all blocks, or `sample` of them; what it takes is bound by the store's own limits for each request.
pub async fn verify(
    store: &Store,
    volume: &str,
    backup: &str,
    sample: Option<u64>,
    progress: &library::Progress,
) -> Result<Verified, Fault> {
    let told = library::verify(store, volume, backup, sample, VERIFY_CONCURRENCY, progress).await?;
    let damaged = told.failures.into_iter().map(|failure| (failure.offset, failure.error.to_string()));
    Ok(Verified { blocks: told.blocks, checked: told.checked, damaged: damaged.collect() })
}

/// Removes a backup, and the blocks that no other one needs. One that is not there is fine.
pub async fn delete_backup(store: &Store, volume: &str, backup: &str) -> Result<(), Fault> {
    let doing = format!("deleting backup {backup} of volume {volume}");
    let deleted = within(DELETE_TIMEOUT, &doing, library::delete_backup(store, volume, backup)).await;
    missing_is_fine(deleted.map(drop))
}

/// Removes all backups of a volume. None is fine.
pub async fn delete_volume(store: &Store, volume: &str) -> Result<(), Fault> {
    let doing = format!("deleting all backups of volume {volume}");
    let deleted = within(DELETE_TIMEOUT, &doing, library::delete_volume(store, volume)).await;
    missing_is_fine(deleted.map(drop))
}

/// A backing image's record, without its blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// Bytes of the file.
    pub size: u64,
    /// SHA-512 of the file.
    pub checksum: String,
    pub labels: BTreeMap<String, String>,
    pub compression: String,
    /// When it was complete; empty: it is being made, or its making broke off.
    pub completed: String,
    pub secret: String,
    pub secret_namespace: String,
}

/// A backing image in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedImage {
    pub name: String,
    /// Tells the record from a changed one.
    pub version: String,
    pub record: Read<ImageFacts>,
}

/// All backing images of a target. `known`: versions of records that need not be read again.
pub async fn backing_images(store: &Store, known: &BTreeMap<String, String>) -> Result<Vec<ListedImage>, Fault> {
    let listing = library::backing_image::list(store, known);
    let listed = within(LOOK_TIMEOUT, "listing the backing images of the target", listing).await?;
    let listed = listed.into_iter().map(|listed| ListedImage {
        name: listed.name,
        version: listed.version,
        record: match listed.record {
            library::Read::Unchanged => Read::Unchanged,
            library::Read::Damaged(error) => Read::Damaged(error.into()),
            library::Read::Is(record) => Read::Is(image_facts(record)),
        },
    });
    Ok(listed.collect())
}

fn image_facts(record: library::backing_image::BackingImageRecord) -> ImageFacts {
    ImageFacts {
        size: record.size,
        checksum: record.checksum,
        labels: record.labels.unwrap_or_default(),
        compression: record.compression_method,
        completed: record.complete_time,
        secret: record.secret,
        secret_namespace: record.secret_namespace,
    }
}

/// The record of a backing image that is complete; a fault that is missing where there is none.
pub async fn backing_image(store: &Store, name: &str) -> Result<ImageFacts, Fault> {
    let doing = format!("reading the record of backing image {name}");
    let reading = library::backing_image::BackingImageRecord::load_complete(store, name);
    within(LOOK_TIMEOUT, &doing, reading).await.map(image_facts)
}

/// Removes the backup of a backing image, and the blocks that no other one needs. One that is not there is fine.
pub async fn delete_backing_image(store: &Store, name: &str) -> Result<(), Fault> {
    let doing = format!("deleting the backup of backing image {name}");
    let deleted = within(DELETE_TIMEOUT, &doing, library::backing_image::delete(store, name)).await;
    missing_is_fine(deleted.map(drop))
}

fn missing_is_fine(deleted: Result<(), Fault>) -> Result<(), Fault> {
    match deleted {
        Err(fault) if fault.is_missing => Ok(()),
        deleted => deleted,
    }
}

/// Steps of a test, in order.
pub const STEPS: [&str; 4] = ["list", "write", "read", "delete"];

/// Tries all that backups need. Milliseconds of each step.
pub async fn test(store: &Store) -> Result<Vec<(&'static str, u64)>, Fault> {
    let report = within(TEST_TIMEOUT, "trying the target", store.test()).await?;
    let milliseconds = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    Ok(report.steps.iter().map(|step| (fault::step_of(step.name), milliseconds(step.took))).collect())
}
