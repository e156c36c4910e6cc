//! Which nodes a cluster has, and where their instance managers are: what the InstanceManager resources say, which every node's
//! manager keeps ([`crate::cluster::announce`]).
//!
//! Invariant: when [`follow`] returns, every node that the store knows an address of is known here. Whoever looks before that would
//! take all nodes for lost.

use std::collections::{BTreeMap, HashMap};

use tokio::task::JoinHandle;

use super::{Clients, Instances, watcher};
use crate::resources::{InstanceManager, Object};
use crate::store::{Store, StoreError, WatchEvent};

/// Keeps clients and view up to date, until the task is aborted.
pub async fn follow(store: &Store, clients: &Clients, instances: &Instances) -> Result<JoinHandle<()>, StoreError> {
    let mut watch = store.watch::<InstanceManager>();
    let mut directory = Directory {
        clients: clients.clone(),
        instances: instances.clone(),
        known: BTreeMap::new(),
        followers: HashMap::new(),
    };
    for manager in store.list::<InstanceManager>().await? {
        directory.take(&manager);
    }
    Ok(tokio::spawn(async move {
        while let Some(event) = watch.next().await {
            match &event {
                WatchEvent::Applied(manager) => directory.take(manager),
                WatchEvent::Deleted(manager) => directory.drop(manager.name()),
            }
        }
    }))
}

struct Directory {
    clients: Clients,
    instances: Instances,
    /// Name of the resource to node and address.
    known: BTreeMap<String, (String, String)>,
    /// By node.
    followers: HashMap<String, Follower>,
}

/// Ends with its node.
struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Directory {
    fn take(&mut self, manager: &Object<InstanceManager>) {
        let (node, address) = (&manager.spec.node_id, &manager.status.address);
        if node.is_empty() || address.is_empty() {
            return;
        }
        let told = (node.clone(), address.clone());
        if self.known.get(manager.name()) == Some(&told) {
            return;
        }
        tracing::info!(node, address, "the instance manager of a node is there");
        self.known.insert(manager.name().to_owned(), told);
        self.clients.bring(node, address);
        self.instances.bring(node);
        // Who follows it where it was has a connection that may seem to live for long.
        let following = watcher::follow(self.clients.clone(), self.instances.clone(), node.clone());
        self.followers.insert(node.clone(), Follower(tokio::spawn(following)));
    }

    fn drop(&mut self, name: &str) {
        let Some((node, _)) = self.known.remove(name) else { return };
        tracing::info!(node, "a node has no instance manager any more");
        self.followers.remove(&node);
        self.clients.take_away(&node);
        self.instances.take_away(&node);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::controllers::bench;
    use crate::instance::{Answering, InstanceChange};
    use crate::resources::instance_manager::{InstanceManagerSpec, InstanceManagerStatus};

    async fn say(store: &Store, address: &str) {
        let at = |status: &mut InstanceManagerStatus| status.address = address.to_owned();
        store.modify_status::<InstanceManager>("im", at).await.unwrap();
    }

    #[tokio::test]
    async fn nodes_come_with_their_address_move_and_go() {
        let (context, directory) = bench::context(&[]).await;
        let (store, clients, instances) = (&context.store, &context.clients, &context.instances);
        let spec = InstanceManagerSpec { node_id: "node-1".into(), ..InstanceManagerSpec::default() };
        store.create(&Object::<InstanceManager>::new("im", spec)).await.unwrap();
        let nowhere = |name: &str| format!("unix:{}", directory.path().join(name).display());
        say(store, &nowhere("a")).await;

        let mut changes = instances.changes();
        let following = follow(store, clients, instances).await.unwrap();
        assert_eq!(clients.nodes(), ["node-1"], "what is there is known at once");
        assert_ne!(instances.answering("node-1"), Answering::Yes { version: String::new(), pid: 0 });
        let mut told = async |what: fn(&Clients) -> bool| {
            let heard = async {
                while !what(clients) {
                    tokio::select! {
                        change = changes.recv() => assert_eq!(change.unwrap(), InstanceChange::Node("node-1".into())),
                        () = tokio::time::sleep(Duration::from_millis(10)) => {}
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
        };
        say(store, &nowhere("b")).await;
        told(|clients| clients.address("node-1").unwrap().ends_with("/b")).await;
        store.delete::<InstanceManager>("im").await.unwrap();
        told(|clients| clients.nodes().is_empty()).await;
        assert!(matches!(instances.answering("node-1"), Answering::No { .. }));
        following.abort();
    }
}
