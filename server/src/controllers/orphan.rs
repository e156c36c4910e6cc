//! Orphans: replica directories and processes that nothing belongs to any more.
//!
//! [`detect`] says what is one, [`cleanable`] what may be removed now, [`remove`] removes it. The node controller calls
//! [`scan`] with what it saw; this controller looks after the orphans that are there.
//!
//! Invariants:
//! - something is an orphan only when its node answered, the store was read after it was seen, and no resource names it
//!   (nor did before: what is just being deleted is no orphan);
//! - a disk that is away, or another one, tells nothing: its orphans stay;
//! - before anything is removed, all of that is asked again; to forget an orphan never removes anything.

mod cleanable;
mod detect;
mod remove;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aurochs_api::condition::ConditionStatus;
use tokio::task::JoinHandle;

use super::node::Look;
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::events::{EventType, Reason};
use crate::resources::orphan::{OrphanStatus, OrphanType};
use crate::resources::{LABEL_NODE, Node, Object, Orphan, condition, timestamp};
use crate::settings::Name;

pub use cleanable::{NotCleanable, of as cleanable};
pub(super) use detect::Owned;
pub use detect::words;

/// Condition: the data can be removed now.
pub const DATA_CLEANABLE: &str = "DataCleanable";
/// Condition: the process is there.
pub const INSTANCE_EXIST: &str = "InstanceExist";
/// Condition: the removal failed.
pub const ERROR: &str = "Error";

/// A disk that comes from elsewhere may bring thousands; they come into the store in portions.
const NEW_AT_ONCE: usize = 100;

// === finding ===

/// Compares what is on the node with what the store has. `before`: what was owned before the disks were looked at.
pub(super) async fn scan(
    context: &Context,
    node: &Object<Node>,
    before: &Owned,
    looks: &BTreeMap<String, Look>,
) -> Result<(), Error> {
    let instances = context.instances.of_node(node.name());
    // After everything that was seen: who was made meanwhile is in this list.
    let after = Owned::read(context, node.name()).await?;
    // The list may have been from before a silence.
    if !context.instances.answers(node.name()) {
        return Ok(());
    }
    let seen = detect::Seen { node, looks, instances: &instances };
    let found = detect::orphans(&seen, before, &after);
    let known = context.store.list_labelled::<Orphan>(LABEL_NODE, node.name()).await?;
    let names: BTreeSet<&str> = known.iter().map(Object::name).collect();
    for orphan in found.values().filter(|orphan| !names.contains(orphan.name())).take(NEW_AT_ONCE) {
        let made = context.store.create(orphan).await?;
        context.events.emit(&(&made).into(), Reason::Orphaned, EventType::Normal, &detect::words(&made.spec));
    }
    for orphan in known.iter().filter(|orphan| !orphan.is_deleting() && !found.contains_key(orphan.name())) {
        if detect::is_gone(&orphan.spec, &seen) {
            forget(context, orphan.name()).await?;
        }
    }
    Ok(())
}

/// Removes the record alone: without its finalizer, nothing is cleaned up for it.
async fn forget(context: &Context, name: &str) -> Result<(), Error> {
    context.store.remove_finalizer::<Orphan>(name).await?;
    match context.store.delete::<Orphan>(name).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Forgets the orphans of a node that is being taken away.
pub(super) async fn forget_node(context: &Context, node: &str) -> Result<(), Error> {
    for orphan in context.store.list_labelled::<Orphan>(LABEL_NODE, node).await? {
        forget(context, orphan.name()).await?;
    }
    Ok(())
}

// === looking after those that are there ===

struct Orphans(Context);

/// How often an orphan is looked at when nothing tells of it: for its age, and for a removal that has to wait.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Keys are orphan names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    vec![
        runtime::feed_from_store::<Orphan>(&context.store, &queue, |orphan| vec![orphan.name().to_owned()]),
        runtime::feed_from_nodes::<Orphan>(&context.store, &context.instances, &queue, |orphan, node| {
            orphan.spec.node_id == node
        }),
        runtime::resync::<Orphan>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(Orphans(context.clone())), queue),
    ]
}

impl Controller for Orphans {
    const NAME: &'static str = "orphan";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Self(context) = self;
        let Some(orphan) = context.store.find::<Orphan>(name).await? else { return Ok(Next::Wait) };
        let node = context.store.find::<Node>(&orphan.spec.node_id).await?;
        let answers = context.instances.answers(&orphan.spec.node_id);
        let cleanable = cleanable::of(&orphan.spec, node.as_ref(), answers);
        if orphan.is_deleting() {
            return self.remove(&orphan, &cleanable).await;
        }
        let exists = answers.then(|| context.instances.of_node(&orphan.spec.node_id));
        let change = |status: &mut OrphanStatus| {
            status.owner_id = context.owner.to_string();
            tell(status, &orphan, &cleanable, exists.as_deref());
        };
        context.store.modify_status::<Orphan>(name, change).await?;
        self.remove_by_age(&orphan, cleanable.is_ok()).await
    }
}

impl Orphans {
    async fn remove(&self, orphan: &Object<Orphan>, cleanable: &Result<(), NotCleanable>) -> Result<Next, Error> {
        let Self(context) = self;
        let outcome = match cleanable {
            Ok(()) => remove::run(context, &orphan.spec).await,
            // Nothing of ours is there to be cleaned up: the record goes alone.
            Err(refusal) if refusal.is_for_good() => Ok(false),
            Err(refusal) => Err(Error::Other(refusal.message.clone())),
        };
        match outcome {
            Ok(removed) => {
                if removed {
                    let message = format!("Removed: {}", detect::words(&orphan.spec));
                    context.events.emit(&orphan.into(), Reason::OrphanCleanupCompleted, EventType::Normal, &message);
                }
                context.store.remove_finalizer::<Orphan>(orphan.name()).await?;
                Ok(Next::Wait)
            }
            Err(error) => {
                let message = format!("It can't be removed: {error}. It is tried again by itself.");
                let change = |status: &mut OrphanStatus| {
                    condition::set(&mut status.conditions, ERROR, ConditionStatus::True, "", &message);
                };
                context.store.modify_status::<Orphan>(orphan.name(), change).await?;
                tracing::warn!(orphan = orphan.name(), %error, "an orphan could not be removed; trying again");
                Ok(Next::After(LOOK_AGAIN))
            }
        }
    }

    /// `orphan-resource-auto-deletion` and its grace period.
    async fn remove_by_age(&self, orphan: &Object<Orphan>, is_cleanable: bool) -> Result<Next, Error> {
        let Self(context) = self;
        let wanted = context.settings.text(Name::OrphanResourceAutoDeletion);
        let grace = Duration::from_secs(context.settings.number(Name::OrphanResourceAutoDeletionGracePeriod));
        let age = timestamp::age(&orphan.metadata.creation_timestamp).unwrap_or_default();
        match stays_for(orphan.spec.orphan_type, is_cleanable, &wanted, age, grace) {
            None => return Ok(Next::Wait),
            Some(Duration::ZERO) => {}
            Some(rest) => return Ok(Next::After(rest.min(LOOK_AGAIN))),
        }
        tracing::info!(orphan = orphan.name(), ?age, "removing an orphan, as orphan-resource-auto-deletion says");
        context.store.delete::<Orphan>(orphan.name()).await?;
        Ok(Next::Wait)
    }
}

/// How long an orphan is left before it goes by itself; `None`: it does not.
fn stays_for(kind: OrphanType, is_cleanable: bool, wanted: &str, age: Duration, grace: Duration) -> Option<Duration> {
    let is_wanted = wanted.split(';').any(|word| word.trim() == setting_word(kind));
    (is_cleanable && is_wanted).then(|| grace.saturating_sub(age))
}

/// The setting's word for a kind of orphan.
const fn setting_word(kind: OrphanType) -> &'static str {
    match kind {
        OrphanType::Replica => "replica-data",
        OrphanType::EngineInstance
        | OrphanType::ReplicaInstance
        | OrphanType::ShardInstance
        | OrphanType::ShardGroupInstance => "instance",
    }
}

fn tell(
    status: &mut OrphanStatus,
    orphan: &Object<Orphan>,
    cleanable: &Result<(), NotCleanable>,
    instances: Option<&[aurochs_engine::grpc::instance_v1::Instance]>,
) {
    let conditions = &mut status.conditions;
    if orphan.spec.orphan_type != OrphanType::Replica {
        let (value, reason) = match instances {
            None => (ConditionStatus::Unknown, cleanable::NODE_UNAVAILABLE),
            Some(list) if detect::is_listed(&orphan.spec, list) => (ConditionStatus::True, ""),
            Some(_) => (ConditionStatus::False, ""),
        };
        condition::set(conditions, INSTANCE_EXIST, value, reason, "");
        return;
    }
    match cleanable {
        Ok(()) => condition::set(conditions, DATA_CLEANABLE, ConditionStatus::True, "", ""),
        Err(refusal) => {
            condition::set(conditions, DATA_CLEANABLE, ConditionStatus::False, refusal.reason, &refusal.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// behaviour.md §9, row "auto deletion".
    #[test]
    fn auto_deletion_of_the_kinds_in_the_setting_after_the_grace_period() {
        use OrphanType::{EngineInstance, Replica, ReplicaInstance};
        for (kind, cleanable, setting, age, expected) in [
            (Replica, true, "replica-data", 300, Some(0)),
            (Replica, true, "replica-data", 299, Some(1)),
            (Replica, true, "replica-data", 0, Some(300)),
            (Replica, true, "instance", 300, None),
            (Replica, true, "", 300, None),
            (Replica, false, "replica-data", 300, None),
            (EngineInstance, true, "instance", 400, Some(0)),
            (ReplicaInstance, true, "instance", 10, Some(290)),
            (ReplicaInstance, true, "replica-data", 400, None),
            (EngineInstance, true, "replica-data; instance", 400, Some(0)),
            (Replica, true, "replica-data;instance", 400, Some(0)),
        ] {
            let found = stays_for(kind, cleanable, setting, Duration::from_secs(age), Duration::from_secs(300));
            assert_eq!(found.map(|rest| rest.as_secs()), expected, "{kind:?} {cleanable} {setting:?} {age}");
        }
    }
}
