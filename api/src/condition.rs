//! Kubernetes-style conditions, as Longhorn's resources carry them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::describe::Described;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
pub enum ConditionStatus {
    True,
    False,
    #[default]
    Unknown,
}

/// One condition. Times are RFC 3339, empty when never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: ConditionStatus,
    pub last_probe_time: String,
    pub last_transition_time: String,
    pub reason: String,
    pub message: String,
}

/// REST form: keyed by condition type.
pub type ConditionMap = BTreeMap<String, Condition>;
