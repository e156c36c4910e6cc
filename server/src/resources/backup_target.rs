//! BackupTarget: where backups are kept.

use aurochs_api::cause::Cause;
use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct BackupTarget;

impl Kind for BackupTarget {
    const KIND: &'static str = "BackupTarget";
    const PLURAL: &'static str = "backuptargets";
    const FINALIZED: bool = true;
    type Spec = BackupTargetSpec;
    type Status = BackupTargetStatus;
}

/// Condition of a target that can't be used; its message says why.
pub const CONDITION_UNAVAILABLE: &str = "Unavailable";

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupTargetSpec {
    #[serde(rename = "backupTargetURL")]
    pub backup_target_url: String,
    pub credential_secret: String,
    /// Go's text of a duration: `5m0s`.
    pub poll_interval: String,
    /// When the target was last asked to be read again; a date or absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sync_requested_at: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupTargetStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub available: bool,
    pub conditions: Vec<Condition>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_synced_at: String,
    /// Ours: the address whose content the resources show; another one than the spec's means that they are of before.
    #[serde(rename = "syncedURL")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub synced_url: String,
    /// Ours: the `syncRequestedAt` that the last reading answered.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answered_request: String,
    /// Ours: names of the credentials that are kept for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credential_keys: Vec<String>,
    /// Ours: why it is not as wished.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}
