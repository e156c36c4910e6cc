//! Opening: the replicas that hold all data first, then the engine. Closing: the other way round.

use std::collections::BTreeMap;

use aurochs_api::cause::Cause;
use aurochs_engine::grpc::instance_v1::Record;

use super::super::{Context, Error};
use super::family::Family;
use super::{fault, salvage, upkeep};
use crate::instance::{Answering, record};
use crate::resources::engine::InstanceState;
use crate::resources::{Engine, Object, Replica, Volume, timestamp};
use crate::settings::Name;

/// How far opening got.
#[derive(Debug)]
pub(super) enum Opening {
    /// Replicas or the engine are on their way up.
    Underway,
    /// No replica that holds all data can be had.
    Impossible(Cause),
}

/// One step of opening. The control record, not a replica's own status, says who holds all data.
pub(super) async fn open(context: &Context, volume: &Object<Volume>, family: &Family) -> Result<Opening, Error> {
    if family.engine.spec.desire_state == InstanceState::Running {
        return Ok(Opening::Underway);
    }
    let record = record::get(&context.clients, volume.name()).await?;
    let members: Vec<&Object<Replica>> = fault::members(family, record.as_ref()).collect();
    note_outsiders(context, family, record.as_ref()).await?;

    let (mut ready, mut waiting, mut lost) = (BTreeMap::new(), false, Vec::new());
    let judged: Vec<_> = members.iter().map(|&replica| (replica, readiness(context, replica))).collect();
    for (replica, readiness) in awaited(judged) {
        match readiness {
            Readiness::Ready => {
                ready.insert(replica.name().to_owned(), replica.status.address.clone());
            }
            Readiness::Coming => {
                wish_running(context, replica, record.is_some()).await?;
                waiting = true;
            }
            Readiness::Lost(reason) => lost.push((replica, reason)),
        }
    }
    if waiting {
        return Ok(Opening::Underway);
    }
    if ready.is_empty() {
        let generation = record.as_ref().map(|record| record.generation);
        let ordered = family
            .engine
            .pending_salvage()
            .is_some_and(|order| order.record_generation.is_some() && order.record_generation == generation);
        if ordered {
            return salvage::open(context, volume, family).await;
        }
        return Ok(Opening::Impossible(fault::cause(volume, family, &lost, record.as_ref())));
    }
    start_engine(context, volume, family, ready).await?;
    Ok(Opening::Underway)
}

/// Leaves out who is not waited for: one that is to go, and does not run, while another one with all data stays. Its disk
/// may be why it goes.
fn awaited(judged: Vec<(&Object<Replica>, Readiness)>) -> Vec<(&Object<Replica>, Readiness)> {
    let one_stays =
        judged.iter().any(|(replica, readiness)| !replica.is_deleting() && !matches!(readiness, Readiness::Lost(_)));
    let counts = |(replica, readiness): &(&Object<Replica>, Readiness)| {
        !(one_stays && replica.is_deleting() && matches!(readiness, Readiness::Coming))
    };
    judged.into_iter().filter(counts).collect()
}

/// Whether a replica's process can be given to an engine.
pub(super) enum Readiness {
    Ready,
    Coming,
    Lost(String),
}

pub(super) fn readiness(context: &Context, replica: &Object<Replica>) -> Readiness {
    let node = &replica.spec.node_id;
    match context.instances.answering(node) {
        Answering::NotYet => return Readiness::Coming,
        Answering::No { since, .. } => return Readiness::Lost(format!("{node} has not answered since {since}")),
        Answering::Yes { .. } => {}
    }
    let wished = replica.spec.desire_state == InstanceState::Running;
    match replica.status.current_state {
        InstanceState::Running if wished && !replica.status.address.is_empty() => Readiness::Ready,
        InstanceState::Error if wished => Readiness::Lost(format!("on {node}: {}", replica.status.cause)),
        _ => Readiness::Coming,
    }
}

async fn wish_running(context: &Context, replica: &Object<Replica>, has_data: bool) -> Result<(), Error> {
    let change = |replica: &mut Object<Replica>| {
        replica.spec.desire_state = InstanceState::Running;
        // A member holds every acknowledged write, whatever was thought of it.
        replica.spec.failed_at.clear();
        if has_data && replica.spec.healthy_at.is_empty() {
            replica.spec.healthy_at = timestamp::now();
        }
    };
    context.store.modify::<Replica>(replica.name(), change).await?;
    Ok(())
}

/// Replicas that were good when last seen and are no members any more were dropped while no manager looked.
async fn note_outsiders(context: &Context, family: &Family, record: Option<&Record>) -> Result<(), Error> {
    for replica in family.staying() {
        let was_good = !replica.spec.healthy_at.is_empty() && !replica.spec.has_failed();
        if was_good && !fault::is_member(replica, record) {
            upkeep::fail(context, replica, "the engine went on without it").await?;
        }
    }
    Ok(())
}

pub(super) async fn start_engine(
    context: &Context,
    volume: &Object<Volume>,
    family: &Family,
    ready: BTreeMap<String, String>,
) -> Result<(), Error> {
    let patience = u32::try_from(context.settings.number(Name::EngineReplicaTimeout)).unwrap_or_default();
    let change = |engine: &mut Object<Engine>| {
        engine.spec.node_id.clone_from(&volume.spec.node_id);
        engine.spec.desire_state = InstanceState::Running;
        engine.spec.frontend = volume.spec.frontend;
        engine.spec.disable_frontend = volume.spec.disable_frontend;
        engine.spec.replica_address_map.clone_from(&ready);
        engine.spec.replica_timeout_seconds = patience;
    };
    context.store.modify::<Engine>(family.engine.name(), change).await?;
    Ok(())
}

/// One step of closing: the engine drains and flushes before any replica is stopped beneath it.
pub(super) async fn close(context: &Context, family: &Family) -> Result<(), Error> {
    let stop_engine = |engine: &mut Object<Engine>| engine.spec.desire_state = InstanceState::Stopped;
    let engine = context.store.modify::<Engine>(family.engine.name(), stop_engine).await?;
    if engine.status.current_state != InstanceState::Stopped {
        return Ok(());
    }
    for replica in &family.replicas {
        let stop = |replica: &mut Object<Replica>| replica.spec.desire_state = InstanceState::Stopped;
        context.store.modify::<Replica>(replica.name(), stop).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;

    #[test]
    fn nobody_waits_for_a_member_that_goes_while_another_stays() {
        let staying = Object::<Replica>::new("b", Default::default());
        let mut deleting = Object::<Replica>::new("a", Default::default());
        deleting.metadata.deletion_timestamp = Some("now".into());
        let lost = || Readiness::Lost("its node is silent".into());
        // (the one that goes, the one that stays, who counts)
        let rows = [
            (Readiness::Coming, Readiness::Ready, vec!["b"]),
            (Readiness::Coming, Readiness::Coming, vec!["b"]),
            (Readiness::Coming, lost(), vec!["a", "b"]),
            (Readiness::Ready, Readiness::Ready, vec!["a", "b"]),
        ];
        for (goes, stays, expected) in rows {
            let counted = awaited(vec![(&deleting, goes), (&staying, stays)]);
            assert_eq!(counted.iter().map(|(replica, _)| replica.name()).collect::<Vec<_>>(), expected);
        }
        assert_eq!(awaited(vec![(&deleting, Readiness::Coming)]).len(), 1, "the last one is waited for");
    }

    /// The setting engine-replica-timeout, of the volume's data engine: an engine has it from its start.
    #[tokio::test]
    async fn engine_replica_timeout_is_told_to_the_engine_that_starts() {
        for (setting, expected) in [(None, 8), (Some(r#"{"v1":"12","v2":"30"}"#), 12)] {
            let (context, _directory) = bench::context(&["node-1"]).await;
            if let Some(setting) = setting {
                context.settings.set(Name::EngineReplicaTimeout.word(), setting);
            }
            let engine = context.store.create(&Object::<Engine>::new("v-e-0", Default::default())).await.unwrap();
            let family = Family { engine, replicas: Vec::new() };
            let volume = Object::<Volume>::new("v", Default::default());
            start_engine(&context, &volume, &family, BTreeMap::new()).await.unwrap();
            let told = context.store.get::<Engine>("v-e-0").await.unwrap().spec;
            assert_eq!((told.replica_timeout_seconds, told.desire_state), (expected, InstanceState::Running));
        }
    }
}
