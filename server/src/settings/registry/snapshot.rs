//! Snapshots.

use super::Name;
use crate::settings::Form;
use crate::settings::definition::{Definition, boolean, int, int_between, text};

pub(super) const ROWS: &[Definition] = &[
    boolean(Name::AutoCleanupRecurringJobBackupSnapshot, "true").says(
        "Automatically Cleanup Recurring Job Backup Snapshot",
        "The snapshot that a recurring backup was made from goes afterwards; the newest stays.",
    ),
    boolean(Name::AutoCleanupSnapshotAfterOnDemandBackupCompleted, "false").says(
        "Automatically Cleanup Snapshot After On-Demand Backup Completed",
        "The snapshot that a backup by hand was made from goes afterwards.",
    ),
    boolean(Name::AutoCleanupSystemGeneratedSnapshot, "true").says(
        "Automatically Cleanup System Generated Snapshot",
        "Snapshots that a rebuild had to take are removed after it.",
    ),
    boolean(Name::AutoCleanupWhenDeleteBackup, "false").says(
        "Automatically Cleanup Snapshot When Deleting Backup",
        "Deleting a backup deletes the snapshot that it was made from, too.",
    ),
    boolean(Name::FreezeFilesystemForSnapshot, r#"{"v1":"false"}"#).per_engine().says(
        "Freeze Filesystem For Snapshot",
        "The file system on a volume is frozen for the moment in which a user's snapshot is taken, so that the snapshot holds \
         a clean one. A volume can say otherwise.",
    ),
    int_between(Name::SnapshotCountWarningThreshold, 2, 250, "100").says(
        "Snapshot Count Warning Threshold",
        "A volume with this many snapshots gets the condition TooManySnapshots.",
    ),
    text(Name::SnapshotDataIntegrity, r#"{"v1":"fast-check","v2":"fast-check"}"#)
        .per_engine()
        .one_of(&["disabled", "enabled", "fast-check"])
        .says(
            "Snapshot Data Integrity",
            "Whether the data of snapshots is checked against checksums, so that silent damage is found: enabled reads every \
             snapshot each time, fast-check only those that changed on the disk. A volume can say otherwise.",
        ),
    text(Name::SnapshotDataIntegrityCronjob, r#"{"v1":"0 0 */7 * *","v2":"0 0 */7 * *"}"#)
        .per_engine()
        .formed(Form::Cron)
        .says("Snapshot Data Integrity Check CronJob", "When snapshots are checked."),
    boolean(
        Name::SnapshotDataIntegrityImmediateCheckAfterSnapshotCreation,
        r#"{"v1":"false","v2":"false"}"#,
    )
    .per_engine()
    .says(
        "Immediate Snapshot Data Integrity Check After Creating a Snapshot",
        "A snapshot's checksum is made right after it is taken, and not only at the next check.",
    ),
    int(Name::SnapshotMaxCount, "250")
        .formed(Form::Between(2, 250))
        .says("Snapshot Maximum Count", "How many snapshots a volume may have when it doesn't say."),
];
