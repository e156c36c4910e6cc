//! Keeps one instance manager for each node: adopts the one that answers, starts one where none does.
//!
//! An instance manager outlives the manager, and engines and replicas outlive both. Starting a second one beside a
//! first that merely is slow does no harm: it finds the socket in use and ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use aurochs_engine::grpc::instance_v1::VersionRequest;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::Layout;
use crate::instance::{Clients, Network, within};

/// How often a node's instance manager is asked whether it is there.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// A started one has this long to answer; it first looks for its former processes.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// An answer that takes longer counts as none.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// Unanswered asks in a row before another one is started: a machine under load is not a dead process.
const SILENCES_TOLERATED: u32 = 2;

/// The running supervision. Dropping it ends the watching only.
pub(super) struct Supervisor {
    tasks: Vec<JoinHandle<()>>,
}

impl Supervisor {
    pub(super) fn start(layout: &Layout, binary: &Path) -> Self {
        let clients = Clients::new(layout.instance_manager_addresses(), Network::default());
        let watch = |node: &String| {
            let node = NodeProcess { node: node.clone(), layout: layout.clone(), binary: binary.to_owned() };
            tokio::spawn(keep_running(node, clients.clone()))
        };
        Self { tasks: layout.nodes.iter().map(watch).collect() }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

struct NodeProcess {
    node: String,
    layout: Layout,
    binary: PathBuf,
}

async fn keep_running(process: NodeProcess, clients: Clients) {
    let mut child: Option<Child> = None;
    // Nothing was heard from it yet: the first silence is enough to start one.
    let mut silences = SILENCES_TOLERATED;
    loop {
        if answers(&clients, &process.node).await {
            silences = 0;
        } else {
            silences += 1;
        }
        let ended = child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
        if ended {
            tracing::warn!(node = process.node, "the instance manager ended; its engines and replicas run on");
            child = None;
        }
        if silences > SILENCES_TOLERATED || (ended && silences > 0) {
            match process.spawn() {
                Ok(started) => child = Some(started),
                Err(error) => tracing::error!(node = process.node, %error, "an instance manager can't be started"),
            }
            if let Some(child) = &mut child {
                wait_for_answer(&clients, &process.node, child).await;
            }
            silences = 0;
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

/// Until it answers, ends, or patience does.
async fn wait_for_answer(clients: &Clients, node: &str, child: &mut Child) {
    let answered = async {
        while !answers(clients, node).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = answered => tracing::info!(node, "the instance manager is up"),
        ended = child.wait() => tracing::error!(node, ?ended, "the instance manager ended at once; see its log"),
        () = tokio::time::sleep(START_PATIENCE) => tracing::error!(node, "the instance manager does not answer"),
    }
}

async fn answers(clients: &Clients, node: &str) -> bool {
    let Ok(mut manager) = clients.manager(node) else { return false };
    let version = manager.version(within(ANSWER_PATIENCE, VersionRequest {}));
    matches!(tokio::time::timeout(ANSWER_PATIENCE, version).await, Ok(Ok(_)))
}

impl NodeProcess {
    /// In a session of its own: neither Ctrl-C in the manager's terminal nor its closing reaches it.
    fn spawn(&self) -> io::Result<Child> {
        let log = self.open_log()?;
        // util-linux' setsid replaces itself by the program, so the child is the instance manager itself.
        let mut command = Command::new("setsid");
        command
            .arg(&self.binary)
            .arg("instance-manager")
            .args(["--node", &self.node])
            .arg("--data")
            .arg(self.layout.node_data(&self.node))
            .arg("--records")
            .arg(self.layout.records())
            .arg("--run-dir")
            .arg(self.layout.node_run(&self.node))
            .arg("--dev-dir")
            .arg(self.device_directory())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        command.spawn()
    }

    /// `/dev/longhorn` is root's; others get links beside their sockets.
    fn device_directory(&self) -> PathBuf {
        if nix::unistd::geteuid().is_root() { PathBuf::from("/dev/longhorn") } else { self.layout.run.join("dev") }
    }

    fn open_log(&self) -> io::Result<File> {
        let path = self.layout.logs().join(format!("instance-manager-{}.log", self.node));
        OpenOptions::new().create(true).append(true).open(path)
    }
}
