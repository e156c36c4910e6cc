//! What a recurring job does. Two tasks have a form that is done also when nothing was written since.

use crate::words::tr;

/// Ending of the task that does not ask whether there is something new.
const FORCED: &str = "-force-create";

pub(super) const TASKS: [&str; 6] =
    ["snapshot", "backup", "snapshot-delete", "snapshot-cleanup", "filesystem-trim", "system-backup"];

/// The task without its force, and whether it had it.
pub(super) fn split(task: &str) -> (&str, bool) {
    task.strip_suffix(FORCED).map_or((task, false), |task| (task, true))
}

pub(super) fn join(task: &str, force: bool) -> String {
    if force && can_be_forced(task) { format!("{task}{FORCED}") } else { task.to_owned() }
}

pub(super) fn can_be_forced(task: &str) -> bool {
    matches!(task, "snapshot" | "backup")
}

/// It makes or gives up something, so that a number has to be kept.
pub(super) fn keeps(task: &str) -> bool {
    !matches!(split(task).0, "snapshot-cleanup" | "filesystem-trim")
}

pub(super) fn words(task: &str) -> String {
    let words = match task {
        "snapshot" => tr("Take snapshots"),
        "snapshot-force-create" => tr("Take snapshots, always"),
        "backup" => tr("Back up"),
        "backup-force-create" => tr("Back up, always"),
        "snapshot-delete" => tr("Delete old snapshots"),
        "snapshot-cleanup" => tr("Clean up snapshots"),
        "filesystem-trim" => tr("Trim file systems"),
        "system-backup" => tr("Back up the system"),
        other => return other.to_owned(),
    };
    words.to_owned()
}

/// What it does in a sentence.
pub(super) fn sentence(task: &str) -> &'static str {
    match split(task).0 {
        "snapshot" => tr("Takes a snapshot of each volume with new data, and gives up its oldest ones."),
        "backup" => tr(
            "Takes a snapshot of each volume with new data, backs it up to the volume's target, and gives up its oldest backups.",
        ),
        "snapshot-delete" => tr("Deletes all snapshots but the newest, whoever took them."),
        "snapshot-cleanup" => tr("Merges what removed snapshots left, and those that no user took."),
        "filesystem-trim" => tr("Gives back the space that mounted file systems do not use."),
        "system-backup" => tr("Backs up the configuration of the whole system."),
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn force_is_an_ending() {
        assert_eq!(split("backup-force-create"), ("backup", true));
        assert_eq!(split("snapshot-delete"), ("snapshot-delete", false));
        for task in TASKS {
            assert_eq!(join(split(task).0, false), task);
            assert!(!sentence(task).is_empty(), "{task}");
        }
        assert_eq!(join("snapshot", true), "snapshot-force-create");
        assert_eq!(join("filesystem-trim", true), "filesystem-trim");
        assert!(keeps("backup-force-create") && keeps("snapshot-delete") && !keeps("snapshot-cleanup"));
    }
}
