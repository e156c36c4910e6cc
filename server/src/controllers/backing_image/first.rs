//! The first copy: a disk is chosen for it, and what the image comes from is asked to fill it.
//!
//! Also the way back for an image whose copies are all lost. What comes then has to be what was lost: its checksum is
//! known, and volumes stand on it.

use std::time::Duration;

use aurochs_api::backing_image::{FileState, SourceType};
use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::size::ByteSize;

use super::super::Error;
use super::super::volume::cluster;
use super::source::Wanted;
use super::world::{Copy, Disk, World};
use super::{BackingImages, Findings, PROGRESS_PERIOD, WAIT_PERIOD, copies, files};
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::backing_image_data_source::BackingImageDataSourceSpec;
use crate::resources::backup::ANNOTATION_CANCELLED_BY;
use crate::resources::{BackingImage, BackingImageDataSource, Object, Volume, timestamp};
use crate::scheduling::place;
use crate::settings::Name;

/// How soon a disk is looked for again.
const CHOICE_PAUSE: Duration = Duration::from_secs(30);

/// How far the first copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct First {
    pub(super) state: FileState,
    pub(super) message: String,
    /// UUID of the disk that it is on; empty for none yet.
    pub(super) disk: String,
}

impl First {
    fn new(state: FileState, message: impl Into<String>, disk: &str) -> Self {
        Self { state, message: message.into(), disk: disk.to_owned() }
    }
}

impl BackingImages {
    /// The resource that stands for where the image comes from; it has the image's name.
    pub(super) async fn ensure_source(
        &self,
        image: &Object<BackingImage>,
    ) -> Result<Object<BackingImageDataSource>, Error> {
        if let Some(source) = self.context.store.find::<BackingImageDataSource>(image.name()).await? {
            return Ok(source);
        }
        let spec = BackingImageDataSourceSpec {
            uuid: image.status.uuid.clone(),
            source_type: image.spec.source_type,
            parameters: image.spec.source_parameters.clone(),
            checksum: image.spec.checksum.clone(),
            ..BackingImageDataSourceSpec::default()
        };
        Ok(self.context.store.create(&Object::<BackingImageDataSource>::new(image.name(), spec)).await?)
    }

    /// One step towards the first copy.
    pub(super) async fn bring_first(
        &self,
        image: &Object<BackingImage>,
        source: &Object<BackingImageDataSource>,
        world: &World,
        findings: &mut Findings,
    ) -> Result<First, Error> {
        if let Some(by) = self.cancelled_by(image).await? {
            return self.give_up(image, source, world, &by, findings).await;
        }
        if world.is_early {
            findings.look_again_in(PROGRESS_PERIOD);
            return Ok(First::new(source.status.current_state, source.status.message.clone(), &source.spec.disk_uuid));
        }
        let chosen =
            world.disks.get(&source.spec.disk_uuid).filter(|disk| disk.ready && disk.uuid == source.spec.disk_uuid);
        let Some(disk) = chosen else {
            return self.choose(image, source, world, findings).await;
        };
        match &disk.copy {
            Copy::Making { done, planned } => {
                findings.look_again_in(PROGRESS_PERIOD);
                self.tell_progress(image, &disk.node, *done, *planned).await;
                Ok(First::new(FileState::InProgress, "", &disk.uuid))
            }
            Copy::Failed(why) => self.failed(image, disk, why, findings).await,
            Copy::Unknown(why) => {
                findings.look_again_in(WAIT_PERIOD);
                Ok(First::new(FileState::Unknown, why.clone(), &disk.uuid))
            }
            Copy::Absent | Copy::Ready(_) => self.begin(image, disk, findings).await,
        }
    }

    /// Who cancelled its being made; that is written down, so that nobody begins again.
    async fn cancelled_by(&self, image: &Object<BackingImage>) -> Result<Option<String>, Error> {
        if let Some(by) = image.metadata.annotations.get(ANNOTATION_CANCELLED_BY) {
            return Ok(Some(by.clone()));
        }
        let Some(by) = self.cancel_asked_by(image.name()) else { return Ok(None) };
        let note = |image: &mut Object<BackingImage>| {
            image.metadata.annotations.insert(ANNOTATION_CANCELLED_BY.to_owned(), by.clone());
        };
        self.context.store.modify::<BackingImage>(image.name(), note).await?;
        Ok(Some(by))
    }

    async fn give_up(
        &self,
        image: &Object<BackingImage>,
        source: &Object<BackingImageDataSource>,
        world: &World,
        by: &str,
        findings: &mut Findings,
    ) -> Result<First, Error> {
        let uuid = &source.spec.disk_uuid;
        if let Some(disk) = world.disks.get(uuid).filter(|disk| disk.copy != Copy::Absent) {
            files::remove(&self.context, image, disk).await?;
        }
        self.end_export(image).await?;
        self.end_cancelled(image.name(), by).await;
        let why = format!("it was cancelled by {by}");
        findings.causes.push(failure(image, &why, "Delete it, and create it again if it is wanted."));
        Ok(First::new(FileState::Failed, why, uuid))
    }

    /// A disk for the first copy: one where it is wished anyway, else one that the scheduler chooses.
    async fn choose(
        &self,
        image: &Object<BackingImage>,
        source: &Object<BackingImageDataSource>,
        world: &World,
        findings: &mut Findings,
    ) -> Result<First, Error> {
        let _one_at_a_time = self.choosing.lock().await;
        let wished = image.spec.disk_file_spec_map.keys().filter_map(|uuid| world.disks.get(uuid));
        let mut usable: Vec<&Disk> = wished.filter(|disk| disk.ready && !disk.evicting).collect();
        usable.sort_by_key(|disk| !disk.needed);
        let found = match usable.first() {
            Some(disk) => Ok((disk.node.clone(), disk.uuid.clone(), disk.path.clone())),
            None => {
                let nodes = cluster::read(&self.context, None).await?;
                let request = copies::request(image, self.expected_size(image).await?);
                let found = place(&request, &nodes, &cluster::rules(&self.context.settings));
                found.map(|place| (place.node, place.disk_uuid, place.disk_path))
            }
        };
        let (node, uuid, path) = match found {
            Ok(found) => found,
            Err(no) => {
                findings.look_again_in(CHOICE_PAUSE);
                let message = format!("No disk can take the first copy of {}: {}", image.name(), no.cause.message);
                let cause =
                    Cause::new(CauseCode::BackingImageWaiting, Severity::Error, message.clone(), no.cause.next_step);
                findings.causes.push(cause.about([image.name()]).detailed(no.cause.details));
                return Ok(First::new(FileState::Pending, message, ""));
            }
        };
        let before = source.spec.disk_uuid.clone();
        let choose = |source: &mut Object<BackingImageDataSource>| {
            source.spec.node_id.clone_from(&node);
            source.spec.disk_uuid.clone_from(&uuid);
            source.spec.disk_path.clone_from(&path);
            source.spec.file_transferred = false;
        };
        self.context.store.modify::<BackingImageDataSource>(image.name(), choose).await?;
        let wish = |image: &mut Object<BackingImage>| {
            image.spec.disk_file_spec_map.entry(uuid.clone()).or_insert_with(copies::wanted);
            // Nothing is on the disk that was chosen before, and nothing will be.
            if before != uuid && !world.needed.contains(&before) {
                image.spec.disk_file_spec_map.remove(&before);
            }
        };
        self.context.store.modify::<BackingImage>(image.name(), wish).await?;
        tracing::info!(image = image.name(), node, disk = uuid, "a disk was chosen for the first copy");
        findings.look_again_in(Duration::ZERO);
        Ok(First::new(FileState::Pending, "", &uuid))
    }

    /// What is known of the size before the content is there.
    async fn expected_size(&self, image: &Object<BackingImage>) -> Result<ByteSize, Error> {
        let parameter = |key: &str| image.spec.source_parameters.get(key).map(String::as_str).unwrap_or_default();
        let store = &self.context.store;
        Ok(match image.spec.source_type {
            SourceType::Clone => {
                let other = store.find::<BackingImage>(parameter(super::source::BACKING_IMAGE)).await?;
                other.map(|other| other.status.real_size).unwrap_or_default()
            }
            SourceType::ExportFromVolume => {
                let volume = store.find::<Volume>(parameter(super::source::VOLUME_NAME)).await?;
                volume.map(|volume| volume.status.actual_size.min(volume.spec.size)).unwrap_or_default()
            }
            SourceType::Download | SourceType::Upload | SourceType::Restore => image.status.real_size,
        })
    }

    async fn begin(&self, image: &Object<BackingImage>, disk: &Disk, findings: &mut Findings) -> Result<First, Error> {
        let source = match self.source(image).await? {
            Wanted::Source(source) => *source,
            Wanted::Upload => {
                findings.look_again_in(WAIT_PERIOD);
                self.end_failed(image, "the upload broke off").await;
                let told = image.status.disk_file_status_map.get(&disk.uuid).map(|told| told.message.clone());
                return Ok(First::new(FileState::Pending, told.unwrap_or_default(), &disk.uuid));
            }
            Wanted::Later(why) => {
                findings.look_again_in(WAIT_PERIOD);
                let message = format!("{} waits: {why}.", image.name());
                findings.causes.push(copies::waiting(image, message, "It goes on by itself when that is done."));
                return Ok(First::new(FileState::Pending, why, &disk.uuid));
            }
            Wanted::Never(why) => return self.failed(image, disk, &why, findings).await,
        };
        findings.look_again_in(PROGRESS_PERIOD / 4);
        match files::make(&self.context, image, disk, source).await {
            Ok(_) => {
                self.tell_progress(image, &disk.node, 0, 0).await;
                let message = format!("Backing image {} is being made on {}.", image.name(), disk.node);
                self.context.events.emit(&ObjectRef::from(image), Reason::Fetching, EventType::Normal, &message);
                Ok(First::new(FileState::Starting, "", &disk.uuid))
            }
            Err(Error::Client(error)) if !error.is_unreachable() => {
                self.failed(image, disk, &error.to_string(), findings).await
            }
            Err(error) => Err(error),
        }
    }

    /// It could not be made. An upload waits for somebody to send it again; everything else is tried again after a while.
    async fn failed(
        &self,
        image: &Object<BackingImage>,
        disk: &Disk,
        why: &str,
        findings: &mut Findings,
    ) -> Result<First, Error> {
        let told = image.status.disk_file_status_map.get(&disk.uuid);
        let is_news = told.is_none_or(|told| told.state != FileState::Failed && told.message != why);
        if is_news {
            self.end_failed(image, why).await;
            let message = format!("Backing image {} could not be made: {why}.", image.name());
            self.context.events.emit(&ObjectRef::from(image), Reason::Failed, EventType::Warning, &message);
        }
        if image.spec.source_type == SourceType::Upload {
            // Nothing is removed here: the next upload may have begun by now, and takes the place of what is left.
            findings.look_again_in(WAIT_PERIOD);
            findings.causes.push(failure(image, why, "Upload it again."));
            return Ok(First::new(FileState::Pending, why, &disk.uuid));
        }
        self.end_export(image).await?;
        let pause = Duration::from_secs(self.context.settings.number(Name::BackingImageRecoveryWaitInterval));
        let failed_at = told.filter(|told| told.state == FileState::Failed);
        let waited = failed_at.and_then(|told| timestamp::age(&told.last_state_transition_time));
        if waited.is_some_and(|waited| waited >= pause) {
            files::remove(&self.context, image, disk).await?;
            findings.look_again_in(Duration::ZERO);
            // The next pass finds nothing there and begins.
            return Ok(First::new(FileState::Pending, "", &disk.uuid));
        }
        findings.look_again_in(pause.saturating_sub(waited.unwrap_or_default()) + Duration::from_secs(1));
        let next_step =
            format!("It is tried again {} s after it failed; delete the image if it is not wanted.", pause.as_secs());
        findings.causes.push(failure(image, why, &next_step));
        Ok(First::new(FileState::Failed, why, &disk.uuid))
    }
}

pub(super) fn failure(image: &Object<BackingImage>, why: &str, next_step: &str) -> Cause {
    let message = format!("Backing image {} could not be made: {}.", image.name(), why.trim_end_matches('.'));
    Cause::new(CauseCode::BackingImageFailed, Severity::Error, message, next_step).about([image.name()])
}
