//! A volume of this project: an engine, its replicas on TCP, and an instance manager that keeps the control record.
//!
//! Started by hand as the instance manager would, but for the replicas' addresses: between nodes these are TCP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aurochs_engine::grpc::engine_v1::engine_client::EngineClient;
use aurochs_engine::grpc::engine_v1::{EngineState, EngineStatus, ReplicaAddRequest, ReplicaMode, StatusRequest};
use aurochs_engine::grpc::instance_v1::instance_manager_client::InstanceManagerClient;
use aurochs_engine::grpc::instance_v1::{InstanceListRequest, Record, RecordCompareAndSetRequest};
use tonic::transport::Channel;

use crate::server::{Counted, Server, free_address, run};
use crate::settings::Settings;
use crate::workplace::Workplace;

/// Longest wait for a replica to be rebuilt.
const REBUILD_PATIENCE: Duration = Duration::from_secs(600);
const EPOCH: u64 = 1;

/// Where replicas keep their data.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    Disk,
    /// The same, with checksums of blocks.
    Checked,
    /// Below this directory.
    Below(PathBuf),
    /// Nowhere: they answer at once.
    Nowhere,
}

/// Ways to the volume beside NBD over TCP, which is always there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offer {
    pub(crate) iscsi: bool,
    pub(crate) block_device: bool,
    /// No way at all, not even NBD: what changes the volume as a whole wants it for itself.
    pub(crate) nothing: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Spec<'a> {
    pub(crate) name: &'a str,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) copies: usize,
    pub(crate) storage: Storage,
    pub(crate) offer: Offer,
}

pub(crate) struct Volume {
    pub(crate) nbd_uri: String,
    pub(crate) iscsi_url: Option<String>,
    pub(crate) device: Option<PathBuf>,
    pub(crate) client: EngineClient<Channel>,
    pub(crate) replicas: Vec<Replica>,
    /// From the start of the process until it took requests.
    pub(crate) engine_start: Duration,
    engine: Server,
    keeper: Server,
}

pub(crate) struct Replica {
    pub(crate) directory: PathBuf,
    /// From the start of the process until it took connections.
    pub(crate) start: Duration,
    name: String,
    address: SocketAddr,
    server: Server,
}

impl Volume {
    /// Starts a new volume; returns when it takes requests.
    pub(crate) async fn start(settings: &Settings, workplace: &Workplace, spec: &Spec<'_>) -> Self {
        let place = workplace.directory(&format!("volumes/{}", spec.name));
        let mut replicas = Vec::new();
        for number in 0..spec.copies {
            replicas.push(Replica::start(settings, workplace, spec, number).await);
        }
        let (keeper, keeper_address) = start_keeper(settings, &place, spec, &replicas).await;
        let (nbd, iscsi) = (free_address(), free_address());
        let listen = format!("unix:{}", place.join("engine.sock").display());
        let arguments = engine_arguments(spec, &place, &replicas, &[&keeper_address, &listen], nbd, iscsi);
        let begin = Instant::now();
        let mut engine = Server::start("engine", place.join("engine.log"), &settings.engine, arguments);
        // The NBD server is the last that is started.
        if !spec.offer.nothing {
            engine.listening(nbd).await;
        }
        let engine_start = begin.elapsed();
        let client = EngineClient::new(aurochs_engine::grpc::connect(&listen).unwrap());
        let is_up = async |client: &EngineClient<Channel>| {
            let status = client.clone().status(StatusRequest {}).await;
            status.is_ok_and(|status| status.into_inner().state() == EngineState::Running)
        };
        engine.ready(|| is_up(&client)).await;
        Self {
            nbd_uri: format!("nbd://{nbd}/{}", spec.name),
            iscsi_url: if spec.offer.iscsi { Some(discover(iscsi).await) } else { None },
            device: spec.offer.block_device.then(|| place.join("dev").join(spec.name)),
            client,
            replicas,
            engine_start,
            engine,
            keeper,
        }
    }

    /// The processes of the volume itself.
    pub(crate) fn counted(&self) -> Vec<Counted> {
        let replicas = self.replicas.iter().map(|replica| replica.server.counted());
        std::iter::once(self.engine.counted()).chain(replicas).collect()
    }

    pub(crate) async fn status(&self) -> EngineStatus {
        self.client.clone().status(StatusRequest {}).await.unwrap().into_inner()
    }

    /// Adds a replica and waits until it has everything; how long that took from the request on.
    pub(crate) async fn rebuild(&mut self, settings: &Settings, workplace: &Workplace, spec: &Spec<'_>) -> Duration {
        let replica = Replica::start(settings, workplace, spec, self.replicas.len()).await;
        let request = ReplicaAddRequest { name: replica.name.clone(), address: format!("tcp:{}", replica.address) };
        let begin = Instant::now();
        self.client.clone().replica_add(request).await.unwrap();
        loop {
            let status = self.status().await;
            let failed = status.rebuilds.iter().any(|rebuild| !rebuild.error.is_empty());
            let late = begin.elapsed() > REBUILD_PATIENCE;
            assert!(!failed && !late, "{} was not rebuilt: {:?}", replica.name, status.rebuilds);
            let found = status.replicas.iter().find(|found| found.name == replica.name);
            if found.is_some_and(|found| found.mode() == ReplicaMode::Rw) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let took = begin.elapsed();
        self.replicas.push(replica);
        took
    }

    /// Ends all processes, the engine first.
    pub(crate) async fn stop(self) {
        self.engine.stop().await;
        for replica in self.replicas {
            replica.server.stop().await;
        }
        self.keeper.stop().await;
    }
}

impl Replica {
    async fn start(settings: &Settings, workplace: &Workplace, spec: &Spec<'_>, number: usize) -> Self {
        let name = format!("{}-r-{number}", spec.name);
        let place = workplace.directory(&format!("volumes/{}", spec.name));
        let directory = match &spec.storage {
            Storage::Below(storage) => storage.join(&name),
            Storage::Disk | Storage::Checked | Storage::Nowhere => place.join(&name),
        };
        let address = free_address();
        let (size, log) = (spec.size.to_string(), place.join(format!("{name}.log")));
        let begin = Instant::now();
        let mut server = if matches!(spec.storage, Storage::Nowhere) {
            let own = std::env::current_exe().unwrap();
            Server::start("replica", log, &own, ["null-replica", &address.to_string(), &size])
        } else {
            let (path, listen) = (directory.display().to_string(), format!("tcp:{address}"));
            let arguments = ["replica", "--directory", &path, "--size", &size, "--volume", spec.name, "--name", &name];
            let checksums = matches!(spec.storage, Storage::Checked).then_some("--checksums");
            let arguments = arguments.into_iter().chain(["--listen", &listen]).chain(checksums);
            Server::start("replica", log, &settings.engine, arguments)
        };
        server.listening(address).await;
        Self { directory, start: begin.elapsed(), name, address, server }
    }
}

async fn start_keeper(settings: &Settings, place: &Path, spec: &Spec<'_>, replicas: &[Replica]) -> (Server, String) {
    let mut arguments = vec!["instance-manager".to_owned(), "--node".to_owned(), "bench".to_owned()];
    for (flag, name) in [("--data", "keeper"), ("--records", "records"), ("--run-dir", "run"), ("--dev-dir", "dev")] {
        arguments.extend([flag.to_owned(), place.join(name).display().to_string()]);
    }
    let mut keeper = Server::start("keeper", place.join("keeper.log"), &settings.engine, arguments);
    let address = format!("unix:{}", place.join("run/im.sock").display());
    let client = InstanceManagerClient::new(aurochs_engine::grpc::connect(&address).unwrap());
    let answers = async |client: &InstanceManagerClient<Channel>| {
        client.clone().instance_list(InstanceListRequest {}).await.is_ok()
    };
    keeper.ready(|| answers(&client)).await;
    let record = Record {
        volume: spec.name.to_owned(),
        epoch: EPOCH,
        generation: 1,
        members: replicas.iter().map(|replica| replica.name.clone()).collect(),
        joining: vec![],
        clean: true,
        ..Record::default()
    };
    let request = RecordCompareAndSetRequest { expected_epoch: 0, expected_generation: 0, next: Some(record) };
    client.clone().record_compare_and_set(request).await.unwrap();
    (keeper, address)
}

fn engine_arguments(
    spec: &Spec<'_>,
    place: &Path,
    replicas: &[Replica],
    [keeper, listen]: &[&str; 2],
    nbd: SocketAddr,
    iscsi: SocketAddr,
) -> Vec<String> {
    let mut arguments = vec!["engine".to_owned()];
    let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    add("--volume", spec.name.to_owned());
    add("--name", format!("{}-e-{EPOCH}", spec.name));
    add("--size", spec.size.to_string());
    add("--epoch", EPOCH.to_string());
    let frontend = match spec.offer {
        Offer { nothing: true, .. } => "",
        Offer { block_device: true, .. } => "blockdev",
        _ => "nbd",
    };
    add("--frontend", frontend.to_owned());
    add("--listen", (*listen).to_owned());
    add("--keeper", (*keeper).to_owned());
    add("--run-directory", place.join("run").display().to_string());
    add("--device-directory", place.join("dev").display().to_string());
    add("--nbd-listen", nbd.to_string());
    if spec.offer.iscsi {
        add("--iscsi-listen", iscsi.to_string());
    }
    for replica in replicas {
        add("--replica", format!("{}=tcp:{}", replica.name, replica.address));
    }
    arguments
}

/// Whether this engine is a target of iSCSI.
pub(crate) async fn has_iscsi(settings: &Settings) -> bool {
    let help = run(&settings.engine.display().to_string(), ["engine", "--help"]).await;
    help.contains("--iscsi-listen ")
}

/// Asks the target for its name. The disk is unit 1, as Longhorn's is.
async fn discover(address: SocketAddr) -> String {
    let list = run("iscsi-ls", [format!("iscsi://{address}")]).await;
    let name = list.lines().find_map(|line| line.strip_prefix("Target:")?.split_whitespace().next());
    format!("iscsi://{address}/{}/1", name.unwrap_or_else(|| panic!("iscsi-ls found no target: {list}")))
}
