//! Follows a running engine: what it tells becomes the status of its resource. Changes of state are written at once,
//! numbers that move all the time only now and then, and nothing at all when nothing changed.

use std::time::Duration;

use aurochs_api::replica::ReplicaMode;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::Snapshot;
use aurochs_api::volume::RebuildStatus;
use aurochs_engine::grpc::engine_v1 as told;
use tokio::time::Instant;

use super::super::queue::WorkQueue;
use super::super::{Context, Error};
use crate::instance::rpc;
use crate::resources::engine::{ACTUAL_SIZE_STEP, EngineStatus, InstanceState};
use crate::resources::{Engine, timestamp};

/// A person watches a rebuild; once a second is live enough and bearable for the store.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);
/// Sizes under load.
const SIZES_PERIOD: Duration = Duration::from_secs(15);
/// Pause before connecting again to an engine whose stream broke although its process runs.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Follows until the task is aborted.
pub(super) async fn follow(context: Context, queue: WorkQueue, name: String, address: String) {
    loop {
        if let Err(error) = listen(&context, &name, &address).await {
            tracing::debug!(engine = name, %error, "the stream of an engine broke");
        }
        // Whoever sees first that the process is gone looks at the engine again.
        queue.add(&name);
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn listen(context: &Context, name: &str, address: &str) -> Result<(), Error> {
    let mut client = context.clients.engine(address)?;
    let doing = || format!("watching engine {name}");
    let mut stream = client.watch(told::StatusRequest {}).await.map_err(rpc(doing()))?.into_inner();
    let mut written: Option<(EngineStatus, Instant)> = None;
    let mut pending: Option<told::EngineStatus> = None;
    loop {
        let due = written.as_ref().map(|(status, when)| *when + period(status));
        let message = match (due, &pending) {
            (Some(due), Some(_)) => match tokio::time::timeout_at(due, stream.message()).await {
                Ok(message) => message,
                Err(_) => {
                    written = write(context, name, address, pending.take()).await?;
                    continue;
                }
            },
            _ => stream.message().await,
        };
        let Some(message) = message.map_err(rpc(doing()))? else { return Ok(()) };
        let at_once = match &written {
            None => true,
            Some((before, _)) => without_numbers(applied(before, &message, address)) != without_numbers(before.clone()),
        };
        pending = Some(message);
        if at_once || due.is_some_and(|due| due <= Instant::now()) {
            written = write(context, name, address, pending.take()).await?;
        }
    }
}

async fn write(
    context: &Context,
    name: &str,
    address: &str,
    message: Option<told::EngineStatus>,
) -> Result<Option<(EngineStatus, Instant)>, Error> {
    let Some(message) = message else { return Ok(None) };
    let change = |status: &mut EngineStatus| *status = applied(status, &message, address);
    let engine = context.store.modify_status::<Engine>(name, change).await?;
    Ok(Some((engine.status, Instant::now())))
}

fn period(status: &EngineStatus) -> Duration {
    let busy = status.reconcile_regions_left > 0 || status.rebuild_status.values().any(|rebuild| rebuild.is_rebuilding);
    if busy { PROGRESS_PERIOD } else { SIZES_PERIOD }
}

/// The status after the engine told this.
fn applied(before: &EngineStatus, message: &told::EngineStatus, address: &str) -> EngineStatus {
    let current_state = match message.state() {
        told::EngineState::Running => InstanceState::Running,
        told::EngineState::Starting => InstanceState::Starting,
        told::EngineState::Stopping => InstanceState::Stopping,
        told::EngineState::Failed => InstanceState::Error,
        told::EngineState::Unspecified => before.current_state,
    };
    let mut status = EngineStatus {
        current_state,
        started: current_state == InstanceState::Running,
        starting: current_state == InstanceState::Starting,
        current_size: ByteSize(message.size_bytes),
        address: address.to_owned(),
        endpoint: message.endpoint.clone(),
        nbd_uri: message.nbd_uri.clone(),
        frontend_in_use: message.frontend.clone(),
        frontend_reason: message.frontend_reason.clone(),
        epoch: message.epoch,
        generation: message.generation,
        cause: message.cause.clone(),
        actual_size: ByteSize(message.actual_size_bytes).round_up(ACTUAL_SIZE_STEP),
        reconcile_regions_left: message.reconcile_regions_left,
        snapshots: message.snapshots.iter().map(|snapshot| (snapshot.name.clone(), layer(snapshot))).collect(),
        rebuild_status: message.rebuilds.iter().map(|one| (one.replica.clone(), rebuild(one))).collect(),
        ..before.clone()
    };
    apply_replicas(&mut status, before, &message.replicas);
    status
}

fn apply_replicas(status: &mut EngineStatus, before: &EngineStatus, replicas: &[told::Replica]) {
    status.replica_mode_map.clear();
    status.replica_transition_time_map.clear();
    status.current_replica_address_map.clear();
    status.replica_causes.clear();
    for replica in replicas {
        let (name, mode) = (replica.name.clone(), mode(replica.mode()));
        let since = match before.replica_transition_time_map.get(&name) {
            Some(since) if before.replica_mode_map.get(&name) == Some(&mode) => since.clone(),
            _ => timestamp::now(),
        };
        status.replica_transition_time_map.insert(name.clone(), since);
        status.current_replica_address_map.insert(name.clone(), replica.address.clone());
        if !replica.cause.is_empty() {
            status.replica_causes.insert(name.clone(), replica.cause.clone());
        }
        status.replica_mode_map.insert(name, mode);
    }
}

const fn mode(mode: told::ReplicaMode) -> ReplicaMode {
    match mode {
        told::ReplicaMode::Rw => ReplicaMode::ReadWrite,
        told::ReplicaMode::Wo => ReplicaMode::WriteOnly,
        told::ReplicaMode::Err => ReplicaMode::Error,
        told::ReplicaMode::Unspecified => ReplicaMode::None,
    }
}

fn layer(snapshot: &told::Snapshot) -> Snapshot {
    Snapshot {
        name: snapshot.name.clone(),
        parent: snapshot.parent.clone(),
        children: snapshot.children.clone().into_iter().collect(),
        removed: snapshot.removed,
        usercreated: snapshot.user_created,
        created: snapshot.created.clone(),
        size: ByteSize(snapshot.size_bytes),
        labels: Some(snapshot.labels.clone().into_iter().collect()),
        checksum: String::new(),
    }
}

fn rebuild(rebuild: &told::Rebuild) -> RebuildStatus {
    let percent = rebuild.done_bytes.saturating_mul(100).checked_div(rebuild.planned_bytes);
    let whole = if rebuild.running { 0 } else { 100 };
    RebuildStatus {
        replica: rebuild.replica.clone(),
        is_rebuilding: rebuild.running,
        progress: percent.map_or(whole, |percent| u32::try_from(percent.min(100)).unwrap_or(100)),
        state: match (rebuild.running, rebuild.error.is_empty()) {
            (true, _) => "in_progress",
            (false, true) => "complete",
            (false, false) => "error",
        }
        .to_owned(),
        error: rebuild.error.clone(),
        from_replica_list: vec![rebuild.from_replica.clone()],
        planned_bytes: ByteSize(rebuild.planned_bytes),
        done_bytes: ByteSize(rebuild.done_bytes),
        bytes_per_second: rebuild.bytes_per_second,
    }
}

/// The status without what moves all the time: what is left decides whether a change is written at once.
fn without_numbers(mut status: EngineStatus) -> EngineStatus {
    status.actual_size = ByteSize::ZERO;
    status.reconcile_regions_left = status.reconcile_regions_left.min(1);
    for snapshot in status.snapshots.values_mut() {
        snapshot.size = ByteSize::ZERO;
    }
    for rebuild in status.rebuild_status.values_mut() {
        (rebuild.progress, rebuild.bytes_per_second) = (0, 0);
        (rebuild.done_bytes, rebuild.planned_bytes) = (ByteSize::ZERO, ByteSize::ZERO);
    }
    for since in status.replica_transition_time_map.values_mut() {
        since.clear();
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> told::EngineStatus {
        told::EngineStatus {
            state: told::EngineState::Running.into(),
            replicas: vec![told::Replica {
                name: "a".into(),
                mode: told::ReplicaMode::Rw.into(),
                ..Default::default()
            }],
            rebuilds: vec![told::Rebuild {
                replica: "b".into(),
                planned_bytes: 200,
                done_bytes: 50,
                running: true,
                ..Default::default()
            }],
            actual_size_bytes: 1,
            ..Default::default()
        }
    }

    #[test]
    fn what_the_engine_tells_becomes_the_status() {
        let status = applied(&EngineStatus::default(), &message(), "unix:/e");
        assert_eq!(status.current_state, InstanceState::Running);
        assert_eq!(status.replica_mode_map["a"], ReplicaMode::ReadWrite);
        assert_eq!((status.rebuild_status["b"].progress, status.actual_size), (25, ACTUAL_SIZE_STEP));
        assert_eq!(applied(&status, &message(), "unix:/e"), status, "the same message changes nothing");
    }

    #[test]
    fn progress_alone_is_no_change_of_state() {
        let before = applied(&EngineStatus::default(), &message(), "unix:/e");
        let mut further = message();
        further.rebuilds[0].done_bytes = 150;
        assert_eq!(without_numbers(applied(&before, &further, "unix:/e")), without_numbers(before.clone()));
        further.rebuilds[0].running = false;
        assert_ne!(without_numbers(applied(&before, &further, "unix:/e")), without_numbers(before));
    }
}
