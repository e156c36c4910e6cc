//! All parties of one volume in this process: real replicas on real files, a real engine, a keeper with faults, and
//! links that can be held back and cut. Engine and replicas have runtimes of their own, so that any of them can crash.

#![expect(unreachable_pub, reason = "the test file that includes this module is its whole world")]
#![allow(dead_code, clippy::duplicate_mod, clippy::allow_attributes, reason = "each test file uses its part")]

pub mod face;
pub mod fake;
pub mod keeper;
pub mod proxy;
#[path = "../scratch/mod.rs"]
pub mod scratch;
pub mod sums;
pub mod transfers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aurochs_engine::grpc::engine_v1::{EngineStatus, ReplicaMode};
use aurochs_engine::link::server::ReplicaServer;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::volume::Volume;
use aurochs_engine::volume::start::{StartError, StartOptions};
use keeper::TestKeeper;
use proxy::Proxy;
use tokio::runtime::Runtime;

pub const VOLUME: &str = "v";
/// Longest wait for anything; a test that needs it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A volume's replicas, keeper and place on disk.
pub struct Parties {
    pub root: tempfile::TempDir,
    pub size: u64,
    pub keeper: TestKeeper,
    pub replicas: Vec<Party>,
    options: OpenOptions,
}

/// One replica: its directory, its "process" and the link to it.
pub struct Party {
    pub name: String,
    pub directory: PathBuf,
    pub proxy: Proxy,
    real: PathBuf,
    options: OpenOptions,
    process: Option<(Runtime, Arc<ReplicaServer>)>,
}

impl Parties {
    pub async fn new(size: u64, copies: usize) -> Self {
        // Not below /tmp: it may be a tmpfs, which has no direct I/O.
        Self::over(scratch::directory(), size, copies).await
    }

    /// With replicas that keep Longhorn's revision counter.
    pub async fn counting(size: u64, copies: usize) -> Self {
        let root = scratch::directory();
        Self::made_with(OpenOptions { revision_counter: true, ..OpenOptions::default() }, root, size, copies).await
    }

    /// With replicas that do not notice what their disks change.
    pub async fn without_checksums(size: u64, copies: usize) -> Self {
        let options = OpenOptions { no_checksums: true, ..OpenOptions::default() };
        Self::made_with(options, scratch::directory(), size, copies).await
    }

    /// With the replicas that are there already, as far as they are.
    pub async fn over(root: tempfile::TempDir, size: u64, copies: usize) -> Self {
        Self::made_with(OpenOptions::default(), root, size, copies).await
    }

    async fn made_with(options: OpenOptions, root: tempfile::TempDir, size: u64, copies: usize) -> Self {
        let mut replicas = Vec::new();
        for copy in 0..copies {
            replicas.push(Party::create(root.path(), &format!("{VOLUME}-r-{copy}"), size, options).await);
        }
        let keeper = TestKeeper::new(replicas.iter().map(|replica| replica.name.clone()));
        Self { root, size, keeper, replicas, options }
    }

    /// One more replica, not in the record.
    pub async fn another(&mut self) -> usize {
        let name = format!("{VOLUME}-r-{}", self.replicas.len());
        self.replicas.push(Party::create(self.root.path(), &name, self.size, self.options).await);
        self.replicas.len() - 1
    }

    /// Raises the epoch and starts an engine, as the manager does.
    pub async fn attach(&self) -> Result<TestEngine, StartError> {
        self.attach_with(self.raise_epoch()).await
    }

    /// As a person asks for it who has given the members up.
    pub async fn attach_salvaging(&self) -> Result<TestEngine, StartError> {
        self.attach_with(StartOptions { salvage: true, ..self.raise_epoch() }).await
    }

    /// What the manager starts the next engine with.
    pub fn raise_epoch(&self) -> StartOptions {
        let epoch = self.keeper.raise_epoch();
        let running = self.replicas.iter().filter(|replica| replica.process.is_some());
        let replicas: BTreeMap<_, _> =
            running.map(|replica| (replica.name.clone(), replica.proxy.address.clone())).collect();
        StartOptions { volume: VOLUME.into(), size: self.size, epoch, replicas, salvage: false }
    }

    pub async fn attach_with(&self, options: StartOptions) -> Result<TestEngine, StartError> {
        TestEngine::start(options, self.keeper.clone()).await
    }

    /// As [`Parties::equal_views`]; returns what is seen from the head.
    pub async fn equal_content(&mut self, members: &[String]) -> Vec<u8> {
        self.equal_views(members).await[HEAD].clone()
    }

    /// Ends every replica and asserts that the named ones hold the same bytes, seen from the head ([`HEAD`]) and from
    /// every snapshot that is not removed (by its file's name). Returns them.
    pub async fn equal_views(&mut self, members: &[String]) -> BTreeMap<String, Vec<u8>> {
        for replica in &mut self.replicas {
            replica.crash().await;
        }
        let chosen: Vec<_> = self.replicas.iter().filter(|replica| members.contains(&replica.name)).collect();
        let first = views(&chosen[0].directory);
        for replica in &chosen[1..] {
            let other = views(&replica.directory);
            let names = |views: &BTreeMap<String, Vec<u8>>| views.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&first), names(&other), "layers of {} and {}", chosen[0].name, replica.name);
            for (layer, bytes) in &first {
                let differs = bytes.iter().zip(&other[layer]).position(|(a, b)| a != b);
                assert_eq!(differs, None, "{layer}: {} differs from {} at this byte", replica.name, chosen[0].name);
            }
        }
        first
    }
}

/// Stands for the head in [`Parties::equal_views`]: its file may be named differently on each replica.
pub const HEAD: &str = "head";

/// What a reader sees from each layer of a directory. Removed layers show nothing to anybody.
fn views(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let open = Replica::open(directory, OpenOptions::default()).unwrap();
    let mut views = BTreeMap::new();
    for layer in open.layers().unwrap().into_iter().filter(|layer| !layer.removed) {
        let mut bytes = Vec::new();
        for offset in (0..open.size()).step_by(1 << 20) {
            let length = (open.size() - offset).min(1 << 20) as u32;
            bytes.extend_from_slice(&open.read_layer_chain(&layer.file_name, offset, length).unwrap());
        }
        views.insert(if layer.is_head { HEAD.to_owned() } else { layer.file_name }, bytes);
    }
    sums::check_sums(directory);
    // Not closed: what a test finds must not depend on who looked before.
    views
}

impl Party {
    async fn create(root: &Path, name: &str, size: u64, options: OpenOptions) -> Self {
        let directory = root.join(name);
        if !Replica::exists(&directory) {
            Replica::create(&directory, size, options).unwrap();
        }
        let real = root.join(format!("{name}.real"));
        let proxy = Proxy::start(&root.join(format!("{name}.sock")), &real).await;
        let mut party = Self { name: name.to_owned(), directory, proxy, real, options, process: None };
        party.start();
        party
    }

    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    pub fn start(&mut self) {
        if self.runs() {
            return;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = ReplicaServer::new(VOLUME, &self.name, self.directory.clone(), self.options);
        let serving = Arc::clone(&server);
        // Made here: the socket is there when this returns, and connections wait for the listener.
        let _ = std::fs::remove_file(&self.real);
        let socket = std::os::unix::net::UnixListener::bind(&self.real).unwrap();
        socket.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::UnixListener::from_std(socket).unwrap();
            serving.serve(aurochs_engine::link::address::Listener::Unix(listener)).await;
        });
        self.process = Some((runtime, server));
    }

    /// Leaves `volume.meta` as whoever opens the directory to write does.
    pub fn was_opened_elsewhere(&self) {
        let meta = self.directory.join("volume.meta");
        std::fs::copy(&meta, meta.with_extension("new")).unwrap();
        std::fs::rename(meta.with_extension("new"), &meta).unwrap();
    }

    /// Ends without warning; what is in its system calls is finished by the kernel.
    pub async fn crash(&mut self) {
        let Some((runtime, server)) = self.process.take() else { return };
        drop(server);
        let directory = std::fs::File::open(&self.directory);
        let ended = tokio::task::spawn_blocking(move || {
            runtime.shutdown_timeout(PATIENCE);
            // A hash has a thread of its own, which a process would have taken with it.
            directory.map(|directory| nix::fcntl::Flock::lock(directory, nix::fcntl::FlockArg::LockExclusive).is_ok())
        });
        // A directory that is gone is nobody's.
        let _ = ended.await.unwrap();
    }

    /// Ends as its process does when it is asked to.
    pub async fn stop(&mut self) {
        let Some((_, server)) = &self.process else { return };
        server.close().await.unwrap();
        self.crash().await;
    }
}

/// An engine in a runtime of its own.
pub struct TestEngine {
    runtime: Option<Runtime>,
    handle: tokio::runtime::Handle,
    volume: Volume,
}

impl TestEngine {
    async fn start(options: StartOptions, keeper: TestKeeper) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let started = runtime.spawn(Volume::start(options, Arc::new(keeper))).await.unwrap();
        let handle = runtime.handle().clone();
        match started {
            Ok(volume) => Ok(Self { runtime: Some(runtime), handle, volume }),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Starts work in the engine; its handle fails when the engine crashes first.
    pub fn spawn<F, T>(&self, work: impl FnOnce(Volume) -> F) -> tokio::task::JoinHandle<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.handle.spawn(work(self.volume.clone()))
    }

    /// Runs work in the engine to its end.
    pub async fn run<F, T>(&self, work: impl FnOnce(Volume) -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        tokio::time::timeout(PATIENCE, self.spawn(work)).await.expect("the request is answered").unwrap()
    }

    pub fn crash(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub fn status(&self) -> EngineStatus {
        self.volume.status()
    }

    pub fn mode(&self, replica: &str) -> Option<ReplicaMode> {
        self.status().replicas.iter().find(|found| found.name == replica).map(|found| found.mode())
    }

    /// Follows the status until it is as wished; fails with the last one seen.
    pub async fn wait(&self, wish: &str, mut is_so: impl FnMut(&EngineStatus) -> bool) -> EngineStatus {
        let waiting = async {
            loop {
                let status = self.status();
                if is_so(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("{wish} did not come about; last status: {:#?}", self.status()))
    }

    pub async fn wait_mode(&self, replica: &str, mode: ReplicaMode) {
        let is_so = |status: &EngineStatus| status.replicas.iter().any(|r| r.name == replica && r.mode() == mode);
        self.wait(&format!("{replica} in mode {mode:?}"), is_so).await;
    }

    /// Starts a rebuild and waits until the replica is a member.
    pub async fn rebuild(&self, replica: &Party) {
        let (name, address) = (replica.name.clone(), replica.proxy.address.clone());
        self.run(|volume| async move { volume.add_replica(&name, address).await }).await.unwrap();
        let over = self.wait("rebuild over", |status| status.rebuilds.iter().all(|rebuild| !rebuild.running)).await;
        let rebuild = over.rebuilds.iter().find(|rebuild| rebuild.replica == replica.name).unwrap();
        assert_eq!(rebuild.error, "", "the rebuild of {}", replica.name);
        self.wait_mode(&replica.name, ReplicaMode::Rw).await;
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        self.crash();
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.process.take() {
            runtime.shutdown_background();
        }
    }
}
