//! Looking after an attached volume: takes note of replicas that failed or became whole, and rebuilds what is missing.

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::replica::ReplicaMode;

use super::super::engine::membership::CONDITION_JOIN_REFUSED;
use super::super::{Context, Error};
use super::Volumes;
use super::family::Family;
use super::placement;
use super::rebuild::{self, Candidate, Choice};
use crate::resources::engine::InstanceState;
use crate::resources::{Engine, Object, Replica, Volume, condition, timestamp};
use crate::settings::Name;

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
            Some(ReplicaMode::ReadWrite) => mark_whole(context, replica).await?,
            Some(ReplicaMode::Error) if !replica.spec.has_failed() => {
                let told = family.engine.status.replica_causes.get(replica.name());
                let reason = told.filter(|told| !told.is_empty()).unwrap_or(&replica.status.cause);
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

async fn mark_whole(context: &Context, replica: &Object<Replica>) -> Result<(), Error> {
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
    let clear = |status: &mut crate::resources::replica::ReplicaStatus| {
        status.conditions.retain(|condition| condition.kind != CONDITION_FAILED);
    };
    context.store.modify_status::<Replica>(replica.name(), clear).await?;
    Ok(())
}

/// Marks a replica as lacking data and stops its process.
pub(super) async fn fail(context: &Context, replica: &Object<Replica>, reason: &str) -> Result<(), Error> {
    let reason = if reason.is_empty() { "the engine dropped it" } else { reason };
    tracing::warn!(replica = replica.name(), reason, "a replica failed");
    let tell = |status: &mut crate::resources::replica::ReplicaStatus| {
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

async fn drop_from_engine(context: &Context, family: &Family, replica: &str) -> Result<(), Error> {
    let change = |engine: &mut Object<Engine>| {
        engine.spec.replica_address_map.remove(replica);
    };
    context.store.modify::<Engine>(family.engine.name(), change).await?;
    Ok(())
}

/// What a pass of upkeep found out, for the volume's status.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    pub causes: Vec<Cause>,
    /// When to look again though nothing changes.
    pub look_again: Option<Duration>,
}

/// Keeps as many whole replicas as the volume wishes: one rebuild at a time.
pub(super) async fn keep(volumes: &Volumes, volume: &Object<Volume>, family: &Family) -> Result<Upkeep, Error> {
    let mut upkeep = Upkeep::default();
    let context = &volumes.context;
    if family.engine.status.replica_mode_map.is_empty() {
        return Ok(upkeep);
    }
    if let Some(joining) = bring_in(context, family).await? {
        upkeep.causes.push(joining);
        return Ok(upkeep);
    }
    let wished = usize::try_from(volume.spec.number_of_replicas).unwrap_or(usize::MAX);
    if family.serving() >= wished {
        clean_up(context, family, wished).await?;
        return Ok(upkeep);
    }
    let candidates = candidates(volumes, family).await?;
    let limit = context.settings.number(Name::ConcurrentReplicaRebuildPerNodeLimit);
    let wait = Duration::from_secs(context.settings.number(Name::ReplicaReplenishmentWaitInterval));
    let degraded_for = timestamp::age(&volume.status.last_degraded_at).unwrap_or_default();
    match rebuild::choose(&candidates, wished, degraded_for, wait, limit) {
        Choice::Start(name) => {
            rebuild::start(context, &name).await?;
            volumes.memory.note_rebuild(&name);
        }
        Choice::GiveUp(name) => context.store.delete::<Replica>(&name).await?,
        Choice::Replace => {
            if let Err(cause) = placement::replace(volumes, volume, family).await? {
                upkeep.causes.push(cause);
                upkeep.look_again = Some(super::SCHEDULING_RETRY);
            }
        }
        Choice::Wait { cause, look_again } => {
            upkeep.causes.push(cause);
            upkeep.look_again = Some(look_again);
        }
    }
    Ok(upkeep)
}

/// Hands a replica whose process came up to the engine. The cause tells of the rebuild that is under way, if one is.
async fn bring_in(context: &Context, family: &Family) -> Result<Option<Cause>, Error> {
    for replica in family.staying() {
        let wished = replica.spec.desire_state == InstanceState::Running && !replica.spec.has_failed();
        match (family.mode(replica.name()), replica.status.current_state) {
            (Some(ReplicaMode::WriteOnly), _) => return Ok(Some(rebuilding(replica, family))),
            (None, InstanceState::Error) if wished => {
                drop_from_engine(context, family, replica.name()).await?;
                fail(context, replica, &replica.status.cause).await?;
            }
            (None, InstanceState::Running) if wished => {
                let change = |engine: &mut Object<Engine>| {
                    let map = &mut engine.spec.replica_address_map;
                    map.insert(replica.name().to_owned(), replica.status.address.clone());
                };
                context.store.modify::<Engine>(family.engine.name(), change).await?;
                return Ok(Some(rebuilding(replica, family)));
            }
            (None, InstanceState::Unknown) if wished => {
                fail(context, replica, &format!("{} does not answer", replica.spec.node_id)).await?;
            }
            (None, _) if wished => return Ok(Some(rebuilding(replica, family))),
            _ => {}
        }
    }
    Ok(None)
}

fn rebuilding(replica: &Object<Replica>, family: &Family) -> Cause {
    let (name, node) = (replica.name(), &replica.spec.node_id);
    let refusal = condition::find(&replica.status.conditions, CONDITION_JOIN_REFUSED);
    if let Some(refusal) = refusal.filter(|_| family.mode(name).is_none()) {
        return Cause {
            code: CauseCode::Rebuilding,
            severity: Severity::Warning,
            message: format!("Replica {name} on {node} waits to be rebuilt: {}.", refusal.message),
            next_step: "It is tried again by itself.".to_owned(),
            objects: vec![name.to_owned(), node.clone()],
            details: Vec::new(),
        };
    }
    // No figures here: they are in the rebuild status, and a cause that changes every second would be written as often.
    let source = family.engine.status.rebuild_status.get(name).and_then(|rebuild| rebuild.from_replica_list.first());
    let from = source.filter(|source| !source.is_empty()).map(|source| format!(" from {source}")).unwrap_or_default();
    Cause {
        code: CauseCode::Rebuilding,
        severity: Severity::Info,
        message: format!("Replica {name} on {node} is being rebuilt{from}."),
        next_step: String::new(),
        objects: vec![name.to_owned(), node.clone()],
        details: Vec::new(),
    }
}

/// With enough whole replicas: failed ones go, and those above the wished number, one a pass.
async fn clean_up(context: &Context, family: &Family, wished: usize) -> Result<(), Error> {
    for replica in family.staying() {
        let never_used = family.mode(replica.name()).is_none() && replica.spec.desire_state == InstanceState::Stopped;
        if replica.spec.has_failed() || never_used {
            context.store.delete::<Replica>(replica.name()).await?;
        }
    }
    if family.serving() > wished && family.replicas.iter().all(|replica| !replica.is_deleting()) {
        let serves = |replica: &&Object<Replica>| family.mode(replica.name()) == Some(ReplicaMode::ReadWrite);
        let local = |replica: &&Object<Replica>| replica.spec.node_id == family.engine.spec.node_id;
        // Evicting ones first, the one beside the engine last.
        let surplus = family.staying().filter(serves).max_by_key(|r| (r.spec.eviction_requested, !local(r)));
        if let Some(replica) = surplus {
            context.store.delete::<Replica>(replica.name()).await?;
        }
    }
    Ok(())
}

async fn candidates(volumes: &Volumes, family: &Family) -> Result<Vec<Candidate>, Error> {
    let context = &volumes.context;
    let busy = rebuilds_by_node(context).await?;
    let candidates = family.staying().map(|replica| Candidate {
        name: replica.name().to_owned(),
        node: replica.spec.node_id.clone(),
        node_answers: context.instances.answers(&replica.spec.node_id),
        placed: replica.spec.is_placed(),
        serves: family.mode(replica.name()) == Some(ReplicaMode::ReadWrite),
        failed: replica.spec.has_failed(),
        stopped: replica.status.current_state == InstanceState::Stopped && family.mode(replica.name()).is_none(),
        retries: replica.spec.rebuild_retry_count,
        pause_left: volumes.memory.rebuild_pause(replica.name(), replica.spec.rebuild_retry_count),
        rebuilds_on_node: busy.iter().filter(|node| **node == replica.spec.node_id).count() as u64,
    });
    Ok(candidates.collect())
}

/// The node of every replica that is being rebuilt now, of any volume.
async fn rebuilds_by_node(context: &Context) -> Result<Vec<String>, Error> {
    let mut nodes = Vec::new();
    for engine in context.store.list::<Engine>().await? {
        for (name, mode) in &engine.status.replica_mode_map {
            if *mode == ReplicaMode::WriteOnly {
                nodes.extend(context.store.find::<Replica>(name).await?.map(|replica| replica.spec.node_id));
            }
        }
    }
    Ok(nodes)
}
