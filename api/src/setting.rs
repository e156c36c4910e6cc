//! Settings: always strings on the wire.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SettingDefinition {
    pub display_name: String,
    pub description: String,
    pub category: String,
    /// `string`, `int`, `float` or `bool`.
    #[serde(rename = "type")]
    pub kind: String,
    pub required: bool,
    pub read_only: bool,
    pub data_engine_specific: bool,
    pub default: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setting {
    pub name: String,
    pub value: String,
    pub applied: bool,
    pub definition: SettingDefinition,
}
