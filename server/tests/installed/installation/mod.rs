//! An installation on this machine, and its one volume as the store has it.

mod api;
mod processes;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aurochs_api::size::ByteSize;
use aurochs_server::instance::Network;
use aurochs_server::jobs::Jobs;
use aurochs_server::recurring::clock::Clock;
use aurochs_server::resources::node::READY;
use aurochs_server::resources::replica::ReplicaSpec;
use aurochs_server::resources::volume::{Frontend, Robustness, VolumeSpec, VolumeState};
use aurochs_server::resources::volume_attachment::{AttacherType, AttachmentTicket, PARAMETER_DISABLE_FRONTEND};
use aurochs_server::resources::{
    Engine, LABEL_VOLUME, Node, Object, Replica, Snapshot, Volume, VolumeAttachment, condition,
};
use aurochs_server::standalone::{Layout, Manager, Options, stop};
use aurochs_server::store::Store;
use aurochs_server::store::sqlite::Sqlite;
use aurochs_test_place::Place;
use nix::unistd::Pid;
use serde_json::json;

/// Far more than a step takes; only a step that never comes true meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The one volume of a test.
pub(crate) const VOLUME: &str = "vol";
/// The user's ticket.
pub(crate) const TICKET: &str = "test";
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const SIZE: u64 = 64 * MIB;

fn engine_binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("aurochs-engine");
    assert!(binary.exists(), "{} is missing; run cargo build -p aurochs-engine", binary.display());
    binary
}

pub(crate) struct Installation {
    /// Cleaned up when all else here is gone.
    _place: Place,
    data: PathBuf,
    manager: Option<Manager>,
    /// Of the first user, as the header has it.
    authorization: String,
    zones: Vec<String>,
    /// Of recurring jobs.
    clock: Clock,
    /// Processes that were stopped without being ended.
    frozen: Vec<Pid>,
}

impl Installation {
    pub(crate) async fn start(nodes: u32) -> Self {
        Self::start_in_zones(nodes, &[]).await
    }

    /// `zones`: what `--zone` takes.
    pub(crate) async fn start_in_zones(nodes: u32, zones: &[&str]) -> Self {
        Self::start_with(nodes, zones, Clock::default()).await
    }

    pub(crate) async fn start_by(nodes: u32, clock: Clock) -> Self {
        Self::start_with(nodes, &[], clock).await
    }

    async fn start_with(nodes: u32, zones: &[&str], clock: Clock) -> Self {
        let mut installation = Self::empty(zones, clock);
        installation.start_manager(nodes).await;
        // The machine that runs the test may be nearly full; the volumes here are tiny.
        installation.set("storage-minimal-available-percentage", "0").await;
        installation.set("storage-over-provisioning-percentage", "10000").await;
        installation
    }

    /// A place for one, with nothing in it.
    pub(crate) fn empty(zones: &[&str], clock: Clock) -> Self {
        let place = Place::new(&engine_binary().with_file_name("aurochs"));
        Self {
            data: place.data(),
            _place: place,
            manager: None,
            authorization: String::new(),
            zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
            clock,
            frozen: Vec::new(),
        }
    }

    /// Starts the manager, also in the place of one that runs: with as many nodes, new ones among them.
    pub(crate) async fn start_manager(&mut self, nodes: u32) {
        self.stop_manager().await;
        self.launch_manager(nodes).await;
        self.until("all nodes are ready", async |store| {
            let ready = |node: &Object<Node>| condition::is_true(&node.status.conditions, READY);
            let now = store.list::<Node>().await.unwrap();
            now.len() == nodes as usize && now.iter().all(ready)
        })
        .await;
    }

    /// Starts the manager and waits for no node.
    pub(crate) async fn launch_manager(&mut self, nodes: u32) {
        let options = Options {
            data: self.data.clone(),
            nodes,
            address: "127.0.0.1:0".parse().unwrap(),
            network: Network::default(),
            engine_binary: Some(engine_binary()),
            zones: self.zones.iter().map(|zone| zone.parse().unwrap()).collect(),
            kubernetes: None,
        };
        let manager = Manager::start_by(&options, self.clock.clone()).await.unwrap();
        if let Some(first) = &manager.first_password {
            self.authorization = api::basic(first.user, &first.password);
        }
        self.manager = Some(manager);
    }

    /// The manager goes away; everything beneath it runs on.
    pub(crate) async fn stop_manager(&mut self) {
        if let Some(manager) = self.manager.take() {
            manager.stop().await;
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.data
    }

    pub(crate) fn store(&self) -> Store {
        self.manager.as_ref().unwrap().app.store.clone()
    }

    /// What is stored, while no manager works on it.
    pub(crate) async fn stored(&self) -> Store {
        let database = Layout::find(self.path()).unwrap().database();
        Store::new(Arc::new(Sqlite::open(&database).await.unwrap()))
    }

    pub(crate) fn history(&self) -> Jobs {
        self.manager.as_ref().unwrap().app.jobs.clone()
    }

    pub(crate) async fn set(&self, name: &str, value: &str) {
        self.call("PUT", &format!("/v1/settings/{name}"), json!({"value": value})).await;
    }

    // === waiting ===

    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Store) -> bool) {
        let store = self.store();
        let wait = async {
            while !holds(&store).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            let volumes = store.list::<Volume>().await.unwrap();
            let tickets = store.list::<VolumeAttachment>().await.unwrap();
            let (engines, replicas) = (store.list::<Engine>().await.unwrap(), store.list::<Replica>().await.unwrap());
            let snapshots = store.list::<Snapshot>().await.unwrap();
            // What moves most comes last: logs are often cut from the top.
            panic!(
                "waited in vain until {what}:\n{snapshots:#?}\n{replicas:#?}\n{engines:#?}\n{tickets:#?}\n{volumes:#?}"
            );
        }
    }

    pub(crate) async fn until_volume(&self, what: &str, holds: impl Fn(&Object<Volume>) -> bool) -> Object<Volume> {
        self.until(what, async |store| store.find(VOLUME).await.unwrap().is_some_and(|volume| holds(&volume))).await;
        self.store().get(VOLUME).await.unwrap()
    }

    pub(crate) async fn until_healthy(&self) -> Object<Volume> {
        self.until_volume("it is attached and healthy", |volume| {
            volume.status.state == VolumeState::Attached && volume.status.robustness == Robustness::Healthy
        })
        .await
    }

    pub(crate) async fn until_detached(&self) -> Object<Volume> {
        self.until_volume("it is detached", |volume| volume.status.state == VolumeState::Detached).await
    }

    // === the volume ===

    pub(crate) async fn create(&self, replicas: u32, change: impl FnOnce(&mut VolumeSpec)) {
        let size = ByteSize(SIZE);
        let mut spec =
            VolumeSpec { size, number_of_replicas: replicas, frontend: Frontend::Nbd, ..VolumeSpec::default() };
        change(&mut spec);
        self.store().create(&Object::<Volume>::new(VOLUME, spec)).await.unwrap();
        self.until_detached().await;
    }

    pub(crate) async fn attach(&self, node: &str) {
        self.want(VOLUME, node, "false").await;
    }

    pub(crate) async fn attach_for_maintenance(&self, node: &str) {
        self.want(VOLUME, node, "true").await;
    }

    /// Another volume than the test's own.
    pub(crate) async fn attach_volume(&self, volume: &str, node: &str) {
        self.want(volume, node, "false").await;
    }

    async fn want(&self, volume: &str, node: &str, disable_frontend: &str) {
        let ticket = AttachmentTicket {
            id: TICKET.into(),
            kind: AttacherType::LonghornApi,
            node_id: node.into(),
            parameters: [(PARAMETER_DISABLE_FRONTEND.to_owned(), disable_frontend.to_owned())].into(),
            ..AttachmentTicket::default()
        };
        let change = |attachment: &mut Object<VolumeAttachment>| {
            attachment.spec.attachment_tickets.insert(TICKET.into(), ticket.clone());
        };
        self.store().modify(volume, change).await.unwrap();
    }

    /// Takes the user's ticket back.
    pub(crate) async fn release(&self) {
        let change = |attachment: &mut Object<VolumeAttachment>| {
            attachment.spec.attachment_tickets.remove(TICKET);
        };
        self.store().modify(VOLUME, change).await.unwrap();
    }

    pub(crate) async fn detach(&self) {
        self.release().await;
        self.until_detached().await;
    }

    pub(crate) async fn engine(&self) -> Object<Engine> {
        self.store().get(&format!("{VOLUME}-e-0")).await.unwrap()
    }

    pub(crate) async fn replicas(&self) -> Vec<Object<Replica>> {
        self.store().list_labelled(LABEL_VOLUME, VOLUME).await.unwrap()
    }

    // === the end ===

    pub(crate) async fn stop(mut self) {
        self.thaw();
        self.stop_manager().await;
        stop::stop(self.path()).await.unwrap();
        let rest = Command::new("pgrep").arg("-f").arg(self.path()).output().unwrap();
        assert!(rest.stdout.is_empty(), "processes were left: {}", String::from_utf8_lossy(&rest.stdout));
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.thaw();
        // Before its place is cleaned up.
        self.manager.take();
    }
}

pub(crate) fn directory_of(spec: &ReplicaSpec) -> PathBuf {
    PathBuf::from(spec.data_path())
}
