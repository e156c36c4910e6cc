//! Causes of resources whose own status says everything: nothing else is looked at, and nothing is stored.

use aurochs_api::backup::BackupState;
use aurochs_api::cause::{Cause, CauseCode, CauseDetail, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::support_bundle::SupportBundleState;

use crate::controllers::engine_image::default_image;
use crate::controllers::orphan::{self, DATA_CLEANABLE, ERROR};
use crate::resources::engine::InstanceState;
use crate::resources::orphan::{OrphanType, PARAMETER_DATA_NAME, PARAMETER_DISK_NAME, PARAMETER_INSTANCE_NAME};
use crate::resources::system_backup::SystemBackupState;
use crate::resources::system_restore::SystemRestoreState;
use crate::resources::{
    Backup, BackupVolume, EngineImage, InstanceManager, Object, Orphan, Snapshot, SupportBundle, SystemBackup,
    SystemRestore, condition,
};

/// Ends a text that may have an end already.
fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

/// What it is, and what keeps it from being removed.
pub(super) fn of_orphan(orphan: &Object<Orphan>) -> Vec<Cause> {
    let (spec, conditions) = (&orphan.spec, &orphan.status.conditions);
    let of = |key: &str| spec.parameters.get(key).cloned().unwrap_or_default();
    let about = [spec.node_id.clone(), of(PARAMETER_DISK_NAME), of(PARAMETER_DATA_NAME), of(PARAMETER_INSTANCE_NAME)];
    let next_step = match spec.orphan_type {
        OrphanType::Replica => "Look whether somebody misses this data; delete the orphan to free its space.",
        _ => "Delete the orphan to end the process; nobody uses it.",
    };
    let what = format!("Left behind: {}.", orphan::words(spec));
    let mut causes = vec![Cause::new(CauseCode::Orphan, Severity::Warning, what, next_step).about(about.clone())];
    let detail = |rule: &str, text: &str| CauseDetail {
        node: spec.node_id.clone(),
        disk: of(PARAMETER_DISK_NAME),
        rule: rule.to_owned(),
        text: text.to_owned(),
        ..CauseDetail::default()
    };
    let failed = condition::find(conditions, ERROR).filter(|failed| failed.status == ConditionStatus::True);
    let refused = condition::find(conditions, DATA_CLEANABLE).filter(|told| told.status == ConditionStatus::False);
    if let Some(failed) = failed {
        let next_step = "Mend what it says; the removal is tried again every half minute.";
        let cause = Cause::new(CauseCode::RemovalFailed, Severity::Error, sentence(&failed.message), next_step);
        causes.push(cause.about(about).detailed(vec![detail(ERROR, &failed.message)]));
    } else if let Some(refused) = refused {
        let message = format!("It can't be removed now: {}.", refused.message.trim_end_matches('.'));
        let next_step = "It can be removed when that is over; a removal that was asked for then goes on by itself.";
        let cause = Cause::new(CauseCode::RemovalFailed, Severity::Warning, message, next_step);
        causes.push(cause.about(about).detailed(vec![detail(&refused.reason, &refused.message)]));
    }
    causes
}

/// Silent, or of another version than the manager.
pub(super) fn of_instance_manager(manager: &Object<InstanceManager>) -> Vec<Cause> {
    let (node, status) = (&manager.spec.node_id, &manager.status);
    let processes = status.instance_engines.len() + status.instance_replicas.len();
    let ours = env!("CARGO_PKG_VERSION");
    let cause = match status.current_state {
        InstanceState::Running if !status.version.is_empty() && status.version != ours => {
            let message = format!(
                "The instance manager of {node} has version {}, and this manager {ours}: what it starts has its version.",
                status.version
            );
            let next_step = format!("Detach the volumes of {node} and start its instance manager anew.");
            Cause::new(CauseCode::EngineImageNotReady, Severity::Warning, message, next_step)
        }
        InstanceState::Running => return Vec::new(),
        InstanceState::Starting => {
            let message = format!("The instance manager of {node} is starting.");
            Cause::new(CauseCode::NodeDown, Severity::Info, message, "Nothing is to be done; it takes some seconds.")
        }
        InstanceState::Unknown | InstanceState::Stopped | InstanceState::Stopping | InstanceState::Error => {
            let message = format!(
                "The instance manager of {node} does not answer; its {processes} processes, as last heard, may still run."
            );
            let next_step = format!("Bring {node} back, or remove the node if it is lost for good.");
            Cause::new(CauseCode::NodeDown, Severity::Error, message, next_step)
        }
    };
    vec![cause.about([manager.name(), node.as_str()])]
}

/// The nodes that do not run it.
pub(super) fn of_engine_image(image: &Object<EngineImage>) -> Vec<Cause> {
    let lacking: Vec<&String> =
        image.status.node_deployment_map.iter().filter(|(_, runs)| !**runs).map(|(node, _)| node).collect();
    // One of an earlier version goes by itself when nothing has it.
    if lacking.is_empty() || image.spec.image != default_image() {
        return Vec::new();
    }
    let names: Vec<&str> = lacking.iter().map(|node| node.as_str()).collect();
    let (all, few) = (image.status.node_deployment_map.len(), names.len());
    let message = format!("{} does not run on {few} of {all} nodes: {}.", image.spec.image, names.join(", "));
    let next_step = "Bring these nodes back; where an older instance manager runs, start it anew.";
    let detail = |node: &&String| CauseDetail {
        node: (*node).clone(),
        rule: "engine-image".to_owned(),
        text: format!("the instance manager of {node} does not answer, or has another version"),
        ..CauseDetail::default()
    };
    let cause = Cause::new(CauseCode::EngineImageNotReady, Severity::Warning, message, next_step);
    vec![cause.about(names).detailed(lacking.iter().map(detail).collect())]
}

pub(super) fn of_support_bundle(bundle: &Object<SupportBundle>) -> Vec<Cause> {
    if bundle.status.state != SupportBundleState::Error {
        return Vec::new();
    }
    let told = super::message_of(&bundle.status.conditions, "Error");
    let message = if told.is_empty() { format!("Support bundle {} was not made", bundle.name()) } else { told };
    let next_step = "Mend what it says and ask for another bundle; the manager's log tells more.";
    vec![
        Cause::new(CauseCode::SupportBundleFailed, Severity::Error, sentence(&message), next_step)
            .about([bundle.name()]),
    ]
}

/// What of the volume's backups can't be read in the target.
pub(super) fn of_backup_volume(volume: &Object<BackupVolume>) -> Vec<Cause> {
    let Some(message) = volume.status.messages.get("error") else { return Vec::new() };
    let message = format!("Backups of {}: {}", volume.spec.volume_name, sentence(message));
    let next_step = "Look at the file that is named in the target; all other backups can be used.";
    let about = [volume.name(), volume.spec.volume_name.as_str(), volume.spec.backup_target_name.as_str()];
    vec![Cause::new(CauseCode::BackupFailed, Severity::Warning, message, next_step).about(about)]
}

/// Waits, failed, damaged, or not to be removed.
pub(super) fn of_backup(backup: &Object<Backup>) -> Vec<Cause> {
    let (name, status) = (backup.name(), &backup.status);
    let why = match (status.error.as_str(), status.messages.get("error")) {
        ("", Some(message)) => message,
        ("", None) => return Vec::new(),
        (error, _) => error,
    };
    let (code, severity, otherwise) = match status.state {
        BackupState::Deleting => {
            (CauseCode::BackupNotDeletable, Severity::Warning, "It is tried again by itself; mend what it says.")
        }
        BackupState::New | BackupState::Pending | BackupState::InProgress => {
            (CauseCode::BackupWaiting, Severity::Info, "It goes on by itself.")
        }
        BackupState::Completed | BackupState::Error | BackupState::Unknown => {
            (CauseCode::BackupFailed, Severity::Error, "Mend what it says, then back up again.")
        }
    };
    let next_step = if status.next_step.is_empty() { otherwise } else { &status.next_step };
    let message = format!("Backup {name} of {}: {}", backup.volume(), sentence(why));
    vec![Cause::new(code, severity, message, next_step).about([backup.volume(), name, backup.target()])]
}

/// Waits, failed, damaged in the target, or not to be removed from it.
pub(super) fn of_system_backup(backup: &Object<SystemBackup>) -> Vec<Cause> {
    let status = &backup.status;
    let error = super::message_of(&status.conditions, "Error");
    let (code, severity, why, otherwise) = match status.state {
        SystemBackupState::Deleting if !status.waits_for.is_empty() => {
            let otherwise = "It is tried again by itself; mend what it says.";
            (CauseCode::BackupNotDeletable, Severity::Warning, status.waits_for.as_str(), otherwise)
        }
        SystemBackupState::Error => {
            (CauseCode::BackupFailed, Severity::Error, error.as_str(), "Mend what it says, then make another one.")
        }
        _ if !status.waits_for.is_empty() => {
            (CauseCode::BackupWaiting, Severity::Info, status.waits_for.as_str(), "It goes on by itself.")
        }
        _ => return Vec::new(),
    };
    let next_step = if status.next_step.is_empty() { otherwise } else { &status.next_step };
    let message = format!("System backup {}: {}", backup.name(), sentence(why));
    vec![Cause::new(code, severity, message, next_step).about([backup.name()])]
}

/// Failed, waits, or has left something out.
pub(super) fn of_system_restore(restore: &Object<SystemRestore>) -> Vec<Cause> {
    let (name, status) = (restore.name(), &restore.status);
    let mut causes = Vec::new();
    let mut tell = |code, severity, why: &str, otherwise: &str| {
        let next_step = if status.next_step.is_empty() { otherwise } else { &status.next_step };
        let message = format!("System restore {name}: {}", sentence(why));
        causes.push(Cause::new(code, severity, message, next_step).about([name]));
    };
    let error = super::message_of(&status.conditions, "Error");
    if status.state == SystemRestoreState::Error {
        let otherwise = "Mend what it says, then restore again: what is there already stays.";
        tell(CauseCode::RestoreFailed, Severity::Error, &error, otherwise);
    } else if !status.waits_for.is_empty() {
        tell(CauseCode::Restoring, Severity::Info, &status.waits_for, "It goes on by itself.");
    }
    if !status.left_out.is_empty() {
        let count = status.left_out.len();
        let message = format!("System restore {name} left {count} of what is in the backup out.");
        let next_step = "Look at each of them; make by hand what is needed, or mend what it says and restore again.";
        let detail = |text: &String| CauseDetail { text: text.clone(), ..CauseDetail::default() };
        let cause = Cause::new(CauseCode::RestoreFailed, Severity::Warning, message, next_step).about([name]);
        causes.push(cause.detailed(status.left_out.iter().map(detail).collect()));
    }
    causes
}

/// Not taken yet, lost, or not to be removed. What its status says is the reason and, after a full stop, what to do.
pub(super) fn of_snapshot(snapshot: &Object<Snapshot>) -> Vec<Cause> {
    let (name, status) = (snapshot.name(), &snapshot.status);
    if status.error.is_empty() {
        return Vec::new();
    }
    let was_taken = !status.creation_time.is_empty();
    let (code, severity, otherwise) = if snapshot.is_deleting() {
        (CauseCode::SnapshotNotDeletable, Severity::Info, "It goes by itself when that is over.")
    } else if was_taken {
        (CauseCode::SnapshotDamaged, Severity::Error, "Delete it; the volume itself is not touched by that.")
    } else {
        (CauseCode::SnapshotWaiting, Severity::Warning, "It is tried again by itself; delete it if it is not wanted.")
    };
    let (why, next_step) = match status.error.split_once(". ") {
        Some((why, next_step)) => (why, sentence(next_step)),
        None => (status.error.as_str(), otherwise.to_owned()),
    };
    let message = format!("Snapshot {name} of {}: {}.", snapshot.spec.volume, why.trim_end_matches('.'));
    vec![Cause::new(code, severity, message, next_step).about([snapshot.spec.volume.as_str(), name])]
}

#[cfg(test)]
#[path = "causes_tests.rs"]
mod tests;
