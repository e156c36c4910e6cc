//! Settings: always strings on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::describe::Described;

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SettingDefinition {
    pub display_name: String,
    pub description: String,
    pub category: String,
    /// `string`, `int`, `float`, `bool`, `deprecated`, or nothing.
    #[serde(rename = "type")]
    pub kind: String,
    pub required: bool,
    pub read_only: bool,
    /// The value is a JSON object with a text for each data engine.
    #[serde(skip_serializing_if = "is_not")]
    pub data_engine_specific: bool,
    pub default: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// `minimum` and `maximum` of an `int`, as far as there are any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub range: BTreeMap<String, i64>,
    /// `minimum` and `maximum` of a `float`, as far as there are any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub float_range: BTreeMap<String, f64>,
}

/// `false` is left out, as Longhorn does.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_not(set: &bool) -> bool {
    !*set
}

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct Setting {
    #[schema(required, unique)]
    pub name: String,
    #[schema(update, required)]
    pub value: String,
    pub applied: bool,
    pub definition: SettingDefinition,
    /// Ours: what keeps the value from being in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

/// Body of a PUT.
#[derive(Clone, Debug, Described, Serialize, Deserialize)]
pub struct SettingUpdate {
    pub value: String,
}

crate::actions! { Setting {} }
