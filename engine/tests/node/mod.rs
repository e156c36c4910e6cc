//! A real node for tests: the instance manager's binary with its engines and replicas, on real files.

#![expect(unreachable_pub, reason = "the test file that includes this module is its whole world")]
#![allow(dead_code, clippy::duplicate_mod, clippy::allow_attributes, reason = "each test file uses its part")]

#[path = "../scratch/mod.rs"]
mod scratch;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use aurochs_engine::grpc::engine_v1::engine_client::EngineClient;
use aurochs_engine::grpc::engine_v1::{EngineStatus, ReplicaAddRequest, ReplicaMode, StatusRequest};
use aurochs_engine::grpc::instance_v1::instance_manager_client::InstanceManagerClient;
use aurochs_engine::grpc::instance_v1::instance_start_request::Spec;
use aurochs_engine::grpc::instance_v1::{
    DiskInspectRequest, EngineSpec, Instance, InstanceListRequest, InstanceStartRequest, InstanceState,
    InstanceStopRequest, Record, RecordCompareAndSetRequest, RecordGetRequest, ReplicaSpec, ShutdownRequest,
};
use aurochs_engine::replica::{OpenOptions, Replica};
use tonic::transport::Channel;

pub const MIB: u64 = 1 << 20;
/// Longest wait for anything; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// One node in a directory of its own. Dropping it ends every process that it started.
pub struct Node {
    pub root: tempfile::TempDir,
    manager: Child,
    pub client: InstanceManagerClient<Channel>,
}

/// One volume with `replicas` copies on the node.
pub struct TestVolume {
    pub name: String,
    pub size: u64,
    pub replicas: Vec<String>,
}

impl Node {
    pub async fn start() -> Self {
        // Not below /tmp: it may be a tmpfs, which has no direct I/O; short, for the sockets' paths.
        let root = scratch::directory();
        let manager = spawn_manager(root.path(), "node-1");
        let address = format!("unix:{}", root.path().join("run/im.sock").display());
        let client = InstanceManagerClient::new(aurochs_engine::grpc::connect(&address).unwrap());
        let node = Self { root, manager, client };
        wait_for_manager(&node.client).await;
        // Makes the disk, as the manager does when a node joins.
        let path = node.root.path().join("data").display().to_string();
        node.client.clone().disk_inspect(DiskInspectRequest { path, create: true, identify: false }).await.unwrap();
        node
    }

    pub fn manager_pid(&self) -> u32 {
        self.manager.id()
    }

    /// Kills the instance manager without warning and starts another one.
    pub async fn replace_manager(&mut self) {
        self.manager.kill().unwrap();
        self.manager.wait().unwrap();
        self.manager = spawn_manager(self.root.path(), "node-1");
        wait_for_manager(&self.client).await;
    }

    pub fn directory(&self, replica: &str) -> PathBuf {
        self.root.path().join("data/replicas").join(replica)
    }

    pub async fn instance(&self, name: &str) -> Option<Instance> {
        let list = self.client.clone().instance_list(InstanceListRequest {}).await.unwrap().into_inner();
        list.instances.into_iter().find(|instance| instance.name == name)
    }

    pub async fn start_replica(&self, volume: &TestVolume, name: &str) -> Instance {
        let spec = ReplicaSpec {
            directory: self.directory(name).display().to_string(),
            size_bytes: volume.size,
            ..ReplicaSpec::default()
        };
        let request =
            InstanceStartRequest { name: name.into(), volume: volume.name.clone(), spec: Some(Spec::Replica(spec)) };
        self.client.clone().instance_start(request).await.unwrap();
        self.wait_running(name).await
    }

    async fn wait_running(&self, name: &str) -> Instance {
        let running = async {
            loop {
                match self.instance(name).await {
                    Some(instance) if instance.state() == InstanceState::Running => return instance,
                    Some(instance) if instance.state() == InstanceState::Error => {
                        panic!("{name} ended: {}", instance.error)
                    }
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, running).await.unwrap_or_else(|_| panic!("{name} runs"))
    }

    /// A new volume, its replicas started and its record written.
    pub async fn create(&self, name: &str, size: u64, copies: usize) -> TestVolume {
        let replicas = (0..copies).map(|copy| format!("{name}-r-0000000{copy}")).collect();
        let volume = TestVolume { name: name.into(), size, replicas };
        for replica in &volume.replicas {
            self.start_replica(&volume, replica).await;
        }
        let record = Record {
            volume: name.into(),
            epoch: 0,
            generation: 1,
            members: volume.replicas.clone(),
            joining: vec![],
            clean: true,
            ..Record::default()
        };
        let request = RecordCompareAndSetRequest { expected_epoch: 0, expected_generation: 0, next: Some(record) };
        self.client.clone().record_compare_and_set(request).await.unwrap();
        volume
    }

    pub async fn record(&self, volume: &TestVolume) -> Record {
        let request = RecordGetRequest { volume: volume.name.clone() };
        self.client.clone().record_get(request).await.unwrap().into_inner().record.unwrap()
    }

    /// Raises the epoch and starts an engine; returns when it is up.
    pub async fn attach(&self, volume: &TestVolume, frontend: &str) -> Engine {
        let engine = self.start_engine(volume, frontend).await;
        engine.wait_up().await;
        engine
    }

    pub async fn start_engine(&self, volume: &TestVolume, frontend: &str) -> Engine {
        self.try_start_engine(volume, frontend, &self.client).await.unwrap()
    }

    /// Another logical node of this machine, with the same control records.
    pub async fn another_node(&self) -> AnotherNode {
        let manager = spawn_manager(self.root.path(), "node-2");
        let socket = self.root.path().join("node-2/im.sock");
        let client =
            InstanceManagerClient::new(aurochs_engine::grpc::connect(&format!("unix:{}", socket.display())).unwrap());
        let node = AnotherNode { manager, socket, client };
        wait_for_manager(&node.client).await;
        node
    }

    /// Starts an engine on the node of this instance manager.
    pub async fn try_start_engine(
        &self,
        volume: &TestVolume,
        frontend: &str,
        manager: &InstanceManagerClient<Channel>,
    ) -> Result<Engine, tonic::Status> {
        let options = EngineSpec { frontend: frontend.into(), ..EngineSpec::default() };
        self.try_start_engine_with(volume, options, manager).await
    }

    /// As [`Node::try_start_engine`], with what these options say beside size, epoch and replicas. A salvage is told of
    /// all replicas that run.
    pub async fn try_start_engine_with(
        &self,
        volume: &TestVolume,
        options: EngineSpec,
        manager: &InstanceManagerClient<Channel>,
    ) -> Result<Engine, tonic::Status> {
        let now = self.record(volume).await;
        let next = Record { epoch: now.epoch + 1, ..now.clone() };
        let request = RecordCompareAndSetRequest {
            expected_epoch: now.epoch,
            expected_generation: now.generation,
            next: Some(next.clone()),
        };
        self.client.clone().record_compare_and_set(request).await.unwrap();
        let mut addresses = HashMap::new();
        let told = if options.salvage { &volume.replicas } else { &next.members };
        for member in told {
            if let Some(instance) = self.instance(member).await {
                addresses.insert(member.clone(), instance.address);
            }
        }
        let name = format!("{}-e-{}", volume.name, next.epoch);
        let spec = EngineSpec { size_bytes: volume.size, epoch: next.epoch, replicas: addresses, ..options };
        let request =
            InstanceStartRequest { name: name.clone(), volume: volume.name.clone(), spec: Some(Spec::Engine(spec)) };
        let instance = manager.clone().instance_start(request).await?.into_inner();
        let client = EngineClient::new(aurochs_engine::grpc::connect(&instance.address).unwrap());
        Ok(Engine { name, pid: instance.pid, client })
    }

    pub async fn stop(&self, name: &str) {
        let request = InstanceStopRequest { name: name.into(), grace_seconds: 30 };
        self.client.clone().instance_stop(request).await.unwrap();
    }

    pub async fn add_replica(&self, engine: &Engine, volume: &TestVolume, name: &str) {
        let address = self.start_replica(volume, name).await.address;
        engine.client.clone().replica_add(ReplicaAddRequest { name: name.into(), address }).await.unwrap();
    }

    /// Content of a replica whose process has been stopped: the head through its chain.
    pub fn content(&self, replica: &str) -> Vec<u8> {
        let open = Replica::open(&self.directory(replica), OpenOptions::default()).unwrap();
        let size = open.size();
        let mut bytes = Vec::new();
        for offset in (0..size).step_by(MIB as usize) {
            let length = MIB.min(size - offset) as u32;
            bytes.extend_from_slice(&open.read(offset, length).unwrap());
        }
        open.close().unwrap();
        bytes
    }

    /// Stops the replicas and asserts that all hold the same bytes; returns them.
    pub async fn equal_content(&self, replicas: &[String]) -> Vec<u8> {
        let mut contents = Vec::new();
        for replica in replicas {
            self.stop(replica).await;
            contents.push(self.content(replica));
        }
        for (replica, content) in replicas.iter().zip(&contents) {
            let differs = content.iter().zip(&contents[0]).position(|(a, b)| a != b);
            assert_eq!(differs, None, "{replica} differs from {} at this byte", replicas[0]);
        }
        contents.swap_remove(0)
    }
}

fn spawn_manager(root: &Path, node: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurochs-engine"));
    command.args(["instance-manager", "--node", node]);
    let (data, run) = if node == "node-1" { ("data", "run") } else { ("data-2", node) };
    for (flag, path) in [("--data", data), ("--records", "records"), ("--run-dir", run), ("--dev-dir", "dev")] {
        command.arg(flag).arg(root.join(path));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

async fn wait_for_manager(client: &InstanceManagerClient<Channel>) {
    let answer = async {
        while client.clone().instance_list(InstanceListRequest {}).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.expect("the instance manager answers");
}

/// Ends an instance manager with all that it started.
fn shut_down(manager: &mut Child, socket: &Path) {
    // A test may have failed while it stood still.
    signal(manager.id(), nix::sys::signal::Signal::SIGCONT);
    let address = format!("unix:{}", socket.display());
    // A runtime of its own: the test's one may be unwinding.
    let clean = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = InstanceManagerClient::new(aurochs_engine::grpc::connect(&address).unwrap());
            let _ = tokio::time::timeout(PATIENCE, client.shutdown(ShutdownRequest {})).await;
        });
    });
    let _ = clean.join();
    let _ = manager.kill();
    let _ = manager.wait();
}

impl Drop for Node {
    fn drop(&mut self) {
        shut_down(&mut self.manager, &self.root.path().join("run/im.sock"));
    }
}

/// A second instance manager beside a [`Node`], which has to outlive it.
pub struct AnotherNode {
    manager: Child,
    socket: PathBuf,
    pub client: InstanceManagerClient<Channel>,
}

impl Drop for AnotherNode {
    fn drop(&mut self) {
        shut_down(&mut self.manager, &self.socket);
    }
}

/// A running engine.
pub struct Engine {
    pub name: String,
    pub pid: u32,
    pub client: EngineClient<Channel>,
}

impl Engine {
    pub async fn status(&self) -> EngineStatus {
        self.client.clone().status(StatusRequest {}).await.unwrap().into_inner()
    }

    /// Follows the status until it is as wished; fails with the last one seen.
    pub async fn wait(&self, wish: &str, is_so: impl Fn(&EngineStatus) -> bool) -> EngineStatus {
        let mut last = None;
        let waiting = async {
            loop {
                if let Ok(status) = self.client.clone().status(StatusRequest {}).await {
                    let status = status.into_inner();
                    if is_so(&status) {
                        return status;
                    }
                    last = Some(status);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(status) => status,
            Err(_) => panic!("{wish} did not come about; last status: {last:#?}"),
        }
    }

    pub async fn wait_up(&self) -> EngineStatus {
        use aurochs_engine::grpc::engine_v1::EngineState;
        self.wait("engine up", |status| status.state() == EngineState::Running).await
    }

    pub async fn wait_mode(&self, replica: &str, mode: ReplicaMode) -> EngineStatus {
        self.wait(&format!("{replica} in mode {mode:?}"), |status| mode_of(status, replica) == Some(mode)).await
    }
}

pub fn mode_of(status: &EngineStatus, replica: &str) -> Option<ReplicaMode> {
    status.replicas.iter().find(|found| found.name == replica).map(|found| found.mode())
}

pub fn kill(pid: u32) {
    signal(pid, nix::sys::signal::Signal::SIGKILL);
}

pub fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), signal).unwrap();
}

/// Runs a tool to its end and expects success.
pub async fn run(program: &str, arguments: &[&str]) -> String {
    let output = run_any(program, arguments).await;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}", output.status);
    text
}

pub async fn run_any(program: &str, arguments: &[&str]) -> Output {
    tokio::process::Command::new(program).args(arguments).kill_on_drop(true).output().await.unwrap()
}

/// Bytes that look like nothing else, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(length).collect()
}
