//! The engine's end of the data link to one replica.
//!
//! A link has several streams ("lanes"); requests take them in turn and answers come back on the lane that carried
//! the request, in any order. The first fault of any lane ends the whole link: every request in flight and every
//! later one fails with the same cause, and the owner of the volume is told once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot, watch};

use super::address::{Address, Stream};
use super::control::{ControlReply, ControlRequest, Hello, RemoteError, RemoteErrorKind, Welcome};
use super::frame::{self, Header, Kind, LAYER_NAME_LENGTH};
use super::gather::Gatherer;
use crate::disk::AlignedBuf;

/// Streams of one link. Two let a large transfer and a small request pass each other; more gain nothing measurable
/// on one machine.
pub const LANES: usize = 2;

/// How long a connection may take before the replica counts as not reachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a HELLO may take: the replica waits for the disk to finish what an older engine asked, and reads the maps
/// of all its layers. Longer than a connection, because a member that misses it has to be rebuilt.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);
/// Control requests sync, delete and compare files, and a rebuild's end is asked of one replica alone: they may take
/// this much longer than a read or a write before their replica counts as slow.
const CONTROL_ALLOWANCE: Duration = Duration::from_secs(30);

/// Numbers the links of this process.
static LINKS: AtomicU64 = AtomicU64::new(1);

/// Requests waiting for a lane's writer. The frontends bound what is in flight; this only smooths bursts.
const QUEUE: usize = 256;

/// Why a request to a replica failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// The replica answered with an error.
    #[error("replica {replica}: {error}")]
    Remote { replica: String, error: RemoteError },
    /// The link is gone; nothing is known about requests in flight.
    #[error("replica {replica}: {cause}")]
    Lost { replica: String, cause: String },
}

impl LinkError {
    /// What the replica said, if it was the replica that said it.
    #[must_use]
    pub fn remote_kind(&self) -> Option<RemoteErrorKind> {
        match self {
            Self::Remote { error, .. } => Some(error.kind),
            Self::Lost { .. } => None,
        }
    }
}

/// A link to one replica. Cheap to clone.
#[derive(Clone)]
pub struct ReplicaLink {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    address: Address,
    welcome: Welcome,
    lanes: Vec<Lane>,
    next_lane: AtomicUsize,
    next_id: AtomicU64,
    in_flight: AtomicUsize,
    lost: OnceLock<String>,
    lost_signal: watch::Sender<bool>,
}

struct Lane {
    queue: mpsc::Sender<Outgoing>,
    pending: Arc<Mutex<HashMap<u64, Pending>>>,
}

struct Outgoing {
    header: Header,
    payload: Payload,
}

/// What follows a header: shared, because the same bytes go to every replica.
#[derive(Clone, Default)]
pub struct Payload(Option<Arc<AlignedBuf>>);

impl From<Arc<AlignedBuf>> for Payload {
    fn from(buffer: Arc<AlignedBuf>) -> Self {
        Self(Some(buffer))
    }
}

impl Payload {
    fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |buffer| &buffer[..])
    }
}

struct Pending {
    answer: oneshot::Sender<Result<AlignedBuf, LinkError>>,
    since: Instant,
    allowance: Duration,
}

/// A data request to a replica.
#[derive(Clone)]
pub struct Request {
    pub kind: Kind,
    pub offset: u64,
    pub length: u32,
    pub stable: bool,
    pub may_unmap: bool,
    pub payload: Payload,
}

impl Request {
    /// A request of this kind without flags and payload.
    #[must_use]
    pub fn new(kind: Kind, offset: u64, length: u32) -> Self {
        Self { kind, offset, length, stable: false, may_unmap: false, payload: Payload::default() }
    }

    /// Data for something that has a name of at most `LAYER_NAME_LENGTH` bytes: a block with the name comes first.
    #[must_use]
    pub fn named(kind: Kind, name: &str, offset: u64, data: &[u8]) -> Self {
        let mut payload = AlignedBuf::zeroed(LAYER_NAME_LENGTH + data.len());
        payload[..name.len()].copy_from_slice(name.as_bytes());
        payload[LAYER_NAME_LENGTH..].copy_from_slice(data);
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        Self { payload: Arc::new(payload).into(), ..Self::new(kind, offset, length) }
    }
}

impl ReplicaLink {
    /// Connects all lanes and says HELLO on each; the answer of the first tells the replica's state.
    pub async fn connect(name: &str, address: &Address, hello: &Hello) -> Result<Self, LinkError> {
        let lost = |cause: String| LinkError::Lost { replica: name.to_owned(), cause };
        let too_late =
            |what: &str, limit: Duration| lost(format!("{address} did not {what} within {} s", limit.as_secs()));
        let hello = Hello { link: LINKS.fetch_add(1, Ordering::Relaxed), ..hello.clone() };
        let mut streams = Vec::with_capacity(LANES);
        let mut welcome = Welcome::default();
        for lane in 0..LANES {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, address.connect()).await;
            let mut stream = connected
                .map_err(|_| too_late("accept a connection", CONNECT_TIMEOUT))?
                .map_err(|error| lost(format!("cannot connect to {address}: {error}")))?;
            let answer = tokio::time::timeout(HELLO_TIMEOUT, say_hello(name, &mut stream, &hello)).await;
            let answer = answer.map_err(|_| too_late("answer HELLO", HELLO_TIMEOUT))??;
            if lane == 0 {
                welcome = answer;
            }
            streams.push(stream);
        }
        Ok(Self::start(name, address, streams, welcome))
    }

    fn start(name: &str, address: &Address, streams: Vec<Stream>, welcome: Welcome) -> Self {
        let mut lanes = Vec::new();
        let mut ends = Vec::new();
        for stream in streams {
            let (queue, requests) = mpsc::channel(QUEUE);
            let pending = Arc::new(Mutex::new(HashMap::new()));
            lanes.push(Lane { queue, pending: Arc::clone(&pending) });
            ends.push((stream, requests, pending));
        }
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            address: address.clone(),
            welcome,
            lanes,
            next_lane: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
            in_flight: AtomicUsize::new(0),
            lost: OnceLock::new(),
            lost_signal: watch::Sender::new(false),
        });
        for (stream, requests, pending) in ends {
            let (reader, writer) = tokio::io::split(stream);
            // The tasks hold the link weakly: dropping the last handle ends them.
            tokio::spawn(run_writer(Arc::downgrade(&shared), writer, requests, shared.lost_signal.subscribe()));
            tokio::spawn(run_reader(Arc::downgrade(&shared), reader, pending, shared.lost_signal.subscribe()));
        }
        Self { shared }
    }

    /// Name of the replica.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// What the replica said of itself when the link was made.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.shared.welcome
    }

    /// Whether both are the same link; a replica that was dropped and rebuilt has another one under its name.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Requests that wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// Why the link is gone, if it is.
    #[must_use]
    pub fn lost_cause(&self) -> Option<&str> {
        self.shared.lost.get().map(String::as_str)
    }

    /// Resolves when the link is gone.
    pub async fn lost(&self) {
        let mut signal = self.shared.lost_signal.subscribe();
        // An error means that the sender is gone, and with it the link.
        let _ = signal.wait_for(|lost| *lost).await;
    }

    /// Age of the request that has waited longest for its answer, beyond what its kind is allowed.
    #[must_use]
    pub fn oldest_wait(&self) -> Option<Duration> {
        let oldest = |lane: &Lane| {
            let waited = |pending: &Pending| pending.since.elapsed().saturating_sub(pending.allowance);
            lane.lock_pending().values().map(waited).max()
        };
        self.shared.lanes.iter().filter_map(oldest).max()
    }

    /// Ends the link; everything in flight fails with this cause.
    pub fn fail(&self, cause: &str) {
        self.shared.fail(cause);
    }

    /// Sends a request and waits for its answer. Cancel-safe: a dropped future only forgets the answer.
    pub async fn request(&self, request: Request) -> Result<AlignedBuf, LinkError> {
        let shared = &self.shared;
        let lane = &shared.lanes[shared.next_lane.fetch_add(1, Ordering::Relaxed) % shared.lanes.len()];
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let _count = InFlight::count(&shared.in_flight);
        // A place in the queue first: a request that is given up before it is sent must not wait for an answer.
        let closed = || shared.lost_error(shared.lost.get().map_or("the connection was closed", String::as_str));
        let place = lane.queue.reserve().await.map_err(|_| closed())?;
        let allowance = if request.kind == Kind::Control { CONTROL_ALLOWANCE } else { Duration::ZERO };
        lane.lock_pending().insert(id, Pending { answer, since: Instant::now(), allowance });
        // Checked after the insert: `fail` marks the loss first and then empties the tables.
        if let Some(cause) = shared.lost.get() {
            lane.lock_pending().remove(&id);
            return Err(shared.lost_error(cause));
        }
        let header = Header {
            kind: request.kind,
            stable: request.stable,
            may_unmap: request.may_unmap,
            id,
            offset: request.offset,
            length: request.length,
        };
        place.send(Outgoing { header, payload: request.payload });
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Sends a control request.
    pub async fn control(&self, request: &ControlRequest) -> Result<ControlReply, LinkError> {
        let mut asked = Request::new(Kind::Control, 0, 0);
        asked.payload = Arc::new(encode_json(request)).into();
        let answer = self.request(asked).await?;
        serde_json::from_slice(&answer).map_err(|error| {
            let cause = format!("answered {request:?} with something unreadable: {error}");
            LinkError::Lost { replica: self.name().to_owned(), cause }
        })
    }

    /// Raw bytes of one layer's file.
    pub async fn layer_read(&self, layer: &str, offset: u64, length: u32) -> Result<AlignedBuf, LinkError> {
        let mut request = Request::new(Kind::LayerRead, offset, length);
        request.payload = Arc::new(AlignedBuf::copy_of(layer.as_bytes())).into();
        self.request(request).await
    }

    /// Writes raw bytes into one layer's file of a replica that is being rebuilt.
    pub async fn layer_write(&self, layer: &str, offset: u64, data: &[u8]) -> Result<(), LinkError> {
        self.request(Request::named(Kind::LayerWrite, layer, offset, data)).await.map(drop)
    }

    /// Bytes of a snapshot's content.
    pub async fn snapshot_read(&self, name: &str, offset: u64, length: u32) -> Result<AlignedBuf, LinkError> {
        let mut request = Request::new(Kind::SnapshotRead, offset, length);
        request.payload = Arc::new(AlignedBuf::copy_of(name.as_bytes())).into();
        self.request(request).await
    }
}

impl Lane {
    fn lock_pending(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn lost_error(&self, cause: &str) -> LinkError {
        LinkError::Lost { replica: self.name.clone(), cause: cause.to_owned() }
    }

    fn fail(&self, cause: &str) {
        if self.lost.set(cause.to_owned()).is_ok() {
            tracing::warn!(replica = %self.name, cause, "link lost");
        }
        self.lost_signal.send_replace(true);
        let cause = self.lost.get().map_or(cause, String::as_str);
        for lane in &self.lanes {
            let waiting: Vec<_> = lane.lock_pending().drain().collect();
            for (_, pending) in waiting {
                // A receiver that is gone no longer cares.
                let _ = pending.answer.send(Err(self.lost_error(cause)));
            }
        }
    }
}

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

fn encode_json<T: serde::Serialize>(value: &T) -> AlignedBuf {
    // The shapes here have string keys only, which always serialise.
    AlignedBuf::copy_of(&serde_json::to_vec(value).unwrap_or_default())
}

async fn say_hello(name: &str, stream: &mut Stream, hello: &Hello) -> Result<Welcome, LinkError> {
    let lost = |cause: String| LinkError::Lost { replica: name.to_owned(), cause };
    let payload = encode_json(&ControlRequest::Hello(hello.clone()));
    let header = Header { kind: Kind::Control, stable: false, may_unmap: false, id: 0, offset: 0, length: 0 };
    let mut bytes = header.encode(&payload).to_vec();
    bytes.extend_from_slice(&payload);
    stream.write_all(&bytes).await.map_err(|error| lost(format!("could not say HELLO: {error}")))?;
    let answer = frame::read(stream).await.map_err(|error| lost(format!("no answer to HELLO: {error}")))?;
    let Some((header, payload)) = answer else {
        return Err(lost("closed the connection instead of answering HELLO".to_owned()));
    };
    if header.kind == Kind::Failed {
        return Err(remote_error(name, &payload));
    }
    match serde_json::from_slice(&payload) {
        Ok(ControlReply::Welcome(welcome)) => Ok(welcome),
        Ok(other) => Err(lost(format!("answered HELLO with {other:?}"))),
        Err(error) => Err(lost(format!("answered HELLO with something unreadable: {error}"))),
    }
}

fn remote_error(replica: &str, payload: &[u8]) -> LinkError {
    let error = serde_json::from_slice(payload).unwrap_or_else(|error| RemoteError {
        kind: RemoteErrorKind::Failed,
        message: format!("failed, and its reason is unreadable: {error}"),
    });
    LinkError::Remote { replica: replica.to_owned(), error }
}

/// Ends with the link even while the replica takes nothing more: those who wait for a place in the queue are let go.
async fn run_writer(
    shared: std::sync::Weak<Shared>,
    writer: tokio::io::WriteHalf<Stream>,
    requests: mpsc::Receiver<Outgoing>,
    mut lost: watch::Receiver<bool>,
) {
    tokio::select! {
        () = write_requests(shared, writer, requests) => {}
        _ = lost.wait_for(|lost| *lost) => {}
    }
}

async fn write_requests(
    shared: std::sync::Weak<Shared>,
    writer: tokio::io::WriteHalf<Stream>,
    mut requests: mpsc::Receiver<Outgoing>,
) {
    let mut gatherer = Gatherer::new(writer);
    while let Some(outgoing) = requests.recv().await {
        if let Err(error) = write_waiting(&mut gatherer, outgoing, &mut requests).await {
            if let Some(shared) = shared.upgrade() {
                shared.fail(&format!("the connection broke while sending: {error}"));
            }
            return;
        }
    }
}

/// One request and all that wait behind it.
async fn write_waiting(
    gatherer: &mut Gatherer<tokio::io::WriteHalf<Stream>>,
    first: Outgoing,
    requests: &mut mpsc::Receiver<Outgoing>,
) -> std::io::Result<()> {
    let mut next = Some(first);
    while let Some(outgoing) = next.take() {
        gatherer.push(&outgoing.header, outgoing.payload.bytes()).await?;
        next = requests.try_recv().ok();
    }
    gatherer.flush().await
}

async fn run_reader(
    shared: std::sync::Weak<Shared>,
    mut reader: tokio::io::ReadHalf<Stream>,
    pending: Arc<Mutex<HashMap<u64, Pending>>>,
    mut lost: watch::Receiver<bool>,
) {
    loop {
        let frame = tokio::select! {
            frame = frame::read(&mut reader) => frame,
            _ = lost.wait_for(|lost| *lost) => return,
        };
        let Some(shared) = shared.upgrade() else { return };
        match frame {
            Ok(Some((header, payload))) => {
                let waiting = pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&header.id);
                let Some(waiting) = waiting else { continue };
                let answer = match header.kind {
                    Kind::Failed => Err(remote_error(&shared.name, &payload)),
                    _ => Ok(payload),
                };
                // A receiver that is gone no longer cares.
                let _ = waiting.answer.send(answer);
            }
            Ok(None) => return shared.fail("the replica closed the connection; its process has ended"),
            Err(error) => return shared.fail(&format!("the connection broke: {error}")),
        }
    }
}
