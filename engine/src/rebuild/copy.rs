//! Moving the layers of a volume to a replica that joins.
//!
//! Only what a layer's file holds is moved, extent by extent, so that the copy has the same holes. Layers never change
//! while they are copied: all writes go to the head.

use std::sync::Arc;

use futures::StreamExt;

use super::state::Progress;
use crate::link::ReplicaLink;
use crate::link::control::{ControlReply, ControlRequest};
use crate::replica::LayerInfo;
use crate::volume::Shared;
use crate::volume::barrier::OperationError;
use crate::volume::read_choice;

/// Bytes of one request. Large enough for the disks, small enough to let foreground requests in between.
const CHUNK: u64 = 1 << 20;
/// Requests in flight. Bounds memory to a few MiB and the share of the disks that a rebuild takes.
const PARALLEL: usize = 4;
/// Extents asked for at once.
const EXTENTS: usize = 4096;

/// One piece of one layer.
#[derive(Clone)]
struct Piece {
    layer: Arc<str>,
    offset: u64,
    length: u32,
}

/// Copies every layer but the head.
pub(super) async fn layers(
    shared: &Shared,
    target: &ReplicaLink,
    layers: &[LayerInfo],
    progress: &Progress,
) -> Result<(), OperationError> {
    let sources = read_choice::in_order(&shared.membership.view(), &shared.membership.read_turn);
    let source = sources.first().map_or("", |link| link.name());
    let snapshots: Vec<_> = layers.iter().filter(|layer| !layer.is_head).collect();
    let mut planned = 0;
    for layer in &snapshots {
        planned += held_bytes(shared, &layer.file_name).await?;
    }
    progress.plan(source, planned);
    for layer in snapshots {
        copy_layer(shared, target, layer, progress).await?;
    }
    Ok(())
}

/// Bytes that will be moved: the extents' lengths. (Allocated blocks would count the file system's own ones too.)
async fn held_bytes(shared: &Shared, layer: &str) -> Result<u64, OperationError> {
    let (mut bytes, mut from) = (0, 0);
    loop {
        let extents = extents(shared, layer, from).await?;
        bytes += extents.iter().map(|(_, length)| length).sum::<u64>();
        match extents.last() {
            Some(&(offset, length)) if extents.len() == EXTENTS => from = offset + length,
            _ => return Ok(bytes),
        }
    }
}

async fn copy_layer(
    shared: &Shared,
    target: &ReplicaLink,
    layer: &LayerInfo,
    progress: &Progress,
) -> Result<(), OperationError> {
    let name: Arc<str> = layer.file_name.as_str().into();
    let mut from = 0;
    loop {
        let extents = extents(shared, &name, from).await?;
        let pieces: Vec<Piece> = extents.iter().flat_map(|(offset, length)| pieces(&name, *offset, *length)).collect();
        let mut copies =
            futures::stream::iter(pieces).map(|piece| copy_piece(shared, target, piece)).buffer_unordered(PARALLEL);
        while let Some(copied) = copies.next().await {
            progress.copied(copied?);
            shared.changed.tell();
        }
        match extents.last() {
            Some(&(offset, length)) if extents.len() == EXTENTS => from = offset + length,
            _ => return Ok(()),
        }
    }
}

fn pieces(layer: &Arc<str>, offset: u64, length: u64) -> impl Iterator<Item = Piece> {
    let layer = Arc::clone(layer);
    let starts = (0..length).step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX));
    starts.map(move |at| Piece {
        layer: Arc::clone(&layer),
        offset: offset + at,
        length: u32::try_from(CHUNK.min(length - at)).unwrap_or(u32::MAX),
    })
}

async fn extents(shared: &Shared, layer: &str, from: u64) -> Result<Vec<(u64, u64)>, OperationError> {
    let request = ControlRequest::LayerExtents { layer: layer.to_owned(), from, maximum: EXTENTS };
    let mut last = "no replica is left to copy from".to_owned();
    for source in read_choice::in_order(&shared.membership.view(), &shared.membership.read_turn) {
        match source.control(&request).await {
            Ok(ControlReply::Extents(extents)) => return Ok(extents),
            Ok(other) => last = format!("{} answered a question for extents with {other:?}", source.name()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(OperationError::Failed(last))
}

/// Reads from any member (layers are the same on all) and writes to the joiner. Returns the bytes moved.
async fn copy_piece(shared: &Shared, target: &ReplicaLink, piece: Piece) -> Result<u64, OperationError> {
    let mut last = "no replica is left to copy from".to_owned();
    for source in read_choice::in_order(&shared.membership.view(), &shared.membership.read_turn) {
        match source.layer_read(&piece.layer, piece.offset, piece.length).await {
            Ok(data) => {
                let written = target.layer_write(&piece.layer, piece.offset, &data).await;
                return written
                    .map(|()| u64::from(piece.length))
                    .map_err(|error| OperationError::Failed(error.to_string()));
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(OperationError::Failed(last))
}
