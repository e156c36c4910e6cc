//! The life of a volume on real processes: the manager runs inside the test, instance managers, engines and replicas
//! are the real binary. Needs `aurochs-engine` beside the test's target directory (`cargo build -p aurochs-engine`).

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says with a panic what is wrong")]

use std::path::PathBuf;
use std::time::Duration;

use aurochs_api::condition::ConditionStatus;
use aurochs_server::instance::Network;
use aurochs_server::resources::engine::InstanceState;
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
const VOLUME: &str = "life";
const TICKET: &str = "test";

fn engine_binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("aurochs-engine");
    assert!(binary.exists(), "{} is missing; run cargo build -p aurochs-engine", binary.display());
    binary
}

struct Installation {
    data: tempfile::TempDir,
    manager: Option<Manager>,
}

impl Installation {
    async fn start(nodes: u32) -> Self {
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

    async fn start_manager(&mut self, nodes: u32) {
        let options = Options {
            data: self.data.path().to_owned(),
            nodes,
            address: "127.0.0.1:0".parse().unwrap(),
            network: Network::default(),
            engine_binary: Some(engine_binary()),
        };
        self.manager = Some(Manager::start(&options).await.unwrap());
    }

    fn store(&self) -> Store {
        self.manager.as_ref().unwrap().app.store.clone()
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Store) -> bool) {
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

    async fn until_volume(&self, what: &str, holds: impl Fn(&Object<Volume>) -> bool) -> Object<Volume> {
        self.until(what, async |store| store.find(VOLUME).await.unwrap().is_some_and(|volume| holds(&volume))).await;
        self.store().get(VOLUME).await.unwrap()
    }

    async fn until_healthy(&self) -> Object<Volume> {
        self.until_volume("it is attached and healthy", |volume| {
            volume.status.state == VolumeState::Attached && volume.status.robustness == Robustness::Healthy
        })
        .await
    }

    async fn create(&self, replicas: u32) {
        let size = aurochs_api::size::ByteSize(64 << 20);
        let spec = VolumeSpec { size, number_of_replicas: replicas, frontend: Frontend::Nbd, ..VolumeSpec::default() };
        self.store().create(&Object::<Volume>::new(VOLUME, spec)).await.unwrap();
        self.until_volume("it is detached", |volume| volume.status.state == VolumeState::Detached).await;
    }

    async fn attach(&self, node: &str, maintenance: bool) {
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

    async fn detach(&self) {
        let change = |attachment: &mut Object<VolumeAttachment>| attachment.spec.attachment_tickets.clear();
        self.store().modify(VOLUME, change).await.unwrap();
        self.until_volume("it is detached", |volume| volume.status.state == VolumeState::Detached).await;
    }

    async fn engine(&self) -> Object<Engine> {
        self.store().get(&format!("{VOLUME}-e-0")).await.unwrap()
    }

    async fn replicas(&self) -> Vec<Object<Replica>> {
        self.store().list_labelled(LABEL_VOLUME, VOLUME).await.unwrap()
    }

    /// The process id of an engine or replica.
    async fn pid_of(&self, name: &str) -> i32 {
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

    async fn kill(&self, name: &str) {
        kill(Pid::from_raw(self.pid_of(name).await), Signal::SIGKILL).unwrap();
    }

    async fn stop(mut self) {
        self.manager.take();
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

fn directory_of(spec: &ReplicaSpec) -> PathBuf {
    PathBuf::from(spec.data_path())
}

#[tokio::test(flavor = "multi_thread")]
async fn from_creation_through_losses_to_deletion() {
    let mut installation = Installation::start(3).await;
    installation.create(3).await;
    let replicas = installation.replicas().await;
    let nodes: std::collections::BTreeSet<_> = replicas.iter().map(|replica| replica.spec.node_id.clone()).collect();
    assert_eq!(nodes.len(), 3, "the replicas share nodes");

    installation.attach("node-1", false).await;
    let volume = installation.until_healthy().await;
    assert_eq!(volume.status.current_node_id, "node-1");
    assert!(volume.status.causes.is_empty(), "{:?}", volume.status.causes);
    let engine = installation.engine().await;
    assert_eq!((volume.status.owner_id.as_str(), engine.status.owner_id.as_str()), ("node-1", "node-1"));
    assert!(!engine.status.endpoint.is_empty() && engine.status.epoch == 1, "{:?}", engine.status);
    assert!(replicas.iter().all(|replica| directory_of(&replica.spec).join("volume.meta").exists()));

    // A replica's process is killed: the volume goes on, says why it is degraded, and heals.
    installation.kill(replicas[0].name()).await;
    let degraded =
        installation.until_volume("it is degraded", |volume| volume.status.robustness == Robustness::Degraded).await;
    assert_eq!(degraded.status.state, VolumeState::Attached);
    let healed = installation.until_healthy().await;
    assert!(healed.status.causes.is_empty(), "{:?}", healed.status.causes);
    let same: Vec<_> = installation.replicas().await.iter().map(|replica| replica.name().to_owned()).collect();
    assert_eq!(same, replicas.iter().map(|replica| replica.name().to_owned()).collect::<Vec<_>>());

    // The manager goes and comes: nothing that runs is touched.
    let engine_name = engine.name().to_owned();
    let pid = installation.pid_of(&engine_name).await;
    installation.manager.take();
    installation.start_manager(3).await;
    installation.until_healthy().await;
    assert_eq!(installation.pid_of(&engine_name).await, pid);
    assert_eq!(installation.engine().await.status.epoch, 1);

    // The engine is killed: the volume comes back by its ticket, under a new epoch.
    installation.kill(&engine_name).await;
    installation
        .until("a new epoch serves", async |store| {
            let engine = store.get::<Engine>(&engine_name).await.unwrap();
            engine.status.epoch == 2 && engine.status.started
        })
        .await;
    let volume = installation.until_healthy().await;
    assert_eq!(volume.status.current_node_id, "node-1");

    // Maintenance: the same ticket asks for no device, so the volume is detached and attached again.
    installation.attach("node-1", true).await;
    installation.until_volume("it is in maintenance", |volume| volume.status.frontend_disabled).await;
    assert_eq!(installation.engine().await.status.endpoint, "");

    installation.detach().await;
    assert!(installation.engine().await.status.endpoint.is_empty());
    let specs: Vec<ReplicaSpec> = installation.replicas().await.into_iter().map(|replica| replica.spec).collect();
    installation.store().delete::<Volume>(VOLUME).await.unwrap();
    installation.until("it is gone", async |store| store.find::<Volume>(VOLUME).await.unwrap().is_none()).await;
    assert!(specs.iter().all(|spec| !directory_of(spec).exists()), "replica directories were left");
    assert!(installation.store().list::<Engine>().await.unwrap().is_empty());
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_a_place_says_why_and_the_volume_works_all_the_same() {
    let installation = Installation::start(2).await;
    installation.create(3).await;
    let volume =
        installation.until_volume("the scheduler has said why", |volume| !volume.status.causes.is_empty()).await;
    let cause = &volume.status.causes[0];
    assert!(cause.message.contains("node of its own") && !cause.next_step.is_empty(), "{cause:?}");
    // A detached volume may be used with what it has (allow-volume-creation-with-degraded-availability).
    assert!(condition::is_true(&volume.status.conditions, "Scheduled"));
    installation.attach("node-2", false).await;
    installation
        .until_volume("it counts as not scheduled", |volume| {
            condition::find(&volume.status.conditions, "Scheduled")
                .is_some_and(|scheduled| scheduled.status == ConditionStatus::False)
        })
        .await;
    installation
        .until_volume("it is attached and degraded", |volume| {
            volume.status.state == VolumeState::Attached && volume.status.robustness == Robustness::Degraded
        })
        .await;
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_was_stopped_and_comes_back_as_it_was() {
    let mut installation = Installation::start(1).await;
    installation.create(1).await;
    installation.attach("node-1", false).await;
    installation.until_healthy().await;
    installation.manager.take();
    let stopped = stop::stop(installation.data.path()).await.unwrap();
    assert_eq!((stopped.engines.len(), stopped.nodes.len()), (1, 1));
    installation.start_manager(1).await;
    installation
        .until("a new epoch serves", async |store| {
            let engine = store.get::<Engine>(&format!("{VOLUME}-e-0")).await.unwrap();
            engine.status.epoch == 2 && engine.status.started
        })
        .await;
    installation.until_healthy().await;
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_manager_that_is_killed_comes_back_and_finds_its_processes() {
    let installation = Installation::start(2).await;
    installation.create(2).await;
    installation.attach("node-1", false).await;
    installation.until_healthy().await;
    let engine = format!("{VOLUME}-e-0");
    let engine_pid = installation.pid_of(&engine).await;
    let manager_of = async |node: &str| {
        let managers = installation.store().list::<InstanceManager>().await.unwrap();
        managers.into_iter().find(|manager| manager.spec.node_id == node).unwrap()
    };
    let first = manager_of("node-1").await.status.pid;
    kill(Pid::from_raw(first.try_into().unwrap()), Signal::SIGKILL).unwrap();
    installation
        .until("another instance manager serves node-1", async |_| {
            let now = manager_of("node-1").await.status;
            now.pid != 0 && now.pid != first && now.current_state == InstanceState::Running
        })
        .await;
    installation.until_healthy().await;
    assert_eq!(installation.pid_of(&engine).await, engine_pid);
    assert_eq!(installation.engine().await.status.epoch, 1);
    installation.stop().await;
}
