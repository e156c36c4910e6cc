//! Every manager tells the others of its own machine: that its nodes are there, and where their instance managers are. Whoever acts
//! does the rest.
//!
//! The InstanceManager comes first, with its address, and then the Node: who sees a node knows where to ask about it. What somebody
//! deleted while the node is up comes back.

use std::time::Duration;

use aurochs_engine::grpc::instance_v1::VersionRequest;
use tokio::task::JoinHandle;

use crate::controllers::{Context, Error, instance_manager, node};
use crate::instance::{Clients, LOOK_TIMEOUT, within};
use crate::resources::instance_manager::InstanceManagerStatus;
use crate::resources::{InstanceManager, Node, Object};
use crate::store::Store;

/// Pause between two looks. An instance manager that was started again may be at another port.
const PERIOD: Duration = Duration::from_secs(2);

/// Tells of these nodes until the tasks are aborted. `local` reaches their instance managers on this machine, once they are there.
pub fn start(context: &Context, local: &Clients, nodes: &[String]) -> Vec<JoinHandle<()>> {
    let announced = |node: &String| tokio::spawn(keep(context.clone(), local.clone(), node.clone()));
    nodes.iter().map(announced).collect()
}

async fn keep(context: Context, local: Clients, node: String) {
    let mut complained = String::new();
    loop {
        let complaint = match tell(&context, &local, &node).await {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        if complaint != complained && !complaint.is_empty() {
            tracing::warn!(node, error = complaint, "the others can't be told of this machine's node; trying again");
        }
        complained = complaint;
        tokio::time::sleep(PERIOD).await;
    }
}

async fn tell(context: &Context, local: &Clients, node: &str) -> Result<(), Error> {
    // A pod is told of when it has an address.
    let Ok(mut manager) = local.manager(node) else { return Ok(()) };
    let version = manager.version(within(LOOK_TIMEOUT, VersionRequest {})).await;
    // One that is being started is there a moment later.
    let Ok(version) = version else { return Ok(()) };
    let address = version.into_inner().address;
    if address.is_empty() {
        return Err(Error::Other(format!("the instance manager of {node} listens to this machine alone")));
    }
    place(&context.store, node, &address).await?;
    if context.store.find::<Node>(node).await?.is_none() {
        node::introduce(context, local, node).await?;
        tracing::info!(node, "the cluster has a new node");
    }
    Ok(())
}

/// Says where the node's instance manager is.
async fn place(store: &Store, node: &str, address: &str) -> Result<(), Error> {
    let name = instance_manager::name_of(node);
    if store.find::<InstanceManager>(&name).await?.is_none() {
        let made = Object::<InstanceManager>::new(&name, instance_manager::spec_of(node));
        match store.create(&made).await {
            // The manager that acts may have been quicker.
            Err(error) if !matches!(error, crate::store::StoreError::AlreadyExists { .. }) => return Err(error.into()),
            _ => {}
        }
    }
    let host = address.trim_start_matches("tls:").rsplit_once(':').map_or("", |(host, _)| host);
    let at = |status: &mut InstanceManagerStatus| {
        address.clone_into(&mut status.address);
        host.trim_matches(['[', ']']).clone_into(&mut status.ip);
    };
    store.modify_status::<InstanceManager>(&name, at).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;

    #[tokio::test]
    async fn an_address_is_said_once_and_again_when_it_changes() {
        let (context, _directory) = bench::context(&[]).await;
        let told = async || {
            let name = instance_manager::name_of("a");
            context.store.get::<InstanceManager>(&name).await.unwrap()
        };
        place(&context.store, "a", "tls:10.0.0.1:8500").await.unwrap();
        let first = told().await;
        assert_eq!((first.spec.node_id.as_str(), first.status.ip.as_str()), ("a", "10.0.0.1"));
        place(&context.store, "a", "tls:10.0.0.1:8500").await.unwrap();
        assert_eq!(told().await.metadata.resource_version, first.metadata.resource_version, "nothing to write");
        place(&context.store, "a", "tls:[fd00::1]:8501").await.unwrap();
        assert_eq!(
            (told().await.status.address, told().await.status.ip),
            ("tls:[fd00::1]:8501".into(), "fd00::1".into())
        );
    }
}
