//! What would happen: a question about a change that nobody makes, and its answer from the same rules as the real change.
//!
//! Bytes are JSON numbers.

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::describe::Described;
use crate::volume::{Robustness, VolumeState};

/// What is thought of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Scheduling off and eviction asked for on a node: its replicas move away.
    #[default]
    EvictNode,
    /// A node is cordoned and taken out of service under the setting `node-drain-policy`.
    DrainNode,
    /// A node is lost, or taken away, with all that is on it.
    RemoveNode,
    /// Scheduling off and eviction asked for on a disk.
    EvictDisk,
    /// A disk is lost, or taken away, with all that is on it.
    RemoveDisk,
    /// Another number of replicas.
    ReplicaCount,
    /// A larger size.
    Expand,
    /// A snapshot is deleted.
    DeleteSnapshot,
    /// A volume is taken from all that use it.
    Detach,
    /// A volume is deleted with its data.
    DeleteVolume,
    /// Other limits of the space on disks.
    SpaceLimits,
}

/// The query of `GET /v1/whatif`. Each change asks for some of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "whatIfQuestion")]
pub struct Question {
    pub change: Change,
    /// Of `evictNode`, `drainNode`, `removeNode`, `evictDisk`, `removeDisk`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Name of the disk on that node.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub disk: String,
    /// Of `replicaCount`, `expand`, `deleteSnapshot`, `detach`, `deleteVolume`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub volume: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub snapshot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_count: Option<u32>,
    /// Of `expand`: `20Gi`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub size: String,
    /// Of `spaceLimits`; the setting `storage-over-provisioning-percentage` when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_provisioning_percentage: Option<u64>,
    /// Of `spaceLimits`; the setting `storage-minimal-available-percentage` when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimal_available_percentage: Option<u64>,
}

/// What would happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "whatIf")]
pub struct WhatIf {
    pub question: Question,
    pub verdict: Verdict,
    /// The whole in a few sentences.
    pub summary: String,
    /// Why the change would be refused now, or not come to its end.
    pub obstacles: Vec<Cause>,
    /// What would be copied between nodes and disks, all volumes together.
    pub bytes_to_copy: u64,
    /// What all replicas together would certainly give back to their disks.
    pub bytes_freed_minimum: u64,
    /// What they would give back at most.
    pub bytes_freed_maximum: u64,
    /// Volumes that something happens to, the worst off first; at most 500.
    pub volumes: Vec<WhatIfVolume>,
    /// How many volumes there are besides these.
    pub volumes_left_out: u64,
    /// Disks whose figures would change.
    pub disks: Vec<WhatIfDisk>,
}

/// The answer in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It goes through, and everything is as wished afterwards.
    #[default]
    Fine,
    /// Something would not fit, or would be worse than wished afterwards.
    Incomplete,
    /// It is refused as things are.
    Refused,
    /// Data would be lost, or could not be reached any more.
    DataLoss,
}

/// What happens to a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "whatIfVolume")]
pub struct WhatIfVolume {
    pub name: String,
    pub state: VolumeState,
    /// Where it is attached; empty when it is not.
    pub attached_to: String,
    /// Replicas wished after the change.
    pub replicas_wished: u32,
    /// Replicas with all data: now, at the worst moment of the change, and when everything has been done that can be.
    pub healthy_before: u32,
    pub healthy_meanwhile: u32,
    pub healthy_after: u32,
    pub robustness_meanwhile: Robustness,
    pub robustness_after: Robustness,
    /// The volume itself goes, as is asked for: it has no replicas then, and that is no loss.
    pub deleted: bool,
    /// The only replica with all data is where something is emptied or taken away.
    pub last_healthy_replica: bool,
    /// Who uses it loses it: its engine ends.
    pub interrupted: bool,
    /// In the order in which they would be made.
    pub moves: Vec<WhatIfMove>,
    /// What does not fit or go on, as the volume would tell it.
    pub causes: Vec<Cause>,
    /// What else is to be known, a sentence each.
    pub notes: Vec<String>,
}

/// What is done with one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "whatIfMove")]
pub struct WhatIfMove {
    pub kind: MoveKind,
    /// The replica that goes, or that is rebuilt; empty for a new one.
    pub replica: String,
    pub from_node: String,
    pub from_disk: String,
    pub to_node: String,
    pub to_disk: String,
    /// What is copied for it.
    pub bytes: u64,
    pub when: Moment,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MoveKind {
    /// A new replica is made and filled.
    #[default]
    Add,
    /// One that has failed is filled again where it is.
    Rebuild,
    /// One goes, with its files.
    Remove,
    /// One is lost with its node or disk.
    Lose,
}

/// When it would be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Moment {
    /// At once, as turns come.
    #[default]
    Now,
    /// When the volume is attached next.
    WhenAttached,
    /// After `replica-replenishment-wait-interval`.
    AfterWaiting,
}

/// A disk's figures before and after, as the scheduler reckons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "whatIfDisk")]
pub struct WhatIfDisk {
    pub node: String,
    pub disk: String,
    pub replicas_before: u32,
    pub replicas_after: u32,
    /// Really free.
    pub available_before: u64,
    pub available_after: u64,
    /// Promised to replicas.
    pub scheduled_before: u64,
    pub scheduled_after: u64,
    /// What may still be promised.
    pub schedulable_before: u64,
    pub schedulable_after: u64,
    /// Why it would take no replica of the smallest size afterwards; empty when it would.
    pub refuses_after: String,
}

crate::actions! { WhatIf {} }
