//! EngineImage: a version of the engine that volumes run.

use std::collections::BTreeMap;

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
pub use aurochs_api::engine_image::{EngineImageState, EngineVersions};
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct EngineImage;

impl Kind for EngineImage {
    const KIND: &'static str = "EngineImage";
    const PLURAL: &'static str = "engineimages";
    const FINALIZED: bool = true;
    type Spec = EngineImageSpec;
    type Status = EngineImageStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineImageSpec {
    pub image: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EngineImageStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: EngineImageState,
    /// Volumes that have it, engines and replicas that run it.
    pub ref_count: u32,
    /// Since when nothing has it; empty while something does.
    pub no_ref_since: String,
    pub incompatible: bool,
    pub conditions: Vec<Condition>,
    /// Node to whether it can be run there.
    pub node_deployment_map: BTreeMap<String, bool>,
    #[serde(flatten)]
    pub versions: EngineVersions,
}
