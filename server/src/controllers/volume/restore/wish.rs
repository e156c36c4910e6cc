//! Which backup a volume is to hold, and whether it holds it.

use aurochs_engine::backup::BackupUrl;

use crate::resources::engine::{EngineStatus, RestorePhase};
use crate::resources::{Object, Volume, timestamp};

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
    /// When it was complete, as far as the resources tell; empty where they don't. A name may be used again.
    pub(super) created: String,
}

/// A backup that a target tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) backup: String,
    /// Empty where its record was not read.
    pub(super) created: String,
}

/// `newest`: what the target tells of the volume that is followed. Until it does, the backup that the volume was made of.
pub(super) fn wanted(volume: &Object<Volume>, newest: Option<&Newest>) -> Option<Wanted> {
    let url: BackupUrl = volume.spec.from_backup.parse().ok()?;
    let newest = newest.filter(|newest| !newest.backup.is_empty());
    let (backup, created) = match newest {
        Some(newest) => (newest.backup.clone(), newest.created.clone()),
        None => (url.backup?, String::new()),
    };
    Some(Wanted { target: volume.spec.backup_target_name.clone(), volume: url.volume?, backup, created })
}

/// A standby volume whose target tells of no backup stays with what it holds, and does not go back to the one that it was
/// made of.
pub(super) fn no_older(wanted: Wanted, told: &EngineStatus, phase: Phase, newest: Option<&Newest>) -> Wanted {
    let holds_another = !told.last_restored_backup.is_empty() && told.last_restored_volume == wanted.volume;
    let is_standby = matches!(phase, Phase::Following | Phase::Activating);
    if !is_standby || !holds_another || newest.is_some() {
        return wanted;
    }
    let (backup, created) = (told.last_restored_backup.clone(), told.last_restored_created.clone());
    Wanted { backup, created, ..wanted }
}

/// Whether all of it is in the volume, and nothing of another one.
pub(super) fn is_there(told: &EngineStatus, wanted: &Wanted) -> bool {
    told.last_restored_backup == wanted.backup
        && told.last_restored_volume == wanted.volume
        && told.unfinished_restore.is_empty()
        && is_as_new(told, wanted)
}

/// Whether what is there is not of an earlier backup that had the same name. A later one than the resources know of was
/// read by the engine in the target itself.
fn is_as_new(told: &EngineStatus, wanted: &Wanted) -> bool {
    let held = &told.last_restored_created;
    match (timestamp::parse(held), timestamp::parse(&wanted.created)) {
        (Some(held), Some(wanted)) => held >= wanted,
        _ if wanted.created.is_empty() || *held == wanted.created => true,
        // A mark from before marks had times: the engine compares everything, and then has one. An engine that is as old
        // as that never has; what it brought in itself in its life is taken as it is.
        _ if held.is_empty() => told.restore.as_ref().is_some_and(|last| {
            last.phase == RestorePhase::Complete && last.created.is_empty() && last.backup == wanted.backup
        }),
        _ => false,
    }
}

/// Whether the volume can be used while the backup is on its way into it, or that is over since the engine started.
pub(super) fn is_usable(told: &EngineStatus, wanted: &Wanted) -> bool {
    let restore = told.restore.as_ref();
    restore.is_some_and(|told| told.instant && told.backup == wanted.backup && told.volume == wanted.volume)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::engine::RestoreProgress;
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
        assert_eq!(wanted(&volume, Some(&newest("", ""))).unwrap().backup, "one");
        let newest = wanted(&volume, Some(&newest("two", ""))).unwrap();
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

    fn newest(backup: &str, created: &str) -> Newest {
        Newest { backup: backup.to_owned(), created: created.to_owned() }
    }

    /// A backup that was deleted and made again under its name.
    #[test]
    fn an_earlier_backup_of_the_same_name_is_not_the_wanted_one() {
        let volume = volume(true, [true, true, true]);
        let told = |created: &str| EngineStatus {
            last_restored_backup: "two".into(),
            last_restored_volume: "data".into(),
            last_restored_created: created.into(),
            ..EngineStatus::default()
        };
        let (noon, later) = ("2026-11-21T12:00:00Z", "2026-11-21T12:00:01Z");
        for (held, wished, there) in [
            (noon, noon, true),
            (noon, later, false),
            // The engine has read the target after the manager did.
            (later, noon, true),
            (noon, "", true),
            // A mark without a time may be of any backup of that name.
            ("", noon, false),
            ("", "", true),
            ("yesterday", "yesterday", true),
            ("yesterday", noon, false),
        ] {
            let wished_for = wanted(&volume, Some(&newest("two", wished))).unwrap();
            assert_eq!(is_there(&told(held), &wished_for), there, "{held:?} {wished:?}");
        }
        // Unless an engine that knows no times has brought it in just now: it would be asked for ever.
        let mut old = told("");
        let restore =
            RestoreProgress { backup: "two".into(), phase: RestorePhase::Complete, ..RestoreProgress::default() };
        old.restore = Some(restore.clone());
        let wished_for = wanted(&volume, Some(&newest("two", noon))).unwrap();
        assert!(is_there(&old, &wished_for));
        old.restore = Some(RestoreProgress { phase: RestorePhase::Failed, ..restore });
        assert!(!is_there(&old, &wished_for));
    }

    #[test]
    fn a_standby_volume_never_goes_back_to_what_it_was_made_of() {
        let mut told = EngineStatus {
            last_restored_backup: "two".into(),
            last_restored_created: "2026-11-21T12:00:00Z".into(),
            ..EngineStatus::default()
        };
        let made_of = wanted(&volume(true, [true, true, true]), None).unwrap();
        assert_eq!(made_of.backup, "one");
        let kept = |told: &EngineStatus, phase, newest: Option<Newest>| {
            no_older(made_of.clone(), told, phase, newest.as_ref()).backup
        };
        assert_eq!(kept(&told, Phase::Following, None), "one", "of which volume that is, is not said");
        told.last_restored_volume = "data".into();
        for phase in [Phase::Following, Phase::Activating] {
            assert_eq!(kept(&told, phase, None), "two", "{phase:?}");
            assert_eq!(kept(&told, phase, Some(newest("one", ""))), "one", "{phase:?}: its target says so");
            assert!(is_there(&told, &no_older(made_of.clone(), &told, phase, None)), "{phase:?}");
        }
        assert_eq!(kept(&told, Phase::Filling, None), "one", "no standby volume");
        told.last_restored_backup.clear();
        assert_eq!(kept(&told, Phase::Following, None), "one", "it holds nothing yet");
    }
}
