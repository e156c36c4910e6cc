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
