//! A manager with three nodes, a driver on the first of them, and both their interfaces.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aurochs_csi::csi::ProbeRequest;
use aurochs_csi::csi::controller_client::ControllerClient;
use aurochs_csi::csi::identity_client::IdentityClient;
use aurochs_csi::csi::node_client::NodeClient;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use aurochs_test_place::Place;

/// Far more than a step takes; only a step that never comes true meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);
pub(crate) const NODE: &str = "node-1";

pub(crate) struct Installation {
    pub(crate) root: PathBuf,
    place: Place,
    address: String,
    password: String,
    manager: Option<Child>,
    driver: Option<Child>,
    client: reqwest::Client,
}

fn binary(name: &str) -> PathBuf {
    let beside = || Path::new(env!("CARGO_BIN_EXE_aurochs-csi")).parent().unwrap().to_owned();
    std::env::var_os("AUROCHS_BIN_DIR").map_or_else(beside, PathBuf::from).join(name)
}

/// Runs a tool to its end and expects success.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}", output.status);
    text
}

/// `/dev/longhorn` is shared with whatever else runs on this machine: other tests of this suite have other bases.
pub(crate) fn name(base: &str) -> String {
    format!("{base}-{}", std::process::id())
}

impl Installation {
    pub(crate) async fn start() -> Self {
        let place = Place::new(&binary("aurochs"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut installation = Self {
            address: format!("127.0.0.1:{port}"),
            password: String::new(),
            manager: None,
            driver: None,
            client: reqwest::Client::new(),
            root: place.path().to_owned(),
            place,
        };
        installation.start_manager();
        let password = fs::read_to_string(installation.password_file()).unwrap();
        installation.password = password.trim().to_owned();
        // The machine that runs the test may be nearly full; the volumes here are sparse.
        installation.set("storage-minimal-available-percentage", "0").await;
        installation.set("storage-over-provisioning-percentage", "10000").await;
        installation
            .until("all nodes are ready", async |installation| {
                let nodes = installation.get("v1/nodes").await;
                let nodes = nodes["data"].as_array().unwrap().clone();
                nodes.len() == 3 && nodes.iter().all(|node| node["conditions"]["Ready"]["status"] == "True")
            })
            .await;
        installation.start_driver().await;
        installation
    }

    fn data(&self) -> PathBuf {
        self.place.data()
    }

    fn password_file(&self) -> PathBuf {
        self.data().join("admin-password")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("csi.sock")
    }

    pub(crate) fn start_manager(&mut self) {
        let mut command = Command::new(binary("aurochs"));
        command.args(["serve", "--nodes", "3", "--address", &self.address, "--data"]).arg(self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(self.log("manager.log"));
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = lines.by_ref().map_while(Result::ok).find(|line| line.contains("http://"));
        assert!(told.is_some(), "the manager ended before it was ready: {}", self.text("manager.log"));
        // Whatever it says later must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        self.manager = Some(child);
    }

    pub(crate) fn kill_manager(&mut self) {
        let mut manager = self.manager.take().unwrap();
        manager.kill().unwrap();
        manager.wait().unwrap();
    }

    fn log(&self, name: &str) -> fs::File {
        fs::File::options().create(true).append(true).open(self.root.join(name)).unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap_or_default()
    }

    pub(crate) async fn start_driver(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurochs-csi"));
        command.args(["--nodeid", NODE, "--manager-url", &format!("http://{}/v1", self.address)]);
        command.arg("--endpoint").arg(format!("unix://{}", self.socket().display()));
        command.args(["--user", "admin", "--password-file"]).arg(self.password_file());
        command.stdin(Stdio::null()).stdout(self.log("driver.log")).stderr(self.log("driver.log"));
        self.driver = Some(command.spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while !self.answers().await {
            assert!(Instant::now() < deadline, "the driver does not answer: {}", self.text("driver.log"));
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn answers(&self) -> bool {
        let Ok(channel) = self.endpoint().connect().await else { return false };
        IdentityClient::new(channel).probe(ProbeRequest {}).await.is_ok()
    }

    /// Without warning; its socket is left.
    pub(crate) fn kill_driver(&mut self) {
        let mut driver = self.driver.take().unwrap();
        driver.kill().unwrap();
        driver.wait().unwrap();
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::try_from(format!("unix://{}", self.socket().display())).unwrap()
    }

    pub(crate) fn channel(&self) -> Channel {
        self.endpoint().connect_lazy()
    }

    pub(crate) fn controller(&self) -> ControllerClient<Channel> {
        ControllerClient::new(self.channel())
    }

    pub(crate) fn node(&self) -> NodeClient<Channel> {
        NodeClient::new(self.channel())
    }

    // === the manager's own interface ===

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.client.request(method, format!("http://{}/{path}", self.address));
        let request = request.basic_auth("admin", Some(&self.password)).timeout(PATIENCE);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, 200, "GET {path}: {answer}");
        answer
    }

    pub(crate) async fn set(&self, setting: &str, value: &str) {
        let path = format!("v1/settings/{setting}");
        let (status, answer) = self.ask(Method::PUT, &path, Some(json!({"value": value}))).await;
        assert_eq!(status, 200, "{setting}: {answer}");
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self).await {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A backup target in a directory.
    pub(crate) async fn set_backup_target(&self) {
        let directory = self.root.join("backups");
        fs::create_dir_all(&directory).unwrap();
        let url = format!("vfs://{}", directory.display());
        let body = json!({"name": "default", "backupTargetURL": url, "pollInterval": "3600"});
        let path = "v1/backuptargets/default?action=backupTargetUpdate";
        let (status, answer) = self.ask(Method::POST, path, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        self.until("the backup target can be used", async |installation| {
            installation.get("v1/backuptargets/default").await["available"] == true
        })
        .await;
    }

    /// What a test leaves mounted below its directory.
    pub(crate) fn mounts(&self) -> Vec<String> {
        let below = format!("{}/", self.root.display());
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let at = table.lines().filter_map(|line| line.split(' ').nth(4));
        at.filter(|at| at.starts_with(&below) && !at.contains("/data/")).map(str::to_owned).collect()
    }
}

impl Drop for Installation {
    /// Also after a failure nothing is left.
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            eprintln!("--- manager.log\n{}--- driver.log\n{}", self.text("manager.log"), self.text("driver.log"));
        }
        let clean = self.place.clean_up();
        for mut child in self.driver.take().into_iter().chain(self.manager.take()) {
            let _ = child.wait();
        }
        assert!(clean || failed, "something of the installation is left");
    }
}
