//! SystemRestore: a restore of the whole system's configuration.

use aurochs_api::condition::Condition;
pub use aurochs_api::system_restore::SystemRestoreState;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRestore;

impl Kind for SystemRestore {
    const KIND: &'static str = "SystemRestore";
    const PLURAL: &'static str = "systemrestores";
    const FINALIZED: bool = false;
    type Spec = SystemRestoreSpec;
    type Status = SystemRestoreStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemRestoreSpec {
    /// Name of the system backup.
    pub system_backup: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemRestoreStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: SystemRestoreState,
    #[serde(rename = "sourceURL")]
    pub source_url: String,
    pub conditions: Vec<Condition>,
}
