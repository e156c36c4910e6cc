//! Whether a backup can be restored: every block, or some, fetched and checked.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use rand::seq::IteratorRandom;

use super::backup_record::BackupRecord;
use super::block::Checksum;
use super::fetch::{self, Fetcher};
use super::store::Store;
use super::volume_record::VolumeRecord;
use super::{BackupError, Progress, names};

/// What was found.
#[derive(Debug)]
pub struct Verification {
    /// Different blocks of the backup, and how many of them were checked.
    pub blocks: u64,
    pub checked: u64,
    /// Uncompressed.
    pub checked_bytes: u64,
    /// By offset.
    pub failures: Vec<BlockFailure>,
}

/// A block that cannot be restored.
#[derive(Debug)]
pub struct BlockFailure {
    /// The first place that it belongs to, in bytes.
    pub offset: u64,
    pub checksum: Checksum,
    pub error: BackupError,
}

/// Reads all blocks of a backup, or `sample` of them by chance, and checks each. Writes nothing, not even a lock.
///
/// # Errors
/// The backup's records cannot be read, or the store not reached. What is wrong with blocks is in the result.
pub async fn verify(
    store: &Store,
    volume: &str,
    backup: &str,
    sample: Option<u64>,
    concurrency: usize,
    progress: &Progress,
) -> Result<Verification, BackupError> {
    names::check("volume", volume)?;
    names::check("backup", backup)?;
    let size = VolumeRecord::load(store, volume).await?.size;
    let record = BackupRecord::load_complete(store, volume, backup).await?;
    record.check_within(size)?;
    let block_size = record.block_size()?;
    let places = first_places(&record);
    let blocks = places.len() as u64;
    let chosen = choose(places, sample);
    progress.plan(chosen.len() as u64 * block_size);
    let fetcher = Fetcher::new(store, volume, record.compression()?);
    let checks = stream::iter(&chosen).map(|&(offset, checksum)| {
        let fetcher = &fetcher;
        async move {
            let outcome = check(fetcher, offset, checksum, block_size).await;
            progress.advance(block_size);
            outcome
        }
    });
    let found: Vec<Option<BlockFailure>> =
        checks.buffer_unordered(fetch::concurrency(concurrency)).try_collect().await?;
    let checked = chosen.len() as u64;
    let mut failures: Vec<BlockFailure> = found.into_iter().flatten().collect();
    failures.sort_unstable_by_key(|failure| failure.offset);
    Ok(Verification { blocks, checked, checked_bytes: checked * block_size, failures })
}

/// Each block once, by the first place of it.
fn first_places(record: &BackupRecord) -> Vec<(u64, Checksum)> {
    let mut first: BTreeMap<Checksum, u64> = BTreeMap::new();
    for entry in record.blocks.entries() {
        first.entry(entry.checksum).or_insert(entry.offset);
    }
    let mut places: Vec<_> = first.into_iter().map(|(checksum, offset)| (offset, checksum)).collect();
    places.sort_unstable();
    places
}

fn choose(places: Vec<(u64, Checksum)>, sample: Option<u64>) -> Vec<(u64, Checksum)> {
    let Some(wanted) = sample.and_then(|sample| usize::try_from(sample).ok()).filter(|wanted| *wanted < places.len())
    else {
        return places;
    };
    let mut chosen = places.into_iter().choose_multiple(&mut rand::rng(), wanted);
    chosen.sort_unstable();
    chosen
}

async fn check(
    fetcher: &Fetcher,
    offset: u64,
    checksum: Checksum,
    block_size: u64,
) -> Result<Option<BlockFailure>, BackupError> {
    match fetcher.fetch(checksum, block_size).await {
        Ok(_) => Ok(None),
        Err(error @ (BackupError::BlockMissing { .. } | BackupError::BlockDamaged { .. })) => {
            Ok(Some(BlockFailure { offset, checksum, error }))
        }
        Err(error) => Err(error),
    }
}
