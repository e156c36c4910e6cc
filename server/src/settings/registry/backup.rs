//! Backups and recurring jobs.

use super::Name;
use crate::settings::Form;
use crate::settings::definition::{Definition, boolean, int, int_between, int_from, text};

pub(super) const ROWS: &[Definition] = &[
    boolean(Name::AllowRecurringJobWhileVolumeDetached, "false").says(
        "Allow Recurring Job While Volume Is Detached",
        "Detached volumes are attached for the time that their recurring jobs take.",
    ),
    text(Name::BackupCompressionMethod, "lz4")
        .one_of(&["none", "lz4", "gzip"])
        .gives_a_default()
        .says("Backup Compression Method", "How the backups of new volumes are compressed."),
    int_from(Name::BackupConcurrentLimit, 1, "2")
        .says("Backup Concurrent Limit Per Backup", "How many blocks of one backup are sent at the same time."),
    int_from(Name::BackupExecutionTimeout, 1, "1")
        .says("Backup Execution Timeout", "Minutes that a backup may take to begin."),
    int(Name::DefaultBackupBlockSize, "2")
        .formed(Form::Numbers(&[2, 16]))
        .gives_a_default()
        .says("Default Backup Block Size", "Size in MiB of the blocks in the backups of new volumes: 2 or 16."),
    int_from(Name::FailedBackupTtl, 0, "1440")
        .says("Failed Backup Time to Live", "Minutes for which a failed backup is shown; 0 for ever."),
    int_from(Name::RecurringFailedJobsHistoryLimit, 0, "1")
        .optional()
        .says("Cronjob Failed Jobs History Limit", "How many failed runs of a recurring job are kept."),
    int_between(Name::RecurringJobMaxRetention, 1, 250, "100").gives_a_default().says(
        "Maximum Retention Number for Recurring Job",
        "The most snapshots or backups that a recurring job may keep for a volume.",
    ),
    int_from(Name::RecurringSuccessfulJobsHistoryLimit, 0, "1")
        .optional()
        .says("Cronjob Successful Jobs History Limit", "How many successful runs of a recurring job are kept."),
    int_from(Name::RestoreConcurrentLimit, 1, "2")
        .says("Restore Concurrent Limit Per Backup", "How many blocks of one backup are fetched at the same time."),
    boolean(Name::RestoreVolumeRecurringJobs, "false")
        .says("Restore Volume Recurring Jobs", "A restored volume gets the recurring jobs that its backup tells of."),
];
