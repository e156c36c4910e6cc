//! The transmission phase of one connection.
//!
//! ```text
//!   socket ──► read_requests ── Request ──► execute ──► device
//!   socket ◄── reply::write_all ◄── Reply ─────┘
//! ```
//! All three are parts of the connection's one task: a request takes no task of its own, and what comes, ends or leaves at
//! the same time is dealt with in one turn. Requests of a connection run at the same time and are answered in the order in
//! which they finish. A write is answered only after the device has acknowledged it; order among overlapping requests is
//! the device's business.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, BufReader, BufWriter};
use tokio::sync::{mpsc, watch};

use super::device_work::carry_out;
use super::export::MAX_PAYLOAD_BYTES;
use super::handshake::{Negotiated, skip};
use super::in_flight::{InFlight, MAX_REQUESTS, Permit, Pool};
use super::listener::stopped;
use super::patience::patiently;
use super::protocol::{ErrorNumber, Headers};
use super::reply::{self, Answer, Asked, Reply};
use super::request::{HEADER_BYTES, Rejection, RequestHeader, Work, header_bytes};
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;

const PAYLOAD_LATE: &str = "it did not send the whole payload of a request";

/// Serves requests until the client leaves, breaks the protocol, or `stop` turns true and everything in flight is
/// answered.
pub(super) async fn run<D, R, W>(
    device: Arc<D>,
    reader: BufReader<R>,
    writer: BufWriter<W>,
    negotiated: Negotiated,
    pool: Pool,
    stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    D: BlockDevice,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let headers = negotiated.headers;
    // Each request and each reply in a queue holds a permit, so the queues never fill up.
    let (requests, arrived) = mpsc::channel(MAX_REQUESTS);
    let (replies, queue) = mpsc::channel(MAX_REQUESTS);
    let connection = Connection {
        device: Arc::clone(&device),
        input: HeaderReader { reader, headers, bytes: [0; HEADER_BYTES], filled: 0 },
        negotiated,
        requests,
        replies: replies.clone(),
        in_flight: InFlight::new(pool),
    };
    // In this order, so that what has come begins and what has ended leaves in the same turn.
    let (read, (), written) = tokio::join!(
        biased;
        connection.read_requests(stop),
        execute(&*device, arrived, replies),
        reply::write_all(headers, queue, writer),
    );
    read.and(written)
}

/// A request whose payload is there.
struct Request {
    asked: Asked,
    work: Work,
    payload: AlignedBuf,
    permit: Permit,
}

/// Carries requests out, all at the same time. Ends when no more come and all have ended: answered or, where the client is
/// gone, at least carried out.
async fn execute<D: BlockDevice>(device: &D, mut arrived: mpsc::Receiver<Request>, replies: mpsc::Sender<Reply>) {
    let mut running = FuturesUnordered::new();
    let mut may_come = true;
    while may_come || !running.is_empty() {
        tokio::select! {
            biased;
            request = arrived.recv(), if may_come => match request {
                Some(Request { asked, work, payload, permit }) => running.push(async move {
                    Reply { request: asked, answer: carry_out(device, work, payload).await, permit }
                }),
                None => may_come = false,
            },
            Some(reply) = running.next(), if !running.is_empty() => {
                // A client that is gone needs no answer.
                let _ = replies.send(reply).await;
            }
        }
    }
}

struct Connection<D, R> {
    device: Arc<D>,
    input: HeaderReader<R>,
    negotiated: Negotiated,
    requests: mpsc::Sender<Request>,
    replies: mpsc::Sender<Reply>,
    in_flight: InFlight,
}

/// What to do after a request was taken in.
enum Next {
    Continue,
    Disconnect,
}

impl<D: BlockDevice, R: AsyncRead + Unpin> Connection<D, R> {
    async fn read_requests(mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let (replies, in_flight) = (self.replies.clone(), self.in_flight.clone());
        let stop_now = stop.clone();
        let mut gone = pin!(replies.closed());
        let mut stop_asked = pin!(stopped(&mut stop));
        let mut stopping = false;
        loop {
            // A client that sends and sends leaves no moment for anything else to be waited for.
            stopping |= *stop_now.borrow();
            if stopping && in_flight.is_nothing() || replies.is_closed() {
                return Ok(());
            }
            tokio::select! {
                // What has come already first: all else was looked at above, and waiting for it costs more.
                biased;
                header = self.input.next() => match header? {
                    Some(header) => match self.take_in(header, stopping).await? {
                        Next::Continue => {}
                        Next::Disconnect => return Ok(()),
                    },
                    None => return Ok(()),
                },
                () = &mut gone => return Ok(()),
                () = &mut stop_asked, if !stopping => stopping = true,
                () = in_flight.none_left(), if stopping => return Ok(()),
            }
        }
    }

    /// Reads the payload of a request and starts it, or answers it right away when it can't be carried out.
    async fn take_in(&mut self, header: RequestHeader, stopping: bool) -> io::Result<Next> {
        match self.work(&header) {
            Ok(Work::Disconnect) => return Ok(Next::Disconnect),
            Ok(_) if stopping => self.reject(header, shutting_down()).await?,
            Ok(work) => self.start(header, work).await?,
            Err(rejection) => self.reject(header, rejection).await?,
        }
        Ok(Next::Continue)
    }

    fn work(&self, header: &RequestHeader) -> Result<Work, Rejection> {
        let work = header.work(self.device.size(), self.negotiated.headers)?;
        if matches!(work, Work::BlockStatus { .. }) && !self.negotiated.allocation {
            let message = "the status of blocks was asked for without a metadata context".to_owned();
            return Err(Rejection { error: ErrorNumber::Invalid, message });
        }
        Ok(work)
    }

    async fn start(&mut self, header: RequestHeader, work: Work) -> io::Result<()> {
        let held_bytes = match work {
            Work::Read { length, .. } | Work::Write { length, .. } => length,
            _ => 0,
        };
        let permit = match self.in_flight.try_admit(held_bytes) {
            Some(permit) => permit,
            None => self.in_flight.admit(held_bytes).await.map_err(io::Error::other)?,
        };
        let mut payload = AlignedBuf::default();
        if let Work::Write { length, .. } = work {
            payload = AlignedBuf::for_filling(length as usize);
            patiently(PAYLOAD_LATE, self.input.reader.read_exact(&mut payload)).await?;
        }
        let asked = Asked { cookie: header.cookie, offset: header.offset };
        // Nobody takes it where the client is gone.
        let _ = self.requests.send(Request { asked, work, payload, permit }).await;
        Ok(())
    }

    /// Answers with an error; a payload is read past so that the stream stays in step. With lengths of 64 bits nobody
    /// can wait for the end of one that is too long: that ends the connection.
    async fn reject(&mut self, header: RequestHeader, rejection: Rejection) -> io::Result<()> {
        tracing::debug!(?header, reason = rejection.message, "NBD request rejected");
        let headers = self.negotiated.headers;
        let payload_bytes = header.payload_bytes(headers);
        if headers == Headers::Extended && payload_bytes > u64::from(MAX_PAYLOAD_BYTES) {
            let message = format!("a payload of {payload_bytes} bytes, at most {MAX_PAYLOAD_BYTES} are taken");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let permit = self.in_flight.admit(0).await.map_err(io::Error::other)?;
        patiently(PAYLOAD_LATE, skip(&mut self.input.reader, payload_bytes)).await?;
        let request = Asked { cookie: header.cookie, offset: header.offset };
        let answer = Answer::Failed { error: rejection.error, message: rejection.message };
        let _ = self.replies.send(Reply { request, answer, permit }).await;
        Ok(())
    }
}

fn shutting_down() -> Rejection {
    Rejection { error: ErrorNumber::Shutdown, message: "the volume is being detached".into() }
}

/// Reads headers such that an interrupted wait loses no byte.
struct HeaderReader<R> {
    reader: BufReader<R>,
    headers: Headers,
    bytes: [u8; HEADER_BYTES],
    filled: usize,
}

impl<R: AsyncRead + Unpin> HeaderReader<R> {
    /// The next header; `None` when the client hung up between requests. May be dropped while it waits.
    async fn next(&mut self) -> io::Result<Option<RequestHeader>> {
        let wanted = header_bytes(self.headers);
        while self.filled < wanted {
            let read = self.reader.read(&mut self.bytes[self.filled..wanted]).await?;
            match (read, self.filled) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => self.filled += read,
            }
        }
        self.filled = 0;
        RequestHeader::parse(&self.bytes[..wanted], self.headers).map(Some).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a request does not start with the request magic")
        })
    }
}
