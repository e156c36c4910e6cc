//! What a volume's wishes may be, whoever writes them: a create or an action. Each rule is one of Longhorn's admission
//! webhook, by its name there.

use aurochs_api::size::{ByteSize, SizeError};
use aurochs_api::volume::{AccessMode, DataLocality, SizeText, VolumeState};

use super::action::invalid;
use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
use crate::resources::{Object, Volume};
use crate::settings::{Name, Settings};

/// Longhorn's range.
pub(crate) const SNAPSHOT_MAX_COUNT: std::ops::RangeInclusive<u32> = 2..=250;
pub(crate) const REBUILD_CONCURRENT_SYNC_LIMIT_MAXIMUM: u32 = 5;
/// More than any disk or network takes; larger numbers are bytes given for megabytes.
pub(crate) const REBUILDING_BANDWIDTH_LIMIT_MAXIMUM: u64 = 1_000_000;

/// numberOfReplicas: a strict-local volume has one, where it is used.
pub(crate) fn strict_local_replicas(locality: DataLocality, replicas: u32) -> Result<(), ApiError> {
    if locality != DataLocality::StrictLocal || replicas == 1 {
        return Ok(());
    }
    let message = format_args!("a volume with dataLocality strict-local has one replica, not {replicas}");
    Err(invalid(message, "Give numberOfReplicas 1, or dataLocality best-effort."))
}

/// dataLocality: strict-local not with RWX that is not migratable.
pub(crate) fn strict_local_access(locality: DataLocality, mode: AccessMode, migratable: bool) -> Result<(), ApiError> {
    if locality != DataLocality::StrictLocal || mode != AccessMode::Rwx || migratable {
        return Ok(());
    }
    let message = "a volume with dataLocality strict-local is used on one node, so its accessMode can't be rwx";
    Err(invalid(message, "Give accessMode rwo, or dataLocality best-effort."))
}

/// dataLocality: to and from strict-local only while detached.
pub(crate) fn strict_local_change(volume: &Object<Volume>, wished: DataLocality) -> Result<(), ApiError> {
    let before = volume.spec.data_locality;
    if before == wished || (before != DataLocality::StrictLocal && wished != DataLocality::StrictLocal) {
        return Ok(());
    }
    let tried = format!("changing dataLocality from {} to {}", before.word(), wished.word());
    detached(volume, &tried)
}

/// The setting v1-data-engine turns volumes off as a whole: those that there are, and those to come.
pub(crate) fn engine_on(settings: &Settings, refused: impl std::fmt::Display) -> Result<(), ApiError> {
    if settings.flag(Name::V1DataEngine) {
        return Ok(());
    }
    let message = format_args!("{refused}: the data engine v1 is turned off");
    Err(ApiError::new(ErrorKind::Conflict, message, "Set the setting v1-data-engine to true."))
}

/// What is possible only while nobody uses the volume.
pub(crate) fn detached(volume: &Object<Volume>, tried: &str) -> Result<(), ApiError> {
    let (name, spec) = (volume.name(), &volume.spec);
    if volume.status.state == VolumeState::Detached && spec.node_id.is_empty() {
        return Ok(());
    }
    let message = format_args!("{tried} of volume {name} needs it detached");
    Err(ApiError::new(ErrorKind::Conflict, message, "Detach it, wait until its state is detached, then try again."))
}

/// What needs the volume attached or detached, and not on its way between the two.
pub(crate) fn settled(volume: &Object<Volume>, tried: &str) -> Result<(), ApiError> {
    if matches!(volume.status.state, VolumeState::Attached | VolumeState::Detached) {
        return Ok(());
    }
    let message = format_args!("{tried} volume {} needs it attached or detached", volume.name());
    Err(ApiError::new(ErrorKind::Conflict, message, "Wait until its state is one of the two, then try again."))
}

/// What needs the volume's own data: a copy in the making takes nothing else, and whatever changed it before it is filled
/// would make filling it impossible.
pub(crate) fn filled(volume: &Object<Volume>, tried: &str) -> Result<(), ApiError> {
    restored(volume, tried)?;
    if volume.is_filled() {
        return Ok(());
    }
    let (name, source) = (volume.name(), &volume.spec.data_source);
    let message = format_args!("{tried} volume {name} is not possible yet: it is a copy of {source} in the making");
    let next_step = "Wait until cloneStatus.state is completed, then try again.";
    Err(ApiError::new(ErrorKind::Conflict, message, next_step))
}

/// What needs a volume that holds what it is to hold: nobody sees half of a backup, and nothing but backups goes into a
/// volume that follows one.
pub(crate) fn restored(volume: &Object<Volume>, tried: &str) -> Result<(), ApiError> {
    if volume.is_restored() {
        return Ok(());
    }
    let name = volume.name();
    if volume.spec.standby {
        let message =
            format_args!("{tried} volume {name} is not possible: it is a standby volume, which follows a backup");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Activate it, then try again."));
    }
    let message = format_args!("{tried} volume {name} is not possible yet: it is being restored from a backup");
    Err(ApiError::new(ErrorKind::Conflict, message, "Wait until restoreRequired is false, then try again."))
}

/// migratable: only RWX.
pub(crate) fn migratable(migratable: bool, mode: AccessMode) -> Result<(), ApiError> {
    if !migratable || mode == AccessMode::Rwx {
        return Ok(());
    }
    let message = format_args!("a migratable volume has accessMode rwx, not {}", mode.word());
    Err(invalid(message, "Leave migratable out, or give accessMode rwx."))
}

/// snapshotMaxCount: 2…250.
pub(crate) fn snapshot_max_count(count: u32) -> Result<(), ApiError> {
    if SNAPSHOT_MAX_COUNT.contains(&count) {
        return Ok(());
    }
    Err(invalid(format_args!("snapshotMaxCount can't be {count}"), "Give a number from 2 to 250."))
}

/// snapshotMaxSize: 0 or at least twice the volume's size.
pub(crate) fn snapshot_max_size(maximum: ByteSize, size: ByteSize) -> Result<(), ApiError> {
    let least = ByteSize(size.bytes().saturating_mul(2));
    if maximum == ByteSize::ZERO || maximum >= least {
        return Ok(());
    }
    let message = format_args!("snapshotMaxSize can't be {maximum}: a volume of {size} needs at least {least}");
    Err(invalid(message, format_args!("Give {} or more bytes, or 0 for no limit.", least.bytes())))
}

/// rebuildConcurrentSyncLimit: 0…5.
pub(crate) fn rebuild_concurrent_sync_limit(limit: u32) -> Result<(), ApiError> {
    if limit <= REBUILD_CONCURRENT_SYNC_LIMIT_MAXIMUM {
        return Ok(());
    }
    let message = format_args!("rebuildConcurrentSyncLimit can't be {limit}");
    Err(invalid(message, "Give a number from 1 to 5, or 0 to follow the setting."))
}

/// replicaRebuildingBandwidthLimit: megabytes a second.
pub(crate) fn rebuilding_bandwidth_limit(limit: u64) -> Result<(), ApiError> {
    if limit <= REBUILDING_BANDWIDTH_LIMIT_MAXIMUM {
        return Ok(());
    }
    let message = format_args!("replicaRebuildingBandwidthLimit can't be {limit}: it is in megabytes a second");
    Err(invalid(message, "Give a number such as 100, or 0 to follow the setting."))
}

/// What only the v2 data engine has; 0 says nothing.
pub(crate) fn second_engine(field: &str, value: u32) -> Result<(), ApiError> {
    if value == 0 {
        return Ok(());
    }
    Err(ApiError::not_yet(Feature::SecondEngine, format_args!("{field} {value}")))
}

/// A size as a client wrote it; none when the field says nothing.
pub(crate) fn size(field: &str, text: &SizeText) -> Result<Option<ByteSize>, ApiError> {
    if text.0.is_empty() {
        return Ok(None);
    }
    let size = text.0.parse();
    size.map(Some).map_err(|error: SizeError| invalid(format_args!("{field}: {error}"), "Correct it, or leave it out."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::volume::VolumeSpec;

    const GIB: u64 = 1 << 30;

    #[test]
    fn number_of_replicas_strict_local_has_one() {
        assert!(strict_local_replicas(DataLocality::StrictLocal, 1).is_ok());
        assert!(strict_local_replicas(DataLocality::StrictLocal, 2).is_err());
        assert!(strict_local_replicas(DataLocality::BestEffort, 2).is_ok());
    }

    #[test]
    fn data_locality_strict_local_not_with_rwx_non_migratable() {
        for (locality, mode, migratable, good) in [
            (DataLocality::StrictLocal, AccessMode::Rwx, false, false),
            (DataLocality::StrictLocal, AccessMode::Rwx, true, true),
            (DataLocality::StrictLocal, AccessMode::Rwo, false, true),
            (DataLocality::BestEffort, AccessMode::Rwx, false, true),
        ] {
            assert_eq!(strict_local_access(locality, mode, migratable).is_ok(), good, "{locality:?} {mode:?}");
        }
    }

    #[test]
    fn data_locality_to_and_from_strict_local_only_detached() {
        use DataLocality::{BestEffort, Disabled, StrictLocal};
        for (before, wished, while_attached) in [
            (Disabled, StrictLocal, false),
            (StrictLocal, Disabled, false),
            (StrictLocal, StrictLocal, true),
            (Disabled, BestEffort, true),
        ] {
            let spec = VolumeSpec { data_locality: before, ..VolumeSpec::default() };
            let mut volume = Object::<Volume>::new("data", spec);
            volume.status.state = VolumeState::Detached;
            assert!(strict_local_change(&volume, wished).is_ok(), "{before:?} {wished:?}");
            volume.spec.node_id = "node-1".to_owned();
            volume.status.state = VolumeState::Attached;
            assert_eq!(strict_local_change(&volume, wished).is_ok(), while_attached, "{before:?} {wished:?}");
        }
    }

    #[test]
    fn a_copy_in_the_making_is_left_alone() {
        use crate::resources::volume::CloneState::{
            Completed, CopyCompletedAwaitingHealthy, Failed, Initiated, None as NotBegun,
        };
        for (source, state, good) in [
            ("", NotBegun, true),
            ("vol://a", NotBegun, false),
            ("vol://a", Initiated, false),
            ("vol://a", Failed, false),
            ("vol://a", CopyCompletedAwaitingHealthy, true),
            ("vol://a", Completed, true),
        ] {
            let spec = VolumeSpec { data_source: source.to_owned(), ..VolumeSpec::default() };
            let mut volume = Object::<Volume>::new("data", spec);
            volume.status.clone_status.state = state;
            assert_eq!(filled(&volume, "expanding").is_ok(), good, "{source:?} {state:?}");
        }
    }

    #[test]
    fn migratable_only_rwx() {
        assert!(migratable(true, AccessMode::Rwx).is_ok());
        assert!(migratable(true, AccessMode::Rwo).is_err());
        assert!(migratable(false, AccessMode::Rwop).is_ok());
    }

    #[test]
    fn snapshot_max_count_2_to_250() {
        for (count, good) in [(0, false), (1, false), (2, true), (250, true), (251, false), (u32::MAX, false)] {
            assert_eq!(snapshot_max_count(count).is_ok(), good, "{count}");
        }
    }

    #[test]
    fn snapshot_max_size_0_or_twice_the_size() {
        for (maximum, size, good) in [
            (0, GIB, true),
            (2 * GIB - 1, GIB, false),
            (2 * GIB, GIB, true),
            (u64::MAX, GIB, true),
            (1, u64::MAX, false),
        ] {
            assert_eq!(snapshot_max_size(ByteSize(maximum), ByteSize(size)).is_ok(), good, "{maximum} {size}");
        }
    }

    #[test]
    fn rebuild_limits() {
        for (limit, good) in [(0, true), (5, true), (6, false)] {
            assert_eq!(rebuild_concurrent_sync_limit(limit).is_ok(), good, "{limit}");
        }
        assert!(rebuilding_bandwidth_limit(100).is_ok());
        assert!(rebuilding_bandwidth_limit(100 << 20).unwrap_err().message.contains("megabytes"));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for error in
            [snapshot_max_count(1), snapshot_max_size(ByteSize(1), ByteSize(GIB)), rebuild_concurrent_sync_limit(9)]
        {
            assert!(!error.unwrap_err().next_step.is_empty());
        }
    }
}
