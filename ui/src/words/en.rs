//! Typed states in English, the key of the other language.

use aurochs_api::cause::{CauseCode, Severity};
use aurochs_api::node::NodeStatus;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::phase::{Group, Phase};

use super::told;
use super::tr::{fill, is_chinese, label, tr};
use crate::live::Link;
use crate::model::attention::Remedy;
use crate::model::placement::Forecast;
use crate::model::replicas::ReplicaPhase;
use crate::model::revert::Step;
use crate::model::snapshot_tree::LayerKind;
use crate::theme::Theme;

pub(crate) fn phase(phase: Phase) -> &'static str {
    tr(match phase {
        Phase::Creating => "Creating",
        Phase::Attaching => "Attaching",
        Phase::Detaching => "Detaching",
        Phase::Deleting => "Deleting",
        Phase::Starting => "Starting",
        Phase::Rebuilding => "Rebuilding",
        Phase::Healthy => "Healthy",
        Phase::Degraded => "Degraded",
        Phase::Faulted => "Faulted",
        Phase::Detached => "Detached",
    })
}

pub(crate) fn link(link: Link) -> &'static str {
    tr(match link {
        Link::Connecting => "Connecting…",
        Link::Live => "Live",
        Link::Reconnecting { .. } => "Reconnecting…",
    })
}

pub(crate) fn theme(theme: Theme) -> &'static str {
    tr(match theme {
        Theme::Auto => "Theme as the system has it",
        Theme::Light => "Light theme",
        Theme::Dark => "Dark theme",
    })
}

pub(crate) fn group(group: Group) -> &'static str {
    tr(match group {
        Group::Healthy => "Healthy",
        Group::Degraded => "Degraded",
        Group::InProgress => "In progress",
        Group::Faulted => "Faulted",
        Group::Detached => "Detached",
    })
}

pub(crate) fn node_status(status: NodeStatus) -> &'static str {
    tr(match status {
        NodeStatus::Schedulable => "Schedulable",
        NodeStatus::Unschedulable => "Unschedulable",
        NodeStatus::Disabled => "Disabled",
        NodeStatus::Down => "Down",
        NodeStatus::Unknown => "Unknown",
    })
}

pub(crate) fn replica_phase(phase: ReplicaPhase) -> &'static str {
    tr(match phase {
        ReplicaPhase::Healthy => "Healthy",
        ReplicaPhase::Rebuilding => "Rebuilding",
        ReplicaPhase::Failed => "Failed",
        ReplicaPhase::Stopped => "Stopped",
        ReplicaPhase::Starting => "Starting",
    })
}

/// What a device says of its health (SMART).
pub(crate) fn disk_health(status: &str) -> &'static str {
    tr(match status {
        "PASSED" => "is healthy",
        "WARNING" => "has warnings",
        "FAILED" => "has failed or is about to",
        _ => "says nothing of its health",
    })
}

pub(crate) fn severity(severity: Severity) -> &'static str {
    tr(match severity {
        Severity::Info => "Note",
        Severity::Warning => "Warning",
        Severity::Error => "Problem",
    })
}

/// A cause in two or three words, above its sentence.
pub(crate) fn cause(code: CauseCode) -> &'static str {
    tr(match code {
        CauseCode::InsufficientStorage => "Not enough storage",
        CauseCode::NotEnoughNodes => "Not enough nodes",
        CauseCode::NodeDown => "Node down",
        CauseCode::DiskNotReady => "Disk not ready",
        CauseCode::DiskPressure => "Disk nearly full",
        CauseCode::ReplicaFailed => "Replica failed",
        CauseCode::Rebuilding => "Rebuilding",
        CauseCode::NoUsableReplica => "No usable replica",
        CauseCode::EngineFailed => "Engine failed",
        CauseCode::Reconciling => "Being made equal",
        CauseCode::FrontendUnavailable => "No device",
        CauseCode::RecordUnavailable => "Record can't be written",
        CauseCode::SelectorMismatch => "Tags don't match",
        CauseCode::SchedulingDisabled => "Scheduling is off",
        CauseCode::AntiAffinity => "Too close together",
        CauseCode::Evicting => "Being emptied",
        CauseCode::SnapshotLimit => "Many snapshots",
        CauseCode::SnapshotNotDeletable => "Snapshot stays",
        CauseCode::AttachWaiting => "Attaching takes long",
        CauseCode::AttachConflict => "Wanted in two places",
        CauseCode::ExpansionWaiting => "Expansion waits",
        CauseCode::ExpansionFailed => "Expansion failed",
        CauseCode::RebuildWaiting => "Rebuild waits",
        CauseCode::PurgeFailed => "Space not given back",
        CauseCode::SettingPending => "Not in force yet",
        CauseCode::Environment => "Something is missing",
        CauseCode::FilesystemUnsupported => "Unsuitable file system",
        CauseCode::SalvageNeeded => "Salvage needed",
        CauseCode::Orphan => "Left behind",
        CauseCode::CloneFailed => "Copy failed",
        CauseCode::DetachWaiting => "Detaching takes long",
        CauseCode::RemovalFailed => "Can't be removed",
        CauseCode::FilesystemReadOnly => "Mounted read-only",
        CauseCode::SnapshotWaiting => "Snapshot waits",
        CauseCode::SnapshotDamaged => "Snapshot damaged",
        CauseCode::DiskFailing => "Disk is failing",
        CauseCode::EngineImageNotReady => "Engine not everywhere",
        CauseCode::SupportBundleFailed => "Bundle failed",
        CauseCode::BackupTargetUnavailable => "Target unavailable",
        CauseCode::BackupWaiting => "Backup waits",
        CauseCode::BackupFailed => "Backup failed",
        CauseCode::BackupNotDeletable => "Backup stays",
        CauseCode::Restoring => "Being restored",
        CauseCode::RestoreFailed => "Restore failed",
        CauseCode::BackingImageWaiting => "Waits for image",
        CauseCode::BackingImageFailed => "Image not made",
        CauseCode::Other => "Something else",
    })
}

pub(crate) fn remedy(remedy: Remedy) -> &'static str {
    tr(match remedy {
        Remedy::ShowVolume => "Show volume",
        Remedy::Watch => "Watch",
        Remedy::ShowDisks => "Show disks",
        Remedy::ShowNode => "Show nodes",
        Remedy::ShowSetting => "Show setting",
    })
}

pub(crate) fn layer_kind(kind: LayerKind) -> &'static str {
    tr(match kind {
        LayerKind::Head => "writing now",
        LayerKind::User => "",
        LayerKind::System => "by the system",
        LayerKind::Removed => "deleted, goes when its data is merged",
    })
}

pub(crate) fn step(step: Step) -> &'static str {
    tr(match step {
        Step::Keep => "Take a snapshot of the present",
        Step::Detach | Step::DetachAgain => "Detach",
        Step::AttachForMaintenance => "Attach in maintenance mode",
        Step::Revert => "Go back to the snapshot",
        Step::AttachAsBefore => "Attach as before",
    })
}

/// `1 volume`, `3 volumes`.
pub(crate) fn count(number: usize, one: &'static str) -> String {
    if is_chinese() {
        // Nouns have no plural, and a word that counts them belongs to the noun's own translation.
        return format!("{} {}", grouped(number), tr(one));
    }
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", grouped(number))
}

/// `12,345`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `node-1, node-2 and 3 more`.
pub(crate) fn names(names: &[String], most: usize) -> String {
    match names.len() {
        number if number > most => fill("{} and {} more", &[&names[..most].join(tr(", ")), &(number - most)]),
        _ => names.join(tr(", ")),
    }
}

/// How long ago: `just now`, `40 s ago`, `4 min ago`, `2 h ago`, `3 d ago`; `in 5 min` for what is to come, which is
/// not told from clocks that differ by less than a minute.
pub(crate) fn age(seconds: i64) -> String {
    match seconds {
        ..=-60 => fill("in {}", &[&span(seconds.unsigned_abs())]),
        -59..5 => tr("just now").to_owned(),
        5..60 => fill("{} s ago", &[&(seconds / 5 * 5)]),
        60..3600 => fill("{} min ago", &[&(seconds / 60)]),
        3600..86_400 => fill("{} h ago", &[&(seconds / 3600)]),
        86_400.. => fill("{} d ago", &[&(seconds / 86_400)]),
    }
}

/// A span of time to come: `38 s`, `4 min`, `2 h 5 min`.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => fill("{} s", &[&seconds]),
        60..3600 => fill("{} min", &[&seconds.div_ceil(60)]),
        3600..86_400 if seconds % 3600 < 60 => fill("{} h", &[&(seconds / 3600)]),
        3600..86_400 => fill("{} h {} min", &[&(seconds / 3600), &(seconds % 3600 / 60)]),
        _ => fill("{} d {} h", &[&(seconds / 86_400), &(seconds % 86_400 / 3600)]),
    }
}

/// `2 of 3`.
pub(crate) fn of(usable: usize, wished: u32) -> String {
    fill("{} of {}", &[&usable, &wished])
}

/// Progress in bytes, with the rate when there is one: `1.2 GiB of 1.9 GiB, 32 MiB/s`.
pub(crate) fn transferred(done: ByteSize, planned: ByteSize, bytes_per_second: u64) -> String {
    let rate = ByteSize(bytes_per_second);
    match (planned.bytes(), bytes_per_second) {
        (0, _) => String::new(),
        (_, 0) => fill("{} of {}", &[&done, &planned]),
        _ => fill("{} of {}, {}/s", &[&done, &planned, &rate]),
    }
}

/// What a create will do, and whether that is less than was asked for.
pub(crate) fn forecast(forecast: &Forecast) -> (bool, String) {
    let Forecast { replicas, size, nodes } = forecast;
    let wished = *replicas as usize;
    match nodes.len() {
        0 => (true, fill("No node has room for {} now. The volume would wait until one has.", &[size])),
        found if found < wished => {
            let places: [&dyn std::fmt::Display; 3] = [&found, size, &nodes.join(tr(", "))];
            let text = match wished - found {
                1 => fill("{} × {} on {}. One replica waits until another node has room.", &places),
                _ => fill("{} × {} on {}. The others wait until another node has room.", &places),
            };
            (true, text)
        }
        found if found == wished => (false, fill("{} × {} on {}.", &[&wished, size, &nodes.join(tr(", "))])),
        found => {
            let places: [&dyn std::fmt::Display; 4] = [&wished, size, &found, &names(nodes, 4)];
            (false, fill("{0} × {1} on {0} of {2} nodes with room: {3}.", &places))
        }
    }
}

pub(crate) fn frontend(frontend: &str) -> &str {
    match frontend {
        "blockdev" => tr("Block device"),
        "iscsi" => tr("iSCSI"),
        "ublk" => tr("ublk"),
        "nbd" => tr("NBD"),
        "nbd-kernel" => tr("NBD in the kernel"),
        "iscsi-kernel" => tr("iSCSI in the kernel"),
        "fuse" | "fuse-loop" | "fuse_loop" => tr("FUSE and loop device"),
        "" => tr("None"),
        other => other,
    }
}

/// Longhorn's names of node conditions.
pub(crate) fn condition(kind: &str) -> String {
    told(match kind {
        // True means that it is not running.
        "Multipathd" => label("No multipathd"),
        "MountPropagation" => label("Mount propagation"),
        "RequiredPackages" => label("Required packages"),
        "KernelModulesLoaded" => label("Kernel modules"),
        "NFSClientInstalled" => label("NFS client"),
        "HugePagesAvailable" => label("Huge pages"),
        "DiskFilesystem" => label("File system"),
        other => other,
    })
}

/// Longhorn's short names of access modes.
pub(crate) fn access_mode(mode: &str) -> &str {
    match mode {
        "rwo" => tr("One node (rwo)"),
        "rwop" => tr("One pod (rwop)"),
        "rwx" => tr("Many nodes (rwx)"),
        "" => "–",
        other => other,
    }
}

pub(crate) fn data_locality(locality: &str) -> &str {
    match locality {
        "" | "disabled" => tr("Any node"),
        "best-effort" => tr("Best effort on the attached node"),
        "strict-local" => tr("Only on the attached node"),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::size::GIB;

    use super::*;

    #[test]
    fn every_cause_has_words_of_its_own() {
        let words: std::collections::BTreeSet<&str> = CauseCode::all().map(cause).collect();
        assert_eq!(words.len(), CauseCode::all().count());
        assert!(words.iter().all(|words| (1..=26).contains(&words.chars().count())), "{words:?}");
    }

    #[test]
    fn ages() {
        for (seconds, text) in [
            (-7200, "in 2 h"),
            (-59, "just now"),
            (4, "just now"),
            (59, "55 s ago"),
            (60, "1 min ago"),
            (7199, "1 h ago"),
            (86_400 * 40, "40 d ago"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn spans() {
        assert_eq!(span(38), "38 s");
        assert_eq!(span(61), "2 min");
        assert_eq!(span(3600), "1 h");
        assert_eq!(span(7500), "2 h 5 min");
        assert_eq!(span(32 * 3600), "1 d 8 h");
        assert_eq!(span(6 * 86_400 + 14 * 3600 + 2880), "6 d 14 h");
    }

    #[test]
    fn numbers() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(128), "128");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(count(1, "volume"), "1 volume");
        assert_eq!(count(1200, "volume"), "1,200 volumes");
    }

    #[test]
    fn a_forecast_says_what_is_short() {
        let with = |nodes: &[&str]| Forecast {
            replicas: 3,
            size: ByteSize(10 * GIB),
            nodes: nodes.iter().map(|&node| node.to_owned()).collect(),
        };
        assert_eq!(forecast(&with(&["a", "b", "c"])), (false, "3 × 10 GiB on a, b, c.".to_owned()));
        let (short, text) = forecast(&with(&["a", "b"]));
        assert!(short && text.starts_with("2 × 10 GiB on a, b. One replica waits"), "{text}");
        assert!(forecast(&with(&[])).0);
        let (short, text) = forecast(&with(&["a", "b", "c", "d", "e", "f"]));
        assert!(!short && text.contains("3 of 6") && text.contains("and 2 more"), "{text}");
    }
}
