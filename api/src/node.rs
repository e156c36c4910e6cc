//! Nodes and their disks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cause::{Cause, Severity};
use crate::condition::{ConditionMap, ConditionStatus};
use crate::describe::Described;
use crate::schema::Resource;
use crate::size::{ByteSize, as_number};

/// A machine that holds replicas and runs engines.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    pub name: String,
    pub address: String,
    #[schema(required)]
    pub allow_scheduling: bool,
    #[schema(required)]
    pub eviction_requested: bool,
    pub auto_evicting: bool,
    #[schema(as = "map[nodeCondition]")]
    pub conditions: ConditionMap,
    /// Keyed by disk name.
    #[schema(nullable)]
    pub disks: BTreeMap<String, Disk>,
    pub region: String,
    pub zone: String,
    #[schema(create)]
    pub tags: Vec<String>,
    #[serde(rename = "instanceManagerCPURequest")]
    pub instance_manager_cpu_request: u32,
    /// Ours: what keeps the node from being fully usable.
    #[schema(ours)]
    pub causes: Vec<Cause>,
    /// Ours: the ways a volume can be offered on this node, and why not the others.
    #[schema(ours)]
    pub frontends: Vec<FrontendOffer>,
    /// Ours: about to be taken out of service; nothing new goes there, and what may stay depends on node-drain-policy.
    #[schema(ours)]
    pub cordoned: bool,
    /// Ours: what the machine has and lacks for serving volumes.
    #[schema(ours)]
    pub environment: Vec<EnvironmentItem>,
    /// Ours: `node.longhorn.io/create-default-disk` and `topology.kubernetes.io/zone` are read, others are kept.
    #[schema(ours)]
    pub labels: BTreeMap<String, String>,
    /// Ours: `node.longhorn.io/default-disks-config` and `node.longhorn.io/default-node-tags` are read, others are kept.
    #[schema(ours)]
    pub annotations: BTreeMap<String, String>,
}

/// One thing that was looked at on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvironmentItem {
    /// One word: `io-uring`, `package-nfs`.
    pub name: String,
    pub ok: bool,
    /// What it means when it is not.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// What a person can do; empty when there is nothing to do.
    pub remedy: String,
}

impl Default for EnvironmentItem {
    fn default() -> Self {
        Self { name: String::new(), ok: true, severity: Severity::Info, message: String::new(), remedy: String::new() }
    }
}

/// One way to offer a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct FrontendOffer {
    pub kind: String,
    pub available: bool,
    pub reason: String,
}

/// A disk of a node. Figures are JSON numbers, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "diskInfo")]
pub struct Disk {
    pub path: String,
    pub disk_type: String,
    pub disk_driver: String,
    #[serde(rename = "diskUUID")]
    pub disk_uuid: String,
    pub allow_scheduling: bool,
    pub eviction_requested: bool,
    #[schema(as = "map[diskCondition]")]
    pub conditions: ConditionMap,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub storage_maximum: ByteSize,
    /// Really free on the file system.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub storage_available: ByteSize,
    /// Kept for others.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub storage_reserved: ByteSize,
    /// Sum of the sizes of the replicas placed here.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub storage_scheduled: ByteSize,
    /// Replica name to bytes.
    pub scheduled_replica: BTreeMap<String, u64>,
    pub scheduled_backing_image: BTreeMap<String, u64>,
    pub tags: Vec<String>,
    /// What the disks below say of their health, by device name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(as = "map[string]")]
    pub health_data: BTreeMap<String, DiskHealth>,
    /// RFC 3339, UTC.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub health_data_last_collected_at: String,
    /// Ours: what keeps replicas from being placed here.
    #[schema(ours)]
    pub causes: Vec<Cause>,
    /// Ours: name of the file system: `ext4`.
    #[schema(ours)]
    pub filesystem_type: String,
}

/// What a device tells of itself (SMART).
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskHealth {
    pub disk_name: String,
    pub disk_type: String,
    /// `PASSED`, `WARNING`, `FAILED` or `UNKNOWN`.
    pub health_status: String,
    /// `SMART`.
    pub source: String,
    pub model_name: String,
    pub serial_number: String,
    pub firmware_version: String,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub capacity: ByteSize,
    /// Degrees Celsius.
    pub temperature: i64,
    pub attributes: Vec<DiskHealthAttribute>,
}

/// One counter of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskHealthAttribute {
    pub id: u32,
    pub name: String,
    pub value: i64,
    pub worst: i64,
    pub threshold: i64,
    pub raw_value: i64,
    pub raw_string: String,
    pub when_failed: String,
}

/// What a disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskType {
    /// A directory on a file system.
    #[default]
    #[serde(alias = "")]
    Filesystem,
    Block,
}

/// Body of a PUT. Absent fields stay as they are: Longhorn zeroes them, which switches nodes off by accident.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "nodeInput")]
pub struct NodeUpdate {
    pub allow_scheduling: Option<bool>,
    pub eviction_requested: Option<bool>,
    pub tags: Option<Vec<String>>,
    #[serde(rename = "instanceManagerCPURequest")]
    pub instance_manager_cpu_request: Option<u32>,
    /// Ours.
    #[schema(ours)]
    pub cordoned: Option<bool>,
    /// Ours: all of them; one that is left out goes.
    #[schema(ours)]
    pub labels: Option<BTreeMap<String, String>>,
    /// Ours: all of them; one that is left out goes.
    #[schema(ours)]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Body of `diskUpdate`: all disks of the node; one that is left out is taken away.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskUpdateInput {
    /// Keyed by disk name.
    #[schema(as = "array[diskUpdate]")]
    pub disks: BTreeMap<String, DiskWish>,
}

/// A disk as it should be. Clients send back the whole disk; what is only told is ignored.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "diskUpdate")]
pub struct DiskWish {
    pub path: String,
    pub disk_type: DiskType,
    pub disk_driver: String,
    pub allow_scheduling: bool,
    pub eviction_requested: bool,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub storage_reserved: ByteSize,
    pub tags: Vec<String>,
}

crate::actions! { Node {
    /// Sets the disks of the node, all of them.
    DiskUpdate = "diskUpdate"(DiskUpdateInput) -> Resource<Node>;
} }

/// The one word for a node, as Longhorn's dashboard derives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeStatus {
    Schedulable,
    Unschedulable,
    Disabled,
    Down,
    Unknown,
}

impl Node {
    /// First match wins: down, disabled, unschedulable, schedulable, unknown.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let condition = |name: &str| self.conditions.get(name).map(|condition| condition.status);
        match condition("Ready") {
            Some(ConditionStatus::False) => return NodeStatus::Down,
            Some(ConditionStatus::True) => {}
            Some(ConditionStatus::Unknown) | None => return NodeStatus::Unknown,
        }
        if !self.allow_scheduling || self.disks.values().all(|disk| !disk.allow_scheduling) {
            return NodeStatus::Disabled;
        }
        let usable = self.disks.values().any(|disk| disk.allow_scheduling && disk.is_schedulable());
        if condition("Schedulable") == Some(ConditionStatus::False) || !usable {
            return NodeStatus::Unschedulable;
        }
        NodeStatus::Schedulable
    }
}

impl Disk {
    /// Used is what the file system says is used; reserved is what others may still take of their reservation (what is
    /// used beyond the replicas' sizes is theirs already); schedulable is what is left.
    #[must_use]
    pub fn parts(&self) -> Space {
        let used = self.storage_maximum.saturating_sub(self.storage_available);
        let used_by_others = used.saturating_sub(self.storage_scheduled);
        let reserved = self.storage_reserved.saturating_sub(used_by_others).min(self.storage_available);
        let schedulable = self.storage_available.saturating_sub(reserved);
        Space { schedulable, reserved, used, disabled: ByteSize::ZERO, total: self.storage_maximum }
    }

    #[must_use]
    pub fn is_schedulable(&self) -> bool {
        self.conditions.get("Schedulable").is_some_and(|condition| condition.status == ConditionStatus::True)
    }
}

/// Sums for the dashboard's space bar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Room for new replicas.
    pub schedulable: ByteSize,
    /// Kept for others by the disks' reservation, as far as they don't use it yet.
    pub reserved: ByteSize,
    /// Not free on the disks.
    pub used: ByteSize,
    /// On disks or nodes that are switched off.
    pub disabled: ByteSize,
    pub total: ByteSize,
}

impl Space {
    /// The four parts of these nodes' disks. They add up to `total`, unlike Longhorn's, whose segments overlap.
    #[must_use]
    pub fn of<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Self {
        let mut space = Self::default();
        for node in nodes {
            for disk in node.disks.values() {
                space.total = space.total.saturating_add(disk.storage_maximum);
                if !node.allow_scheduling || !disk.allow_scheduling {
                    space.disabled = space.disabled.saturating_add(disk.storage_maximum);
                    continue;
                }
                let parts = disk.parts();
                space.used = space.used.saturating_add(parts.used);
                space.reserved = space.reserved.saturating_add(parts.reserved);
                space.schedulable = space.schedulable.saturating_add(parts.schedulable);
            }
        }
        space
    }
}

/// Longhorn's own figures (its dashboard's storage card and the columns of its node table). They overlap: `used` is what is
/// promised, `schedulable` is what is really free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub total: ByteSize,
    /// On disks or nodes that are switched off.
    pub disabled: ByteSize,
    /// The following are of enabled disks on enabled nodes.
    pub reserved: ByteSize,
    pub schedulable: ByteSize,
    pub used: ByteSize,
}

impl Figures {
    #[must_use]
    pub fn of<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Self {
        let mut figures = Self::default();
        let add = |sum: &mut ByteSize, size: ByteSize| *sum = sum.saturating_add(size);
        for (node, disk) in nodes.into_iter().flat_map(|node| node.disks.values().map(move |disk| (node, disk))) {
            add(&mut figures.total, disk.storage_maximum);
            if !node.allow_scheduling || !disk.allow_scheduling {
                add(&mut figures.disabled, disk.storage_maximum);
                continue;
            }
            add(&mut figures.reserved, disk.storage_reserved);
            add(&mut figures.schedulable, disk.storage_available);
            add(&mut figures.used, disk.storage_scheduled);
        }
        figures
    }
}

/// A part of a whole, as a bar shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub part: ByteSize,
    pub whole: ByteSize,
}

impl Share {
    /// Truncated; more than 100 where more is promised than may be. 0 of nothing.
    #[must_use]
    pub fn percent(self) -> u64 {
        match self.whole.0 {
            0 => 0,
            whole => u64::try_from(u128::from(self.part.0) * 100 / u128::from(whole)).unwrap_or(u64::MAX),
        }
    }
}

/// The columns Size, Allocated and Used of Longhorn's node table, for one disk or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// What is not reserved.
    pub size: ByteSize,
    /// The second line of Size.
    pub reserved: ByteSize,
    /// Promised, of what may be promised.
    pub allocated: Share,
    /// Not free, of everything.
    pub used: Share,
}

impl Columns {
    /// `over_provisioning_percent` is the setting storage-over-provisioning-percentage.
    #[must_use]
    pub fn of<'a>(disks: impl IntoIterator<Item = &'a Disk>, over_provisioning_percent: u64) -> Self {
        let mut columns = Self::default();
        let add = |sum: &mut ByteSize, size: ByteSize| *sum = sum.saturating_add(size);
        for disk in disks {
            add(&mut columns.size, disk.storage_maximum.saturating_sub(disk.storage_reserved));
            add(&mut columns.reserved, disk.storage_reserved);
            add(&mut columns.allocated.part, disk.storage_scheduled);
            add(&mut columns.used.part, disk.storage_maximum.saturating_sub(disk.storage_available));
            add(&mut columns.used.whole, disk.storage_maximum);
        }
        let limit = u128::from(columns.size.0) * u128::from(over_provisioning_percent) / 100;
        columns.allocated.whole = ByteSize(u64::try_from(limit).unwrap_or(u64::MAX));
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Condition;

    const SCHEDULED: u64 = 20;

    fn node(allow: bool, maximum: u64, available: u64, reserved: u64) -> Node {
        let condition = Condition { status: ConditionStatus::True, ..Condition::default() };
        let disk = Disk {
            allow_scheduling: true,
            storage_maximum: ByteSize(maximum),
            storage_available: ByteSize(available),
            storage_reserved: ByteSize(reserved),
            storage_scheduled: ByteSize(SCHEDULED),
            conditions: [("Schedulable".to_owned(), condition.clone())].into(),
            ..Disk::default()
        };
        Node {
            allow_scheduling: allow,
            conditions: [("Ready".to_owned(), condition)].into(),
            disks: [("d".to_owned(), disk)].into(),
            ..Node::default()
        }
    }

    #[test]
    fn parts_add_up() {
        let nodes = [node(true, 100, 60, 30), node(true, 100, 10, 30), node(false, 50, 50, 0)];
        let space = Space::of(&nodes);
        assert_eq!(space.total, ByteSize(250));
        assert_eq!(space.used, ByteSize(130));
        // On the first, others use 20 of the 30 reserved for them; on the second, more than all of it.
        assert_eq!(space.reserved, ByteSize(10));
        assert_eq!(space.schedulable, ByteSize(60));
        assert_eq!(space.disabled, ByteSize(50));
    }

    /// W40: what the dashboard's storage card shows.
    #[test]
    fn figures_of_longhorns_storage_card() {
        let mut half = node(true, 100, 60, 30);
        let off = Disk { allow_scheduling: false, ..half.disks["d"].clone() };
        half.disks.insert("off".to_owned(), off);
        let nodes = [half, node(true, 200, 10, 50), node(false, 50, 50, 5)];
        let figures = Figures::of(&nodes);
        let wanted = Figures {
            total: ByteSize(450),
            disabled: ByteSize(150),
            reserved: ByteSize(80),
            schedulable: ByteSize(70),
            used: ByteSize(40),
        };
        assert_eq!(figures, wanted);
    }

    /// W41: the columns of the node page.
    #[test]
    fn columns_of_longhorns_node_table() {
        let nodes = [node(true, 100, 60, 30), node(true, 200, 10, 50)];
        let disks = || nodes.iter().flat_map(|node| node.disks.values());
        let columns = Columns::of(disks(), 200);
        assert_eq!((columns.size, columns.reserved), (ByteSize(220), ByteSize(80)));
        assert_eq!(columns.allocated, Share { part: ByteSize(40), whole: ByteSize(440) });
        assert_eq!(columns.used, Share { part: ByteSize(230), whole: ByteSize(300) });
        assert_eq!((columns.allocated.percent(), columns.used.percent()), (9, 76));
        // More promised than may be shows as more than the whole; nothing divides by zero.
        assert_eq!(Columns::of(disks(), 10).allocated.percent(), 181);
        assert_eq!(Columns::of(disks(), 0).allocated.percent(), 0);
    }

    #[test]
    fn status_words() {
        assert_eq!(node(true, 1, 1, 0).status(), NodeStatus::Schedulable);
        assert_eq!(node(false, 1, 1, 0).status(), NodeStatus::Disabled);
        assert_eq!(Node::default().status(), NodeStatus::Unknown);
        let mut down = node(true, 1, 1, 0);
        down.conditions.insert("Ready".into(), Condition { status: ConditionStatus::False, ..Condition::default() });
        assert_eq!(down.status(), NodeStatus::Down);
        let mut full = node(true, 1, 1, 0);
        full.disks.values_mut().for_each(|disk| disk.conditions.clear());
        assert_eq!(full.status(), NodeStatus::Unschedulable);
    }
}
