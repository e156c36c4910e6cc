//! Streams ("lanes") to one replica. Answers come back on the lane that carried the
//! request, in any order. The first fault of any lane ends all of them: every request in flight and every later one
//! fails with the same cause.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::io::BufReader;
use tokio::sync::{mpsc, oneshot, watch};

use super::address::Stream;
use super::control::{ControlReply, ControlRequest};
use super::frame::{self, Header, Kind};
use super::gather::Gatherer;
use super::request::{LinkError, Payload, Request, encode_json, remote_error};
use super::server::READ_BUFFER_BYTES;
use super::shared_stream::{Sent, SharedStream, WeakStream};
use super::slots::Slots;
use crate::disk::AlignedBuf;

/// Control requests sync, delete and compare files, and a rebuild's end is asked of one replica alone: they may take
/// this much longer than a read or a write before their replica counts as slow.
const CONTROL_ALLOWANCE: Duration = Duration::from_secs(30);

/// Bytes up to which a request counts as small.
const SMALL: usize = 64 << 10;

/// Requests waiting for a lane's writer. The frontends bound what is in flight; this only smooths bursts.
const QUEUE: usize = 256;

/// Which lane a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Small ones share the first, and with it system calls; large ones take the others in turn and hold none up.
    SmallTogether,
    InTurn,
}

pub(super) struct Lanes {
    replica: String,
    lanes: Vec<Lane>,
    sharing: Sharing,
    next_lane: AtomicUsize,
    in_flight: AtomicUsize,
    lost: OnceLock<String>,
    lost_signal: watch::Sender<bool>,
}

struct Lane {
    queue: mpsc::Sender<Outgoing>,
    pending: Arc<Mutex<Waiting>>,
    stream: WeakStream,
}

enum Outgoing {
    Frame(Header, Payload),
    /// The end of a frame that was sent in part.
    Rest(Vec<u8>),
}

struct Pending {
    answer: oneshot::Sender<Result<AlignedBuf, LinkError>>,
    since: Instant,
    allowance: Duration,
}

impl Lanes {
    /// Takes over streams on which HELLO was answered.
    pub(super) fn start(replica: &str, streams: Vec<Stream>, sharing: Sharing) -> Arc<Self> {
        let mut lanes = Vec::new();
        let mut ends = Vec::new();
        for stream in streams {
            let (queue, requests) = mpsc::channel(QUEUE);
            let pending = Arc::new(Mutex::new(Waiting::default()));
            let stream = SharedStream::new(stream);
            lanes.push(Lane { queue, pending: Arc::clone(&pending), stream: stream.downgrade() });
            ends.push((stream, requests, pending));
        }
        let lanes = Arc::new(Self {
            replica: replica.to_owned(),
            lanes,
            sharing,
            next_lane: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            lost: OnceLock::new(),
            lost_signal: watch::Sender::new(false),
        });
        for (stream, requests, pending) in ends {
            let reader = BufReader::with_capacity(READ_BUFFER_BYTES, stream.clone());
            // The tasks hold the lanes weakly: dropping the last handle ends them.
            tokio::spawn(run_writer(Arc::downgrade(&lanes), stream, requests, lanes.lost_signal.subscribe()));
            tokio::spawn(run_reader(Arc::downgrade(&lanes), reader, pending, lanes.lost_signal.subscribe()));
        }
        lanes
    }

    /// Requests that wait for an answer.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn lost_cause(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// Resolves when the lanes are gone.
    pub(super) async fn lost(&self) {
        let mut signal = self.lost_signal.subscribe();
        // An error means that the sender is gone, and with it the lanes.
        let _ = signal.wait_for(|lost| *lost).await;
    }

    /// Age of the request that has waited longest for its answer, beyond what its kind is allowed.
    pub(super) fn oldest_wait(&self) -> Option<Duration> {
        let oldest = |lane: &Lane| {
            let waited = |pending: &Pending| pending.since.elapsed().saturating_sub(pending.allowance);
            lane.lock_pending().iter().map(waited).max()
        };
        self.lanes.iter().filter_map(oldest).max()
    }

    /// Sends a request and waits for its answer. Cancel-safe: a dropped future only forgets the answer.
    pub(super) async fn request(&self, request: Request) -> Result<AlignedBuf, LinkError> {
        let lane = self.lane_for(&request);
        let (answer, answered) = oneshot::channel();
        let _count = InFlight::count(&self.in_flight);
        // A place in the queue first: a request that is given up before it is sent must not wait for an answer.
        let closed = || self.lost_error(self.lost_cause().unwrap_or("the connection was closed"));
        let place = lane.queue.reserve().await.map_err(|_| closed())?;
        let allowance = if request.kind == Kind::Control { CONTROL_ALLOWANCE } else { Duration::ZERO };
        let pending = Pending { answer, since: Instant::now(), allowance };
        if let Err((id, cause)) = lane.send(place, pending, request, || self.lost_cause()) {
            lane.lock_pending().remove(id);
            return Err(self.lost_error(cause));
        }
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    fn lane_for(&self, request: &Request) -> &Lane {
        let answered = if request.kind == Kind::Read { request.length as usize } else { 0 };
        let is_small = request.payload.bytes().len().max(answered) <= SMALL;
        let kept = match self.sharing {
            Sharing::SmallTogether if self.lanes.len() > 1 => 1,
            _ => 0,
        };
        if kept > 0 && is_small {
            return &self.lanes[0];
        }
        let turn = self.next_lane.fetch_add(1, Ordering::Relaxed);
        &self.lanes[kept + turn % (self.lanes.len() - kept)]
    }

    /// Sends a control request.
    pub(super) async fn control(&self, request: &ControlRequest) -> Result<ControlReply, LinkError> {
        let mut asked = Request::new(Kind::Control, 0, 0);
        asked.payload = encode_json(request).into();
        let answer = self.request(asked).await?;
        serde_json::from_slice(&answer).map_err(|error| {
            let cause = format!("answered {request:?} with something unreadable: {error}");
            LinkError::Lost { replica: self.replica.clone(), cause }
        })
    }

    fn lost_error(&self, cause: &str) -> LinkError {
        LinkError::Lost { replica: self.replica.clone(), cause: cause.to_owned() }
    }

    /// Ends the lanes; everything in flight fails with this cause.
    pub(super) fn fail(&self, cause: &str) {
        if self.lost.set(cause.to_owned()).is_ok() {
            tracing::warn!(replica = %self.replica, cause, "link lost");
        }
        self.lost_signal.send_replace(true);
        let cause = self.lost_cause().unwrap_or(cause);
        for lane in &self.lanes {
            lane.stream.hang_up();
            let waiting = lane.lock_pending().take_all();
            for pending in waiting {
                // A receiver that is gone no longer cares.
                let _ = pending.answer.send(Err(self.lost_error(cause)));
            }
        }
    }
}

impl Lane {
    /// Puts `request` on its way, unless the lanes are lost.
    fn send<'a>(
        &self,
        place: mpsc::Permit<'_, Outgoing>,
        pending: Pending,
        request: Request,
        lost_cause: impl FnOnce() -> Option<&'a str>,
    ) -> Result<(), (u64, &'a str)> {
        // Held until it is sent or queued, so that nobody's frame gets in between.
        let mut waiting = self.lock_pending();
        // Everything that was ever sent is answered: the queue is empty, and nothing is being written.
        let is_alone = waiting.is_empty();
        let id = waiting.insert(pending);
        // Checked after the insert: `fail` marks the loss first and then empties the tables.
        if let Some(cause) = lost_cause() {
            return Err((id, cause));
        }
        let Request { kind, offset, length, stable, may_unmap, payload } = request;
        let header = Header { kind, stable, may_unmap, id, offset, length };
        if !is_alone || payload.bytes().len() > SMALL {
            place.send(Outgoing::Frame(header, payload));
            return Ok(());
        }
        let head = header.encode_with(payload.bytes().len(), payload.checksum());
        if let Sent::Part(count) = self.stream.send_now(&head, payload.bytes()) {
            let left = head.iter().chain(payload.bytes()).skip(count);
            place.send(Outgoing::Rest(left.copied().collect()));
        }
        Ok(())
    }

    fn lock_pending(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits for an answer on one lane, by the id that the answer will carry.
type Waiting = Slots<Pending>;

/// Counts a request while it lives.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn count(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends with the link even while the replica takes nothing more: those who wait for a place in the queue are let go.
async fn run_writer(
    lanes: Weak<Lanes>,
    writer: SharedStream,
    requests: mpsc::Receiver<Outgoing>,
    mut lost: watch::Receiver<bool>,
) {
    tokio::select! {
        () = write_requests(lanes, writer, requests) => {}
        _ = lost.wait_for(|lost| *lost) => {}
    }
}

async fn write_requests(lanes: Weak<Lanes>, writer: SharedStream, mut requests: mpsc::Receiver<Outgoing>) {
    let mut gatherer = Gatherer::new(writer);
    while let Some(outgoing) = requests.recv().await {
        // What stands here is not alone. Everything else that is ready comes first, so that what it asks for goes along:
        // a system call and a wake-up of the replica cost more than all else about a small request.
        tokio::task::yield_now().await;
        if let Err(error) = write_waiting(&mut gatherer, outgoing, &mut requests).await {
            if let Some(lanes) = lanes.upgrade() {
                lanes.fail(&format!("the connection broke while sending: {error}"));
            }
            return;
        }
    }
}

/// One request and all that wait behind it.
async fn write_waiting(
    gatherer: &mut Gatherer<SharedStream, Payload>,
    first: Outgoing,
    requests: &mut mpsc::Receiver<Outgoing>,
) -> std::io::Result<()> {
    let mut next = Some(first);
    while let Some(outgoing) = next.take() {
        match outgoing {
            Outgoing::Frame(header, payload) => {
                let checksum = payload.checksum();
                gatherer.push(&header, payload, checksum).await?;
            }
            Outgoing::Rest(bytes) => gatherer.send(&bytes).await?,
        }
        next = requests.try_recv().ok();
    }
    gatherer.flush().await
}

async fn run_reader(
    lanes: Weak<Lanes>,
    mut reader: BufReader<SharedStream>,
    pending: Arc<Mutex<Waiting>>,
    mut lost: watch::Receiver<bool>,
) {
    // One wait for all frames: beginning one costs more than reading a frame.
    let mut lost = pin!(lost.wait_for(|lost| *lost));
    loop {
        let frame = tokio::select! {
            biased;
            frame = frame::read(&mut reader) => frame,
            _ = &mut lost => return,
        };
        let Some(lanes) = lanes.upgrade() else { return };
        match frame {
            Ok(Some((header, payload))) => {
                let waiting = pending.lock().unwrap_or_else(PoisonError::into_inner).remove(header.id);
                let Some(waiting) = waiting else { continue };
                let answer = match header.kind {
                    Kind::Failed => Err(remote_error(&lanes.replica, &payload)),
                    _ => Ok(payload),
                };
                // A receiver that is gone no longer cares.
                let _ = waiting.answer.send(answer);
            }
            Ok(None) => return lanes.fail("the replica closed the connection; its process has ended"),
            Err(error) => return lanes.fail(&format!("the connection broke: {error}")),
        }
    }
}

#[cfg(test)]
mod tests;
