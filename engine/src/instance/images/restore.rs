//! An image out of a backup target.

use std::time::Duration;

use tokio::sync::mpsc;

use super::backup::open;
use super::download::check_room;
use super::progress::Progress;
use super::sink::{Sink, Written};
use super::{ImageError, Place};
use crate::backup::Store;
use crate::backup::backing_image::{self, BackingImageRecord, ImageBlock};
use crate::grpc::instance_v1::ImageRestore;

/// Attempts, where what failed may pass; each block was asked for more than once by then.
const ATTEMPTS_MAXIMUM: u32 = 5;
const PAUSE: Duration = Duration::from_secs(5);

/// Fetches the image into `backing.tmp`; it has the checksum of the one that was backed up.
pub(super) async fn run(request: ImageRestore, place: &Place, progress: &Progress) -> Result<Written, ImageError> {
    let store = open(request.target).await?;
    let record = BackingImageRecord::load_complete(&store, &request.name).await?;
    progress.plan(record.size);
    let data = record.blocks.entries().iter().map(|entry| record.block_length(entry.offset)).sum();
    check_room(place, data, 0)?;
    let mut sink = Sink::create(&place.unfinished(), progress);
    let mut attempt = 1;
    loop {
        match fetch(&store, &record, &mut sink).await {
            Ok(()) => break,
            Err(ImageError::Backup(error)) if error.is_transient() && attempt < ATTEMPTS_MAXIMUM => {
                tracing::warn!(image = place.name(), %error, "restoring a backing image broke; trying again");
            }
            Err(error) => return Err(error),
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
        sink.restart().await?;
    }
    let rest =
        record.size.checked_sub(sink.length()).ok_or(ImageError::Length { told: record.size, found: sink.length() })?;
    sink.zeros(rest).await?;
    let written = sink.finish().await?;
    if !record.checksum.is_empty() && !written.checksum.eq_ignore_ascii_case(&record.checksum) {
        return Err(ImageError::Checksum { found: written.checksum, expected: record.checksum });
    }
    Ok(written)
}

async fn fetch(store: &Store, record: &BackingImageRecord, sink: &mut Sink) -> Result<(), ImageError> {
    let (blocks, mut coming) = mpsc::channel::<ImageBlock>(1);
    let fetching = backing_image::restore(store, record, blocks);
    // The channel goes with it where the disk fails, and the fetching ends.
    let writing = async move {
        while let Some(block) = coming.recv().await {
            let gap = block.offset.checked_sub(sink.length());
            let gap = gap.ok_or_else(|| ImageError::Source("blocks of the backup overlap".to_owned()))?;
            sink.zeros(gap).await?;
            sink.write(block.data).await?;
        }
        Ok::<_, ImageError>(())
    };
    let (fetched, written) = tokio::join!(fetching, writing);
    written?;
    Ok(fetched?)
}
