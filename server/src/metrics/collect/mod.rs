//! A scrape: the page made of what the store, the kept numbers and the machine tell now.

mod backing_images;
mod backups;
mod disks;
mod engines;
mod instance_managers;
mod nodes;
mod process;
mod replicas;
mod snapshots;
mod volumes;

use std::collections::BTreeMap;
use std::sync::Arc;

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
use serde::Serialize;

use super::page::{Family, Page};
use super::{jobs, requests, work};
use crate::resources::{
    BackingImage, Backup, BackupBackingImage, BackupTarget, BackupVolume, Engine, InstanceManager, Node, Object,
    Replica, Snapshot, Volume,
};
use crate::store::{Store, StoreError};

pub use super::page::CONTENT_TYPE;

/// The resources that metrics tell of.
struct World {
    volumes: Vec<Arc<Object<Volume>>>,
    engines: Vec<Arc<Object<Engine>>>,
    replicas: Vec<Arc<Object<Replica>>>,
    nodes: Vec<Arc<Object<Node>>>,
    snapshots: Vec<Arc<Object<Snapshot>>>,
    instance_managers: Vec<Arc<Object<InstanceManager>>>,
    backups: Vec<Arc<Object<Backup>>>,
    backup_volumes: Vec<Arc<Object<BackupVolume>>>,
    backup_targets: Vec<Arc<Object<BackupTarget>>>,
    backing_images: Vec<Arc<Object<BackingImage>>>,
    backup_backing_images: Vec<Arc<Object<BackupBackingImage>>>,
}

/// The whole page.
pub async fn page(store: &Store) -> Result<String, StoreError> {
    let world = World {
        volumes: store.list_shared().await?,
        engines: store.list_shared().await?,
        replicas: store.list_shared().await?,
        nodes: store.list_shared().await?,
        snapshots: store.list_shared().await?,
        instance_managers: store.list_shared().await?,
        backups: store.list_shared().await?,
        backup_volumes: store.list_shared().await?,
        backup_targets: store.list_shared().await?,
        backing_images: store.list_shared().await?,
        backup_backing_images: store.list_shared().await?,
    };
    let mut page = Page::default();
    volumes::write(&mut page, &world);
    engines::write(&mut page, &world);
    replicas::write(&mut page, &world);
    snapshots::write(&mut page, &world);
    backups::write(&mut page, &world);
    backing_images::write(&mut page, &world);
    nodes::write(&mut page, &world);
    disks::write(&mut page, &world);
    instance_managers::write(&mut page, &world);
    process::write(&mut page, &world);
    work::write(&mut page);
    jobs::write(&mut page);
    requests::write(&mut page);
    Ok(page.into_text())
}

impl World {
    fn volumes_by_name(&self) -> BTreeMap<&str, &Object<Volume>> {
        self.volumes.iter().map(|volume| (volume.name(), &**volume)).collect()
    }
}

/// Namespace and name of the claim that a volume is bound to; empty without one.
fn claim(volume: &Object<Volume>) -> [(&'static str, &str); 2] {
    let kubernetes = &volume.status.kubernetes_status;
    [("pvc", &kubernetes.pvc_name), ("pvc_namespace", &kubernetes.namespace)]
}

/// The word of a state, as it stands in JSON.
fn word<T: Serialize>(state: T) -> String {
    match serde_json::to_value(state) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// One sample for each state that there is: 1 for the present one.
fn states<T: Described + Serialize>(family: &mut Family<'_>, labels: &[(&str, &str)], present: T) {
    states_of(family, labels, T::OPTIONS, &word(present));
}

fn states_of(family: &mut Family<'_>, labels: &[(&str, &str)], all: &[&str], present: &str) {
    for state in all {
        let labels: Vec<_> = labels.iter().copied().chain([("state", *state)]).collect();
        family.flag(&labels, *state == present);
    }
}

/// What `currentState` of engines and replicas can be.
const INSTANCE_STATES: [&str; 6] = ["running", "stopped", "error", "starting", "stopping", "unknown"];

/// One sample for each condition: 1 where it is true.
fn conditions(family: &mut Family<'_>, labels: &[(&str, &str)], conditions: &[Condition]) {
    for condition in conditions {
        let told = [("condition", condition.kind.to_lowercase()), ("condition_reason", condition.reason.clone())];
        let told = told.iter().map(|(name, value)| (*name, value.as_str()));
        let labels: Vec<_> = labels.iter().copied().chain(told).collect();
        family.flag(&labels, condition.status == aurochs_api::condition::ConditionStatus::True);
    }
}
