//! An installation with one volume: the manager inside the test, everything else the real binary.

#![expect(unreachable_pub, reason = "the test that includes this module is its whole world")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use aurochs_engine::grpc::engine_v1::engine_client::EngineClient;
use aurochs_engine::grpc::engine_v1::{Snapshot as Layer, StatusRequest};
use aurochs_server::instance::Network;
use aurochs_server::resources::{Engine, LABEL_VOLUME, Object, Replica, Snapshot, Volume, VolumeAttachment};
use aurochs_server::router;
use aurochs_server::standalone::{Layout, Manager, Options, stop};
use aurochs_server::store::Store;
use aurochs_server::store::sqlite::Sqlite;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tonic::transport::Channel;
use tower::ServiceExt;

/// Far more than a step takes; only a step that never comes true meets it.
const PATIENCE: Duration = Duration::from_secs(120);
/// The one volume of a test.
pub const VOLUME: &str = "snapped";
pub const MIB: u64 = 1 << 20;
pub const SIZE: u64 = 64 * MIB;

fn engine_binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("aurochs-engine");
    assert!(binary.exists(), "{} is missing; run cargo build -p aurochs-engine", binary.display());
    binary
}

pub struct Installation {
    data: tempfile::TempDir,
    manager: Option<Manager>,
    authorization: String,
}

impl Installation {
    /// With nodes, and a volume that has a replica on each of them.
    pub async fn start(nodes: u32, frontend: &str) -> Self {
        // Not below /tmp: it may be a tmpfs, which has no direct I/O.
        let data = tempfile::tempdir_in("/var/tmp").unwrap();
        let mut installation = Self { data, manager: None, authorization: String::new() };
        installation.start_manager(nodes).await;
        // The machine that runs the test may be nearly full; the volumes here are tiny.
        installation.set("storage-minimal-available-percentage", "0").await;
        installation.set("storage-over-provisioning-percentage", "10000").await;
        let size = SIZE.to_string();
        let body = json!({"name": VOLUME, "size": size, "numberOfReplicas": nodes, "frontend": frontend});
        installation.call("POST", "/v1/volumes", body).await;
        installation.until_state("detached").await;
        installation
    }

    /// Starts the manager, also in the place of one that ran: nothing else is touched.
    pub async fn start_manager(&mut self, nodes: u32) {
        self.stop_manager().await;
        let options = Options {
            data: self.data.path().to_owned(),
            nodes,
            address: "127.0.0.1:0".parse().unwrap(),
            network: Network::default(),
            engine_binary: Some(engine_binary()),
            zones: Vec::new(),
        };
        let manager = Manager::start(&options).await.unwrap();
        if let Some(first) = &manager.first_password {
            self.authorization = format!("Basic {}", STANDARD.encode(format!("{}:{}", first.user, first.password)));
        }
        self.manager = Some(manager);
    }

    pub async fn stop_manager(&mut self) {
        if let Some(manager) = self.manager.take() {
            manager.stop().await;
        }
    }

    /// What is stored, while no manager works on it.
    pub async fn stored(&self) -> Store {
        let database = Layout::find(self.data.path()).unwrap().database();
        Store::new(std::sync::Arc::new(Sqlite::open(&database).await.unwrap()))
    }

    pub fn store(&self) -> Store {
        self.manager.as_ref().unwrap().app.store.clone()
    }

    pub async fn set(&self, name: &str, value: &str) {
        self.call("PUT", &format!("/v1/settings/{name}"), json!({"value": value})).await;
    }

    // === the API ===

    pub async fn answer(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let service = router::service(self.manager.as_ref().unwrap().app.clone());
        let request = Request::builder().method(method).uri(path).header(header::HOST, "manager");
        let request = request.header(header::AUTHORIZATION, &self.authorization);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = service.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 4 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.answer(method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}: {answer}");
        answer
    }

    /// An action of the volume that has to work.
    pub async fn act(&self, action: &str, body: Value) -> Value {
        self.call("POST", &format!("/v1/volumes/{VOLUME}?action={action}"), body).await
    }

    /// An action of the volume that is refused, and in which words.
    pub async fn refused(&self, action: &str, body: Value) -> (StatusCode, String) {
        let (status, answer) = self.answer("POST", &format!("/v1/volumes/{VOLUME}?action={action}"), body).await;
        assert!(status.is_client_error(), "{action}: {status} {answer}");
        (status, format!("{}; {}", answer["message"].as_str().unwrap(), answer["detail"].as_str().unwrap()))
    }

    pub async fn volume(&self) -> Value {
        self.call("GET", &format!("/v1/volumes/{VOLUME}"), Value::Null).await
    }

    pub async fn attach(&self, maintenance: bool) {
        self.act("attach", json!({"hostId": "node-1", "disableFrontend": maintenance})).await;
        self.until_volume("it is attached and healthy", |volume| {
            volume["state"] == "attached" && volume["robustness"] == "healthy"
        })
        .await;
    }

    pub async fn detach(&self) {
        self.act("detach", json!({})).await;
        self.until_state("detached").await;
    }

    // === waiting ===

    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Store) -> bool) {
        let store = self.store();
        let wait = async {
            while !holds(&store).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            let volume = store.find::<Volume>(VOLUME).await.unwrap();
            let (engines, snapshots) = (store.list::<Engine>().await.unwrap(), store.list::<Snapshot>().await.unwrap());
            let tickets = store.list::<VolumeAttachment>().await.unwrap();
            panic!("waited in vain until {what}:\n{volume:#?}\n{engines:#?}\n{tickets:#?}\n{snapshots:#?}");
        }
    }

    pub async fn until_volume(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until(what, async |_| holds(&self.volume().await)).await;
        self.volume().await
    }

    pub async fn until_state(&self, state: &str) {
        self.until_volume(state, |volume| volume["state"] == state).await;
    }

    pub async fn until_snapshot(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Object<Snapshot>) -> bool,
    ) -> Object<Snapshot> {
        let what = format!("snapshot {name} {what}");
        self.until(&what, async |store| store.find(name).await.unwrap().is_some_and(|snapshot| holds(&snapshot))).await;
        self.store().get(name).await.unwrap()
    }

    pub async fn until_ready(&self, name: &str) -> Object<Snapshot> {
        self.until_snapshot(name, "is ready", |snapshot| snapshot.status.ready_to_use).await
    }

    pub async fn until_gone(&self, name: &str) {
        let what = format!("snapshot {name} is gone");
        self.until(&what, async |store| store.find::<Snapshot>(name).await.unwrap().is_none()).await;
    }

    /// Nobody but a user wants the volume.
    pub async fn until_no_ticket_of_ours(&self) {
        self.until("no ticket of the controller is left", async |store| {
            let tickets = store.get::<VolumeAttachment>(VOLUME).await.unwrap();
            tickets.spec.attachment_tickets.keys().all(|id| !id.starts_with("snapshot-controller"))
        })
        .await;
    }

    // === what is there ===

    pub async fn engine(&self) -> Object<Engine> {
        self.store().get(&format!("{VOLUME}-e-0")).await.unwrap()
    }

    pub async fn engine_client(&self) -> EngineClient<Channel> {
        let address = self.engine().await.status.address;
        EngineClient::new(aurochs_engine::grpc::connect(&address).unwrap())
    }

    pub async fn replicas(&self) -> Vec<Object<Replica>> {
        self.store().list_labelled(LABEL_VOLUME, VOLUME).await.unwrap()
    }

    pub async fn snapshots(&self) -> Vec<Object<Snapshot>> {
        self.store().list_labelled(LABEL_VOLUME, VOLUME).await.unwrap()
    }

    /// Layers of the running engine, as itself tells them, the head not among them.
    pub async fn layers(&self) -> Vec<Layer> {
        let status = self.engine_client().await.status(StatusRequest {}).await.unwrap().into_inner();
        status.snapshots.into_iter().filter(|layer| layer.name != "volume-head").collect()
    }

    /// Fills blocks of the volume through its NBD server.
    pub async fn write(&self, offset: u64, length: u64, byte: u8) {
        let uri = self.engine().await.status.nbd_uri;
        let command = format!("write -P {byte} {offset} {length}");
        let written = run("qemu-io", &["-f", "raw", "-c", &command, "-c", "flush", &uri]).await;
        assert!(written.status.success(), "{command}: {}", String::from_utf8_lossy(&written.stderr));
    }

    pub async fn stop(mut self) {
        self.stop_manager().await;
        stop::stop(self.data.path()).await.unwrap();
        let rest = Command::new("pgrep").arg("-f").arg(self.data.path()).output().unwrap();
        assert!(rest.stdout.is_empty(), "processes were left: {}", String::from_utf8_lossy(&rest.stdout));
    }

    pub fn path(&self) -> &Path {
        self.data.path()
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
        let _ = run.map(std::fs::remove_dir_all);
    }
}

/// Runs a program of the system.
pub async fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command.output().await.unwrap_or_else(|error| panic!("{program}: {error}"))
}
