//! Why a volume is not as wished, in sentences: from its engine and replicas.

use aurochs_api::cause::{Cause, CauseCode, Severity};

use super::family::Family;
use super::upkeep::CONDITION_FAILED;
use crate::controllers::replica::last_data::CONDITION_GIVEN_UP;
use crate::resources::engine::InstanceState;
use crate::resources::volume::{Frontend, VolumeState};
use crate::resources::{Object, Replica, Volume, condition};

/// The engine went away by itself.
pub(super) fn engine_ended(volume: &Object<Volume>, reason: &str) -> Cause {
    let (next_step, severity) = if volume.spec.node_id.is_empty() {
        ("Attach the volume again; its data is checked when the engine starts.", Severity::Warning)
    } else {
        ("It is being attached again by itself; acknowledged and flushed data is kept.", Severity::Warning)
    };
    Cause {
        code: CauseCode::EngineFailed,
        severity,
        message: format!("The engine of {} ended: {}.", volume.name(), reason.trim_end_matches('.')),
        next_step: next_step.to_owned(),
        objects: vec![volume.name().to_owned()],
        details: Vec::new(),
    }
}

/// What the engine and the replicas tell. `told` are the causes found so far: a replica that one of them speaks of is
/// not told again.
pub(super) fn of_family(volume: &Object<Volume>, family: &Family, state: VolumeState, told: &[Cause]) -> Vec<Cause> {
    let mut causes = Vec::new();
    for replica in family.staying() {
        let spoken_of = told.iter().any(|cause| cause.objects.iter().any(|object| object == replica.name()));
        if replica.spec.has_failed() && !spoken_of {
            causes.push(replica_failed(replica));
        }
    }
    causes.extend(family.replicas.iter().filter_map(removal_waits));
    causes.extend(family.replicas.iter().filter_map(removal_fails));
    if state != VolumeState::Attached {
        return causes;
    }
    let status = &family.engine.status;
    match status.current_state {
        InstanceState::Unknown => causes.push(node_silent(volume, family)),
        InstanceState::Running => {
            if !status.cause.is_empty() {
                causes.push(io_waits(volume, &status.cause));
            }
            if !status.turned_read_only.is_empty() {
                causes.push(turned_read_only(volume, &status.turned_read_only, &family.engine.spec.node_id));
            }
            if status.reconcile_regions_left > 0 {
                causes.push(reconciling(volume));
            }
            let wants_device = volume.spec.frontend == Frontend::Blockdev && !volume.spec.disable_frontend;
            if wants_device && !status.endpoint.starts_with('/') {
                causes.push(no_device(volume, &status.frontend_reason));
            }
        }
        _ => {}
    }
    causes
}

fn replica_failed(replica: &Object<Replica>) -> Cause {
    let (name, node) = (replica.name(), &replica.spec.node_id);
    let reason = condition::find(&replica.status.conditions, CONDITION_FAILED).map(|failed| failed.message.as_str());
    let reason = reason.filter(|reason| !reason.is_empty()).unwrap_or("the engine dropped it");
    Cause {
        code: CauseCode::ReplicaFailed,
        severity: Severity::Warning,
        message: format!(
            "Replica {name} on {node} lacks data since {}: {}.",
            replica.spec.failed_at,
            reason.trim_end_matches('.')
        ),
        next_step: "It is rebuilt by itself while the volume is attached.".to_owned(),
        objects: vec![name.to_owned(), node.clone()],
        details: Vec::new(),
    }
}

/// It is to go, and its node does not answer.
fn removal_waits(replica: &Object<Replica>) -> Option<Cause> {
    if !replica.is_deleting() || replica.status.current_state != InstanceState::Unknown {
        return None;
    }
    let (name, node) = (replica.name(), &replica.spec.node_id);
    Some(Cause {
        code: CauseCode::NodeDown,
        severity: Severity::Info,
        message: format!("Replica {name} is to be removed from {node}, which does not answer."),
        next_step: format!("Bring {node} back, or remove the node if it is lost for good."),
        objects: vec![name.to_owned(), node.clone()],
        details: Vec::new(),
    })
}

/// Its process is gone, and its files can't be removed.
pub(super) fn removal_fails(replica: &Object<Replica>) -> Option<Cause> {
    let given_up = condition::find(&replica.status.conditions, CONDITION_GIVEN_UP)?;
    if !replica.is_deleting() || given_up.message.is_empty() || replica.status.current_state == InstanceState::Unknown {
        return None;
    }
    let (name, node, path) = (replica.name(), &replica.spec.node_id, replica.spec.data_path());
    let message = format!("The files of replica {name} can't be removed: {}.", given_up.message.trim_end_matches('.'));
    let next_step =
        format!("Mend the disk of {path} on {node}, or take it away; the removal is tried again by itself.");
    let cause = Cause::new(CauseCode::RemovalFailed, Severity::Warning, message, next_step);
    Some(cause.about([name, node.as_str()]))
}

fn node_silent(volume: &Object<Volume>, family: &Family) -> Cause {
    let node = &family.engine.spec.node_id;
    Cause {
        code: CauseCode::NodeDown,
        severity: Severity::Warning,
        message: format!("{node} does not answer; the engine of {} there may well be running.", volume.name()),
        next_step: "Bring the node's instance manager back; nothing else is needed.".to_owned(),
        objects: vec![node.clone()],
        details: Vec::new(),
    }
}

/// The kernel does that after an error, so that nothing gets worse.
fn turned_read_only(volume: &Object<Volume>, mounts: &[String], node: &str) -> Cause {
    let (name, places) = (volume.name(), mounts.join(", "));
    let message = format!("The file system of {name} at {places} on {node} turned read-only after an error.");
    let next_step =
        "Look into the kernel's log of that node. Stop what uses it, unmount it, check it (fsck), and mount it again.";
    Cause::new(CauseCode::FilesystemReadOnly, Severity::Error, message, next_step).about([name, node])
}

fn io_waits(volume: &Object<Volume>, reason: &str) -> Cause {
    Cause {
        code: CauseCode::RecordUnavailable,
        severity: Severity::Error,
        message: format!("I/O of {} waits: {}.", volume.name(), reason.trim_end_matches('.')),
        next_step: "It goes on by itself when the reason is gone.".to_owned(),
        objects: vec![volume.name().to_owned()],
        details: Vec::new(),
    }
}

fn reconciling(volume: &Object<Volume>) -> Cause {
    Cause {
        code: CauseCode::Reconciling,
        severity: Severity::Info,
        message: format!("The replicas of {} are being made equal after an unclean stop.", volume.name()),
        next_step: "It ends by itself; what is read meanwhile was made equal before.".to_owned(),
        objects: vec![volume.name().to_owned()],
        details: Vec::new(),
    }
}

fn no_device(volume: &Object<Volume>, reason: &str) -> Cause {
    let reason = if reason.is_empty() { "this node offers no block device" } else { reason };
    Cause {
        code: CauseCode::FrontendUnavailable,
        severity: Severity::Warning,
        message: format!("{} has no device: {}.", volume.name(), reason.trim_end_matches('.')),
        next_step: "Use its NBD address, or start aurochs as root.".to_owned(),
        objects: vec![volume.name().to_owned()],
        details: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_api::condition::ConditionStatus;

    #[test]
    fn a_removal_that_fails_says_why() {
        let mut replica = Object::<Replica>::new("v-r-1", Default::default());
        replica.spec.node_id = "node-3".into();
        let fails = |replica: &mut Object<Replica>, why: &str| {
            condition::set(&mut replica.status.conditions, CONDITION_GIVEN_UP, ConditionStatus::True, "", why);
            removal_fails(replica)
        };
        replica.metadata.deletion_timestamp = Some("now".into());
        assert_eq!(fails(&mut replica, ""), None, "it is on its way");
        let cause = fails(&mut replica, "the disk is read-only").unwrap();
        assert_eq!(cause.code, CauseCode::RemovalFailed);
        assert!(cause.message.contains("read-only") && cause.next_step.contains("node-3"), "{cause:?}");
        replica.status.current_state = InstanceState::Unknown;
        assert_eq!(fails(&mut replica, "x"), None, "its node is what is waited for");
    }

    #[test]
    fn a_removal_that_waits_for_its_node_is_told() {
        let mut replica = Object::<Replica>::new("v-r-1", Default::default());
        replica.spec.node_id = "node-3".into();
        replica.status.current_state = InstanceState::Unknown;
        assert_eq!(removal_waits(&replica), None, "it stays");
        replica.metadata.deletion_timestamp = Some("now".into());
        let cause = removal_waits(&replica).unwrap();
        assert_eq!(cause.code, CauseCode::NodeDown);
        assert!(cause.message.contains("node-3") && cause.next_step.contains("remove the node"), "{cause:?}");
        replica.status.current_state = InstanceState::Stopped;
        assert_eq!(removal_waits(&replica), None, "it is on its way");
    }
}
