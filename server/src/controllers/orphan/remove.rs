//! Removes what an orphan stands for, after asking once more whether it is one.

use aurochs_engine::grpc::instance_v1::{InstanceListRequest, InstanceStopRequest, ReplicaDirectoryDeleteRequest};

use super::detect::{self, Owned};
use crate::controllers::{Context, Error};
use crate::instance::{CHANGE_TIMEOUT, LOOK_TIMEOUT, rpc, within};
use crate::resources::orphan::{
    OrphanSpec, OrphanType, PARAMETER_DATA_NAME, PARAMETER_DISK_PATH, PARAMETER_DISK_UUID, PARAMETER_INSTANCE_NAME,
};

/// Time a process gets to close its files.
const STOP_GRACE_SECONDS: u32 = 30;

/// Whether something was removed: what is owned again, or gone, is left as it is.
pub(super) async fn run(context: &Context, orphan: &OrphanSpec) -> Result<bool, Error> {
    match orphan.orphan_type {
        OrphanType::Replica => data(context, orphan).await,
        OrphanType::EngineInstance
        | OrphanType::ReplicaInstance
        | OrphanType::ShardInstance
        | OrphanType::ShardGroupInstance => process(context, orphan).await,
    }
}

fn parameter<'a>(orphan: &'a OrphanSpec, key: &str) -> &'a str {
    orphan.parameters.get(key).map(String::as_str).unwrap_or_default()
}

async fn data(context: &Context, orphan: &OrphanSpec) -> Result<bool, Error> {
    let (node, name) = (&orphan.node_id, parameter(orphan, PARAMETER_DATA_NAME));
    // The last thing before the removal. A name is never given twice, so that nobody can own it from here on.
    if Owned::read(context, node).await?.directories.contains(name) {
        tracing::info!(node, directory = name, "a replica names this directory again: it stays");
        return Ok(false);
    }
    let directory = format!("{}/replicas/{name}", parameter(orphan, PARAMETER_DISK_PATH).trim_end_matches('/'));
    let request = ReplicaDirectoryDeleteRequest {
        directory: directory.clone(),
        disk_uuid: parameter(orphan, PARAMETER_DISK_UUID).to_owned(),
    };
    let deleted = context.clients.manager(node)?.replica_directory_delete(within(CHANGE_TIMEOUT, request)).await;
    deleted.map_err(rpc(format!("removing {directory} on {node}")))?;
    Ok(true)
}

async fn process(context: &Context, orphan: &OrphanSpec) -> Result<bool, Error> {
    let (node, name) = (&orphan.node_id, parameter(orphan, PARAMETER_INSTANCE_NAME));
    let mut manager = context.clients.manager(node)?;
    // Asked for itself: the list in memory may be a moment old.
    let list = manager.instance_list(within(LOOK_TIMEOUT, InstanceListRequest {})).await;
    let list = list.map_err(rpc(format!("listing the processes of {node}")))?.into_inner();
    if !detect::is_listed(orphan, &list.instances) || Owned::read(context, node).await?.processes.contains(name) {
        return Ok(false);
    }
    let request = InstanceStopRequest { name: name.to_owned(), grace_seconds: STOP_GRACE_SECONDS };
    let stopped = manager.instance_stop(within(CHANGE_TIMEOUT, request)).await;
    stopped.map_err(rpc(format!("stopping {name} on {node}")))?;
    context.instances.forget(node, name);
    Ok(true)
}
