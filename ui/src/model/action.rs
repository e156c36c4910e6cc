//! What may be done with a volume now, and why the rest may not.

use aurochs_api::action::Action as _;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::actions::{Attach, CancelExpansion, Detach, Expand, Salvage, SnapshotCreate};
use aurochs_api::volume::{Robustness, Volume, VolumeState};

use super::phase::Phase;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Attach,
    Detach,
    TakeSnapshot,
    /// Makes it larger.
    Expand,
    /// Takes a size back that it has not got yet.
    CancelExpansion,
    /// Goes on with replicas that are not known to be whole.
    Salvage,
    Delete,
}

impl Action {
    pub(crate) const ALL: [Self; 7] = [
        Self::Attach,
        Self::Detach,
        Self::TakeSnapshot,
        Self::Expand,
        Self::CancelExpansion,
        Self::Salvage,
        Self::Delete,
    ];
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
    /// It is on its way somewhere else.
    Busy(Phase),
}

/// `None` when the action can be asked for now: the manager offers it, and it makes sense.
pub(crate) fn refusal(action: Action, volume: &Volume) -> Option<Refusal> {
    let reason = reason_against(action, volume);
    reason.or_else(|| (!is_offered(action, volume)).then(|| Refusal::Busy(Phase::of(volume))))
}

/// The manager's own rule. Deleting is no action of its, and has none.
fn is_offered(action: Action, volume: &Volume) -> bool {
    match action {
        Action::Attach => Attach::offered(volume),
        Action::Detach => Detach::offered(volume),
        Action::TakeSnapshot => SnapshotCreate::offered(volume),
        Action::Expand => Expand::offered(volume),
        Action::CancelExpansion => CancelExpansion::offered(volume),
        Action::Salvage => Salvage::offered(volume),
        Action::Delete => true,
    }
}

fn reason_against(action: Action, volume: &Volume) -> Option<Refusal> {
    let phase = Phase::of(volume);
    match action {
        Action::CancelExpansion if awaited_size(volume).is_none() => return Some(Refusal::NotExpanding),
        Action::CancelExpansion if volume.controllers.iter().any(|engine| engine.is_expanding) => {
            return Some(Refusal::Growing);
        }
        Action::Salvage if volume.robustness != Robustness::Faulted => return Some(Refusal::NotFaulted),
        Action::Salvage if volume.state != VolumeState::Detached => return Some(Refusal::SalvageWaitsForDetach),
        Action::Expand if volume.robustness == Robustness::Faulted => return Some(Refusal::NoUsableReplica),
        _ => {}
    }
    let attached = !volume.node().is_empty();
    match phase {
        Phase::Creating | Phase::Attaching | Phase::Detaching | Phase::Deleting => match (action, phase) {
            // An attach that can't succeed must be possible to give up.
            (Action::Detach, Phase::Attaching) => None,
            (Action::Delete, Phase::Creating) => None,
            (Action::CancelExpansion, Phase::Attaching) => None,
            _ => Some(Refusal::Busy(phase)),
        },
        Phase::Starting | Phase::Rebuilding | Phase::Healthy | Phase::Degraded => match action {
            Action::Attach => Some(Refusal::AlreadyAttached),
            Action::Detach => None,
            Action::TakeSnapshot => (phase == Phase::Starting).then_some(Refusal::Busy(phase)),
            Action::Expand | Action::CancelExpansion => None,
            Action::Salvage => Some(Refusal::NotFaulted),
            Action::Delete => Some(Refusal::DetachFirst),
        },
        Phase::Faulted => match action {
            Action::Attach => Some(Refusal::NoUsableReplica),
            Action::Detach => (!attached).then_some(Refusal::NotAttached),
            Action::TakeSnapshot | Action::Expand => Some(Refusal::NoUsableReplica),
            Action::CancelExpansion | Action::Salvage => None,
            Action::Delete => attached.then_some(Refusal::DetachFirst),
        },
        Phase::Detached => match action {
            Action::Attach | Action::Delete | Action::Expand | Action::CancelExpansion => None,
            Action::Salvage => Some(Refusal::NotFaulted),
            Action::Detach => Some(Refusal::NotAttached),
            Action::TakeSnapshot => Some(Refusal::SnapshotNeedsEngine),
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
