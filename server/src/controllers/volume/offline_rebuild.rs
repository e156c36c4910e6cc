//! Offline rebuilding (behaviour.md §3): a detached volume that lacks whole replicas is attached without a device until
//! it has them.

use aurochs_api::condition::ConditionStatus;

use super::family::Family;
use super::own_ticket;
use super::placement::{self, Wanted};
use super::{Findings, Volumes};
use crate::controllers::Error;
use crate::resources::replica::REBUILD_RETRIES_MAXIMUM;
use crate::resources::volume::{CONDITION_OFFLINE_REBUILDING, REASON_OFFLINE_REBUILDING, Robustness, VolumeStatus};
use crate::resources::volume_attachment::AttacherType;
use crate::resources::{Object, Replica, Volume, condition, timestamp};
use crate::settings::{Name, Settings};

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    _: &mut Findings,
) -> Result<(), Error> {
    let context = &volumes.context;
    let enabled = is_enabled(&context.settings, volume);
    let wanted = enabled && lacks_whole_ones(volume, family) && can_be_rebuilt(volumes, volume, family).await?;
    let held = own_ticket::settle(context, volume, AttacherType::VolumeRebuildingController, wanted).await?;
    if held == condition::is_true(&volume.status.conditions, CONDITION_OFFLINE_REBUILDING) {
        return Ok(());
    }
    let (value, reason) =
        if held { (ConditionStatus::True, REASON_OFFLINE_REBUILDING) } else { (ConditionStatus::False, "") };
    let message = if held { "The volume is attached without a device until its replicas are rebuilt." } else { "" };
    let change = |status: &mut VolumeStatus| {
        condition::set(&mut status.conditions, CONDITION_OFFLINE_REBUILDING, value, reason, message);
    };
    context.store.modify_status::<Volume>(volume.name(), change).await?;
    Ok(())
}

fn is_enabled(settings: &Settings, volume: &Object<Volume>) -> bool {
    volume.spec.offline_rebuilding.or_setting(settings.flag(Name::OfflineReplicaRebuilding))
}

/// Some are whole and some are not; a volume that was never attached has nothing to be copied.
fn lacks_whole_ones(volume: &Object<Volume>, family: &Family) -> bool {
    let whole = family.staying().filter(|replica| was_whole(replica)).count();
    volume.status.robustness != Robustness::Faulted && whole > 0 && whole < placement::wished(volume)
}

fn was_whole(replica: &Object<Replica>) -> bool {
    !replica.spec.healthy_at.is_empty() && !replica.spec.has_failed()
}

/// Whether attaching would bring a rebuild forward; a volume must not stay attached for one that can't begin.
async fn can_be_rebuilt(volumes: &Volumes, volume: &Object<Volume>, family: &Family) -> Result<bool, Error> {
    let (instances, settings) = (&volumes.context.instances, &volumes.context.settings);
    if settings.number(Name::ConcurrentReplicaRebuildPerNodeLimit) == 0 {
        return Ok(false);
    }
    let lacking = || family.staying().filter(|replica| replica.spec.is_placed() && !was_whole(replica));
    let may_return = |replica: &Object<Replica>| replica.spec.rebuild_retry_count < REBUILD_RETRIES_MAXIMUM;
    if lacking().any(|replica| instances.answers(&replica.spec.node_id) && may_return(replica)) {
        return Ok(true);
    }
    let wait = settings.number(Name::ReplicaReplenishmentWaitInterval);
    let waits_for = |replica: &Object<Replica>| {
        may_return(replica) && timestamp::age(&replica.spec.failed_at).is_some_and(|age| age.as_secs() < wait)
    };
    if lacking().any(waits_for) {
        return Ok(false);
    }
    Ok(placement::look(volumes, volume, family, &Wanted::InsteadOfFailed).await?.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Engine;
    use crate::resources::replica::ReplicaSpec;
    use crate::resources::volume::{Override, VolumeSpec};

    /// behaviour.md §3, row "offline rebuild": a degraded volume. `w` is a whole replica, `f` a failed one, `n` a new one.
    #[test]
    fn offline_rebuild_of_a_degraded_volume() {
        for (replicas, robustness, expected) in [
            ("ww", Robustness::Unknown, false),
            ("wf", Robustness::Unknown, true),
            ("wn", Robustness::Unknown, true),
            ("w", Robustness::Unknown, true),
            ("wwf", Robustness::Unknown, false),
            // Never attached, or nothing to copy from.
            ("nn", Robustness::Unknown, false),
            ("ff", Robustness::Faulted, false),
            ("wf", Robustness::Faulted, false),
        ] {
            let mut volume = Object::<Volume>::new("v", VolumeSpec { number_of_replicas: 2, ..VolumeSpec::default() });
            volume.status.robustness = robustness;
            let time = |told: bool| if told { "2026-11-01T00:00:00Z".to_owned() } else { String::new() };
            let replica = |(number, state): (usize, char)| {
                let (healthy_at, failed_at) = (time(state == 'w'), time(state == 'f'));
                let spec = ReplicaSpec { healthy_at, failed_at, ..ReplicaSpec::default() };
                Object::<Replica>::new(format!("r{number}"), spec)
            };
            let engine = Object::<Engine>::new("v-e-0", Default::default());
            let family = Family { engine, replicas: replicas.chars().enumerate().map(replica).collect() };
            assert_eq!(lacks_whole_ones(&volume, &family), expected, "{replicas} {robustness:?}");
        }
    }

    /// behaviour.md §3, row "offline rebuild": the volume's word, then the setting's.
    #[test]
    fn offline_rebuild_of_the_volume_or_the_setting() {
        for (said, setting, expected) in [
            (Override::Ignored, "true", true),
            (Override::Ignored, "false", false),
            (Override::Enabled, "false", true),
            (Override::Disabled, "true", false),
        ] {
            let settings = Settings::default();
            settings.set(Name::OfflineReplicaRebuilding.word(), setting);
            let mut volume = Object::<Volume>::new("v", Default::default());
            volume.spec.offline_rebuilding = said;
            assert_eq!(is_enabled(&settings, &volume), expected, "{said:?} {setting}");
        }
    }
}
