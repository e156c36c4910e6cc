//! Backup targets: where backups are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
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
    /// When it was last read to its end.
    #[schema(ours)]
    pub last_synced_at: String,
    /// Names of the credentials that are kept for it. What they are is told to nobody.
    #[schema(ours)]
    pub credential_keys: Vec<String>,
    #[schema(ours)]
    pub causes: Vec<Cause>,
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
    /// Ours: what the target asks for (`AWS_ACCESS_KEY_ID`, `CIFS_PASSWORD`, …), kept under the name in `credentialSecret`, or
    /// under the target's own name where that is empty. All of it at once: what is not said is not kept. Absent leaves what
    /// is kept as it is. Never told again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<BTreeMap<String, String>>,
}

/// What trying a target told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupTargetTestOutput {
    /// Everything that backups need can be done.
    pub usable: bool,
    /// What was tried, in order, up to the first that failed.
    pub steps: Vec<BackupTargetTestStep>,
    /// Why the last step failed; empty when none did.
    pub message: String,
    /// What to do about it.
    pub next_step: String,
}

/// One thing that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupTargetTestStep {
    /// `address`, `credentials`, `connect`, `list`, `write`, `read` or `delete`.
    pub name: String,
    pub passed: bool,
    pub milliseconds: u64,
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
    /// Ours: tries what backups need (list, write, read, delete) and says which of it fails and why. With fields in the body,
    /// the target is tried as it would be with them; nothing is changed.
    BackupTargetTest = "backupTargetTest"(BackupTargetInput) -> Resource<BackupTargetTestOutput>;
} }
