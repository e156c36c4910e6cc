//! Backup targets: where backups are kept.

use serde::{Deserialize, Serialize};

use crate::describe::Described;
use crate::schema::Resource;

/// The target that is always there.
pub const DEFAULT: &str = "default";

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupTarget {
    #[schema(create, required, unique)]
    pub name: String,
    /// `s3://…`, `nfs://…`, `cifs://…` or `azblob://…`; empty for none.
    #[serde(rename = "backupTargetURL")]
    #[schema(create, default = "")]
    pub backup_target_url: String,
    #[schema(create, default = "")]
    pub credential_secret: String,
    /// How often the target is read: Go's text of a duration (`5m0s`) here, whole seconds (`300`) in a body.
    #[schema(create, default = "300")]
    pub poll_interval: String,
    pub available: bool,
    /// Why it is not available.
    pub message: String,
}

/// Body of a create, of a change and of `backupTargetUpdate`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupTargetInput {
    pub name: String,
    #[serde(rename = "backupTargetURL")]
    pub backup_target_url: String,
    pub credential_secret: String,
    /// Whole seconds, as text; 0 for never.
    pub poll_interval: String,
}

/// Body of everything that reads targets again.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncBackupResource {
    pub sync_all_backup_targets: bool,
    pub sync_all_backup_volumes: bool,
    pub sync_backup_target: bool,
    pub sync_backup_volume: bool,
}

/// Known to `/v1/schemas` alone: what is sent is one target.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupTargetListOutput {
    pub data: Vec<BackupTarget>,
}

/// Name of [`BackupTargetListOutput`] in `/v1/schemas`.
const LIST_OUTPUT: Option<&str> = Some("backupTargetListOutput");

crate::actions! { BackupTarget {
    /// Reads the target again.
    BackupTargetSync = "backupTargetSync"(SyncBackupResource) -> Resource<BackupTarget> { schema_output: LIST_OUTPUT };
    /// Changes the target.
    BackupTargetUpdate = "backupTargetUpdate"(BackupTargetInput) -> Resource<BackupTarget> {
        // With a large first letter, as Longhorn has it.
        schema_input: Some("BackupTarget"), schema_output: LIST_OUTPUT,
    };
} }
