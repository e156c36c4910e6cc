//! Reads and writes without a thread that waits for the disk: what the engine asks most, on a queue of the kernel.
//!
//! The same rules as in `read` and `write`: the image first, then the map. A pass through the gate stands for the shared
//! lock; it is held until the kernel is done with the request, also where nobody waits for the outcome any more.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::extent_map::Blocks;
use super::gate::Pass;
use super::read::touched;
use super::stack::{Structure, place_of};
use super::{Replica, ReplicaError};
use crate::crash_point;
use crate::disk::image::ImageFile;
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

/// A write of whole blocks that may go to the disk.
pub(crate) struct ReadyWrite {
    replica: Arc<Replica>,
    pass: Pass,
    image: Arc<ImageFile>,
    offset: u64,
    blocks: Blocks,
}

/// A read of whole blocks, and where they are.
pub(crate) struct ReadyRead {
    pass: Pass,
    length: u32,
    plan: ReadPlan,
}

impl Replica {
    /// A write that has nothing to wait for; `None` where it has, or where it has to be refused: [`Replica::write_queued`]
    /// does that.
    pub(crate) fn ready_write(self: &Arc<Self>, offset: u64, length: u64) -> Option<ReadyWrite> {
        if !is_whole(offset, length) || self.check_range("a write", offset, length).is_err() {
            return None;
        }
        self.admit_write(self.gate.try_enter()?, offset, length).ok()?.ok()
    }

    /// A read that has nothing to wait for; `None` where it has, or where it has to be refused: [`Replica::read_queued`]
    /// does that.
    pub(crate) fn ready_read(self: &Arc<Self>, offset: u64, length: u32) -> Option<ReadyRead> {
        if !is_whole(offset, u64::from(length)) || self.check_range("a read", offset, u64::from(length)).is_err() {
            return None;
        }
        self.admit_read(self.gate.try_enter()?, offset, length).ok().flatten()
    }

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
        if !is_whole(offset, length) {
            return self.on_thread(move |replica| replica.write(offset, &data)).await;
        }
        self.check_range("a write", offset, length)?;
        let mut pass = self.gate.enter_later().await;
        let write = loop {
            pass = match self.admit_write(pass, offset, length)? {
                Ok(write) => break write,
                Err(pass) => self.mark(pass, offset, length).await?,
            };
        };
        outcome(|then| write.start(queue, data, then)).await
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
        self.check_range("a read", offset, u64::from(length))?;
        match self.admit_read(self.gate.enter_later().await, offset, length)? {
            Some(read) => outcome(|then| read.start(queue, then)).await,
            None => self.on_thread(move |replica| replica.read(offset, length)).await,
        }
    }

    /// Makes the range dirty in the log, which waits for the disk.
    async fn mark(self: &Arc<Self>, pass: Pass, offset: u64, length: u64) -> Result<Pass, ReplicaError> {
        self.on_thread(move |replica| {
            replica.inside(&pass, |structure| structure.regions.mark(offset, length))?;
            Ok(pass)
        })
        .await
    }

    /// Gives the pass back where the range has to be marked as dirty first.
    fn admit_write(
        self: &Arc<Self>,
        pass: Pass,
        offset: u64,
        length: u64,
    ) -> Result<Result<ReadyWrite, Pass>, ReplicaError> {
        let image = self.inside(&pass, |structure| {
            if !structure.regions.mark_at_once(offset, length) {
                return Ok(None);
            }
            self.count_revision();
            Ok(Some(structure.head.image()))
        })?;
        Ok(match image {
            Some(image) => {
                Ok(ReadyWrite { replica: Arc::clone(self), pass, image, offset, blocks: touched(offset, length) })
            }
            None => Err(pass),
        })
    }

    /// `None` where a thread reads it better.
    fn admit_read(&self, pass: Pass, offset: u64, length: u32) -> Result<Option<ReadyRead>, ReplicaError> {
        let whole = is_whole(offset, u64::from(length));
        let plan = self.inside(&pass, |structure| {
            structure.complete_for("read")?;
            if whole { structure.plan(touched(offset, u64::from(length))) } else { Ok(None) }
        })?;
        Ok(plan.map(|plan| ReadyRead { pass, length, plan }))
    }

    /// Runs `work` on the structure that the pass keeps as it is.
    pub(super) fn inside<T>(
        &self,
        _pass: &Pass,
        work: impl FnOnce(&Structure) -> Result<T, ReplicaError>,
    ) -> Result<T, ReplicaError> {
        let life = self.life.read().map_err(|_| ReplicaError::poisoned())?;
        work(life.open()?)
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

impl ReadyWrite {
    /// Hands it to the disk. `then` is called when the image and the map have it, or with the reason why not; it must not
    /// wait.
    pub(crate) fn start<F>(self, queue: &IoQueue, data: AlignedBuf, then: F)
    where
        F: FnOnce(Result<(), ReplicaError>) + Send + 'static,
    {
        let Self { replica, pass, image, offset, blocks } = self;
        let ended = move |_data, outcome: Result<(), DiskError>| match outcome {
            Ok(()) => {
                crash_point::reached("write.in-image");
                let taken = replica.inside(&pass, |structure| structure.head.took(blocks));
                drop(pass);
                then(taken);
            }
            // Asks the file, which may wait for the disk.
            Err(error) => drop(tokio::task::spawn_blocking(move || {
                let checked = replica.inside(&pass, |structure| structure.head.recheck(blocks, error));
                drop(pass);
                then(checked);
            })),
        };
        queue.write(image, offset, data, Box::new(ended));
    }
}

impl ReadyRead {
    /// Hands it to the disk. `then` is called with what was read, or with the reason why not; it must not wait.
    pub(crate) fn start<F>(self, queue: &IoQueue, then: F)
    where
        F: FnOnce(Result<AlignedBuf, ReplicaError>) + Send + 'static,
    {
        let Self { pass, length, plan: ReadPlan { parts, zeros } } = self;
        let mut buffer = AlignedBuf::for_filling(length as usize);
        for place in zeros {
            buffer[place].fill(0);
        }
        if parts.is_empty() {
            drop(pass);
            return then(Ok(buffer));
        }
        let ended = move |buffer, outcome: Result<(), DiskError>| {
            drop(pass);
            then(outcome.map(|()| buffer).map_err(ReplicaError::from));
        };
        queue.read(parts, buffer, Box::new(ended));
    }
}

fn is_whole(offset: u64, length: u64) -> bool {
    offset.is_multiple_of(BLOCK_SIZE) && length.is_multiple_of(BLOCK_SIZE) && length > 0
}

/// Starts something, and waits for its outcome.
async fn outcome<T: Send + 'static>(
    start: impl FnOnce(Box<dyn FnOnce(Result<T, ReplicaError>) + Send>),
) -> Result<T, ReplicaError> {
    let (answer, answered) = oneshot::channel();
    start(Box::new(move |outcome| {
        // Whoever went away needs no answer.
        let _ = answer.send(outcome);
    }));
    match answered.await {
        Ok(outcome) => outcome,
        // The queue ends with the runtime only, and with it whoever waits here.
        Err(_) => std::future::pending().await,
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

fn part(image: Arc<ImageFile>, run: &Blocks, first: u64) -> ImagePart {
    ImagePart { file: image, file_offset: run.start * BLOCK_SIZE, place: place_of(run, first) }
}
