//! Wakes volumes up when a node changes in a way that matters to where replicas are: a disk came, a switch was thrown,
//! an eviction began. Figures that move by themselves don't count.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::super::Context;
use super::super::queue::WorkQueue;
use crate::resources::node::{NodeSpec, READY, SCHEDULABLE};
use crate::resources::{BackupVolume, Node, Object, Volume, condition};
use crate::store::WatchEvent;

/// What of a node decides about replicas.
#[derive(Clone, Debug, Default, PartialEq)]
struct Deciding {
    spec: NodeSpec,
    zone: String,
    auto_evicting: bool,
    deleting: bool,
    /// Ready and schedulable, of the node and of each disk.
    conditions: Vec<(bool, bool)>,
}

impl Deciding {
    fn of(node: &Object<Node>) -> Self {
        let state =
            |conditions: &[_]| (condition::is_true(conditions, READY), condition::is_true(conditions, SCHEDULABLE));
        let status = &node.status;
        let disks = status.disk_status.values().map(|disk| state(&disk.conditions));
        Self {
            spec: node.spec.clone(),
            zone: status.zone.clone(),
            auto_evicting: status.auto_evicting,
            deleting: node.is_deleting(),
            conditions: std::iter::once(state(&status.conditions)).chain(disks).collect(),
        }
    }
}

/// Any volume may be waiting for just this.
pub(super) fn feed(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (mut watch, store, queue) = (context.store.watch::<Node>(), context.store.clone(), queue.clone());
    tokio::spawn(async move {
        let mut known: BTreeMap<String, Deciding> = BTreeMap::new();
        while let Some(event) = watch.next().await {
            let node = event.object();
            let now = Deciding::of(node);
            let changed = match &event {
                WatchEvent::Applied(_) => known.insert(node.name().to_owned(), now.clone()) != Some(now),
                WatchEvent::Deleted(_) => known.remove(node.name()).is_some(),
            };
            if !changed {
                continue;
            }
            match store.list::<Volume>().await {
                Ok(volumes) => volumes.iter().for_each(|volume| queue.add(volume.name())),
                Err(error) => tracing::warn!(%error, "volumes could not be listed after a node changed"),
            }
        }
    })
}

/// A newer backup, or an answer to who asked for the target to be read, wakes up the volumes that follow it.
pub(super) fn feed_from_backups(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (mut watch, store, queue) = (context.store.watch::<BackupVolume>(), context.store.clone(), queue.clone());
    tokio::spawn(async move {
        while let Some(event) = watch.next().await {
            let spec = &event.object().spec;
            let follows = |volume: &&Arc<Object<Volume>>| {
                let is_standby = volume.spec.standby || volume.status.is_standby;
                is_standby
                    && volume.spec.backup_target_name == spec.backup_target_name
                    && volume.followed_volume().as_ref() == Some(&spec.volume_name)
            };
            match store.list_shared::<Volume>().await {
                Ok(volumes) => volumes.iter().filter(follows).for_each(|volume| queue.add(volume.name())),
                Err(error) => tracing::warn!(%error, "volumes could not be listed after a backup volume changed"),
            }
        }
    })
}
