//! Answers of a replica: what they say, and the task that writes them.

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::address::Stream;
use super::control::{ControlReply, RemoteError, RemoteErrorKind};
use super::frame::{self, Header, Kind};
use super::gather::Gatherer;
use crate::disk::AlignedBuf;
use crate::replica::ReplicaError;

pub(super) type Answer = Result<AlignedBuf, RemoteError>;

/// A request that was taken in: where its answer goes, and its place among those in flight, kept until the answer is
/// written. So there is always room for the answer.
pub(super) struct Asked {
    pub(super) header: Header,
    pub(super) answers: mpsc::Sender<Answered>,
    pub(super) place: OwnedSemaphorePermit,
}

pub(super) struct Answered {
    pub(super) request: Header,
    pub(super) answer: Answer,
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

impl Asked {
    pub(super) fn answer(self, answer: Answer) {
        let Self { header, answers, place } = self;
        // The stream may be gone; the engine then knows nothing of the outcome and treats the replica so.
        let _ = answers.try_send(Answered { request: header, answer, _place: Some(place) });
    }
}

pub(super) fn control_answer(reply: ControlReply) -> Answer {
    match serde_json::to_vec(&reply) {
        Ok(bytes) => Ok(AlignedBuf::copy_of(&bytes)),
        Err(error) => Err(refused(&format!("the answer can't be written: {error}"))),
    }
}

pub(super) fn refused(message: &str) -> RemoteError {
    RemoteError { kind: RemoteErrorKind::Refused, message: message.to_owned() }
}

pub(super) fn fenced(theirs: u64, seen: u64) -> RemoteError {
    let message = format!("an engine with epoch {theirs} is out of date: epoch {seen} owns the replica");
    RemoteError { kind: RemoteErrorKind::Fenced, message }
}

/// The one table from a directory's errors to what the engine is told.
pub(super) fn remote(error: ReplicaError) -> RemoteError {
    let kind = match error.cause() {
        ReplicaError::NoSpace { .. } => RemoteErrorKind::NoSpace,
        ReplicaError::OutOfRange { .. } => RemoteErrorKind::OutOfRange,
        ReplicaError::Damaged { .. } => RemoteErrorKind::Damaged,
        ReplicaError::StaleEpoch { .. } => RemoteErrorKind::Fenced,
        // The request makes no sense in this state; the directory is as it was.
        ReplicaError::SnapshotExists { .. }
        | ReplicaError::SnapshotNotFound { .. }
        | ReplicaError::SnapshotRemoved { .. }
        | ReplicaError::InvalidName { .. }
        | ReplicaError::LayerNotFound { .. }
        | ReplicaError::ChainTooLong { .. }
        | ReplicaError::Rebuilding { .. }
        | ReplicaError::NotRebuilding { .. }
        | ReplicaError::CatchingUp { .. }
        | ReplicaError::NoCatchUp { .. }
        | ReplicaError::InvalidSize { .. }
        | ReplicaError::Smaller { .. }
        | ReplicaError::VolumeNotEmpty { .. }
        | ReplicaError::NotFilling
        | ReplicaError::RegionRoundOver { .. }
        | ReplicaError::NoAncestor { .. }
        | ReplicaError::InTheWay { .. }
        | ReplicaError::ImageMissing { .. } => RemoteErrorKind::Refused,
        _ => RemoteErrorKind::Failed,
    };
    RemoteError { kind, message: error.to_string() }
}

/// What is sent for an answer.
pub(super) fn frame_of(request: Header, answer: Answer) -> (Header, AlignedBuf) {
    match answer {
        Ok(payload) => (Header { kind: Kind::Done, ..request }, payload),
        Err(error) => {
            let text = serde_json::to_vec(&error).unwrap_or_default();
            (Header { kind: Kind::Failed, ..request }, AlignedBuf::copy_of(&text))
        }
    }
}

/// Writes answers until no more come; gives the stream back then, unless it broke.
pub(super) async fn run_writer(
    writer: tokio::io::WriteHalf<Stream>,
    mut answers: mpsc::Receiver<Answered>,
) -> Option<tokio::io::WriteHalf<Stream>> {
    let mut gatherer = Gatherer::new(writer);
    while let Some(answer) = answers.recv().await {
        let mut next = Some(answer);
        while let Some(Answered { request, answer, _place }) = next.take() {
            let (header, payload) = frame_of(request, answer);
            let checksum = frame::checksum(&payload);
            // A broken stream is the engine's to notice: it loses the link, and knows nothing of what was on its way.
            gatherer.push(&header, payload, checksum).await.ok()?;
            next = answers.try_recv().ok();
        }
        gatherer.flush().await.ok()?;
    }
    Some(gatherer.into_inner())
}
