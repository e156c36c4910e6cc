//! One task a node that keeps [`Instances`] fresh.

use std::time::Duration;

use aurochs_engine::grpc::instance_v1::{InstanceListRequest, VersionRequest};

use super::{ClientError, Clients, Instances, LOOK_TIMEOUT, rpc, within};

/// First pause after a lost connection, doubled up to the longest: a respawned instance manager is found quickly, a
/// dead node costs next to nothing.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(2);

/// Follows one node's instance manager until the task is aborted.
pub async fn follow(clients: Clients, instances: Instances, node: String) {
    let mut pause = PAUSE_FIRST;
    loop {
        let mut heard = false;
        let error = match listen(&clients, &instances, &node, &mut heard).await {
            Ok(()) => "it closed the connection".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::debug!(node, error, "the instance manager does not answer");
        instances.lost(&node, &error);
        pause = if heard { PAUSE_FIRST } else { (pause * 2).min(PAUSE_LONGEST) };
        tokio::time::sleep(pause).await;
    }
}

async fn listen(clients: &Clients, instances: &Instances, node: &str, heard: &mut bool) -> Result<(), ClientError> {
    let mut manager = clients.manager(node)?;
    let version = manager.version(within(LOOK_TIMEOUT, VersionRequest {})).await;
    let version = version.map_err(rpc(format!("asking the instance manager of {node} for its version")))?.into_inner();
    let watch = manager.instance_watch(InstanceListRequest {}).await;
    let mut lists = watch.map_err(rpc(format!("watching the instances of {node}")))?.into_inner();
    while let Some(list) = lists.message().await.map_err(rpc(format!("watching the instances of {node}")))? {
        *heard = true;
        instances.replace(node, &version.version, version.pid, list.instances);
    }
    Ok(())
}
