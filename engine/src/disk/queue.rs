//! A queue of direct I/O to image files, and of their syncs, that no thread has to wait for.
//!
//! Requests that come while others are being served go to the kernel with one system call: the task that submits them
//! runs after those that are ready now. Where the kernel refuses io_uring there is no queue, and callers use threads.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::image::ImageFile;
use super::{AlignedBuf, DiskError, fault};
use crate::sys::ring::{Action, Finished, Part, Parts, Ring, Submitted};

/// Pause before the kernel is asked again that was short of memory.
const REFUSED_PAUSE: Duration = Duration::from_millis(1);

/// Larger transfers are checked, or taken down, by a thread of their own: that takes as long as a small request.
const CHECKED_AT_ONCE: usize = 128 << 10;

/// What becomes of a finished transfer. What it owns is kept until the kernel is done with the transfer. It is called on the
/// thread that serves requests, and must not wait.
pub(crate) type Then = Box<dyn FnOnce(AlignedBuf, Result<(), DiskError>) + Send>;

/// A range of an image, and where its bytes are in the buffer of the transfer.
pub(crate) type ImagePart = Part<ImageFile>;
pub(crate) type ImageParts = Parts<ImageFile>;

/// Ends with its last handle; transfers in flight still end.
#[derive(Clone)]
pub(crate) struct IoQueue {
    handle: Arc<Handle>,
}

/// A handle that does not keep the queue.
#[derive(Clone)]
pub(crate) struct WeakQueue {
    handle: Weak<Handle>,
}

impl WeakQueue {
    /// The queue, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<IoQueue> {
        self.handle.upgrade().map(|handle| IoQueue { handle })
    }
}

struct Handle {
    shared: Arc<Shared>,
    driver: JoinHandle<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What is known of a transfer in the kernel.
struct Ticket {
    action: Action,
    then: Then,
    /// Of a read: the moment before, for each part.
    moments: SmallVec<[u64; 1]>,
}

struct Shared {
    ring: Mutex<Ring<ImageFile, Ticket>>,
    started: Notify,
}

impl Shared {
    fn ring(&self) -> MutexGuard<'_, Ring<ImageFile, Ticket>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IoQueue {
    /// Starts a queue; needs a tokio runtime.
    ///
    /// # Errors
    /// The kernel has no io_uring, or this process may not use it.
    pub(crate) fn start() -> io::Result<Self> {
        let ring = Ring::new()?;
        let descriptor = ring.readiness()?;
        let shared = Arc::new(Shared { ring: Mutex::new(ring), started: Notify::new() });
        let driver = tokio::spawn(drive(Arc::clone(&shared), descriptor));
        Ok(Self { handle: Arc::new(Handle { shared, driver }) })
    }

    /// For what the queue itself keeps while it works on it.
    pub(crate) fn downgrade(&self) -> WeakQueue {
        WeakQueue { handle: Arc::downgrade(&self.handle) }
    }

    /// Reads `parts` into `buffer`; `then` gets it with the outcome.
    pub(crate) fn read(&self, parts: ImageParts, buffer: AlignedBuf, then: Then) {
        self.enqueue(Action::Read, parts, buffer, then);
    }

    /// Writes all of `buffer`'s blocks to `image` at `offset`; `then` gets it with the outcome.
    pub(crate) fn write(&self, image: Arc<ImageFile>, offset: u64, buffer: AlignedBuf, then: Then) {
        let place = 0..buffer.padded().len();
        let parts = ImageParts::from_buf([Part { file: image, file_offset: offset, place }]);
        self.enqueue(Action::Write, parts, buffer, then);
    }

    /// Makes durable what was written to `image` before; `then` gets an empty buffer with the outcome. A failure is told
    /// once and never tried again: a second sync that succeeds says nothing about what the first one lost.
    pub(crate) fn sync(&self, image: Arc<ImageFile>, then: Then) {
        if let Err(error) = fault::check("sync", image.path()) {
            let error = image.error("sync", error);
            return then(AlignedBuf::default(), Err(error));
        }
        let parts = ImageParts::from_buf([Part { file: image, file_offset: 0, place: 0..0 }]);
        self.enqueue(Action::SyncData, parts, AlignedBuf::default(), then);
    }

    fn enqueue(&self, action: Action, parts: ImageParts, buffer: AlignedBuf, then: Then) {
        let shared = &self.handle.shared;
        let moments = begin_with_sums(action, &parts);
        shared.ring().start(action, parts, buffer, Ticket { action, then, moments });
        shared.started.notify_one();
    }
}

async fn drive(shared: Arc<Shared>, descriptor: AsyncFd<OwnedFd>) {
    let _supervised = Supervised;
    loop {
        tokio::select! {
            () = shared.started.notified() => {}
            ready = descriptor.readable() => match ready {
                // Before the completions are read: one that comes later is told again.
                Ok(mut ready) => ready.clear_ready(),
                Err(error) => tracing::error!(%error, "cannot wait for the disk"),
            }
        }
        while serve(&shared) == Served::Refused {
            tokio::time::sleep(REFUSED_PAUSE).await;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// Whatever is left is told when it moves.
    All,
    /// The kernel took nothing and has nothing: nobody will tell when to try again.
    Refused,
}

/// Submits and completes until there is nothing to do.
fn serve(shared: &Shared) -> Served {
    loop {
        let submitted = shared.ring().submit();
        let mut completed = 0;
        while let Some(finished) = next(shared) {
            complete(finished);
            completed += 1;
        }
        match submitted {
            Ok(Submitted { left: 0, .. }) => return Served::All,
            Ok(Submitted { taken, .. }) if taken > 0 || completed > 0 => {}
            Ok(Submitted { in_kernel: 1.., .. }) => return Served::All,
            Ok(_) => return Served::Refused,
            Err(error) => {
                tracing::error!(%error, "the kernel takes no disk requests; trying again");
                return Served::Refused;
            }
        }
    }
}

/// Requests would wait for ever for a driver that is gone, and hold everything that they have passes for. A process that
/// ends is noticed, and its directory opened by the next one.
struct Supervised;

impl Drop for Supervised {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "lines of the log wait for a thread, which this takes away")]
            {
                eprintln!("the disk queue broke; the process ends");
            }
            std::process::abort();
        }
    }
}

fn next(shared: &Shared) -> Option<Finished<ImageFile, Ticket>> {
    shared.ring().finished()
}

fn complete(finished: Finished<ImageFile, Ticket>) {
    let Finished { ticket: Ticket { action, then, moments }, mut buffer, parts, outcome } = finished;
    let outcome = match outcome {
        Ok(()) if sums_need_no_thread(action, &parts, &buffer, &moments) => Ok(()),
        // Rare, or long, and may wait for the disk.
        Ok(()) => {
            tokio::task::spawn_blocking(move || {
                let outcome = follow_with_sums(action, &parts, &mut buffer, &moments);
                then(buffer, outcome);
            });
            return;
        }
        // Interrupted, or short at the end of a file or of its room: the plain calls go on from there or say why not.
        Err(error) if action != Action::SyncData && is_worth_another_way(&error) => {
            tokio::task::spawn_blocking(move || {
                let outcome = again(action, &parts, &mut buffer);
                end_changes(action, &parts);
                then(buffer, outcome);
            });
            return;
        }
        Err(error) if action == Action::Write && has_sums(&parts) => {
            tokio::task::spawn_blocking(move || {
                let error = failed(action, &parts, error);
                for part in &parts {
                    part.file.sums().inspect(|sums| sums.forget(part.file_offset, part.place.len() as u64));
                }
                end_changes(action, &parts);
                then(buffer, Err(error));
            });
            return;
        }
        Err(error) => Err(failed(action, &parts, error)),
    };
    then(buffer, outcome);
}

fn has_sums(parts: &ImageParts) -> bool {
    parts.iter().any(|part| part.file.sums().is_some())
}

/// Before a transfer is given to the kernel.
fn begin_with_sums(action: Action, parts: &ImageParts) -> SmallVec<[u64; 1]> {
    match action {
        Action::Read => parts.iter().map(|part| part.file.sums().map_or(0, |sums| sums.moment())).collect(),
        Action::Write => {
            for part in parts {
                part.file.sums().inspect(|sums| sums.begin(part.file_offset, part.place.len() as u64));
            }
            SmallVec::new()
        }
        Action::SyncData => SmallVec::new(),
    }
}

/// What is known of the parts of a write is right again.
fn end_changes(action: Action, parts: &ImageParts) {
    for part in parts.iter().filter(|_| action == Action::Write) {
        part.file.sums().inspect(|sums| sums.end(part.file_offset, part.place.len() as u64));
    }
}

/// Whether the checksums of a transfer that went well are dealt with: those of a read are right, those of a write taken down.
fn sums_need_no_thread(action: Action, parts: &ImageParts, buffer: &AlignedBuf, moments: &[u64]) -> bool {
    if action == Action::SyncData || !has_sums(parts) {
        return true;
    }
    if buffer.len() > CHECKED_AT_ONCE {
        return false;
    }
    let mut each = parts.iter().enumerate();
    let is_done = each.all(|(number, part)| {
        let (Some(sums), Some(data)) = (part.file.sums(), buffer.padded().get(part.place.clone())) else { return true };
        match action {
            Action::Read => sums.check_at_once(part.file_offset, data, moments.get(number).copied().unwrap_or(0)),
            Action::Write => sums.set_at_once(part.file_offset, data),
            Action::SyncData => true,
        }
    });
    if is_done {
        end_changes(action, parts);
    }
    is_done
}

/// The same on a thread, which may wait for the disk.
fn follow_with_sums(
    action: Action,
    parts: &ImageParts,
    buffer: &mut AlignedBuf,
    moments: &[u64],
) -> Result<(), DiskError> {
    for (number, part) in parts.iter().enumerate() {
        let Some(data) = buffer.padded_mut().get_mut(part.place.clone()) else { continue };
        match action {
            Action::Read => part.file.check(part.file_offset, data, moments.get(number).copied().unwrap_or(0))?,
            Action::Write => part.file.note_written(part.file_offset, data),
            Action::SyncData => {}
        }
    }
    end_changes(action, parts);
    Ok(())
}

fn is_worth_another_way(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof | io::ErrorKind::WouldBlock)
}

fn again(action: Action, parts: &ImageParts, buffer: &mut AlignedBuf) -> Result<(), DiskError> {
    for part in parts {
        let memory = &mut buffer.padded_mut()[part.place.clone()];
        match action {
            Action::Read => part.file.read_blocks(part.file_offset, memory)?,
            Action::Write => part.file.write_blocks(part.file_offset, memory)?,
            Action::SyncData => part.file.sync_data()?,
        }
    }
    Ok(())
}

fn failed(action: Action, parts: &ImageParts, error: io::Error) -> DiskError {
    let what = match action {
        Action::Read => "read",
        Action::Write => "write",
        Action::SyncData => "sync",
    };
    match parts.first() {
        Some(part) => part.file.error(what, error),
        None => DiskError { what, path: std::path::PathBuf::new(), source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::BLOCK_SIZE;

    type Outcome = (AlignedBuf, Result<(), DiskError>);

    /// Starts a transfer, and waits for its end.
    async fn outcome(start: impl FnOnce(Then)) -> Outcome {
        let (answer, answered) = tokio::sync::oneshot::channel();
        start(Box::new(move |buffer, outcome| answer.send((buffer, outcome)).unwrap()));
        answered.await.unwrap()
    }

    /// More parts at once than the kernel has places for, and a failure among them.
    #[tokio::test]
    async fn every_transfer_ends_however_many_there_are() {
        const BLOCKS: u64 = 64;
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = dir.path().join("a.img");
        let image = Arc::new(ImageFile::create(&path, BLOCKS * BLOCK_SIZE).unwrap());
        // Where the tests run without io_uring there is no queue to test.
        let Ok(queue) = IoQueue::start() else { return };
        for block in 0..BLOCKS {
            let data = AlignedBuf::copy_of(&[block as u8; BLOCK_SIZE as usize]);
            outcome(|then| queue.write(Arc::clone(&image), block * BLOCK_SIZE, data, then)).await.1.unwrap();
        }
        // Backwards, so that each part is a request of its own.
        let part = |block: u64| ImagePart {
            file: Arc::clone(&image),
            file_offset: (BLOCKS - 1 - block) * BLOCK_SIZE,
            place: (block * BLOCK_SIZE) as usize..((block + 1) * BLOCK_SIZE) as usize,
        };
        let reads = (0..100).map(|_| {
            let buffer = AlignedBuf::for_filling((BLOCKS * BLOCK_SIZE) as usize);
            outcome(|then| queue.read((0..BLOCKS).map(part).collect(), buffer, then))
        });
        let read_only = Arc::new(ImageFile::open(&path, crate::disk::image::Access::ReadOnly).unwrap());
        let refused = outcome(|then| queue.write(read_only, 0, AlignedBuf::zeroed(BLOCK_SIZE as usize), then));
        let (done, refused) = tokio::join!(futures::future::join_all(reads), refused);
        assert!(refused.1.unwrap_err().to_string().contains("write"));
        for read in done {
            let (buffer, outcome) = read;
            outcome.unwrap();
            let firsts = buffer.chunks(BLOCK_SIZE as usize).map(|block| block[0]);
            assert!(firsts.eq((0..BLOCKS as u8).rev()));
        }
    }

    #[tokio::test]
    async fn what_lies_past_the_end_of_a_file_reads_as_zeros() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let image = Arc::new(ImageFile::create(&dir.path().join("a.img"), BLOCK_SIZE).unwrap());
        image.write_blocks(0, AlignedBuf::copy_of(&[7; 4096]).padded()).unwrap();
        let Ok(queue) = IoQueue::start() else { return };
        let part = ImagePart { file: image, file_offset: 0, place: 0..8192 };
        let (buffer, outcome) =
            outcome(|then| queue.read(ImageParts::from_buf([part]), AlignedBuf::copy_of(&[1; 8192]), then)).await;
        outcome.unwrap();
        assert!(buffer[..4096].iter().all(|&byte| byte == 7) && buffer[4096..].iter().all(|&byte| byte == 0));
    }
}
