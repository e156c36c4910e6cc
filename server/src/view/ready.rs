//! Whether a workload may use a volume now, and if not, why (`behaviour.md` §1).

use aurochs_api::volume::{Robustness, VolumeState};

use crate::resources::volume::{CONDITION_SCHEDULED, CloneState};
use crate::resources::{Object, Replica, Volume, condition};

/// The first reason against it; none when the volume is ready.
#[must_use]
pub fn obstacle(volume: &Object<Volume>, replicas: &[&Object<Replica>]) -> Option<&'static str> {
    let (spec, status) = (&volume.spec, &volume.status);
    if spec.node_id.is_empty() && status.state != VolumeState::Detached {
        return Some("waiting for the volume to fully detach");
    }
    let all_placed = !replicas.is_empty() && replicas.iter().all(|replica| replica.spec.is_placed());
    let scheduled = condition::is_true(&status.conditions, CONDITION_SCHEDULED);
    if status.state == VolumeState::Detached && !scheduled && !all_placed {
        return Some("some replicas have no place yet");
    }
    if status.robustness == Robustness::Faulted {
        return Some("the volume is faulted");
    }
    let copied = matches!(status.clone_status.state, CloneState::Completed | CloneState::CopyCompletedAwaitingHealthy);
    if !spec.data_source.is_empty() && !copied {
        return Some("cloning is not finished");
    }
    status.restore_required.then_some("the volume has to be restored first")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::replica::ReplicaSpec;
    use aurochs_api::condition::ConditionStatus;

    const NO_PLACE: Option<&str> = Some("some replicas have no place yet");
    const COPYING: Option<&str> = Some("cloning is not finished");
    const FAULTED: Option<&str> = Some("the volume is faulted");

    fn volume() -> Object<Volume> {
        let mut volume = Object::<Volume>::new("v", Default::default());
        volume.status.state = VolumeState::Detached;
        condition::set(&mut volume.status.conditions, CONDITION_SCHEDULED, ConditionStatus::True, "", "");
        volume
    }

    fn unscheduled(volume: &mut Object<Volume>) {
        condition::set(&mut volume.status.conditions, CONDITION_SCHEDULED, ConditionStatus::False, "x", "y");
    }

    fn copy(volume: &mut Object<Volume>, state: CloneState) {
        volume.spec.data_source = "vol://source".into();
        volume.status.clone_status.state = state;
    }

    fn replica(is_placed: bool) -> Object<Replica> {
        let word = |word: &str| if is_placed { word.to_owned() } else { String::new() };
        Object::new("r", ReplicaSpec { node_id: word("n"), disk_path: word("/d"), ..ReplicaSpec::default() })
    }

    type Row = (fn(&mut Object<Volume>), &'static [bool], Option<&'static str>);

    /// behaviour.md §1, "ready for workload": the first failing check gives the message.
    #[test]
    fn ready_for_workload() {
        let up = Some("waiting for the volume to fully detach");
        let rows: &[Row] = &[
            (|_| {}, &[true, true], None),
            (|volume| volume.status.state = VolumeState::Attached, &[true], up),
            (|volume| volume.status.state = VolumeState::Detaching, &[true], up),
            (|volume| volume.status.state = VolumeState::Creating, &[], up),
            (unscheduled, &[true, false], NO_PLACE),
            (unscheduled, &[], NO_PLACE),
            (unscheduled, &[true, true], None),
            (
                |volume| {
                    unscheduled(volume);
                    volume.spec.node_id = "n".into();
                    volume.status.state = VolumeState::Attached;
                },
                &[true, false],
                None,
            ),
            (|volume| volume.status.robustness = Robustness::Faulted, &[true], FAULTED),
            (|volume| volume.status.robustness = Robustness::Degraded, &[true], None),
            (|volume| copy(volume, CloneState::default()), &[true], COPYING),
            (|volume| copy(volume, CloneState::Initiated), &[true], COPYING),
            (|volume| copy(volume, CloneState::Failed), &[true], COPYING),
            (|volume| copy(volume, CloneState::CopyCompletedAwaitingHealthy), &[true], None),
            (|volume| copy(volume, CloneState::Completed), &[true], None),
            (|volume| volume.status.restore_required = true, &[true], Some("the volume has to be restored first")),
            (
                |volume| {
                    copy(volume, CloneState::Initiated);
                    volume.status.restore_required = true;
                    volume.status.robustness = Robustness::Faulted;
                },
                &[true],
                FAULTED,
            ),
        ];
        for (number, (change, placed, expected)) in rows.iter().enumerate() {
            let mut volume = volume();
            change(&mut volume);
            let replicas: Vec<Object<Replica>> = placed.iter().map(|placed| replica(*placed)).collect();
            assert_eq!(obstacle(&volume, &replicas.iter().collect::<Vec<_>>()), *expected, "row {number}");
        }
    }
}
