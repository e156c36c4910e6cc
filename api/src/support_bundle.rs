//! Support bundles: everything that helps to find out what went wrong, in one file.

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::describe::Described;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
pub enum SupportBundleState {
    /// Just asked for.
    #[default]
    #[serde(rename = "")]
    New,
    Started,
    Generating,
    ReadyForDownload,
    Error,
    Replaced,
    Purging,
    Deleting,
    Unknown,
}

/// Its id is the node's name; the bundle's own is `name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SupportBundle {
    pub name: String,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    pub state: SupportBundleState,
    pub progress_percentage: u32,
    pub error_message: String,
    /// Ours: why it could not be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

/// Body of a create. Its name is misspelt in Longhorn's schemas.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
#[schema(id = "supportBundleInitateInput")]
pub struct SupportBundleInitiateInput {
    #[serde(rename = "issueURL")]
    pub issue_url: String,
    pub description: String,
}

crate::actions! { SupportBundle {} }
