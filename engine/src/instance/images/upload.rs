//! An image that somebody sends.

use std::time::Duration;

use bytes::Bytes;
use tonic::Streaming;

use super::download::check_room;
use super::progress::Progress;
use super::record::Record;
use super::sink::Sink;
use super::works::{begin_file, blocking, ready};
use super::{ImageError, Images, Place, seal};
use crate::grpc::instance_v1::image_upload_part::Part;
use crate::grpc::instance_v1::{Image, ImageUploadBegin, ImageUploadPart};

/// A sender who is silent for so long is gone.
const SILENCE_MAXIMUM: Duration = Duration::from_secs(120);

impl Images {
    /// Takes the content of an image to its end.
    ///
    /// # Errors
    /// The stream breaks or is not what was announced, the place is taken, or the disk fails.
    pub async fn upload(&self, mut parts: Streaming<ImageUploadPart>) -> Result<Image, ImageError> {
        let begin = match next(&mut parts).await? {
            Some(Part::Begin(begin)) => begin,
            _ => return Err(ImageError::Incomplete("what is uploaded")),
        };
        let place = Place::of(begin.place.as_ref())?;
        let to = place.clone();
        // In a task of its own: when the sender goes away, it notices, and tidies up.
        let running = self.begin(&place, move |progress| receive(to, begin, parts, progress))?;
        let record = running.await.unwrap_or(Err(ImageError::GivenUp))?;
        Ok(ready(&place, &record))
    }
}

async fn receive(
    place: Place,
    begin: ImageUploadBegin,
    mut parts: Streaming<ImageUploadPart>,
    progress: Progress,
) -> Result<Record, ImageError> {
    let told = begin.size_bytes;
    progress.plan(told);
    if place.file().is_file() {
        return Err(ImageError::Busy(place.name().to_owned()));
    }
    begin_file(&place).await?;
    check_room(&place, told, 0)?;
    let mut sink = Sink::create(&place.unfinished(), &progress);
    while let Some(part) = next(&mut parts).await? {
        let Part::Data(data) = part else { return Err(ImageError::Incomplete("one upload at a time")) };
        let found = sink.length() + data.len() as u64;
        if found > told {
            return Err(ImageError::Length { told, found });
        }
        sink.write(Bytes::from(data)).await?;
    }
    if sink.length() != told {
        return Err(ImageError::Length { told, found: sink.length() });
    }
    let written = sink.finish().await?;
    blocking(move || {
        let sealed = seal::seal(&place, &begin.expected_checksum, &written);
        drop(progress);
        sealed
    })
    .await
}

async fn next(parts: &mut Streaming<ImageUploadPart>) -> Result<Option<Part>, ImageError> {
    let broke = |why: &str| ImageError::Source(format!("the upload broke: {why}; send all of it again"));
    match tokio::time::timeout(SILENCE_MAXIMUM, parts.message()).await {
        Ok(Ok(part)) => Ok(part.and_then(|part| part.part)),
        Ok(Err(status)) => Err(broke(status.message())),
        Err(_) => Err(broke(&format!("nothing came for {} s", SILENCE_MAXIMUM.as_secs()))),
    }
}
