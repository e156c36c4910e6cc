//! Taking a node away: only one that is gone, that takes nothing new, and that nothing is on (behaviour.md, nodes).
//!
//! Who removes a node that is lost for good attests that nothing runs there any more ([`super::given_up`]). So that this
//! can be done, what waits for the lost node and for nothing else does not keep it: engines that are to be stopped,
//! replicas that are being deleted, and all replicas of volumes that are.
//!
//! Invariant: a replica that is the only one with all data of its volume keeps the node, silent or not, until the volume
//! is deleted.

use std::fmt;

use super::super::{Context, Error};
use crate::controllers::replica::last_data;
use crate::controllers::{drain, instance_manager, orphan};
use crate::resources::engine::InstanceState;
use crate::resources::{Engine, InstanceManager, LABEL_NODE, Node, Object, Replica, Volume};
use crate::store::{Store, StoreError};

/// Why a node has to stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stays {
    /// Its instance manager answers: it would come back at once.
    Answers,
    TakesReplicas,
    HasReplicas(usize),
    HasEngines(usize),
}

impl fmt::Display for Stays {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers => write!(formatter, "it is up: it would come back at once"),
            Self::TakesReplicas => write!(formatter, "its scheduling is switched on"),
            Self::HasReplicas(1) => write!(formatter, "1 replica is on it"),
            Self::HasReplicas(count) => write!(formatter, "{count} replicas are on it"),
            Self::HasEngines(1) => write!(formatter, "1 volume is attached to it"),
            Self::HasEngines(count) => write!(formatter, "{count} volumes are attached to it"),
        }
    }
}

impl Stays {
    /// What a person can do.
    #[must_use]
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Answers => "Stop the node first: a node that answers is part of the installation.",
            Self::TakesReplicas => "Switch its scheduling off first.",
            Self::HasReplicas(_) => "Evict the node, or remove these replicas from their volumes, first.",
            Self::HasEngines(_) => "Detach these volumes first.",
        }
    }
}

/// The first rule that the node breaks. `answers`: as far as is known its instance manager runs.
pub async fn obstacle(store: &Store, node: &Object<Node>, answers: bool) -> Result<Option<Stays>, StoreError> {
    if answers {
        return Ok(Some(Stays::Answers));
    }
    if node.spec.allow_scheduling {
        return Ok(Some(Stays::TakesReplicas));
    }
    occupied(store, node, answers).await
}

/// What is on the node and has not to go anyway.
async fn occupied(store: &Store, node: &Object<Node>, answers: bool) -> Result<Option<Stays>, StoreError> {
    let mut replicas = 0;
    for replica in store.list_labelled::<Replica>(LABEL_NODE, node.name()).await? {
        let volume = store.find::<Volume>(&replica.spec.volume_name).await?;
        replicas += usize::from(answers || !is_going(&replica, volume.as_ref()));
    }
    if replicas > 0 {
        return Ok(Some(Stays::HasReplicas(replicas)));
    }
    let mut engines = store.list::<Engine>().await?;
    engines.retain(|engine| answers || engine.spec.desire_state != InstanceState::Stopped);
    let engines = drain::attached_to(node.name(), &engines).len();
    Ok((engines > 0).then_some(Stays::HasEngines(engines)))
}

/// The replica is on its way out, or its volume is.
fn is_going(replica: &Object<Replica>, volume: Option<&Object<Volume>>) -> bool {
    replica.is_deleting() || volume.is_none_or(Object::is_deleting)
}

/// Removes what told of the node, then the node; answers whether it is gone. What came to it meanwhile makes it wait. One
/// that answers again goes all the same, and is made anew.
pub(super) async fn run(context: &Context, node: &Object<Node>, answers: bool) -> Result<bool, Error> {
    let name = node.name();
    let mut stays = occupied(&context.store, node, answers).await?;
    if stays.is_none() && !answers {
        stays = let_replicas_go(context, name).await?;
    }
    if let Some(stays) = stays {
        tracing::info!(node = name, %stays, "a node that is being removed has to wait");
        return Ok(false);
    }
    // Their data stays where it is; it shows again when the node does.
    orphan::forget_node(context, name).await?;
    match context.store.delete::<InstanceManager>(&instance_manager::name_of(name)).await {
        Err(error) if !error.is_not_found() => return Err(error.into()),
        _ => {}
    }
    context.store.remove_finalizer::<Node>(name).await?;
    tracing::info!(node = name, "removed");
    Ok(true)
}

/// Ends the deletion of replicas whose files can't be removed any more: nobody will ever answer. Should the node come
/// back, the files show as orphans. Only its own controller judges whether a replica may go, and marks it then: two that
/// judged might each count on what the other lets go.
async fn let_replicas_go(context: &Context, node: &str) -> Result<Option<Stays>, Error> {
    let mut left = 0;
    for replica in context.store.list_labelled::<Replica>(LABEL_NODE, node).await? {
        if replica.is_deleting() && last_data::is_given_up(&replica) {
            tracing::info!(node, replica = replica.name(), "gone with its node");
            context.store.remove_finalizer::<Replica>(replica.name()).await?;
        } else {
            left += 1;
        }
    }
    Ok((left > 0).then_some(Stays::HasReplicas(left)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;
    use crate::resources::engine::EngineSpec;
    use crate::resources::node::NodeSpec;
    use crate::resources::replica::ReplicaSpec;

    async fn node(store: &Store) -> Object<Node> {
        store.create(&Object::<Node>::new("node-1", NodeSpec::default())).await.unwrap()
    }

    async fn volume(store: &Store) -> Object<Volume> {
        store.create(&Object::<Volume>::new("v", Default::default())).await.unwrap()
    }

    /// An engine of which nothing is known since its node is silent.
    async fn engine(store: &Store, wished: InstanceState) {
        let (volume_name, node_id) = ("v".to_owned(), "node-1".to_owned());
        let spec = EngineSpec { volume_name, node_id, desire_state: wished, ..EngineSpec::default() };
        store.create(&Object::<Engine>::new("v-e-0", spec)).await.unwrap();
        let unknown = |status: &mut crate::resources::engine::EngineStatus| {
            status.current_state = InstanceState::Unknown;
        };
        store.modify_status::<Engine>("v-e-0", unknown).await.unwrap();
    }

    async fn replica(store: &Store) {
        let spec = ReplicaSpec { volume_name: "v".into(), node_id: "node-1".into(), ..ReplicaSpec::default() };
        let mut replica = Object::<Replica>::new("v-r-1", spec);
        replica.metadata.labels.insert(LABEL_NODE.to_owned(), "node-1".into());
        store.create(&replica).await.unwrap();
    }

    #[tokio::test]
    async fn a_lost_node_is_not_kept_by_an_engine_that_is_to_stop() {
        for (wished, answers, expected) in [
            (InstanceState::Stopped, false, None),
            (InstanceState::Running, false, Some(Stays::HasEngines(1))),
            (InstanceState::Stopped, true, Some(Stays::HasEngines(1))),
        ] {
            let (context, _directory) = bench::context(&["node-1"]).await;
            let node = node(&context.store).await;
            engine(&context.store, wished).await;
            assert_eq!(occupied(&context.store, &node, answers).await.unwrap(), expected, "{wished:?} {answers}");
        }
    }

    #[tokio::test]
    async fn a_lost_node_takes_along_what_is_being_deleted_and_nothing_else() {
        let (context, _directory) = bench::context(&["node-1"]).await;
        let store = &context.store;
        let node = node(store).await;
        volume(store).await;
        replica(store).await;
        assert_eq!(obstacle(store, &node, false).await.unwrap(), Some(Stays::HasReplicas(1)));
        assert!(!run(&context, &node, false).await.unwrap());

        store.delete::<Volume>("v").await.unwrap();
        assert_eq!(obstacle(store, &node, false).await.unwrap(), None);
        assert!(!run(&context, &node, false).await.unwrap(), "the volume's own deletion comes first");
        store.delete::<Replica>("v-r-1").await.unwrap();
        assert_eq!(occupied(store, &node, true).await.unwrap(), Some(Stays::HasReplicas(1)), "it can be asked");
        assert!(!run(&context, &node, false).await.unwrap(), "nobody has judged yet whether it may go");
        let given_up = |status: &mut crate::resources::replica::ReplicaStatus| {
            let yes = aurochs_api::condition::ConditionStatus::True;
            crate::resources::condition::set(&mut status.conditions, last_data::CONDITION_GIVEN_UP, yes, "", "");
        };
        store.modify_status::<Replica>("v-r-1", given_up).await.unwrap();
        store.delete::<Node>("node-1").await.unwrap();
        assert!(run(&context, &node, false).await.unwrap());
        assert!(store.find::<Replica>("v-r-1").await.unwrap().is_none());
        assert!(store.find::<Node>("node-1").await.unwrap().is_none());
    }
}
