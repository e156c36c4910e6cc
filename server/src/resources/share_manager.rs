//! ShareManager: offers one volume to several nodes at once. Its name is the volume's.

use aurochs_api::describe::Described;
use serde::{Deserialize, Serialize};

use super::Kind;
use super::engine::InstanceState;

#[derive(Clone, Copy, Debug, Default)]
pub struct ShareManager;

impl Kind for ShareManager {
    const KIND: &'static str = "ShareManager";
    const PLURAL: &'static str = "sharemanagers";
    const FINALIZED: bool = true;
    type Spec = ShareManagerSpec;
    type Status = ShareManagerStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct ShareManagerSpec {
    pub image: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShareManagerStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: InstanceState,
    pub current_image: String,
    /// `nfs://<address>/<volume>`.
    pub endpoint: String,
}
