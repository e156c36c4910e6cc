//! The transmission phase of one connection.
//!
//! ```text
//!             ┌── header, payload ◄── socket
//!   run() ────┤
//!             └── one task per request ──► device ──► Reply ──► reply::write_all ──► socket
//! ```
//! Requests of a connection run at the same time and are answered in the order in which they finish. A write is
//! answered only after the device has acknowledged it; order among overlapping requests is the device's business.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, BufReader, BufWriter};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::handshake::skip;
use super::in_flight::{InFlight, MAX_REQUESTS};
use super::listener::stopped;
use super::protocol::ErrorNumber;
use super::reply::{self, Answer, Reply, ReplyStyle};
use super::request::{HEADER_BYTES, Rejection, RequestHeader, Work};
use crate::disk::AlignedBuf;
use crate::frontend::{BlockDevice, Durability, IoError, IoErrorKind};

/// Serves requests until the client leaves, breaks the protocol, or `stop` turns true and everything in flight is
/// answered.
pub(super) async fn run<D, R, W>(
    device: Arc<D>,
    reader: BufReader<R>,
    writer: BufWriter<W>,
    style: ReplyStyle,
    stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    D: BlockDevice,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    // Each reply in the queue holds a permit, so the queue never fills up.
    let (replies, queue) = mpsc::channel(MAX_REQUESTS);
    let connection = Connection {
        device,
        input: HeaderReader { reader, bytes: [0; HEADER_BYTES], filled: 0 },
        style,
        replies,
        in_flight: InFlight::new(),
        requests: JoinSet::new(),
    };
    let (read, written) = tokio::join!(connection.read_requests(stop), reply::write_all(style, queue, writer));
    read.and(written)
}

struct Connection<D, R> {
    device: Arc<D>,
    input: HeaderReader<R>,
    style: ReplyStyle,
    replies: mpsc::Sender<Reply>,
    in_flight: InFlight,
    requests: JoinSet<()>,
}

/// What to do after a request was taken in.
enum Next {
    Continue,
    Disconnect,
}

impl<D: BlockDevice, R: AsyncRead + Unpin> Connection<D, R> {
    /// Ends with every request answered or, where the client is gone, at least carried out.
    async fn read_requests(mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let result = self.read_until_end(&mut stop).await;
        while let Some(finished) = self.requests.join_next().await {
            finished.map_err(io::Error::other)?;
        }
        result
    }

    async fn read_until_end(&mut self, stop: &mut watch::Receiver<bool>) -> io::Result<()> {
        let mut stopping = *stop.borrow();
        loop {
            if stopping && self.requests.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(finished) = self.requests.join_next() => finished.map_err(io::Error::other)?,
                () = stopped(stop), if !stopping => stopping = true,
                () = self.replies.closed() => return Ok(()),
                header = self.input.next() => match header? {
                    Some(header) => match self.take_in(header, stopping).await? {
                        Next::Continue => {}
                        Next::Disconnect => return Ok(()),
                    },
                    None => return Ok(()),
                },
            }
        }
    }

    /// Reads the payload of a request and starts it, or answers it right away when it can't be carried out.
    async fn take_in(&mut self, header: RequestHeader, stopping: bool) -> io::Result<Next> {
        let structured = self.style == ReplyStyle::Structured;
        match header.work(self.device.size(), structured) {
            Ok(Work::Disconnect) => return Ok(Next::Disconnect),
            Ok(_) if stopping => self.reject(header, shutting_down()).await?,
            Ok(work) => self.start(header, work).await?,
            Err(rejection) => self.reject(header, rejection).await?,
        }
        Ok(Next::Continue)
    }

    async fn start(&mut self, header: RequestHeader, work: Work) -> io::Result<()> {
        let held_bytes = match work {
            Work::Read { length, .. } | Work::Write { length, .. } => length,
            _ => 0,
        };
        let permit = self.in_flight.admit(held_bytes).await.map_err(io::Error::other)?;
        let mut payload = AlignedBuf::for_filling(header.payload_bytes() as usize);
        self.input.reader.read_exact(&mut payload).await?;
        let (device, replies) = (Arc::clone(&self.device), self.replies.clone());
        self.requests.spawn(async move {
            let answer = carry_out(&*device, work, payload).await;
            // A client that is gone needs no answer.
            let _ = replies.send(Reply { cookie: header.cookie, answer, permit }).await;
        });
        Ok(())
    }

    /// Answers with an error; a payload is read past so that the stream stays in step.
    async fn reject(&mut self, header: RequestHeader, rejection: Rejection) -> io::Result<()> {
        tracing::debug!(?header, reason = rejection.message, "NBD request rejected");
        let permit = self.in_flight.admit(0).await.map_err(io::Error::other)?;
        skip(&mut self.input.reader, u64::from(header.payload_bytes())).await?;
        let answer = Answer::Failed { error: rejection.error, message: rejection.message };
        let _ = self.replies.send(Reply { cookie: header.cookie, answer, permit }).await;
        Ok(())
    }
}

fn shutting_down() -> Rejection {
    Rejection { error: ErrorNumber::Shutdown, message: "the volume is being detached".into() }
}

async fn carry_out<D: BlockDevice>(device: &D, work: Work, payload: AlignedBuf) -> Answer {
    if let Work::Read { offset, length } = work {
        return read(device, offset, length).await;
    }
    let done = match work {
        Work::Write { offset, durability, .. } => device.write(offset, payload, durability).await,
        Work::Discard { offset, length, durability } => discard(device, offset, length, durability).await,
        Work::WriteZeroes { offset, length, may_unmap, durability } => {
            device.write_zeroes(offset, u64::from(length), may_unmap, durability).await
        }
        Work::Flush => device.flush().await,
        Work::Read { .. } | Work::Disconnect => Ok(()),
    };
    let is_write = matches!(work, Work::Write { .. } | Work::WriteZeroes { .. });
    done.map_or_else(|error| Answer::of_error(error, is_write), |()| Answer::Done)
}

/// A reply announces its length before its data, so a device that returns another length would bring the stream
/// out of step: that is an I/O error.
async fn read<D: BlockDevice>(device: &D, offset: u64, length: u32) -> Answer {
    match device.read(offset, length).await {
        Ok(data) if data.len() == length as usize => Answer::Data { offset, data },
        Ok(data) => {
            let message = format!("{length} bytes at {offset} were asked for, the device returned {}", data.len());
            Answer::of_error(IoError::new(IoErrorKind::Io, message), false)
        }
        Err(error) => Answer::of_error(error, false),
    }
}

async fn discard<D: BlockDevice>(device: &D, offset: u64, length: u32, durability: Durability) -> Result<(), IoError> {
    device.discard(offset, u64::from(length)).await?;
    match durability {
        Durability::Written => Ok(()),
        Durability::Stable => device.flush().await,
    }
}

/// Reads headers such that an interrupted wait loses no byte.
struct HeaderReader<R> {
    reader: BufReader<R>,
    bytes: [u8; HEADER_BYTES],
    filled: usize,
}

impl<R: AsyncRead + Unpin> HeaderReader<R> {
    /// The next header; `None` when the client hung up between requests. May be dropped while it waits.
    async fn next(&mut self) -> io::Result<Option<RequestHeader>> {
        while self.filled < HEADER_BYTES {
            let read = self.reader.read(&mut self.bytes[self.filled..]).await?;
            match (read, self.filled) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => self.filled += read,
            }
        }
        self.filled = 0;
        RequestHeader::parse(&self.bytes).map(Some).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a request does not start with the request magic")
        })
    }
}
