//! A manager inside the test, with real instance managers, engines and replicas.

use std::path::PathBuf;
use std::time::Duration;

use aurochs_server::instance::Network;
use aurochs_server::resources::node::READY;
use aurochs_server::resources::replica::ReplicaSpec;
use aurochs_server::resources::setting::SettingSpec;
use aurochs_server::resources::volume::{Frontend, Robustness, VolumeSpec, VolumeState};
use aurochs_server::resources::volume_attachment::{AttacherType, AttachmentTicket, PARAMETER_DISABLE_FRONTEND};
use aurochs_server::resources::{
    Engine, InstanceManager, LABEL_VOLUME, Node, Object, Replica, Volume, VolumeAttachment, condition,
};
use aurochs_server::standalone::{Layout, Manager, Options, stop};
use aurochs_server::store::Store;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far more than a step takes; only a step that never comes true meets it.
const PATIENCE: Duration = Duration::from_secs(90);
pub(crate) const VOLUME: &str = "life";
pub(crate) const TICKET: &str = "test";

fn engine_binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("aurochs-engine");
    assert!(binary.exists(), "{} is missing; run cargo build -p aurochs-engine", binary.display());
    binary
}

/// A manager with real processes beneath.
pub(crate) struct Installation {
    pub(crate) data: tempfile::TempDir,
    pub(crate) manager: Option<Manager>,
}

impl Installation {
    pub(crate) async fn start(nodes: u32) -> Self {
        let mut installation = Self { data: tempfile::tempdir().unwrap(), manager: None };
        installation.start_manager(nodes).await;
        let store = installation.store();
        // The machine that runs the test may be nearly full; the volumes here are tiny.
        for name in ["storage-minimal-available-percentage", "storage-reserved-percentage-for-default-disk"] {
            let change = |setting: &mut Object<aurochs_server::resources::Setting>| {
                setting.spec = SettingSpec { value: "0".into() };
            };
            store.modify(name, change).await.unwrap();
        }
        installation
            .until("all nodes are ready", async |store| {
                let ready = |node: &Object<Node>| condition::is_true(&node.status.conditions, READY);
                let nodes_now = store.list::<Node>().await.unwrap();
                nodes_now.len() == nodes as usize && nodes_now.iter().all(ready)
            })
            .await;
        installation
    }

    pub(crate) async fn start_manager(&mut self, nodes: u32) {
        let options = Options {
            data: self.data.path().to_owned(),
            nodes,
            address: "127.0.0.1:0".parse().unwrap(),
            network: Network::default(),
            engine_binary: Some(engine_binary()),
            zones: Vec::new(),
        };
        self.manager = Some(Manager::start(&options).await.unwrap());
    }

    /// The manager goes away; everything beneath it runs on.
    pub(crate) async fn stop_manager(&mut self) {
        if let Some(manager) = self.manager.take() {
            manager.stop().await;
        }
    }

    pub(crate) fn store(&self) -> Store {
        self.manager.as_ref().unwrap().app.store.clone()
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
            let engines = store.list::<Engine>().await.unwrap();
            let replicas = store.list::<Replica>().await.unwrap();
            panic!("waited in vain until {what}:\n{volume:#?}\n{engines:#?}\n{replicas:#?}");
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

    pub(crate) async fn create(&self, replicas: u32) {
        let size = aurochs_api::size::ByteSize(64 << 20);
        let spec = VolumeSpec { size, number_of_replicas: replicas, frontend: Frontend::Nbd, ..VolumeSpec::default() };
        self.store().create(&Object::<Volume>::new(VOLUME, spec)).await.unwrap();
        self.until_volume("it is detached", |volume| volume.status.state == VolumeState::Detached).await;
    }

    pub(crate) async fn attach(&self, node: &str, maintenance: bool) {
        let mut ticket = AttachmentTicket {
            id: TICKET.into(),
            kind: AttacherType::LonghornApi,
            node_id: node.into(),
            ..AttachmentTicket::default()
        };
        if maintenance {
            ticket.parameters.insert(PARAMETER_DISABLE_FRONTEND.into(), "true".into());
        }
        let change = |attachment: &mut Object<VolumeAttachment>| {
            attachment.spec.attachment_tickets.insert(TICKET.into(), ticket.clone());
        };
        self.store().modify(VOLUME, change).await.unwrap();
    }

    /// Another volume than the test's own, with its device.
    pub(crate) async fn attach_volume(&self, volume: &str, node: &str) {
        let ticket = AttachmentTicket {
            id: TICKET.into(),
            kind: AttacherType::LonghornApi,
            node_id: node.into(),
            ..AttachmentTicket::default()
        };
        let change = |attachment: &mut Object<VolumeAttachment>| {
            attachment.spec.attachment_tickets.insert(TICKET.into(), ticket.clone());
        };
        self.store().modify(volume, change).await.unwrap();
    }

    pub(crate) async fn detach(&self) {
        let change = |attachment: &mut Object<VolumeAttachment>| attachment.spec.attachment_tickets.clear();
        self.store().modify(VOLUME, change).await.unwrap();
        self.until_volume("it is detached", |volume| volume.status.state == VolumeState::Detached).await;
    }

    pub(crate) async fn engine(&self) -> Object<Engine> {
        self.store().get(&format!("{VOLUME}-e-0")).await.unwrap()
    }

    pub(crate) async fn replicas(&self) -> Vec<Object<Replica>> {
        self.store().list_labelled(LABEL_VOLUME, VOLUME).await.unwrap()
    }

    /// The process id of an engine or replica.
    pub(crate) async fn pid_of(&self, name: &str) -> i32 {
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
        found.unwrap().try_into().unwrap()
    }

    pub(crate) async fn kill(&self, name: &str) {
        kill(Pid::from_raw(self.pid_of(name).await), Signal::SIGKILL).unwrap();
    }

    pub(crate) async fn stop(mut self) {
        self.stop_manager().await;
        stop::stop(self.data.path()).await.unwrap();
        let rest = std::process::Command::new("pgrep").arg("-f").arg(self.data.path()).output().unwrap();
        assert!(rest.stdout.is_empty(), "processes were left: {}", String::from_utf8_lossy(&rest.stdout));
    }
}

impl Drop for Installation {
    /// A test that fails leaves no processes either.
    fn drop(&mut self) {
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

pub(crate) fn directory_of(spec: &ReplicaSpec) -> PathBuf {
    PathBuf::from(spec.data_path())
}
