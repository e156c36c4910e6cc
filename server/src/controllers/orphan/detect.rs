//! What on a node belongs to nothing. Pure, but for the reading of what is owned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use aurochs_engine::grpc::instance_v1::{Instance, InstanceKind};
use sha2::{Digest, Sha256};

use crate::controllers::node::Look;
use crate::controllers::{Context, Error, instance_manager};
use crate::resources::orphan::{
    OrphanSpec, OrphanType, PARAMETER_DATA_NAME, PARAMETER_DISK_NAME, PARAMETER_DISK_PATH, PARAMETER_DISK_TYPE,
    PARAMETER_DISK_UUID, PARAMETER_INSTANCE_MANAGER, PARAMETER_INSTANCE_NAME, PARAMETER_INSTANCE_UUID,
};
use crate::resources::{Engine, LABEL_NODE, Node, Object, Orphan, Replica};

/// Longhorn's labels of orphans.
const LABEL_TYPE: &str = "longhorn.io/orphan-type";
const LABEL_COMPONENT: &str = "longhorn.io/component";
const LABEL_DISK: &str = "longhorndiskuuid";
const LABEL_MANAGER: &str = "longhorninstancemanager";

/// What resources name at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::controllers) struct Owned {
    /// Replica directories, by name alone: a copy of a disk must not make the data of its replicas look ownerless.
    pub(super) directories: BTreeSet<String>,
    /// Engines and replicas that may have a process on the node.
    pub(super) processes: BTreeSet<String>,
}

impl Owned {
    /// What the store has now.
    pub(in crate::controllers) async fn read(context: &Context, node: &str) -> Result<Self, Error> {
        let engines = context.store.list_shared::<Engine>().await?;
        let replicas = context.store.list_shared::<Replica>().await?;
        let engines = engines.iter().map(|engine| (engine.name(), engine.spec.node_id.as_str()));
        let places = replicas.iter().map(|replica| (replica.name(), replica.spec.node_id.as_str()));
        let may_be_here = |(_, place): &(&str, &str)| place.is_empty() || *place == node;
        Ok(Self {
            processes: engines.chain(places).filter(may_be_here).map(|(name, _)| name.to_owned()).collect(),
            directories: replicas.iter().map(|replica| replica.spec.data_directory_name.clone()).collect(),
        })
    }
}

/// What was seen on a node that answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) node: &'a Object<Node>,
    /// By disk name.
    pub(super) looks: &'a BTreeMap<String, Look>,
    pub(super) instances: &'a [Instance],
}

impl Seen<'_> {
    /// The directories on a disk; none when the disk was not seen, or is not the recorded one.
    fn directories(&self, disk: &str) -> Option<impl Iterator<Item = &String>> {
        let found = self.looks.get(disk)?.found()?;
        let recorded = self.node.status.disk_status.get(disk)?;
        let is_right = !found.disk_uuid.is_empty() && found.disk_uuid == recorded.disk_uuid;
        is_right.then(|| found.replica_directories.keys())
    }
}

/// All orphans of the node, by name. Owned is what was owned before or after everything was seen: what was made in between
/// is named after, what was deleted in between was named before.
pub(super) fn orphans(seen: &Seen<'_>, before: &Owned, after: &Owned) -> BTreeMap<String, Object<Orphan>> {
    let mut found = BTreeMap::new();
    let mut add = |orphan: Object<Orphan>| {
        found.insert(orphan.name().to_owned(), orphan);
    };
    for disk in seen.node.spec.disks.keys() {
        let is_owned = |name: &&String| before.directories.contains(*name) || after.directories.contains(*name);
        let directories = seen.directories(disk).into_iter().flatten();
        for directory in directories.filter(|name| is_replica_directory(name) && !is_owned(name)) {
            add(of_directory(seen.node, disk, directory));
        }
    }
    for instance in seen.instances {
        let is_owned = before.processes.contains(&instance.name) || after.processes.contains(&instance.name);
        if !is_owned && let Some(kind) = kind_of(instance) {
            add(of_instance(seen.node.name(), instance, kind));
        }
    }
    found
}

/// Whether it was seen that what the orphan stood for is not there, or is owned, or that its disk was taken away. For one
/// that [`orphans`] did not find: not to have looked is no proof.
pub(super) fn is_gone(orphan: &OrphanSpec, seen: &Seen<'_>) -> bool {
    if orphan.orphan_type != OrphanType::Replica {
        return true;
    }
    let parameter = |key: &str| orphan.parameters.get(key).map(String::as_str).unwrap_or_default();
    let disk = parameter(PARAMETER_DISK_NAME);
    if !seen.node.spec.disks.contains_key(disk) {
        return true;
    }
    let recorded = seen.node.status.disk_status.get(disk).map(|disk| disk.disk_uuid.as_str()).unwrap_or_default();
    recorded == parameter(PARAMETER_DISK_UUID) && seen.directories(disk).is_some()
}

/// Whether the process is in the list. Another one of its name is not it.
pub(super) fn is_listed(orphan: &OrphanSpec, instances: &[Instance]) -> bool {
    let parameter = |key: &str| orphan.parameters.get(key).map(String::as_str).unwrap_or_default();
    instances.iter().any(|instance| {
        instance.name == parameter(PARAMETER_INSTANCE_NAME) && uuid_of(instance) == parameter(PARAMETER_INSTANCE_UUID)
    })
}

/// `<volume>-<8 hex>`; other directories are not the product's to judge.
fn is_replica_directory(name: &str) -> bool {
    let Some((volume, digits)) = name.rsplit_once('-') else { return false };
    let is_hexadecimal = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    !volume.is_empty() && digits.len() == 8 && is_hexadecimal
}

fn kind_of(instance: &Instance) -> Option<OrphanType> {
    match instance.kind() {
        InstanceKind::Engine => Some(OrphanType::EngineInstance),
        InstanceKind::Replica => Some(OrphanType::ReplicaInstance),
        InstanceKind::Unspecified => None,
    }
}

/// A process has no other identity than its number.
fn uuid_of(instance: &Instance) -> String {
    instance.pid.to_string()
}

fn of_directory(node: &Object<Node>, disk: &str, directory: &str) -> Object<Orphan> {
    let (spec, status) = (node.spec.disks.get(disk), node.status.disk_status.get(disk));
    let path = spec.map(|disk| disk.path.as_str()).unwrap_or_default();
    let uuid = status.map(|disk| disk.disk_uuid.as_str()).unwrap_or_default();
    let parameters = [
        (PARAMETER_DATA_NAME, directory),
        (PARAMETER_DISK_NAME, disk),
        (PARAMETER_DISK_UUID, uuid),
        (PARAMETER_DISK_PATH, path),
        (PARAMETER_DISK_TYPE, "filesystem"),
    ];
    let mut orphan = orphan(node.name(), OrphanType::Replica, &parameters, &[disk, path, uuid, directory]);
    orphan.metadata.labels.insert(LABEL_DISK.to_owned(), uuid.to_owned());
    orphan
}

fn of_instance(node: &str, instance: &Instance, kind: OrphanType) -> Object<Orphan> {
    let (manager, uuid) = (instance_manager::name_of(node), uuid_of(instance));
    let parameters = [
        (PARAMETER_INSTANCE_NAME, instance.name.as_str()),
        (PARAMETER_INSTANCE_UUID, &uuid),
        (PARAMETER_INSTANCE_MANAGER, &manager),
    ];
    let mut orphan = orphan(node, kind, &parameters, &[&instance.name, &uuid, &manager]);
    orphan.metadata.labels.insert(LABEL_MANAGER.to_owned(), manager.clone());
    orphan
}

/// The name is made of all that tells it from others: the same thing found again is the same orphan.
fn orphan(node: &str, kind: OrphanType, parameters: &[(&str, &str)], identity: &[&str]) -> Object<Orphan> {
    let word = serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
    let whole = std::iter::once(node).chain(identity.iter().copied()).collect::<Vec<_>>().join("-");
    let name = Sha256::digest(whole).iter().fold("orphan-".to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    let parameters = parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let spec = OrphanSpec { node_id: node.to_owned(), orphan_type: kind, data_engine: "v1".to_owned(), parameters };
    let mut orphan = Object::<Orphan>::new(name, spec);
    let labels = [(LABEL_NODE, node), (LABEL_TYPE, word.as_str()), (LABEL_COMPONENT, "orphan")];
    orphan.metadata.labels.extend(labels.map(|(key, value)| (key.to_owned(), value.to_owned())));
    orphan
}

/// The orphan in words.
#[must_use]
pub fn words(orphan: &OrphanSpec) -> String {
    let parameter = |key: &str| orphan.parameters.get(key).map(String::as_str).unwrap_or_default();
    let node = &orphan.node_id;
    match orphan.orphan_type {
        OrphanType::Replica => format!(
            "replica directory {} on disk {} ({}) of {node}, which no replica names",
            parameter(PARAMETER_DATA_NAME),
            parameter(PARAMETER_DISK_NAME),
            parameter(PARAMETER_DISK_PATH)
        ),
        OrphanType::EngineInstance
        | OrphanType::ReplicaInstance
        | OrphanType::ShardInstance
        | OrphanType::ShardGroupInstance => {
            format!("process {} on {node}, which no resource names", parameter(PARAMETER_INSTANCE_NAME))
        }
    }
}

#[cfg(test)]
#[path = "detect_tests.rs"]
mod tests;
