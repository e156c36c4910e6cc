//! What there is: in the store, among the processes, on the disks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use aurochs_engine::grpc::instance_v1::{Instance, InstanceListRequest};
use aurochs_server::instance::{Clients, LOOK_TIMEOUT, Network, within};
use aurochs_server::resources::{
    Engine, Kind, Node, Object, Orphan, RecurringJob, Replica, Setting, Snapshot, Volume, VolumeAttachment,
};
use aurochs_server::standalone::Layout;
use aurochs_server::store::Store;
use aurochs_server::store::sqlite::Sqlite;

use crate::process;

const BLOCK_BYTES: usize = 4096;

/// The content of a block with this mark; unwritten blocks have the mark 0.
pub(crate) fn block_of(mark: u16) -> Vec<u8> {
    mark.to_be_bytes().repeat(BLOCK_BYTES / 2)
}

/// An instance and its node.
pub(crate) struct Running {
    pub(crate) node: String,
    pub(crate) told: Instance,
}

pub(crate) struct World {
    pub(crate) volumes: BTreeMap<String, Object<Volume>>,
    pub(crate) engines: Vec<Object<Engine>>,
    pub(crate) replicas: Vec<Object<Replica>>,
    pub(crate) snapshots: Vec<Object<Snapshot>>,
    pub(crate) attachments: Vec<Object<VolumeAttachment>>,
    pub(crate) orphans: Vec<Object<Orphan>>,
    pub(crate) jobs: Vec<Object<RecurringJob>>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) nodes: BTreeMap<String, Object<Node>>,
    pub(crate) instances: Vec<Running>,
    /// Node and name of each replica's directory.
    pub(crate) directories: BTreeSet<(String, String)>,
    /// Volumes with a control record.
    pub(crate) records: BTreeSet<String>,
    pub(crate) processes: BTreeSet<u32>,
}

/// All objects of a kind as they are now: a store that another process writes to is read anew each time.
pub(crate) async fn list<K: Kind>(sqlite: &Sqlite) -> Vec<Object<K>> {
    Store::new(Arc::new(sqlite.clone())).list::<K>().await.unwrap()
}

pub(crate) async fn instances(layout: &Layout) -> Vec<Running> {
    let clients = Clients::new(layout.instance_manager_addresses(), Network::default());
    let mut all = Vec::new();
    for node in &clients.nodes() {
        let mut manager = clients.manager(node).unwrap();
        let list = manager.instance_list(within(LOOK_TIMEOUT, InstanceListRequest {})).await.unwrap().into_inner();
        all.extend(list.instances.into_iter().map(|told| Running { node: node.to_owned(), told }));
    }
    all
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

impl World {
    pub(crate) async fn look(sqlite: &Sqlite, layout: &Layout) -> Self {
        let mut directories = BTreeSet::new();
        for node in &layout.nodes {
            let found = names(&layout.node_data(node).join("replicas"));
            directories.extend(found.into_iter().map(|name| (node.clone(), name)));
        }
        let named = |object: Object<Setting>| (object.metadata.name, object.spec.value);
        Self {
            volumes: list::<Volume>(sqlite).await.into_iter().map(|one| (one.name().to_owned(), one)).collect(),
            engines: list(sqlite).await,
            replicas: list(sqlite).await,
            snapshots: list(sqlite).await,
            attachments: list(sqlite).await,
            orphans: list(sqlite).await,
            jobs: list(sqlite).await,
            settings: list(sqlite).await.into_iter().map(named).collect(),
            nodes: list::<Node>(sqlite).await.into_iter().map(|one| (one.name().to_owned(), one)).collect(),
            instances: instances(layout).await,
            directories,
            records: names(&layout.records()).into_iter().collect(),
            processes: process::processes(&layout.data).into_iter().chain(process::processes(&layout.run)).collect(),
        }
    }
}
