//! Moving the layers of a volume to a replica that joins.
//!
//! Only what a layer's file holds is moved, extent by extent, so that the copy has the same holes. Layers never change
//! while they are copied: all writes go to the head.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;

use super::state::Progress;
use crate::link::control::{ControlReply, ControlRequest};
use crate::link::{LinkError, ReplicaLink};
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
///
/// Members agree on what is seen from each layer, not on which layer holds a block: making them equal after an unclean
/// stop may have put more into one head than into another. So extents and data of a layer come from one member. When
/// that one is lost, the layer is copied again from another on top of what is there: all of it is what is seen from
/// this layer, whoever it came from.
pub(super) async fn layers(
    shared: &Shared,
    target: &ReplicaLink,
    layers: &[LayerInfo],
    progress: &Progress,
) -> Result<(), OperationError> {
    let sources = read_choice::in_order(&shared.membership.view(), &shared.membership.read_turn);
    let snapshots: Vec<_> = layers.iter().filter(|layer| !layer.is_head).collect();
    let mut last = "no replica is left to copy from".to_owned();
    let mut done = 0;
    for source in sources {
        if !has_these(&source, layers).await {
            last = format!("replica {} has purged snapshots that are to be copied", source.name());
            continue;
        }
        match from_one(shared, &source, target, &snapshots, &mut done, progress).await {
            Ok(()) => return Ok(()),
            Err(CopyError::Source(error)) => last = error.to_string(),
            Err(CopyError::Target(error)) => return Err(OperationError::Failed(error.to_string())),
        }
    }
    Err(OperationError::Failed(last))
}

/// Whether a member has these very layers, removed ones included. One that has merged what the first source had not
/// can't go on where that one stopped: part of a merged layer's data would be left out.
async fn has_these(source: &ReplicaLink, layers: &[LayerInfo]) -> bool {
    let below = |layers: &[LayerInfo]| -> BTreeMap<String, String> {
        let below = layers.iter().filter(|layer| !layer.is_head);
        below.map(|layer| (layer.file_name.clone(), layer.parent.clone())).collect()
    };
    let wanted = below(layers);
    match crate::volume::start::ask_layers(source).await {
        // Snapshots taken since are not copied.
        Ok(has) => {
            let has = below(&has);
            wanted.iter().all(|(layer, parent)| has.get(layer) == Some(parent))
        }
        // The copy itself tells what is wrong.
        Err(_) => true,
    }
}

/// Whose fault it is that a copy broke off.
enum CopyError {
    Source(LinkError),
    Target(LinkError),
}

/// Copies the layers from number `done` on, and counts it up.
async fn from_one(
    shared: &Shared,
    source: &ReplicaLink,
    target: &ReplicaLink,
    snapshots: &[&LayerInfo],
    done: &mut usize,
    progress: &Progress,
) -> Result<(), CopyError> {
    let mut planned = 0;
    for layer in &snapshots[*done..] {
        planned += held_bytes(source, &layer.file_name).await.map_err(CopyError::Source)?;
    }
    progress.plan(source.name(), planned);
    while let Some(layer) = snapshots.get(*done) {
        copy_layer(shared, source, target, layer, progress).await?;
        *done += 1;
    }
    Ok(())
}

/// Bytes that will be moved: the extents' lengths. (Allocated blocks would count the file system's own ones too.)
async fn held_bytes(source: &ReplicaLink, layer: &str) -> Result<u64, LinkError> {
    let (mut bytes, mut from) = (0, 0);
    loop {
        let extents = extents(source, layer, from).await?;
        bytes += extents.iter().map(|(_, length)| length).sum::<u64>();
        match extents.last() {
            Some(&(offset, length)) if extents.len() == EXTENTS => from = offset + length,
            _ => return Ok(bytes),
        }
    }
}

async fn copy_layer(
    shared: &Shared,
    source: &ReplicaLink,
    target: &ReplicaLink,
    layer: &LayerInfo,
    progress: &Progress,
) -> Result<(), CopyError> {
    let name: Arc<str> = layer.file_name.as_str().into();
    let mut from = 0;
    loop {
        let extents = extents(source, &name, from).await.map_err(CopyError::Source)?;
        let pieces: Vec<Piece> = extents.iter().flat_map(|(offset, length)| pieces(&name, *offset, *length)).collect();
        let mut copies =
            futures::stream::iter(pieces).map(|piece| copy_piece(source, target, piece)).buffer_unordered(PARALLEL);
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

async fn extents(source: &ReplicaLink, layer: &str, from: u64) -> Result<Vec<(u64, u64)>, LinkError> {
    let request = ControlRequest::LayerExtents { layer: layer.to_owned(), from, maximum: EXTENTS };
    match source.control(&request).await? {
        ControlReply::Extents(extents) => Ok(extents),
        other => {
            let cause = format!("answered a question for extents with {other:?}");
            Err(LinkError::Lost { replica: source.name().to_owned(), cause })
        }
    }
}

/// Returns the bytes moved.
async fn copy_piece(source: &ReplicaLink, target: &ReplicaLink, piece: Piece) -> Result<u64, CopyError> {
    let read = source.layer_read(&piece.layer, piece.offset, piece.length).await;
    let data = read.map_err(CopyError::Source)?;
    target.layer_write(&piece.layer, piece.offset, &data).await.map_err(CopyError::Target)?;
    Ok(u64::from(piece.length))
}
