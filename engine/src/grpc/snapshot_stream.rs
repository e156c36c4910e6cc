//! A snapshot's data as a stream of messages.
//!
//! The stream is driven by its reader: the next pieces are read from the replicas when HTTP/2 has taken the ones before,
//! so that a slow reader costs a few MiB and no more.

use std::pin::Pin;

use futures::Stream;
use tonic::Status;

use super::engine_service::operation_status;
use super::engine_v1::snapshot_chunk::Part;
use super::engine_v1::{
    SnapshotChunk, SnapshotEnd, SnapshotPiece, SnapshotReadAtReply, SnapshotReadAtRequest, SnapshotReadRequest,
    SnapshotStart,
};
use crate::disk::BLOCK_SIZE;
use crate::frontend::BlockDevice;
use crate::replica::SnapshotSelection;
use crate::volume::Volume;
use crate::volume::snapshot_read::PIECE;

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

/// Bytes from anywhere in a snapshot, with the facts by which their reader knows that it is still the same one.
pub(super) async fn piece(volume: &Volume, request: SnapshotReadAtRequest) -> Result<SnapshotReadAtReply, Status> {
    let SnapshotReadAtRequest { volume: asked, name, offset, length } = request;
    check_volume(volume, &asked)?;
    if u64::from(length) > PIECE {
        return Err(Status::invalid_argument(format!("{length} bytes are asked for at once; {PIECE} are the most")));
    }
    let selection = SnapshotSelection { name: name.clone(), changed_since: None, backing_file: true };
    // From the end on: nothing has to be counted.
    let facts = volume.snapshot_facts(&selection, volume.size()).await.map_err(operation_status)?;
    if offset.checked_add(length.into()).is_none_or(|end| end > facts.size) {
        let message = format!("snapshot {name} ends at byte {}; {length} from {offset} on are asked for", facts.size);
        return Err(Status::out_of_range(message));
    }
    let data = match length {
        0 => Vec::new(),
        _ => volume.read_snapshot(&name, offset, length).await.map_err(operation_status)?.to_vec(),
    };
    Ok(SnapshotReadAtReply { data, size_bytes: facts.size, created: facts.created })
}

fn check_volume(volume: &Volume, asked: &str) -> Result<(), Status> {
    if asked.is_empty() || asked == volume.name() {
        return Ok(());
    }
    Err(Status::failed_precondition(format!("this is the engine of volume {}, not of {asked}", volume.name())))
}

fn check(volume: &Volume, request: &SnapshotReadRequest) -> Result<(), Status> {
    check_volume(volume, &request.volume)?;
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
