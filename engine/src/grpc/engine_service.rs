//! The gRPC face of one engine.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::engine_v1::engine_server::Engine;
use super::engine_v1::{
    BackupCreateRequest, BackupNameRequest, BackupRestoreRequest, BackupStatus, EngineState, EngineStatus,
    ExpandRequest, RebuildPaceSetRequest, ReplicaAddRequest, ReplicaNameRequest, Snapshot, SnapshotCloneRequest,
    SnapshotCreateRequest, SnapshotHashLockReply, SnapshotHashRequest, SnapshotHashState, SnapshotLimitsSetRequest,
    SnapshotNameRequest, SnapshotPurgeRequest, SnapshotReadAtReply, SnapshotReadAtRequest, SnapshotReadRequest,
    StatusRequest, UnmapMarkSnapChainRemovedRequest,
};
use super::{backup_requests, snapshot_stream};
use crate::frontend::Resizer;
use crate::frontend::freeze::{self, FreezeError, Patience};
use crate::frontend::fuse_loop::mounts::Mount;
use crate::link::Address;
use crate::rebuild::RebuildPace;
use crate::volume::Volume;
use crate::volume::barrier::OperationError;
use crate::volume::clone::CloneRequest;
use crate::volume::purge::IfPurging;
use crate::volume::snapshot_limits::SnapshotLimits;

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
    pub resizer: Resizer,
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
        Phase::Up { volume, offer } => {
            let mounts = crate::frontend::mounts_of(Path::new(&offer.endpoint));
            let path = |mount: &Mount| mount.mount_point.display().to_string();
            EngineStatus {
                frontend: offer.frontend.clone(),
                frontend_reason: offer.reason.clone(),
                endpoint: offer.endpoint.clone(),
                nbd_uri: offer.nbd_uri.clone(),
                mounted_at: mounts.iter().map(path).collect(),
                turned_read_only: mounts.iter().filter(|mount| mount.turned_read_only).map(path).collect(),
                ..volume.status()
            }
        }
    }
}

pub(super) fn operation_status(error: OperationError) -> Status {
    match error {
        OperationError::Refused(message) => Status::failed_precondition(message),
        OperationError::Failed(message) => Status::unavailable(message),
    }
}

impl From<FreezeError> for OperationError {
    fn from(error: FreezeError) -> Self {
        match error {
            FreezeError::Frozen { .. } | FreezeError::Hidden { .. } => Self::Refused(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
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
    /// Who asks, and does not follow, wants the sizes as they are now.
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<EngineStatus>, Status> {
        let is_fresh = match self.up() {
            Ok((volume, _)) => volume.look_at_layers().await,
            Err(_) => true,
        };
        let mut status = self.now();
        status.get_mut().snapshots_are_old = !is_fresh;
        Ok(status)
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
        let (volume, offer) = self.up()?;
        let SnapshotCreateRequest { name, labels, user_created, freeze_filesystem } = request.into_inner();
        let quiet = freeze::quiesce(Path::new(&offer.endpoint), freeze_filesystem, Patience::default());
        let quiet = quiet.await.map_err(|error| operation_status(error.into()))?;
        let witness = quiet.witness();
        let still = move || witness.check().map_err(OperationError::from);
        let taken = volume.snapshot_while(&name, labels.into_iter().collect(), user_created, still).await;
        quiet.release().await;
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

    type SnapshotReadStream = snapshot_stream::Chunks;

    async fn snapshot_read(
        &self,
        request: Request<SnapshotReadRequest>,
    ) -> Result<Response<Self::SnapshotReadStream>, Status> {
        let (volume, _) = self.up()?;
        snapshot_stream::chunks(&volume, request.into_inner()).await.map(Response::new)
    }

    async fn snapshot_read_at(
        &self,
        request: Request<SnapshotReadAtRequest>,
    ) -> Result<Response<SnapshotReadAtReply>, Status> {
        let (volume, _) = self.up()?;
        snapshot_stream::piece(&volume, request.into_inner()).await.map(Response::new)
    }

    async fn snapshot_clone(&self, request: Request<SnapshotCloneRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, offer) = self.up()?;
        if !offer.frontend.is_empty() {
            let message = format!(
                "volume {} is offered as {}; only a volume that nobody uses can be filled. Detach it, attach it in \
                 maintenance mode, and clone then",
                volume.name(),
                offer.endpoint
            );
            return Err(Status::failed_precondition(message));
        }
        let SnapshotCloneRequest { source_address, source_volume, source_snapshot, snapshot, include_backing_file } =
            request.into_inner();
        let address = source_address.parse().map_err(|error| Status::invalid_argument(format!("{error}")))?;
        let request = CloneRequest {
            address,
            volume: source_volume,
            snapshot: source_snapshot,
            new_snapshot: snapshot,
            include_backing_file,
        };
        volume.clone_from_snapshot(request).await.map_err(operation_status)?;
        Ok(self.now())
    }

    async fn snapshot_clone_cancel(&self, _: Request<StatusRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, _) = self.up()?;
        volume.cancel_clone().await;
        Ok(self.now())
    }

    async fn backup_create(&self, request: Request<BackupCreateRequest>) -> Result<Response<BackupStatus>, Status> {
        let (volume, _) = self.up()?;
        let request = backup_requests::backup(request.into_inner(), volume.name())?;
        volume.back_up(request).await.map(Response::new).map_err(operation_status)
    }

    async fn backup_cancel(&self, request: Request<BackupNameRequest>) -> Result<Response<BackupStatus>, Status> {
        let (volume, _) = self.up()?;
        let backup = request.into_inner().backup;
        let message = || format!("volume {} has no backup {backup:?} running, or that ended lately", volume.name());
        volume.cancel_backup(&backup).await.map(Response::new).ok_or_else(|| Status::not_found(message()))
    }

    async fn backup_restore(&self, request: Request<BackupRestoreRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, offer) = self.up()?;
        let request = backup_requests::restore(request.into_inner())?;
        // One that goes on takes nothing from whoever uses the volume.
        let goes_on = request.instant.is_some() && volume.is_restored_instantly();
        if !offer.frontend.is_empty() && !goes_on {
            let message = format!(
                "volume {} is offered as {}; only a volume that nobody uses can be restored. Detach it, attach it in \
                 maintenance mode, and restore then",
                volume.name(),
                offer.endpoint
            );
            return Err(Status::failed_precondition(message));
        }
        volume.restore(request).await.map_err(operation_status)?;
        Ok(self.now())
    }

    async fn restore_cancel(&self, _: Request<StatusRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, _) = self.up()?;
        volume.cancel_restore().await;
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

    async fn expand(&self, request: Request<ExpandRequest>) -> Result<Response<EngineStatus>, Status> {
        let (volume, offer) = self.up()?;
        let tell_users = async move { offer.resizer.resize().await.map_err(|error| error.to_string()) };
        volume.expand(request.into_inner().size_bytes, tell_users).await.map_err(operation_status)?;
        Ok(self.now())
    }

    async fn snapshot_limits_set(
        &self,
        request: Request<SnapshotLimitsSetRequest>,
    ) -> Result<Response<EngineStatus>, Status> {
        let (volume, _) = self.up()?;
        let SnapshotLimitsSetRequest { snapshot_max_count, snapshot_max_size_bytes } = request.into_inner();
        let limits = SnapshotLimits::checked(snapshot_max_count, snapshot_max_size_bytes).map_err(operation_status)?;
        volume.set_snapshot_limits(limits);
        Ok(self.now())
    }

    async fn snapshot_hash(
        &self,
        request: Request<SnapshotHashRequest>,
    ) -> Result<Response<SnapshotHashState>, Status> {
        let (volume, _) = self.up()?;
        let SnapshotHashRequest { name, rehash } = request.into_inner();
        volume.hash_snapshot(&name, rehash).await.map_err(operation_status)?;
        volume.snapshot_hash(&name).await.map(Response::new).map_err(operation_status)
    }

    async fn snapshot_hash_status(
        &self,
        request: Request<SnapshotNameRequest>,
    ) -> Result<Response<SnapshotHashState>, Status> {
        let (volume, _) = self.up()?;
        volume.snapshot_hash(&request.into_inner().name).await.map(Response::new).map_err(operation_status)
    }

    async fn snapshot_hash_cancel(
        &self,
        request: Request<SnapshotNameRequest>,
    ) -> Result<Response<SnapshotHashState>, Status> {
        let (volume, _) = self.up()?;
        let name = request.into_inner().name;
        volume.cancel_snapshot_hash(&name).await.map_err(operation_status)?;
        volume.snapshot_hash(&name).await.map(Response::new).map_err(operation_status)
    }

    async fn snapshot_hash_lock(&self, _: Request<StatusRequest>) -> Result<Response<SnapshotHashLockReply>, Status> {
        let (volume, _) = self.up()?;
        Ok(Response::new(SnapshotHashLockReply { held: volume.hash_locks().await.into_iter().collect() }))
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
        let UnmapMarkSnapChainRemovedRequest { enabled, mark_now } = request.into_inner();
        volume.set_unmap_mark_snap_chain_removed(enabled);
        if mark_now {
            volume.mark_for_trim().await;
        }
        Ok(self.now())
    }

    async fn rebuild_pace_set(
        &self,
        request: Request<RebuildPaceSetRequest>,
    ) -> Result<Response<EngineStatus>, Status> {
        let (volume, _) = self.up()?;
        let RebuildPaceSetRequest { max_bytes_per_second, concurrent_sources } = request.into_inner();
        volume.set_rebuild_pace(RebuildPace { max_bytes_per_second, concurrent_sources });
        Ok(self.now())
    }
}
