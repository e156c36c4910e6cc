//! Keeps one instance manager for each node: adopts the one that answers, starts one where none does.
//!
//! An instance manager outlives the manager, and engines and replicas outlive both. Starting a second one beside a
//! first that merely is slow does no harm: it finds the socket in use and ends. One that was started in another way than it would be
//! now (the manager is called with other arguments) is told to end, and the next one takes over its processes.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use aurochs_engine::grpc::instance_v1::{VersionReply, VersionRequest};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::{Layout, claim};
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

/// What an instance manager of a cluster is told.
#[derive(Clone, Debug)]
pub(super) struct InCluster {
    /// Where other machines reach it: of the first node; the ports of the others follow.
    pub(super) address: Option<SocketAddr>,
}

impl Supervisor {
    pub(super) fn start(layout: &Layout, binary: &Path, cluster: Option<&InCluster>) -> Self {
        let clients = Clients::new(layout.instance_manager_addresses(), Network::default());
        let watch = |(index, node): (usize, &String)| {
            let node = NodeProcess {
                node: node.clone(),
                layout: layout.clone(),
                binary: binary.to_owned(),
                cluster: cluster.map(|cluster| cluster.of(index)),
            };
            tokio::spawn(keep_running(node, clients.clone()))
        };
        Self { tasks: layout.nodes.iter().enumerate().map(watch).collect() }
    }
}

impl InCluster {
    fn of(&self, index: usize) -> Self {
        let next = |address: SocketAddr| match address.port() {
            0 => address,
            port => SocketAddr::new(address.ip(), port.saturating_add(u16::try_from(index).unwrap_or(u16::MAX))),
        };
        Self { address: self.address.map(next) }
    }

    /// Whether what runs was started like this.
    fn fits(&self, running: &VersionReply) -> bool {
        let address = running.address.trim_start_matches("tls:").parse::<SocketAddr>().ok();
        let is_there = match (self.address, address) {
            (None, None) => true,
            (Some(wished), Some(running)) => {
                wished.ip() == running.ip() && [0, running.port()].contains(&wished.port())
            }
            _ => false,
        };
        is_there && running.records == "api-server"
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
    /// `None` without a cluster.
    cluster: Option<InCluster>,
}

async fn keep_running(process: NodeProcess, clients: Clients) {
    let mut child: Option<Child> = None;
    // Nothing was heard from it yet: the first silence is enough to start one.
    let mut silences = SILENCES_TOLERATED;
    loop {
        match version(&clients, &process.node).await {
            Some(running) if process.fits(&running) => silences = 0,
            Some(running) => {
                tracing::info!(node = process.node, pid = running.pid, "the instance manager is started anew");
                claim::Process::of(running.pid).end().await;
                silences = SILENCES_TOLERATED + 1;
            }
            None => silences += 1,
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
    version(clients, node).await.is_some()
}

async fn version(clients: &Clients, node: &str) -> Option<VersionReply> {
    let mut manager = clients.manager(node).ok()?;
    let version = manager.version(within(ANSWER_PATIENCE, VersionRequest {}));
    Some(tokio::time::timeout(ANSWER_PATIENCE, version).await.ok()?.ok()?.into_inner())
}

impl NodeProcess {
    fn fits(&self, running: &VersionReply) -> bool {
        match &self.cluster {
            Some(cluster) => cluster.fits(running),
            // One of a version that did not say so keeps them in files.
            None => running.address.is_empty() && running.records != "api-server",
        }
    }

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
            .args(self.in_cluster())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        command.spawn()
    }

    /// What there is in a cluster alone.
    fn in_cluster(&self) -> Vec<OsString> {
        let Some(cluster) = &self.cluster else { return Vec::new() };
        let mut arguments = vec!["--api-server".into(), self.layout.api_server_file().into()];
        if let Some(address) = cluster.address {
            arguments.extend(["--instance-address".into(), address.to_string().into()]);
            arguments.extend(["--tls".into(), self.layout.certificates().into()]);
        }
        arguments
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

#[cfg(test)]
mod tests {
    use super::*;

    fn running(address: &str, records: &str) -> VersionReply {
        VersionReply { address: address.to_owned(), records: records.to_owned(), ..VersionReply::default() }
    }

    #[test]
    fn one_that_was_started_otherwise_does_not_fit() {
        let at = |address: &str| InCluster { address: Some(address.parse().unwrap()) };
        let there = running("tls:10.0.0.1:8500", "api-server");
        assert!(at("10.0.0.1:8500").fits(&there) && at("10.0.0.1:0").fits(&there));
        assert!(!at("10.0.0.2:8500").fits(&there) && !at("10.0.0.1:8501").fits(&there));
        assert!(!at("10.0.0.1:8500").fits(&running("tls:10.0.0.1:8500", "files")), "two keepers of one volume");
        assert!(!at("10.0.0.1:8500").fits(&running("", "api-server")));
        let alone = InCluster { address: None };
        assert!(alone.fits(&running("", "api-server")) && !alone.fits(&there));
        assert_eq!(at("10.0.0.1:8500").of(2).address, at("10.0.0.1:8502").address);
        assert_eq!(at("10.0.0.1:0").of(2).address, at("10.0.0.1:0").address);
    }
}
