//! A manager of a cluster, and the control plane that it shares with others.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aurochs_e2e::{ControlPlane, Guard};
use aurochs_server::app::App;
use aurochs_server::cluster::webhook::Place;
use aurochs_server::cluster::{self, NAMESPACE};
use aurochs_server::instance::Network;
use aurochs_server::resources::volume::{Robustness, VolumeState};
use aurochs_server::resources::{Engine, LABEL_VOLUME, Object, Replica, Volume, definition};
use aurochs_server::router;
use aurochs_server::standalone::{Layout, Manager, Options, stop};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::nbd::Nbd;

/// Far more than a step takes; only a step that never comes true meets it.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(100);

/// For kubectl.
pub(crate) const NAMESPACED: &str = "--namespace=longhorn-system";

/// The chart as it is rendered without any values.
const CHART: &str = include_str!("../../../deploy/tests/default.yaml");
/// Whom a manager is to the API server.
pub(crate) const ACCOUNT: &str = "longhorn-service-account";

/// A control plane with our kinds and our namespace, and the chart's service accounts in it.
pub(crate) async fn plane() -> ControlPlane {
    let plane = ControlPlane::start().await;
    plane.kubectl(&["apply", "--server-side", "-f", "-"], &definition::manifest()).unwrap();
    plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], "").unwrap();
    plane.kubectl(&["create", "namespace", NAMESPACE], "").unwrap();
    plane.give_rights(CHART);
    plane
}

/// Who may act.
pub(crate) fn holder(plane: &ControlPlane) -> String {
    let path = "jsonpath={.spec.holderIdentity}";
    plane.kubectl(&["-n", NAMESPACE, "get", "lease", "aurochs-manager", "-o", path], "").unwrap_or_default()
}

pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "waited in vain until {what}");
}

/// A manager with a data directory and a node of its own, and with the rights of the chart's manager.
pub(crate) struct Member {
    manager: Option<Manager>,
    data: Guard,
    authorization: String,
}

impl Member {
    pub(crate) async fn start(plane: &ControlPlane, node: &str) -> Self {
        Self::start_at(plane, node, None, None).await
    }

    /// Other machines reach its node at this address.
    pub(crate) async fn start_far(plane: &ControlPlane, node: &str, ip: &str) -> Self {
        Self::start_at(plane, node, None, Some(format!("{ip}:0").parse().unwrap())).await
    }

    /// The API server asks it about what others write.
    pub(crate) async fn start_with_webhook(plane: &ControlPlane, node: &str) -> Self {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let place = Place { address, url: Some(format!("https://{address}")) };
        Self::start_at(plane, node, Some(place), None).await
    }

    async fn start_at(
        plane: &ControlPlane,
        node: &str,
        webhook: Option<Place>,
        instance_address: Option<SocketAddr>,
    ) -> Self {
        let data = Guard::new("aur-member", |data| vec![Layout::find(data).unwrap().run]);
        let member = cluster::Member {
            namespace: NAMESPACE.to_owned(),
            kubeconfig: Some(plane.kubeconfig_of_account(NAMESPACE, ACCOUNT)),
            node_name: Some(node.to_owned()),
            webhook,
            instance_address,
            ..cluster::Member::default()
        };
        let options = Options {
            data: data.directory().to_owned(),
            nodes: 1,
            address: "127.0.0.1:0".parse().unwrap(),
            network: Network::default(),
            engine_binary: Some(engine_binary()),
            zones: Vec::new(),
            kubernetes: Some(member),
        };
        let manager = Manager::start(&options).await.unwrap();
        let first = manager.first_password.as_ref().unwrap();
        let authorization = format!("Basic {}", STANDARD.encode(format!("{}:{}", first.user, first.password)));
        Self { manager: Some(manager), data, authorization }
    }

    /// Its API's answer, which has to be a good one.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let service = router::service(self.manager.as_ref().unwrap().app.clone());
        let request = Request::builder().method(method).uri(path).header(header::HOST, "manager");
        let request = request.header(header::AUTHORIZATION, &self.authorization);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = service.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 4 << 20).await.unwrap();
        let answer = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        assert_eq!(status, StatusCode::OK, "{method} {path}: {answer}");
        answer
    }

    pub(crate) fn app(&self) -> &App {
        &self.manager.as_ref().unwrap().app
    }

    /// A volume with a copy on each of the two machines, attached to the node.
    pub(crate) async fn attached(&self, name: &str, node: &str) {
        let volume = json!({"name": name, "size": "16777216", "numberOfReplicas": 2, "frontend": "nbd"});
        self.call("POST", "/v1/volumes", volume).await;
        self.attach(name, node).await;
    }

    pub(crate) async fn attach(&self, name: &str, node: &str) {
        until("it is detached", async || self.volume(name).await.status.state == VolumeState::Detached).await;
        let path = format!("/v1/volumes/{name}?action=attach");
        self.call("POST", &path, json!({"hostId": node})).await;
        let is_there = |volume: &Object<Volume>| volume.status.current_node_id == node;
        until("it is attached", async || is_there(&self.volume(name).await)).await;
        self.until_healthy(name).await;
    }

    pub(crate) async fn until_healthy(&self, name: &str) {
        until("it is healthy", async || {
            let volume = self.volume(name).await;
            (volume.status.state, volume.status.robustness) == (VolumeState::Attached, Robustness::Healthy)
        })
        .await;
    }

    pub(crate) async fn detach(&self, name: &str) {
        let path = format!("/v1/volumes/{name}?action=detach");
        self.call("POST", &path, json!({})).await;
        until("it is detached", async || self.volume(name).await.status.state == VolumeState::Detached).await;
    }

    pub(crate) async fn volume(&self, name: &str) -> Object<Volume> {
        self.app().store.get::<Volume>(name).await.unwrap()
    }

    pub(crate) async fn engine(&self, volume: &str) -> Object<Engine> {
        let engines = self.app().store.list_labelled::<Engine>(LABEL_VOLUME, volume).await.unwrap();
        engines.into_iter().next().unwrap()
    }

    /// Name of the volume's replica on the node.
    pub(crate) async fn replica_on(&self, volume: &str, node: &str) -> String {
        let replicas = self.app().store.list_labelled::<Replica>(LABEL_VOLUME, volume).await.unwrap();
        replicas.iter().find(|replica| replica.spec.node_id == node).unwrap().name().to_owned()
    }

    /// A client of the volume, on the engine's own machine.
    pub(crate) async fn client(&self, volume: &str) -> Nbd {
        until("it is offered", async || !self.engine(volume).await.status.nbd_uri.is_empty()).await;
        Nbd::connect(&self.engine(volume).await.status.nbd_uri).unwrap()
    }

    /// The machine that runs the test may be nearly full; the volumes here are tiny.
    pub(crate) async fn make_room(&self) {
        for (name, value) in
            [("storage-minimal-available-percentage", "0"), ("storage-over-provisioning-percentage", "10000")]
        {
            self.call("PUT", &format!("/v1/settings/{name}"), json!({"value": value})).await;
        }
    }

    pub(crate) async fn create_volume(&self, name: &str) {
        let volume = json!({"name": name, "size": "16777216", "numberOfReplicas": 1});
        self.call("POST", "/v1/volumes", volume).await;
    }

    /// The nodes that the volume's replicas are placed on.
    pub(crate) async fn places(&self, volume: &str) -> Vec<String> {
        let volume = self.call("GET", &format!("/v1/volumes/{volume}"), Value::Null).await;
        let replicas = volume["replicas"].as_array().cloned().unwrap_or_default();
        let hosts = replicas.iter().filter_map(|replica| replica["hostId"].as_str());
        hosts.filter(|host| !host.is_empty()).map(str::to_owned).collect()
    }

    /// Name and readiness of the nodes that there are.
    pub(crate) async fn nodes(&self) -> Vec<(String, bool)> {
        let nodes = self.call("GET", "/v1/nodes", Value::Null).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ready = |node: &Value| node["conditions"]["Ready"]["status"] == "True";
        nodes["data"].as_array().unwrap().iter().map(|node| (text(&node["name"]), ready(node))).collect()
    }

    /// As when it is told to end.
    pub(crate) async fn stop(&mut self) {
        self.manager.take().unwrap().stop().await;
    }
}

impl Drop for Member {
    /// Also after a failure: instance managers outlive their manager.
    fn drop(&mut self) {
        // Its claim on the directory goes with it.
        self.manager = None;
        let data = self.data.directory().to_owned();
        let stopping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { stop::stop(&data).await.map(drop).map_err(|error| error.to_string()) })
        });
        let stopped = stopping.join();
        if !std::thread::panicking() {
            assert_eq!(stopped.unwrap(), Ok(()));
        }
    }
}

fn engine_binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("aurochs-engine");
    assert!(binary.exists(), "{} is missing; run cargo build -p aurochs-engine", binary.display());
    binary
}
