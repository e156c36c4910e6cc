//! The gRPC face of one engine.

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::engine_v1::engine_server::Engine;
use super::engine_v1::{
    EngineState, EngineStatus, ReplicaAddRequest, ReplicaNameRequest, Snapshot, SnapshotCreateRequest,
    SnapshotNameRequest, SnapshotPurgeRequest, StatusRequest, UnmapMarkSnapChainRemovedRequest,
};
use crate::link::Address;
use crate::volume::Volume;
use crate::volume::barrier::OperationError;
use crate::volume::purge::IfPurging;

/// Shortest time between two messages of a watch: a burst of changes becomes one.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// Longest time between two looks at things that change without telling (sizes, counters, mounts).
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// What the process knows beside the volume: how it is offered.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    pub frontend: String,
    pub reason: String,
    pub endpoint: String,
    pub nbd_uri: String,
}

/// How far the engine process has got.
#[derive(Clone)]
pub enum Phase {
    Starting { volume: String },
    Up { volume: Volume, offer: Offer },
    Stopping { volume: String },
}

/// Serves whatever phase the process is in.
pub struct Service {
    pub phase: watch::Receiver<Phase>,
}

fn status_of(phase: &Phase) -> EngineStatus {
    match phase {
        Phase::Starting { volume } => {
            EngineStatus { volume: volume.clone(), state: EngineState::Starting.into(), ..EngineStatus::default() }
        }
        Phase::Stopping { volume } => {
            EngineStatus { volume: volume.clone(), state: EngineState::Stopping.into(), ..EngineStatus::default() }
        }
        Phase::Up { volume, offer } => EngineStatus {
            frontend: offer.frontend.clone(),
            frontend_reason: offer.reason.clone(),
            endpoint: offer.endpoint.clone(),
            nbd_uri: offer.nbd_uri.clone(),
            mounted_at: mounted_at(&offer.endpoint),
            ..volume.status()
        },
    }
}

fn mounted_at(endpoint: &str) -> Vec<String> {
    let mounts = crate::frontend::mounted_at(std::path::Path::new(endpoint));
    mounts.into_iter().map(|mount| mount.display().to_string()).collect()
}

fn operation_status(error: OperationError) -> Status {
    match error {
        OperationError::Refused(message) => Status::failed_precondition(message),
        OperationError::Failed(message) => Status::unavailable(message),
    }
}

impl Service {
    fn up(&self) -> Result<(Volume, Offer), Status> {
        match &*self.phase.borrow() {
            Phase::Up { volume, offer } => Ok((volume.clone(), offer.clone())),
            Phase::Starting { volume } => Err(Status::unavailable(format!("volume {volume} is still being started"))),
            Phase::Stopping { volume } => Err(Status::unavailable(format!("volume {volume} is being stopped"))),
        }
    }

    fn now(&self) -> Response<EngineStatus> {
        Response::new(status_of(&self.phase.borrow()))
    }
}

#[tonic::async_trait]
impl Engine for Service {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<EngineStatus>, Status> {
        Ok(self.now())
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<EngineStatus, Status>> + Send>>;

    async fn watch(&self, _: Request<StatusRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let mut phase = self.phase.clone();
        let statuses = async_stream::stream! {
            let mut sent = None;
            loop {
                let now = phase.borrow_and_update().clone();
                // Subscribed before the look, so that a change in between is not missed.
                let changes = match &now { Phase::Up { volume, .. } => Some(volume.shared.changed.subscribe()), _ => None };
                let changed = async {
                    match changes {
                        Some(mut changes) => changes.changed().await.is_ok(),
                        None => std::future::pending().await,
                    }
                };
                let status = status_of(&now);
                if sent.as_ref() != Some(&status) {
                    sent = Some(status.clone());
                    yield Ok(status);
                }
                tokio::time::sleep(WATCH_INTERVAL).await;
                tokio::select! {
                    _ = changed => {}
                    ended = phase.changed() => if ended.is_err() { return },
                    () = tokio::time::sleep(LOOK_INTERVAL) => {}
                }
            }
        };
        Ok(Response::new(Box::pin(statuses)))
    }

    async fn snapshot_create(&self, request: Request<SnapshotCreateRequest>) -> Result<Response<Snapshot>, Status> {
        let (volume, _) = self.up()?;
        let SnapshotCreateRequest { name, labels, user_created } = request.into_inner();
        let taken = volume.snapshot(&name, labels.into_iter().collect(), user_created).await;
        let name = taken.map_err(operation_status)?;
        let found = volume.status().snapshots.into_iter().find(|snapshot| snapshot.name == name);
        // The list may not be readable this moment; the snapshot is there all the same.
        Ok(Response::new(found.unwrap_or(Snapshot { name, user_created, ..Snapshot::default() })))
    }

    async fn snapshot_revert(&self, request: Request<SnapshotNameRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, offer) = self.up()?;
        if !offer.frontend.is_empty() {
            let message = format!(
                "volume {} is offered as {}; a revert would change the data under its users. Detach it, attach it in \
                 maintenance mode, and revert then",
                volume.name(),
                offer.endpoint
            );
            return Err(Status::failed_precondition(message));
        }
        volume.revert(&request.into_inner().name).await.map_err(operation_status)?;
        Ok(self.now())
    }

    async fn snapshot_delete(&self, request: Request<SnapshotNameRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, _) = self.up()?;
        volume.remove_snapshot(&request.into_inner().name).await.map_err(operation_status)?;
        Ok(self.now())
    }

    async fn replica_add(&self, request: Request<ReplicaAddRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, _) = self.up()?;
        let ReplicaAddRequest { name, address } = request.into_inner();
        let address: Address = address.parse().map_err(|error| Status::invalid_argument(format!("{error}")))?;
        volume.add_replica(&name, address).await.map_err(operation_status)?;
        Ok(self.now())
    }

    async fn replica_remove(&self, request: Request<ReplicaNameRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, _) = self.up()?;
        volume.remove_replica(&request.into_inner().name).await.map_err(operation_status)?;
        Ok(self.now())
    }

    async fn snapshot_purge(&self, request: Request<SnapshotPurgeRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, _) = self.up()?;
        let skip = request.into_inner().skip_if_in_progress;
        let if_purging = if skip { IfPurging::Skip } else { IfPurging::Refuse };
        volume.purge(if_purging).await.map_err(operation_status)?;
        Ok(self.now())
    }

    async fn unmap_mark_snap_chain_removed_set(
        &self,
        request: Request<UnmapMarkSnapChainRemovedRequest>,
    ) -> Result<Response<EngineStatus>, Status> {
        let (volume, _) = self.up()?;
        volume.set_unmap_mark_snap_chain_removed(request.into_inner().enabled);
        Ok(self.now())
    }
}
