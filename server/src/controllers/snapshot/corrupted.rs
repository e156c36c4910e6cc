//! Replicas whose disk changed a snapshot that nobody wrote.
//!
//! Such a replica leaves the membership and is rebuilt from the others, unless it is the last one that has the data: then it
//! stays, and the volume says so. What may lie wrong in other places of that disk is nobody's guess.
//!
//! Invariant: a good replica serves on when a corrupted one goes.

use aurochs_api::replica::ReplicaMode;
use aurochs_engine::grpc::engine_v1::ReplicaNameRequest;

use super::super::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::{CHANGE_TIMEOUT, rpc, within};
use crate::resources::engine::{EngineStatus, HashProgress, ReplicaHash};
use crate::resources::{Engine, Object, Replica};

/// Annotation of a replica: the finding for which it was last given up. The engine goes on telling of it after the rebuild.
const ANNOTATION_HEEDED: &str = "aurochs.io/corruption-heeded";

/// Replicas that serve and were found corrupted, with what was found.
pub(in crate::controllers) fn found<'a>(
    status: &'a EngineStatus,
    hash: &'a HashProgress,
) -> impl Iterator<Item = (&'a String, &'a ReplicaHash)> {
    let serves = |replica: &String| status.replica_mode_map.get(replica) == Some(&ReplicaMode::ReadWrite);
    hash.replicas.iter().filter(move |(replica, told)| told.silently_corrupted && serves(replica))
}

/// Whether a replica serves that is not among the corrupted.
pub(in crate::controllers) fn is_good_one_left(status: &EngineStatus, hash: &HashProgress) -> bool {
    let corrupted = |replica: &String| hash.replicas.get(replica).is_some_and(|told| told.silently_corrupted);
    status.replica_mode_map.iter().any(|(replica, mode)| *mode == ReplicaMode::ReadWrite && !corrupted(replica))
}

fn finding(hash: &HashProgress, told: &ReplicaHash) -> String {
    format!("{} {}", hash.snapshot, told.last_hashed_at)
}

/// Gives up what a hash found, each finding once.
pub(super) async fn heed(context: &Context, engine: &Object<Engine>, hash: &HashProgress) -> Result<(), Error> {
    for (name, told) in found(&engine.status, hash) {
        let Some(replica) = context.store.find::<Replica>(name).await? else { continue };
        let finding = finding(hash, told);
        if replica.metadata.annotations.get(ANNOTATION_HEEDED) == Some(&finding) {
            continue;
        }
        let goes = is_good_one_left(&engine.status, hash);
        if goes {
            give_up(context, engine, name).await?;
        }
        tell(context, &replica, hash, goes);
        let note = |replica: &mut Object<Replica>| {
            replica.metadata.annotations.insert(ANNOTATION_HEEDED.to_owned(), finding.clone());
        };
        context.store.modify::<Replica>(name, note).await?;
    }
    Ok(())
}

/// Out of the wishes first, so that the engine is not asked to take it back before its files were given up.
async fn give_up(context: &Context, engine: &Object<Engine>, replica: &str) -> Result<(), Error> {
    let unwish = |engine: &mut Object<Engine>| drop(engine.spec.replica_address_map.remove(replica));
    context.store.modify::<Engine>(engine.name(), unwish).await?;
    let request = within(CHANGE_TIMEOUT, ReplicaNameRequest { name: replica.to_owned() });
    let removed = context.clients.engine(&engine.status.address)?.replica_remove(request).await;
    removed.map_err(rpc(format!("removing the corrupted replica {replica} from engine {}", engine.name())))?;
    Ok(())
}

fn tell(context: &Context, replica: &Object<Replica>, hash: &HashProgress, goes: bool) {
    let (name, node, snapshot) = (replica.name(), &replica.spec.node_id, &hash.snapshot);
    let then = if goes { "it is rebuilt from the others" } else { "no other replica has the data, so it stays in use" };
    let text = format!(
        "the data of snapshot {snapshot} changed on the disk of {name} on {node} though nobody wrote it; {then}"
    );
    context.events.emit(&ObjectRef::from(replica), Reason::FailedSnapshotDataIntegrityCheck, EventType::Warning, &text);
}
