//! Taking a node away: only one that is gone, that takes nothing new, and that nothing is on (behaviour.md, nodes).

use std::fmt;

use super::super::{Context, Error};
use crate::controllers::{drain, instance_manager, orphan};
use crate::resources::{Engine, InstanceManager, LABEL_NODE, Node, Object, Replica};
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
    occupied(store, node).await
}

/// What is on the node.
async fn occupied(store: &Store, node: &Object<Node>) -> Result<Option<Stays>, StoreError> {
    let replicas = store.list_labelled::<Replica>(LABEL_NODE, node.name()).await?.len();
    if replicas > 0 {
        return Ok(Some(Stays::HasReplicas(replicas)));
    }
    let engines = drain::attached_to(node.name(), &store.list::<Engine>().await?).len();
    Ok((engines > 0).then_some(Stays::HasEngines(engines)))
}

/// Removes what told of the node, then the node; answers whether it is gone. What came to it meanwhile makes it wait. One
/// that answers again goes all the same, and is made anew.
pub(super) async fn run(context: &Context, node: &Object<Node>) -> Result<bool, Error> {
    let name = node.name();
    if let Some(stays) = occupied(&context.store, node).await? {
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
