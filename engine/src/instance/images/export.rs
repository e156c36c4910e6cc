//! An image of a volume: what a snapshot holds, backing file included, as raw or qcow2.

use std::time::Duration;

use tokio::runtime::Handle;
use tonic::{Code, Status, Streaming};

use super::progress::Progress;
use super::seal;
use super::sink::Written;
use super::works::blocking;
use super::{ImageError, Place};
use crate::grpc::connect;
use crate::grpc::engine_v1::snapshot_chunk::Part;
use crate::grpc::engine_v1::{SnapshotChunk, SnapshotPiece, SnapshotReadRequest};
use crate::grpc::instance_v1::ImageExport;
use crate::image_format::{self, ExportOptions, Format, ImageSource, SourceError};
use crate::link::Address;

/// An engine that sends nothing for so long does not come back.
const SILENCE_MAXIMUM: Duration = Duration::from_secs(60);
/// Attempts in a row that got nothing.
const ATTEMPTS_MAXIMUM: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn check(request: &ImageExport) -> Result<(), ImageError> {
    parse(request).map(drop)
}

fn parse(request: &ImageExport) -> Result<(Address, Format), ImageError> {
    let address = request.engine_address.parse::<Address>().map_err(|error| ImageError::Source(error.to_string()))?;
    let format = if request.format.is_empty() { "raw" } else { &request.format };
    Ok((address, format.parse().map_err(ImageError::Source)?))
}

/// Writes the snapshot into `backing.tmp`.
pub(super) async fn run(request: ImageExport, place: &Place, progress: &Progress) -> Result<Written, ImageError> {
    let (address, format) = parse(&request)?;
    let (output, progress) = (place.unfinished(), progress.clone());
    let mut source = SnapshotSource::open(address, request).await?;
    blocking(move || {
        let (cancel, told) = (progress.clone(), progress.clone());
        let options = ExportOptions { format, overwrite: true, checksum: false, cancel: Some(cancel.cancelled()) };
        image_format::export(&mut source, &output, &options, &mut |done, planned| {
            told.plan(planned);
            told.at(done);
        })?;
        let size = std::fs::metadata(&output).map_err(ImageError::at("look at", &output))?.len();
        let checksum = seal::hash(&output, &progress)?;
        Ok(Written { size, checksum })
    })
    .await
}

/// A snapshot that is read from its engine, once and in order.
struct SnapshotSource {
    runtime: Handle,
    address: Address,
    request: ImageExport,
    stream: Option<Streaming<SnapshotChunk>>,
    size: u64,
    selected: u64,
    /// What has come and is not read yet.
    piece: Option<SnapshotPiece>,
    /// Behind the last piece that came.
    received_to: u64,
    ended: bool,
}

impl SnapshotSource {
    async fn open(address: Address, request: ImageExport) -> Result<Self, ImageError> {
        let mut source = Self {
            runtime: Handle::current(),
            address,
            request,
            stream: None,
            size: 0,
            selected: 0,
            piece: None,
            received_to: 0,
            ended: false,
        };
        let start = source.connect().await.map_err(|broken| ImageError::Source(broken.why))?;
        (source.size, source.selected) = start;
        Ok(source)
    }

    /// Begins the stream behind what has come; gives the size and what will be sent.
    async fn connect(&mut self) -> Result<(u64, u64), Broken> {
        let asked = SnapshotReadRequest {
            volume: self.request.volume.clone(),
            name: self.request.snapshot.clone(),
            from: self.received_to,
            changed_since: String::new(),
            include_backing_file: true,
        };
        let mut client = connect::engine(connect::channel(&self.address));
        let begun = tokio::time::timeout(SILENCE_MAXIMUM, client.snapshot_read(asked));
        let mut stream = begun.await.map_err(|_| Broken::silent())??.into_inner();
        match message(&mut stream).await? {
            Part::Start(start) => {
                self.stream = Some(stream);
                Ok((start.size_bytes, start.selected_bytes))
            }
            _ => Err(Broken { why: "its engine sends data before it says of what".to_owned(), for_good: true }),
        }
    }

    /// The next piece; none at the end. A stream that breaks is gone on with.
    async fn receive(&mut self) -> Result<Option<SnapshotPiece>, SourceError> {
        let mut failed = 0;
        while !self.ended {
            let part = match &mut self.stream {
                Some(stream) => message(stream).await,
                None => match self.connect().await {
                    Ok(_) => continue,
                    Err(broken) => Err(broken),
                },
            };
            match part {
                Ok(Part::Data(piece)) if piece.offset >= self.received_to => {
                    self.received_to = piece.offset + piece.data.len() as u64;
                    return Ok(Some(piece));
                }
                Ok(Part::End(_)) => self.ended = true,
                Ok(Part::Start(_) | Part::Data(_)) => return Err("its engine sends data out of order".into()),
                Err(broken) => {
                    self.stream = None;
                    failed += 1;
                    if broken.for_good || failed == ATTEMPTS_MAXIMUM {
                        return Err(broken.why.into());
                    }
                    tracing::warn!(volume = self.request.volume, why = broken.why, "an export broke; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(None)
    }

    /// Has the first piece that ends behind `from`.
    fn advance(&mut self, from: u64) -> Result<Option<&SnapshotPiece>, SourceError> {
        while self.piece.as_ref().is_none_or(|piece| piece.offset + piece.data.len() as u64 <= from) {
            let runtime = self.runtime.clone();
            self.piece = runtime.block_on(self.receive())?;
            if self.piece.is_none() {
                break;
            }
        }
        Ok(self.piece.as_ref())
    }
}

impl ImageSource for SnapshotSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn planned(&self) -> Option<u64> {
        Some(self.selected)
    }

    fn next_data(&mut self, from: u64) -> Result<Option<(u64, u64)>, SourceError> {
        let found = self.advance(from)?.map(|piece| (piece.offset, piece.offset + piece.data.len() as u64));
        Ok(found.map(|(start, end)| (start.max(from), end - start.max(from))))
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        buffer.fill(0);
        let end = offset + buffer.len() as u64;
        let mut at = offset;
        while at < end {
            let Some(piece) = self.advance(at)?.filter(|piece| piece.offset < end) else { return Ok(()) };
            let (start, piece_end) = (piece.offset.max(at), piece.offset + piece.data.len() as u64);
            let stop = piece_end.min(end);
            let from = &piece.data[(start - piece.offset) as usize..(stop - piece.offset) as usize];
            buffer[(start - offset) as usize..(stop - offset) as usize].copy_from_slice(from);
            at = stop;
        }
        Ok(())
    }
}

/// Why a stream ended before its end.
struct Broken {
    why: String,
    /// No attempt will get further.
    for_good: bool,
}

impl Broken {
    fn silent() -> Self {
        let why = format!("the volume's engine sent nothing for {} s", SILENCE_MAXIMUM.as_secs());
        Self { why, for_good: false }
    }
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        let for_good = matches!(
            status.code(),
            Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound | Code::OutOfRange | Code::Unimplemented
        );
        Self { why: format!("the volume's engine: {}", status.message()), for_good }
    }
}

async fn message(stream: &mut Streaming<SnapshotChunk>) -> Result<Part, Broken> {
    let told = tokio::time::timeout(SILENCE_MAXIMUM, stream.message()).await.map_err(|_| Broken::silent())??;
    let cut = || Broken { why: "the volume's engine ended before all was read".to_owned(), for_good: false };
    told.and_then(|chunk| chunk.part).ok_or_else(cut)
}
