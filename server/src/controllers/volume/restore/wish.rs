//! Which backup a volume is to hold, and whether it holds it.

use aurochs_engine::backup::BackupUrl;

use crate::resources::engine::EngineStatus;
use crate::resources::{Object, Volume};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is made of no backup.
    None,
    New,
    Filling,
    /// Standby.
    Following,
    /// Standby no more; its newest backup is brought in.
    Activating,
    Done,
}

impl Phase {
    pub(super) fn of(volume: &Object<Volume>) -> Self {
        let (spec, status) = (&volume.spec, &volume.status);
        match (spec.from_backup.is_empty(), status.restore_initiated) {
            (true, _) => Self::None,
            (false, false) => Self::New,
            (false, true) if spec.standby => Self::Following,
            (false, true) if status.is_standby => Self::Activating,
            (false, true) if status.restore_required => Self::Filling,
            (false, true) => Self::Done,
        }
    }
}

/// A backup, by its names in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Name of the resource.
    pub(super) target: String,
    pub(super) volume: String,
    pub(super) backup: String,
}

/// `newest`: what the target tells of the volume that is followed. Until it does, the backup that the volume was made of.
pub(super) fn wanted(volume: &Object<Volume>, newest: Option<&str>) -> Option<Wanted> {
    let url: BackupUrl = volume.spec.from_backup.parse().ok()?;
    let backup = newest.filter(|newest| !newest.is_empty()).map(str::to_owned).or(url.backup)?;
    Some(Wanted { target: volume.spec.backup_target_name.clone(), volume: url.volume?, backup })
}

/// Whether all of it is in the volume, and nothing of another one.
pub(super) fn is_there(told: &EngineStatus, wanted: &Wanted) -> bool {
    told.last_restored_backup == wanted.backup
        && told.last_restored_volume == wanted.volume
        && told.unfinished_restore.is_empty()
}

/// Whether the volume can be used while the backup is on its way into it, or that is over since the engine started.
pub(super) fn is_usable(told: &EngineStatus, wanted: &Wanted) -> bool {
    let restore = told.restore.as_ref();
    restore.is_some_and(|told| told.instant && told.backup == wanted.backup && told.volume == wanted.volume)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::volume::VolumeSpec;

    fn volume(standby: bool, flags: [bool; 3]) -> Object<Volume> {
        let from_backup = "vfs:///b?backup=one&volume=data".to_owned();
        let spec = VolumeSpec { from_backup, standby, ..VolumeSpec::default() };
        let mut volume = Object::<Volume>::new("v", spec);
        let status = &mut volume.status;
        [status.restore_initiated, status.restore_required, status.is_standby] = flags;
        volume
    }

    /// behaviour.md §7, rows "restore" and "DR": flags and what they mean.
    #[test]
    fn phases() {
        assert_eq!(Phase::of(&Object::<Volume>::default()), Phase::None);
        for (standby, flags, phase) in [
            (false, [false, false, false], Phase::New),
            (true, [false, false, false], Phase::New),
            (false, [true, true, false], Phase::Filling),
            (true, [true, true, true], Phase::Following),
            (false, [true, true, true], Phase::Activating),
            (false, [true, false, false], Phase::Done),
        ] {
            let volume = volume(standby, flags);
            assert_eq!(Phase::of(&volume), phase, "{standby} {flags:?}");
            assert_eq!(volume.is_restored(), phase == Phase::Done, "{standby} {flags:?}");
        }
        assert!(Object::<Volume>::default().is_restored());
    }

    #[test]
    fn the_newest_of_a_volume_that_is_followed() {
        let volume = volume(true, [true, true, true]);
        assert_eq!(wanted(&volume, None).unwrap().backup, "one");
        assert_eq!(wanted(&volume, Some("")).unwrap().backup, "one");
        let newest = wanted(&volume, Some("two")).unwrap();
        assert_eq!(
            (newest.backup.as_str(), newest.volume.as_str(), newest.target.as_str()),
            ("two", "data", "default")
        );
        let mut told = EngineStatus { last_restored_backup: "two".into(), ..EngineStatus::default() };
        assert!(!is_there(&told, &newest), "of which volume is not said");
        told.last_restored_volume = "data".into();
        assert!(is_there(&told, &newest));
        told.unfinished_restore = "three".into();
        assert!(!is_there(&told, &newest));
    }
}
