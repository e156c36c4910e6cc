//! Draining: whether a node may be taken out of service under the policy of the settings, why not, and which replicas
//! have to leave it first (behaviour.md §13). Pure: facts in, verdict out.
//!
//! | policy | no engine runs there, and |
//! |---|---|
//! | `block-if-contains-last-replica` | every replica there is whole elsewhere too, or never held data |
//! | `allow-if-replica-is-stopped` | the same for those that run |
//! | `always-allow` | nothing |
//! | `block-for-eviction` | no replica is left there; all are moved |
//! | `block-for-eviction-if-contains-last-replica` | as the first; those that are whole nowhere else are moved |
//!
//! "Elsewhere" is a node that answers and is not cordoned: two nodes that are drained at once must not count on each
//! other.

use std::collections::BTreeSet;

use aurochs_api::cause::{Cause, CauseCode, CauseDetail, Severity};

use crate::resources::engine::InstanceState;
use crate::resources::{Engine, Object, Replica};

/// The setting `node-drain-policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    BlockForEviction,
    BlockForEvictionIfContainsLastReplica,
    BlockIfContainsLastReplica,
    AllowIfReplicaIsStopped,
    AlwaysAllow,
}

impl Policy {
    /// Longhorn's default for a word that is none.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "block-for-eviction" => Self::BlockForEviction,
            "block-for-eviction-if-contains-last-replica" => Self::BlockForEvictionIfContainsLastReplica,
            "allow-if-replica-is-stopped" => Self::AllowIfReplicaIsStopped,
            "always-allow" => Self::AlwaysAllow,
            _ => Self::BlockIfContainsLastReplica,
        }
    }

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BlockForEviction => "block-for-eviction",
            Self::BlockForEvictionIfContainsLastReplica => "block-for-eviction-if-contains-last-replica",
            Self::BlockIfContainsLastReplica => "block-if-contains-last-replica",
            Self::AllowIfReplicaIsStopped => "allow-if-replica-is-stopped",
            Self::AlwaysAllow => "always-allow",
        }
    }

    /// Whether what keeps the node is moved away by itself.
    #[must_use]
    pub const fn evicts(self) -> bool {
        matches!(self, Self::BlockForEviction | Self::BlockForEvictionIfContainsLastReplica)
    }
}

/// A replica as the policies see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaFacts {
    pub name: String,
    pub volume: String,
    pub node: String,
    pub runs: bool,
    /// It held data once.
    pub was_used: bool,
    /// As far as is known it has all data of its volume.
    pub is_whole: bool,
}

impl From<&Object<Replica>> for ReplicaFacts {
    fn from(replica: &Object<Replica>) -> Self {
        let spec = &replica.spec;
        Self {
            name: replica.name().to_owned(),
            volume: spec.volume_name.clone(),
            node: spec.node_id.clone(),
            runs: replica.status.current_state == InstanceState::Running,
            was_used: !spec.healthy_at.is_empty() || !spec.last_healthy_at.is_empty(),
            is_whole: !spec.healthy_at.is_empty() && !spec.has_failed() && !replica.is_deleting(),
        }
    }
}

/// What the question is about.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// Volumes whose engine is on the node, or is to be there.
    pub attached: BTreeSet<String>,
    /// The replicas of all volumes that have one on the node.
    pub replicas: Vec<ReplicaFacts>,
    /// Nodes that may be counted on: they answer and are not cordoned.
    pub guarding: BTreeSet<String>,
}

/// What keeps a node from going.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The volume is attached there.
    Attached { volume: String },
    /// The policy wants the node empty.
    Occupied { replica: String, volume: String },
    /// No other node that can be counted on has the volume's data.
    LastReplica { replica: String, volume: String },
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// None: the node may go.
    pub obstacles: Vec<Obstacle>,
}

impl Verdict {
    #[must_use]
    pub const fn may_go(&self) -> bool {
        self.obstacles.is_empty()
    }
}

/// Volumes that have, or are to have, their engine on the node.
#[must_use]
pub fn attached_to(node: &str, engines: &[Object<Engine>]) -> BTreeSet<String> {
    let is_there = |engine: &&Object<Engine>| {
        let is_up =
            engine.status.current_state != InstanceState::Stopped || engine.spec.desire_state == InstanceState::Running;
        engine.spec.node_id == node && is_up
    };
    engines.iter().filter(is_there).map(|engine| engine.spec.volume_name.clone()).collect()
}

/// Whether `node` may be taken out of service.
#[must_use]
pub fn judge(policy: Policy, node: &str, scene: &Scene) -> Verdict {
    let mut obstacles: Vec<Obstacle> =
        scene.attached.iter().map(|volume| Obstacle::Attached { volume: volume.clone() }).collect();
    let here = scene.replicas.iter().filter(|replica| replica.node == node);
    obstacles.extend(here.filter_map(|replica| obstacle(policy, replica, scene)));
    obstacles.sort();
    Verdict { obstacles }
}

fn obstacle(policy: Policy, replica: &ReplicaFacts, scene: &Scene) -> Option<Obstacle> {
    let (name, volume) = (replica.name.clone(), replica.volume.clone());
    let is_last = || replica.was_used && !is_safe_elsewhere(replica, scene);
    let blocks = match policy {
        Policy::AlwaysAllow => false,
        Policy::BlockForEviction => return Some(Obstacle::Occupied { replica: name, volume }),
        Policy::AllowIfReplicaIsStopped => replica.runs && is_last(),
        Policy::BlockIfContainsLastReplica | Policy::BlockForEvictionIfContainsLastReplica => is_last(),
    };
    blocks.then_some(Obstacle::LastReplica { replica: name, volume })
}

fn is_safe_elsewhere(replica: &ReplicaFacts, scene: &Scene) -> bool {
    scene.replicas.iter().any(|other| {
        other.volume == replica.volume
            && other.node != replica.node
            && other.is_whole
            && scene.guarding.contains(&other.node)
    })
}

/// More are counted and not listed: the text is for people.
const DETAILS_MAXIMUM: usize = 20;

/// What a cordoned node tells: what it waits for, or what somebody has to do.
#[must_use]
pub fn cause(policy: Policy, node: &str, verdict: &Verdict) -> Option<Cause> {
    if verdict.may_go() {
        return None;
    }
    let detail = |obstacle: &Obstacle| CauseDetail {
        node: node.to_owned(),
        rule: policy.word().to_owned(),
        text: obstacle.text(),
        ..CauseDetail::default()
    };
    let attached = verdict.obstacles.iter().filter(|obstacle| matches!(obstacle, Obstacle::Attached { .. })).count();
    let replicas = verdict.obstacles.len() - attached;
    let mut parts = Vec::new();
    if attached > 0 {
        parts.push(counted(attached, "volume is attached there", "volumes are attached there"));
    }
    if replicas > 0 {
        let words = match policy {
            Policy::BlockForEviction => ("replica is left there", "replicas are left there"),
            _ => (
                "replica there has data that no other available node has",
                "replicas there have data that no other available node has",
            ),
        };
        parts.push(counted(replicas, words.0, words.1));
    }
    let (severity, next_step) = next_step(attached, replicas, policy);
    Some(Cause {
        code: CauseCode::Evicting,
        severity,
        message: format!("{node} is cordoned and may not go yet: {}.", parts.join(", ")),
        next_step,
        objects: vec![node.to_owned()],
        details: verdict.obstacles.iter().take(DETAILS_MAXIMUM).map(detail).collect(),
    })
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn next_step(attached: usize, replicas: usize, policy: Policy) -> (Severity, String) {
    let mut steps = Vec::new();
    if attached > 0 {
        steps.push("Detach the volumes, or attach them elsewhere.");
    }
    if replicas > 0 {
        steps.push(if policy.evicts() {
            "The replicas are being moved by themselves."
        } else {
            "Wait until the volumes are healthy, ask for eviction of the node, or change node-drain-policy."
        });
    }
    let severity = if attached == 0 && policy.evicts() { Severity::Info } else { Severity::Warning };
    (severity, steps.join(" "))
}

impl Obstacle {
    fn text(&self) -> String {
        match self {
            Self::Attached { volume } => format!("volume {volume} is attached there"),
            Self::Occupied { replica, volume } => format!("replica {replica} of volume {volume} is there"),
            Self::LastReplica { replica, volume } => {
                format!("replica {replica} has data of volume {volume} that no other available node has")
            }
        }
    }
}

#[cfg(test)]
#[path = "drain_tests.rs"]
mod tests;
