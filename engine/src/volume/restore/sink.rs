//! The running volume as what a restore writes into: through its own write path, to all members.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use futures::future::{BoxFuture, try_join_all};
use futures::{StreamExt, TryStreamExt, stream};

use super::super::Volume;
use super::super::backup::source::pieces;
use super::super::snapshot_read::PIECE;
use super::super::transfer::Crossing;
use crate::backup::{BlockSink, SinkError};
use crate::crash_point;
use crate::disk::AlignedBuf;
use crate::frontend::{BlockDevice, Durability};

/// Pieces on their way to the members, or from one, at once: bounds memory to as many MiB.
const PARALLEL: u32 = 8;

/// What is written is on every member, or the member is dropped, before a write counts, as with any write.
pub(super) struct VolumeSink {
    volume: Volume,
    crossing: Crossing,
    /// The snapshot that shows the backing file alone. Where no block is any more, the volume shows that file.
    image_alone: OnceLock<String>,
}

impl VolumeSink {
    /// Called on the engine's runtime.
    pub(super) fn new(volume: &Volume) -> Self {
        Self { volume: volume.clone(), crossing: Crossing::from_here(PARALLEL), image_alone: OnceLock::new() }
    }

    pub(super) fn crossing(&self) -> &Crossing {
        &self.crossing
    }

    pub(super) fn stands_on_image(&self, image_alone: String) {
        // Said once, before the first block.
        let _ = self.image_alone.set(image_alone);
    }

    /// Puts what the backing file shows in the place of what older layers hold.
    async fn show_image(&self, snapshot: &str, offset: u64, length: u64) -> Result<(), SinkError> {
        for at in (0..length).step_by(PIECE as usize) {
            let (volume, snapshot) = (self.volume.clone(), snapshot.to_owned());
            let piece = u32::try_from(PIECE.min(length - at)).unwrap_or(u32::MAX);
            let shown = self.crossing.run(async move {
                let data = volume.read_snapshot(&snapshot, offset + at, piece).await.map_err(SinkError::from)?;
                volume.write(offset + at, data, Durability::Written).await.map_err(SinkError::from)
            });
            shown.await??;
        }
        Ok(())
    }

    async fn read_piece(&self, offset: u64, length: u32) -> Result<AlignedBuf, SinkError> {
        let volume = self.volume.clone();
        Ok(self.crossing.run(async move { volume.read(offset, length).await }).await??)
    }

    async fn write_piece(&self, offset: u64, data: Bytes) -> Result<(), SinkError> {
        let volume = self.volume.clone();
        // The copy is made here: the engine's thread has better things to do.
        let data = AlignedBuf::copy_of(&data);
        self.crossing.run(async move { volume.write(offset, data, Durability::Written).await }).await??;
        crash_point::reached("restore.data-written");
        Ok(())
    }
}

impl BlockSink for VolumeSink {
    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, SinkError>> {
        Box::pin(async move {
            let mut pieces = stream::iter(pieces(offset, length))
                .map(|(offset, length)| self.read_piece(offset, length))
                .buffered(PARALLEL as usize);
            let mut data = BytesMut::with_capacity(length as usize);
            while let Some(piece) = pieces.try_next().await? {
                data.extend_from_slice(&piece);
            }
            Ok(data.freeze())
        })
    }

    fn write(&self, offset: u64, data: Bytes) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(async move {
            let starts = (0..data.len()).step_by(PIECE as usize);
            let written = starts.map(|at| {
                let piece = data.slice(at..data.len().min(at + PIECE as usize));
                self.write_piece(offset + at as u64, piece)
            });
            try_join_all(written).await.map(drop)
        })
    }

    fn zero(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(async move {
            if let Some(snapshot) = self.image_alone.get() {
                return self.show_image(snapshot, offset, length).await;
            }
            let volume = self.volume.clone();
            // Allocated zeros: they hide what the layers below hold.
            let zeroed =
                self.crossing.run(async move { volume.write_zeroes(offset, length, false, Durability::Written).await });
            zeroed.await??;
            crash_point::reached("restore.data-zeroed");
            Ok(())
        })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(async move {
            let volume = self.volume.clone();
            Ok(self.crossing.run(async move { volume.flush().await }).await??)
        })
    }
}
