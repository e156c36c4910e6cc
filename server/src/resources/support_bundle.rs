//! SupportBundle: everything that helps to find out what went wrong, in one file.

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
use aurochs_api::size::{ByteSize, as_number};
pub use aurochs_api::support_bundle::SupportBundleState;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct SupportBundle;

impl Kind for SupportBundle {
    const KIND: &'static str = "SupportBundle";
    const PLURAL: &'static str = "supportbundles";
    const FINALIZED: bool = true;
    type Spec = SupportBundleSpec;
    type Status = SupportBundleStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SupportBundleSpec {
    pub description: String,
    #[serde(rename = "issueURL")]
    pub issue_url: String,
    #[serde(rename = "nodeID")]
    pub node_id: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SupportBundleStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: SupportBundleState,
    /// Percent.
    pub progress: u32,
    /// `Error`, `Manager`.
    pub conditions: Vec<Condition>,
    pub filename: String,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub filesize: ByteSize,
    pub image: String,
    #[serde(rename = "managerIP")]
    pub manager_ip: String,
}
