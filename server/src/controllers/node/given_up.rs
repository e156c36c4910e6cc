//! Nodes that a person took away for good.
//!
//! Invariant: who removes a node that does not answer attests that its processes have ended or will never be heard
//! again. Nothing else does: a node that is merely silent, for however long, may still run everything that it ran. What
//! such a machine writes after all is refused by its volumes' replicas, which have seen a higher epoch by then.

use tokio::task::JoinHandle;

use super::super::queue::WorkQueue;
use super::super::{Context, Error};
use crate::instance::Answering;
use crate::resources::{Kind, Node, Object};
use crate::store::{Store, WatchEvent};

/// Whether this node was taken away, or is being taken away, and does not answer.
pub(in crate::controllers) async fn is(context: &Context, node: &str) -> Result<bool, Error> {
    if !matches!(context.instances.answering(node), Answering::No { .. }) {
        return Ok(false);
    }
    Ok(context.store.find::<Node>(node).await?.is_none_or(|node| node.is_deleting()))
}

/// Wakes up what `concerned` says was on a node when that is taken away.
pub(in crate::controllers) fn feed<K: Kind>(
    store: &Store,
    queue: &WorkQueue,
    concerned: impl Fn(&Object<K>, &str) -> bool + Send + 'static,
) -> JoinHandle<()> {
    let (mut watch, store, queue) = (store.watch::<Node>(), store.clone(), queue.clone());
    tokio::spawn(async move {
        while let Some(event) = watch.next().await {
            let node = event.object();
            if !matches!(event, WatchEvent::Deleted(_)) && !node.is_deleting() {
                continue;
            }
            match store.list::<K>().await {
                Ok(objects) => {
                    let was_there = |object: &&Object<K>| concerned(object, node.name());
                    objects.iter().filter(was_there).for_each(|object| queue.add(object.name()));
                }
                Err(error) => tracing::warn!(%error, kind = K::KIND, "could not be listed after a node was removed"),
            }
        }
    })
}
