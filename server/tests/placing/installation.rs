//! An installation with several nodes: the manager inside the test, everything else the real binary.

use std::path::PathBuf;
use std::time::Duration;

use aurochs_api::condition::ConditionStatus;
use aurochs_api::replica::ReplicaMode;
use aurochs_api::size::ByteSize;
use aurochs_server::instance::Network;
use aurochs_server::resources::node::{DiskSpec, READY};
use aurochs_server::resources::volume::{Frontend, Robustness, VolumeSpec, VolumeState};
use aurochs_server::resources::volume_attachment::{AttacherType, AttachmentTicket, PARAMETER_DISABLE_FRONTEND};
use aurochs_server::resources::{
    Engine, InstanceManager, LABEL_VOLUME, Node, Object, Replica, Setting, Volume, VolumeAttachment, condition,
};
use aurochs_server::standalone::{Layout, Manager, Options, stop};
use aurochs_server::store::Store;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far more than a step takes; only a step that never comes true meets it.
const PATIENCE: Duration = Duration::from_secs(120);
/// The one volume of a test.
pub(crate) const VOLUME: &str = "placing";
/// The user's ticket.
const TICKET: &str = "test";

fn engine_binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("aurochs-engine");
    assert!(binary.exists(), "{} is missing; run cargo build -p aurochs-engine", binary.display());
    binary
}

pub(crate) struct Installation {
    data: tempfile::TempDir,
    manager: Option<Manager>,
    /// Processes that were stopped without being ended.
    frozen: Vec<Pid>,
}

impl Installation {
    pub(crate) async fn start(nodes: u32) -> Self {
        let mut installation = Self { data: tempfile::tempdir().unwrap(), manager: None, frozen: Vec::new() };
        installation.with_nodes(nodes).await;
        // The machine that runs the test may be nearly full; the volumes here are tiny.
        installation.set("storage-minimal-available-percentage", "0").await;
        installation.set("storage-over-provisioning-percentage", "10000").await;
        installation
    }

    /// Starts the manager, again if it runs: with as many nodes, new ones among them.
    pub(crate) async fn with_nodes(&mut self, nodes: u32) {
        self.stop_manager().await;
        let options = Options {
            data: self.data.path().to_owned(),
            nodes,
            address: "127.0.0.1:0".parse().unwrap(),
            network: Network::default(),
            engine_binary: Some(engine_binary()),
            zones: Vec::new(),
        };
        self.manager = Some(Manager::start(&options).await.unwrap());
        self.until("all nodes are ready", async |store| {
            let ready = |node: &Object<Node>| condition::is_true(&node.status.conditions, READY);
            let now = store.list::<Node>().await.unwrap();
            now.len() == nodes as usize && now.iter().all(ready)
        })
        .await;
    }

    /// The manager goes away; everything beneath it runs on.
    async fn stop_manager(&mut self) {
        if let Some(manager) = self.manager.take() {
            manager.stop().await;
        }
    }

    pub(crate) fn store(&self) -> Store {
        self.manager.as_ref().unwrap().app.store.clone()
    }

    pub(crate) async fn set(&self, name: &str, value: &str) {
        let change = |setting: &mut Object<Setting>| value.clone_into(&mut setting.spec.value);
        self.store().modify::<Setting>(name, change).await.unwrap();
    }

    pub(crate) async fn change_node(&self, name: &str, change: impl FnMut(&mut Object<Node>) + Send) {
        self.store().modify::<Node>(name, change).await.unwrap();
    }

    /// Gives a node another disk and waits until it can be used.
    pub(crate) async fn add_disk(&self, node: &str, disk: &str) {
        let path = self.data.path().join(format!("{node}-{disk}"));
        std::fs::create_dir(&path).unwrap();
        let path = path.to_string_lossy().into_owned();
        let spec = DiskSpec { path, allow_scheduling: true, ..DiskSpec::default() };
        self.change_node(node, |node| drop(node.spec.disks.insert(disk.to_owned(), spec.clone()))).await;
        self.until("the new disk is ready", async |store| {
            let node = store.get::<Node>(node).await.unwrap();
            node.status.disk_status.get(disk).is_some_and(|disk| condition::is_true(&disk.conditions, READY))
        })
        .await;
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Store) -> bool) {
        let store = self.store();
        let wait = async {
            while !holds(&store).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            let volume = store.find::<Volume>(VOLUME).await.unwrap();
            let tickets = store.find::<VolumeAttachment>(VOLUME).await.unwrap();
            let engines = store.list::<Engine>().await.unwrap();
            let replicas = store.list::<Replica>().await.unwrap();
            panic!("waited in vain until {what}:\n{volume:#?}\n{tickets:#?}\n{engines:#?}\n{replicas:#?}");
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

    /// Waits until as many replicas as given are on the nodes given, all of them whole, and no other is left.
    pub(crate) async fn until_replicas_are_on(&self, nodes: &[&str]) -> Vec<Object<Replica>> {
        self.until(&format!("its replicas are on {nodes:?}"), async |_| {
            let replicas = self.replicas().await;
            let mut on: Vec<&str> = replicas.iter().map(|replica| replica.spec.node_id.as_str()).collect();
            on.sort_unstable();
            on == nodes && replicas.iter().all(|replica| !replica.spec.healthy_at.is_empty() && !replica.is_deleting())
        })
        .await;
        self.replicas().await
    }

    pub(crate) async fn create(&self, replicas: u32, change: impl FnOnce(&mut VolumeSpec)) {
        let size = ByteSize(64 << 20);
        let mut spec =
            VolumeSpec { size, number_of_replicas: replicas, frontend: Frontend::Nbd, ..VolumeSpec::default() };
        change(&mut spec);
        self.store().create(&Object::<Volume>::new(VOLUME, spec)).await.unwrap();
        self.until_detached().await;
    }

    pub(crate) async fn change(&self, change: impl Fn(&mut VolumeSpec) + Send + Sync) {
        self.store().modify::<Volume>(VOLUME, |volume| change(&mut volume.spec)).await.unwrap();
    }

    pub(crate) async fn attach(&self, node: &str) {
        let ticket = AttachmentTicket {
            id: TICKET.into(),
            kind: AttacherType::LonghornApi,
            node_id: node.into(),
            parameters: [(PARAMETER_DISABLE_FRONTEND.to_owned(), "false".to_owned())].into(),
            ..AttachmentTicket::default()
        };
        let change = |attachment: &mut Object<VolumeAttachment>| {
            attachment.spec.attachment_tickets.insert(TICKET.into(), ticket.clone());
        };
        self.store().modify(VOLUME, change).await.unwrap();
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

    pub(crate) async fn tickets(&self) -> Vec<AttacherType> {
        let attachment = self.store().get::<VolumeAttachment>(VOLUME).await.unwrap();
        attachment.spec.attachment_tickets.into_values().map(|ticket| ticket.kind).collect()
    }

    pub(crate) async fn replicas(&self) -> Vec<Object<Replica>> {
        self.store().list_labelled(LABEL_VOLUME, VOLUME).await.unwrap()
    }

    pub(crate) async fn scheduled(&self) -> (ConditionStatus, String, String) {
        let volume = self.store().get::<Volume>(VOLUME).await.unwrap();
        let scheduled = condition::find(&volume.status.conditions, "Scheduled").unwrap().clone();
        (scheduled.status, scheduled.reason, scheduled.message)
    }

    /// Follows the engine's status until dropped and remembers the extremes.
    pub(crate) fn observe(&self) -> Observer {
        let mut watch = self.store().watch::<Engine>();
        let (told, extremes) = tokio::sync::watch::channel(Extremes::default());
        let task = tokio::spawn(async move {
            while let Some(event) = watch.next().await {
                let modes = &event.object().status.replica_mode_map;
                if modes.is_empty() {
                    continue;
                }
                let whole = modes.values().filter(|mode| **mode == ReplicaMode::ReadWrite).count();
                told.send_modify(|extremes| {
                    extremes.fewest_whole = extremes.fewest_whole.min(whole);
                    extremes.most = extremes.most.max(modes.len());
                });
            }
        });
        Observer { task, extremes }
    }

    async fn pid_of(&self, name: &str) -> Pid {
        let mut found = None;
        self.until(&format!("{name} has a process"), async |store| {
            for manager in store.list::<InstanceManager>().await.unwrap() {
                let status = manager.status;
                let process = status.instance_engines.get(name).or_else(|| status.instance_replicas.get(name)).cloned();
                found = found.or(process.filter(|process| process.state == "running").map(|process| process.pid));
            }
            found.is_some()
        })
        .await;
        Pid::from_raw(found.unwrap().try_into().unwrap())
    }

    pub(crate) async fn kill(&self, name: &str) {
        kill(self.pid_of(name).await, Signal::SIGKILL).unwrap();
    }

    /// Makes a node silent: its instance manager and its replicas answer nothing any more, and none of them ends.
    pub(crate) async fn freeze_node(&mut self, node: &str) {
        let managers = self.store().list::<InstanceManager>().await.unwrap();
        let status = &managers.iter().find(|manager| manager.spec.node_id == node).unwrap().status;
        let processes = status.instance_replicas.values().map(|process| process.pid);
        for pid in processes.chain([status.pid]).filter(|pid| *pid != 0) {
            let pid = Pid::from_raw(pid.try_into().unwrap());
            kill(pid, Signal::SIGSTOP).unwrap();
            self.frozen.push(pid);
        }
    }

    pub(crate) fn thaw(&mut self) {
        for pid in self.frozen.drain(..) {
            // It may have been replaced and ended meanwhile.
            let _ = kill(pid, Signal::SIGCONT);
        }
    }

    pub(crate) async fn stop(mut self) {
        self.thaw();
        self.stop_manager().await;
        stop::stop(self.data.path()).await.unwrap();
        let rest = std::process::Command::new("pgrep").arg("-f").arg(self.data.path()).output().unwrap();
        assert!(rest.stdout.is_empty(), "processes were left: {}", String::from_utf8_lossy(&rest.stdout));
    }
}

impl Drop for Installation {
    /// A test that fails leaves no processes either.
    fn drop(&mut self) {
        self.thaw();
        self.manager.take();
        let data = self.data.path().to_owned();
        let run = Layout::find(&data).map(|layout| layout.run);
        let stopping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { stop::stop(&data).await.map(drop) })
        });
        if let Ok(Err(error)) = stopping.join() {
            eprintln!("stopping the test's processes failed: {error}");
        }
        // Nothing is mounted there: these volumes are offered over NBD only.
        let _ = run.map(std::fs::remove_dir_all);
    }
}

/// How far the number of replicas went while somebody looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extremes {
    pub(crate) fewest_whole: usize,
    pub(crate) most: usize,
}

impl Default for Extremes {
    fn default() -> Self {
        Self { fewest_whole: usize::MAX, most: 0 }
    }
}

pub(crate) struct Observer {
    task: tokio::task::JoinHandle<()>,
    extremes: tokio::sync::watch::Receiver<Extremes>,
}

impl Observer {
    pub(crate) fn extremes(&self) -> Extremes {
        *self.extremes.borrow()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
