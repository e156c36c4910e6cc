//! A replica as a volume's answer shows it.

use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// What the engine does with a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
pub enum ReplicaMode {
    /// Reads and writes: it has all data.
    #[serde(rename = "RW")]
    ReadWrite,
    /// Writes only: it is being rebuilt.
    #[serde(rename = "WO")]
    WriteOnly,
    /// Dropped from the membership.
    #[serde(rename = "ERR")]
    Error,
    /// No engine uses it now.
    #[default]
    #[serde(rename = "")]
    None,
}

/// One copy of a volume's data.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Replica {
    pub name: String,
    pub running: bool,
    pub mode: ReplicaMode,
    pub failed_at: String,
    pub host_id: String,
    #[serde(rename = "diskID")]
    pub disk_id: String,
    pub disk_path: String,
    pub data_path: String,
    pub address: String,
    pub instance_manager_name: String,
    pub image: String,
    pub current_image: String,
    pub data_engine: String,
}
