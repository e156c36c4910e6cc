//! Engine images: versions of the engine that volumes run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::condition::Condition;
use crate::describe::Described;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineImageState {
    #[default]
    #[serde(alias = "")]
    Deploying,
    Deployed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EngineImage {
    /// `ei-` and eight hexadecimal digits.
    pub name: String,
    #[schema(create, required, unique)]
    pub image: String,
    /// New volumes get this one.
    pub default: bool,
    pub state: EngineImageState,
    /// Volumes that have it, engines and replicas that run it.
    pub ref_count: u32,
    /// Since when nothing has it; empty while something does.
    pub no_ref_since: String,
    pub incompatible: bool,
    /// Node to whether it can be run there.
    #[schema(as = "map[string]")]
    pub node_deployment_map: BTreeMap<String, bool>,
    /// A list, unlike the conditions of everything else.
    #[schema(as = "array[string]")]
    pub conditions: Vec<Condition>,
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    #[serde(flatten)]
    pub versions: EngineVersions,
    /// Ours: where it does not run, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

/// What an engine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EngineVersions {
    pub version: String,
    pub git_commit: String,
    pub build_date: String,
    #[serde(rename = "cliAPIVersion")]
    pub cli_api_version: u32,
    #[serde(rename = "cliAPIMinVersion")]
    pub cli_api_min_version: u32,
    #[serde(rename = "controllerAPIVersion")]
    pub controller_api_version: u32,
    #[serde(rename = "controllerAPIMinVersion")]
    pub controller_api_min_version: u32,
    pub data_format_version: u32,
    pub data_format_min_version: u32,
}

/// Body of a create.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineImageCreateInput {
    pub image: String,
}

crate::actions! { EngineImage {} }
