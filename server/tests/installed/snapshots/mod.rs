//! Snapshots as resources: taken while detached, deleted and purged, hashed, trimmed, and each of that with managers that
//! end in between.

mod integrity;
mod purging;
mod resources;
mod space;

use std::process::{Output, Stdio};

use aurochs_engine::grpc::engine_v1::engine_client::EngineClient;
use aurochs_engine::grpc::engine_v1::{Snapshot as Layer, StatusRequest};
use aurochs_server::resources::{LABEL_VOLUME, Object, Snapshot, VolumeAttachment};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::installation::{Installation, SIZE, VOLUME};

impl Installation {
    /// With nodes, and a volume that has a replica on each of them.
    pub(crate) async fn with_volume(nodes: u32, frontend: &str) -> Self {
        let installation = Self::start(nodes).await;
        let size = SIZE.to_string();
        let body = json!({"name": VOLUME, "size": size, "numberOfReplicas": nodes, "frontend": frontend});
        installation.call("POST", "/v1/volumes", body).await;
        installation.until_state("detached").await;
        installation
    }

    /// An action of the volume that has to work.
    pub(crate) async fn act(&self, action: &str, body: Value) -> Value {
        self.call("POST", &format!("/v1/volumes/{VOLUME}?action={action}"), body).await
    }

    /// An action of the volume that is refused, and in which words.
    pub(crate) async fn refused(&self, action: &str, body: Value) -> (StatusCode, String) {
        let (status, answer) = self.answer("POST", &format!("/v1/volumes/{VOLUME}?action={action}"), body).await;
        assert!(status.is_client_error(), "{action}: {status} {answer}");
        (status, format!("{}; {}", answer["message"].as_str().unwrap(), answer["detail"].as_str().unwrap()))
    }

    pub(crate) async fn volume(&self) -> Value {
        self.call("GET", &format!("/v1/volumes/{VOLUME}"), Value::Null).await
    }

    pub(crate) async fn attach_by_api(&self, maintenance: bool) {
        self.act("attach", json!({"hostId": "node-1", "disableFrontend": maintenance})).await;
        self.until_shown("it is attached and healthy", |volume| {
            volume["state"] == "attached" && volume["robustness"] == "healthy"
        })
        .await;
    }

    pub(crate) async fn detach_by_api(&self) {
        self.act("detach", json!({})).await;
        self.until_state("detached").await;
    }

    pub(crate) async fn until_shown(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until(what, async |_| holds(&self.volume().await)).await;
        self.volume().await
    }

    pub(crate) async fn until_state(&self, state: &str) {
        self.until_shown(state, |volume| volume["state"] == state).await;
    }

    pub(crate) async fn until_snapshot(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Object<Snapshot>) -> bool,
    ) -> Object<Snapshot> {
        let what = format!("snapshot {name} {what}");
        self.until(&what, async |store| store.find(name).await.unwrap().is_some_and(|snapshot| holds(&snapshot))).await;
        self.store().get(name).await.unwrap()
    }

    pub(crate) async fn until_ready(&self, name: &str) -> Object<Snapshot> {
        self.until_snapshot(name, "is ready", |snapshot| snapshot.status.ready_to_use).await
    }

    pub(crate) async fn until_gone(&self, name: &str) {
        let what = format!("snapshot {name} is gone");
        self.until(&what, async |store| store.find::<Snapshot>(name).await.unwrap().is_none()).await;
    }

    /// Nobody but a user wants the volume.
    pub(crate) async fn until_no_ticket_of_ours(&self) {
        self.until("no ticket of the controller is left", async |store| {
            let tickets = store.get::<VolumeAttachment>(VOLUME).await.unwrap();
            tickets.spec.attachment_tickets.keys().all(|id| !id.starts_with("snapshot-controller"))
        })
        .await;
    }

    pub(crate) async fn engine_client(&self) -> EngineClient<Channel> {
        let address = self.engine().await.status.address;
        EngineClient::new(aurochs_engine::grpc::connect(&address).unwrap())
    }

    pub(crate) async fn snapshots(&self) -> Vec<Object<Snapshot>> {
        self.store().list_labelled(LABEL_VOLUME, VOLUME).await.unwrap()
    }

    /// Layers of the running engine, as itself tells them, the head not among them.
    pub(crate) async fn layers(&self) -> Vec<Layer> {
        let status = self.engine_client().await.status(StatusRequest {}).await.unwrap().into_inner();
        status.snapshots.into_iter().filter(|layer| layer.name != "volume-head").collect()
    }

    /// Fills blocks of the volume through its NBD server.
    pub(crate) async fn write(&self, offset: u64, length: u64, byte: u8) {
        let uri = self.engine().await.status.nbd_uri;
        let command = format!("write -P {byte} {offset} {length}");
        let written = run("qemu-io", &["-f", "raw", "-c", &command, "-c", "flush", &uri]).await;
        assert!(written.status.success(), "{command}: {}", String::from_utf8_lossy(&written.stderr));
    }
}

/// Runs a program of the system.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command.output().await.unwrap_or_else(|error| panic!("{program}: {error}"))
}
