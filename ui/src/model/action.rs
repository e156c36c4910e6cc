//! What may be done with a volume now, and why the rest may not.

use aurochs_api::action::Action as _;
use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::actions::{
    Activate, Attach, CancelExpansion, Detach, Expand, RecurringJobAdd, Salvage, SnapshotBackup, SnapshotCreate,
    TrimFilesystem, UpdateReplicaCount,
};
use aurochs_api::volume::phase::Phase;
use aurochs_api::volume::{Robustness, Volume, VolumeState};

use super::volume_setting::SETTINGS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Attach,
    Detach,
    TakeSnapshot,
    /// Takes a snapshot and sends it to the backup target.
    BackUp,
    /// Makes another volume of it.
    Clone,
    /// Makes it larger.
    Expand,
    /// Takes a size back that it has not got yet.
    CancelExpansion,
    ReplicaCount,
    /// Everything else that is changed in place.
    Settings,
    /// What is done to it again and again.
    RecurringJobs,
    /// The file system gives back what it does not use.
    Trim,
    /// A standby volume follows its backups no more.
    Activate,
    /// Goes on with replicas that are not known to be whole.
    Salvage,
    Delete,
}

impl Action {
    pub(crate) const ALL: [Self; 14] = [
        Self::Attach,
        Self::Detach,
        Self::TakeSnapshot,
        Self::BackUp,
        Self::Clone,
        Self::Expand,
        Self::CancelExpansion,
        Self::ReplicaCount,
        Self::Settings,
        Self::RecurringJobs,
        Self::Trim,
        Self::Activate,
        Self::Salvage,
        Self::Delete,
    ];

    /// Those that many volumes can be asked for together.
    pub(crate) const BULK: [Self; 11] = [
        Self::Attach,
        Self::Detach,
        Self::BackUp,
        Self::Clone,
        Self::Expand,
        Self::ReplicaCount,
        Self::Settings,
        Self::RecurringJobs,
        Self::Trim,
        Self::Activate,
        Self::Delete,
    ];

    /// Those that are of use in trouble alone, or of a few volumes alone, stand in the menus of those alone.
    pub(crate) fn is_listed(self, refusal: Option<Refusal>) -> bool {
        match self {
            Self::CancelExpansion => refusal != Some(Refusal::NotExpanding),
            Self::Salvage => refusal != Some(Refusal::NotFaulted),
            Self::Activate => refusal != Some(Refusal::NotStandby),
            _ => true,
        }
    }

    /// Something may be lost by it.
    pub(crate) const fn is_dangerous(self) -> bool {
        matches!(self, Self::Salvage | Self::Delete)
    }
}

/// Why an action is not offered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is attached already.
    AlreadyAttached,
    /// It is not attached.
    NotAttached,
    /// Only an attached volume takes snapshots.
    SnapshotNeedsEngine,
    /// No replica with all its data can be reached.
    NoUsableReplica,
    /// It would be taken away from whoever uses it.
    DetachFirst,
    /// There is no size that it waits for.
    NotExpanding,
    /// It is growing at this moment.
    Growing,
    /// A replica with all its data can be used.
    NotFaulted,
    /// What runs of it has to end first.
    SalvageWaitsForDetach,
    /// It is being filled from a backup.
    Restoring,
    /// It follows a backup, and nobody else touches it.
    Standby,
    /// It follows no backup.
    NotStandby,
    /// It has no device, so nothing is mounted.
    Maintenance,
    /// Some replicas have no place.
    NotScheduled,
    /// A claim of Kubernetes counts on it as it is.
    HasPersistentVolume,
    /// It is on its way somewhere else.
    Busy(Phase),
}

/// `None` when the action can be asked for now: the manager offers it, and it makes sense.
pub(crate) fn refusal(action: Action, volume: &Volume) -> Option<Refusal> {
    let reason = reason_against(action, volume);
    reason.or_else(|| (!is_offered(action, volume)).then(|| Refusal::Busy(Phase::of(volume))))
}

/// The manager's own rule. Deleting and cloning are no actions of its, and have none.
fn is_offered(action: Action, volume: &Volume) -> bool {
    match action {
        Action::Attach => Attach::offered(volume),
        Action::Detach => Detach::offered(volume),
        Action::TakeSnapshot => SnapshotCreate::offered(volume),
        Action::BackUp => SnapshotBackup::offered(volume),
        Action::Expand => Expand::offered(volume),
        Action::CancelExpansion => CancelExpansion::offered(volume),
        Action::ReplicaCount => UpdateReplicaCount::offered(volume),
        Action::Settings => SETTINGS.iter().any(|setting| setting.refusal(volume).is_none()),
        Action::RecurringJobs => RecurringJobAdd::offered(volume),
        Action::Trim => TrimFilesystem::offered(volume),
        Action::Activate => Activate::offered(volume),
        Action::Salvage => Salvage::offered(volume),
        Action::Clone | Action::Delete => true,
    }
}

/// Whether it is being filled from a backup.
pub(crate) fn is_restoring(volume: &Volume) -> bool {
    !volume.standby && (volume.restore_required || volume.restore_status.iter().any(|restore| restore.is_restoring))
}

/// What holds whatever state it is in.
fn standing_reason(action: Action, volume: &Volume) -> Option<Refusal> {
    use Action::{
        Activate, Attach, BackUp, CancelExpansion, Clone, Delete, Detach, Expand, RecurringJobs, ReplicaCount, Salvage,
        Settings, TakeSnapshot, Trim,
    };
    match action {
        Activate if !volume.standby => Some(Refusal::NotStandby),
        CancelExpansion if awaited_size(volume).is_none() => Some(Refusal::NotExpanding),
        CancelExpansion if volume.controllers.iter().any(|engine| engine.is_expanding) => Some(Refusal::Growing),
        Salvage if volume.robustness != Robustness::Faulted => Some(Refusal::NotFaulted),
        Salvage if volume.state != VolumeState::Detached => Some(Refusal::SalvageWaitsForDetach),
        Attach | Detach | TakeSnapshot | BackUp | Clone | Expand | ReplicaCount | Trim if volume.standby => {
            Some(Refusal::Standby)
        }
        Attach | Detach | TakeSnapshot | BackUp | Clone | Expand | ReplicaCount | Trim | Salvage
            if is_restoring(volume) =>
        {
            Some(Refusal::Restoring)
        }
        Expand | Clone | BackUp | ReplicaCount | Settings | RecurringJobs | Trim | Activate
            if volume.robustness == Robustness::Faulted =>
        {
            Some(Refusal::NoUsableReplica)
        }
        Expand if is_unscheduled(volume) => Some(Refusal::NotScheduled),
        Trim if volume.state == VolumeState::Attached && volume.disable_frontend => Some(Refusal::Maintenance),
        Attach | Detach | TakeSnapshot | BackUp | Clone | Expand | CancelExpansion | ReplicaCount | Settings
        | RecurringJobs | Trim | Activate | Salvage | Delete => None,
    }
}

/// Some replicas have no place. Where nobody has told yet, that is not said.
fn is_unscheduled(volume: &Volume) -> bool {
    volume.conditions.get("Scheduled").is_some_and(|condition| condition.status == ConditionStatus::False)
}

fn reason_against(action: Action, volume: &Volume) -> Option<Refusal> {
    if let Some(reason) = standing_reason(action, volume) {
        return Some(reason);
    }
    let phase = Phase::of(volume);
    let attached = !volume.node().is_empty();
    let by_itself = volume.standby || is_restoring(volume);
    match phase {
        Phase::Creating | Phase::Attaching | Phase::Detaching | Phase::Deleting => match (action, phase) {
            // An attach that can't succeed must be possible to give up.
            (Action::Detach, Phase::Attaching) => None,
            // A volume that a backup is read into comes and goes by itself, and can be given up at any time.
            (Action::Delete, Phase::Attaching | Phase::Detaching) if by_itself => None,
            (Action::Delete, Phase::Creating) => None,
            (Action::CancelExpansion | Action::RecurringJobs | Action::Settings, Phase::Attaching) => None,
            _ => Some(Refusal::Busy(phase)),
        },
        Phase::Starting | Phase::Rebuilding | Phase::Healthy | Phase::Degraded => match action {
            Action::Attach => Some(Refusal::AlreadyAttached),
            Action::TakeSnapshot | Action::BackUp | Action::Trim => {
                (phase == Phase::Starting).then_some(Refusal::Busy(phase))
            }
            Action::Salvage => Some(Refusal::NotFaulted),
            Action::Delete => (!by_itself).then_some(Refusal::DetachFirst),
            _ => None,
        },
        Phase::Faulted => match action {
            Action::Attach | Action::TakeSnapshot => Some(Refusal::NoUsableReplica),
            Action::Detach => (!attached).then_some(Refusal::NotAttached),
            Action::Delete => attached.then_some(Refusal::DetachFirst),
            _ => None,
        },
        Phase::Detached => match action {
            Action::Salvage => Some(Refusal::NotFaulted),
            Action::Detach | Action::ReplicaCount | Action::Trim => Some(Refusal::NotAttached),
            Action::TakeSnapshot => Some(Refusal::SnapshotNeedsEngine),
            _ => None,
        },
    }
}

/// The size that the volume is to get and has not got yet.
pub(crate) fn awaited_size(volume: &Volume) -> Option<ByteSize> {
    let present = volume.controllers.first().map_or(ByteSize::ZERO, |engine| engine.size);
    // An engine that never ran has no size to compare with.
    (present > ByteSize::ZERO && volume.size > present).then_some(volume.size)
}

/// Whether deleting it may lose data. A volume whose amount of data is not known counts as having some.
pub(crate) fn may_hold_data(volume: &Volume) -> bool {
    volume.controllers.first().is_none_or(|controller| controller.actual_size.bytes() > 0)
}

#[cfg(test)]
mod tests {
    use aurochs_api::volume::Controller;

    use super::*;

    fn volume(state: VolumeState, robustness: Robustness) -> Volume {
        Volume { state, robustness, ..Volume::default() }
    }

    #[test]
    fn a_volume_in_use_is_detached_before_it_is_deleted() {
        let used = volume(VolumeState::Attached, Robustness::Healthy);
        assert_eq!(refusal(Action::Delete, &used), Some(Refusal::DetachFirst));
        assert_eq!(refusal(Action::Attach, &used), Some(Refusal::AlreadyAttached));
        assert_eq!(refusal(Action::Detach, &used), None);
        assert_eq!(refusal(Action::TakeSnapshot, &used), None);
    }

    #[test]
    fn a_detached_volume() {
        let idle = volume(VolumeState::Detached, Robustness::Unknown);
        assert_eq!(refusal(Action::Attach, &idle), None);
        assert_eq!(refusal(Action::Delete, &idle), None);
        assert_eq!(refusal(Action::TakeSnapshot, &idle), Some(Refusal::SnapshotNeedsEngine));
    }

    #[test]
    fn a_faulted_volume_is_salvaged_when_it_is_down() {
        let mut faulted = volume(VolumeState::Detached, Robustness::Faulted);
        assert_eq!(refusal(Action::Salvage, &faulted), None);
        assert_eq!(refusal(Action::Expand, &faulted), Some(Refusal::NoUsableReplica));
        faulted.state = VolumeState::Detaching;
        assert_eq!(refusal(Action::Salvage, &faulted), Some(Refusal::SalvageWaitsForDetach));
        let degraded = volume(VolumeState::Attached, Robustness::Degraded);
        assert_eq!(refusal(Action::Salvage, &degraded), Some(Refusal::NotFaulted));
    }

    #[test]
    fn an_expansion_is_taken_back_while_it_waits() {
        let mut waiting = volume(VolumeState::Attached, Robustness::Healthy);
        waiting.size = ByteSize(20);
        assert_eq!(refusal(Action::Expand, &waiting), None);
        assert_eq!(refusal(Action::CancelExpansion, &waiting), Some(Refusal::NotExpanding));
        waiting.controllers.push(Controller { size: ByteSize(10), ..Controller::default() });
        assert_eq!((awaited_size(&waiting), refusal(Action::CancelExpansion, &waiting)), (Some(ByteSize(20)), None));
        waiting.controllers[0].is_expanding = true;
        assert_eq!(refusal(Action::CancelExpansion, &waiting), Some(Refusal::Growing));
        waiting.controllers[0].size = ByteSize(20);
        assert_eq!(refusal(Action::CancelExpansion, &waiting), Some(Refusal::NotExpanding));
    }

    #[test]
    fn an_attach_that_hangs_can_be_given_up() {
        let hanging = volume(VolumeState::Attaching, Robustness::Unknown);
        assert_eq!(refusal(Action::Detach, &hanging), None);
        assert_eq!(refusal(Action::Delete, &hanging), Some(Refusal::Busy(Phase::Attaching)));
    }

    #[test]
    fn a_standby_volume_is_activated_or_deleted_and_nothing_else() {
        let standby = Volume { standby: true, ..volume(VolumeState::Attached, Robustness::Healthy) };
        assert_eq!(refusal(Action::Activate, &standby), None);
        assert_eq!(refusal(Action::Delete, &standby), None);
        for action in
            [Action::Detach, Action::TakeSnapshot, Action::BackUp, Action::Clone, Action::Expand, Action::Trim]
        {
            assert_eq!(refusal(action, &standby), Some(Refusal::Standby), "{action:?}");
        }
        let own = volume(VolumeState::Attached, Robustness::Healthy);
        assert_eq!(refusal(Action::Activate, &own), Some(Refusal::NotStandby));
        assert!(!Action::Activate.is_listed(refusal(Action::Activate, &own)));
    }

    #[test]
    fn a_volume_that_is_restored_waits_or_is_deleted() {
        let restoring = Volume { restore_required: true, ..volume(VolumeState::Attached, Robustness::Healthy) };
        assert_eq!(refusal(Action::BackUp, &restoring), Some(Refusal::Restoring));
        assert_eq!(refusal(Action::Delete, &restoring), None);
    }

    #[test]
    fn a_trim_needs_a_device() {
        let mut attached = volume(VolumeState::Attached, Robustness::Healthy);
        assert_eq!(refusal(Action::Trim, &attached), None);
        attached.disable_frontend = true;
        assert_eq!(refusal(Action::Trim, &attached), Some(Refusal::Maintenance));
        assert_eq!(
            refusal(Action::Trim, &volume(VolumeState::Detached, Robustness::Unknown)),
            Some(Refusal::NotAttached)
        );
    }

    #[test]
    fn what_the_manager_does_not_offer_is_refused_with_a_reason_of_its_own() {
        use Robustness::{Degraded, Faulted, Healthy, Unknown};
        use VolumeState::{Attached, Attaching, Creating, Deleting, Detached, Detaching};
        for state in [Creating, Attached, Detached, Attaching, Detaching, Deleting] {
            for robustness in [Healthy, Degraded, Faulted, Unknown] {
                let volume = volume(state, robustness);
                for action in Action::ALL {
                    let known = reason_against(action, &volume).is_some();
                    assert!(known || is_offered(action, &volume), "{action:?} {state:?} {robustness:?}");
                }
            }
        }
    }

    #[test]
    fn unknown_amount_of_data_counts_as_data() {
        let mut unknown = Volume::default();
        assert!(may_hold_data(&unknown));
        unknown.controllers.push(Controller::default());
        assert!(!may_hold_data(&unknown));
        unknown.controllers[0].actual_size = ByteSize(4096);
        assert!(may_hold_data(&unknown));
    }
}
