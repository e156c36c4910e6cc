//! Events: what happened, in Kubernetes' form.

use serde::{Deserialize, Serialize};

use crate::describe::Described;

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    #[schema(as = "v1.Event")]
    pub event: CoreEvent,
    #[schema(options("Normal", "Warning"))]
    pub event_type: String,
}

/// `v1.Event` of Kubernetes, as far as anything here is to be said. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "v1.Event")]
pub struct CoreEvent {
    pub metadata: EventMetadata,
    pub involved_object: InvolvedObject,
    pub reason: String,
    pub message: String,
    pub source: EventSource,
    pub first_timestamp: String,
    pub last_timestamp: String,
    /// How often it happened.
    pub count: u64,
    #[serde(rename = "type")]
    #[schema(options("Normal", "Warning"))]
    pub kind: String,
    pub reporting_component: String,
    pub reporting_instance: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventMetadata {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub resource_version: String,
    pub creation_timestamp: String,
}

/// What it happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InvolvedObject {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub api_version: String,
    pub resource_version: String,
}

/// Who tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct EventSource {
    /// Such as `longhorn-volume-controller`.
    pub component: String,
    /// Name of the node.
    pub host: String,
}

crate::actions! { Event {} }
