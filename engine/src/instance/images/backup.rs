//! An image into a backup target.
//!
//! It lives as long as whoever asked for it listens. Nothing is remembered here: one that broke off is asked for again,
//! and does not store again what is there.

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use tokio::sync::mpsc;
use tonic::Status;

use super::record::Record;
use super::rpc::image_status;
use super::works::blocking;
use super::{ImageError, Place};
use crate::backup::backing_image::{self, BackingImageRecord, CreateImageRequest};
use crate::backup::{Credentials, Progress, Store, Target};
use crate::grpc::instance_v1::{ImageBackedUp, ImageBackupProgress, ImageBackupRequest, ImageTarget};

/// How often it is told how far it is.
const PERIOD: Duration = Duration::from_secs(1);
/// Mounting a share of a server that does not answer ends after this.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

pub(in crate::instance) type Told = Pin<Box<dyn Stream<Item = Result<ImageBackupProgress, Status>> + Send>>;

/// Opens the target that a request names.
pub(super) async fn open(target: Option<ImageTarget>) -> Result<Store, ImageError> {
    let ImageTarget { url, credentials } = target.ok_or(ImageError::Incomplete("which backup target"))?;
    let url = url.parse().map_err(|error| ImageError::Source(format!("the backup target can't be used: {error}")))?;
    let target = Target { url, credentials: Credentials::new(credentials) };
    match tokio::time::timeout(OPEN_TIMEOUT, Store::open(&target)).await {
        Ok(opened) => Ok(opened.map_err(crate::backup::BackupError::from)?),
        Err(_) => {
            let why = format!("the backup target did not answer for {} s; look at its server", OPEN_TIMEOUT.as_secs());
            Err(ImageError::Source(why))
        }
    }
}

/// Refuses at once what can't be backed up; what breaks later breaks the stream.
pub(in crate::instance) async fn back_up(request: ImageBackupRequest) -> Result<Told, ImageError> {
    let place = Place::of(request.place.as_ref())?;
    let compression = match request.compression.as_str() {
        "" => Default::default(),
        name => name.parse().map_err(ImageError::Source)?,
    };
    let asked = place.clone();
    let record = blocking(move || {
        crate::instance::disk::check_identity(asked.disk(), asked.disk_uuid())?;
        Record::of(&asked).ok_or_else(|| ImageError::Missing(asked.name().to_owned()))
    })
    .await?;
    let store = open(request.target).await?;
    let wanted = CreateImageRequest {
        name: place.name().to_owned(),
        file: place.file(),
        checksum: record.current_checksum,
        labels: request.labels.into_iter().collect(),
        compression,
        concurrency: usize::try_from(request.concurrency).unwrap_or_default(),
    };
    let (told, mut listening) = mpsc::channel(4);
    tokio::spawn(run(store, wanted, told));
    Ok(Box::pin(futures::stream::poll_fn(move |context| listening.poll_recv(context))))
}

/// Ends, whatever it does, when nobody listens any more.
async fn run(store: Store, wanted: CreateImageRequest, told: mpsc::Sender<Result<ImageBackupProgress, Status>>) {
    let progress = Progress::default();
    let mut work = std::pin::pin!(backing_image::create(&store, &wanted, &progress));
    let mut ticks = tokio::time::interval(PERIOD);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            () = told.closed() => return,
            _ = ticks.tick() => {
                // Who does not take it in time gets the next one.
                let _ = told.try_send(Ok(message(&progress, None)));
            }
        }
    };
    if let Err(error) = &outcome {
        tracing::warn!(image = wanted.name, %error, "a backing image could not be backed up");
    }
    let end = outcome.map(|record| message(&progress, Some(record)));
    let _ = told.send(end.map_err(|error| image_status(&error.into()))).await;
}

fn message(progress: &Progress, end: Option<BackingImageRecord>) -> ImageBackupProgress {
    let now = progress.now();
    let end = end.map(|record| ImageBackedUp {
        checksum: record.checksum,
        size_bytes: record.size,
        completed: record.complete_time,
        compression: record.compression_method,
    });
    ImageBackupProgress { done_bytes: now.done, planned_bytes: now.planned, end }
}
