//! What the requests of an engine do with a replica's directory. They may wait for the disk: threads run them.

use std::sync::Arc;

use super::answer::{Answer, refused, remote};
use super::control::{ControlReply, ControlRequest, RemoteError};
use super::frame::{Header, Kind, LAYER_NAME_LENGTH};
use super::{parts, purging};
use crate::disk::AlignedBuf;
use crate::replica::Replica;
use crate::replica::hash::{HashError, HashJobs};

pub(super) fn data(replica: &Replica, header: &Header, payload: &AlignedBuf) -> Answer {
    let empty = AlignedBuf::default();
    let result = match header.kind {
        Kind::Read => return replica.read(header.offset, header.length).map_err(remote),
        Kind::LayerRead => {
            let parts = parts_of(payload, header.length)?;
            return replica.layer_read_parts(layer_name(payload)?, header.offset, &parts).map_err(remote);
        }
        Kind::Write => replica.write(header.offset, payload),
        Kind::WriteZeroes => replica.write_zeroes(header.offset, u64::from(header.length), header.may_unmap),
        Kind::Discard => replica.discard(header.offset, u64::from(header.length)).map(drop),
        Kind::Flush => replica.flush(),
        Kind::Ping => Ok(()),
        Kind::LayerWrite => {
            if payload.len() < LAYER_NAME_LENGTH {
                return Err(refused("the layer write names no layer"));
            }
            let (block, data) = payload.split_at(LAYER_NAME_LENGTH);
            let parts = parts_of(block, data.len() as u32)?;
            replica.layer_write_parts(layer_name(block)?, header.offset, &parts, data)
        }
        Kind::SnapshotRead => {
            let name = layer_name(payload)?;
            return replica.read_snapshot(name, header.offset, header.length).map_err(remote);
        }
        Kind::Repair => return repair(replica, header, payload),
        Kind::FillWrite => return fill_write(replica, header, payload),
        Kind::Control | Kind::Done | Kind::Failed => return Err(refused("not a request")),
    };
    let result = if header.stable { result.and_then(|()| replica.flush()) } else { result };
    result.map(|()| empty).map_err(remote)
}

fn repair(replica: &Replica, header: &Header, payload: &AlignedBuf) -> Answer {
    if payload.len() < LAYER_NAME_LENGTH {
        return Err(refused("the repair does not say what it is seen from"));
    }
    let (block, data) = payload.split_at(LAYER_NAME_LENGTH);
    let report = replica.repair(layer_name(block)?, header.offset, &AlignedBuf::copy_of(data)).map_err(remote)?;
    let text =
        serde_json::to_vec(&report).map_err(|error| refused(&format!("the answer can't be written: {error}")))?;
    Ok(AlignedBuf::copy_of(&text))
}

fn fill_write(replica: &Replica, header: &Header, payload: &AlignedBuf) -> Answer {
    if payload.len() < LAYER_NAME_LENGTH {
        return Err(refused("the write into a new snapshot does not say which"));
    }
    let id = layer_name(&payload[..LAYER_NAME_LENGTH])?;
    let data = AlignedBuf::copy_of(&payload[LAYER_NAME_LENGTH..]);
    let written = replica.fill_write(id, header.offset, &data);
    let written = if header.stable { written.and_then(|()| replica.fill_sync(id)) } else { written };
    written.map(|()| AlignedBuf::default()).map_err(remote)
}

/// Parts with so many bytes together.
fn parts_of(block: &[u8], bytes: u32) -> Result<parts::Parts, RemoteError> {
    parts::decode(block, bytes).ok_or_else(|| refused("the parts of the layer make no sense"))
}

fn layer_name(bytes: &[u8]) -> Result<&str, RemoteError> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).map_err(|_| refused("the layer name is not UTF-8"))
}

pub(super) fn control(
    replica: &Arc<Replica>,
    hashes: &HashJobs,
    request: ControlRequest,
) -> Result<ControlReply, RemoteError> {
    let result = match request {
        ControlRequest::Hello(_) => return Err(refused("HELLO was said already")),
        ControlRequest::Layers => return replica.layers().map(ControlReply::Layers).map_err(remote),
        ControlRequest::LayerExtents { layer, from, maximum } => {
            return replica.layer_extents(&layer, from, maximum).map(ControlReply::Extents).map_err(remote);
        }
        ControlRequest::Checksum { offset, length } => {
            return replica.checksum(offset, length).map(ControlReply::Checksum).map_err(remote);
        }
        ControlRequest::Snapshot { name, user_created, created, labels } => {
            replica.snapshot(&name, user_created, &created, &labels)
        }
        ControlRequest::Revert { name, created } => replica.revert(&name, &created),
        ControlRequest::MarkRemoved { snapshots } => {
            for name in &snapshots {
                hashes.cancel(name, "the snapshot is being removed");
            }
            replica.mark_removed(&snapshots)
        }
        ControlRequest::RebuildBegin { layers } => replica.rebuild_begin(&layers),
        ControlRequest::RebuildFinish => replica.rebuild_finish(),
        ControlRequest::Generation { generation } => replica.raise_fence(replica.fence().epoch, generation),
        ControlRequest::Close => Ok(()),
        ControlRequest::Expand { size, created } => replica.expand(size, &created),
        ControlRequest::SnapshotFacts { selection, from } => {
            return replica.snapshot_facts(&selection, from).map(ControlReply::SnapshotFacts).map_err(remote);
        }
        ControlRequest::SnapshotExtents { selection, from, maximum } => {
            return replica.snapshot_extents(&selection, from, maximum).map(ControlReply::Extents).map_err(remote);
        }
        ControlRequest::BackingFile => return replica.backing_file().map(ControlReply::BackingFile).map_err(remote),
        ControlRequest::SnapshotForget { name } => replica.forget_snapshot_view(&name),
        ControlRequest::FillBegin { id, name, size } => replica.fill_begin(&id, &name, size),
        ControlRequest::FillFinish { id, created } => replica.fill_finish(&id, &created),
        ControlRequest::FillAbort { id } => replica.fill_abort(&id),
        ControlRequest::Settled => replica.settle(),
        ControlRequest::HashStart { snapshot, rehash } => {
            return hashes.start(replica, &snapshot, rehash).map(|()| ControlReply::Done).map_err(hash_failure);
        }
        ControlRequest::HashStatus { snapshot } => {
            return hashes.state(replica, &snapshot).map(ControlReply::Hash).map_err(hash_failure);
        }
        ControlRequest::HashCancel { snapshot } => {
            hashes.cancel(&snapshot, "on request");
            Ok(())
        }
        ControlRequest::HashLock => {
            return hashes.lock().is_held().map(|held| ControlReply::HashLock { held }).map_err(hash_failure);
        }
        ControlRequest::DeleteRemovedLeaves => replica.delete_removed_leaves(),
        ControlRequest::PurgeStart => return purging::start(replica).map_err(remote),
        ControlRequest::PurgeStatus => return Ok(ControlReply::Purge(replica.purge_status())),
        ControlRequest::PurgeStop { why } => {
            replica.stop_purge(&why);
            Ok(())
        }
        ControlRequest::RebuildEmpty { layers } => replica.rebuild_empty(&layers),
        ControlRequest::RevisionCounter => return Ok(ControlReply::RevisionCounter(replica.revision_counter())),
        ControlRequest::RevisionCounterSet { value } => replica.set_revision_counter(value),
        ControlRequest::Allocation { offset, length, maximum } => {
            return replica.allocation(offset, length, maximum).map(ControlReply::Extents).map_err(remote);
        }
        ControlRequest::SnapshotPrepare { name, user_created, created, labels } => {
            replica.prepare_snapshot(&name, user_created, &created, &labels)
        }
        ControlRequest::RemoteMapSet { text } => replica.set_remote_map(text.as_deref()),
        ControlRequest::DirtyRegions => return replica.dirty_regions().map(ControlReply::DirtyRegions).map_err(remote),
        ControlRequest::RegionRoundBegin => {
            let begun = replica.begin_region_round();
            return begun.map(|round| ControlReply::RegionRound { round }).map_err(remote);
        }
        ControlRequest::RegionRoundEnd { round } => replica.end_region_round(round),
        ControlRequest::BeginToMiss { replica: absent, since } => {
            replica.begin_to_miss(&absent, since).map(|is_known| {
                if !is_known {
                    tracing::info!(absent, "what it misses cannot be taken down: it will be rebuilt in full");
                }
            })
        }
        ControlRequest::ForgetMissed { replica: back } => replica.forget_missed(&back),
        ControlRequest::MissedRegions { replica: absent } => {
            return replica.missed_regions(&absent).map(ControlReply::MissedRegions).map_err(remote);
        }
        ControlRequest::CatchUpBegin { lacks } => replica.catch_up_begin(&lacks),
        ControlRequest::SnapshotForgetPrepared => {
            replica.undo_prepared();
            Ok(())
        }
    };
    result.map(|()| ControlReply::Done).map_err(remote)
}

/// A hash only looks: whatever goes wrong with it says nothing against the replica, unless the directory itself does.
fn hash_failure(error: HashError) -> RemoteError {
    match error {
        HashError::Replica(error) => remote(error),
        other => refused(&other.to_string()),
    }
}
