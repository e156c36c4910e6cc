//! The gRPC face of the instance manager.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::sync::Notify;
use tonic::{Code, Request, Response, Status, Streaming};

use super::disk::{self, Disk, DiskError, Health, Looks, Make};
use super::environment::{self, Item, Severity};
use super::images::{self, Images, Place, image_status};
use super::process::{ProcessError, Processes};
use super::records::Records;
use super::trim::{TrimError, Trims};
use crate::frontend::choice;
use crate::grpc::instance_v1::instance_manager_server::InstanceManager;
use crate::grpc::instance_v1::{
    DiskHealthReply, DiskHealthRequest, DiskInspectReply, DiskInspectRequest, EnvironmentCheckReply,
    EnvironmentCheckRequest, EnvironmentItem, EnvironmentSeverity, FilesystemTrimReply, FilesystemTrimRequest,
    FrontendListReply, FrontendListRequest, FrontendOffer, Image, ImageBackupProgress, ImageBackupRequest,
    ImageDeleteReply, ImageListReply, ImageListRequest, ImagePlace, ImagePrepareRequest, ImageReadPart,
    ImageReadRequest, ImageUploadPart, Instance, InstanceListReply, InstanceListRequest, InstanceStartRequest,
    InstanceStopReply, InstanceStopRequest, RecordCompareAndSetRequest, RecordDeleteReply, RecordGetRequest,
    RecordReply, ReplicaDirectoryDeleteReply, ReplicaDirectoryDeleteRequest, ReplicaSpec, ShutdownReply,
    ShutdownRequest, VersionReply, VersionRequest, instance_start_request::Spec,
};
use crate::volume::record::{Epoch, Generation, KeeperError};

/// How long a shutdown waits for each process before it kills it.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(60);

/// How long a disk may take to say which one it is before a replica on it counts as one that can't be started.
const HOLDER_PATIENCE: Duration = Duration::from_secs(15);

/// How soon a look that an earlier one stands in the way of is tried again.
const HOLDER_PAUSE: Duration = Duration::from_millis(100);

/// One instance manager.
pub struct Service {
    pub node: String,
    /// Where other machines reach it; empty where they don't.
    pub address: String,
    pub processes: Processes,
    pub records: Arc<dyn Records>,
    pub disks: Looks,
    pub health: Health,
    pub trims: Trims,
    pub images: Images,
    /// Told when the instance manager has stopped all instances and should end itself.
    pub end: Arc<Notify>,
}

/// The one table from errors to gRPC codes.
fn process_status(error: &ProcessError) -> Status {
    match error {
        ProcessError::OtherArguments(_) => Status::already_exists(error.to_string()),
        ProcessError::SecondEngine { .. } => Status::failed_precondition(error.to_string()),
        ProcessError::NothingToStart { .. } | ProcessError::BadName(_) => Status::invalid_argument(error.to_string()),
        ProcessError::Io { .. } => Status::internal(error.to_string()),
        ProcessError::Closing => Status::unavailable(error.to_string()),
        ProcessError::DoesNotEnd { .. } => Status::deadline_exceeded(error.to_string()),
    }
}

fn keeper_status(error: &KeeperError) -> Status {
    match error {
        KeeperError::Conflict { .. } => Status::aborted(error.to_string()),
        KeeperError::Missing(_) => Status::not_found(error.to_string()),
        KeeperError::Unavailable(_) => Status::unavailable(error.to_string()),
    }
}

fn disk_status(error: &DiskError) -> Status {
    match error {
        DiskError::Io { .. } | DiskError::Hangs(_) => Status::unavailable(error.to_string()),
        DiskError::Missing(_) => Status::not_found(error.to_string()),
        DiskError::Configuration { .. }
        | DiskError::NotADirectory(_)
        | DiskError::NotOfTheNode { .. }
        | DiskError::OtherDisk { .. } => Status::failed_precondition(error.to_string()),
        DiskError::NotAReplica(_) | DiskError::NotAbsolute(_) => Status::invalid_argument(error.to_string()),
    }
}

/// A replica that can't be started for its disk is an answer and no silence: whoever asked goes on with the others, and would
/// wait for this one as long as the disk is bad.
fn start_status(error: &DiskError) -> Status {
    let status = disk_status(error);
    match status.code() {
        Code::Unavailable => Status::failed_precondition(status.message()),
        _ => status,
    }
}

impl From<Disk> for DiskInspectReply {
    fn from(disk: Disk) -> Self {
        Self {
            disk_uuid: disk.uuid,
            filesystem_type: disk.filesystem_type,
            filesystem_id: disk.filesystem_id,
            maximum_bytes: disk.maximum_bytes,
            available_bytes: disk.available_bytes,
            replica_directories: disk.replica_directories.into_iter().collect(),
            existed: disk.existed,
            read_only: disk.read_only,
            mount_point: disk.mount_point.display().to_string(),
            device: disk.device.display().to_string(),
            direct_io: disk.ability.direct_io,
            extent_map: disk.ability.extent_map,
            maximum_file_bytes: disk.maximum_file_bytes,
            write_error: disk.ability.write_error,
            unnamed_directories: disk.unnamed_directories,
        }
    }
}

impl From<Item> for EnvironmentItem {
    fn from(item: Item) -> Self {
        let severity = match item.severity {
            Severity::Info => EnvironmentSeverity::EnvironmentInfo,
            Severity::Warning => EnvironmentSeverity::EnvironmentWarning,
            Severity::Error => EnvironmentSeverity::EnvironmentError,
        };
        Self { name: item.name, ok: item.ok, severity: severity.into(), message: item.message, remedy: item.remedy }
    }
}

fn trim_status(error: &TrimError) -> Status {
    match error {
        TrimError::NotMounted { .. }
        | TrimError::Hidden { .. }
        | TrimError::Unsupported { .. }
        | TrimError::ReadOnly { .. }
        | TrimError::Running { .. } => Status::failed_precondition(error.to_string()),
        TrimError::Failed { .. } | TrimError::Thread(_) | TrimError::Ended => Status::internal(error.to_string()),
    }
}

/// Disk and record work blocks; it must not hold the runtime's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Status::internal(error.to_string()))
}

impl Service {
    /// Whether the replica's disk is there. A look that whoever asked before did not wait for may still be at work: only
    /// time tells whether the disk hangs.
    async fn check_holder(&self, replica: &ReplicaSpec) -> Result<Result<(), DiskError>, Status> {
        loop {
            let (disks, replica) = (self.disks.clone(), replica.clone());
            let look = blocking(move || disks.check_holder(Path::new(&replica.directory), &replica.disk_uuid));
            match look.await? {
                Err(DiskError::Hangs(_)) => tokio::time::sleep(HOLDER_PAUSE).await,
                looked => return Ok(looked),
            }
        }
    }
}

#[tonic::async_trait]
impl InstanceManager for Service {
    async fn version(&self, _: Request<VersionRequest>) -> Result<Response<VersionReply>, Status> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (node, address) = (self.node.clone(), self.address.clone());
        let records = self.records.word().to_owned();
        Ok(Response::new(VersionReply { version, node, pid: std::process::id(), address, records }))
    }

    async fn instance_start(&self, request: Request<InstanceStartRequest>) -> Result<Response<Instance>, Status> {
        if let Some(Spec::Replica(replica)) = &request.get_ref().spec {
            // A mount that is missing would have the replica's files made on the file system below.
            let checked = tokio::time::timeout(HOLDER_PATIENCE, self.check_holder(replica)).await;
            let hangs = |_| Ok(Err(DiskError::Hangs(PathBuf::from(&replica.directory))));
            checked.unwrap_or_else(hangs)?.map_err(|error| start_status(&error))?;
        }
        let started = self.processes.start(request.get_ref());
        started.map(Response::new).map_err(|error| process_status(&error))
    }

    async fn instance_stop(
        &self,
        request: Request<InstanceStopRequest>,
    ) -> Result<Response<InstanceStopReply>, Status> {
        let InstanceStopRequest { name, grace_seconds } = request.into_inner();
        let processes = self.processes.clone();
        // In a task of its own: a caller that goes away must not leave a process half asked to stop.
        let stop = tokio::spawn(async move { processes.stop(&name, Duration::from_secs(grace_seconds.into())).await });
        let stopped = stop.await.map_err(|error| Status::internal(error.to_string()))?;
        stopped.map(|()| Response::new(InstanceStopReply {})).map_err(|error| process_status(&error))
    }

    async fn instance_list(&self, _: Request<InstanceListRequest>) -> Result<Response<InstanceListReply>, Status> {
        Ok(Response::new(InstanceListReply { instances: self.processes.list() }))
    }

    type InstanceWatchStream = Pin<Box<dyn Stream<Item = Result<InstanceListReply, Status>> + Send>>;

    async fn instance_watch(
        &self,
        _: Request<InstanceListRequest>,
    ) -> Result<Response<Self::InstanceWatchStream>, Status> {
        let processes = self.processes.clone();
        let mut changes = processes.changes();
        let lists = async_stream::stream! {
            loop {
                changes.mark_unchanged();
                yield Ok(InstanceListReply { instances: processes.list() });
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        Ok(Response::new(Box::pin(lists)))
    }

    async fn record_get(&self, request: Request<RecordGetRequest>) -> Result<Response<RecordReply>, Status> {
        let found = self.records.get(&request.into_inner().volume).await.map_err(|error| keeper_status(&error))?;
        Ok(Response::new(RecordReply { record: found.map(Into::into) }))
    }

    async fn record_compare_and_set(
        &self,
        request: Request<RecordCompareAndSetRequest>,
    ) -> Result<Response<RecordReply>, Status> {
        let request = request.into_inner();
        let next = request.next.ok_or_else(|| Status::invalid_argument("the request has no record"))?;
        let (epoch, generation) = (Epoch(request.expected_epoch), Generation(request.expected_generation));
        // In a task of its own: a caller that goes away must not leave a change half made.
        let records = Arc::clone(&self.records);
        let set = tokio::spawn(async move { records.compare_and_set(epoch, generation, &next.into()).await });
        let set = set.await.map_err(|error| Status::internal(error.to_string()))?;
        let set = set.map_err(|error| keeper_status(&error))?;
        Ok(Response::new(RecordReply { record: Some(set.into()) }))
    }

    async fn record_delete(&self, request: Request<RecordGetRequest>) -> Result<Response<RecordDeleteReply>, Status> {
        let volume = request.into_inner().volume;
        self.records.delete(&volume).await.map_err(|error| keeper_status(&error))?;
        self.processes.forget_devices(&volume).await;
        Ok(Response::new(RecordDeleteReply {}))
    }

    async fn disk_inspect(&self, request: Request<DiskInspectRequest>) -> Result<Response<DiskInspectReply>, Status> {
        let DiskInspectRequest { path, create, identify } = request.into_inner();
        let make = match (create, identify) {
            (true, _) => Make::Directory,
            (false, true) => Make::Configuration,
            (false, false) => Make::Nothing,
        };
        let disks = self.disks.clone();
        let disk = blocking(move || disks.inspect(&PathBuf::from(path), make)).await?;
        disk.map(|disk| Response::new(disk.into())).map_err(|error| disk_status(&error))
    }

    async fn replica_directory_delete(
        &self,
        request: Request<ReplicaDirectoryDeleteRequest>,
    ) -> Result<Response<ReplicaDirectoryDeleteReply>, Status> {
        let ReplicaDirectoryDeleteRequest { directory, disk_uuid } = request.into_inner();
        if let Some(user) = self
            .processes
            .list()
            .into_iter()
            .find(|instance| instance.directory == directory && instance.error.is_empty())
        {
            let message = format!("{directory} is in use by instance {}; stop it first", user.name);
            return Err(Status::failed_precondition(message));
        }
        let directory = PathBuf::from(directory);
        let deleted = blocking(move || disk::delete_replica(&directory, &disk_uuid)).await?;
        deleted.map(|()| Response::new(ReplicaDirectoryDeleteReply {})).map_err(|error| disk_status(&error))
    }

    async fn frontend_list(&self, _: Request<FrontendListRequest>) -> Result<Response<FrontendListReply>, Status> {
        let offers = blocking(choice::offers).await?;
        let frontends = offers.into_iter().map(|offer| FrontendOffer {
            kind: offer.kind.to_string(),
            available: offer.available,
            reason: offer.reason,
        });
        Ok(Response::new(FrontendListReply { frontends: frontends.collect() }))
    }

    async fn shutdown(&self, _: Request<ShutdownRequest>) -> Result<Response<ShutdownReply>, Status> {
        let errors = self.processes.stop_all(SHUTDOWN_GRACE).await;
        if let Some(error) = errors.first() {
            return Err(process_status(error));
        }
        self.end.notify_one();
        Ok(Response::new(ShutdownReply {}))
    }

    async fn filesystem_trim(
        &self,
        request: Request<FilesystemTrimRequest>,
    ) -> Result<Response<FilesystemTrimReply>, Status> {
        let volume = request.into_inner().volume;
        let device = self.processes.device_of(&volume).ok_or_else(|| {
            let message = format!("volume {volume} has no running engine on this node; attach it, then try again");
            Status::failed_precondition(message)
        })?;
        let trimmed = self.trims.trim(&volume, &device).await.map_err(|error| trim_status(&error))?;
        let mounted_at = trimmed.mount.display().to_string();
        Ok(Response::new(FilesystemTrimReply { trimmed_bytes: trimmed.bytes, mounted_at }))
    }

    async fn environment_check(
        &self,
        request: Request<EnvironmentCheckRequest>,
    ) -> Result<Response<EnvironmentCheckReply>, Status> {
        let paths: Vec<PathBuf> = request.into_inner().disk_paths.into_iter().map(PathBuf::from).collect();
        let items = blocking(move || environment::check(&paths)).await?;
        Ok(Response::new(EnvironmentCheckReply { items: items.into_iter().map(Into::into).collect() }))
    }

    async fn disk_health(&self, request: Request<DiskHealthRequest>) -> Result<Response<DiskHealthReply>, Status> {
        let path = PathBuf::from(request.into_inner().path);
        let devices = self.health.of(&path).await.map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(DiskHealthReply { devices }))
    }

    async fn image_prepare(&self, request: Request<ImagePrepareRequest>) -> Result<Response<Image>, Status> {
        let image = self.images.prepare(request.into_inner()).await;
        image.map(Response::new).map_err(|error| image_status(&error))
    }

    async fn image_upload(&self, request: Request<Streaming<ImageUploadPart>>) -> Result<Response<Image>, Status> {
        let image = self.images.upload(request.into_inner()).await;
        image.map(Response::new).map_err(|error| image_status(&error))
    }

    async fn image_list(&self, request: Request<ImageListRequest>) -> Result<Response<ImageListReply>, Status> {
        Ok(Response::new(self.images.list(request.into_inner().disks).await))
    }

    type ImageReadStream = Pin<Box<dyn Stream<Item = Result<ImageReadPart, Status>> + Send>>;

    async fn image_read(&self, request: Request<ImageReadRequest>) -> Result<Response<Self::ImageReadStream>, Status> {
        let parts = images::parts(request.into_inner()).await;
        parts.map(Response::new).map_err(|error| image_status(&error))
    }

    type ImageBackupStream = Pin<Box<dyn Stream<Item = Result<ImageBackupProgress, Status>> + Send>>;

    async fn image_backup(
        &self,
        request: Request<ImageBackupRequest>,
    ) -> Result<Response<Self::ImageBackupStream>, Status> {
        let told = images::back_up(request.into_inner()).await;
        told.map(Response::new).map_err(|error| image_status(&error))
    }

    async fn image_delete(&self, request: Request<ImagePlace>) -> Result<Response<ImageDeleteReply>, Status> {
        let place = Place::of(Some(request.get_ref())).map_err(|error| image_status(&error))?;
        let deleted = self.images.delete(&place).await;
        deleted.map(|()| Response::new(ImageDeleteReply {})).map_err(|error| image_status(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_refuses_a_start_and_leaves_a_look_unanswered() {
        let failed = || std::io::Error::other("input/output error");
        for (error, look, start) in [
            (
                DiskError::Io { what: "read", path: "/d".into(), source: failed() },
                Code::Unavailable,
                Code::FailedPrecondition,
            ),
            (DiskError::Hangs("/d".into()), Code::Unavailable, Code::FailedPrecondition),
            (DiskError::Missing("/d".into()), Code::NotFound, Code::NotFound),
        ] {
            assert_eq!((disk_status(&error).code(), start_status(&error).code()), (look, start), "{error}");
            assert_eq!(start_status(&error).message(), error.to_string());
        }
    }
}
