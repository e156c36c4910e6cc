//! Balance: a replica moves to where the replicas of the volume are spread more evenly (behaviour.md §3, auto-balance).
//! What would be better is [`crate::scheduling::balance`]'s business; here it is asked with the present.

use super::super::Error;
use super::expansion::present_size;
use super::extra::Need;
use super::family::Family;
use super::{Findings, Volumes, cluster, placement};
use crate::resources::volume::DataLocality;
use crate::resources::{Object, Replica, Volume};
use crate::scheduling::balance::{Asked, Move, plan};
use crate::scheduling::spread::{Holder, Mode};
use crate::scheduling::{NodeView, Rules};
use crate::settings::{Name, Settings};

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    // What has to move for another reason comes first, and may even the spread by itself.
    if mode(&volumes.context.settings, volume) == Mode::Disabled
        || !findings.needs.is_empty()
        || !family.is_kept_whole(volume)
    {
        return Ok(());
    }
    // One that was made for a move before is asked for again, as if it were not there.
    let made = family.staying().find(|replica| family.mode(replica.name()).is_none() && replica.spec.is_placed());
    let without = made.map(Object::name);
    let only_disk = made.map(|made| made.spec.disk_id.as_str());
    let planned = match planned(volumes, volume, family, without, only_disk).await? {
        None if made.is_some() => planned(volumes, volume, family, without, None).await?,
        planned => planned,
    };
    findings.needs.extend(planned.map(Need::Balance));
    Ok(())
}

/// Makes the replica of the move that is planned now; false when none is any more.
pub(super) async fn make(volumes: &Volumes, volume: &Object<Volume>, family: &Family) -> Result<bool, Error> {
    let _one_at_a_time = volumes.placing.lock().await;
    let Some(planned) = planned(volumes, volume, family, None, None).await? else { return Ok(false) };
    let (replica, node, why) = (&planned.replica, &planned.to.node, planned.why.text());
    tracing::info!(volume = volume.name(), replica, node, "a replica moves {why}");
    placement::make_at(volumes, volume, family, &planned.to).await?;
    Ok(true)
}

async fn planned(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    without: Option<&str>,
    only_disk: Option<&str>,
) -> Result<Option<Move>, Error> {
    let context = &volumes.context;
    let nodes = cluster::read(context, without).await?;
    let asking = Asking { settings: &context.settings, rules: &cluster::rules(&context.settings), only_disk };
    Ok(plan_for(volume, family, &nodes, &asking))
}

/// What a plan depends on besides the volume and the nodes.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub settings: &'a Settings,
    pub rules: &'a Rules,
    pub only_disk: Option<&'a str>,
}

/// The move that makes the volume's spread better, if there is one.
pub(super) fn plan_for(
    volume: &Object<Volume>,
    family: &Family,
    nodes: &[NodeView],
    asking: &Asking<'_>,
) -> Option<Move> {
    let Asking { settings, rules, only_disk } = *asking;
    let mut request = placement::request(volume.name(), &volume.spec, settings);
    request.size = present_size(&family.engine);
    request.required = family.engine.status.actual_size;
    let engine_node = family.engine.spec.node_id.as_str();
    if volume.spec.data_locality == DataLocality::StrictLocal {
        request.only_node = Some(engine_node.to_owned());
    }
    plan(&Asked {
        mode: mode(settings, volume),
        request: &request,
        holders: &holders(family.whole()),
        nodes,
        rules,
        pressure_percent: pressure_percent(settings),
        keep_on: (volume.spec.data_locality != DataLocality::Disabled).then_some(engine_node),
        only_disk,
    })
}

/// The volume's word before the setting's.
pub(super) fn mode(settings: &Settings, volume: &Object<Volume>) -> Mode {
    Mode::of(volume.spec.replica_auto_balance.word(), &settings.text(Name::ReplicaAutoBalance))
}

/// A disk that is fuller than this is left by replicas; 0 for never.
pub(super) fn pressure_percent(settings: &Settings) -> u64 {
    settings.number(Name::ReplicaAutoBalanceDiskPressurePercentage)
}

/// Whole replicas as the balance sees them.
pub(super) fn holders<'a>(replicas: impl Iterator<Item = &'a Object<Replica>>) -> Vec<Holder> {
    let holder = |replica: &Object<Replica>| Holder {
        name: replica.name().to_owned(),
        node: replica.spec.node_id.clone(),
        disk_uuid: replica.spec.disk_id.clone(),
        evicting: replica.spec.eviction_requested,
    };
    replicas.map(holder).collect()
}
