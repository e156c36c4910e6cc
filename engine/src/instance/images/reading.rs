//! The content of an image, for another disk or for a person.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::pin::Pin;

use futures::Stream;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use tokio::sync::mpsc;
use tonic::Status;

use super::record::Record;
use super::rpc::image_status;
use super::works::blocking;
use super::{ImageError, Place};
use crate::grpc::instance_v1::image_read_part::Part;
use crate::grpc::instance_v1::{ImagePiece, ImageReadEnd, ImageReadPart, ImageReadRequest, ImageReadStart};

/// Bytes of one message.
const PIECE_BYTES: u64 = 512 << 10;
/// Messages that wait for a slow reader.
const QUEUE_LENGTH: usize = 4;

pub(in crate::instance) type Parts = Pin<Box<dyn Stream<Item = Result<ImageReadPart, Status>> + Send>>;

/// Refuses at once what can't be read; what breaks later breaks the stream.
pub(in crate::instance) async fn parts(request: ImageReadRequest) -> Result<Parts, ImageError> {
    let place = Place::of(request.place.as_ref())?;
    let (file, record) = blocking(move || {
        crate::instance::disk::check_identity(place.disk(), place.disk_uuid())?;
        let record = Record::of(&place).ok_or_else(|| ImageError::Missing(place.name().to_owned()))?;
        let path = place.file();
        Ok((File::open(&path).map_err(ImageError::at("open", &path))?, record))
    })
    .await?;
    let (sender, mut pieces) = mpsc::channel(QUEUE_LENGTH);
    tokio::task::spawn_blocking(move || {
        let read = read(&file, &record, request.from, &sender);
        if let Err(error) = read {
            let _ = sender.blocking_send(Err(image_status(&error)));
        }
    });
    Ok(Box::pin(futures::stream::poll_fn(move |context| pieces.poll_recv(context))))
}

type Sender = mpsc::Sender<Result<ImageReadPart, Status>>;

/// Ends early when nobody reads any more.
fn read(file: &File, record: &Record, from: u64, to: &Sender) -> Result<(), ImageError> {
    let start = ImageReadStart {
        size_bytes: record.size,
        data_bytes: record.real_size.min(record.size),
        checksum: record.current_checksum.clone(),
    };
    let send = |part: Part| to.blocking_send(Ok(ImageReadPart { part: Some(part) })).is_ok();
    if !send(Part::Start(start)) {
        return Ok(());
    }
    let mut at = from;
    while let Some((start, end)) = next_data(file, at, record.size)? {
        at = start;
        while at < end {
            let mut data = vec![0; (end - at).min(PIECE_BYTES) as usize];
            file.read_exact_at(&mut data, at).map_err(ImageError::at("read", record.name.as_ref()))?;
            let piece = ImagePiece { offset: at, data };
            at += piece.data.len() as u64;
            if !send(Part::Piece(piece)) {
                return Ok(());
            }
        }
    }
    send(Part::End(ImageReadEnd {}));
    Ok(())
}

/// The next range that is no hole. A file system that does not know its holes has none.
fn next_data(file: &File, from: u64, size: u64) -> Result<Option<(u64, u64)>, ImageError> {
    if from >= size {
        return Ok(None);
    }
    let seek = |at: u64, whence: Whence| lseek(file, i64::try_from(at).unwrap_or(i64::MAX), whence);
    let failed = |errno: Errno| ImageError::Source(format!("cannot look for data in the image: {errno}"));
    let start = match seek(from, Whence::SeekData) {
        Ok(start) => start as u64,
        Err(Errno::ENXIO) => return Ok(None),
        Err(Errno::EINVAL) => return Ok(Some((from, size))),
        Err(errno) => return Err(failed(errno)),
    };
    let end = seek(start, Whence::SeekHole).map_err(failed)? as u64;
    Ok((start < size).then(|| (start, end.min(size))))
}
