//! Gives replicas a place: asks the scheduler with the present of all nodes, one placement at a time.
//!
//! Invariant: whoever looks for a place holds [`Volumes::placing`] until the replica with the place is stored, so that
//! every promise on a disk is counted by the next one that looks.

use aurochs_api::size::ByteSize;

use super::super::Error;
use super::expansion::present_size;
use super::family::{Family, new_replica};
use super::{Findings, SCHEDULING_RETRY, Volumes};
use super::{backing_image, cluster};
use crate::resources::replica::REBUILD_RETRIES_MAXIMUM;
use crate::resources::volume::{DataLocality, REASON_LOCAL_SCHEDULING_FAILURE, REASON_SCHEDULING_FAILURE, VolumeSpec};
use crate::resources::{LABEL_NODE, Object, Replica, Volume};
use crate::scheduling::causes::NoPlace;
use crate::scheduling::{Place, Request, Taken, place};
use crate::settings::{Name, Settings};

/// What the condition `Scheduled` says when a replica has no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SchedulingFailure {
    pub reason: &'static str,
    pub message: String,
}

/// A request for a replica of this volume, with overrides resolved.
#[must_use]
pub fn request(name: &str, spec: &VolumeSpec, settings: &Settings) -> Request {
    Request {
        volume: name.to_owned(),
        size: spec.size,
        required: ByteSize::ZERO,
        node_selector: spec.node_selector.clone(),
        disk_selector: spec.disk_selector.clone(),
        node_soft: spec.replica_soft_anti_affinity.or_setting(settings.flag(Name::ReplicaSoftAntiAffinity)),
        zone_soft: spec.replica_zone_soft_anti_affinity.or_setting(settings.flag(Name::ReplicaZoneSoftAntiAffinity)),
        disk_soft: spec.replica_disk_soft_anti_affinity.or_setting(settings.flag(Name::ReplicaDiskSoftAntiAffinity)),
        ..Request::default()
    }
}

/// Places that count as taken: healthy and new replicas, and failed ones that may come back.
fn taken<'a>(replicas: impl Iterator<Item = &'a Object<Replica>>, replacing: bool) -> Vec<Taken> {
    let counts = |replica: &&Object<Replica>| {
        let may_return = !replacing
            && !replica.spec.eviction_requested
            && replica.spec.rebuild_retry_count < REBUILD_RETRIES_MAXIMUM;
        replica.spec.is_placed() && (!replica.spec.has_failed() || may_return)
    };
    let taken = replicas.filter(counts).map(|replica| Taken {
        node: replica.spec.node_id.clone(),
        disk_uuid: replica.spec.disk_id.clone(),
        evicting: replica.spec.eviction_requested,
    });
    taken.collect()
}

/// With data locality, replicas that never had a place get it when it is known where the engine will run.
fn waits_for_a_node(spec: &VolumeSpec) -> bool {
    spec.data_locality != DataLocality::Disabled && spec.node_id.is_empty()
}

/// Makes the replicas that a volume lacks from the start and gives places to those without; tells when one finds none.
/// Later losses are the rebuild's business.
pub(super) async fn ensure(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &mut Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    if family.staying().all(was_never_used) {
        make_the_first(volumes, volume, family).await?;
    }
    let unplaced: Vec<usize> = (0..family.replicas.len())
        .filter(|&index| !family.replicas[index].spec.is_placed() && !family.replicas[index].is_deleting())
        .collect();
    if unplaced.is_empty() || waits_for_a_node(&volume.spec) {
        return Ok(());
    }
    let _one_at_a_time = volumes.placing.lock().await;
    for index in unplaced {
        match find(volumes, volume, family, &Wanted::First).await? {
            Ok(found) => {
                let name = family.replicas[index].name().to_owned();
                let change = |replica: &mut Object<Replica>| put(replica, volume, &found);
                family.replicas[index] = volumes.context.store.modify::<Replica>(&name, change).await?;
            }
            Err(no) => {
                let usable = || family.staying().any(|one| one.spec.is_placed() && !one.spec.has_failed());
                let detached = volume.spec.node_id.is_empty() && volume.status.current_node_id.is_empty();
                let allowed = volumes.context.settings.flag(Name::AllowVolumeCreationWithDegradedAvailability);
                if !(detached && allowed && usable()) {
                    tell(volume, &no, findings);
                }
                findings.causes.push(*no.cause);
                findings.look_again_in(SCHEDULING_RETRY);
                return Ok(());
            }
        }
    }
    Ok(())
}

pub(super) fn was_never_used(replica: &Object<Replica>) -> bool {
    let spec = &replica.spec;
    spec.last_healthy_at.is_empty() && spec.healthy_at.is_empty() && !spec.has_failed()
}

/// As many as wished: a volume that was never attached has no data yet, so that its number can be changed freely.
async fn make_the_first(volumes: &Volumes, volume: &Object<Volume>, family: &mut Family) -> Result<(), Error> {
    let store = &volumes.context.store;
    let wished = wished(volume);
    while family.staying().count() < wished {
        family.replicas.push(store.create(&new_replica(volume)).await?);
    }
    if volume.spec.node_id.is_empty() && family.all_closed() {
        for surplus in first_surplus(family, wished) {
            store.delete::<Replica>(surplus.name()).await?;
        }
    }
    Ok(())
}

/// Of replicas that never held data, those that are too many: first the ones without a place.
pub(super) fn first_surplus(family: &Family, wished: usize) -> impl Iterator<Item = &Object<Replica>> {
    let mut staying: Vec<&Object<Replica>> = family.staying().collect();
    staying.sort_by_key(|replica| !replica.spec.is_placed());
    staying.into_iter().skip(wished)
}

/// How many whole replicas the volume should have; at least one, whatever the resource says.
pub(super) fn wished(volume: &Object<Volume>) -> usize {
    usize::try_from(volume.spec.number_of_replicas).unwrap_or(usize::MAX).max(1)
}

/// What a place is looked for.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// A replica without data: it is whole when the volume is attached first.
    First,
    /// One that takes the place of those that failed.
    InsteadOfFailed,
    /// One more while all others are whole.
    Extra,
    /// One more, on this node.
    ExtraOn(String),
}

/// Makes one more replica if there is a place for it.
pub(super) async fn make(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    wanted: &Wanted,
) -> Result<Result<Object<Replica>, NoPlace>, Error> {
    let _one_at_a_time = volumes.placing.lock().await;
    match find(volumes, volume, family, wanted).await? {
        Ok(found) => Ok(Ok(make_at(volumes, volume, family, &found).await?)),
        Err(no) => Ok(Err(no)),
    }
}

/// Whether there is a place; nothing is made, so nothing is promised.
pub(super) async fn look(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    wanted: &Wanted,
) -> Result<Result<Place, NoPlace>, Error> {
    find(volumes, volume, family, wanted).await
}

/// Makes a replica at a place that was found while [`Volumes::placing`] was held, and still is.
pub(super) async fn make_at(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    found: &Place,
) -> Result<Object<Replica>, Error> {
    let mut replica = new_replica(volume);
    // It joins an engine that may be waiting for room to grow; then it grows with the others.
    replica.spec.volume_size = present_size(&family.engine);
    put(&mut replica, volume, found);
    tracing::info!(volume = volume.name(), replica = replica.name(), node = found.node, "a replica was placed");
    Ok(volumes.context.store.create(&replica).await?)
}

async fn find(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    wanted: &Wanted,
) -> Result<Result<Place, NoPlace>, Error> {
    let context = &volumes.context;
    let nodes = cluster::read(context, None).await?;
    let mut request = asked(volume, family, wanted, &context.settings);
    backing_image::bind(&mut request, backing_image::of(volumes, &volume.spec).await?.as_ref());
    Ok(place(&request, &nodes, &cluster::rules(&context.settings)))
}

/// What the scheduler is asked for one more replica of this volume.
pub(super) fn asked(volume: &Object<Volume>, family: &Family, wanted: &Wanted, settings: &Settings) -> Request {
    let mut request = request(volume.name(), &volume.spec, settings);
    request.taken = taken(family.staying(), matches!(wanted, Wanted::InsteadOfFailed));
    if !matches!(wanted, Wanted::First) {
        request.size = present_size(&family.engine);
        request.required = family.engine.status.actual_size;
    }
    let home = family.staying().map(|replica| replica.spec.node_id.as_str()).find(|node| !node.is_empty());
    bind(&mut request, &volume.spec, wanted, home);
    request
}

/// Data locality, as a wish for a node. `home` is where a replica is already.
fn bind(request: &mut Request, spec: &VolumeSpec, wanted: &Wanted, home: Option<&str>) {
    let engine_node = Some(spec.node_id.clone()).filter(|node| !node.is_empty());
    let holds_one = |node: &str| request.taken.iter().any(|taken| taken.node == node && !taken.evicting);
    match (wanted, spec.data_locality) {
        (Wanted::ExtraOn(node), _) => request.only_node = Some(node.clone()),
        (_, DataLocality::Disabled) => {}
        (_, DataLocality::BestEffort) => request.preferred_node = engine_node.filter(|node| !holds_one(node)),
        (_, DataLocality::StrictLocal) => request.only_node = engine_node.or(home.map(str::to_owned)),
    }
}

pub(super) fn put(replica: &mut Object<Replica>, volume: &Object<Volume>, place: &Place) {
    replica.metadata.labels.insert(LABEL_NODE.to_owned(), place.node.clone());
    replica.spec.node_id.clone_from(&place.node);
    replica.spec.disk_id.clone_from(&place.disk_uuid);
    replica.spec.disk_path.clone_from(&place.disk_path);
    if volume.spec.data_locality == DataLocality::StrictLocal {
        replica.spec.hard_node_affinity.clone_from(&place.node);
    }
}

/// The condition's part of a refusal.
pub(super) fn tell(volume: &Object<Volume>, no: &NoPlace, findings: &mut Findings) {
    let strict = volume.spec.data_locality == DataLocality::StrictLocal;
    let reason = if strict { REASON_LOCAL_SCHEDULING_FAILURE } else { REASON_SCHEDULING_FAILURE };
    findings.scheduling.get_or_insert(SchedulingFailure { reason, message: no.message() });
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
