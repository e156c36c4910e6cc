//! The manager as a process of its own, which is killed and started again; engines and replicas are real ones and live on.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aurochs_server::standalone::{Layout, stop};
use aurochs_server::store::sqlite::Sqlite;
use aurochs_test_place::Place;
use reqwest::Method;
use serde_json::Value;

use crate::model::Outcome;

pub(crate) const NODES: u32 = 4;
/// A request that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the manager dies by itself, counted in its changes of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CrashPoint {
    Before(u32),
    After(u32),
}

impl CrashPoint {
    fn text(self) -> String {
        match self {
            Self::Before(number) => format!("before:{number}"),
            Self::After(number) => format!("after:{number}"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    /// Null where there is none.
    pub(crate) body: Value,
}

pub(crate) struct Manager {
    root: Place,
    address: String,
    password: String,
    child: Option<Child>,
    client: reqwest::Client,
}

impl Manager {
    pub(crate) async fn first_start() -> Self {
        let root = Place::new(Path::new(env!("CARGO_BIN_EXE_aurochs")));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = reqwest::Client::builder().cookie_store(true).timeout(PATIENCE).build().unwrap();
        let address = format!("127.0.0.1:{port}");
        let mut manager = Self { root, address, password: String::new(), child: None, client };
        assert!(manager.start(None), "the manager did not start: {}", manager.log());
        let password = std::fs::read_to_string(manager.data().join("admin-password")).unwrap();
        password.trim().clone_into(&mut manager.password);
        manager.log_in().await;
        manager
    }

    /// A session lasts longer than a manager; a password would be hashed anew by each one.
    async fn log_in(&self) {
        let form = [("user", "admin"), ("password", self.password.as_str()), ("next", "")];
        let body: String = form.map(|(key, value)| format!("{key}={value}")).join("&");
        let request = self.client.post(format!("http://{}/login", self.address)).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success() || answer.status().is_redirection(), "login: {}", answer.status());
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.data()
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::find(&self.data()).unwrap()
    }

    /// The store, to look at beside the manager.
    pub(crate) async fn store(&self) -> Sqlite {
        Sqlite::open(&self.layout().database()).await.unwrap()
    }

    /// False when it died before it was ready.
    pub(crate) fn start(&mut self, crash: Option<CrashPoint>) -> bool {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurochs"));
        command.args(["serve", "--nodes", &NODES.to_string(), "--address", &self.address, "--data"]).arg(self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        if let Some(crash) = crash {
            command.env("AUROCHS_CRASH", crash.text());
        }
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        command.stderr(log);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("http://"));
        // Whatever it says later must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        self.child = Some(child);
        if !is_ready {
            self.kill();
        }
        is_ready
    }

    pub(crate) fn is_dead(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Without warning; fine when it is dead already.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    fn log_path(&self) -> PathBuf {
        self.root.path().join("manager.log")
    }

    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(400)..].join("\n")
    }

    /// One request. What the manager refuses it must be able to explain: an error of its own ends the test.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, format!("http://{}/{path}", self.address));
        if let Some(body) = &body {
            request = request.json(body);
        }
        let lost = Answer { outcome: Outcome::Lost, body: Value::Null };
        // What tells a script with a session from another site's page.
        let request = request.header("accept", "application/json").header("x-requested-with", "XMLHttpRequest");
        let Ok(answer) = request.send().await else { return lost };
        let status = answer.status();
        let Ok(text) = answer.text().await else { return lost };
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Answer { outcome: Outcome::Done, body: value };
        }
        assert!(status != 500 && status != 401, "{path} {body:?}: {status} {text}");
        // What a process outside was asked for and did not answer may be done all the same.
        let is_open = status.is_server_error();
        println!("{status}: {path}: {}", value["message"]);
        Answer { outcome: if is_open { Outcome::Lost } else { Outcome::Refused }, body: value }
    }

    /// Keeps everything for whoever looks into a failure, where the environment asks for it.
    pub(crate) fn keep(&mut self) {
        if std::env::var_os("AUROCHS_KEEP").is_some() {
            self.root.keep_files();
            eprintln!("kept: {}", self.root.path().display());
        }
    }

    pub(crate) async fn stop(mut self) {
        self.kill();
        stop::stop(&self.data()).await.unwrap();
        let rest = processes(&self.data());
        assert!(rest.is_empty(), "processes were left: {rest:?}");
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ids of the engine's processes (instance managers, engines, replicas) that have this directory among their arguments.
pub(crate) fn processes(directory: &Path) -> Vec<u32> {
    let directory = directory.to_string_lossy();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let is_ours = |id: &u32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.split('\0').next().is_some_and(|program| program.ends_with("aurochs-engine")) && line.contains(&*directory)
    };
    ids.filter(is_ours).collect()
}
