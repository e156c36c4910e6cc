//! Why something is not as wished, with numbers and the next step. The same text everywhere: API, dashboard, events.

use serde::{Deserialize, Serialize};

/// What kind of reason it is; the dashboard picks the button from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseCode {
    /// No disk has room for a replica.
    InsufficientStorage,
    /// Fewer usable nodes than replicas, and two on one node are not allowed.
    NotEnoughNodes,
    /// A node's instance manager does not answer.
    NodeDown,
    /// A disk's path can't be used.
    DiskNotReady,
    /// A disk has less free space than the minimum.
    DiskPressure,
    /// A replica was dropped from the membership.
    ReplicaFailed,
    /// A replica is being rebuilt.
    Rebuilding,
    /// No replica with all data can be reached.
    NoUsableReplica,
    /// The engine ended or refuses to run.
    EngineFailed,
    /// Replicas are being made equal after an unclean stop.
    Reconciling,
    /// The wished frontend can't be had on the node.
    FrontendUnavailable,
    /// The control record can't be written; I/O waits.
    RecordUnavailable,
    /// Something this version does not know.
    #[serde(other)]
    Other,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to do; it is being worked on.
    Info,
    /// Redundancy or room is short.
    Warning,
    /// Data can't be reached or a wish can't be met.
    Error,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    pub code: CauseCode,
    pub severity: Severity,
    /// One sentence with names and numbers: "The third replica needs 10 GiB; disk d2 on node-3 has 8.1 GiB schedulable."
    pub message: String,
    /// What a person can do; empty when there is nothing to do.
    #[serde(default)]
    pub next_step: String,
    /// Names of the nodes, disks and replicas the sentence speaks of.
    #[serde(default)]
    pub objects: Vec<String>,
}
