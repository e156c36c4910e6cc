//! Who wants a volume attached where: tickets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::describe::Described;

/// One ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attachment {
    #[serde(rename = "attachmentID")]
    pub attachment_id: String,
    pub attachment_type: String,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    pub parameters: BTreeMap<String, String>,
    pub satisfied: bool,
    #[schema(as = "array[longhornCondition]")]
    pub conditions: Vec<Condition>,
}

/// All tickets of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeAttachment {
    pub volume: String,
    pub attachments: BTreeMap<String, Attachment>,
}

/// Body of `attach`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AttachInput {
    /// Node to attach to.
    pub host_id: String,
    /// Maintenance mode: the engine runs, but no device is offered (needed for a revert).
    pub disable_frontend: bool,
    pub attached_by: String,
    pub attacher_type: String,
    #[serde(rename = "attachmentID")]
    pub attachment_id: String,
}

/// Body of `detach`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DetachInput {
    #[serde(rename = "attachmentID")]
    pub attachment_id: String,
    pub host_id: String,
    pub force_detach: bool,
}

crate::actions! { VolumeAttachment {} }
