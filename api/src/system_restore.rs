//! Restores of the whole system's configuration.

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::describe::Described;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
pub enum SystemRestoreState {
    /// Just asked for.
    #[default]
    #[serde(rename = "")]
    New,
    Pending,
    Downloading,
    Unpacking,
    Initializing,
    InProgress,
    Restoring,
    Completed,
    Error,
    Unknown,
    Deleting,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemRestore {
    #[schema(create, required, unique)]
    pub name: String,
    /// Name of the system backup.
    #[schema(required, unique)]
    pub system_backup: String,
    pub state: SystemRestoreState,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Why it failed, what it waits for, and what of the backup was not brought back.
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

/// Body of a create.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemRestoreCreateInput {
    pub name: String,
    pub system_backup: String,
}

crate::actions! { SystemRestore {} }
