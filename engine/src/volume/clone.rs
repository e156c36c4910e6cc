//! Cloning: an empty volume gets the content of a snapshot of another volume, from that one's engine.
//!
//! ```text
//!              every member has everything, and went over to it
//!   InProgress ───────────────────────────────────────────────► Complete
//!       │  ▲ └──┐ the stream broke: again from where it was,
//!       │  └────┘ a few times, after a pause
//!       └──cancelled, refused, or no attempt got further──────► Failed: the volume is empty as before
//! ```
//!
//! Invariant: what the volume shows after `Complete` is what the snapshot shows, to the last byte. All attempts read
//! the same snapshot (one that was taken later under its name is noticed by its time); a stream counts as complete only
//! with the source's own word that it sent everything; and what the source does not send must read the same on both
//! sides: as zeros, or from the same backing file.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::watch;
use tonic::{Code, Status, Streaming};

use super::barrier::OperationError;
use super::exclusive_work::Work;
use super::fill::Fill;
use super::{Shared, Volume};
use crate::crash_point;
use crate::disk::BLOCK_SIZE;
use crate::grpc::connect;
use crate::grpc::engine_v1::snapshot_chunk::Part;
use crate::grpc::engine_v1::{CloneState, CloneStatus, SnapshotChunk, SnapshotReadRequest, SnapshotStart};
use crate::link::Address;
use crate::link::control::{ControlReply, ControlRequest};

/// Longest wait for the source's next word. It has to open a long chain first, or to wait for its own replicas.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Attempts in a row that got no further before the clone is given up.
const ATTEMPTS: u32 = 8;
/// First and longest pause before the next attempt; all of them together outlast a restart of the source's engine.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_LONGEST: Duration = Duration::from_secs(15);
/// Pieces on their way to the members at once. Bounds memory to a few MiB.
const PARALLEL: usize = 4;

/// What is cloned, from where and how.
#[derive(Clone, Debug)]
pub struct CloneRequest {
    /// Where the engine of the source volume listens.
    pub address: Address,
    /// The source volume's name; an engine of another volume refuses.
    pub volume: String,
    pub snapshot: String,
    /// Name of the snapshot that the data becomes here; empty for the source's.
    pub new_snapshot: String,
    /// Copies what the source's backing file holds too; this volume has none then. Otherwise both stand on the same.
    pub include_backing_file: bool,
}

/// The last clone into this volume.
#[derive(Clone)]
pub(crate) struct Clones {
    shown: Arc<Mutex<CloneStatus>>,
    cancelled: watch::Sender<bool>,
    runs: watch::Sender<bool>,
}

impl Default for Clones {
    fn default() -> Self {
        Self { shown: Arc::default(), cancelled: watch::Sender::new(false), runs: watch::Sender::new(false) }
    }
}

impl Clones {
    fn lock(&self) -> MutexGuard<'_, CloneStatus> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where nothing was ever cloned into this volume since its engine started.
    pub(crate) fn status(&self) -> Option<CloneStatus> {
        let shown = self.lock().clone();
        (shown.state() != CloneState::Unspecified).then_some(shown)
    }

    fn begin(&self, request: &CloneRequest) -> Progress {
        *self.lock() = CloneStatus {
            source_address: request.address.to_string(),
            source_volume: request.volume.clone(),
            source_snapshot: request.snapshot.clone(),
            snapshot: request.new_snapshot.clone(),
            state: CloneState::InProgress.into(),
            ..CloneStatus::default()
        };
        self.cancelled.send_replace(false);
        self.runs.send_replace(true);
        Progress { clones: self.clone(), started: Instant::now() }
    }

    /// Asks a running clone to end, and waits until it has.
    pub(crate) async fn end(&self) {
        self.cancelled.send_replace(true);
        // An error means that the sender is gone, and it is `self`.
        let _ = self.runs.subscribe().wait_for(|runs| !runs).await;
    }
}

/// Hand on the running clone. Whatever becomes of its holder, the clone does not look running for ever.
struct Progress {
    clones: Clones,
    started: Instant,
}

impl Progress {
    /// From here on `bytes` more will come.
    fn plan(&self, bytes: u64) {
        let mut shown = self.clones.lock();
        shown.planned_bytes = shown.done_bytes + bytes;
    }

    fn copied(&self, bytes: u64) {
        let mut shown = self.clones.lock();
        shown.done_bytes += bytes;
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        shown.bytes_per_second = shown.done_bytes.saturating_mul(1000) / milliseconds;
    }

    fn tries_again(&self, cause: &str) {
        let mut shown = self.clones.lock();
        shown.attempts_failed += 1;
        shown.last_break = cause.to_owned();
    }

    fn end(&self, result: &Result<(), String>) {
        let mut shown = self.clones.lock();
        match result {
            Ok(()) => shown.set_state(CloneState::Complete),
            Err(error) => {
                shown.set_state(CloneState::Failed);
                shown.error.clone_from(error);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.clones.lock().state() == CloneState::InProgress {
            self.end(&Err("it was given up before its end".to_owned()));
        }
        self.clones.runs.send_replace(false);
    }
}

impl Volume {
    /// Begins to clone in the background; the status tells how it goes. The volume is empty and has no frontend up (the
    /// caller has made sure of the latter).
    ///
    /// # Errors
    /// As [`Volume::fill`]. What is wrong with the source is in the status later.
    pub async fn clone_from_snapshot(&self, request: CloneRequest) -> Result<(), OperationError> {
        let name = if request.new_snapshot.is_empty() { &request.snapshot } else { &request.new_snapshot };
        let request = CloneRequest { new_snapshot: name.clone(), ..request };
        let fill = self.fill_for(Work::Clone, &request.new_snapshot).await?;
        crash_point::reached("clone.begun");
        // The fill is ours alone, so no other clone runs.
        let progress = self.shared.clones.begin(&request);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let result = run(&shared, fill, &request, &progress).await;
            match &result {
                Ok(()) => tracing::info!(source = request.volume, snapshot = request.snapshot, "cloned"),
                Err(error) => tracing::warn!(source = request.volume, snapshot = request.snapshot, error, "not cloned"),
            }
            progress.end(&result);
            drop(progress);
            shared.changed.tell();
        });
        self.shared.changed.tell();
        Ok(())
    }

    /// Gives up a running clone; returns when it has ended. The volume is empty then, unless the clone was complete.
    pub async fn cancel_clone(&self) {
        self.shared.clones.end().await;
    }
}

async fn run(shared: &Arc<Shared>, fill: Fill, request: &CloneRequest, progress: &Progress) -> Result<(), String> {
    let mut cancelled = progress.clones.cancelled.subscribe();
    let mut copy = Copy { shared, fill: &fill, request, progress, done_to: 0, created: None };
    let copied = tokio::select! {
        copied = copy.all() => copied,
        _ = cancelled.wait_for(|cancelled| *cancelled) => Err("it was cancelled".to_owned()),
    };
    if let Err(error) = copied {
        fill.abort().await;
        return Err(error);
    }
    crash_point::reached("clone.filled");
    fill.finish().await.map_err(|error| error.to_string())?;
    crash_point::reached("clone.finished");
    Ok(())
}

/// The copy as far as it has got.
struct Copy<'run> {
    shared: &'run Shared,
    fill: &'run Fill,
    request: &'run CloneRequest,
    progress: &'run Progress,
    /// Everything before this byte is on the members.
    done_to: u64,
    /// When the snapshot was taken, as the first attempt was told.
    created: Option<String>,
}

/// Why an attempt ended.
enum Broken {
    /// Another attempt may get further.
    Stream(String),
    /// No attempt will.
    ForGood(String),
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        let message = format!("the source's engine: {}", status.message());
        match status.code() {
            Code::FailedPrecondition
            | Code::InvalidArgument
            | Code::NotFound
            | Code::OutOfRange
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented => Self::ForGood(message),
            _ => Self::Stream(message),
        }
    }
}

impl Copy<'_> {
    /// Attempts until everything is there.
    async fn all(&mut self) -> Result<(), String> {
        let (mut failed, mut pause) = (0, PAUSE_FIRST);
        loop {
            let before = self.done_to;
            let cause = match self.attempt().await {
                Ok(()) => return Ok(()),
                Err(Broken::ForGood(cause)) => return Err(cause),
                Err(Broken::Stream(cause)) => cause,
            };
            if self.done_to > before {
                (failed, pause) = (0, PAUSE_FIRST);
            }
            failed += 1;
            if failed == ATTEMPTS {
                return Err(format!("{cause}; given up after {ATTEMPTS} attempts that got no further"));
            }
            tracing::warn!(cause, from = self.done_to, "the stream of a clone broke; trying again");
            self.progress.tries_again(&cause);
            self.shared.changed.tell();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }

    async fn attempt(&mut self) -> Result<(), Broken> {
        let asked = SnapshotReadRequest {
            volume: self.request.volume.clone(),
            name: self.request.snapshot.clone(),
            from: self.done_to,
            changed_since: String::new(),
            include_backing_file: self.request.include_backing_file,
        };
        let mut client = connect::engine(connect::channel(&self.request.address));
        let mut stream = in_time(client.snapshot_read(asked)).await??.into_inner();
        match next(&mut stream).await? {
            Part::Start(start) => self.check_start(&start).await?,
            _ => return Err(Broken::ForGood("the source's engine sends data before it says of what".to_owned())),
        }
        self.receive(stream).await
    }

    /// Takes the pieces in order and has a few of them on their way to the members.
    async fn receive(&mut self, mut stream: Streaming<SnapshotChunk>) -> Result<(), Broken> {
        let fill = self.fill;
        let mut writing = FuturesOrdered::new();
        let (mut received, mut end) = (0, None);
        let mut received_to = self.done_to;
        loop {
            tokio::select! {
                part = next(&mut stream), if end.is_none() && writing.len() < PARALLEL => match part? {
                    Part::Data(piece) => {
                        let piece_end = self.check_piece(piece.offset, piece.data.len() as u64, received_to)?;
                        (received, received_to) = (received + piece.data.len() as u64, piece_end);
                        writing.push_back(async move {
                            fill.write(piece.offset, &piece.data).await.map(|()| (piece_end, piece.data.len() as u64))
                        });
                    }
                    Part::End(said) => end = Some(said.sent_bytes),
                    Part::Start(_) => return Err(Broken::ForGood("the source's engine starts twice".to_owned())),
                },
                Some(written) = writing.next(), if !writing.is_empty() => {
                    let (to, bytes) = written.map_err(|error| Broken::ForGood(error.to_string()))?;
                    self.done_to = to;
                    self.progress.copied(bytes);
                    self.shared.changed.tell();
                    crash_point::reached("clone.data-written");
                }
                else => break,
            }
        }
        match end {
            Some(sent) if sent == received => Ok(()),
            _ => Err(Broken::Stream(format!("the source's engine sent {end:?} bytes and {received} arrived"))),
        }
    }

    /// Whether this snapshot can become this volume's content, and is still the one of the attempt before.
    async fn check_start(&mut self, start: &SnapshotStart) -> Result<(), Broken> {
        let refuse = |why: String| Err(Broken::ForGood(why));
        if start.size_bytes > self.shared.size() {
            return refuse(format!(
                "snapshot {} has {} bytes and this volume {}; a clone needs a volume of at least the same size",
                self.request.snapshot,
                start.size_bytes,
                self.shared.size()
            ));
        }
        let ours = self.backing_file().await?;
        if self.request.include_backing_file && !ours.is_empty() {
            return refuse(format!(
                "this volume stands on backing file {ours}, which would show through where the source holds nothing; \
                 use a volume without one"
            ));
        }
        if !self.request.include_backing_file && image_of(&ours) != image_of(&start.backing_file) {
            return refuse(format!(
                "the volumes do not stand on the same backing file (here {ours:?}, there {:?}); clone with the backing \
                 file's content into a volume without one",
                start.backing_file
            ));
        }
        if *self.created.get_or_insert_with(|| start.created.clone()) != start.created {
            return refuse(format!("snapshot {} was removed while it was copied", self.request.snapshot));
        }
        self.progress.plan(start.selected_bytes);
        Ok(())
    }

    async fn backing_file(&self) -> Result<String, Broken> {
        let broken = |error: OperationError| Broken::Stream(error.to_string());
        let asked = self.shared.any_member(|link| async move { link.control(&ControlRequest::BackingFile).await });
        match asked.await.map_err(broken)? {
            ControlReply::BackingFile(path) => Ok(path),
            other => Err(Broken::ForGood(format!("a question for the backing file was answered with {other:?}"))),
        }
    }

    /// Where the piece ends. What comes from another process must be whole blocks, in order and inside the volume.
    fn check_piece(&self, offset: u64, length: u64, received_to: u64) -> Result<u64, Broken> {
        let whole = offset.is_multiple_of(BLOCK_SIZE) && length.is_multiple_of(BLOCK_SIZE) && length > 0;
        match offset.checked_add(length) {
            Some(end) if whole && offset >= received_to && end <= self.shared.size() => Ok(end),
            _ => Err(Broken::ForGood(format!(
                "the source's engine sends {length} bytes at {offset}, which do not fit behind {received_to}"
            ))),
        }
    }
}

/// What of a backing file's path says which image it is: the disks of two replicas differ, the image's own directory
/// (its name and id, in Longhorn's layout) does not.
fn image_of(path: &str) -> Option<std::ffi::OsString> {
    let path = Path::new(path);
    path.parent().and_then(Path::file_name).or(path.file_name()).map(ToOwned::to_owned)
}

async fn in_time<T>(waited_for: impl Future<Output = T>) -> Result<T, Broken> {
    let late = |_| Broken::Stream(format!("the source's engine said nothing for {} s", SOURCE_TIMEOUT.as_secs()));
    tokio::time::timeout(SOURCE_TIMEOUT, waited_for).await.map_err(late)
}

/// The next part of the stream. Cancel-safe.
async fn next(stream: &mut Streaming<SnapshotChunk>) -> Result<Part, Broken> {
    let ended = || Broken::Stream("the source's engine ended the stream early".to_owned());
    in_time(stream.message()).await??.and_then(|chunk| chunk.part).ok_or_else(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backing_image_is_known_by_its_own_directory() {
        let on = |disk: &str| image_of(&format!("/{disk}/backing-images/debian-1a2b/backing"));
        assert_eq!(on("a"), on("b"));
        assert_ne!(on("a"), image_of("/a/backing-images/debian-ffff/backing"));
        assert_ne!(on("a"), image_of(""));
        assert_eq!(image_of(""), None);
    }
}
