//! The replica's end of the data link: who may speak, and the way of each request to the directory.
//!
//! Invariants: nothing is answered before HELLO; an epoch below the highest seen is refused; a higher one is durable
//! and everything of the lower ones has ended before it is answered; of one epoch, only one session speaks; of one
//! session, only the latest link; a stream for bulk copying joins a link that speaks, and never makes one.

use std::io::Cursor;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, BufReader, Chain, ReadHalf, WriteHalf};
use tokio::sync::{RwLock, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::address::{Listener, Stream};
use super::alone::Solitude;
use super::answer::{Answer, Answered, Asked, control_answer, fenced, refused, remote, run_writer};
use super::control::{ControlReply, ControlRequest, Hello, RemoteError, Welcome};
use super::directory_work::{control, data};
use super::frame::{self, Header, Kind};
use crate::crash_point;
use crate::disk::AlignedBuf;
use crate::disk::queue::IoQueue;
use crate::replica::hash::{HashJobs, NodeLock};
use crate::replica::{OpenOptions, Replica, ReplicaError};

/// Requests of one stream worked on at once; more wait in the socket. Bounds memory: each may hold a payload.
const IN_FLIGHT_MAXIMUM: usize = 128;

/// Many small requests share one system call; a larger payload goes straight into its own buffer.
pub(super) const READ_BUFFER_BYTES: usize = 128 << 10;

/// Pause after a connection that could not be accepted.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// How a replica is served.
#[derive(Debug, Default)]
pub struct ServeOptions {
    pub open: OpenOptions,
    /// What lies under all layers; `None` for what the directory records.
    pub backing_file: Option<PathBuf>,
    /// Guards against other hashes of the node; `None` for the lock beside the directory.
    pub hash_lock: Option<NodeLock>,
}

/// A replica as its process holds it: open while an engine speaks to it.
pub struct ReplicaServer {
    volume: String,
    name: String,
    directory: PathBuf,
    /// What lies under all layers, where it was given; else what the directory records.
    backing_file: Option<PathBuf>,
    options: OpenOptions,
    pub(super) open: Arc<RwLock<Option<Arc<Replica>>>>,
    /// Who speaks now; streams of anybody else end themselves.
    session: watch::Sender<Session>,
    hello: tokio::sync::Mutex<()>,
    hashes: Arc<HashJobs>,
    /// `None` where the kernel refuses one: then threads wait for the disk.
    queue: std::sync::OnceLock<Option<IoQueue>>,
    /// How many streams threads serve.
    #[cfg(test)]
    pub(super) threads: std::sync::atomic::AtomicUsize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Session {
    epoch: u64,
    id: String,
    link: u64,
}

impl Session {
    fn of(hello: &Hello) -> Self {
        Self { epoch: hello.epoch, id: hello.session.clone(), link: hello.link }
    }

    /// Whether `next` may speak instead: a higher epoch, or a later link of the same engine.
    fn gives_way_to(&self, next: &Self) -> bool {
        match next.epoch.cmp(&self.epoch) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => self.id.is_empty() || (self.id == next.id && self.link < next.link),
            std::cmp::Ordering::Less => false,
        }
    }
}

/// What comes on a stream: first what somebody has received of it before.
type Input = BufReader<Chain<Cursor<Vec<u8>>, ReadHalf<Stream>>>;

/// A stream that tasks serve.
struct Served {
    reader: Input,
    answers: mpsc::Sender<Answered>,
    writing: JoinHandle<Option<WriteHalf<Stream>>>,
}

impl Served {
    fn begin(stream: Stream, received: Vec<u8>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let reader = BufReader::with_capacity(READ_BUFFER_BYTES, Cursor::new(received).chain(reader));
        // One more for HELLO.
        let (answers, outgoing) = mpsc::channel(IN_FLIGHT_MAXIMUM + 1);
        Self { reader, answers, writing: tokio::spawn(run_writer(writer, outgoing)) }
    }
}

/// Whether everything that was received has been read.
fn holds_nothing(reader: &Input) -> bool {
    let (received, _) = reader.get_ref().get_ref();
    reader.buffer().is_empty() && received.position() == received.get_ref().len() as u64
}

impl ReplicaServer {
    /// `directory` has to hold a replica already.
    #[must_use]
    pub fn new(volume: &str, name: &str, directory: PathBuf, options: OpenOptions) -> Arc<Self> {
        let options = ServeOptions { open: options, ..ServeOptions::default() };
        Self::with_options(volume, name, directory, options)
    }

    /// As [`ReplicaServer::new`], with more to choose.
    #[must_use]
    pub fn with_options(volume: &str, name: &str, directory: PathBuf, options: ServeOptions) -> Arc<Self> {
        let ServeOptions { open: options, backing_file, hash_lock } = options;
        let lock = hash_lock.unwrap_or_else(|| NodeLock::beside(&directory));
        Arc::new(Self {
            volume: volume.to_owned(),
            name: name.to_owned(),
            directory,
            backing_file,
            options,
            open: Arc::new(RwLock::new(None)),
            session: watch::Sender::new(Session::default()),
            hello: tokio::sync::Mutex::new(()),
            hashes: Arc::new(HashJobs::new(lock)),
            queue: std::sync::OnceLock::new(),
            #[cfg(test)]
            threads: std::sync::atomic::AtomicUsize::new(0),
        })
    }

    /// Serves for ever.
    pub async fn serve(self: Arc<Self>, listener: Listener) {
        loop {
            let stream = match listener.accept().await {
                Ok(stream) => stream,
                // A connection that broke while it was made, or no file descriptor left for it: others may come.
                Err(error) => {
                    tracing::warn!(replica = %self.name, %error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let server = Arc::clone(&self);
            tokio::spawn(async move { server.serve_stream(stream).await });
        }
    }

    /// Ends all streams, waits for requests in flight, closes the directory cleanly.
    pub async fn close(&self) -> Result<(), ReplicaError> {
        self.session.send_replace(Session::default());
        self.hashes.cancel_all("the replica is being stopped");
        let open = self.open.write().await.take();
        match open {
            Some(replica) => blocking(move || replica.close()).await,
            None => Ok(()),
        }
    }

    async fn serve_stream(self: Arc<Self>, stream: Stream) {
        let mut served = Served::begin(stream, Vec::new());
        let say = async |answers: &mpsc::Sender<Answered>, request, answer| {
            let _ = answers.send(Answered { request, answer, _place: None }).await;
        };
        let first = match frame::read(&mut served.reader).await {
            Ok(Some((header, payload))) if header.kind == Kind::Control => (header, payload),
            Ok(_) => return,
            Err(error) => return tracing::warn!(replica = %self.name, %error, "stream refused"),
        };
        let hello = match serde_json::from_slice(&first.1) {
            Ok(ControlRequest::Hello(hello)) => self.welcome(&hello).await.map(|welcome| (hello, welcome)),
            _ => Err(refused("the first request of a stream has to be HELLO")),
        };
        let (session, is_bulk) = match hello {
            Ok((hello, welcome)) => {
                say(&served.answers, first.0, control_answer(ControlReply::Welcome(welcome))).await;
                (Session::of(&hello), hello.bulk)
            }
            Err(error) => {
                tracing::warn!(replica = %self.name, %error, "HELLO refused");
                say(&served.answers, first.0, Err(error)).await;
                drop(served.answers);
                let _ = served.writing.await;
                return;
            }
        };
        self.serve_turns(served, &session).await;
        if !is_bulk {
            self.stop_purge_of(&session).await;
        }
    }

    /// Serves a stream by turns with tasks and with a thread, as its requests come, until it ends.
    async fn serve_turns(self: &Arc<Self>, mut served: Served, session: &Session) {
        let mut solitude = Solitude::default();
        loop {
            let Served { reader, answers, writing } = served;
            let Some((reader, first)) = self.serve_session(reader, session, answers, &mut solitude).await else {
                return;
            };
            let Ok(Some(writer)) = writing.await else { return };
            let (_, reader) = reader.into_inner().into_inner();
            let Some(returned) = self.serve_alone(reader.unsplit(writer), session, first).await else { return };
            solitude.came_back(returned.served);
            served = Served::begin(returned.stream, returned.received);
        }
    }

    /// A link that has lost one of its own streams is lost as a whole, and nobody follows the purge any more.
    async fn stop_purge_of(&self, session: &Session) {
        let open = self.open.read().await;
        if *self.session.borrow() == *session
            && let Some(replica) = &*open
        {
            replica.stop_purge("the connection to the engine was lost");
        }
    }

    /// Until the stream ends, or a thread is to serve it: nothing is in flight then but the request that comes along.
    async fn serve_session(
        self: &Arc<Self>,
        mut reader: Input,
        session: &Session,
        answers: mpsc::Sender<Answered>,
        solitude: &mut Solitude,
    ) -> Option<(Input, (Header, AlignedBuf))> {
        let permits = Arc::new(Semaphore::new(IN_FLIGHT_MAXIMUM));
        let mut current = self.session.subscribe();
        // One wait for all frames: beginning one costs more than reading a frame.
        let mut replaced = pin!(current.wait_for(|now| now != session));
        loop {
            let frame = tokio::select! {
                // What has come already costs no look at the session: each request looks itself.
                biased;
                frame = frame::read(&mut reader) => frame,
                // Somebody else speaks now, or the replica is being closed.
                _ = &mut replaced => return None,
            };
            let (header, payload) = match frame {
                Ok(frame) => frame?,
                Err(error) => {
                    tracing::warn!(replica = %self.name, %error, "stream ended");
                    return None;
                }
            };
            let alone = permits.available_permits() == IN_FLIGHT_MAXIMUM && holds_nothing(&reader);
            if solitude.after(&header, alone) {
                return Some((reader, (header, payload)));
            }
            let place = Arc::clone(&permits).acquire_owned().await.ok()?;
            let asked = Asked { header, answers: answers.clone(), place };
            let Some((asked, payload)) = self.begin_at_once(session, asked, payload) else { continue };
            let (server, session) = (Arc::clone(self), session.clone());
            tokio::spawn(async move {
                let answer = server.handle(&session, &asked.header, payload).await;
                asked.answer(answer);
            });
        }
    }

    /// Who speaks, and whoever will.
    pub(super) fn speaker(&self) -> watch::Receiver<Session> {
        self.session.subscribe()
    }

    /// HELLO: fences lower epochs, opens the directory, tells its state.
    async fn welcome(&self, hello: &Hello) -> Result<Welcome, RemoteError> {
        if hello.volume != self.volume || hello.replica != self.name {
            return Err(refused(&format!(
                "this is replica {} of volume {}; the engine asked for {} of {}",
                self.name, self.volume, hello.replica, hello.volume
            )));
        }
        let _one_at_a_time = self.hello.lock().await;
        let now = self.session.borrow().clone();
        let theirs = Session::of(hello);
        if now == theirs {
            // A further lane of the link that speaks already.
            return self.describe().await;
        }
        if hello.bulk {
            return Err(refused("the link that this stream for bulk copying belongs to speaks no more"));
        }
        if !now.gives_way_to(&theirs) {
            return Err(fenced(hello.epoch, now.epoch));
        }
        // From here on no stream of an earlier one takes another request; then wait for those in flight (they hold the
        // read side of `open`) before anything is answered to the new one.
        self.session.send_replace(Session::default());
        let mut open = self.open.write().await;
        if let Some(replica) = &*open {
            // The engine that asked for it is gone; whoever comes starts with nothing going on.
            replica.stop_purge("another engine has taken over");
        }
        let replica = match open.take() {
            Some(replica) if replica.failure().is_none() => replica,
            stopped => {
                if let Some(stopped) = stopped {
                    self.let_go_of(stopped).await;
                }
                let (directory, options) = (self.directory.clone(), self.options);
                let backing_file = self.backing_file.clone();
                let opening = move || Replica::open_on(&directory, backing_file.as_deref(), options);
                let opened = blocking(opening).await.map_err(remote)?;
                crash_point::reached("hello.opened");
                Arc::new(opened)
            }
        };
        *open = Some(Arc::clone(&replica));
        if hello.epoch < replica.fence().epoch {
            return Err(fenced(hello.epoch, replica.fence().epoch));
        }
        // Asked on another thread: a change of layers may be waiting for requests that only this one can complete.
        let holds_anything = {
            let (replica, salvage) = (Arc::clone(&replica), hello.salvage);
            blocking(move || if salvage { holds_anything(&replica) } else { Ok(false) }).await.map_err(remote)?
        };
        let is_new = replica.fence().epoch == 0 && !holds_anything;
        if hello.holds_data && is_new {
            // Nothing is remembered of this engine, so that the next one gets the same answer.
            return Err(refused(&format!(
                "{} holds a new, empty replica instead of the volume's data; mount the disk that has the data and \
                 start the replica again, or remove this replica so that another one is built",
                self.directory.display()
            )));
        }
        let (epoch, generation) = (hello.epoch, replica.fence().generation);
        let raised = Arc::clone(&replica);
        // What the one before was filling in, or about to take a snapshot of, is nobody's now.
        blocking(move || {
            raised.undo_prepared();
            raised.raise_fence(epoch, generation).and_then(|()| raised.give_up_fill())
        })
        .await
        .map_err(remote)?;
        crash_point::reached("hello.fenced");
        drop(open);
        self.session.send_replace(theirs);
        self.describe().await
    }

    /// The replica stopped itself: its memory may differ from its files, or a sync failed. The files are the truth and
    /// will be read anew. Nothing of it is in flight.
    async fn let_go_of(&self, stopped: Arc<Replica>) {
        tracing::warn!(replica = %self.name, why = stopped.failure(), "the directory is opened again");
        self.hashes.cancel_all("the replica is being opened again");
        blocking(move || stopped.abandon()).await;
    }

    async fn describe(&self) -> Result<Welcome, RemoteError> {
        let open = self.open.read().await;
        let replica = Arc::clone(open.as_ref().ok_or_else(|| refused("the replica is closed"))?);
        // On another thread: a change of layers may be waiting for requests that only this one can complete.
        blocking(move || describe(&replica)).await.map_err(remote)
    }

    async fn handle(&self, session: &Session, header: &Header, payload: AlignedBuf) -> Answer {
        // Held for the whole request: a new epoch and a close wait for it.
        let open = self.open.read().await;
        self.check_speaks(session)?;
        let replica = Arc::clone(open.as_ref().ok_or_else(|| refused("the replica is closed"))?);
        if header.kind == Kind::Control {
            let request = serde_json::from_slice(&payload)
                .map_err(|error| refused(&format!("the control request is unreadable: {error}")))?;
            if matches!(request, ControlRequest::Close) {
                drop(open);
                return self.close_for_engine(session).await;
            }
            let hashes = Arc::clone(&self.hashes);
            return blocking(move || control(&replica, &hashes, request)).await.and_then(control_answer);
        }
        let header = *header;
        match (header.kind, self.queue()) {
            (Kind::Read, Some(queue)) => replica.read_queued(queue, header.offset, header.length).await.map_err(remote),
            (Kind::Write, Some(queue)) => {
                replica.write_queued(queue, header.offset, payload).await.map_err(remote)?;
                if header.stable {
                    blocking(move || replica.flush()).await.map_err(remote)?;
                }
                Ok(AlignedBuf::default())
            }
            _ => blocking(move || data(&replica, &header, &payload)).await,
        }
    }

    pub(super) fn check_speaks(&self, session: &Session) -> Result<(), RemoteError> {
        let now = self.session.borrow();
        if now.epoch > session.epoch {
            return Err(fenced(session.epoch, now.epoch));
        }
        if *now != *session {
            // No newer engine: the process is being stopped, or this link was given up for a later one.
            return Err(refused("the replica is being stopped"));
        }
        Ok(())
    }

    pub(super) fn queue(&self) -> Option<&IoQueue> {
        let start = || {
            IoQueue::start()
                .inspect_err(|error| tracing::warn!(%error, "no io_uring here; threads wait for the disk instead"))
                .ok()
        };
        self.queue.get_or_init(start).as_ref()
    }

    /// The engine lets go: the directory is clean, and the next HELLO opens it again.
    async fn close_for_engine(&self, session: &Session) -> Answer {
        let mut open = self.open.write().await;
        // Another engine may have been welcomed meanwhile.
        self.check_speaks(session)?;
        self.hashes.cancel_all("the volume is being detached");
        // Held until it is closed: whoever comes next opens the directory again.
        if let Some(replica) = open.take() {
            blocking(move || replica.close()).await.map_err(remote)?;
        }
        control_answer(ControlReply::Done)
    }
}

fn describe(replica: &Replica) -> Result<Welcome, ReplicaError> {
    let fence = replica.fence();
    // Unflushed writes survive the process, but not a reboot of its host.
    let rebooted = fence.previous_boot_id.as_ref().is_some_and(|before| *before != fence.boot_id);
    Ok(Welcome {
        size: replica.size(),
        was_dirty: replica.was_dirty(),
        rebuilding: replica.rebuilding(),
        generation: fence.generation,
        rebooted: rebooted && replica.was_dirty(),
        head: replica.head_facts()?,
        remote: replica.remote_map(),
    })
}

/// Whether somebody ever wrote into the volume that this directory is a copy of.
fn holds_anything(replica: &Replica) -> Result<bool, ReplicaError> {
    let layers = replica.layers()?;
    Ok(layers.iter().any(|layer| !layer.is_head || layer.allocated_bytes > 0))
}

/// Runs a blocking piece of work of a replica.
pub(crate) async fn blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            // It must not be swallowed.
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime cancels blocking work only at its own end, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        },
    }
}
