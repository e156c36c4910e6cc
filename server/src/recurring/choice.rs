//! Which volumes take part in a run, and which of those it leaves out, with the reason.

use aurochs_api::recurring_job::Task;

use crate::resources::volume::{
    LABEL_ENABLED, LABEL_RECURRING_JOB, LABEL_RECURRING_JOB_GROUP, Robustness, VolumeState,
};
use crate::resources::{Object, RecurringJob, Volume};

/// Whether the volume names the job, or one of its groups.
#[must_use]
pub fn names(volume: &Object<Volume>, job: &Object<RecurringJob>) -> bool {
    let has = |label: String| volume.metadata.labels.get(&label).is_some_and(|value| value == LABEL_ENABLED);
    let mut groups = job.spec.groups.iter();
    has(format!("{LABEL_RECURRING_JOB}{}", job.name()))
        || groups.any(|group| has(format!("{LABEL_RECURRING_JOB_GROUP}{group}")))
}

/// Why a volume that takes part is left out of this run; none when it is not.
#[must_use]
pub fn left_out(volume: &Object<Volume>, task: Task, detached_too: bool) -> Option<&'static str> {
    let status = &volume.status;
    let is_detached = matches!(status.state, VolumeState::Detached | VolumeState::Detaching);
    if volume.is_deleting() || status.state == VolumeState::Deleting {
        Some("it is being deleted")
    } else if status.state == VolumeState::Creating {
        Some("it is being made")
    } else if volume.spec.standby || status.is_standby {
        Some("it follows a backup, and nobody writes to it")
    } else if status.restore_required || status.restore_initiated && is_detached {
        Some("it is being restored from a backup")
    } else if !volume.is_filled() {
        Some("it is a copy in the making")
    } else if status.robustness == Robustness::Faulted {
        Some("it is faulted")
    } else if is_detached && task == Task::FilesystemTrim {
        Some("it is detached, so that no file system on it is mounted")
    } else if is_detached && !detached_too {
        Some("it is detached, and the setting allow-recurring-job-while-volume-detached is false")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::recurring_job::RecurringJobSpec;
    use crate::resources::volume::{VolumeSpec, VolumeStatus};

    /// behaviour.md §8, row "selection": the job's label, or one of its groups'; a volume that has both takes part once.
    #[test]
    fn selection_by_labels() {
        let groups = vec!["default".to_owned(), "gold".to_owned()];
        let job = Object::<RecurringJob>::new("nightly", RecurringJobSpec { groups, ..RecurringJobSpec::default() });
        for (labels, expected) in [
            (vec![], false),
            (vec![("recurring-job.longhorn.io/nightly", "enabled")], true),
            (vec![("recurring-job.longhorn.io/nightly", "disabled")], false),
            (vec![("recurring-job.longhorn.io/weekly", "enabled")], false),
            (vec![("recurring-job-group.longhorn.io/default", "enabled")], true),
            (vec![("recurring-job-group.longhorn.io/silver", "enabled")], false),
            (vec![("recurring-job-group.longhorn.io/nightly", "enabled")], false),
            (
                vec![
                    ("recurring-job.longhorn.io/nightly", "enabled"),
                    ("recurring-job-group.longhorn.io/gold", "enabled"),
                ],
                true,
            ),
        ] {
            let mut volume = Object::<Volume>::default();
            volume.metadata.labels =
                labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(names(&volume, &job), expected, "{labels:?}");
        }
    }

    /// behaviour.md §8, row "selection": restoring, faulted, not attached unless the setting.
    #[test]
    fn selection_by_state() {
        let volume = |state, change: fn(&mut VolumeStatus)| {
            let mut status = VolumeStatus { state, ..VolumeStatus::default() };
            change(&mut status);
            Object { status, ..Object::<Volume>::new("v", VolumeSpec::default()) }
        };
        let nothing: fn(&mut VolumeStatus) = |_| {};
        use VolumeState::{Attached, Attaching, Creating, Detached, Detaching};
        for (volume, task, detached_too, reason) in [
            (volume(Attached, nothing), Task::Snapshot, false, ""),
            (volume(Attaching, nothing), Task::Snapshot, false, ""),
            (volume(Detached, nothing), Task::Snapshot, false, "allow-recurring-job-while-volume-detached"),
            (volume(Detaching, nothing), Task::SnapshotDelete, false, "allow-recurring-job-while-volume-detached"),
            (volume(Detached, nothing), Task::Snapshot, true, ""),
            (volume(Detached, nothing), Task::FilesystemTrim, true, "mounted"),
            (volume(Creating, nothing), Task::Snapshot, true, "made"),
            (volume(Attached, |status| status.robustness = Robustness::Faulted), Task::Snapshot, false, "faulted"),
            (volume(Attached, |status| status.restore_required = true), Task::Snapshot, false, "restored"),
            (volume(Attached, |status| status.is_standby = true), Task::Snapshot, false, "follows"),
        ] {
            let told = left_out(&volume, task, detached_too).unwrap_or_default();
            assert_eq!(told.is_empty(), reason.is_empty(), "{:?} {told}", volume.status);
            assert!(told.contains(reason), "{told}");
        }
    }
}
