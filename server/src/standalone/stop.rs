//! `aurochs stop`: the manager, then engines (cleanly), then replicas and instance managers.

use std::path::Path;
use std::time::Duration;

use aurochs_engine::grpc::instance_v1::{
    InstanceKind, InstanceListRequest, InstanceStopRequest, ShutdownRequest, VersionRequest,
};

use super::claim::Process;
use super::{ClaimError, Layout, LayoutError, claim};
use crate::instance::{ClientError, Clients, LOOK_TIMEOUT, Network, rpc, within};

/// Time an engine gets to flush before it is killed.
const ENGINE_GRACE_SECONDS: u32 = 120;
const ENGINE_TIMEOUT: Duration = Duration::from_secs(ENGINE_GRACE_SECONDS as u64 + 15);
/// Replicas have no writes in flight any more when instance managers are told to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(90);
/// The manager only finishes the requests under way, for 10 s.
const MANAGER_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum StopError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error("the manager did not end within {} s; nothing else was stopped", MANAGER_PATIENCE.as_secs())]
    ManagerStays,
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What was stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    pub manager: bool,
    pub engines: Vec<String>,
    pub nodes: Vec<String>,
}

/// Stops everything of this data directory; what does not run is fine.
pub async fn stop(data: &Path) -> Result<Stopped, StopError> {
    let layout = Layout::find(data)?;
    let mut stopped = Stopped { manager: claim::tell_to_end(&layout)?, ..Stopped::default() };
    // The manager goes first, or it would start again what is stopped here.
    if stopped.manager {
        wait_for_manager(&layout).await?;
    }
    let clients = Clients::new(layout.instance_manager_addresses(), Network::default());
    let mut answering = Vec::new();
    for node in clients.nodes() {
        let version = clients.manager(&node)?.version(within(LOOK_TIMEOUT, VersionRequest {})).await;
        if let Ok(version) = version {
            answering.push((node, Process::of(version.into_inner().pid)));
        }
    }
    // All engines before any replica: an engine that loses replicas while it flushes would record them as failed.
    for (node, _) in &answering {
        stopped.engines.extend(stop_engines(&clients, node).await?);
    }
    for (node, process) in answering {
        let shut_down = clients.manager(&node)?.shutdown(within(SHUTDOWN_TIMEOUT, ShutdownRequest {})).await;
        shut_down.map_err(rpc(format!("shutting down the instance manager of {node}")))?;
        // It answers before it ends; a manager started at once must not meet it.
        process.wait_for_end().await;
        stopped.nodes.push(node);
    }
    remove_run_directory(&layout);
    Ok(stopped)
}

/// Sockets and notes of what has ended. They stay while anything lives there: a process whose instance manager is gone,
/// or a mount that a killed engine left to whoever still uses it.
fn remove_run_directory(layout: &Layout) {
    let lives = |node: &String| {
        let files = std::fs::read_dir(layout.node_run(node)).into_iter().flatten().flatten();
        files.map(|file| file.path()).any(|path| std::os::unix::net::UnixStream::connect(path).is_ok())
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let run = layout.run.to_string_lossy();
    if layout.nodes.iter().any(lives) || mounts.contains(&*run) {
        return;
    }
    match std::fs::remove_dir_all(&layout.run) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(directory = %run, %error, "cannot remove the directory of sockets");
        }
        _ => {}
    }
}

async fn wait_for_manager(layout: &Layout) -> Result<(), StopError> {
    let free = async {
        loop {
            if claim::is_free(layout)? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(MANAGER_PATIENCE, free).await.map_err(|_| StopError::ManagerStays)?
}

async fn stop_engines(clients: &Clients, node: &str) -> Result<Vec<String>, StopError> {
    let mut manager = clients.manager(node)?;
    let list = manager.instance_list(within(LOOK_TIMEOUT, InstanceListRequest {})).await;
    let list = list.map_err(rpc(format!("listing the instances of {node}")))?.into_inner();
    let mut engines = Vec::new();
    for instance in list.instances.into_iter().filter(|instance| instance.kind() == InstanceKind::Engine) {
        let request = InstanceStopRequest { name: instance.name.clone(), grace_seconds: ENGINE_GRACE_SECONDS };
        let doing = format!("stopping engine {} on {node}", instance.name);
        manager.instance_stop(within(ENGINE_TIMEOUT, request)).await.map_err(rpc(doing))?;
        engines.push(instance.name);
    }
    Ok(engines)
}
