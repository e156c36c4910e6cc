//! Backup volumes: all backups of one volume in one target.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::NoInput;
use crate::backup::{Backup, BackupInput, BackupVerifyInput};
use crate::backup_target::SyncBackupResource;
use crate::cause::Cause;
use crate::describe::Described;
use crate::job::Job;
use crate::schema::{Collection, Resource};

/// Amounts are texts, empty until they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupVolume {
    pub name: String,
    pub volume_name: String,
    pub backup_target_name: String,
    pub size: String,
    pub labels: BTreeMap<String, String>,
    pub created: String,
    pub last_backup_name: String,
    pub last_backup_at: String,
    pub data_stored: String,
    pub messages: BTreeMap<String, String>,
    pub backing_image_name: String,
    pub backing_image_checksum: String,
    pub storage_class_name: String,
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

/// Body of `backupListByVolume`; Longhorn's schema says that it is a volume.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupListByVolumeInput {
    /// Name of the volume.
    pub name: String,
}

/// Known to `/v1/schemas` alone: what is sent is one backup volume.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupVolumeListOutput {
    pub data: Vec<BackupVolume>,
}

/// Name of [`crate::backup::BackupListOutput`] in `/v1/schemas`.
const BACKUP_LIST_OUTPUT: Option<&str> = Some("backupListOutput");

crate::actions! { BackupVolume {
    /// Its backups.
    BackupList = "backupList"(NoInput) -> Collection<Resource<Backup>> { schema_output: BACKUP_LIST_OUTPUT, reads: true };
    /// The backups of a volume in all targets.
    BackupListByVolume = "backupListByVolume"(BackupListByVolumeInput) -> Collection<Resource<Backup>> {
        schema_input: Some("volume"), schema_output: BACKUP_LIST_OUTPUT, reads: true,
    };
    /// One backup.
    BackupGet = "backupGet"(BackupInput) -> Resource<Backup> { reads: true };
    /// Deletes a backup.
    BackupDelete = "backupDelete"(BackupInput) -> Resource<BackupVolume>;
    /// Reads the target again.
    BackupVolumeSync = "backupVolumeSync"(SyncBackupResource) -> Resource<BackupVolume> {
        schema_output: Some("backupVolumeListOutput"),
    };
    /// Ours: reads a backup, all of its blocks or some, and tells by a job whether it could be restored.
    BackupVerify = "backupVerify"(BackupVerifyInput) -> Resource<Job>;
} }
