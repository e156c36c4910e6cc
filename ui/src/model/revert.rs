//! The way back to a snapshot, as steps. A revert needs the volume attached without a device, so that nobody writes.
//!
//! in use ─► (keep) ─► detach ─► attach for maintenance ─► revert ─► detach ─► attach as before
//!
//! Where it stands is read from the volume itself, not remembered: what somebody else does in between is seen too.

use aurochs_api::volume::{Volume, VolumeState};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Take a snapshot of the present first.
    Keep,
    Detach,
    AttachForMaintenance,
    Revert,
    DetachAgain,
    AttachAsBefore,
}

/// What was wished for when it began, and what is done that the volume doesn't show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// A snapshot of the present is wished for.
    pub(crate) keep: bool,
    pub(crate) kept: bool,
    /// It was attached with a device when it began, and shall be again.
    pub(crate) in_use: bool,
    pub(crate) reverted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Do(Step),
    /// The volume is on its way to where the step leads.
    Wait(Step),
    Finished,
}

/// The steps that this revert has.
pub(crate) fn plan(progress: Progress) -> Vec<Step> {
    let keep = progress.keep.then_some(Step::Keep);
    let before = [Step::Detach, Step::AttachForMaintenance];
    let after = [Step::DetachAgain, Step::AttachAsBefore];
    let around = |steps: [Step; 2]| steps.into_iter().filter(move |_| progress.in_use);
    keep.into_iter().chain(around(before)).chain([Step::Revert]).chain(around(after)).collect()
}

pub(crate) fn next(volume: &Volume, progress: Progress) -> Next {
    let back = |step, back| if progress.reverted { back } else { step };
    match volume.state {
        VolumeState::Attached if volume.disable_frontend => match progress {
            Progress { reverted: false, keep: true, kept: false, .. } => Next::Do(Step::Keep),
            Progress { reverted: false, .. } => Next::Do(Step::Revert),
            Progress { reverted: true, in_use: true, .. } => Next::Do(Step::DetachAgain),
            Progress { reverted: true, in_use: false, .. } => Next::Finished,
        },
        VolumeState::Attached if progress.reverted => Next::Finished,
        VolumeState::Attached if progress.keep && !progress.kept => Next::Do(Step::Keep),
        VolumeState::Attached => Next::Do(Step::Detach),
        VolumeState::Detaching => Next::Wait(back(Step::Detach, Step::DetachAgain)),
        VolumeState::Detached => Next::Do(back(Step::AttachForMaintenance, Step::AttachAsBefore)),
        VolumeState::Attaching | VolumeState::Creating | VolumeState::Deleting => {
            Next::Wait(back(Step::AttachForMaintenance, Step::AttachAsBefore))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(state: VolumeState, disable_frontend: bool) -> Volume {
        Volume { state, disable_frontend, ..Volume::default() }
    }

    #[test]
    fn the_whole_way_of_a_volume_in_use() {
        let mut progress = Progress { keep: true, kept: false, in_use: true, reverted: false };
        let mut done = Vec::new();
        let mut now = volume(VolumeState::Attached, false);
        while let Next::Do(step) = next(&now, progress) {
            done.push(step);
            match step {
                Step::Keep => progress.kept = true,
                Step::Detach | Step::DetachAgain => now = volume(VolumeState::Detached, false),
                Step::AttachForMaintenance => now = volume(VolumeState::Attached, true),
                Step::Revert => progress.reverted = true,
                Step::AttachAsBefore => now = volume(VolumeState::Attached, false),
            }
        }
        assert_eq!(done, plan(progress));
        assert_eq!(next(&now, progress), Next::Finished);
    }

    #[test]
    fn in_maintenance_it_is_one_step() {
        let progress = Progress { keep: false, kept: false, in_use: false, reverted: false };
        assert_eq!(plan(progress), [Step::Revert]);
        let now = volume(VolumeState::Attached, true);
        assert_eq!(next(&now, progress), Next::Do(Step::Revert));
        assert_eq!(next(&now, Progress { reverted: true, ..progress }), Next::Finished);
    }

    #[test]
    fn transitions_are_waited_for() {
        let progress = Progress { keep: false, kept: false, in_use: true, reverted: false };
        assert_eq!(next(&volume(VolumeState::Detaching, false), progress), Next::Wait(Step::Detach));
        let back = Progress { reverted: true, ..progress };
        assert_eq!(next(&volume(VolumeState::Attaching, false), back), Next::Wait(Step::AttachAsBefore));
    }
}
