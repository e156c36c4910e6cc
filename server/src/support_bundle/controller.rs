//! A support bundle from being asked for to being there, and its end.
//!
//! ```text
//!   "" ─► Started ─► Generating ─► ReadyForDownload ─► (downloaded, or another was asked for) ─► deleted
//!                        └───────► Error ─► (more of them than are kept) ─► deleted
//! ```
//! A manager that ends half-way leaves `Generating`; the next one begins again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::ByteSize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::contents::{self, Sources};
use super::{Bundles, Place, archive, file_name, job_key};
use crate::controllers::queue::WorkQueue;
use crate::controllers::runtime::{self, Controller, Next};
use crate::controllers::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::jobs::{Cancel, JobHandle, JobKind, Level, NewJob, Outcome};
use crate::resources::support_bundle::{SupportBundleState, SupportBundleStatus};
use crate::resources::{Object, SupportBundle, condition};
use crate::settings::Name;

/// Parts that wait to be packed: a few large logs.
const PARTS_WAITING: usize = 2;
/// How often the progress is written while it is looked at.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);
/// No collection takes longer, whatever the setting says.
const PATIENCE_MAXIMUM: Duration = Duration::from_secs(60 * 60);

struct SupportBundles {
    context: Context,
    place: Arc<Place>,
}

/// Keys are names of bundles. Nothing is started where there is no place for bundles.
#[must_use]
pub fn start(context: &Context, bundles: &Bundles) -> Vec<JoinHandle<()>> {
    let Some(place) = bundles.place() else { return Vec::new() };
    let queue = WorkQueue::default();
    let controller = SupportBundles { context: context.clone(), place: place.clone() };
    vec![
        runtime::feed_from_store::<SupportBundle>(&context.store, &queue, |bundle| vec![bundle.name().to_owned()]),
        runtime::run(Arc::new(controller), queue),
    ]
}

impl Controller for SupportBundles {
    const NAME: &'static str = "support-bundle";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Some(bundle) = self.context.store.find::<SupportBundle>(name).await? else { return Ok(Next::Wait) };
        if bundle.is_deleting() {
            self.remove_archive(name).await?;
            self.context.store.remove_finalizer::<SupportBundle>(name).await?;
            return Ok(Next::Wait);
        }
        match bundle.status.state {
            SupportBundleState::New | SupportBundleState::Started | SupportBundleState::Generating => {
                self.make(&bundle).await?;
            }
            SupportBundleState::ReadyForDownload if !self.place.archive(name).is_file() => {
                self.fail(&bundle, "its archive is gone from the manager's disk").await?;
            }
            SupportBundleState::Error => self.forget_failed().await?,
            SupportBundleState::Replaced | SupportBundleState::Purging | SupportBundleState::Deleting => {
                self.context.store.delete::<SupportBundle>(name).await?;
            }
            SupportBundleState::ReadyForDownload | SupportBundleState::Unknown => {}
        }
        Ok(Next::Wait)
    }
}

impl SupportBundles {
    async fn make(&self, bundle: &Object<SupportBundle>) -> Result<(), Error> {
        let owner = self.place.owner.clone();
        self.tell(bundle, |status| {
            status.owner_id.clone_from(&owner);
            (status.state, status.progress) = (SupportBundleState::Generating, 0);
        })
        .await?;
        let job = self.context.jobs.begin(new_job(bundle, &owner)).await;
        job.phase("collecting");
        match self.collect_in_time(bundle, &job).await {
            Ok(Some(size)) => {
                self.finish(bundle, size).await?;
                job.done(size);
                job.finish(Outcome::Succeeded).await;
            }
            // It was deleted meanwhile.
            Ok(None) => {
                job.log(Level::Warning, "the bundle was deleted before it was made");
                let by = job.cancel_asked_by();
                job.finish(by.map_or(Outcome::Interrupted, Outcome::Cancelled)).await;
            }
            // It is tried again, and this job is gone on with.
            Err(Failure::Pass(error)) => return Err(error),
            Err(Failure::Bundle(reason)) => {
                self.fail(bundle, &reason).await?;
                let message = format!("Support bundle {} was not made: {reason}.", bundle.name());
                let cause =
                    Cause::new(CauseCode::SupportBundleFailed, Severity::Error, message, "Ask for another one.");
                job.finish(Outcome::Failed(cause.about([bundle.name()]).into())).await;
            }
        }
        Ok(())
    }

    async fn collect_in_time(&self, bundle: &Object<SupportBundle>, job: &JobHandle) -> Result<Option<u64>, Failure> {
        let patience = self.patience();
        let collected = async {
            tokio::select! {
                () = self.delete_when_cancelled(bundle, job) => Ok(None),
                collected = self.collect(bundle) => collected,
            }
        };
        tokio::time::timeout(patience, collected).await.unwrap_or_else(|_| {
            let minutes = patience.as_secs() / 60;
            let setting = Name::SupportBundleNodeCollectionTimeout.word();
            Err(Failure::Bundle(format!("collecting took longer than {minutes} min (setting {setting})")))
        })
    }

    /// Returns when somebody asked to cancel it and it is on its way out.
    async fn delete_when_cancelled(&self, bundle: &Object<SupportBundle>, job: &JobHandle) {
        job.cancelled().await;
        while let Err(error) = self.context.store.delete::<SupportBundle>(bundle.name()).await {
            if error.is_not_found() {
                return;
            }
            tracing::warn!(bundle = bundle.name(), %error, "a support bundle could not be cancelled; trying again");
            tokio::time::sleep(PROGRESS_PERIOD).await;
        }
    }

    fn patience(&self) -> Duration {
        match self.context.settings.number(Name::SupportBundleNodeCollectionTimeout) {
            0 => PATIENCE_MAXIMUM,
            minutes => Duration::from_secs(minutes.saturating_mul(60)).min(PATIENCE_MAXIMUM),
        }
    }

    /// Size of the archive; nothing when the bundle is not wanted any more.
    async fn collect(&self, bundle: &Object<SupportBundle>) -> Result<Option<u64>, Failure> {
        let (steps, received) = mpsc::channel(PARTS_WAITING);
        let done = Arc::new(AtomicUsize::new(0));
        let (path, counted) = (self.place.archive(bundle.name()), done.clone());
        let packing = tokio::task::spawn_blocking(move || {
            archive::write(&path, received, || {
                counted.fetch_add(1, Ordering::Relaxed);
            })
        });
        let sources = Sources { store: self.context.store.clone(), events: self.context.events.clone() };
        sources.events.settle().await;
        let collecting = contents::collect(&sources, &self.place, &bundle.spec, steps);
        let wanted = self.follow(bundle, &done);
        // Ending early drops the sender, and the archive without its end is removed by who writes it.
        tokio::select! {
            () = collecting => {}
            gone = wanted => return gone.map(|()| None).map_err(Failure::Pass),
        }
        match packing.await {
            Ok(Ok(size)) => Ok(size),
            Ok(Err(error)) => Err(Failure::Bundle(error.to_string())),
            Err(error) => Err(Failure::Bundle(format!("packing was given up: {error}"))),
        }
    }

    /// Writes the progress now and then; returns when the bundle is not wanted any more.
    async fn follow(&self, bundle: &Object<SupportBundle>, done: &AtomicUsize) -> Result<(), Error> {
        let expected = contents::parts_expected(&self.place).max(1);
        loop {
            tokio::time::sleep(PROGRESS_PERIOD).await;
            let percent = (done.load(Ordering::Relaxed) * 100 / expected).min(99);
            let percent = u32::try_from(percent).unwrap_or_default();
            match self.tell(bundle, |status| status.progress = status.progress.max(percent)).await {
                Ok(now) if now.is_deleting() => return Ok(()),
                Ok(_) => {}
                Err(error) if error.is_gone() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn finish(&self, bundle: &Object<SupportBundle>, size: u64) -> Result<(), Error> {
        let name = bundle.name();
        self.tell(bundle, |status| {
            (status.state, status.progress) = (SupportBundleState::ReadyForDownload, 100);
            (status.filename, status.filesize) = (file_name(name), ByteSize(size));
        })
        .await?;
        let message = format!("support bundle {name} has {} and can be downloaded", ByteSize(size));
        self.context.events.emit(&ObjectRef::from(bundle), Reason::Ready, EventType::Normal, &message);
        Ok(())
    }

    async fn fail(&self, bundle: &Object<SupportBundle>, reason: &str) -> Result<(), Error> {
        let message = format!("support bundle {} was not made: {reason}", bundle.name());
        self.tell(bundle, |status| {
            status.state = SupportBundleState::Error;
            condition::set(&mut status.conditions, "Error", ConditionStatus::True, "", &message);
        })
        .await?;
        self.context.events.emit(&ObjectRef::from(bundle), Reason::Failed, EventType::Warning, &message);
        Ok(())
    }

    async fn tell(
        &self,
        bundle: &Object<SupportBundle>,
        change: impl FnMut(&mut SupportBundleStatus) + Send + Sync,
    ) -> Result<Object<SupportBundle>, Error> {
        Ok(self.context.store.modify_status::<SupportBundle>(bundle.name(), change).await?)
    }

    /// Keeps as many failed bundles as the setting says, the latest ones.
    async fn forget_failed(&self) -> Result<(), Error> {
        let kept = self.context.settings.number(Name::SupportBundleFailedHistoryLimit);
        let mut failed = self.context.store.list::<SupportBundle>().await?;
        failed.retain(|bundle| bundle.status.state == SupportBundleState::Error && !bundle.is_deleting());
        failed.sort_by(|a, b| b.metadata.creation_timestamp.cmp(&a.metadata.creation_timestamp));
        for bundle in failed.iter().skip(usize::try_from(kept).unwrap_or(usize::MAX)) {
            tracing::info!(bundle = bundle.name(), kept, "a failed support bundle is forgotten");
            self.context.store.delete::<SupportBundle>(bundle.name()).await?;
        }
        Ok(())
    }

    async fn remove_archive(&self, name: &str) -> Result<(), Error> {
        let path = self.place.archive(name);
        let removed = tokio::task::spawn_blocking(move || archive::remove(&path)).await;
        match removed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::Other(error.to_string())),
            Err(error) => Err(Error::Other(format!("removing a support bundle was given up: {error}"))),
        }
    }
}

fn new_job(bundle: &Object<SupportBundle>, node: &str) -> NewJob {
    NewJob {
        node: Some(node.to_owned()),
        cancel: Cancel::Possible,
        key: Some(job_key(bundle.name())),
        ..NewJob::new(JobKind::SupportBundle, bundle.name(), "A support bundle was asked for.")
    }
}

/// Why there is no archive.
enum Failure {
    /// The pass failed; it is tried again.
    Pass(Error),
    /// The bundle failed; somebody has to ask for another.
    Bundle(String),
}
