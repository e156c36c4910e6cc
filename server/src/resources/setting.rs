//! Setting: one named value. In Kubernetes `value` stands at the top level; the store translates.

use aurochs_api::cause::Cause;
use aurochs_api::describe::Described;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct Setting;

impl Kind for Setting {
    const KIND: &'static str = "Setting";
    const PLURAL: &'static str = "settings";
    const FINALIZED: bool = false;
    type Spec = SettingSpec;
    type Status = SettingStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingSpec {
    pub value: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingStatus {
    pub applied: bool,
    /// Ours: what keeps the value from being in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}
