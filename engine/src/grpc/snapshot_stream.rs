//! A snapshot's data as a stream of messages.
//!
//! The stream is driven by its reader: the next pieces are read from the replicas when HTTP/2 has taken the ones before,
//! so that a slow reader costs a few MiB and no more.

use std::pin::Pin;

use futures::Stream;
use tonic::Status;

use super::engine_service::operation_status;
use super::engine_v1::snapshot_chunk::Part;
use super::engine_v1::{SnapshotChunk, SnapshotEnd, SnapshotPiece, SnapshotReadRequest, SnapshotStart};
use crate::disk::BLOCK_SIZE;
use crate::frontend::BlockDevice;
use crate::replica::SnapshotSelection;
use crate::volume::Volume;

pub(super) type Chunks = Pin<Box<dyn Stream<Item = Result<SnapshotChunk, Status>> + Send>>;

/// Refuses at once what can't be read; what breaks later breaks the stream.
pub(super) async fn chunks(volume: &Volume, request: SnapshotReadRequest) -> Result<Chunks, Status> {
    check(volume, &request)?;
    let SnapshotReadRequest { name, from, changed_since, include_backing_file, .. } = request;
    let changed_since = (!changed_since.is_empty()).then_some(changed_since);
    let selection = SnapshotSelection { name, changed_since, backing_file: include_backing_file };
    // The pass before the facts: it notices when another snapshot takes the name from now on.
    let mut pass = volume.snapshot_pass(selection.clone(), from);
    let facts = volume.snapshot_facts(&selection, from).await.map_err(operation_status)?;
    let start = SnapshotStart {
        size_bytes: facts.size,
        volume_size_bytes: volume.size(),
        created: facts.created,
        selected_bytes: facts.selected_bytes,
        backing_file: facts.backing_file,
    };
    Ok(Box::pin(async_stream::try_stream! {
        yield chunk(Part::Start(start));
        let mut sent_bytes = 0;
        while let Some(piece) = pass.next().await.map_err(operation_status)? {
            sent_bytes += piece.data.len() as u64;
            yield chunk(Part::Data(SnapshotPiece { offset: piece.offset, data: piece.data.to_vec() }));
        }
        yield chunk(Part::End(SnapshotEnd { size_bytes: facts.size, sent_bytes }));
    }))
}

fn check(volume: &Volume, request: &SnapshotReadRequest) -> Result<(), Status> {
    if !request.volume.is_empty() && request.volume != volume.name() {
        let message = format!("this is the engine of volume {}, not of {}", volume.name(), request.volume);
        return Err(Status::failed_precondition(message));
    }
    if !request.from.is_multiple_of(BLOCK_SIZE) {
        let message = format!("a snapshot is read from a multiple of {BLOCK_SIZE} bytes on, not from {}", request.from);
        return Err(Status::invalid_argument(message));
    }
    if request.include_backing_file && !request.changed_since.is_empty() {
        return Err(Status::invalid_argument("what changed since a snapshot never includes the backing file"));
    }
    Ok(())
}

fn chunk(part: Part) -> SnapshotChunk {
    SnapshotChunk { part: Some(part) }
}
