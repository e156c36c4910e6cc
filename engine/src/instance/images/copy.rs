//! An image from another disk, of this node or another one.

use std::time::Duration;

use tonic::{Code, Status, Streaming};

use super::download::check_room;
use super::progress::Progress;
use super::sink::{Sink, Written};
use super::{ImageError, Place};
use crate::grpc::connect;
use crate::grpc::instance_v1::image_read_part::Part;
use crate::grpc::instance_v1::{ImageCopy, ImageReadPart, ImageReadRequest, ImageReadStart};
use crate::link::Address;

/// A node that sends nothing for so long does not come back.
const SILENCE_MAXIMUM: Duration = Duration::from_secs(60);
/// Attempts in a row that got nothing.
const ATTEMPTS_MAXIMUM: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Copies the image into `backing.tmp`; it has the checksum of the original.
pub(super) async fn run(request: ImageCopy, place: &Place, progress: &Progress) -> Result<Written, ImageError> {
    let address = request.address.parse::<Address>().map_err(|error| ImageError::Source(error.to_string()))?;
    let sink = Sink::create(&place.unfinished(), progress);
    let mut copy = Copy { address, request, place, progress, sink, start: None };
    let mut failed = 0;
    loop {
        let before = copy.sink.length();
        let broken = match copy.attempt().await {
            Ok(start) => return copy.finish(&start).await,
            Err(broken) => broken,
        };
        failed = if copy.sink.length() > before { 1 } else { failed + 1 };
        match broken {
            Broken::ForGood(error) => return Err(error),
            Broken::Stream(why) if failed == ATTEMPTS_MAXIMUM => return Err(ImageError::Source(why)),
            Broken::Stream(why) => tracing::warn!(image = place.name(), why, "a copy broke; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Copy<'run> {
    address: Address,
    request: ImageCopy,
    place: &'run Place,
    progress: &'run Progress,
    sink: Sink,
    /// What the first attempt was told.
    start: Option<ImageReadStart>,
}

/// Why an attempt ended.
enum Broken {
    /// Another attempt may get further.
    Stream(String),
    /// No attempt will.
    ForGood(ImageError),
}

impl From<ImageError> for Broken {
    fn from(error: ImageError) -> Self {
        Self::ForGood(error)
    }
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        let message = format!("the node that has it: {}", status.message());
        match status.code() {
            Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound | Code::Unimplemented => {
                Self::ForGood(ImageError::Source(message))
            }
            _ => Self::Stream(message),
        }
    }
}

impl Copy<'_> {
    async fn attempt(&mut self) -> Result<ImageReadStart, Broken> {
        let asked = ImageReadRequest { place: self.request.place.clone(), from: self.sink.length() };
        let mut client = connect::instance_manager(connect::channel(&self.address));
        let begun = tokio::time::timeout(SILENCE_MAXIMUM, client.image_read(asked));
        let mut stream = begun.await.map_err(|_| silent())??.into_inner();
        let Part::Start(start) = next(&mut stream).await? else { return Err(out_of_order()) };
        self.check(&start)?;
        loop {
            match next(&mut stream).await? {
                Part::Piece(piece) => {
                    let here = self.sink.length();
                    let gap = piece.offset.checked_sub(here).ok_or_else(out_of_order)?;
                    self.sink.zeros(gap).await?;
                    self.sink.write(piece.data.into()).await?;
                }
                Part::End(_) => return Ok(start),
                Part::Start(_) => return Err(out_of_order()),
            }
        }
    }

    fn check(&mut self, start: &ImageReadStart) -> Result<(), Broken> {
        match &self.start {
            None => {
                self.progress.plan(start.size_bytes);
                check_room(self.place, start.data_bytes, 0)?;
                self.start = Some(start.clone());
            }
            Some(before) if before.checksum == start.checksum => {}
            Some(_) => {
                let why = "the original was replaced while it was copied".to_owned();
                return Err(Broken::ForGood(ImageError::Source(why)));
            }
        }
        Ok(())
    }

    async fn finish(mut self, start: &ImageReadStart) -> Result<Written, ImageError> {
        let here = self.sink.length();
        let rest =
            start.size_bytes.checked_sub(here).ok_or(ImageError::Length { told: start.size_bytes, found: here })?;
        self.sink.zeros(rest).await?;
        let written = self.sink.finish().await?;
        if written.checksum != start.checksum {
            return Err(ImageError::Checksum { found: written.checksum, expected: start.checksum.clone() });
        }
        Ok(written)
    }
}

async fn next(stream: &mut Streaming<ImageReadPart>) -> Result<Part, Broken> {
    let told = tokio::time::timeout(SILENCE_MAXIMUM, stream.message()).await.map_err(|_| silent())??;
    let cut = || Broken::Stream("the node that has it ended before all was copied".to_owned());
    told.and_then(|part| part.part).ok_or_else(cut)
}

fn silent() -> Broken {
    Broken::Stream(format!("the node that has it sent nothing for {} s", SILENCE_MAXIMUM.as_secs()))
}

fn out_of_order() -> Broken {
    Broken::ForGood(ImageError::Source("the node that has it sends data out of order".to_owned()))
}
