//! One running installation and its REST API.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use aurochs_api::schema::{Collection, ErrorBody, Resource};
use aurochs_api::snapshot::Snapshot;
use aurochs_api::volume::Volume;
use aurochs_test_place::Place;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{LOOK, PATIENCE};

/// A manager with three nodes. Dropping it stops everything it started.
#[derive(Debug)]
pub struct Installation {
    pub root: Place,
    pub address: String,
    pub password: String,
    manager: Option<Child>,
    client: reqwest::Client,
}

/// An answer that was not 2xx.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {} ({})", body.message, body.detail)]
pub struct ApiError {
    pub status: u16,
    pub body: ErrorBody,
}

/// A binary of this build: from `AUROCHS_BIN_DIR`, else beside the test's own directory.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    if let Some(directory) = std::env::var_os("AUROCHS_BIN_DIR") {
        return PathBuf::from(directory).join(name);
    }
    let test = std::env::current_exe().unwrap_or_default();
    // target/<profile>/deps/<test>
    test.parent().and_then(Path::parent).unwrap_or(Path::new(".")).join(name)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
impl Installation {
    pub async fn start() -> Self {
        let mut installation = Self {
            address: format!("127.0.0.1:{}", free_port()),
            password: String::new(),
            manager: None,
            client: reqwest::Client::new(),
            root: Place::new(&binary("aurochs")),
        };
        installation.start_manager();
        installation.password = std::fs::read_to_string(installation.data().join("admin-password")).unwrap();
        installation.password = installation.password.trim().to_owned();
        // The machine that runs the test may be nearly full; the volumes here are small.
        let minimum = "v1/settings/storage-minimal-available-percentage";
        installation.ask(Method::PUT, minimum, Some(json!({"value": "0"}))).await.unwrap();
        installation
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.data()
    }

    /// Starts the manager and returns when it says where it is.
    pub fn start_manager(&mut self) {
        let mut command = Command::new(binary("aurochs"));
        command.args(["serve", "--nodes", "3", "--address", &self.address, "--data"]).arg(self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let log = std::fs::File::options().create(true).append(true).open(self.root.path().join("manager.log"));
        command.stderr(log.unwrap());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = lines.by_ref().map_while(Result::ok).find(|line| line.contains("http://"));
        assert!(told.is_some(), "the manager ended before it was ready: {}", self.log());
        // Whatever it says later must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        self.manager = Some(child);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.root.path().join("manager.log")).unwrap_or_default()
    }

    /// Kills the manager without warning.
    pub fn kill_manager(&mut self) {
        if let Some(mut manager) = self.manager.take() {
            manager.kill().unwrap();
            manager.wait().unwrap();
        }
    }

    /// One request; the answer's JSON, null when it has no body.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, ApiError> {
        let url = format!("http://{}/{path}", self.address);
        let mut request = self.client.request(method, url).basic_auth("admin", Some(&self.password));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.timeout(PATIENCE).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        let value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        if status.is_success() {
            return Ok(value);
        }
        Err(ApiError { status: status.as_u16(), body: serde_json::from_value(value).unwrap_or_default() })
    }

    pub async fn create(&self, name: &str, size: &str, replicas: u32) -> Result<Value, ApiError> {
        let body = json!({"name": name, "size": size, "numberOfReplicas": replicas});
        self.ask(Method::POST, "v1/volumes", Some(body)).await
    }

    pub async fn action(&self, volume: &str, action: &str, body: Value) -> Result<Value, ApiError> {
        self.ask(Method::POST, &format!("v1/volumes/{volume}?action={action}"), Some(body)).await
    }

    pub async fn volume(&self, name: &str) -> Option<Volume> {
        match self.ask(Method::GET, &format!("v1/volumes/{name}"), None).await {
            Ok(value) => Some(serde_json::from_value::<Resource<Volume>>(value).unwrap().data),
            Err(error) if error.status == 404 => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn snapshots(&self, volume: &str) -> Vec<Snapshot> {
        let value = self.action(volume, "snapshotList", json!({})).await.unwrap();
        let list: Collection<Resource<Snapshot>> = serde_json::from_value(value).unwrap();
        list.data.into_iter().map(|resource| resource.data).collect()
    }

    /// Waits until a volume is as wished; fails with what it was last.
    pub async fn wait(&self, name: &str, wish: &str, is_so: impl Fn(&Volume) -> bool) -> Volume {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let volume = self.volume(name).await;
            match volume {
                Some(volume) if is_so(&volume) => return volume,
                last => assert!(Instant::now() < deadline, "{name} did not become {wish}: {last:#?}\n{}", self.log()),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub async fn wait_gone(&self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Some(volume) = self.volume(name).await {
            assert!(Instant::now() < deadline, "{name} was not deleted: {volume:#?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Creates a volume, waits until it is detached, and attaches it to `node`.
    pub async fn create_attached(&self, name: &str, size: &str, replicas: u32, node: &str) -> Volume {
        use aurochs_api::volume::VolumeState;
        self.create(name, size, replicas).await.unwrap();
        self.wait(name, "detached", |volume| volume.state == VolumeState::Detached).await;
        self.attach(name, node).await
    }

    pub async fn attach(&self, name: &str, node: &str) -> Volume {
        use aurochs_api::volume::{Robustness, VolumeState};
        self.action(name, "attach", json!({"hostId": node})).await.unwrap();
        self.wait(name, "attached and healthy", |volume| {
            volume.state == VolumeState::Attached
                && volume.robustness == Robustness::Healthy
                && !volume.endpoint().is_empty()
        })
        .await
    }

    pub async fn detach(&self, name: &str) {
        use aurochs_api::volume::VolumeState;
        self.action(name, "detach", json!({})).await.unwrap();
        self.wait(name, "detached", |volume| volume.state == VolumeState::Detached).await;
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            eprintln!("--- manager.log\n{}", self.log());
        }
        let clean = self.root.clean_up();
        if let Some(mut manager) = self.manager.take() {
            let _ = manager.wait();
        }
        assert!(clean || failed, "something of the installation is left");
    }
}
