//! Messages of the dashboard's WebSocket (`/v1/ws/live`): first everything, then only what changed.

use serde::{Deserialize, Serialize};

use crate::instance_manager::InstanceManager;
use crate::job::Job;
use crate::node::Node;
use crate::schema::Resource;
use crate::setting::Setting;
use crate::volume::Volume;

/// What the server sends, one JSON object a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum LiveMessage {
    /// The whole state; replaces all that the client holds. First message, and again after a gap.
    Everything(Box<Everything>),
    /// Resources that are new or changed.
    Changed { items: Vec<LiveItem> },
    /// A resource is gone.
    Gone { kind: LiveKind, id: String },
    /// Sent when nothing changed for a while, so that a dead connection is noticed.
    Alive,
    /// Answer to [`LiveRequest`]: of these lists changes are told. Of the others that were asked for there is nothing to
    /// tell; a client that shows them asks again now and then.
    Following { lists: Vec<String> },
    /// These lists changed since they were followed or told last; `GET /v1/<list>` has them.
    Stale { lists: Vec<String> },
}

/// What a client may say: of which lists, besides what the stream has anyway, it wants to hear when they change. Plurals
/// as they stand in addresses (`backups`), at most [`FOLLOWED_MAXIMUM`]. Each request replaces the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveRequest {
    pub follow: Vec<String>,
}

/// More lists than there are types would be a mistake of the client.
pub const FOLLOWED_MAXIMUM: usize = 40;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Everything {
    pub volumes: Vec<Resource<Volume>>,
    pub nodes: Vec<Resource<Node>>,
    pub instance_managers: Vec<Resource<InstanceManager>>,
    pub settings: Vec<Resource<Setting>>,
    /// Those that run, and those that ended a moment ago; the latest first.
    #[serde(default)]
    pub jobs: Vec<Resource<Job>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LiveKind {
    Volume,
    Node,
    InstanceManager,
    Setting,
    /// Also gone when it ended a while ago: `GET /v1/jobs` has it still.
    Job,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "resource", rename_all = "camelCase")]
pub enum LiveItem {
    Volume(Box<Resource<Volume>>),
    Node(Box<Resource<Node>>),
    InstanceManager(Box<Resource<InstanceManager>>),
    Setting(Box<Resource<Setting>>),
    Job(Box<Resource<Job>>),
}
