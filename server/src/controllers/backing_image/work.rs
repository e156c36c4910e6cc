//! The job of an image's first copy. Copies after it show in the image's own list of disks.

use std::sync::PoisonError;

use aurochs_api::backing_image::SourceType;

use super::BackingImages;
use super::first;
use super::source::{BACKING_IMAGE, VOLUME_NAME};
use crate::controllers::job::keys;
use crate::jobs::{Cancel, JobHandle, JobKind, NewJob, Outcome};
use crate::resources::{BackingImage, Object};

impl BackingImages {
    /// Begins the job, or goes on with it, and tells how far it is.
    pub(super) async fn tell_progress(&self, image: &Object<BackingImage>, node: &str, done: u64, planned: u64) {
        let known = self.with_job(image.name(), |job| tell(job, done, planned));
        if known {
            return;
        }
        let job = self.context.jobs.begin(new_job(image, node)).await;
        tell(&job, done, planned);
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).insert(image.name().to_owned(), job);
    }

    /// The first copy is there. One that came while no manager looked has its end all the same.
    pub(super) async fn end_succeeded(&self, image: &Object<BackingImage>, bytes: u64) {
        let name = image.name();
        let job = match self.take_job(name) {
            Some(job) => job,
            None if self.context.jobs.running(&keys::backing_image(name)).is_some() => {
                self.context.jobs.begin(new_job(image, "")).await
            }
            None => return,
        };
        job.planned(bytes);
        job.done(bytes);
        job.finish(Outcome::Succeeded).await;
    }

    pub(super) async fn end_failed(&self, image: &Object<BackingImage>, why: &str) {
        let Some(job) = self.take_job(image.name()) else { return };
        let next_step = match image.spec.source_type {
            SourceType::Upload => "Upload it again.",
            _ => "It is tried again by itself; delete the image if it is not wanted.",
        };
        job.finish(Outcome::Failed(first::failure(image, why, next_step).into())).await;
    }

    pub(super) fn cancel_asked_by(&self, name: &str) -> Option<String> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.get(name).and_then(JobHandle::cancel_asked_by)
    }

    pub(super) async fn end_cancelled(&self, name: &str, by: &str) {
        if let Some(job) = self.take_job(name) {
            job.finish(Outcome::Cancelled(by.to_owned())).await;
        }
    }

    /// The image is gone, and the job with it.
    pub(super) fn forget_job(&self, name: &str) {
        if let Some(job) = self.take_job(name) {
            job.end(Outcome::Interrupted);
        }
    }

    fn take_job(&self, name: &str) -> Option<JobHandle> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    fn with_job(&self, name: &str, tell: impl FnOnce(&JobHandle)) -> bool {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.get(name).map(tell).is_some()
    }
}

fn tell(job: &JobHandle, done: u64, planned: u64) {
    if planned > 0 {
        job.planned(planned);
    }
    job.done(done);
}

fn new_job(image: &Object<BackingImage>, node: &str) -> NewJob {
    let parameter = |key: &str| image.spec.source_parameters.get(key).cloned().unwrap_or_default();
    let (why, volume) = match image.spec.source_type {
        SourceType::Download => ("It is downloaded.".to_owned(), None),
        SourceType::Upload => ("It is uploaded.".to_owned(), None),
        SourceType::Restore => ("It is restored from a backup.".to_owned(), None),
        SourceType::Clone => (format!("It is copied from backing image {}.", parameter(BACKING_IMAGE)), None),
        SourceType::ExportFromVolume => {
            (format!("It is made of volume {}.", parameter(VOLUME_NAME)), Some(parameter(VOLUME_NAME)))
        }
    };
    NewJob {
        volume,
        node: Some(node.to_owned()).filter(|node| !node.is_empty()),
        cancel: Cancel::Possible,
        key: Some(keys::backing_image(image.name())),
        ..NewJob::new(JobKind::BackingImage, image.name(), why)
    }
}
