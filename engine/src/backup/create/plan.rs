//! What a backup has to read: the base it builds on, and the blocks that changed since.

use std::ops::Range;

use super::{CreateRequest, Mode};
use crate::backup::backup_record::BackupRecord;
use crate::backup::source::{Base, BlockSource};
use crate::backup::store::Store;
use crate::backup::volume_record::VolumeRecord;
use crate::backup::{BackupError, names, store_access};

/// What to read, in order.
#[derive(Debug)]
pub(super) struct Plan {
    /// The backup whose list is taken over where nothing changed; `None`: this backup's list is only what it reads.
    pub(super) base: Option<BackupRecord>,
    /// Runs of numbers of blocks.
    pub(super) runs: Vec<Range<u64>>,
}

impl Plan {
    pub(super) async fn make(
        store: &Store,
        request: &CreateRequest,
        volume: &VolumeRecord,
        source: &dyn BlockSource,
    ) -> Result<Self, BackupError> {
        if let Some(record) = find_base(store, request, volume).await? {
            let backed_up_at = store_access::parse_time(&record.snapshot_created_at);
            let base = Base { snapshot: record.snapshot_name.clone(), backed_up_at };
            if let Some(runs) = changed_blocks(source, Some(&base), request.block_size, request.size).await? {
                return Ok(Self { base: Some(record), runs });
            }
        }
        let missing = || BackupError::Internal {
            what: "asking a snapshot for its data",
            why: "it spoke of a base that it was not asked about".to_owned(),
        };
        let runs = changed_blocks(source, None, request.block_size, request.size).await?.ok_or_else(missing)?;
        Ok(Self { base: None, runs })
    }

    pub(super) fn blocks(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }
}

/// The volume's last backup, if a difference to it can be told. A base that is gone or damaged costs reading
/// everything, and no more.
async fn find_base(
    store: &Store,
    request: &CreateRequest,
    volume: &VolumeRecord,
) -> Result<Option<BackupRecord>, BackupError> {
    let last = &volume.last_backup_name;
    if request.mode == Mode::Full || !names::is_valid(last) {
        return Ok(None);
    }
    let base = match BackupRecord::load_complete(store, &request.volume, last).await {
        Ok(base) => base,
        Err(BackupError::Store(error)) => return Err(error.into()),
        Err(error) => {
            tracing::info!(volume = request.volume, base = last, %error, "the last backup is no base: all data is read");
            return Ok(None);
        }
    };
    // Lists of blocks of two sizes cannot be put over each other.
    let fits = base.snapshot_name != request.snapshot && base.block_size()? == request.block_size;
    Ok(fits.then_some(base))
}

/// The blocks that hold any data of the source's ranges; `None`: the base is none.
async fn changed_blocks(
    source: &dyn BlockSource,
    base: Option<&Base>,
    block_size: u64,
    size: u64,
) -> Result<Option<Vec<Range<u64>>>, BackupError> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut from = 0;
    loop {
        let Some(ranges) = source.ranges(base, from).await.map_err(BackupError::Source)? else { return Ok(None) };
        if ranges.is_empty() {
            return Ok(Some(runs));
        }
        for (offset, length) in ranges {
            if length == 0 {
                continue;
            }
            let end = offset.saturating_add(length);
            if offset < from || offset >= size {
                return Err(BackupError::Internal {
                    what: "asking a snapshot for its data",
                    why: format!("it named bytes {offset} to {end} after {from}, in a volume of {size}"),
                });
            }
            let run = offset / block_size..end.min(size).div_ceil(block_size);
            match runs.last_mut() {
                Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
                _ => runs.push(run),
            }
            from = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;
    use crate::backup::SourceError;

    /// Tells its ranges two at a time.
    struct Ranges(Vec<(u64, u64)>);

    impl BlockSource for Ranges {
        fn size(&self) -> u64 {
            100
        }

        fn ranges<'call>(
            &'call self,
            _: Option<&'call Base>,
            from: u64,
        ) -> BoxFuture<'call, Result<Option<Vec<(u64, u64)>>, SourceError>> {
            let later = self.0.iter().filter(move |(offset, _)| *offset >= from).take(2).copied().collect();
            async move { Ok(Some(later)) }.boxed()
        }

        fn read(&self, _: u64, _: u32) -> BoxFuture<'_, Result<Bytes, SourceError>> {
            async { Err("not asked for".into()) }.boxed()
        }
    }

    #[tokio::test]
    async fn ranges_become_runs_of_whole_blocks() {
        let ranges = Ranges(vec![(3, 2), (9, 1), (10, 1), (19, 2), (45, 1), (49, 1), (70, 30)]);
        let runs = changed_blocks(&ranges, None, 10, 100).await.unwrap().unwrap();
        assert_eq!(runs, [0..3, 4..5, 7..10]);
    }

    #[tokio::test]
    async fn a_source_that_names_what_cannot_be_is_told_so() {
        for bad in [vec![(5, 6), (8, 1)], vec![(100, 1)]] {
            let outcome = changed_blocks(&Ranges(bad), None, 10, 100).await;
            assert!(matches!(outcome, Err(BackupError::Internal { .. })), "{outcome:?}");
        }
    }
}
