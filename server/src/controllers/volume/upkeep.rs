//! Taking note of replicas that failed or became whole while a volume is attached.

use aurochs_api::condition::ConditionStatus;
use aurochs_api::replica::ReplicaMode;

use super::super::{Context, Error};
use super::family::Family;
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::engine::InstanceState;
use crate::resources::replica::ReplicaStatus;
use crate::resources::{Engine, Object, Replica, condition, timestamp};

/// Condition of a replica that tells why it failed; stays until it is whole again.
pub(super) const CONDITION_FAILED: &str = "Failed";

/// Takes over the engine's word: who is whole, who was dropped.
pub(super) async fn note_modes(context: &Context, family: &Family) -> Result<(), Error> {
    if family.engine.status.current_state != InstanceState::Running || family.engine.status.replica_mode_map.is_empty()
    {
        return Ok(());
    }
    for replica in family.staying() {
        match family.mode(replica.name()) {
            Some(ReplicaMode::ReadWrite) if !is_marked_whole(replica) => mark_whole(context, family, replica).await?,
            Some(ReplicaMode::Error) if !replica.spec.has_failed() => {
                let told = family.engine.status.replica_causes.get(replica.name());
                let reason = told.filter(|told| !told.is_empty()).unwrap_or(&replica.status.cause);
                tell_failed(context, family, replica, reason);
                drop_from_engine(context, family, replica.name()).await?;
                fail(context, replica, reason).await?;
            }
            None if !replica.spec.healthy_at.is_empty() && !replica.spec.has_failed() => {
                drop_from_engine(context, family, replica.name()).await?;
                fail(context, replica, "the engine went on without it").await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Nothing is left to be written about it.
fn is_marked_whole(replica: &Object<Replica>) -> bool {
    let spec = &replica.spec;
    let marked = !spec.healthy_at.is_empty() && !spec.has_failed() && spec.rebuild_retry_count == 0;
    marked && condition::find(&replica.status.conditions, CONDITION_FAILED).is_none()
}

async fn mark_whole(context: &Context, family: &Family, replica: &Object<Replica>) -> Result<(), Error> {
    let now = timestamp::now();
    let change = |replica: &mut Object<Replica>| {
        replica.spec.failed_at.clear();
        replica.spec.rebuild_retry_count = 0;
        if replica.spec.healthy_at.is_empty() {
            replica.spec.healthy_at.clone_from(&now);
            replica.spec.last_healthy_at.clone_from(&now);
        }
    };
    context.store.modify::<Replica>(replica.name(), change).await?;
    let clear = |status: &mut ReplicaStatus| {
        status.conditions.retain(|condition| condition.kind != CONDITION_FAILED);
    };
    context.store.modify_status::<Replica>(replica.name(), clear).await?;
    if was_rebuilt(family, replica) {
        let message = format!("Replica {} on {} was rebuilt.", replica.name(), replica.spec.node_id);
        context.events.emit(&ObjectRef::from(replica), Reason::Rebuilt, EventType::Normal, &message);
    }
    Ok(())
}

/// The engine tells of rebuilds until it ends; a replica that was there from its start has none.
fn was_rebuilt(family: &Family, replica: &Object<Replica>) -> bool {
    replica.spec.healthy_at.is_empty() && family.engine.status.rebuild_status.contains_key(replica.name())
}

/// A rebuild that ended in failure is news; of a replica that was whole, the volume's degradation is.
pub(super) fn tell_failed(context: &Context, family: &Family, replica: &Object<Replica>, reason: &str) {
    if replica.spec.healthy_at.is_empty() && !family.engine.status.replica_mode_map.is_empty() {
        let message = format!("Replica {} on {} could not be rebuilt: {reason}.", replica.name(), replica.spec.node_id);
        context.events.emit(&ObjectRef::from(replica), Reason::FailedRebuilding, EventType::Warning, &message);
    }
}

/// Marks a replica as lacking data and stops its process.
pub(super) async fn fail(context: &Context, replica: &Object<Replica>, reason: &str) -> Result<(), Error> {
    let reason = if reason.is_empty() { "the engine dropped it" } else { reason };
    tracing::warn!(replica = replica.name(), reason, "a replica failed");
    let tell = |status: &mut ReplicaStatus| {
        condition::set(&mut status.conditions, CONDITION_FAILED, ConditionStatus::True, "", reason);
    };
    context.store.modify_status::<Replica>(replica.name(), tell).await?;
    let now = timestamp::now();
    let change = |replica: &mut Object<Replica>| {
        replica.spec.failed_at.clone_from(&now);
        replica.spec.last_failed_at.clone_from(&now);
        replica.spec.healthy_at.clear();
        replica.spec.desire_state = InstanceState::Stopped;
    };
    context.store.modify::<Replica>(replica.name(), change).await?;
    Ok(())
}

pub(super) async fn drop_from_engine(context: &Context, family: &Family, replica: &str) -> Result<(), Error> {
    let change = |engine: &mut Object<Engine>| {
        engine.spec.replica_address_map.remove(replica);
    };
    context.store.modify::<Engine>(family.engine.name(), change).await?;
    Ok(())
}
