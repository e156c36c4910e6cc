//! What a store holds, told so that what did not change is not read again, and what is damaged does not stop the rest.

use std::collections::BTreeMap;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};

use super::backup_record::BackupRecord;
use super::budget::Budget;
use super::store::{Entry, Store};
use super::volume_record::VolumeRecord;
use super::{BackupError, labels, layout, names, store_access};

/// Directories, or records, that are asked for at the same time.
const CONCURRENCY: usize = 16;
/// Bytes of records that are in memory at the same time, lists of blocks included.
const MEMORY: u64 = 64 << 20;

/// A record that was asked for.
#[derive(Debug)]
pub enum Read<T> {
    /// It is the version that is known.
    Unchanged,
    Is(T),
    /// It is there, and cannot be used.
    Damaged(BackupError),
}

/// A volume of a store.
#[derive(Debug)]
pub struct ReadVolume {
    /// Changes with the record; empty where there is none.
    pub version: String,
    pub record: Read<VolumeRecord>,
}

/// A backup of a listing.
#[derive(Debug)]
pub struct ListedBackup {
    pub name: String,
    /// Changes with the record.
    pub version: String,
    pub record: Read<BackupSummary>,
}

/// A backup's record without the list of its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    pub name: String,
    pub volume: String,
    pub snapshot: String,
    /// RFC 3339: when the backup was started.
    pub snapshot_created_at: String,
    /// RFC 3339: when it was complete; empty: in progress, or dead.
    pub created: String,
    /// Bytes of all blocks.
    pub size: u64,
    pub labels: BTreeMap<String, String>,
    pub parameters: BTreeMap<String, String>,
    pub is_incremental: bool,
    pub compression_method: String,
    pub newly_uploaded_bytes: u64,
    pub reuploaded_bytes: u64,
    /// Bytes of each block.
    pub block_size: u64,
    /// Blocks in the list.
    pub blocks: u64,
}

impl BackupSummary {
    fn of(record: BackupRecord) -> Result<Self, BackupError> {
        Ok(Self {
            block_size: record.block_size()?,
            compression_method: record.compression()?.to_string(),
            blocks: record.blocks.len() as u64,
            name: record.name,
            volume: record.volume_name,
            snapshot: record.snapshot_name,
            snapshot_created_at: record.snapshot_created_at,
            created: record.created_time,
            size: record.size,
            labels: labels::shown(record.labels),
            parameters: labels::shown(record.parameters),
            is_incremental: record.is_incremental,
            newly_uploaded_bytes: record.newly_uploaded_data_size,
            reuploaded_bytes: record.re_uploaded_data_size,
        })
    }

    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        self.created.is_empty()
    }
}

/// Names of all backup volumes, sorted; also of folders that have no record. No record is read.
///
/// # Errors
/// The store's.
pub async fn list_volumes(store: &Store) -> Result<Vec<String>, BackupError> {
    let first = directories(store, vec![layout::VOLUMES.to_owned()]).await?;
    let second = directories(store, first).await?;
    let folders = directories(store, second).await?;
    let mut volumes: Vec<String> = folders
        .iter()
        .filter_map(|folder| Some((folder, folder.rsplit('/').next()?)))
        // One that lies elsewhere than its name says is not found by anybody who looks for it.
        .filter(|(folder, name)| names::is_valid(name) && layout::volume(name) == **folder)
        .filter(|(_, name)| *name != layout::BACKING_IMAGE_LOCKS)
        .map(|(_, name)| name.to_owned())
        .collect();
    volumes.sort_unstable();
    Ok(volumes)
}

/// The directories in all of these.
async fn directories(store: &Store, parents: Vec<String>) -> Result<Vec<String>, BackupError> {
    let lists = stream::iter(parents).map(|parent| async move {
        let names = store.list(&parent).await?.directories;
        Ok::<_, BackupError>(names.into_iter().map(|name| format!("{parent}/{name}")).collect::<Vec<_>>())
    });
    let lists: Vec<Vec<String>> = lists.buffered(CONCURRENCY).boxed().try_collect().await?;
    Ok(lists.into_iter().flatten().collect())
}

/// The record of a volume, unless it is the version that is `known`.
///
/// # Errors
/// The store's, or [`BackupError::InvalidName`]. A folder without a record is [`Read::Damaged`].
pub async fn read_volume(store: &Store, volume: &str, known: Option<&str>) -> Result<ReadVolume, BackupError> {
    names::check("volume", volume)?;
    let path = layout::volume_record(volume);
    let version = store.facts(&path).await?.as_ref().map(store_access::version_of).unwrap_or_default();
    if !version.is_empty() && known == Some(version.as_str()) {
        return Ok(ReadVolume { version, record: Read::Unchanged });
    }
    let missing = || BackupError::Damaged { path, why: "it is not there, though its folder is".to_owned() };
    let record = match VolumeRecord::find(store, volume).await {
        Ok(Some(record)) => Read::Is(record),
        Ok(None) => Read::Damaged(missing()),
        Err(BackupError::Store(error)) => return Err(error.into()),
        Err(error) => Read::Damaged(error),
    };
    Ok(ReadVolume { version, record })
}

/// The backups of a volume, sorted by name, those in progress included. Of those whose version is in `known`, the
/// record is not read. Files that are no records are left out.
///
/// # Errors
/// The store's, or [`BackupError::InvalidName`].
pub async fn list_backups(
    store: &Store,
    volume: &str,
    known: &BTreeMap<String, String>,
) -> Result<Vec<ListedBackup>, BackupError> {
    let records = read_backups(store, volume, known).await?;
    let mut listed: Vec<ListedBackup> =
        records.read.filter_map(|(_, read)| std::future::ready(read.transpose())).try_collect().await?;
    listed.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(listed)
}

/// The records of a volume's backups, as they come.
pub struct ReadBackups {
    /// Names of all that were there when the volume was listed.
    pub names: Vec<String>,
    /// For each name what was read; `None` where it was deleted meanwhile. One that cannot be read now is an error, and the
    /// others come all the same.
    pub read: BoxStream<'static, (String, Result<Option<ListedBackup>, BackupError>)>,
}

/// As [`list_backups`], for whoever wants to keep what was read where not all can be. Those that need not be read come
/// first.
///
/// # Errors
/// The volume cannot be listed.
pub async fn read_backups(
    store: &Store,
    volume: &str,
    known: &BTreeMap<String, String>,
) -> Result<ReadBackups, BackupError> {
    names::check("volume", volume)?;
    let files = store.list(&layout::backups(volume)).await?.files;
    let mut found: Vec<(String, Entry, bool)> = Vec::with_capacity(files.len());
    for entry in files {
        let Some(name) = layout::backup_of_file(&entry.name).map(str::to_owned) else { continue };
        let is_known = known.get(&name) == Some(&store_access::version_of(&entry));
        found.push((name, entry, is_known));
    }
    found.sort_by_key(|(_, _, is_known)| !is_known);
    let names = found.iter().map(|(name, ..)| name.clone()).collect();
    let reader = (store.clone(), volume.to_owned(), Budget::new(MEMORY));
    let reads = stream::iter(found).map(move |(name, entry, is_known)| {
        let (store, volume, memory) = reader.clone();
        async move {
            let read = read_listed(&store, &volume, &memory, &name, &entry, is_known).await;
            (name, read)
        }
    });
    Ok(ReadBackups { names, read: reads.buffered(CONCURRENCY).boxed() })
}

async fn read_listed(
    store: &Store,
    volume: &str,
    memory: &Budget,
    name: &str,
    entry: &Entry,
    is_known: bool,
) -> Result<Option<ListedBackup>, BackupError> {
    let listed = |record| ListedBackup { name: name.to_owned(), version: store_access::version_of(entry), record };
    if is_known {
        return Ok(Some(listed(Read::Unchanged)));
    }
    let _share = memory.take(entry.size).await?;
    Ok(read_summary(store, volume, name, entry).await?.map(listed))
}

/// `None`: it was deleted meanwhile.
async fn read_summary(
    store: &Store,
    volume: &str,
    name: &str,
    entry: &Entry,
) -> Result<Option<Read<BackupSummary>>, BackupError> {
    let path = format!("{}/{}", layout::backups(volume), entry.name);
    let Some(text) = store_access::read(store, &path).await? else { return Ok(None) };
    let summary = BackupRecord::decode_as(&path, &text, volume, name).and_then(BackupSummary::of);
    Ok(Some(summary.map_or_else(Read::Damaged, Read::Is)))
}
