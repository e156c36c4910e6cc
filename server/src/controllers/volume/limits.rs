//! Limits of snapshots, and what a discard may do to them: the engine hears of what the volume or a setting says, also
//! while it runs; who has too many snapshots is told.

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::engine_v1::{SnapshotLimitsSetRequest, UnmapMarkSnapChainRemovedRequest};

use super::family::Family;
use super::{Findings, Volumes, snapshot_causes};
use crate::controllers::{Context, Error};
use crate::instance::{ClientError, LOOK_TIMEOUT, rpc, within};
use crate::resources::engine::{EngineStatus, InstanceState};
use crate::resources::volume::{CONDITION_TOO_MANY_SNAPSHOTS, VolumeSpec, VolumeStatus};
use crate::resources::{Engine, Object, Replica, Volume, condition};
use crate::settings::Name;

/// The engine's own limit; a volume without a number of its own has it, too.
const COUNT_MAXIMUM: u32 = 250;
/// How soon a running engine that did not take its limits is told again.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What the engine and the replicas of a volume should keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    count: u32,
    /// Of the head and the live snapshots together; zero for none.
    size: ByteSize,
    unmap_marks_chain: bool,
}

impl Limits {
    fn of(volume: &VolumeSpec, unmap_setting: bool) -> Self {
        let count = if volume.snapshot_max_count == 0 { COUNT_MAXIMUM } else { volume.snapshot_max_count };
        Self {
            count: count.min(COUNT_MAXIMUM),
            size: volume.snapshot_max_size,
            unmap_marks_chain: volume.unmap_mark_snap_chain_removed.or_setting(unmap_setting),
        }
    }
}

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    let context = &volumes.context;
    let limits = Limits::of(&volume.spec, context.settings.flag(Name::RemoveSnapshotsDuringFilesystemTrim));
    write_specs(context, family, limits).await?;
    let status = &family.engine.status;
    if status.current_state != InstanceState::Running || status.snapshots.is_empty() {
        return Ok(());
    }
    if let Err(error) = tell_engine(context, &family.engine, limits).await {
        tracing::warn!(volume = volume.name(), %error, "the running engine does not know its limits of snapshots yet");
        findings.look_again_in(TELL_AGAIN);
    }
    let threshold = context.settings.number(Name::SnapshotCountWarningThreshold);
    let crowd = too_many(status, limits, threshold);
    write_condition(context, volume, crowd.as_deref()).await?;
    let causes: Vec<Cause> = snapshot_causes::all(volume, status, limits.count, limits.size).collect();
    if let Some(why) = crowd.filter(|_| causes.iter().all(|cause| cause.code != CauseCode::SnapshotLimit)) {
        findings.causes.push(snapshot_causes::crowded(volume, &why));
    }
    findings.causes.extend(causes);
    Ok(())
}

async fn write_specs(context: &Context, family: &Family, limits: Limits) -> Result<(), Error> {
    let spec = &family.engine.spec;
    let has = (spec.snapshot_max_count, spec.snapshot_max_size, spec.unmap_mark_snap_chain_removed_enabled);
    if has != (limits.count, limits.size, limits.unmap_marks_chain) {
        let change = |engine: &mut Object<Engine>| {
            engine.spec.snapshot_max_count = limits.count;
            engine.spec.snapshot_max_size = limits.size;
            engine.spec.unmap_mark_snap_chain_removed_enabled = limits.unmap_marks_chain;
        };
        context.store.modify::<Engine>(family.engine.name(), change).await?;
    }
    for replica in family.staying() {
        if (replica.spec.snapshot_max_count, replica.spec.snapshot_max_size) != (limits.count, limits.size) {
            let change = |replica: &mut Object<Replica>| {
                replica.spec.snapshot_max_count = limits.count;
                replica.spec.snapshot_max_size = limits.size;
            };
            context.store.modify::<Replica>(replica.name(), change).await?;
        }
    }
    Ok(())
}

async fn tell_engine(context: &Context, engine: &Object<Engine>, limits: Limits) -> Result<(), ClientError> {
    let status = &engine.status;
    let mut client = context.clients.engine(&status.address)?;
    if (status.snapshot_max_count, status.snapshot_max_size) != (limits.count, limits.size) {
        let request =
            SnapshotLimitsSetRequest { snapshot_max_count: limits.count, snapshot_max_size_bytes: limits.size.bytes() };
        let doing = format!("setting the limits of snapshots of engine {}", engine.name());
        client.snapshot_limits_set(within(LOOK_TIMEOUT, request)).await.map_err(rpc(doing))?;
        tracing::info!(engine = engine.name(), count = limits.count, size = %limits.size, "limits of snapshots set");
    }
    if status.unmap_mark_snap_chain_removed_enabled != limits.unmap_marks_chain {
        let request = UnmapMarkSnapChainRemovedRequest { enabled: limits.unmap_marks_chain, mark_now: false };
        let doing = format!("telling engine {} what a discard does to snapshots", engine.name());
        client.unmap_mark_snap_chain_removed_set(within(LOOK_TIMEOUT, request)).await.map_err(rpc(doing))?;
        tracing::info!(
            engine = engine.name(),
            enabled = limits.unmap_marks_chain,
            "marking of snapshots at a trim set"
        );
    }
    Ok(())
}

/// Why the volume has too many snapshots, if it has: as many as a warning is wished for or as there may be, or as many bytes.
/// Removed ones count, as they do in the chain of files.
fn too_many(status: &EngineStatus, limits: Limits, threshold: u64) -> Option<String> {
    let snapshots = || status.snapshots.values().filter(|layer| layer.name != VOLUME_HEAD);
    let count = snapshots().count() as u64;
    let most = threshold.min(limits.count.into());
    if count >= most {
        return Some(format!("The volume has {count} snapshots; this warning begins at {most}"));
    }
    let size: u64 = snapshots().map(|layer| layer.size.bytes()).sum();
    (limits.size > ByteSize::ZERO && size >= limits.size.bytes())
        .then(|| format!("The snapshots hold {} and may hold {}", ByteSize(size), limits.size))
}

async fn write_condition(context: &Context, volume: &Object<Volume>, crowd: Option<&str>) -> Result<(), Error> {
    let (status, reason) = match crowd {
        Some(_) => (ConditionStatus::True, CONDITION_TOO_MANY_SNAPSHOTS),
        None => (ConditionStatus::False, ""),
    };
    let message = crowd.unwrap_or_default();
    let has = condition::find(&volume.status.conditions, CONDITION_TOO_MANY_SNAPSHOTS);
    if has.is_some_and(|has| has.status == status && has.reason == reason && has.message == message) {
        return Ok(());
    }
    let change = |volume: &mut VolumeStatus| {
        condition::set(&mut volume.conditions, CONDITION_TOO_MANY_SNAPSHOTS, status, reason, message);
    };
    context.store.modify_status::<Volume>(volume.name(), change).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_api::snapshot::Snapshot as Layer;

    use crate::resources::volume::Override;

    fn with_snapshots(count: usize, size: u64) -> EngineStatus {
        let names = (0..count).map(|at| format!("s{at}")).chain([VOLUME_HEAD.to_owned()]);
        let layer = |name: String| (name.clone(), Layer { name, size: ByteSize(size), ..Layer::default() });
        EngineStatus { snapshots: names.map(layer).collect(), ..EngineStatus::default() }
    }

    fn limits(count: u32, size: u64) -> Limits {
        Limits { count, size: ByteSize(size), unmap_marks_chain: false }
    }

    /// behaviour.md §6, "Max".
    #[test]
    fn condition_too_many_snapshots() {
        for (snapshots, size, limits, threshold, expected) in [
            (99, 1, limits(250, 0), 100, false),
            (100, 1, limits(250, 0), 100, true),
            (49, 1, limits(50, 0), 100, false),
            (50, 1, limits(50, 0), 100, true),
            (3, 10, limits(250, 31), 100, false),
            (3, 10, limits(250, 30), 100, true),
            (0, 10, limits(250, 0), 100, false),
        ] {
            let told = too_many(&with_snapshots(snapshots, size), limits, threshold);
            assert_eq!(told.is_some(), expected, "{snapshots} snapshots of {size} bytes, {limits:?}: {told:?}");
        }
    }

    /// behaviour.md §6, "Trim": the volume's word is stronger than the setting's.
    #[test]
    fn the_volume_overrides_the_setting_for_trims() {
        for (own, setting, expected) in [
            (Override::Ignored, false, false),
            (Override::Ignored, true, true),
            (Override::Enabled, false, true),
            (Override::Disabled, true, false),
        ] {
            let spec = VolumeSpec { unmap_mark_snap_chain_removed: own, ..VolumeSpec::default() };
            assert_eq!(Limits::of(&spec, setting).unmap_marks_chain, expected, "{own:?} {setting}");
        }
        let none = VolumeSpec { snapshot_max_count: 0, ..VolumeSpec::default() };
        assert_eq!(Limits::of(&none, false).count, COUNT_MAXIMUM);
    }
}
