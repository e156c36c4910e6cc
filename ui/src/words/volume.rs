//! Words about one volume: what can be done with it, why not, what can be changed of it, what is done to it.

use aurochs_api::size::ByteSize;
use aurochs_api::volume::phase::Phase;

use super::{fill, frontend, tr};
use crate::model::action::{Action, Refusal};
use crate::model::volume_setting::{Group, Kind, VolumeSetting, Wrong};

/// Name of a menu entry or button.
pub(crate) fn action(action: Action) -> &'static str {
    match action {
        Action::Attach => tr("Attach…"),
        Action::Detach => tr("Detach…"),
        Action::TakeSnapshot => tr("Take snapshot…"),
        Action::BackUp => tr("Back up…"),
        Action::Clone => tr("Clone…"),
        Action::Expand => tr("Expand…"),
        Action::CancelExpansion => tr("Cancel expansion…"),
        Action::ReplicaCount => tr("Replica count…"),
        Action::Settings => tr("Change settings…"),
        Action::RecurringJobs => tr("Add to recurring job…"),
        Action::Trim => tr("Trim file system…"),
        Action::Activate => tr("Activate…"),
        Action::Salvage => tr("Salvage…"),
        Action::Delete => tr("Delete…"),
    }
}

/// Why an entry can't be chosen now.
pub(crate) fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::AlreadyAttached => tr("It is attached already"),
        Refusal::NotAttached => tr("It is not attached"),
        Refusal::SnapshotNeedsEngine => tr("Attach it first"),
        Refusal::NoUsableReplica => tr("No usable replica"),
        Refusal::NotExpanding => tr("No expansion waits"),
        Refusal::Growing => tr("It is growing now"),
        Refusal::NotFaulted => tr("It is not faulted"),
        Refusal::SalvageWaitsForDetach => tr("Wait until it is detached"),
        Refusal::DetachFirst => tr("Detach it first"),
        Refusal::Restoring => tr("It is being restored"),
        Refusal::Standby => tr("It follows a backup: activate it first"),
        Refusal::NotStandby => tr("It is no standby volume"),
        Refusal::Maintenance => tr("In maintenance mode nothing is mounted"),
        Refusal::NotScheduled => tr("Not all replicas have a place"),
        Refusal::HasPersistentVolume => tr("A persistent volume counts on it"),
        Refusal::Busy(phase) => match phase {
            Phase::Creating => tr("It is being created"),
            Phase::Attaching => tr("It is being attached"),
            Phase::Detaching => tr("It is being detached"),
            Phase::Deleting => tr("It is being deleted"),
            Phase::Starting => tr("It is starting"),
            Phase::Rebuilding => tr("It is being rebuilt"),
            Phase::Healthy | Phase::Degraded | Phase::Faulted | Phase::Detached => tr("Not possible now"),
        },
    }
}

/// In English: headings are translated where they are shown.
pub(crate) const fn setting_group(group: Group) -> &'static str {
    match group {
        Group::Replicas => "Replicas",
        Group::Snapshots => "Snapshots",
        Group::Backups => "Backups",
        Group::Use => "Use",
    }
}

/// A setting's value as people read it.
pub(crate) fn setting_value(setting: &VolumeSetting, value: &str) -> String {
    match setting.kind {
        Kind::Number { or_zero: true, .. } if value == "0" => tr("As the setting says").to_owned(),
        Kind::Size if value == "0" => tr("No limit").to_owned(),
        Kind::Size => value.parse().map_or_else(|_| value.to_owned(), |bytes| ByteSize(bytes).to_string()),
        Kind::Number { .. } | Kind::BackupTarget => value.to_owned(),
        Kind::Words(_) => choice(setting.field, value).to_owned(),
    }
}

fn choice<'a>(field: &str, word: &'a str) -> &'a str {
    match (field, word) {
        ("dataLocality", _) => super::data_locality(word),
        ("accessMode", _) => super::access_mode(word),
        (_, "ignored") => tr("As the setting says"),
        (_, "disabled") => tr("Off"),
        (_, "enabled") => tr("On"),
        ("snapshotDataIntegrity", "fast-check") => tr("Fast check"),
        ("replicaAutoBalance", "least-effort") => tr("Least effort"),
        ("replicaAutoBalance", "best-effort") => tr("Best effort"),
        ("backupCompressionMethod", "none") => tr("None"),
        _ => word,
    }
}

/// What is wrong with what was typed.
pub(crate) fn wrong(wrong: Wrong) -> String {
    match wrong {
        Wrong::Choose => tr("Choose one").to_owned(),
        Wrong::Range { least, most } => fill("Give a number from {} to {}", &[&least, &most]),
        Wrong::Size => tr("Give a size, such as 20Gi").to_owned(),
    }
}

/// Longhorn's names of tickets.
pub(crate) fn ticket(kind: &str) -> &str {
    match kind {
        "longhorn-api" => tr("A person or a script"),
        "csi-attacher" => tr("Kubernetes (CSI)"),
        "snapshot-controller" => tr("A snapshot"),
        "backup-controller" => tr("A backup"),
        "volume-restore-controller" => tr("A restore"),
        "volume-clone-controller" => tr("A copy"),
        "volume-expansion-controller" => tr("An expansion"),
        "salvage-controller" => tr("A salvage"),
        "volume-rebuilding-controller" => tr("A rebuild"),
        "volume-eviction-controller" => tr("An eviction"),
        "share-manager-controller" => tr("A share"),
        "longhorn-upgrader" => tr("An upgrade"),
        "backing-image-data-source-controller" => tr("A backing image"),
        other => other,
    }
}

/// The frontend that a volume wishes for, and the one that it has.
pub(crate) fn frontends(wished: &str, in_use: &str) -> String {
    match in_use {
        "" => frontend(wished).to_owned(),
        _ if wished == in_use => frontend(wished).to_owned(),
        _ => fill("{} ({})", &[&frontend(wished), &frontend(in_use)]),
    }
}
