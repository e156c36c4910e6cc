//! What is being made, and what could not be.
//!
//! Invariants: a place has one work at most; a work that is over, however it ended, is not shown as running; when
//! [`Images::delete`] returns, nothing writes to the place any more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinHandle};

use super::progress::Progress;
use super::record::Record;
use super::{ImageError, Place, copy, download, export, restore, seal};
use crate::grpc::instance_v1::image_prepare_request::Source;
use crate::grpc::instance_v1::{Image, ImagePrepareRequest, ImageState};

/// A thread that waits for its disk longer than this hangs with it.
const END_PATIENCE: Duration = Duration::from_secs(50);

/// The images of a node. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Images {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    /// By directory.
    works: Mutex<BTreeMap<PathBuf, Work>>,
    /// Disks that are looked at: a look that hangs holds a thread, and must not hold another one.
    pub(super) looking: Mutex<std::collections::BTreeSet<PathBuf>>,
}

#[derive(Debug)]
struct Work {
    place: Place,
    progress: Progress,
    state: State,
}

#[derive(Debug)]
enum State {
    Running(Option<AbortHandle>),
    Failed(String),
}

impl Images {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Work>> {
        self.shared.works.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a place without looking at its disk.
    pub(super) fn work(&self, place: &Place) -> Option<Image> {
        self.lock().get(&place.directory()).map(Work::message)
    }

    /// The works on a disk.
    pub(super) fn works_on(&self, disk: &std::path::Path) -> Vec<Image> {
        let works = self.lock();
        works.values().filter(|work| work.place.disk() == disk).map(Work::message).collect()
    }

    fn runs(&self, place: &Place) -> Option<Image> {
        self.work(place).filter(|image| image.state() == ImageState::ImageInProgress)
    }

    /// Begins what is asked for, unless it is there or being made.
    ///
    /// # Errors
    /// The request can't be understood, or the disk is not the wished one. Why the image can't be made is told later.
    pub async fn prepare(&self, request: ImagePrepareRequest) -> Result<Image, ImageError> {
        let place = Place::of(request.place.as_ref())?;
        let source = request.source.ok_or(ImageError::Incomplete("where the image comes from"))?;
        if let Source::Export(export) = &source {
            export::check(export)?;
        }
        if let Some(running) = self.runs(&place) {
            return Ok(running);
        }
        let expected = request.expected_checksum;
        match self.look(&place).await? {
            Found::Image(record) => {
                self.lock().remove(&place.directory());
                Ok(ready(&place, &record))
            }
            Found::File => Ok(self.recognise(&place, expected)),
            Found::Nothing => {
                let (to, expected) = (place.clone(), expected);
                self.begin(&place, |progress| make(to, expected, source, progress))?;
                Ok(self.work(&place).unwrap_or_default())
            }
        }
    }

    /// Has a file hashed that lies there without a record.
    pub(super) fn recognise(&self, place: &Place, expected: String) -> Image {
        let at = place.clone();
        // One that runs already is as good.
        let _ = self
            .begin(place, |progress| async move { blocking(move || seal::recognise(&at, &expected, &progress)).await });
        self.work(place).unwrap_or_default()
    }

    async fn look(&self, place: &Place) -> Result<Found, ImageError> {
        let place = place.clone();
        blocking(move || {
            crate::instance::disk::check_identity(place.disk(), place.disk_uuid())?;
            let file = place.file();
            Ok(match Record::of(&place) {
                Some(record) => Found::Image(Box::new(record)),
                None if file.is_file() => Found::File,
                None => Found::Nothing,
            })
        })
        .await
    }

    /// Runs a work in the background.
    pub(super) fn begin<F>(
        &self,
        place: &Place,
        work: impl FnOnce(Progress) -> F,
    ) -> Result<JoinHandle<Result<Record, ImageError>>, ImageError>
    where
        F: Future<Output = Result<Record, ImageError>> + Send + 'static,
    {
        let directory = place.directory();
        let mut works = self.lock();
        if works.get(&directory).is_some_and(|work| matches!(work.state, State::Running(_))) {
            return Err(ImageError::Busy(place.name().to_owned()));
        }
        let progress = Progress::default();
        let state = State::Running(None);
        works.insert(directory.clone(), Work { place: place.clone(), progress: progress.clone(), state });
        let end = End { images: self.clone(), directory: directory.clone(), told: false };
        let work = work(progress.clone());
        let running = tokio::spawn(async move {
            let mut end = end;
            let made = work.await;
            end.tell(&made);
            drop((end, progress));
            made
        });
        if let Some(work) = works.get_mut(&directory) {
            work.state = State::Running(Some(running.abort_handle()));
        }
        Ok(running)
    }

    /// Ends what is being made, and removes the files.
    ///
    /// # Errors
    /// The disk is not the wished one, or does not remove them.
    pub async fn delete(&self, place: &Place) -> Result<(), ImageError> {
        let work = self.lock().remove(&place.directory());
        if let Some(work) = work {
            work.progress.cancel();
            if let State::Running(Some(running)) = &work.state {
                running.abort();
            }
            let gone = work.progress.gone();
            if tokio::time::timeout(END_PATIENCE, gone).await.is_err() {
                return Err(ImageError::Busy(place.name().to_owned()));
            }
        }
        let place = place.clone();
        blocking(move || place.remove()).await
    }
}

/// What lies at a place.
enum Found {
    Nothing,
    /// A file of which no record speaks.
    File,
    Image(Box<Record>),
}

/// Takes note of a work's end, also of one that was aborted or panicked.
struct End {
    images: Images,
    directory: PathBuf,
    told: bool,
}

impl End {
    fn tell(&mut self, made: &Result<Record, ImageError>) {
        self.told = true;
        let mut works = self.images.lock();
        let Some(work) = works.get_mut(&self.directory) else { return };
        match made {
            Ok(_) => {
                tracing::info!(image = work.place.name(), "a backing image is there");
                works.remove(&self.directory);
            }
            Err(error) => {
                tracing::warn!(image = work.place.name(), %error, "a backing image could not be made");
                work.state = State::Failed(error.to_string());
            }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.told
            && let Some(work) = self.images.lock().get_mut(&self.directory)
            && matches!(work.state, State::Running(_))
        {
            work.state = State::Failed(ImageError::GivenUp.to_string());
        }
    }
}

impl Work {
    fn message(&self) -> Image {
        let (done_bytes, planned_bytes) = self.progress.seen();
        let (state, error) = match &self.state {
            State::Running(_) => (ImageState::ImageInProgress, String::new()),
            State::Failed(why) => (ImageState::ImageFailed, why.clone()),
        };
        let place = Some(self.place.message());
        Image { place, state: state.into(), error, done_bytes, planned_bytes, ..Image::default() }
    }
}

pub(super) fn ready(place: &Place, record: &Record) -> Image {
    Image {
        place: Some(place.message()),
        state: ImageState::ImageReady.into(),
        error: String::new(),
        done_bytes: record.size,
        planned_bytes: record.size,
        checksum: record.current_checksum.clone(),
        size_bytes: record.size,
        virtual_size_bytes: record.virtual_size,
        real_size_bytes: record.real_size,
    }
}

async fn make(place: Place, expected: String, source: Source, progress: Progress) -> Result<Record, ImageError> {
    begin_file(&place).await?;
    let written = match source {
        Source::Download(from) => download::run(&from.url, &place, &progress).await?,
        Source::Export(from) => export::run(from, &place, &progress).await?,
        Source::Copy(from) => copy::run(from, &place, &progress).await?,
        Source::Restore(from) => restore::run(from, &place, &progress).await?,
    };
    blocking(move || {
        let sealed = seal::seal(&place, &expected, &written);
        if sealed.is_err() {
            // It is of no use to anybody and takes room.
            let _ = super::place::remove_file(&place.unfinished());
        }
        drop(progress);
        sealed
    })
    .await
}

pub(super) async fn begin_file(place: &Place) -> Result<(), ImageError> {
    let place = place.clone();
    blocking(move || place.make()).await
}

/// Work on disks must not hold the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ImageError::GivenUp))
}
