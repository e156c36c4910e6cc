//! Words of the wire that only some pages show: jobs, orphans, processes, bundles, the audit log, settings.

use aurochs_api::node::NodeStatus;

use super::{Mark, fill, told, tr};
use crate::live::Thing;

/// What a job does.
pub(crate) fn job_kind(kind: &str) -> &'static str {
    match kind {
        "rebuild" => tr("Rebuild"),
        "purge" => tr("Give space back"),
        "trim" => tr("Trim"),
        "clone" => tr("Copy"),
        "expansion" => tr("Expand"),
        "snapshotHash" => tr("Check a snapshot"),
        "recurringRun" => tr("Recurring job"),
        "supportBundle" => tr("Support bundle"),
        "evacuation" => tr("Evict"),
        "engineUpgrade" => tr("Engine upgrade"),
        "backingImage" => tr("Backing image"),
        "backup" => tr("Backup"),
        "backupDeletion" => tr("Delete a backup"),
        "restore" => tr("Restore"),
        "systemBackup" => tr("System backup"),
        "systemRestore" => tr("System restore"),
        "check" => tr("Check"),
        _ => tr("Other work"),
    }
}

/// The kinds that can be asked for.
pub(crate) const JOB_KINDS: [&str; 17] = [
    "rebuild",
    "backup",
    "restore",
    "backupDeletion",
    "purge",
    "clone",
    "expansion",
    "evacuation",
    "snapshotHash",
    "trim",
    "recurringRun",
    "supportBundle",
    "backingImage",
    "systemBackup",
    "systemRestore",
    "engineUpgrade",
    "check",
];

pub(crate) const JOB_STATES: [&str; 5] = ["running", "succeeded", "failed", "cancelled", "interrupted"];

pub(crate) fn job_state(state: &str) -> (Mark, &'static str) {
    match state {
        "running" => (Mark::Progress, tr("Running")),
        "succeeded" => (Mark::Healthy, tr("Succeeded")),
        "failed" => (Mark::Faulted, tr("Failed")),
        "cancelled" => (Mark::Idle, tr("Cancelled")),
        "interrupted" => (Mark::Degraded, tr("Interrupted")),
        _ => (Mark::Idle, tr("Unknown")),
    }
}

/// Who or what began a job.
pub(crate) fn starter(job: &Thing) -> String {
    let name = job.text("startedBy");
    match job.text("starter") {
        "user" => name.to_owned(),
        "recurringJob" => fill("Recurring job {}", &[&name]),
        _ if name.is_empty() => tr("The system").to_owned(),
        _ => fill("The system: {}", &[&told(name)]),
    }
}

pub(crate) fn log_level(level: &str) -> Mark {
    match level {
        "error" => Mark::Faulted,
        "warning" => Mark::Degraded,
        _ => Mark::Idle,
    }
}

/// State of an instance manager or of a process.
pub(crate) fn process_state(state: &str) -> &'static str {
    match state {
        "running" => tr("Running"),
        "starting" => tr("Starting"),
        "stopping" => tr("Stopping"),
        "stopped" => tr("Stopped"),
        "error" => tr("Failed"),
        _ => tr("Unknown"),
    }
}

pub(crate) fn bundle_state(state: &str) -> (Mark, &'static str) {
    match state {
        "" | "Started" => (Mark::Progress, tr("Begun")),
        "Generating" => (Mark::Progress, tr("Being made")),
        "ReadyForDownload" => (Mark::Healthy, tr("Ready")),
        "Error" => (Mark::Faulted, tr("Failed")),
        "Replaced" | "Purging" | "Deleting" => (Mark::Idle, tr("Being deleted")),
        _ => (Mark::Idle, tr("Unknown")),
    }
}

/// How a change of the audit log ended.
pub(crate) fn audit_result(result: &str) -> (Mark, &'static str) {
    match result {
        "done" => (Mark::Healthy, tr("Done")),
        "refused" => (Mark::Degraded, tr("Refused")),
        "failed" => (Mark::Faulted, tr("Failed")),
        "cutOff" => (Mark::Degraded, tr("Cut off")),
        _ => (Mark::Idle, tr("Not known")),
    }
}

pub(crate) const AUDIT_RESULTS: [&str; 5] = ["done", "refused", "failed", "cutOff", "unknown"];

/// What was left behind.
pub(crate) fn orphan_kind(kind: &str) -> &'static str {
    match kind {
        "engine-instance" => tr("Engine"),
        "replica-instance" => tr("Replica"),
        "replica" => tr("Replica data"),
        _ => tr("Other"),
    }
}

/// Longhorn's groups of settings.
pub(crate) fn category(category: &str) -> &'static str {
    match category {
        "general" => tr("General"),
        "scheduling" => tr("Scheduling"),
        "snapshot" => tr("Snapshots"),
        "backup" => tr("Backups"),
        "orphan" => tr("Orphans"),
        "system info" => tr("System info"),
        "danger Zone" => tr("Danger zone"),
        _ => tr("Other"),
    }
}

pub(crate) fn notification_kind(kind: &str) -> &'static str {
    match kind {
        "webhook" => tr("Webhook"),
        "slack" => tr("Slack"),
        "email" => tr("Mail"),
        _ => tr("Other"),
    }
}

/// The value of `?status=` on the page of nodes.
pub(crate) fn node_key(status: NodeStatus) -> &'static str {
    match status {
        NodeStatus::Schedulable => "schedulable",
        NodeStatus::Unschedulable => "unschedulable",
        NodeStatus::Disabled => "disabled",
        NodeStatus::Down => "down",
        NodeStatus::Unknown => "unknown",
    }
}
