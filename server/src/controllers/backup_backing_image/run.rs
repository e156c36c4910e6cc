//! Makes a backup of an image: has a node that has it send it, and listens.

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::size::ByteSize;
use aurochs_engine::backup::BackupUrl;
use aurochs_engine::grpc::instance_v1::{
    ImageBackedUp, ImageBackupProgress, ImageBackupRequest, ImagePlace, ImageTarget,
};
use tonic::{Code, Status, Streaming};

use super::ImageBackups;
use crate::controllers::Error;
use crate::controllers::job::keys;
use crate::controllers::runtime::Next;
use crate::events::{EventType, ObjectRef, Reason};
use crate::jobs::{Cancel, JobHandle, JobKind, NewJob, Outcome};
use crate::resources::backup::BackupState;
use crate::resources::backup_backing_image::BackupBackingImageStatus;
use crate::resources::{BackingImage, BackupBackingImage, BackupTarget, Node, Object, timestamp};
use crate::settings::Name;

/// How soon to look again at what is waited for.
const WAIT: Duration = Duration::from_secs(5);
/// Pause after an attempt that failed, times its number.
const PAUSE: Duration = Duration::from_secs(10);
/// Attempts in a row that failed; each sends only what is not there.
const ATTEMPTS_MAXIMUM: u32 = 5;
/// The node opens the target before it answers; that has a limit of its own.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(100);
/// A node tells every second how far it is.
const SILENCE_MAXIMUM: Duration = Duration::from_secs(60);
const NEXT_STEP: &str = "Mend what it says, then back up again: what was sent is not sent again.";

/// How an attempt ended.
enum End {
    Complete(Box<ImageBackedUp>),
    /// Another attempt may get further.
    Broke(String),
    Failed(String),
    Cancelled(String),
    /// Its resource is to go.
    Deleted,
}

/// What is needed to begin.
struct Ready {
    target: Object<BackupTarget>,
    node: String,
    place: ImagePlace,
}

impl ImageBackups {
    pub(super) async fn make(&self, backup: &Object<BackupBackingImage>) -> Result<Next, Error> {
        let ready = match self.ready(backup).await? {
            Ok(ready) => ready,
            Err(why) => {
                self.wait(backup, &why).await?;
                return Ok(Next::After(WAIT));
            }
        };
        let name = backup.name();
        let job = self.context.jobs.begin(new_job(backup, &ready.node)).await;
        match self.attempt(backup, &ready, &job).await? {
            End::Complete(end) => {
                self.complete(backup, &ready.target, &end).await?;
                job.finish(Outcome::Succeeded).await;
                self.forget(name);
                Ok(Next::Wait)
            }
            End::Broke(why) => {
                let failures = self.note_failure(name);
                if failures >= ATTEMPTS_MAXIMUM {
                    return self.fail(backup, &format!("{why} (attempt {failures})"), job).await;
                }
                self.wait(backup, &format!("{why}; it is tried again by itself")).await?;
                Ok(Next::After(PAUSE * failures))
            }
            End::Failed(why) => self.fail(backup, &why, job).await,
            End::Cancelled(by) => {
                self.end_in_error(backup, &format!("it was cancelled by {by}")).await?;
                job.finish(Outcome::Cancelled(by)).await;
                Ok(Next::Wait)
            }
            End::Deleted => {
                job.finish(Outcome::Interrupted).await;
                Ok(Next::After(Duration::ZERO))
            }
        }
    }

    /// The inner error is what is waited for.
    async fn ready(&self, backup: &Object<BackupBackingImage>) -> Result<Result<Ready, String>, Error> {
        let (context, spec) = (&self.context, &backup.spec);
        let store = &context.store;
        let target = store.find::<BackupTarget>(&spec.backup_target_name).await?;
        let Some(target) = target.filter(|target| !target.is_deleting()) else {
            return Ok(Err(format!("there is no backup target {}", spec.backup_target_name)));
        };
        if !target.status.available || target.spec.backup_target_url.is_empty() {
            return Ok(Err(format!("backup target {} can't be used now", target.name())));
        }
        let Some(image) = store.find::<BackingImage>(&spec.backing_image).await? else {
            return Ok(Err(format!("there is no backing image {}", spec.backing_image)));
        };
        for node in store.list_shared::<Node>().await? {
            if !context.instances.answers(node.name()) {
                continue;
            }
            for (disk, disk_spec) in &node.spec.disks {
                let uuid = node.status.disk_status.get(disk).map(|status| status.disk_uuid.clone());
                let Some(disk_uuid) = uuid.filter(|uuid| image.is_ready_on(uuid)) else { continue };
                let (name, uuid) = (image.name().to_owned(), image.status.uuid.clone());
                let place = ImagePlace { disk_path: disk_spec.path.clone(), disk_uuid, name, uuid };
                return Ok(Ok(Ready { target, node: node.name().to_owned(), place }));
            }
        }
        Ok(Err(format!("backing image {} is ready on no disk whose node answers", image.name())))
    }

    async fn attempt(&self, backup: &Object<BackupBackingImage>, ready: &Ready, job: &JobHandle) -> Result<End, Error> {
        let (context, target) = (&self.context, &ready.target);
        let credentials = match context.backups.credentials_of(&target.spec) {
            Ok(credentials) => credentials.into_iter().collect(),
            Err(fault) => return Ok(End::Broke(fault.message)),
        };
        let request = ImageBackupRequest {
            place: Some(ready.place.clone()),
            target: Some(ImageTarget { url: target.spec.backup_target_url.clone(), credentials }),
            compression: context.settings.text(Name::BackupCompressionMethod),
            concurrency: u32::try_from(context.settings.number(Name::BackupConcurrentLimit)).unwrap_or_default(),
            labels: backup.spec.labels.clone().into_iter().collect(),
        };
        let mut client = context.clients.manager(&ready.node)?;
        let begun = tokio::time::timeout(BEGIN_TIMEOUT, client.image_backup(request)).await;
        match begun {
            Ok(Ok(stream)) => self.listen(backup, target, job, stream.into_inner()).await,
            Ok(Err(status)) => Ok(judge(&ready.node, &status)),
            Err(_) => Ok(End::Broke(format!("{} did not begin to send it", ready.node))),
        }
    }

    async fn listen(
        &self,
        backup: &Object<BackupBackingImage>,
        target: &Object<BackupTarget>,
        job: &JobHandle,
        mut told: Streaming<ImageBackupProgress>,
    ) -> Result<End, Error> {
        let mut cancelled = std::pin::pin!(job.cancelled());
        loop {
            let message = tokio::select! {
                by = &mut cancelled => return Ok(End::Cancelled(by)),
                message = tokio::time::timeout(SILENCE_MAXIMUM, told.message()) => message,
            };
            let progress = match message {
                Ok(Ok(Some(progress))) => progress,
                Ok(Ok(None)) => return Ok(End::Broke("the node ended before all was sent".to_owned())),
                Ok(Err(status)) => return Ok(judge("the node that sends it", &status)),
                Err(_) => return Ok(End::Broke("the node that sends it fell silent".to_owned())),
            };
            job.planned(progress.planned_bytes);
            job.done(progress.done_bytes);
            if let Some(end) = progress.end {
                return Ok(End::Complete(Box::new(end)));
            }
            let percent = progress.done_bytes.saturating_mul(100).checked_div(progress.planned_bytes);
            let owner = self.context.owner.to_string();
            let change = |status: &mut BackupBackingImageStatus| {
                note(status, backup, target, &owner);
                status.state = BackupState::InProgress;
                status.progress = u32::try_from(percent.unwrap_or_default().min(99)).unwrap_or_default();
                status.error.clear();
                status.next_step.clear();
            };
            let stored = self.context.store.modify_status::<BackupBackingImage>(backup.name(), change).await?;
            if stored.is_deleting() {
                return Ok(End::Deleted);
            }
        }
    }

    async fn complete(
        &self,
        backup: &Object<BackupBackingImage>,
        target: &Object<BackupTarget>,
        end: &ImageBackedUp,
    ) -> Result<(), Error> {
        let owner = self.context.owner.to_string();
        let change = |status: &mut BackupBackingImageStatus| {
            note(status, backup, target, &owner);
            (status.state, status.progress) = (BackupState::Completed, 100);
            status.checksum.clone_from(&end.checksum);
            status.size = ByteSize(end.size_bytes);
            status.backup_created_at.clone_from(&end.completed);
            status.compression_method.clone_from(&end.compression);
            status.last_synced_at = timestamp::now();
            status.error.clear();
            status.next_step.clear();
        };
        let stored = self.context.store.modify_status::<BackupBackingImage>(backup.name(), change).await?;
        let message = format!("Backing image {} is backed up to {}.", backup.spec.backing_image, target.name());
        self.context.events.emit(&ObjectRef::from(&stored), Reason::Created, EventType::Normal, &message);
        Ok(())
    }

    async fn wait(&self, backup: &Object<BackupBackingImage>, why: &str) -> Result<(), Error> {
        let owner = self.context.owner.to_string();
        let change = |status: &mut BackupBackingImageStatus| {
            (status.state, status.owner_id) = (BackupState::Pending, owner.clone());
            status.backing_image.clone_from(&backup.spec.backing_image);
            why.clone_into(&mut status.error);
            "It is tried again by itself.".clone_into(&mut status.next_step);
        };
        self.context.store.modify_status::<BackupBackingImage>(backup.name(), change).await?;
        Ok(())
    }

    async fn fail(&self, backup: &Object<BackupBackingImage>, why: &str, job: JobHandle) -> Result<Next, Error> {
        self.end_in_error(backup, why).await?;
        let message = format!("Backing image {} was not backed up: {why}.", backup.spec.backing_image);
        let cause = Cause::new(CauseCode::BackupFailed, Severity::Error, message, NEXT_STEP);
        job.finish(Outcome::Failed(cause.about([backup.name()]).into())).await;
        self.forget(backup.name());
        Ok(Next::Wait)
    }

    async fn end_in_error(&self, backup: &Object<BackupBackingImage>, why: &str) -> Result<(), Error> {
        let change = |status: &mut BackupBackingImageStatus| {
            status.state = BackupState::Error;
            status.backing_image.clone_from(&backup.spec.backing_image);
            why.clone_into(&mut status.error);
            NEXT_STEP.clone_into(&mut status.next_step);
        };
        let stored = self.context.store.modify_status::<BackupBackingImage>(backup.name(), change).await?;
        let message = format!("Backing image {} was not backed up: {why}.", backup.spec.backing_image);
        self.context.events.emit(&ObjectRef::from(&stored), Reason::Failed, EventType::Warning, &message);
        Ok(())
    }
}

fn note(
    status: &mut BackupBackingImageStatus,
    backup: &Object<BackupBackingImage>,
    target: &Object<BackupTarget>,
    owner: &str,
) {
    owner.clone_into(&mut status.owner_id);
    status.backing_image.clone_from(&backup.spec.backing_image);
    status.labels.clone_from(&backup.spec.labels);
    if let Ok(url) = target.spec.backup_target_url.parse() {
        status.url = BackupUrl::backing_image(url, &backup.spec.backing_image).to_string();
    }
}

fn judge(node: &str, status: &Status) -> End {
    let why = format!("{node}: {}", status.message().trim_end_matches('.'));
    match status.code() {
        Code::InvalidArgument | Code::FailedPrecondition | Code::Unimplemented => End::Failed(why),
        _ => End::Broke(why),
    }
}

fn new_job(backup: &Object<BackupBackingImage>, node: &str) -> NewJob {
    let why = format!("A backup of backing image {} was asked for.", backup.spec.backing_image);
    NewJob {
        node: Some(node.to_owned()),
        cancel: Cancel::Possible,
        key: Some(keys::backup_backing_image(backup.name())),
        ..NewJob::new(JobKind::Backup, backup.name(), why)
    }
}
