//! Reads and writes without a thread that waits for the disk: what the engine asks most, on a queue of the kernel.
//!
//! The same rules as in `read` and `write`: the image first, then the map. A pass through the gate stands for the shared
//! lock; it is held until the kernel is done with the request, also where nobody waits for the outcome any more.

use std::sync::Arc;

use super::extent_map::Blocks;
use super::gate::Pass;
use super::read::touched;
use super::stack::{Structure, place_of};
use super::{Replica, ReplicaError};
use crate::crash_point;
use crate::disk::queue::{ImagePart, ImageParts, IoQueue};
use crate::disk::{AlignedBuf, BLOCK_SIZE, DiskError};

/// A read that is cut into more pieces is read by a thread, one piece after the other.
const PIECES_MAXIMUM: usize = 64;

/// Where the bytes of a read come from.
struct ReadPlan {
    parts: ImageParts,
    /// Places in the buffer of blocks that nothing holds.
    zeros: Vec<std::ops::Range<usize>>,
}

impl Replica {
    /// As [`Replica::write`].
    ///
    /// # Errors
    /// As [`Replica::write`].
    pub(crate) async fn write_queued(
        self: &Arc<Self>,
        queue: &IoQueue,
        offset: u64,
        data: AlignedBuf,
    ) -> Result<(), ReplicaError> {
        let length = data.len() as u64;
        let whole = offset.is_multiple_of(BLOCK_SIZE) && length.is_multiple_of(BLOCK_SIZE) && length > 0;
        if !whole {
            return self.on_thread(move |replica| replica.write(offset, &data)).await;
        }
        self.check_range("a write", offset, length)?;
        let pass = self.gate.enter_later().await;
        let image = self.inside(&pass, |structure| {
            self.count_revision();
            Ok(structure.head.image())
        })?;
        let blocks = touched(offset, length);
        match queue.write(image, offset, data, pass).await {
            Ok(pass) => {
                crash_point::reached("write.in-image");
                self.inside(&pass, |structure| structure.head.took(blocks))
            }
            Err((error, pass)) => self.recheck(pass, blocks, error).await,
        }
    }

    /// As [`Replica::read`].
    ///
    /// # Errors
    /// As [`Replica::read`].
    pub(crate) async fn read_queued(
        self: &Arc<Self>,
        queue: &IoQueue,
        offset: u64,
        length: u32,
    ) -> Result<AlignedBuf, ReplicaError> {
        let whole = offset.is_multiple_of(BLOCK_SIZE) && u64::from(length).is_multiple_of(BLOCK_SIZE) && length > 0;
        self.check_range("a read", offset, u64::from(length))?;
        let pass = self.gate.enter_later().await;
        let plan = self.inside(&pass, |structure| {
            structure.complete_for("read")?;
            if whole { structure.plan(touched(offset, u64::from(length))) } else { Ok(None) }
        })?;
        let Some(ReadPlan { parts, zeros }) = plan else {
            drop(pass);
            return self.on_thread(move |replica| replica.read(offset, length)).await;
        };
        let mut buffer = AlignedBuf::for_filling(length as usize);
        for place in zeros {
            buffer[place].fill(0);
        }
        if parts.is_empty() {
            return Ok(buffer);
        }
        match queue.read(parts, buffer, pass).await {
            Ok((buffer, _pass)) => Ok(buffer),
            Err((error, _pass)) => Err(error.into()),
        }
    }

    /// Runs `work` on the structure that the pass keeps as it is.
    fn inside<T>(
        &self,
        _pass: &Pass,
        work: impl FnOnce(&Structure) -> Result<T, ReplicaError>,
    ) -> Result<T, ReplicaError> {
        let life = self.life.read().map_err(|_| ReplicaError::poisoned())?;
        work(life.open()?)
    }

    async fn recheck(self: &Arc<Self>, pass: Pass, blocks: Blocks, error: DiskError) -> Result<(), ReplicaError> {
        self.on_thread(move |replica| replica.inside(&pass, |structure| structure.head.recheck(blocks, error))).await
    }

    async fn on_thread<T, F>(self: &Arc<Self>, work: F) -> Result<T, ReplicaError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, ReplicaError> + Send + 'static,
    {
        let replica = Arc::clone(self);
        crate::link::server::blocking(move || work(&replica)).await
    }
}

impl Structure {
    /// Where `blocks` are; `None` where a thread reads them better.
    fn plan(&self, blocks: Blocks) -> Result<Option<ReadPlan>, ReplicaError> {
        let first = blocks.start;
        let mut plan = ReadPlan { parts: ImageParts::new(), zeros: Vec::new() };
        for (run, held) in self.head.segments(blocks)? {
            if held.is_some() {
                plan.parts.push(part(self.head.image(), &run, first));
                continue;
            }
            for (run, layer) in self.lower.segments(run)? {
                match layer {
                    Some(layer) => plan.parts.push(part(self.lower.image(layer), &run, first)),
                    None if run.start < self.lower.backing_blocks() => return Ok(None),
                    None => plan.zeros.push(place_of(&run, first)),
                }
            }
        }
        Ok((plan.parts.len() <= PIECES_MAXIMUM).then_some(plan))
    }
}

fn part(image: Arc<crate::disk::image::ImageFile>, run: &Blocks, first: u64) -> ImagePart {
    ImagePart { file: image, file_offset: run.start * BLOCK_SIZE, place: place_of(run, first) }
}
